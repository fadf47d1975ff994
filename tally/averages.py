"""Highest averages: D'Hondt and Sainte-Laguë, exactly.

Each seat goes to the list with the largest votes ÷ divisor, where the divisor grows with
the seats the list already has. Averages are `Fraction`; equal ones at the last seat are a
tie, settled by the rule or left open (`tally.ties`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from tally.ties import Tie, TieBreaker

#: The divisor for a list that already has n seats.
Divisor = Callable[[int], Fraction]

DIVISORS: Mapping[str, Divisor] = {
    "dhondt": lambda n: Fraction(n + 1),
    "sainte_lague": lambda n: Fraction(2 * n + 1),
    "modified_sainte_lague": lambda n: Fraction(2 * n + 1) if n else Fraction(7, 5),
}


@dataclass(frozen=True, slots=True)
class Averages:
    """`seats` by list; `last` the average that won the last seat given (None if none was)."""

    seats: dict[str, int]
    last: Fraction | None
    ties: tuple[Tie, ...]
    undecided: int


def highest_averages(
    votes: Mapping[str, int], seats: int, divisor: Divisor, breaker: TieBreaker
) -> Averages:
    """Give `seats` to lists, all of which have at least one vote."""
    given = dict.fromkeys(votes, 0)
    # Negative, as the heap gives the smallest first.
    waiting = [(-votes[name] / divisor(0), name) for name in votes]
    heapq.heapify(waiting)
    rest, last = seats, None
    while rest > 0 and waiting:
        group = [heapq.heappop(waiting)]
        while waiting and waiting[0][0] == group[0][0]:
            group.append(heapq.heappop(waiting))
        if len(group) > rest:
            met = breaker.settle((name for _, name in group), rest, "equal averages")
            for name in met.chosen:
                given[name] += 1
            if met.chosen:
                last = -group[0][0]
            return Averages(given, last, (met,), rest - len(met.chosen))
        last = -group[0][0]
        rest -= len(group)
        for _, name in group:
            given[name] += 1
            heapq.heappush(waiting, (-votes[name] / divisor(given[name]), name))
    return Averages(given, last, (), rest)
