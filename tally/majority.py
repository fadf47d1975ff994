"""Elected by a majority: two rounds, with the share of votes and turnout that the law asks.

A candidate is elected in the first round by more than the stated share of a stated base
(valid votes, or all who voted), where enough took part. Else the leading ones go to a
second round, in which the most votes decide. Equal votes at the edge of the second round
are a tie and reported (`tally.ties`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tally.errors import SeatError
from tally.ties import Tie, TieBreaker


@dataclass(frozen=True, slots=True)
class MajorityRule:
    """What elects in the first round: `share` of `base` must be exceeded, and at least
    `turnout` of the registered must have voted (0: no such condition); `leading` candidates
    go to the second round."""

    share: Fraction = Fraction(1, 2)
    turnout: Fraction = Fraction(0)
    leading: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1 or not 0 <= self.turnout <= 1 or self.leading < 2:
            raise SeatError("a majority is a share from 0 to 1, with 2 or more in a second round")


@dataclass(frozen=True, slots=True)
class Round:
    """The outcome of a round. `elected` None: then `second_round` has who goes on, or the
    tie is open, or the turnout was too low (`notes` says which)."""

    elected: str | None
    second_round: tuple[str, ...]
    tie: Tie | None
    needed: Fraction
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "elected": self.elected,
            "second_round": list(self.second_round),
            "tie": None if self.tie is None else self.tie.as_json(),
            "more_than": str(self.needed),
            "notes": list(self.notes),
        }


def first_round(
    votes: Mapping[str, int],
    *,
    base: int,
    rule: MajorityRule,
    breaker: TieBreaker,
    registered: int | None = None,
    voted: int | None = None,
) -> Round:
    """The first round. `votes` has candidates alone; `base` is what the share is of, votes.

    Raises:
        SeatError: no candidate, negative votes, a base under the votes, turnout not known.
    """
    if not votes or any(v < 0 for v in votes.values()):
        raise SeatError("a round needs candidates, with votes of 0 or more")
    if base < sum(votes.values()):
        raise SeatError(f"the share is of {base}, but the votes are {sum(votes.values())}")
    needed = rule.share * base
    if rule.turnout:
        if registered is None or voted is None:
            raise SeatError("the rule asks for a turnout: say how many are registered and voted")
        if voted < rule.turnout * registered:
            note = f"{voted} of {registered} voted, under {rule.turnout}: the round is not valid"
            return Round(None, (), None, needed, (note,))
    over = [name for name, number in votes.items() if number > needed]
    if len(over) == 1:
        return Round(over[0], (), None, needed, ())
    if len(over) > 1:
        # Only possible where the share is under one half.
        best = max(votes[name] for name in over)
        leaders = [name for name in over if votes[name] == best]
        if len(leaders) == 1:
            return Round(leaders[0], (), None, needed, ())
    return _go_on(votes, rule.leading, needed, breaker)


def _go_on(votes: Mapping[str, int], places: int, needed: Fraction, breaker: TieBreaker) -> Round:
    going: list[str] = []
    for value in sorted({v for v in votes.values() if v > 0}, reverse=True):
        group = sorted(n for n, v in votes.items() if v == value)
        rest = places - len(going)
        if rest <= 0:
            break
        if len(group) > rest:
            met = breaker.settle(group, rest, "equal votes for the second round")
            return Round(None, (*going, *met.chosen), met, needed, ())
        going += group
    notes = () if len(going) > 1 else ("fewer than two candidates have a vote: no second round",)
    return Round(None, tuple(going) if len(going) > 1 else (), None, needed, notes)


def second_round(votes: Mapping[str, int], *, breaker: TieBreaker) -> Round:
    """The second round: the most votes. Raises SeatError as `first_round` does."""
    if not votes or any(v < 0 for v in votes.values()):
        raise SeatError("a round needs candidates, with votes of 0 or more")
    best = max(votes.values())
    leaders = sorted(n for n, v in votes.items() if v == best)
    if best == 0:
        return Round(None, (), None, Fraction(0), ("no candidate has a vote",))
    if len(leaders) == 1:
        return Round(leaders[0], (), None, Fraction(0), ())
    met = breaker.settle(leaders, 1, "equal votes in the second round")
    return Round(met.chosen[0] if met.chosen else None, (), met, Fraction(0), ())
