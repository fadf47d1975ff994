"""Rows of timing marks: which of an edge's candidates stand on one line, evenly spaced.

Marks are put on the best common line and chained by their spacing, step by step, so that a
page that slipped in the rollers still numbers right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Width of the band in which marks stand on one line, mm.
LINE_BAND_MM = 1.6
#: Further than any scan's side, px.
BEYOND_PX = 1e5
#: Largest rotation looked for, degrees, and the step.
MAX_ANGLE_DEG = 12.0
ANGLE_STEP_DEG = 0.25
#: Lines up to this tilt are tried first, degrees; taken if this share of the marks is on one.
STRAIGHT_DEG = 1.5
NEARLY_ALL = 0.9
#: The step between neighbours may differ from a whole number of pitches by this share:
#: paper that is held back or slips shortens or lengthens one step.
STEP_TOLERANCE = 0.3
#: Marks further apart than so many pitches are not taken for neighbours.
LONGEST_STEP = 8.4


@dataclass(frozen=True, slots=True)
class EdgeMarks:
    """Numbered marks of one edge, px: `index` int64[n] (position in the edge form),
    `along` and `across` float64[n] (reference end), `slope` = d across / d along."""

    index: npt.NDArray[np.int64]
    along: Floats
    across: Floats
    slope: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """Mark-like components of one edge strip, px, sorted along the edge.

    `along` and `across` float64[n]: centre along the edge and reference end across it;
    `low` and `high` float64[n]: both ends across; `step` px is how coarse they are.
    """

    along: Floats
    across: Floats
    low: Floats
    high: Floats
    step: int


def best_lines(
    found: Sequence[Candidates], ppm: float, middles: Sequence[float], expected: Sequence[int]
) -> list[tuple[npt.NDArray[np.bool_], float]]:
    """Which candidates of each edge stand on its best common line, and that line's slope
    (d across / d along).

    Args:
        found: the candidates of each edge.
        ppm: px per mm, roughly.
        middles: the place along each edge about which lines are turned, px.
        expected: marks printed along each edge; nearly straight lines that hold most of them
            are taken without trying the strongly tilted ones.
    """
    lines = [(np.ones(edge.along.size, dtype=bool), 0.0) for edge in found]
    left = [e for e, edge in enumerate(found) if edge.along.size >= 4]
    for largest in (STRAIGHT_DEG, MAX_ANGLE_DEG):
        if not left:
            break
        tried = _lines([found[e] for e in left], ppm, [middles[e] for e in left], largest)
        for e, (_, member, slope) in zip(left, tried, strict=True):
            lines[e] = member, slope
        left = [
            e
            for e, (most, _, _) in zip(left, tried, strict=True)
            if most < NEARLY_ALL * expected[e]
        ]
    return lines


def _lines(
    found: Sequence[Candidates], ppm: float, middles: Sequence[float], largest_deg: float
) -> list[tuple[int, npt.NDArray[np.bool_], float]]:
    """The best line of each edge with a tilt up to `largest_deg`: how many marks one band's
    width holds, which ones, and the slope. All edges at once: few numbers, many calls."""
    sizes = [edge.along.size for edge in found]
    count, most = len(found), max(sizes)
    band = LINE_BAND_MM * ppm
    # Places that are no mark lie beyond all others and too far apart to be of one line.
    across = np.empty((count, most))
    across[:] = BEYOND_PX + 2 * band * np.arange(most)
    along = np.zeros((count, most))
    for e, (edge, size) in enumerate(zip(found, sizes, strict=True)):
        across[e, :size] = edge.across
        along[e, :size] = edge.along - middles[e]
    slopes = _slopes(largest_deg)
    flat = across[:, None, :] - slopes[:, None] * along[:, None, :]
    ordered = np.sort(flat, axis=2)
    # For every angle and every candidate: how many lie within one band beyond it?
    # Rows are laid end to end, so far apart that one search serves them all.
    apart = float(ordered[:, :, -1].max() - ordered[:, :, 0].min()) + 2 * band + 1.0
    rows = np.arange(count * slopes.size).reshape(count, -1, 1)
    lifted = ordered + apart * rows
    ends = lifted.ravel().searchsorted((lifted + band).ravel(), side="right")
    counts = ends.reshape(count, -1) - np.arange(ends.size).reshape(count, -1)
    # Of equal ones the least tilted, which comes first: paper is rarely far off straight.
    best = counts.argmax(axis=1)
    edges = np.arange(count)
    tilt = best // most
    low = ordered.reshape(count, -1)[edges, best] - 0.25 * band
    own = flat[edges, tilt]
    member = (own >= low[:, None]) & (own <= (low + 1.5 * band)[:, None])
    lines = []
    for e, (edge, size) in enumerate(zip(found, sizes, strict=True)):
        which = member[e, :size]
        slope = float(slopes[tilt[e]])
        if np.count_nonzero(which) >= 4:
            slope = straight(edge.along[which], edge.across[which])[0]
        lines.append((int(counts[e, best[e]]), which, slope))
    return lines


@cache
def _slopes(largest_deg: float) -> Floats:
    """The slopes tried, up to an angle both ways, the least tilted first."""
    angles = np.arange(-largest_deg, largest_deg + 1e-9, ANGLE_STEP_DEG)
    slopes = np.tan(np.deg2rad(angles))
    result: Floats = slopes[np.argsort(np.abs(slopes), kind="stable")]
    return result


def middle(values: Floats) -> float:
    """The median of a few numbers (numpy's costs ten times their sorting)."""
    ordered = values.copy()
    ordered.sort()
    half = ordered.size // 2
    return float(ordered[half] + ordered[-half - 1]) / 2


def straight(x: Floats, y: Floats) -> tuple[float, float]:
    """The least-squares line through points: slope and intercept."""
    # `sum` and division: numpy's `mean` costs more than all the rest on so few numbers.
    centre_x, centre_y = float(x.sum()) / x.size, float(y.sum()) / y.size
    off = x - centre_x
    slope = float(off @ (y - centre_y)) / max(float(off @ off), 1e-12)
    return slope, centre_y - slope * centre_x


def straight_at(x: Floats, rows: Floats, place: float) -> Floats:
    """Least-squares lines through points x float64[n], rows float64[k, n], at a place: [k]."""
    # Such a line's value anywhere is a weighted sum of the points.
    centre = float(x.sum()) / x.size
    off = x - centre
    weights = 1.0 / x.size + off * ((place - centre) / max(float(off @ off), 1e-12))
    result: Floats = rows @ weights
    return result


def chain(along: Floats, pitch_px: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The longest run of marks whose steps are whole pitches: (members, step numbers).

    Steps are judged from neighbour to neighbour, so stretch adds up without harm.
    """
    count = along.size
    if count == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    steps = (along[1:] - along[:-1]) / pitch_px
    whole = np.rint(steps)
    if np.all((whole >= 1) & (np.abs(steps - whole) <= STEP_TOLERANCE)):
        numbers = np.zeros(count, np.int64)
        numbers[1:] = whole.cumsum()
        return np.arange(count), numbers
    apart = (along[:, None] - along) / pitch_px
    whole = np.rint(apart)
    off = np.abs(apart - whole)
    near = along >= along[:, None] - LONGEST_STEP * pitch_px
    fits = (whole >= 1) & (off <= STEP_TOLERANCE) & near
    length, previous = [1.0] * count, [-1] * count
    pairs = (array.tolist() for array in (*np.nonzero(fits), off[fits], whole[fits]))
    for j, i, miss, number in zip(*pairs, strict=True):
        # A step over several pitches must not be cheaper than the marks in between.
        value = length[i] + 1 - miss - 0.05 * (number - 1)
        if value > length[j]:
            length[j], previous[j] = value, i
    members = [int(np.argmax(length))]
    while previous[members[-1]] >= 0:
        members.append(previous[members[-1]])
    chosen = np.array(members[::-1], dtype=np.int64)
    numbers = np.concatenate([[0], np.cumsum(np.rint(np.diff(along[chosen]) / pitch_px))])
    return chosen, numbers.astype(np.int64)


def longest_chain(along: Floats, pitch_px: float, enough: float = 0.0) -> int:
    """At most so many of these places can `chain` string together, whichever of them it is
    given: the longest run whose steps are whole pitches, however far apart. Where fewer than
    `enough` lie a pitch apart at all, that number is told and no more is looked at."""
    fewest, last = 0, -math.inf
    for place in np.sort(along).tolist():
        if place - last >= (1 - STEP_TOLERANCE) * pitch_px:
            fewest, last = fewest + 1, place
    if fewest < enough:
        return fewest
    steps = (along[:, None] - along) / pitch_px
    whole = np.rint(steps)
    fits = (whole >= 1) & (np.abs(steps - whole) <= STEP_TOLERANCE)
    length = [1] * along.size
    for j, i in zip(*(places.tolist() for places in np.nonzero(fits)), strict=True):
        if length[i] >= length[j]:
            length[j] = length[i] + 1
    return max(length, default=0)
