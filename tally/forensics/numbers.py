"""Tails of distributions and exact sums of chances, with numpy alone.

Sources: the chi-square tail for odd degrees of freedom in closed form (Abramowitz and Stegun
26.4.4); a sum of independent chances by its recurrence (the Poisson binomial distribution).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


def chi_square_tail_9(value: float) -> float:
    """P(X >= value) for chi-square with nine degrees of freedom (ten classes)."""
    if value <= 0:
        return 1.0
    root = math.sqrt(2 * value / math.pi) * math.exp(-value / 2)
    return math.erfc(math.sqrt(value / 2)) + root * (1 + value / 3 + value**2 / 15 + value**3 / 105)


def normal_tail(z: float) -> float:
    """P(Z >= z) of the normal distribution."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def chance_of_at_least(chances: Reals, number: int) -> float:
    """P(at least `number` of independent events happen) by their chances, exactly.

    `chances` float64[n] of 0 to 1. Work n x number.
    """
    if number <= 0:
        return 1.0
    below = np.zeros(number, dtype=np.float64)
    below[0] = 1.0
    for chance in chances[chances > 0].tolist():
        moved = below * chance
        below *= 1 - chance
        below[1:] += moved[:-1]
    return float(min(max(1.0 - below.sum(), 0.0), 1.0))


def log_factorials(most: int) -> Reals:
    """log(k!) for k from 0 to `most`."""
    found = np.zeros(most + 1, dtype=np.float64)
    found[1:] = np.cumsum(np.log(np.arange(1, most + 1, dtype=np.float64)))
    return found
