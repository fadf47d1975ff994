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

import cv2
import numpy as np
import numpy.typing as npt

from election.layout import PageLayout, Target

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

#: Printed outlines are about this thick, mm (`election.page`; New Hampshire's likewise).
LINE_MM = 0.3
#: White is looked for this far from the line's middle, mm.
HALO_MM = 0.45
#: Points on the outline, and as many in the white beside it.
POINTS = 24
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


@dataclass(frozen=True, slots=True)
class Search:
    """A grid of shifts tried for every target.

    `shifts` int64[s, 2] (dy, dx) px; `line` and `halo` int64[k, n, s]: flat places in a
    stack of windows uint8[n, h, w] of the outline's ink and of white beside it.
    """

    shifts: Index
    line: Index
    halo: Index


@dataclass(frozen=True)
class ScaledTemplates:
    """Everything for one resolution, for n targets.

    Two windows are cut out about each target, all of odd sides: one of `search_size` (h, w)
    px to find its outline in, `reach` px being the greatest shift and `widen` px how far ink
    is widened for it; then, where the outline is, one of `size` to measure in. `line` and
    `halo` int64[k, n]: flat places in search windows for shift (0, 0).

    `inside` uint8[n, h', w'] is 255 where a voter's ink counts, in the middle of the window
    (`core`); `beside` likewise in its four `sides` (above, below, left, right), empty where
    the print beside targets is not known. `free` int64[n] and `beside_free` int64[n, 4]
    count those pixels.
    """

    px_x: float
    px_y: float
    widen: int
    reach: int
    search_size: tuple[int, int]
    size: tuple[int, int]
    search: Search
    line: Index
    halo: Index
    core: tuple[slice, slice]
    inside: Gray
    free: Index
    sides: tuple[tuple[slice, slice], ...]
    beside: tuple[Gray, ...]
    beside_free: Index

    def inside_of(self, index: int, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """`inside` of one target as bool of a window's shape, middles aligned."""
        mask = self.inside[index]
        out = np.zeros(shape, bool)
        high, wide = min(shape[0], mask.shape[0]), min(shape[1], mask.shape[1])
        to = ((shape[0] - high) // 2, (shape[1] - wide) // 2)
        at = ((mask.shape[0] - high) // 2, (mask.shape[1] - wide) // 2)
        out[to[0] : to[0] + high, to[1] : to[1] + wide] = (
            mask[at[0] : at[0] + high, at[1] : at[1] + wide] > 0
        )
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


def distance_mm(target: Target, x: Floats, y: Floats) -> Floats:
    """Signed distance of places (mm from the target's centre) from its outer edge, mm;
    negative inside."""
    half_w, half_h = target.width_mm / 2, target.height_mm / 2
    if target.shape == "square":
        dx, dy = np.abs(x) - half_w, np.abs(y) - half_h
        outside = np.hypot(np.maximum(dx, 0.0), np.maximum(dy, 0.0))
        result: Floats = outside + np.minimum(np.maximum(dx, dy), 0.0)
        return result
    # Ovals and circles: a stroke of constant width round a line (a circle's has no length).
    radius = min(half_w, half_h)
    reach_x, reach_y = half_w - radius, half_h - radius
    beyond_x, beyond_y = np.maximum(np.abs(x) - reach_x, 0.0), np.maximum(np.abs(y) - reach_y, 0.0)
    round_end: Floats = np.hypot(beyond_x, beyond_y) - radius
    return round_end


def _outline(target: Target, offset_mm: float, count: int) -> Floats:
    """`count` places evenly along the target's edge moved outwards by `offset_mm`, mm [k, 2]
    (y, x)."""
    half_w, half_h = target.width_mm / 2 + offset_mm, target.height_mm / 2 + offset_mm
    corner = 0.0 if target.shape == "square" else min(half_w, half_h)
    # A rounded rectangle, walked finely and then picked from evenly.
    quarter = np.linspace(0, math.pi / 2, 40)
    right_x, right_y = half_w - corner, half_h - corner
    arc = np.stack([right_y + corner * np.sin(quarter), right_x + corner * np.cos(quarter)], 1)
    path = np.concatenate(
        [
            arc,
            np.stack([arc[::-1, 0], -arc[::-1, 1]], 1),
            -arc,
            np.stack([-arc[::-1, 0], arc[::-1, 1]], 1),
        ]
    )
    closed = np.concatenate([path, path[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    wanted = (np.arange(count) + 0.5) / count * length[-1]
    return np.stack([np.interp(wanted, length, closed[:, k]) for k in (0, 1)], axis=1)


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
    line, halo = _points(page, scale, halo_mm, search_size)
    step = max(1, round(SEARCH_STEP_MM * ppm))
    steps = (reach - 2) // step
    axis = np.arange(-steps, steps + 1) * step
    shifts = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    # Of equally good places the nearest one: it comes first.
    shifts = shifts[np.argsort(np.hypot(*shifts.T), kind="stable")]
    move = shifts @ (search_size[1], 1)
    # Half the points tell where an outline lies roughly; all of them are used to place it.
    search = Search(shifts, line[::2, :, None] + move, halo[::2, :, None] + move)

    mid_y = math.ceil((tallest / 2 + RING_MM[1]) * px_y)
    mid_x = math.ceil((widest / 2 + RING_MM[1]) * px_x)
    inside, ring = _masks(page, px_x, px_y, mid_y, mid_x)
    core_y, core_x = math.ceil(tallest / 2 * px_y), math.ceil(widest / 2 * px_x)
    core = (
        slice(mid_y - core_y, mid_y + core_y + 1),
        slice(mid_x - core_x, mid_x + core_x + 1),
    )
    inner_y = math.floor((min(t.height_mm for t in targets) / 2 + RING_MM[0]) * px_y)
    inner_x = math.floor((min(t.width_mm for t in targets) / 2 + RING_MM[0]) * px_x)
    # Every other pixel both ways: strokes are several pixels wide.
    everything = slice(None, None, 2)
    sides = (
        (slice(0, mid_y - inner_y, 2), everything),
        (slice(mid_y + inner_y + 1, None, 2), everything),
        (everything, slice(0, mid_x - inner_x, 2)),
        (everything, slice(mid_x + inner_x + 1, None, 2)),
    )
    beside = tuple(np.ascontiguousarray(ring[:, r, c]) for r, c in sides)
    return ScaledTemplates(
        px_x=px_x,
        px_y=px_y,
        widen=max(1, round(WIDEN_MM * ppm)),
        reach=reach,
        search_size=search_size,
        size=(2 * mid_y + 1, 2 * mid_x + 1),
        search=search,
        line=line,
        halo=halo,
        core=core,
        inside=np.ascontiguousarray(inside[:, core[0], core[1]]),
        free=np.count_nonzero(inside, axis=(1, 2)).astype(np.int64),
        sides=sides,
        beside=beside if page.blank is not None else (),
        beside_free=np.stack([np.count_nonzero(b, axis=(1, 2)) for b in beside], axis=1).astype(
            np.int64
        ),
    )


def _points(
    page: PageTemplates, scale: Floats, halo_mm: float, size: tuple[int, int]
) -> tuple[Index, Index]:
    """Places of each outline's ink and of white beside it in a stack of windows of `size`."""
    shapes: dict[tuple[str, float, float], tuple[Index, Index]] = {}
    lines, halos = [], []
    for target in page.layout.targets:
        shape = (target.shape, target.width_mm, target.height_mm)
        if shape not in shapes:
            line = _outline(target, -LINE_MM / 2, POINTS)
            outer = _outline(target, halo_mm - LINE_MM / 2, POINTS // 2)
            inner = _outline(target, -halo_mm - LINE_MM / 2, POINTS // 2)
            beside = np.concatenate([outer, inner])
            shapes[shape] = (
                np.rint(line * scale).astype(np.int64),
                np.rint(beside * scale).astype(np.int64),
            )
        lines.append(shapes[shape][0])
        halos.append(shapes[shape][1])
    first = np.arange(len(lines), dtype=np.int64)[:, None] * (size[0] * size[1])
    line_at, halo_at = (
        first + (p[:, :, 0] + size[0] // 2) * size[1] + p[:, :, 1] + size[1] // 2
        for p in (np.array(lines), np.array(halos))
    )
    return np.ascontiguousarray(line_at.T), np.ascontiguousarray(halo_at.T)


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
