"""The second factor, simulated: a biometric match with stated error rates (SEED-04).

A model, no device: nobody's face or finger is measured or stored. A comparison gives a score;
impostors' scores are normal N(0, 1), genuine ones N(d, 1), and the threshold t is where

    P(impostor >= t) = false-match rate        t = -z(FMR)
    P(genuine  <  t) = false-non-match rate    d = t - z(FNMR)

(z the standard normal quantile; words of ISO/IEC 19795-1). Both rates are per comparison: with
`MAX_TRIES` tries an impostor is let through with 1 - (1 - FMR)^tries, and the pollbook's
report states that figure too.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from firmware_sim.pollbook.errors import PollbookError

#: Comparisons of one voter before two officers must decide.
MAX_TRIES = 3
#: What `ballotbench pollbook` states where nobody gives other rates: one in a thousand
#: impostors, two in a hundred genuine voters (chosen for training, not a device's figures).
FALSE_MATCH_RATE = 0.001
FALSE_NON_MATCH_RATE = 0.02
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Match:
    """One comparison: its score and whether it counts as a match."""

    score: float
    matched: bool


@dataclass(frozen=True, slots=True)
class Matcher:
    """The model with its two stated rates, each in (0, 0.5].

    Raises:
        PollbookError: a rate outside that.
    """

    false_match_rate: float = FALSE_MATCH_RATE
    false_non_match_rate: float = FALSE_NON_MATCH_RATE

    def __post_init__(self) -> None:
        """Check the rates."""
        for rate in (self.false_match_rate, self.false_non_match_rate):
            if not 0 < rate <= 0.5:
                raise PollbookError(f"a match error rate of {rate} cannot be modelled: (0, 0.5]")

    @property
    def threshold(self) -> float:
        """Scores from here on are matches."""
        return -_NORMAL.inv_cdf(self.false_match_rate)

    @property
    def genuine_mean(self) -> float:
        """The mean of the holder's own scores."""
        return self.threshold - _NORMAL.inv_cdf(self.false_non_match_rate)

    def false_match_after(self, tries: int = MAX_TRIES) -> float:
        """The chance that an impostor matches within so many tries."""
        return float(1 - (1 - self.false_match_rate) ** tries)

    def scores(
        self, count: int, *, genuine: bool, random: np.random.Generator
    ) -> NDArray[np.float64]:
        """`float64[count]` scores of independent comparisons."""
        return random.standard_normal(count) + (self.genuine_mean if genuine else 0.0)

    def compare(self, *, genuine: bool, random: np.random.Generator) -> Match:
        """One comparison of the person present with the template of the voter named."""
        score = float(self.scores(1, genuine=genuine, random=random)[0])
        return Match(score, score >= self.threshold)
