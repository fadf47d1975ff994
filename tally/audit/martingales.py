"""Sequentially valid tests of "the mean is at most t" from a random sample, draw by draw.

Every assertion of an audit says that the mean of an assorter over all cards is above 1/2
(SHANGRLA: Stark 2020); an audit stops when the hypothesis that it is not is rejected. Both
tests here are supermartingales under that hypothesis, so the largest value so far may be
looked at after any draw (Ville): its inverse is the P-value.

    alpha   ALPHA with the shrink-and-truncate estimate of the mean (Stark 2023, "ALPHA: Audit
            that learns from previously hand-audited ballots", section 2.5.2)
    agrapa  a betting martingale with approximate growth-rate-adaptive bets (Waudby-Smith and
            Ramdas 2024), bounded so that no bet loses all

Without replacement the mean under the hypothesis moves with what has been drawn:
m_j = (N t - S_(j-1)) / (N - j + 1); with replacement it stays t.

Rows are assertions and columns are draws: float64[assertions, draws], all at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tally.audit.errors import AuditError

Reals = npt.NDArray[np.float64]

_EPS: Final = float(np.finfo(np.float64).eps)
#: How near to 0 or to the upper bound the mean under the hypothesis says nothing more.
_NEAR, _RELATIVE = 2 * _EPS, 1e-6
#: Smallest standard deviation that the shrinking to the upper bound divides by.
_LEAST_SD = 1e-6


@dataclass(frozen=True, slots=True)
class Null:
    """What is tested: values in [0, `upper`], mean at most `mean`, of `population` cards
    (None: drawn with replacement)."""

    upper: float
    mean: float = 0.5
    population: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.mean < self.upper < np.inf:
            raise AuditError(
                f"null_mean: {self.mean} is not above 0 and below the upper bound {self.upper}"
            )
        if self.population is not None and self.population < 1:
            raise AuditError(f"population: {self.population} cards: at least 1 is needed")

    def means(self, values: Reals) -> Reals:
        """The mean under the hypothesis before each draw: float64[assertions, draws]."""
        if self.population is None:
            return np.full_like(values, self.mean)
        before = _before(np.cumsum(values, axis=1))
        left = self.population - np.arange(values.shape[1])
        return (self.population * self.mean - before) / left


def alpha(values: Reals, null: Null, *, eta: float, d: float, c: float, f: float = 0.0) -> Reals:
    """P-values after each draw by ALPHA.

    Args:
        values: assorter values in the order drawn, float64[assertions, draws] or [draws].
        eta: the mean that is expected; d: its weight, in draws; c: how near the estimate may come
            to the mean under the hypothesis, at first; f: weight of shrinking to the upper bound.

    Returns:
        float64 of the same shape; the P-value of the audit is the least so far.

    Raises:
        AuditError: a value outside [0, upper], more draws than cards, or a parameter that is none.
    """
    x = _checked(values, null)
    if not (null.mean < eta <= null.upper and d > 0 and c >= 0 and f >= 0):
        raise AuditError("eta must be above null_mean and not above the upper bound; d > 0, c ≥ 0")
    number = np.arange(x.shape[1])
    means = null.means(x)
    shrunk = (d * eta + _before(np.cumsum(x, axis=1))) / (d + number)
    if f:
        weight = f / _earlier_sd(x)
        shrunk = (shrunk + null.upper * weight) / (1 + weight)
    estimate = np.minimum(
        null.upper * (1 - _EPS), np.maximum(shrunk, means + c / np.sqrt(d + number))
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rest = (null.upper - x) * (null.upper - estimate) / (null.upper - means)
        factors = (x * estimate / means + rest) / null.upper
    return _p_values(factors, x, means, null).reshape(np.shape(values))


def agrapa(values: Reals, null: Null, *, first_bet: float, c: float) -> Reals:
    """P-values after each draw by a betting martingale.

    Args:
        values: as `alpha`.
        first_bet: the bet before anything is known; c: the largest part of what could be lost
            that a bet risks, below 1.

    Returns, Raises: as `alpha`.
    """
    x = _checked(values, null)
    if not (first_bet >= 0 and 0 < c < 1):
        raise AuditError("first_bet must not be below 0, and c between 0 and 1")
    means = null.means(x)
    mean, variance = _running(x)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bets = (mean - means) / (variance + (means - mean) ** 2)
        # Draws that are all just the mean in question say nothing: 0 / 0, no bet.
        bets[np.isnan(bets)] = 0.0
        bets = np.concatenate([np.full((len(x), 1), first_bet), bets[:, :-1]], axis=1)
        bets = np.maximum(0.0, np.minimum(c / means, bets))
        factors = 1 + bets * (x - means)
    return _p_values(factors, x, means, null).reshape(np.shape(values))


def _checked(values: Reals, null: Null) -> Reals:
    x = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if x.shape[1] == 0:
        raise AuditError("assorter_values: nothing was drawn")
    if null.population is not None and x.shape[1] > null.population:
        raise AuditError(f"{x.shape[1]} draws without replacement from {null.population} cards")
    # As assorter values come from divisions, one may be above the bound by its rounding.
    wrong = ~((x >= 0) & (x <= null.upper * (1 + 4 * _EPS)))
    if wrong.any():
        row, at = (int(i[0]) for i in np.nonzero(wrong))
        raise AuditError(f"assorter_values: {x[row, at]} (draw {at + 1}) is not in [0, upper]")
    return x


def _before(sums: Reals) -> Reals:
    """Sums of what was drawn before each draw."""
    found = np.zeros_like(sums)
    found[:, 1:] = sums[:, :-1]
    return found


def _running(x: Reals) -> tuple[Reals, Reals]:
    """Mean and (population) variance of the first 1, 2, … draws.

    About the first value of each row, so that equal values give a variance of exactly 0.
    """
    number = np.arange(1, x.shape[1] + 1)
    shifted = x - x[:, :1]
    first = np.cumsum(shifted, axis=1) / number
    second = np.cumsum(shifted * shifted, axis=1) / number
    return x[:, :1] + first, np.maximum(0.0, second - first * first)


def _earlier_sd(x: Reals) -> Reals:
    """Standard deviation of what was drawn before each draw; 1 for the first two."""
    found = np.ones_like(x)
    _, variance = _running(x)
    found[:, 2:] = np.maximum(np.sqrt(variance[:, 1:-1]), _LEAST_SD)
    return found


def _p_values(factors: Reals, x: Reals, means: Reals, null: Null) -> Reals:
    """Inverse of the products so far, with what is certain put in: where no values left could
    make the hypothesis true it is rejected, where all would it stands."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        terms = np.cumprod(factors, axis=1)
    at_bound = np.isclose(null.upper, means, atol=_NEAR, rtol=_RELATIVE)
    terms[means > null.upper] = 0.0
    terms[np.isclose(0, means, atol=_NEAR) | at_bound] = 1.0
    terms[np.isclose(0, terms, atol=_NEAR)] = 1.0
    terms[means < 0] = np.inf
    if null.population is not None:
        terms[x.sum(axis=1) > null.population * null.mean, -1] = np.inf
    with np.errstate(divide="ignore"):
        found: Reals = np.minimum(1.0, 1.0 / terms)
    return found
