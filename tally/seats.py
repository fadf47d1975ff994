"""Seats from votes: Hare quota with largest remainders, and first past the post.

List seats follow the Constitutional Law on Elections of Kazakhstan, art. 97-1, as stated
in SEED-07: lists over the threshold of *those who voted* are admitted; their votes are
summed and divided by the seats (the first quotient); each list's votes divided by it give
whole seats; the rest go to the largest remainders, equal ones to the earlier registered.
Votes are `int`, quotients and remainders `Fraction`: nothing is rounded. Every tie is
reported; one that the rule cannot break leaves its seats undecided, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Literal

from tally.errors import SeatError

TieRule = Literal["earlier_registration", "lot"]
#: Whether a list that has exactly the threshold is admitted ("at_least") or not ("over").
ThresholdRule = Literal["over", "at_least"]

#: More than every voter on Earth: larger numbers are typing errors.
MAX_VOTES = 10**10
MAX_SEATS = 10_000


@dataclass(frozen=True, slots=True)
class Tie:
    """Equal claims to `at_stake` seats.

    `among` are the equal claimants, `chosen` those the rule gave a seat (empty while a lot
    or a registration order is awaited), `rule` says how in plain words.
    """

    among: tuple[str, ...]
    at_stake: int
    chosen: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class ListSeats:
    """An allotment. `sum(seats.values()) + undecided == total` always.

    `seats` has every list (0 for those below the threshold); `whole` and `remainders`
    (in seats, 0 ≤ r < 1) only the admitted ones. `quotient` is votes a seat, None where no
    list is admitted. `notes` are plain sentences a reader should see.
    """

    total: int
    voted: int
    threshold_votes: Fraction
    admitted: tuple[str, ...]
    excluded: tuple[str, ...]
    quotient: Fraction | None
    whole: dict[str, int]
    remainders: dict[str, Fraction]
    seats: dict[str, int]
    ties: tuple[Tie, ...]
    undecided: int
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values; exact numbers as "a/b" with a decimal beside them for people."""
        return {
            "seats": self.seats,
            "total": self.total,
            "voted": self.voted,
            "threshold_votes": str(self.threshold_votes),
            "admitted": list(self.admitted),
            "excluded": list(self.excluded),
            "quotient": None if self.quotient is None else str(self.quotient),
            "quotient_decimal": None if self.quotient is None else decimal_text(self.quotient),
            "whole": self.whole,
            "remainders": {k: str(v) for k, v in self.remainders.items()},
            "remainders_decimal": {k: decimal_text(v) for k, v in self.remainders.items()},
            "ties": [
                {
                    "among": list(t.among),
                    "at_stake": t.at_stake,
                    "chosen": list(t.chosen),
                    "rule": t.rule,
                }
                for t in self.ties
            ],
            "undecided": self.undecided,
            "notes": list(self.notes),
        }


def decimal_text(value: Fraction, digits: int = 4) -> str:
    """A fraction rounded half up to `digits` places, by integers (for people, not sums)."""
    scaled = (abs(value.numerator) * 10**digits * 2 + value.denominator) // (2 * value.denominator)
    whole, part = divmod(scaled, 10**digits)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{digits}d}"


def parse_percent(text: str) -> Fraction:
    """A percentage as an exact fraction of 1: "5" is 1/20. Raises SeatError."""
    try:
        number = Decimal(text.strip().removesuffix("%").strip())
        value = Fraction(number) / 100 if number.is_finite() and len(text) <= 40 else None
    except InvalidOperation:
        value = None
    if value is None or not 0 <= value <= 1:
        raise SeatError(f"threshold {text[:40]!r} is not a percentage between 0 and 100")
    return value


def _check(votes: Mapping[str, int], voted: int, seats: int) -> None:
    if not votes:
        raise SeatError("there are no lists to allot seats to")
    for name, number in votes.items():
        if isinstance(number, bool) or not isinstance(number, int):
            raise SeatError(f"votes of {name!r} are not a whole number: {number!r}")
        if not 0 <= number <= MAX_VOTES:
            raise SeatError(f"votes of {name!r} must be from 0 to {MAX_VOTES}, not {number}")
    if not 0 <= seats <= MAX_SEATS:
        raise SeatError(f"the number of seats must be from 0 to {MAX_SEATS}, not {seats}")
    if voted < sum(votes.values()):
        raise SeatError(
            f"{voted} voted, but the lists together have {sum(votes.values())} votes. Check --voted"
        )


def allot_list_seats(
    votes: Mapping[str, int],
    *,
    voted: int,
    seats: int,
    threshold_percent: str = "5",
    threshold_rule: ThresholdRule = "over",
    registration_order: Mapping[str, int] | None = None,
    tie: TieRule = "earlier_registration",
) -> ListSeats:
    """Allot `seats` to lists by the Hare quota and largest remainders (SEED-07).

    Args:
        votes: votes of every list; "against all" and invalid ballots are not lists.
        voted: how many voters took part; the threshold is a share of them.
        seats: how many seats to give.
        threshold_percent: e.g. "5".
        threshold_rule: whether exactly the threshold is enough.
        registration_order: list → rank (1 is earliest), for breaking ties.
        tie: the rule for equal remainders.

    Raises:
        SeatError: negative or fractional votes, more votes than voters, no lists.
    """
    _check(votes, voted, seats)
    bar = parse_percent(threshold_percent) * voted
    passes = [
        n for n, v in votes.items() if (v > bar or (threshold_rule == "at_least" and v == bar))
    ]
    admitted = tuple(n for n in passes if votes[n] > 0)
    excluded = tuple(n for n in votes if n not in admitted)
    notes = [
        f"{name} has exactly the threshold; the rule in use is "
        + ("“at least”: it is admitted" if threshold_rule == "at_least" else "“over”: it is not")
        for name, number in votes.items()
        if number == bar and number > 0
    ]
    result = dict.fromkeys(votes, 0)
    total_votes = sum(votes[n] for n in admitted)
    if not admitted or seats == 0:
        if not admitted:
            notes.append("no list is over the threshold: no seat can be allotted")
        return ListSeats(
            seats, voted, bar, admitted, excluded, None, {}, {}, result, (), seats, tuple(notes)
        )
    if len(admitted) == 1:
        notes.append(
            f"only {admitted[0]} is over the threshold; if the law admits a second list in "
            "such a case, that is for the commission to decide"
        )
    # votes ÷ (total ÷ seats), kept in integers: whole seats and the remainder over total.
    divided = {n: divmod(votes[n] * seats, total_votes) for n in admitted}
    whole = {n: q for n, (q, _) in divided.items()}
    remainders = {n: Fraction(r, total_votes) for n, (_, r) in divided.items()}
    result.update(whole)
    ties, undecided = _give_rest(
        result, remainders, seats - sum(whole.values()), registration_order or {}, tie
    )
    return ListSeats(
        total=seats,
        voted=voted,
        threshold_votes=bar,
        admitted=admitted,
        excluded=excluded,
        quotient=Fraction(total_votes, seats),
        whole=whole,
        remainders=remainders,
        seats=result,
        ties=ties,
        undecided=undecided,
        notes=tuple(notes),
    )


def _give_rest(
    result: dict[str, int],
    remainders: Mapping[str, Fraction],
    rest: int,
    order: Mapping[str, int],
    rule: TieRule,
) -> tuple[tuple[Tie, ...], int]:
    """Give the remaining seats to the largest remainders; the ties met and seats left over."""
    ties: list[Tie] = []
    for value in sorted(set(remainders.values()), reverse=True):
        group = sorted(n for n, r in remainders.items() if r == value)
        if rest <= 0:
            break
        if len(group) <= rest:
            for name in group:
                result[name] += 1
            rest -= len(group)
            continue
        ranks = [order[n] for n in group if n in order]
        known = len(ranks) == len(group) and len(set(ranks)) == len(ranks)
        if rule == "earlier_registration" and known:
            chosen = tuple(sorted(group, key=lambda n: order[n])[:rest])
            for name in chosen:
                result[name] += 1
            ties.append(Tie(tuple(group), rest, chosen, "equal remainders: earlier registration"))
            return tuple(ties), 0
        why = (
            "equal remainders: to be decided by lot"
            if rule == "lot"
            else "equal remainders: the order of registration is not known"
        )
        ties.append(Tie(tuple(group), rest, (), why))
        return tuple(ties), rest
    return tuple(ties), rest


@dataclass(frozen=True, slots=True)
class Winners:
    """First past the post: `elected` ids in order of votes, `tie` for an undecided rest."""

    elected: tuple[str, ...]
    tie: Tie | None


def first_past_the_post(
    votes: Mapping[str, int],
    *,
    seats: int = 1,
    registration_order: Mapping[str, int] | None = None,
    tie: TieRule = "lot",
) -> Winners:
    """The `seats` options with the most votes (SEED-07: single-mandate districts).

    Options without a vote are never elected. Equal votes at the last seat are always
    reported; they are decided only by a known order of registration under that rule.
    `votes` has candidates alone, not "against all".
    """
    elected: list[str] = []
    rest = seats
    order = registration_order or {}
    for value in sorted({v for v in votes.values() if v > 0}, reverse=True):
        group = sorted(n for n, v in votes.items() if v == value)
        if rest <= 0:
            break
        if len(group) <= rest:
            elected += group
            rest -= len(group)
            continue
        ranks = {order[n] for n in group if n in order}
        if tie == "earlier_registration" and len(ranks) == len(group):
            chosen = tuple(sorted(group, key=lambda n: order[n])[:rest])
            return Winners(
                (*elected, *chosen),
                Tie(tuple(group), rest, chosen, "equal votes: earlier registration"),
            )
        return Winners(tuple(elected), Tie(tuple(group), rest, (), "equal votes: undecided"))
    return Winners(tuple(elected), None)
