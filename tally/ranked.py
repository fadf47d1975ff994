"""Ranked contests: the instant run-off, and the single transferable vote in exact fractions.

Both count in rounds and keep each one: who had how many, who was elected or excluded, what
ties were met. A tie that the rule cannot break stops the count there, and says so.

The single transferable vote is the weighted inclusive Gregory method (all papers of an
elected candidate go on, each at the same share of its value) with the Droop quota; values
are `Fraction`, so that no vote is lost to rounding, as it is where the law cuts to five
places (Scotland's Local Government Elections Order 2011). `places` cuts transfer values
to that many decimal places for such a law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tally.errors import SeatError
from tally.rankings import Rankings
from tally.ties import Tie, TieBreaker


@dataclass(frozen=True, slots=True)
class RankedRound:
    """One round: what each standing candidate had before it acted, and what it did."""

    tallies: dict[str, Fraction]
    exhausted: Fraction
    elected: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    transferred: str | None = None
    tie: Tie | None = None


@dataclass(frozen=True, slots=True)
class RankedResult:
    """The whole count. `undecided` seats are left where a tie could not be broken, or fewer
    candidates than seats have a vote. In every round tallies + exhausted = valid ballots."""

    method: str
    seats: int
    valid: int
    blank: int
    quota: Fraction
    elected: tuple[str, ...]
    undecided: int
    rounds: tuple[RankedRound, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values; fractions as "a/b"."""
        return {
            "method": self.method,
            "seats": self.seats,
            "valid": self.valid,
            "blank": self.blank,
            "quota": str(self.quota),
            "elected": list(self.elected),
            "undecided": self.undecided,
            "rounds": [
                {
                    "tallies": {c: str(v) for c, v in r.tallies.items()},
                    "exhausted": str(r.exhausted),
                    "elected": list(r.elected),
                    "excluded": list(r.excluded),
                    "transferred": r.transferred,
                    "tie": None if r.tie is None else r.tie.as_json(),
                }
                for r in self.rounds
            ],
        }


def instant_runoff(rankings: Rankings, breaker: TieBreaker) -> RankedResult:
    """The last candidate is excluded, round by round, until one has more than half of the
    ballots that still name somebody. Raises SeatError: more than one seat."""
    if rankings.seats != 1:
        raise SeatError("an instant run-off fills one seat; use the single transferable vote")
    return _count(rankings, breaker, "instant_runoff", None)


def single_transferable_vote(
    rankings: Rankings, breaker: TieBreaker, *, places: int | None = None
) -> RankedResult:
    """Elect `rankings.seats` candidates.

    Args:
        rankings: the ballots.
        breaker: decides who is excluded, or transferred first, among equals.
        places: cut transfer values to so many decimal places; None keeps them exact.
    """
    if places is not None and not 0 <= places <= 20:
        raise SeatError(f"transfer values have 0 to 20 decimal places, not {places}")
    return _count(rankings, breaker, "single_transferable_vote", places)


_Paper = tuple[tuple[str, ...], int, Fraction]


@dataclass(slots=True)
class _State:
    hopeful: set[str]
    piles: dict[str, list[_Paper]]
    exhausted: Fraction = Fraction(0)
    elected: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)  # elected, surplus not yet passed on
    held: dict[str, Fraction] = field(default_factory=dict)  # of those done: what they keep
    rounds: list[RankedRound] = field(default_factory=list)

    def tally(self, name: str) -> Fraction:
        if name in self.held:
            return self.held[name]
        return sum((value for _, _, value in self.piles[name]), Fraction(0))

    def tallies(self) -> dict[str, Fraction]:
        return {name: self.tally(name) for name in sorted(self.piles)}

    def hand_on(self, papers: Iterable[_Paper]) -> None:
        """Give each paper to the next hopeful on it, or count it exhausted."""
        for ranking, at, value in papers:
            nxt = next((i for i in range(at, len(ranking)) if ranking[i] in self.hopeful), None)
            if nxt is None:
                self.exhausted += value
            else:
                self.piles[ranking[nxt]].append((ranking, nxt + 1, value))


def _count(
    rankings: Rankings, breaker: TieBreaker, method: str, places: int | None
) -> RankedResult:
    standing = rankings.standing()
    allowed = set(standing)
    state = _State(set(allowed), {c: [] for c in standing})
    valid = blank = 0
    first: list[_Paper] = []
    for ranking, number in sorted(rankings.ballots.items()):
        if not allowed.intersection(ranking):
            blank += number
            continue
        valid += number
        first.append((ranking, 0, Fraction(number)))
    state.hand_on(first)
    runoff = method == "instant_runoff"
    quota = Fraction(valid // (rankings.seats + 1) + 1)

    def needed() -> Fraction:
        if not runoff:
            return quota
        # More than half of what is not exhausted, in whole ballots.
        return Fraction(int(valid - state.exhausted) // 2 + 1)

    while len(state.elected) < rankings.seats and state.hopeful:
        if not _step(state, rankings.seats, needed, breaker, places):
            break
    return RankedResult(
        method,
        rankings.seats,
        valid,
        blank,
        quota,
        tuple(state.elected),
        rankings.seats - len(state.elected),
        tuple(state.rounds),
    )


def _step(
    state: _State,
    seats: int,
    needed: Callable[[], Fraction],
    breaker: TieBreaker,
    places: int | None,
) -> bool:
    """One round. False where the count cannot go on."""
    tallies = state.tallies()
    exhausted = state.exhausted
    bar = needed()

    def done(**what: Any) -> None:
        state.rounds.append(RankedRound(tallies, exhausted, **what))

    over = sorted((c for c in state.hopeful if tallies[c] >= bar), key=lambda c: (-tallies[c], c))
    if over:
        for name in over:
            state.hopeful.discard(name)
        state.elected += over
        state.waiting += over
        done(elected=tuple(over))
        return True
    if state.waiting:
        return _pass_on(state, bar, tallies, breaker, places, done)
    alive = sorted(c for c in state.hopeful if tallies[c] > 0)
    if len(state.hopeful) <= seats - len(state.elected):
        # As many as there are seats: all with a vote are elected without the quota.
        order = sorted(alive, key=lambda c: (-tallies[c], c))
        state.elected += order
        state.hopeful.clear()
        done(elected=tuple(order))
        return False
    least = min(tallies[c] for c in state.hopeful)
    last = sorted(c for c in state.hopeful if tallies[c] == least)
    out, met = last, None
    if len(last) > 1 and least > 0:
        # One is excluded: the others of the group are the ones with a claim to stay.
        met = breaker.settle(last, len(last) - 1, "equal votes for exclusion")
        out = [c for c in last if c not in met.chosen] if met.chosen else []
    # Those without any vote go together: nothing passes on from them, so the order is no matter.
    if not out:
        done(tie=met)
        return False
    papers: list[_Paper] = []
    for name in out:
        state.hopeful.discard(name)
        papers += state.piles.pop(name)
    state.hand_on(papers)
    done(excluded=tuple(out), tie=met)
    return True


def _pass_on(
    state: _State,
    quota: Fraction,
    tallies: dict[str, Fraction],
    breaker: TieBreaker,
    places: int | None,
    done: Callable[..., None],
) -> bool:
    """Transfer the largest surplus."""
    surplus = {c: tallies[c] - quota for c in state.waiting}
    most = max(surplus.values())
    group = sorted(c for c in state.waiting if surplus[c] == most)
    met = None
    if most == 0:
        for name in group:
            state.held[name] = quota
        state.waiting.clear()
        return True
    chosen = group[0]
    if len(group) > 1:
        met = breaker.settle(group, 1, "equal surpluses")
        if not met.chosen:
            done(tie=met)
            return False
        chosen = met.chosen[0]
    share = surplus[chosen] / tallies[chosen]
    moved = []
    for ranking, at, value in state.piles[chosen]:
        one = value * share
        if places is not None:
            one = Fraction(int(one * 10**places), 10**places)
        moved.append((ranking, at, one))
    # Where values are cut, what the cut leaves stays with the elected candidate.
    state.held[chosen] = tallies[chosen] - sum((v for _, _, v in moved), Fraction(0))
    state.piles[chosen] = []
    state.waiting.remove(chosen)
    state.hand_on(moved)
    done(transferred=chosen, tie=met)
    return True
