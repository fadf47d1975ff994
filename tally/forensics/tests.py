"""The tests: each gives a chance that a clean election would show as much, or none.

- whole percentages: a precinct's figure is binomial around its own value, so it has no liking
  for whole percentages (Kobak, Shpilkin, Pshenichnikov, Annals of Applied Statistics 10 (2016)
  54-73);
- last digits of counts of 100 and more are uniform (Beber, Scacco, Political Analysis 20 (2012)
  211-234);
- second digits follow Benford's law (Mebane 2006); never judged, see `second_digits`;
- share against turnout: within a region the ranks of the two are independent (after the
  picture of Klimek, Yegorov, Hanel, Thurner, PNAS 109 (2012) 16469-16473).

All chances are exact or standard approximations; nothing is drawn at random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tally.forensics.figures import ContestFigures
from tally.forensics.numbers import (
    chance_of_at_least,
    chi_square_tail_9,
    log_factorials,
    normal_tail,
)

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

#: Precincts with fewer registered voters are left out: their shares jump by whole percents
#: (Klimek and others leave out the same).
FEWEST_VOTERS: Final = 100
#: A figure is "a whole percentage" within so many percentage points of one (Kobak and others).
NEAR: Final = 0.05
#: Smallest count whose last digit is looked at (Beber and Scacco).
LEAST_COUNT: Final = 100
#: Fewest numbers of which digits, or precincts of which anything, can be tested.
FEWEST: Final = 50
#: Rate at which a clean election shows a lead in any of the judged tests together.
RATE: Final = 0.01
#: The judged tests (second digits are never judged).
JUDGED: Final = (
    "whole_turnout",
    "fives_turnout",
    "whole_share",
    "fives_share",
    "last_digit_votes",
    "last_digit_ballots",
    "share_turnout",
)
#: Each is judged at this rate, so that all together keep `RATE` (Bonferroni).
LEVEL: Final = RATE / len(JUDGED)

#: Benford's law for second digits 0 to 9: sum over first digits of log10(1 + 1 / (10 d + k)).
BENFORD_2: Final = tuple(
    sum(math.log10(1 + 1 / (10 * d + k)) for d in range(1, 10)) for k in range(10)
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test's outcome.

    `chance`: how likely a clean election is to show as much, None where it cannot be tested
    (`numbers` too few); `lead` None where it is not judged. `detail` are its figures.
    """

    test: str
    numbers: int
    chance: float | None
    lead: bool | None
    detail: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "test": self.test,
            "numbers": self.numbers,
            "chance": self.chance,
            "level": LEVEL if self.test in JUDGED else None,
            "lead": self.lead,
            **self.detail,
        }


def _outcome(test: str, numbers: int, chance: float | None, **detail: Any) -> Outcome:
    lead = chance < LEVEL if chance is not None and test in JUDGED else None
    return Outcome(test, numbers, chance, lead, detail)


def whole_percentages(test: str, part: Ints, whole: Ints, step: int) -> Outcome:
    """Whether figures of `part` by `whole` like multiples of `step` percent too much.

    int64[n] each, 0 < whole. What would be usual is each precinct's own: the binomial
    distribution around its figure, so that neither its size nor its level matters.
    """
    inside = (whole > 0) & (part >= 0) & (part <= whole)
    part, whole = part[inside], whole[inside]
    if len(part) < FEWEST:
        return _outcome(test, len(part), None)
    found = near_whole(part, whole, step)
    chances = np.minimum(_usual(part, whole, step), 1.0)
    chance = chance_of_at_least(chances, int(found.sum()))
    return _outcome(
        test, len(part), chance, found=int(found.sum()), usual=round(float(chances.sum()), 2)
    )


def near_whole(part: Ints, whole: Ints, step: int) -> npt.NDArray[np.bool_]:
    """Which figures lie within `NEAR` points of a multiple of `step` percent; whole > 0.

    In whole numbers: |100 part - m step whole| <= NEAR whole for the nearest m.
    """
    hundred = 100 * part
    unit = step * whole
    rest = hundred % unit
    away = np.minimum(rest, unit - rest)
    # NEAR is 1/20: no fraction is rounded.
    near: npt.NDArray[np.bool_] = round(1 / NEAR) * away <= whole
    return near


def _usual(part: Ints, whole: Ints, step: int) -> Reals:
    """Each precinct's chance of a near-whole figure: binomial around its own, float64[n]."""
    logs = log_factorials(int(whole.max()))
    rate = part / whole
    spread = np.sqrt(whole * rate * (1 - rate))
    reach = int(np.ceil(6 * spread.max())) + 1
    total = np.zeros(len(part), dtype=np.float64)
    inner = (part > 0) & (part < whole)
    # A figure of 0 or 100 % stays where it is under this null: no excess can come of it.
    total[~inner] = near_whole(part[~inner], whole[~inner], step)
    p, n, r = part[inner], whole[inner], rate[inner]
    sums = np.zeros(len(p), dtype=np.float64)
    for offset in range(-reach, reach + 1):
        k = p + offset
        valid = (k >= 0) & (k <= n)
        k = np.where(valid, k, 0)
        log = logs[n] - logs[k] - logs[n - k] + k * np.log(r) + (n - k) * np.log1p(-r)
        hit = valid & near_whole(k, n, step)
        sums += np.where(hit, np.exp(log), 0.0)
    total[inner] = sums
    return total


def last_digits(test: str, counts: Ints) -> Outcome:
    """Whether the last digits of counts of `LEAST_COUNT` and more are uniform."""
    large = counts[counts >= LEAST_COUNT]
    if len(large) < FEWEST:
        return _outcome(test, len(large), None)
    return _digits(test, large % 10, tuple([0.1] * 10))


def second_digits(test: str, counts: Ints) -> Outcome:
    """Second digits beside Benford's law: shown, never judged.

    Votes by precinct need not follow that law: precincts are made of like size by law, so
    clean elections break it and false ones may keep it (Deckert, Myagkov, Ordeshook 2011).
    """
    large = counts[counts >= 10]
    if len(large) < FEWEST:
        return _outcome(test, len(large), None)
    first_two = large // 10 ** (np.floor(np.log10(large)).astype(np.int64) - 1)
    return _digits(test, first_two % 10, BENFORD_2)


def _digits(test: str, digits: Ints, law: tuple[float, ...]) -> Outcome:
    seen = np.bincount(digits, minlength=10)[:10]
    usual = np.array(law) * len(digits)
    square = float((((seen - usual) ** 2) / usual).sum())
    return _outcome(
        test,
        len(digits),
        chi_square_tail_9(square),
        chi_square=round(square, 3),
        digits=seen.tolist(),
        usual=[round(float(u), 2) for u in usual],
    )


def share_against_turnout(test: str, figures: ContestFigures) -> Outcome:
    """Whether, within regions, the option does better where turnout is higher.

    Ranks within each region; the sum of their products has, if they are independent, a known
    mean and variance (permutations), and is near normal. Only "higher with higher" is a lead.
    """
    turnout, share = figures.turnout, figures.share
    use = np.isfinite(turnout) & np.isfinite(share)
    product, variance, number = 0.0, 0.0, 0
    for region in range(len(figures.regions)):
        rows = use & (figures.region == region)
        size = int(rows.sum())
        if size < 3:
            continue
        x, y = _centred_ranks(turnout[rows]), _centred_ranks(share[rows])
        product += float((x * y).sum())
        variance += float((x**2).sum() * (y**2).sum()) / (size - 1)
        number += size
    if number < FEWEST or variance <= 0:
        return _outcome(test, number, None)
    z = product / math.sqrt(variance)
    overall = round(_overall(turnout[use], share[use]), 4)
    return _outcome(test, number, normal_tail(z), z=round(z, 3), correlation=overall)


def _centred_ranks(values: Reals) -> Reals:
    """Ranks (ties share their mean) less their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    centred: Reals = ranks - ranks.mean()
    return centred


def _overall(x: Reals, y: Reals) -> float:
    if x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
