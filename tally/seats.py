"""List seats from votes: largest remainders and highest averages, and first past the post.

Kazakhstan's rule is the Hare quota with largest remainders (Constitutional Law on
Elections, art. 97-1, as stated in SEED-07): lists over the threshold of *those who voted*
are admitted; their votes are summed and divided by the seats (the first quotient); each
list's votes divided by it give whole seats; the rest go to the largest remainders, equal
ones to the earlier registered. The other methods differ in the quota, or give seats one by
one to the highest average (`tally.averages`). Votes are `int`, quotients and remainders
`Fraction`: nothing is rounded. Every tie is reported; one that the rule cannot break
leaves its seats undecided, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Literal, get_args

from tally.averages import DIVISORS, highest_averages
from tally.errors import SeatError
from tally.lots import Lot
from tally.ties import Tie, TieBreaker, TieRule

__all__ = [
    "MAX_SEATS",
    "MAX_VOTES",
    "METHODS",
    "ListMethod",
    "ListSeats",
    "ThresholdRule",
    "Tie",
    "TieRule",
    "Winners",
    "allot_list_seats",
    "decimal_text",
    "first_past_the_post",
    "parse_percent",
]

#: Quotas with largest remainders: Hare, votes ÷ seats; Droop, the next whole number over
#: votes ÷ (seats + 1); Hagenbach-Bischoff, votes ÷ (seats + 1) as it is. Highest averages:
#: D'Hondt (divisors 1, 2, 3 …), Sainte-Laguë (1, 3, 5 …), modified (1.4, 3, 5 …).
ListMethod = Literal[
    "hare_largest_remainder",
    "droop_largest_remainder",
    "hagenbach_bischoff",
    "dhondt",
    "sainte_lague",
    "modified_sainte_lague",
]
METHODS: tuple[str, ...] = get_args(ListMethod)

#: Whether a list that has exactly the threshold is admitted ("at_least") or not ("over").
ThresholdRule = Literal["over", "at_least"]

#: More than every voter on Earth: larger numbers are typing errors.
MAX_VOTES = 10**10
MAX_SEATS = 10_000


@dataclass(frozen=True, slots=True)
class ListSeats:
    """An allotment. `sum(seats.values()) + undecided == total` always.

    `seats` has every list (0 for those below the threshold); `whole` and `remainders`
    (in quotas, 0 ≤ r < 1) only the admitted ones, and none where seats go by averages.
    `quotient` is votes a seat: the quota, or the average that won the last seat; None where
    no list is admitted. `notes` are plain sentences a reader should see.
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
    method: str = "hare_largest_remainder"

    def as_json(self) -> dict[str, Any]:
        """Plain values; exact numbers as "a/b" with a decimal beside them for people."""
        return {
            "seats": self.seats,
            "method": self.method,
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
            "ties": [tie.as_json() for tie in self.ties],
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
    method: ListMethod = "hare_largest_remainder",
    lot: Lot | None = None,
) -> ListSeats:
    """Allot `seats` to lists; by the Hare quota and largest remainders (SEED-07) if not told.

    Args:
        votes: votes of every list; "against all" and invalid ballots are not lists.
        voted: how many voters took part; the threshold is a share of them.
        seats: how many seats to give.
        threshold_percent: e.g. "5".
        threshold_rule: whether exactly the threshold is enough.
        registration_order: list → rank (1 is earliest), for breaking ties.
        tie: the rule for equal remainders or averages.
        method: one of `METHODS`.
        lot: the public lot, where the rule is one.

    Raises:
        SeatError: negative or fractional votes, more votes than voters, no lists.
    """
    _check(votes, voted, seats)
    if method not in METHODS:
        raise SeatError(f"method {method!r} is not known; known: {', '.join(METHODS)}")
    breaker = TieBreaker(tie, registration_order or {}, lot)
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
            seats,
            voted,
            bar,
            admitted,
            excluded,
            None,
            {},
            {},
            result,
            (),
            seats,
            tuple(notes),
            method,
        )
    if len(admitted) == 1:
        notes.append(
            f"only {admitted[0]} is over the threshold; if the law admits a second list in "
            "such a case, that is for the commission to decide"
        )
    whole: dict[str, int] = {}
    remainders: dict[str, Fraction] = {}
    if method in DIVISORS:
        given = highest_averages({n: votes[n] for n in admitted}, seats, DIVISORS[method], breaker)
        result.update(given.seats)
        quotient: Fraction | None = given.last
        ties, undecided = given.ties, given.undecided
    else:
        quotient = _quota(method, total_votes, seats)
        divided = {n: divmod(Fraction(votes[n]), quotient) for n in admitted}
        whole = {n: int(q) for n, (q, _) in divided.items()}
        remainders = {n: r / quotient for n, (_, r) in divided.items()}
        ties, undecided = _largest_remainders(result, whole, remainders, seats, breaker)
        if undecided and not ties:
            notes.append("more seats than the votes can fill by this quota")
    return ListSeats(
        total=seats,
        voted=voted,
        threshold_votes=bar,
        admitted=admitted,
        excluded=excluded,
        quotient=quotient,
        whole=whole,
        remainders=remainders,
        seats=result,
        ties=ties,
        undecided=undecided,
        notes=tuple(notes),
        method=method,
    )


def _quota(method: str, votes: int, seats: int) -> Fraction:
    if method == "droop_largest_remainder":
        return Fraction(votes // (seats + 1) + 1)
    if method == "hagenbach_bischoff":
        return Fraction(votes, seats + 1)
    return Fraction(votes, seats)


def _largest_remainders(
    result: dict[str, int],
    whole: Mapping[str, int],
    remainders: Mapping[str, Fraction],
    seats: int,
    breaker: TieBreaker,
) -> tuple[tuple[Tie, ...], int]:
    """Whole quotas, then the largest remainders; the ties met and the seats left over."""
    rest = seats - sum(whole.values())
    firm = dict(whole)
    if rest < 0:
        # Hagenbach-Bischoff where every list has whole quotas: one seat too many, so the
        # last seat of each is an equal claim.
        firm = {n: q - 1 for n, q in whole.items()}
        remainders = dict.fromkeys(whole, Fraction(1))
        rest = seats - sum(firm.values())
    result.update(firm)
    ties: list[Tie] = []
    for value in sorted(set(remainders.values()), reverse=True):
        group = sorted(n for n, r in remainders.items() if r == value)
        if rest <= 0:
            break
        chosen: tuple[str, ...] = tuple(group)
        if len(group) > rest:
            ties.append(breaker.settle(group, rest, "equal remainders"))
            chosen = ties[-1].chosen
        for name in chosen:
            result[name] += 1
        if len(group) > rest:
            return tuple(ties), rest - len(chosen)
        rest -= len(group)
    return tuple(ties), rest


@dataclass(frozen=True, slots=True)
class Winners:
    """Who is elected, in order of votes; `tie` where votes were equal at the last seat;
    `second_round` who goes on, where the law asks for a majority and none had it."""

    elected: tuple[str, ...]
    tie: Tie | None
    second_round: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "elected": list(self.elected),
            "tie": None if self.tie is None else self.tie.as_json(),
            "second_round": list(self.second_round),
        }


def first_past_the_post(
    votes: Mapping[str, int],
    *,
    seats: int = 1,
    registration_order: Mapping[str, int] | None = None,
    tie: TieRule = "lot",
    lot: Lot | None = None,
) -> Winners:
    """The `seats` options with the most votes (SEED-07: single-mandate districts).

    So also n-of-m contests and approval voting: they differ in how many marks a voter has.
    Options without a vote are never elected. Equal votes at the last seat are always
    reported; they are decided only by the rule: a known order of registration, a public lot.
    `votes` has candidates alone, not "against all".
    """
    elected: list[str] = []
    rest = seats
    breaker = TieBreaker(tie, registration_order or {}, lot)
    for value in sorted({v for v in votes.values() if v > 0}, reverse=True):
        group = sorted(n for n, v in votes.items() if v == value)
        if rest <= 0:
            break
        if len(group) <= rest:
            elected += group
            rest -= len(group)
            continue
        met = breaker.settle(group, rest, "equal votes")
        return Winners((*elected, *met.chosen), met)
    return Winners(tuple(elected), None)
