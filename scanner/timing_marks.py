"""Find the timing marks along the edges of a page and measure them.

Only a strip along each edge is looked at (looking at the whole page costs several times
the decoding). Marks are solid, so thin things (paper edges, hairs) are opened away first;
what is left of the right size is put on the best line and chained (`scanner.mark_rows`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from scanner.mark_rows import Candidates, Floats
from scanner.page_form import EdgeForm

Gray = npt.NDArray[np.uint8]

#: Components this much smaller or larger than a mark along its edge are something else.
SIZE_SHARE = (0.55, 1.6)
#: A mark may be cut by the page's edge down to this share of its length.
SHORTEST_SHARE = 0.12
LONGEST_SHARE = 1.5
#: A mark is solid: at least this share of its box is ink.
SOLID_SHARE = 0.7


def paper_and_threshold(gray: Gray) -> tuple[float, float]:
    """The paper's grey level (the commonest light one) and the grey below which ink is solid."""
    # Rows further apart than columns: each row is a way to memory of its own.
    sample = np.ascontiguousarray(gray[::16, ::7])
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
        ends = [low[own] if end < 0 else high[own] for end in _ends(form)]
        # Ends are borders between pixels; places are counted from pixels' centres.
        across = np.asarray(sum(ends) / len(ends) - 0.5)
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


def _ends(form: EdgeForm) -> tuple[int, ...]:
    """Which ends of a mark its place across the edge is told by: -1 the low, 1 the high one."""
    if form.reference == "centre":
        return (-1, 1)
    outer_is_low = form.edge in ("left", "top")
    return (-1,) if (form.reference == "outer") == outer_is_low else (1,)


def refine(
    gray: Gray, ppm: float, found: Sequence[tuple[EdgeForm, Candidates, npt.NDArray[np.bool_]]]
) -> list[tuple[Floats, Floats, Floats]]:
    """Some candidates of each edge measured at full resolution: along, across and grey levels.

    Edges are measured together, where their marks are equally thick and told by as many ends.
    """
    out: list[tuple[Floats, Floats, Floats]] = [(np.zeros(0),) * 3] * len(found)
    kinds = [(form.thickness_mm, len(_ends(form))) for form, _, _ in found]
    for kind in dict.fromkeys(kinds):
        own = [k for k, other in enumerate(kinds) if other == kind]
        parts = [found[k] for k in own]
        sizes = [int(np.count_nonzero(which)) for _, _, which in parts]
        upright = np.repeat([form.edge in ("left", "right") for form, _, _ in parts], sizes)
        along, across, ink = _refined(
            gray,
            upright,
            np.concatenate([c.along[which] for _, c, which in parts]),
            np.concatenate([c.low[which] for _, c, which in parts]),
            np.concatenate([c.high[which] for _, c, which in parts]),
            np.repeat([_ends(form) for form, _, _ in parts], sizes, axis=0).T,
            kind[0] * ppm,
            parts[0][1].step,
        )
        start = 0
        for k, size in zip(own, sizes, strict=True):
            here = slice(start, start + size)
            start = here.stop
            out[k] = (along[here], across[here], ink[here])
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
    ends: npt.NDArray[np.int64],
    thickness: float,
    step: int,
) -> tuple[Floats, Floats, Floats]:
    """Centres along the edge, places across it, to a fraction of a pixel, and grey levels.

    `upright` bool[n]: of an edge that runs down the page; `ends` int64[e, n]: see `_ends`.
    Along: the centroid of darkness over the mark's thickness. Across: where the ink of the
    mean profile through an end adds up to, the mean of both where both are asked.
    """
    if along.size == 0:
        return along, low, along
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
    base = _whole(np.where(ends < 0, low, high))
    # Pixels from inside the mark to outside it, in that order.
    columns = (base - (ends < 0))[:, :, None] + ends[:, :, None] * out
    places = _within(columns, most_across[:, None]) * to_across[:, None] + lines[:, None, :, None]
    profile = flat.take(places).sum(axis=0, dtype=np.int64) / 3.0
    white = np.maximum(profile[:, :, -4:].max(axis=2), ink + 1.0)
    share = (white[:, :, None] - profile) / (white - ink)[:, :, None]
    inked = np.minimum(np.maximum(share, 0.0), 1.0).sum(axis=2)
    reached = base + ends * (out[0] + inked)
    # Ends are borders between pixels; places are counted from pixels' centres.
    return along, reached.sum(axis=0) / ends.shape[0] - 0.5, ink


#: Lines through a mark's inner half.
_QUARTERS = np.array([[-0.25], [0.0], [0.25]])


def _whole(values: Floats) -> npt.NDArray[np.intp]:
    """Nearest whole pixels."""
    return np.rint(values).astype(np.intp)


def _within(index: npt.NDArray[np.intp], most: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Indices held between 0 and `most` (numpy's `clip` costs twice as much here)."""
    held: npt.NDArray[np.intp] = np.minimum(np.maximum(index, 0), most)
    return held
