"""Curves over the scores: histograms, receiver operating characteristic, and what a wider
marginal band costs and saves; and how far targets were misplaced over the page."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scanner.accuracy.observations import MARK, NO_MARK, NOT_READ, Observations

#: Edges of the histogram: fine where thresholds lie, coarse beyond.
BIN_EDGES = np.concatenate(
    [np.arange(0, 0.2, 0.01), np.arange(0.2, 0.5, 0.05), np.arange(0.5, 1.01, 0.1)]
)
#: A cell of the residual map, mm.
CELL_MM = 30.0
#: Thresholds of the trade-off curve lie this far apart from the middle: lower = middle /
#: width, upper = middle × width.
WIDTHS = (1.0, 1.1, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Scores of clear marks, clear empty targets and unclear ones, int64[bins] each."""

    edges: npt.NDArray[np.float64]
    marks: npt.NDArray[np.int64]
    empty: npt.NDArray[np.int64]
    unclear: npt.NDArray[np.int64]


def histogram(seen: Observations) -> Histogram:
    """Scores by truth; those outside 0 to 1 are counted in the outer bins."""
    read = seen.read != NOT_READ
    clear = seen.judged
    score = np.clip(seen.score, 0, 1)

    def count(chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        return np.histogram(score[chosen], BIN_EDGES)[0].astype(np.int64)

    return Histogram(
        BIN_EDGES,
        count(clear & (seen.truth == MARK)),
        count(clear & (seen.truth == NO_MARK)),
        count(read & ~clear),
    )


@dataclass(frozen=True, slots=True)
class Roc:
    """For a single threshold: share of empty targets at or over it (`false`), of marks
    (`found`); `area` under the curve, NaN where one side has no target. float64[k] each,
    thresholds falling."""

    threshold: npt.NDArray[np.float64]
    false: npt.NDArray[np.float64]
    found: npt.NDArray[np.float64]
    area: float


def roc(seen: Observations, points: int = 200) -> Roc:
    """The receiver operating characteristic of the score over clear targets."""
    clear = seen.judged
    marks = np.sort(seen.score[clear & (seen.truth == MARK)])
    empty = np.sort(seen.score[clear & (seen.truth == NO_MARK)])
    if not marks.size or not empty.size:
        none = np.empty(0)
        return Roc(none, none, none, math.nan)
    levels = np.unique(np.concatenate([marks, empty]))[::-1]
    if levels.size > points:
        levels = levels[np.linspace(0, levels.size - 1, points).round().astype(int)]
    found = 1 - np.searchsorted(marks, levels, side="left") / marks.size
    false = 1 - np.searchsorted(empty, levels, side="left") / empty.size
    # Mann-Whitney: the chance that a mark outscores an empty target, ties half.
    below = np.searchsorted(empty, marks, side="left")
    equal = np.searchsorted(empty, marks, side="right") - below
    area = float((below + equal / 2).mean() / empty.size)
    return Roc(levels, false, found, area)


@dataclass(frozen=True, slots=True)
class TradePoint:
    """Thresholds `low` and `high`, and what they would have come to by score alone."""

    low: float
    high: float
    marginal: int
    errors: int
    targets: int


def trade_off(seen: Observations, low: float, high: float) -> tuple[TradePoint, ...]:
    """Marginal targets against silent errors as the band between the thresholds widens
    around the geometric middle of those in force."""
    clear = seen.judged
    score, truth = seen.score[clear], seen.truth[clear]
    middle = math.sqrt(low * high)
    points = []
    for width in WIDTHS:
        a, b = middle / width, min(middle * width, 1.0)
        wrong = ((truth == MARK) & (score < a)) | ((truth == NO_MARK) & (score >= b))
        between = (score >= a) & (score < b)
        points.append(TradePoint(a, b, int(between.sum()), int(wrong.sum()), int(score.size)))
    return tuple(points)


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of the page (its middle, mm): targets there and their mean misplacement."""

    x_mm: float
    y_mm: float
    count: int
    dx_mm: float
    dy_mm: float
    distance_mm: float


@dataclass(frozen=True, slots=True)
class Residuals:
    """Misplacement of targets whose true place is known."""

    count: int
    rms_mm: float
    p95_mm: float
    largest_mm: float
    cells: tuple[Cell, ...]


def residuals(seen: Observations) -> Residuals | None:
    """Where targets were looked for against where they lay; None where no place is known."""
    known = (seen.read != NOT_READ) & np.isfinite(seen.dx_mm) & np.isfinite(seen.dy_mm)
    if not known.any():
        return None
    dx, dy = seen.dx_mm[known], seen.dy_mm[known]
    distance = np.hypot(dx, dy)
    cell = np.stack([seen.x_mm[known] // CELL_MM, seen.y_mm[known] // CELL_MM], axis=1)
    cells = []
    for column, row in np.unique(cell, axis=0).tolist():
        here = (cell[:, 0] == column) & (cell[:, 1] == row)
        cells.append(
            Cell(
                (column + 0.5) * CELL_MM,
                (row + 0.5) * CELL_MM,
                int(here.sum()),
                float(dx[here].mean()),
                float(dy[here].mean()),
                float(distance[here].mean()),
            )
        )
    return Residuals(
        int(distance.size),
        float(np.sqrt((distance**2).mean())),
        float(np.percentile(distance, 95)),
        float(distance.max()),
        tuple(cells),
    )
