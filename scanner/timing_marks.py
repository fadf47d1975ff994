"""Find the timing marks along one edge of a page and number them.

Only a strip along each edge is looked at (looking at the whole page costs several times
the decoding). Marks are solid, so thin things (paper edges, hairs) are opened away first;
what is left of the right size is put on the best line and chained by the marks' spacing,
step by step, so that a page that slipped in the rollers still numbers right.
"""

from __future__ import annotations

from dataclasses import dataclass

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
#: Largest rotation looked for, degrees, and the step.
MAX_ANGLE_DEG = 12.0
ANGLE_STEP_DEG = 0.25
#: The step between neighbours may differ from a whole number of pitches by this share:
#: paper that is held back or slips shortens or lengthens one step.
STEP_TOLERANCE = 0.3


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
    """Mark-like components of one edge strip, px, sorted along the edge."""

    along: Floats
    across: Floats


def paper_and_threshold(gray: Gray) -> tuple[float, float]:
    """The paper's grey level (the commonest light one) and the grey below which ink is solid."""
    sample = gray[::7, ::7]
    histogram = np.bincount(sample.ravel(), minlength=256).astype(np.float64)
    smooth = np.convolve(histogram, np.ones(5), mode="same")
    paper = int(np.argmax(smooth[96:])) + 96
    return float(paper), paper * 0.55


def find_candidates(gray: Gray, form: EdgeForm, ppm: float, threshold: float) -> Candidates:
    """Mark-like components in the strip of one edge. `ppm` is px per mm, roughly."""
    height, width = gray.shape
    upright = form.edge in ("left", "right")
    size = width if upright else height
    depth = int(size * form.strip_share)
    start = 0 if form.edge in ("left", "top") else size - depth
    strip = gray[:, start : start + depth] if upright else gray[start : start + depth, :]
    _, ink = cv2.threshold(strip, threshold, 255, cv2.THRESH_BINARY_INV)
    thin = max(1, round(min(form.thickness_mm, form.across_mm[0]) * ppm * 0.4))
    ink = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((thin, thin), np.uint8))
    _, _, stats, centres = cv2.connectedComponentsWithStats(ink, connectivity=4)
    stats, centres = stats[1:].astype(np.float64), centres[1:]
    left, top, wide, high, area = stats.T
    if upright:
        along_size, across_size, low, along = high, wide, left, centres[:, 1]
    else:
        along_size, across_size, low, along = wide, high, top, centres[:, 0]
    thickness = form.thickness_mm * ppm
    shortest, longest = form.across_mm[0] * ppm, form.across_mm[1] * ppm
    keep = (
        (along_size > SIZE_SHARE[0] * thickness)
        & (along_size < SIZE_SHARE[1] * thickness)
        & (across_size > SHORTEST_SHARE * shortest)
        & (across_size < LONGEST_SHARE * longest)
        & (area > SOLID_SHARE * along_size * across_size)
    )
    low = low[keep] + start
    high_end = low + across_size[keep]
    outer_is_low = form.edge in ("left", "top")
    if form.reference == "centre":
        across = (low + high_end) / 2
    elif (form.reference == "outer") == outer_is_low:
        across = low
    else:
        across = high_end
    along = along[keep]
    order = np.argsort(along)
    return Candidates(along[order], across[order])


def best_line(found: Candidates, ppm: float, middle: float) -> tuple[npt.NDArray[np.bool_], float]:
    """Which candidates stand on the best common line, and its slope (d across / d along)."""
    if found.along.size < 4:
        return np.ones(found.along.size, dtype=bool), 0.0
    angles = np.deg2rad(np.arange(-MAX_ANGLE_DEG, MAX_ANGLE_DEG + 1e-9, ANGLE_STEP_DEG))
    slopes = np.tan(angles)
    flat = found.across[None, :] - slopes[:, None] * (found.along[None, :] - middle)
    band = LINE_BAND_MM * ppm
    ordered = np.sort(flat, axis=1)
    # For every angle and every candidate: how many lie within one band beyond it?
    counts = np.empty(ordered.shape, dtype=np.int64)
    for k, row in enumerate(ordered):
        counts[k] = np.searchsorted(row, row + band, side="right") - np.arange(row.size)
    best = counts.max()
    ties = np.argwhere(counts == best)
    # Of equal ones the least tilted: paper is rarely far off straight.
    k, i = min(ties, key=lambda t: (abs(slopes[t[0]]), t[1]))
    low = ordered[k, i] - 0.25 * band
    member = (flat[k] >= low) & (flat[k] <= low + 1.5 * band)
    slope = float(slopes[k])
    if member.sum() >= 4:
        slope = float(np.polyfit(found.along[member], found.across[member], 1)[0])
    return member, slope


def chain(along: Floats, pitch_px: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The longest run of marks whose steps are whole pitches: (members, step numbers).

    Steps are judged from neighbour to neighbour, so stretch adds up without harm.
    """
    count = along.size
    if count == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    steps = np.diff(along) / pitch_px
    whole = np.rint(steps)
    if np.all((whole >= 1) & (np.abs(steps - whole) <= STEP_TOLERANCE)):
        return np.arange(count), np.concatenate([[0], np.cumsum(whole)]).astype(np.int64)
    length = np.ones(count)
    previous = np.full(count, -1)
    for j in range(1, count):
        low = np.searchsorted(along, along[j] - 8.4 * pitch_px)
        gap = (along[j] - along[low:j]) / pitch_px
        whole_gap = np.rint(gap)
        off = np.abs(gap - whole_gap)
        fits = (whole_gap >= 1) & (off <= STEP_TOLERANCE)
        if fits.any():
            # A step over several pitches must not be cheaper than the marks in between.
            value = np.where(fits, length[low:j] + 1 - off - 0.05 * (whole_gap - 1), -1.0)
            best = int(np.argmax(value))
            if value[best] > length[j]:
                length[j] = value[best]
                previous[j] = low + best
    members = [int(np.argmax(length))]
    while previous[members[-1]] >= 0:
        members.append(int(previous[members[-1]]))
    chosen = np.array(members[::-1], dtype=np.int64)
    numbers = np.concatenate([[0], np.cumsum(np.rint(np.diff(along[chosen]) / pitch_px))])
    return chosen, numbers.astype(np.int64)
