"""Measure every target of a fitted page against the blank print: all of them in one pass.

1. A window around each target is cut out where the page's fit expects it.
2. The printed outline is searched there, coarsely and then to a fraction of a pixel; a
   target whose outline is hidden by ink follows its neighbours: paper does not jump.
3. The newly dark share of the target's inside is its score (VVSG 2.0, 1.1.6-H: reliable
   marks; 1.1.6-I: extraneous ones are not votes); what lies beside it, and how light the
   ink is, are measured too and judged by `scanner.judgement`.

Whole windows move by whole pixels, so nothing is interpolated on this path; a page that
stands at a slant is turned straight before (`scanner.reader`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scanner.outlines import POINTS, Outline
from scanner.registration import Registration
from scanner.templates import (
    PRINT,
    PageTemplates,
    ScaledTemplates,
    area_points,
    sample,
)
from scanner.windows import Sums, cut_out, darkest_around, inked, ranked, stacked, sums_at, totals

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float32]

#: A pixel is ink where it is at least this much of the way from paper to black, on a page
#: whose own print is this dark or darker; pale print lowers the limit in proportion.
DARK, FULL_BLACK = 0.35, 0.72
#: The limit never falls below this: paper fibre and grain are not ink.
LEAST_DARK = 0.16
#: Lighter than ink but no longer paper: erased, highlighted, showing through.
LIGHT = 0.36
#: An outline found with at least this contrast places its target by itself.
SURE_OUTLINE = 0.2
#: Where fewer targets than this share are placed surely, the search is widened.
ENOUGH_SURE = 0.5
#: A shift may differ from its neighbours' median by this much, mm: paper does not jump.
NEIGHBOUR_MM = 0.6
#: Neighbours whose shifts are asked.
ASKED = 5
#: Share of a printed outline that must be seen for it to count as there.
OUTLINE_SEEN = 0.6
#: The place in a window's sorted grey levels that is its paper, and how darkly it may be.
PAPER_QUANTILE = 0.8
DARKEST_PAPER = 0.6
#: The places about a place and itself, (dy, dx), row by row: the middle one is number 4.
_AROUND = np.array([(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)], dtype=np.int64)


@dataclass(frozen=True)
class Measurement:
    """Figures of n targets, float32[n] unless said otherwise.

    `scores`: newly dark share of the inside, 0..1. `light`: share of the inside at least
    `LIGHT` as dark as ink has to be. `sides` float32[n, 4]: dark share of the free paper
    above, below, left and right of it (NaN where print hides all of it). `x_px`, `y_px`:
    its place. `write_in_scores` (NaN without an area). `outline_seen`: share of the printed
    outline seen within a hair's breadth, 0..1; `outline_dark`: share of it that is dark just
    where it is printed. `ink_level`, `light_level`: grey levels below which its pixels
    were ink, and no longer paper. `corner` int64[n, 2] and `size`: its window in the scan.
    """

    scores: Shares
    light: Shares
    sides: Shares
    x_px: Shares
    y_px: Shares
    write_in_scores: Shares
    outline_seen: Shares
    outline_dark: Shares
    ink_level: Shares
    light_level: Shares
    corner: Index
    size: tuple[int, int]


def measure(gray: Gray, fit: Registration, templates: PageTemplates) -> Measurement:
    """Measure all targets of a page.

    Args:
        gray: uint8[h, w], upright, as it was registered.
        fit: the page's map.
        templates: the blank print of the page's layout.
    """
    x, y, px_x, px_y = _places(fit, templates)
    scaled = templates.at(px_x, px_y)
    placed = _place(gray, fit, scaled, templates.neighbours, x, y)
    if placed.sure.mean() < ENOUGH_SURE:
        far = templates.at(px_x, px_y, far=True)
        wider = _place(gray, fit, far, templates.neighbours, x, y)
        # Votes hide outlines too: only a search that finds more is the better one.
        if wider.sure.sum() > placed.sure.sum():
            scaled, placed = far, wider
    count = x.size
    height, width = scaled.size
    corner = placed.centre - (height // 2, width // 2)
    own = stacked(cut_out(gray, corner, scaled.size, round(fit.paper), scaled.rows))
    # In double precision: a level of grey more or less would shift whole scores.
    limit = np.float64(min(max(DARK * fit.contrast / FULL_BLACK, LEAST_DARK), DARK))
    ink_level = placed.paper * (1 - limit)
    light_level = placed.paper * (1 - limit * LIGHT)
    core = own.take(scaled.core, axis=0)
    dark, darkish = (
        totals(inked(core, level.astype(np.uint8), scaled.inside))
        for level in (ink_level, light_level)
    )
    free = np.maximum(scaled.free, 1)
    sides = np.full((count, 4), np.nan)
    if scaled.around.size:
        beside = inked(own.take(scaled.around, axis=0), ink_level.astype(np.uint8), scaled.ring)
        ink_beside = np.stack([totals(beside[part]) for part in scaled.parts], axis=1)
        known = scaled.ring_free > 0
        np.divide(ink_beside, scaled.ring_free, out=sides, where=known)
    write_in = np.full(count, np.nan, np.float32)
    if templates.areas.size:
        moved = (placed.shift / (px_y, px_x))[templates.areas]
        write_in[templates.areas] = _write_ins(gray, fit, templates, moved)
    return Measurement(
        scores=(dark / free).astype(np.float32),
        light=(darkish / free).astype(np.float32),
        sides=sides.astype(np.float32),
        x_px=(np.rint(x) + placed.fine[:, 1]).astype(np.float32),
        y_px=(np.rint(y) + placed.fine[:, 0]).astype(np.float32),
        write_in_scores=write_in,
        outline_seen=placed.seen,
        outline_dark=placed.dark,
        ink_level=ink_level.astype(np.float32),
        light_level=light_level.astype(np.float32),
        corner=corner,
        size=scaled.size,
    )


@dataclass(frozen=True)
class _Placed:
    """Where each outline is: its `centre` int64[n, 2] (y, x) px in the scan, its `shift`
    int64[n, 2] from the expected place, the same to a part of a pixel (`fine`), whether it
    was found by itself, its shares seen and dark, and the paper's level about it."""

    centre: Index
    shift: Index
    fine: Floats
    sure: npt.NDArray[np.bool_]
    seen: Shares
    dark: Shares
    paper: Shares


def _places(fit: Registration, templates: PageTemplates) -> tuple[Floats, Floats, float, float]:
    """Where the targets are expected, px float64[n] each, and px per mm across and down over
    their area."""
    x_mm, y_mm = templates.with_area
    x, y = fit.to_px(x_mm, y_mm)
    left, right, top, bottom = range(-4, 0)
    wide, high = x_mm[right] - x_mm[left], y_mm[bottom] - y_mm[top]
    px_x = math.hypot(x[right] - x[left], y[right] - y[left]) / float(wide)
    px_y = math.hypot(x[bottom] - x[top], y[bottom] - y[top]) / float(high)
    return x[:-4], y[:-4], px_x, px_y


def _place(
    gray: Gray,
    fit: Registration,
    scaled: ScaledTemplates,
    neighbours: Index,
    x: Floats,
    y: Floats,
) -> _Placed:
    """Find each printed outline about its expected place."""
    high, wide_px = scaled.search_size
    expected = np.rint(np.stack([y, x], axis=1)).astype(np.int64)
    windows = cut_out(
        gray, expected - (high // 2, wide_px // 2), scaled.search_size, round(fit.paper)
    )
    stack = stacked(windows)
    paper = _paper(stack.reshape(high, wide_px, -1), fit.paper)
    # Lines are widened a little, so that points of a coarse search meet them at all.
    wide = darkest_around(stack, wide_px, scaled.widen)
    search, count = scaled.search, expected.shape[0]
    targets = np.arange(count)
    contrast = _contrast(wide, scaled.outlines, None)
    best = np.argmax(contrast, axis=0)
    sure = contrast[best, targets] / float(POINTS // 2) / paper >= SURE_OUTLINE
    # All points, on the eight places around and the place itself: targets of a page are
    # shifted much alike, so few different places come up.
    near = search.keys[best][:, None] + (_AROUND @ (search.side, 1))
    wanted = np.zeros(search.moves.size, bool)
    wanted[near] = True
    number = np.cumsum(wanted) - 1
    close = _contrast(stack, scaled.outlines, search.moves[wanted])
    close_by = close[number[near], targets[:, None]] / float(POINTS)
    at = np.argmax(close_by, axis=1)
    shift = search.shifts[best] + _AROUND[at]
    fine = shift + _peak(close_by, at)
    shift, fine, kept = _agree(shift, fine, sure, neighbours, NEIGHBOUR_MM * scaled.px_x)
    shift = np.minimum(np.maximum(shift, -scaled.reach), scaled.reach)
    line = (scaled.line + shift @ (wide_px, 1)) * count + targets
    limit_level = paper * (1 - PRINT)
    dark = stack.ravel().take(line) < limit_level
    seen = wide.ravel().take(line - scaled.margin * count) < limit_level
    return _Placed(
        centre=expected + shift,
        shift=shift,
        fine=fine,
        sure=sure & kept,
        seen=(totals(seen.view(np.uint8)) / POINTS).astype(np.float32),
        dark=(totals(dark.view(np.uint8)) / POINTS).astype(np.float32),
        paper=paper,
    )


def _paper(windows: Gray, page_paper: float) -> Shares:
    """Each window's own paper level, float32[n]: uneven light and tinted paper fall out.

    `windows` uint8[h, w, n]: a stack.
    """
    few = windows[::6, ::6].reshape(-1, windows.shape[2])
    light = ranked(few, int(few.shape[0] * PAPER_QUANTILE)).astype(np.float32)
    # A window that is mostly ink still has paper no darker than most of the page's.
    return np.clip(light, np.float32(DARKEST_PAPER * page_paper), np.float32(255.0))


def _contrast(stack: Gray, outlines: Sequence[Outline], moves: Index | None) -> Sums:
    """How much darker each outline's points are than the white beside, sums of grey levels
    int32[s, n], at the shifts `moves` int64[s] (None: coarsely, at those of the search)."""
    result = np.empty((0, 0), np.int32)
    for outline in outlines:
        own = stack if len(outlines) == 1 else stack.take(outline.members, axis=1)
        if moves is None:
            line, halo = outline.coarse_line, outline.coarse_halo
        else:
            line, halo = (half[:, None] + moves for half in (outline.line, outline.halo))
        found = sums_at(own, halo) - sums_at(own, line)
        if len(outlines) == 1:
            return found
        if not result.size:
            result = np.empty((found.shape[0], stack.shape[1]), np.int32)
        result[:, outline.members] = found
    return result


def _peak(around: Floats, at: npt.NDArray[np.intp]) -> Floats:
    """Where between whole pixels a score peaks, (y, x): parabolas through the middle column
    and row of float64[n, 9] (three rows of three); zero where the best is on the rim."""
    low, middle, high = around[:, (1, 3)], around[:, 4:5], around[:, (7, 5)]
    bend = low - 2 * middle + high
    part = 0.5 * (low - high) / np.where(bend < -1e-9, bend, -np.inf)
    held = np.minimum(np.maximum(part, -0.5), 0.5)
    return np.where((at == 4)[:, None], held, 0.0)


def _agree(
    shift: Index,
    fine: Floats,
    sure: npt.NDArray[np.bool_],
    neighbours: Index,
    tolerance_px: float,
) -> tuple[Index, Floats, npt.NDArray[np.bool_]]:
    """Hold every shift against the median of its nearest sure neighbours'.

    A hidden outline, or one found somewhere else than its neighbours, takes their median.
    Also whether each shift was kept.
    """
    if not sure.any():
        return np.zeros_like(shift), np.zeros_like(fine), sure
    nearest = neighbours[:, :ASKED]
    ordered = np.sort(shift.T[:, nearest], axis=2)
    asked = nearest.shape[1]
    expected = (ordered[:, :, (asked - 1) // 2] + ordered[:, :, asked // 2]).T / 2
    # Where not all of the nearest are sure, others are asked instead.
    rest = np.flatnonzero(~sure[nearest].all(axis=1))
    if rest.size:
        expected[rest] = _median_of_sure(shift, sure, neighbours[rest])
    kept = sure & (np.hypot(*(shift - expected).T) <= tolerance_px)
    whole = np.rint(expected).astype(np.int64)
    return (
        np.where(kept[:, None], shift, whole),
        np.where(kept[:, None], fine, expected),
        kept,
    )


def _median_of_sure(shift: Index, sure: npt.NDArray[np.bool_], neighbours: Index) -> Floats:
    """The median shift of the first `ASKED` sure neighbours of each row of int64[m, k]; of all
    sure targets where a row has none."""
    asked = sure[neighbours]
    asked &= np.cumsum(asked, axis=1) <= ASKED
    values = np.where(asked[:, :, None], shift[neighbours].astype(np.float64), np.inf)
    values.sort(axis=1)
    number = asked.sum(axis=1)
    middle = np.maximum(number - 1, 0) // 2
    rows = np.arange(neighbours.shape[0])
    expected = (values[rows, middle] + values[rows, number // 2]) / 2
    lonely = number == 0
    if lonely.any():
        expected[lonely] = np.median(shift[sure], axis=0)
    # With an even number the upper middle may not exist.
    result: Floats = np.where(np.isfinite(expected), expected, values[rows, middle])
    return result


def _write_ins(gray: Gray, fit: Registration, templates: PageTemplates, moved_mm: Floats) -> Shares:
    """Newly dark share of each write-in area, float32[k]; `moved_mm` (y, x) its target's shift."""
    x, y = area_points(templates.layout, templates.areas)
    px, py = fit.to_px(x + moved_mm[:, 1, None, None], y + moved_mm[:, 0, None, None])
    grey = sample(gray, px, py, fit.paper)
    flat = grey.reshape(grey.shape[0], -1)
    place = int(flat.shape[1] * PAPER_QUANTILE)
    light = np.clip(np.partition(flat, place, axis=1)[:, place], DARKEST_PAPER * fit.paper, 255.0)
    ink = grey < (light * (1 - DARK))[:, None, None]
    printed = templates.area_printed
    share: Shares = (ink & ~printed).mean(axis=(1, 2)).astype(np.float32)
    return share
