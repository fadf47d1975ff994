"""Find the timing marks along one edge of a page and number them.

Only a strip along each edge is looked at (looking at the whole page costs several times
the decoding). Marks are solid, so thin things (paper edges, hairs) are opened away first;
what is left of the right size is put on the best line and chained by the marks' spacing,
step by step, so that a page that slipped in the rollers still numbers right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from scanner.page_form import EdgeForm

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

#: Components this much smaller or larger than a mark along its edge are something else.
SIZE_SHARE = (0.55, 1.6)
#: A mark may be cut by the page's edge down to this share of its length.
SHORTEST_SHARE = 0.12
LONGEST_SHARE = 1.5
#: A mark is solid: at least this share of its box is ink.
SOLID_SHARE = 0.7
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


def paper_and_threshold(gray: Gray) -> tuple[float, float]:
    """The paper's grey level (the commonest light one) and the grey below which ink is solid."""
    sample = np.ascontiguousarray(gray[::7, ::7])
    histogram = cv2.calcHist([sample], [0], None, [256], [0, 256]).ravel()
    smooth = np.convolve(histogram, np.ones(5), mode="same")
    paper = int(np.argmax(smooth[96:])) + 96
    return float(paper), paper * 0.55


def find_candidates(
    gray: Gray,
    forms: Sequence[EdgeForm],
    ppm: float,
    threshold: float,
    step: int = 1,
    *,
    deep: bool = False,
) -> list[Candidates]:
    """Mark-like components in the strip of each edge (measured finely by `refine`).

    Args:
        gray: uint8[h, w], upright.
        ppm: px per mm, roughly.
        threshold: grey level below which ink is solid.
        step: the strips are looked at this many times coarser.
        deep: the strips reach twice as far in.
    """
    ppm_here = ppm / step
    strips = [_components(gray, form, ppm_here, threshold, step, deep) for form in forms]
    sizes = [along.size for _, along, _ in strips]
    # Of all edges together: numpy's calls cost more than its work on so few numbers.
    # (width, height and area of OpenCV's boxes are along, across and area here)
    low, along_size, across_size, area = np.concatenate([box for box, _, _ in strips]).T[1:]
    along = np.concatenate([along for _, along, _ in strips]) * step + step // 2
    start = np.repeat([start for _, _, start in strips], sizes)
    thickness, shortest, longest = np.repeat(
        np.array([(form.thickness_mm, *form.across_mm) for form in forms]) * ppm_here,
        sizes,
        axis=0,
    ).T
    # A coarse pixel more or less must not decide.
    spare = 0.0 if step == 1 else 1.0
    keep = (
        (along_size > SIZE_SHARE[0] * thickness - spare)
        & (along_size < SIZE_SHARE[1] * thickness + spare)
        & (across_size > SHORTEST_SHARE * shortest)
        & (across_size < LONGEST_SHARE * longest + spare)
        & (area > SOLID_SHARE * along_size * across_size)
    )
    low = low * step + step // 2 - (step - 1) / 2 + start
    high = low + across_size * step
    found = []
    end = 0
    for form, size in zip(forms, sizes, strict=True):
        first, end = end, end + size
        own = first + np.flatnonzero(keep[first:end])
        own = own[np.argsort(along[own])]
        across = _reference(form, low[own], high[own])
        found.append(Candidates(along[own], across, low[own], high[own], step))
    return found


def _components(
    gray: Gray, form: EdgeForm, ppm: float, threshold: float, step: int, deep: bool
) -> tuple[Floats, Floats, int]:
    """Solid ink in the strip of one edge, in (coarse) pixels, the edge lying across: boxes
    float64[n, 5] (along and across from, sizes along and across, area), centres along it
    float64[n], and where across the page the strip begins, px."""
    height, width = gray.shape
    upright = form.edge in ("left", "right")
    size = width if upright else height
    depth = int(size * form.strip_share * (2 if deep else 1))
    start = 0 if form.edge in ("left", "top") else size - depth
    strip = gray[:, start : start + depth] if upright else gray[start : start + depth, :]
    if step > 1:
        # Marks are solid: one pixel in so many shows them as well as their mean does.
        strip = np.ascontiguousarray(strip[step // 2 :: step, step // 2 :: step])
    if upright:
        # OpenCV's filters are several times as fast on a few long rows as on many short ones.
        strip = np.asarray(cv2.transpose(strip), np.uint8)
    _, ink = cv2.threshold(strip, threshold, 255, cv2.THRESH_BINARY_INV)
    thin = max(1, round(min(form.thickness_mm, form.across_mm[0]) * ppm * 0.4))
    ink = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((thin, thin), np.uint8))
    if form.reference == "inner":
        outer_first = ink if form.edge == "left" else ink[::-1]
        _cut_border(np.asarray(outer_first, np.uint8).T, form.thickness_mm * ppm)
    # Short labels and eight neighbours are OpenCV's fastest pair; a strip has far fewer
    # components than pixels / 4.
    labels = cv2.CV_16U if ink.size < 4 * 65_000 else cv2.CV_32S
    _, _, boxes, centres = cv2.connectedComponentsWithStatsWithAlgorithm(
        ink, 8, labels, cv2.CCL_DEFAULT
    )
    return boxes[1:].astype(np.float64), np.asarray(centres[1:, 0], np.float64), start


def _reference(form: EdgeForm, low: Floats, high: Floats) -> Floats:
    """The reference ends of marks across their edge, from pixels' centres."""
    outer_is_low = form.edge in ("left", "top")
    if form.reference == "centre":
        across = (low + high) / 2
    elif (form.reference == "outer") == outer_is_low:
        across = low
    else:
        across = high
    # Ends are borders between pixels; places are counted from pixels' centres.
    return across - 0.5


def refine(
    gray: Gray, ppm: float, found: Sequence[tuple[EdgeForm, Candidates, npt.NDArray[np.bool_]]]
) -> list[tuple[Floats, Floats, Floats]]:
    """Some candidates of each edge measured at full resolution: along, across and grey levels.

    Edges with equally thick marks are measured together.
    """
    out: list[tuple[Floats, Floats, Floats]] = [(np.zeros(0),) * 3] * len(found)
    for thickness_mm in dict.fromkeys(form.thickness_mm for form, _, _ in found):
        own = [k for k, part in enumerate(found) if part[0].thickness_mm == thickness_mm]
        parts = [found[k] for k in own]
        sizes = [int(np.count_nonzero(which)) for _, _, which in parts]
        upright = np.repeat([form.edge in ("left", "right") for form, _, _ in parts], sizes)
        along, low, high, ink = _refined(
            gray,
            upright,
            np.concatenate([c.along[which] for _, c, which in parts]),
            np.concatenate([c.low[which] for _, c, which in parts]),
            np.concatenate([c.high[which] for _, c, which in parts]),
            thickness_mm * ppm,
            parts[0][1].step,
        )
        start = 0
        for k, size, (form, _, _) in zip(own, sizes, parts, strict=True):
            here = slice(start, start + size)
            start = here.stop
            out[k] = (along[here], _reference(form, low[here], high[here]), ink[here])
    return out


def _cut_border(ink: Gray, thickness: float) -> None:
    """Take the scanner's black bed off the outer side (column 0) of a strip, in place.

    Marks cut by the paper's edge grow out of it like a comb's teeth. The bed is what is
    dark from the outside on over more lines than a mark is thick.
    """
    depth = np.where(ink.all(axis=1), ink.shape[1], np.argmin(ink, axis=1))
    if np.count_nonzero(depth) < depth.size / 2:
        return
    window = np.ones((2 * math.ceil(thickness) + 1, 1), np.uint8)
    bed = cv2.morphologyEx(depth.astype(np.float32)[:, None], cv2.MORPH_OPEN, window)[:, 0]
    ink[np.arange(ink.shape[1])[None, :] < bed[:, None]] = 0


def _refined(
    gray: Gray,
    upright: npt.NDArray[np.bool_],
    along: Floats,
    low: Floats,
    high: Floats,
    thickness: float,
    step: int,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Centres along the edge, both ends across it, to a fraction of a pixel, and grey levels.

    `upright` bool[n]: of an edge that runs down the page. Along: the centroid of darkness
    over the mark's thickness. Across: where the ink of the mean profile through an end adds
    up to.
    """
    if along.size == 0:
        return along, low, high, along
    flat = np.ascontiguousarray(gray).ravel()
    tall, wide = gray.shape
    # Of each mark: what one pixel along and across its edge is in `flat`, and the last ones.
    pixel = np.array([[1, wide], [wide, 1]])
    last = np.array([[wide, tall], [tall, wide]]) - 1
    own = upright.astype(np.intp)
    to_along, to_across = pixel[own].T
    most_along, most_across = last[own].T
    centre = (low + high) / 2
    # Along: a little more than the mark's thickness, in three lines through its inner half.
    half = math.ceil(thickness / 2) + step + 1
    reach = np.arange(-half, half + 1)
    rows = _within(_whole(along)[:, None] + reach, most_along[:, None]) * to_along[:, None]
    inner = _within(_whole(centre + _QUARTERS * (high - low)), most_across) * to_across
    grey = flat.take(rows + inner[:, :, None]).sum(axis=0, dtype=np.int64)
    dark = grey.max(axis=1, keepdims=True) - grey
    shift = (dark @ reach) / np.maximum(dark.sum(axis=1), 1)
    far = step + 2.0
    along = _whole(along) + np.minimum(np.maximum(shift, -far), far)
    along = np.minimum(np.maximum(along, 0.0), most_along)
    # Across: ink through either end, summed from inside the mark to outside it.
    lines = _within(_whole(along + _QUARTERS * thickness), most_along) * to_along
    ink = flat.take(lines[:, None] + inner).sum(axis=(0, 1), dtype=np.int64) / 9.0
    out = np.arange(-3 * step - 1, 3 * step + 1)
    base = _whole(np.stack([low, high]))
    # Pixels from inside the mark to outside it, in that order.
    outwards = np.stack([-out - 1, out])
    columns = _within(base[:, :, None] + outwards[:, None, :], most_across[:, None])
    places = columns * to_across[:, None] + lines[:, None, :, None]
    profile = flat.take(places).sum(axis=0, dtype=np.int64) / 3.0
    white = np.maximum(profile[:, :, -4:].max(axis=2), ink + 1.0)
    share = (white[:, :, None] - profile) / (white - ink)[:, :, None]
    inked = np.minimum(np.maximum(share, 0.0), 1.0).sum(axis=2)
    ends = base + _OUTWARDS * (out[0] + inked)
    return along, ends[0], ends[1], ink


#: Lines through a mark's inner half, and the directions from its low and high end outwards.
_QUARTERS = np.array([[-0.25], [0.0], [0.25]])
_OUTWARDS = np.array([[-1], [1]])


def _whole(values: Floats) -> npt.NDArray[np.intp]:
    """Nearest whole pixels."""
    return np.rint(values).astype(np.intp)


def _within(index: npt.NDArray[np.intp], most: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Indices held between 0 and `most` (numpy's `clip` costs twice as much here)."""
    held: npt.NDArray[np.intp] = np.minimum(np.maximum(index, 0), most)
    return held


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


def longest_chain(along: Floats, pitch_px: float) -> int:
    """At most so many of these places can `chain` string together, whichever of them it is
    given: the longest run whose steps are whole pitches, however far apart."""
    steps = (along[:, None] - along) / pitch_px
    whole = np.rint(steps)
    fits = (whole >= 1) & (np.abs(steps - whole) <= STEP_TOLERANCE)
    length = [1] * along.size
    for j, i in zip(*(places.tolist() for places in np.nonzero(fits)), strict=True):
        if length[i] >= length[j]:
            length[j] = length[i] + 1
    return max(length, default=0)
