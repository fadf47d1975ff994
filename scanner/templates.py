"""The blank print at every target, made ready for one resolution of scan.

A page's targets stand still on its layout, so everything that measuring needs of them is
made once for a resolution and kept: where the printed outline's ink and the white beside
it lie, which pixels inside can be a voter's ink, which pixels around are free of print,
and who each target's neighbours are.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from election.layout import PageLayout
from scanner.outlines import (
    LINE_MM,
    POINTS,
    Outline,
    Search,
    distance_mm,
    outlines_of,
    search_for,
)
from scanner.windows import stacked

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

#: White is looked for this far from the line's middle, mm.
HALO_MM = 0.45
#: Inside of a target: its outer edge shrunk by this much, mm: the thickest outline printed,
#: and 0.2 mm for blur and a place that is a pixel off.
INSET_MM = 0.55
#: Ink around a target is looked for between these distances from its outline, mm.
RING_MM = (0.5, 2.0)
#: Another target's ring begins this far before its outline, mm.
OTHERS_MM = 1.2
#: Print on the blank darker than this is left out of what a voter can have drawn.
PRINT = 0.18
#: The outline is searched this far around its expected place, mm; further, slower, where
#: most outlines are not found.
SEARCH_MM, FAR_SEARCH_MM = 0.85, 2.0
#: Step of the first search, mm; for it, ink is widened by this much on all sides.
SEARCH_STEP_MM, WIDEN_MM = 0.26, 0.14
#: Neighbours kept for each target, nearest first, itself too.
NEIGHBOURS = 12
#: Samples across and down a write-in area.
AREA_SAMPLES = (96, 24)
#: Two scales nearer than this share one set of templates: over half a target it comes to
#: 0.03 mm at most.
SCALE_STEP = 0.02
#: Sets kept for a page: a pile comes from few scanners, each stretching a little both ways.
SETS_KEPT = 6


@dataclass(frozen=True)
class ScaledTemplates:
    """Everything for one resolution, for n targets.

    Two windows are cut out about each target, all of odd sides: one of `search_size` (h, w)
    px to find its outline in, `reach` px being the greatest shift and `widen` px how far ink
    is widened for it (from place `margin` on); then, where the outline is, one of `size` to
    measure in. `line` int64[k, n]: each target's own `Outline.line`.

    Of the latter only `rows` int64[r] are asked for. `inside` uint8[p, n] is 255 where a
    voter's ink counts, at the flat places `core` int64[p] of those rows; `ring` uint8[q, n]
    likewise beside the target, at `around` int64[q]: above, below, left and right of it, as
    `parts` share them out; empty where the print beside targets is not known. `free` int64[n]
    and `ring_free` int64[n, 4] count those pixels.
    """

    px_x: float
    px_y: float
    widen: int
    margin: int
    reach: int
    search_size: tuple[int, int]
    size: tuple[int, int]
    rows: Index
    search: Search
    outlines: tuple[Outline, ...]
    line: Index
    core: Index
    inside: Gray
    free: Index
    around: Index
    parts: tuple[slice, ...]
    ring: Gray
    ring_free: Index

    def inside_of(self, index: int, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """`inside` of one target as bool of a window's shape, middles aligned."""
        mask = np.zeros(self.size, bool)
        own = np.zeros((self.rows.size, self.size[1]), bool)
        own.ravel()[self.core] = self.inside[:, index] > 0
        mask[self.rows] = own
        out = np.zeros(shape, bool)
        high, wide = min(shape[0], mask.shape[0]), min(shape[1], mask.shape[1])
        to = ((shape[0] - high) // 2, (shape[1] - wide) // 2)
        at = ((mask.shape[0] - high) // 2, (mask.shape[1] - wide) // 2)
        out[to[0] : to[0] + high, to[1] : to[1] + wide] = mask[
            at[0] : at[0] + high, at[1] : at[1] + wide
        ]
        return out


@dataclass(frozen=True)
class PageTemplates:
    """The blank print of one page at its targets, and its scaled sets made so far.

    `blank` uint8[h, w] is the blank raster of the whole page (None: only the targets'
    shape is known). `areas` int64[k] are the targets with a write-in area, `area_print`
    float32[k, h, w] the blank there, 0 white to 1 black.
    """

    layout: PageLayout
    blank: Gray | None
    x_mm: Floats
    y_mm: Floats
    neighbours: Index
    areas: Index
    area_print: npt.NDArray[np.float32]
    _sets: OrderedDict[tuple[int, int, bool], ScaledTemplates] = field(
        default_factory=OrderedDict, repr=False
    )

    @cached_property
    def with_area(self) -> tuple[Floats, Floats]:
        """Places in mm, x and y float64[n + 4]: the targets, then the left, right, upper and
        lower end of their area, by which the scale there is told."""
        left, right = float(self.x_mm.min()) - 5.0, float(self.x_mm.max()) + 5.0
        top, bottom = float(self.y_mm.min()) - 5.0, float(self.y_mm.max()) + 5.0
        x, y = (left + right) / 2, (top + bottom) / 2
        return (
            np.concatenate([self.x_mm, [left, right, x, x]]),
            np.concatenate([self.y_mm, [y, y, top, bottom]]),
        )

    @cached_property
    def area_printed(self) -> npt.NDArray[np.bool_]:
        """Where the write-in areas have print, or nearly, bool[k, h, w]."""
        kernel = np.ones((5, 5), np.uint8)
        return np.stack([cv2.dilate(area, kernel) for area in self.area_print]) > PRINT

    def at(self, px_x: float, px_y: float, *, far: bool = False) -> ScaledTemplates:
        """The set for a scan of `px_x` × `px_y` px per mm; `far` with the wide search."""
        scale = math.log1p(SCALE_STEP)
        key = (round(math.log(px_x) / scale), round(math.log(px_y) / scale), far)
        found = self._sets.get(key)
        if found is None:
            found = _scaled(self, math.exp(key[0] * scale), math.exp(key[1] * scale), far)
            while len(self._sets) >= SETS_KEPT:
                self._sets.popitem(last=False)
            self._sets[key] = found
        return found


def drawn_templates(layout: PageLayout) -> PageTemplates:
    """Templates from the targets' shape alone, where no blank print is at hand."""
    return _templates(layout, None)


def printed_templates(layout: PageLayout, blank: Gray) -> PageTemplates:
    """Templates from the blank raster of the same page (uint8[h, w], any resolution)."""
    return _templates(layout, blank)


def _templates(layout: PageLayout, blank: Gray | None) -> PageTemplates:
    x = np.array([t.x_mm for t in layout.targets])
    y = np.array([t.y_mm for t in layout.targets])
    apart = np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :])
    neighbours = np.argsort(apart, axis=1, kind="stable")[:, :NEIGHBOURS].astype(np.int64)
    areas = np.array(
        [i for i, t in enumerate(layout.targets) if t.write_in_area is not None], dtype=np.int64
    )
    area_print = np.zeros((areas.size, AREA_SAMPLES[1], AREA_SAMPLES[0]), np.float32)
    if blank is not None and areas.size:
        area_x, area_y = area_points(layout, areas)
        scale_x, scale_y = blank.shape[1] / layout.width_mm, blank.shape[0] / layout.height_mm
        grey = sample(blank, area_x * scale_x - 0.5, area_y * scale_y - 0.5, 255.0)
        area_print = (1.0 - grey / 255.0).astype(np.float32)
    return PageTemplates(layout, blank, x, y, neighbours, areas, area_print)


def area_points(layout: PageLayout, areas: Index) -> tuple[Floats, Floats]:
    """Sample places of write-in areas, mm, float64[k, h, w] each."""
    boxes = [b for i in areas if (b := layout.targets[int(i)].write_in_area) is not None]
    u = (np.arange(AREA_SAMPLES[0]) + 0.5) / AREA_SAMPLES[0]
    v = (np.arange(AREA_SAMPLES[1]) + 0.5) / AREA_SAMPLES[1]
    left = np.array([b.x_mm for b in boxes])[:, None, None]
    top = np.array([b.y_mm for b in boxes])[:, None, None]
    wide = np.array([b.width_mm for b in boxes])[:, None, None]
    high = np.array([b.height_mm for b in boxes])[:, None, None]
    x = left + wide * u[None, None, :] + 0 * v[None, :, None]
    y = top + high * v[None, :, None] + 0 * u[None, None, :]
    return x, y


def sample(image: Gray, x: Floats, y: Floats, outside: float) -> npt.NDArray[np.float32]:
    """Grey values at px places of any shape [n, h, w], bilinear; `outside` beyond the image."""
    count, high, wide = x.shape
    out = np.empty((count, high, wide), np.float32)
    # OpenCV's remap is limited to 32,767 rows a call.
    step = max(1, 30_000 // max(high, 1))
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        grey = cv2.remap(
            image,
            x[part].astype(np.float32).reshape(-1, wide),
            y[part].astype(np.float32).reshape(-1, wide),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=outside,
        )
        out[part] = grey.reshape(-1, high, wide)
    return out


def _scaled(page: PageTemplates, px_x: float, px_y: float, far: bool) -> ScaledTemplates:
    targets = page.layout.targets
    ppm = min(px_x, px_y)
    scale = np.array([px_y, px_x])
    reach = math.ceil((FAR_SEARCH_MM if far else SEARCH_MM) * max(px_x, px_y)) + 2
    tallest, widest = max(t.height_mm for t in targets), max(t.width_mm for t in targets)
    # White must lie clear of the line where a pixel is wide.
    halo_mm = max(HALO_MM, LINE_MM / 2 + 2.2 / ppm)
    around_mm = halo_mm - LINE_MM / 2
    half = [
        math.ceil((side / 2 + around_mm) * px) + reach + 1
        for side, px in ((tallest, px_y), (widest, px_x))
    ]
    search_size = (2 * half[0] + 1, 2 * half[1] + 1)
    widen = max(1, round(WIDEN_MM * ppm))
    margin = widen * (search_size[1] + 1)
    search = search_for(reach, max(1, round(SEARCH_STEP_MM * ppm)), search_size[1])
    outlines = outlines_of(targets, scale, halo_mm, search_size, search, margin)
    line = np.empty((POINTS, len(targets)), np.int64)
    for outline in outlines:
        line[:, outline.members] = outline.line[:, None]

    mid_y = math.ceil((tallest / 2 + RING_MM[1]) * px_y)
    mid_x = math.ceil((widest / 2 + RING_MM[1]) * px_x)
    size = (2 * mid_y + 1, 2 * mid_x + 1)
    inside, ring = _masks(page, px_x, px_y, mid_y, mid_x)
    inner_y = math.floor((min(t.height_mm for t in targets) / 2 + RING_MM[0]) * px_y)
    inner_x = math.floor((min(t.width_mm for t in targets) / 2 + RING_MM[0]) * px_x)
    # Every other pixel both ways: strokes are several pixels wide.
    everything = slice(None, None, 2)
    places = np.arange(size[0] * size[1]).reshape(size)
    core = np.flatnonzero(inside.any(axis=0))
    sides = [
        places[down, across].ravel()
        for down, across in (
            (slice(0, mid_y - inner_y, 2), everything),
            (slice(mid_y + inner_y + 1, None, 2), everything),
            (everything, slice(0, mid_x - inner_x, 2)),
            (everything, slice(mid_x + inner_x + 1, None, 2)),
        )
    ]
    if page.blank is None:
        sides = [side[:0] for side in sides]
    around = np.concatenate(sides)
    ends = np.cumsum([0, *(side.size for side in sides)]).tolist()
    parts = tuple(slice(a, b) for a, b in pairwise(ends))
    ring_at = stacked(ring).take(around, axis=0)
    inside_at = stacked(inside).take(core, axis=0)
    rows = np.unique(np.concatenate([core, around]) // size[1])
    # From places in the whole window to places in those rows.
    number = np.zeros(size[0], np.int64)
    number[rows] = np.arange(rows.size)
    core, around = (number[at // size[1]] * size[1] + at % size[1] for at in (core, around))
    free = [np.count_nonzero(ring_at[part], axis=0) for part in parts]
    return ScaledTemplates(
        px_x=px_x,
        px_y=px_y,
        widen=widen,
        margin=margin,
        reach=reach,
        search_size=search_size,
        size=size,
        rows=rows,
        search=search,
        outlines=outlines,
        line=line,
        core=core,
        inside=inside_at,
        free=np.count_nonzero(inside, axis=(1, 2)).astype(np.int64),
        around=around,
        parts=parts,
        ring=ring_at,
        ring_free=np.stack(free, axis=1).astype(np.int64),
    )


def _masks(
    page: PageTemplates, px_x: float, px_y: float, half_h: int, half_w: int
) -> tuple[Gray, Gray]:
    """Where ink counts as inside and beside each target, uint8[n, h, w], 255 or 0."""
    layout = page.layout
    y, x = np.meshgrid(
        np.arange(-half_h, half_h + 1) / px_y, np.arange(-half_w, half_w + 1) / px_x, indexing="ij"
    )
    count = len(layout.targets)
    inside = np.zeros((count, *x.shape), bool)
    ring = np.zeros((count, *x.shape), bool)
    reach_mm = max(t.width_mm for t in layout.targets) + 2 * RING_MM[1] + OTHERS_MM
    for i, target in enumerate(layout.targets):
        own = distance_mm(target, x, y)
        inside[i] = own < -INSET_MM
        if page.blank is None:
            continue  # what is printed beside it is not known
        ring[i] = (own > RING_MM[0]) & (own < RING_MM[1])
        for j in page.neighbours[i]:
            other = layout.targets[int(j)]
            dx, dy = other.x_mm - target.x_mm, other.y_mm - target.y_mm
            if j != i and abs(dx) < reach_mm and abs(dy) < reach_mm:
                ring[i] &= distance_mm(other, x - dx, y - dy) > OTHERS_MM
    if page.blank is not None:
        free = _free_of_print(page, page.blank, x, y)
        inside &= free
        ring &= free
    return inside.astype(np.uint8) * 255, ring.astype(np.uint8) * 255


def _free_of_print(page: PageTemplates, blank: Gray, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
    """Pixels at least one pixel from all print, bool[n, h, w]; x and y mm from the centre."""
    scale_x = blank.shape[1] / page.layout.width_mm
    scale_y = blank.shape[0] / page.layout.height_mm
    # A place of x mm is at pixel edge x·scale; pixel centres lie half a pixel further.
    grey = sample(
        blank,
        (page.x_mm[:, None, None] + x) * scale_x - 0.5,
        (page.y_mm[:, None, None] + y) * scale_y - 0.5,
        255.0,
    )
    kernel = np.ones((3, 3), np.uint8)
    printed = np.stack(
        [cv2.dilate((g < 255.0 * (1 - PRINT)).astype(np.uint8), kernel) for g in grey]
    )
    free: npt.NDArray[np.bool_] = printed == 0
    return free
