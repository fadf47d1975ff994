"""Pictures for people: a contest, each of its targets beside the blank print, write-ins.

Pixels are cut from the scan as they are, only turned upright; nothing is drawn into them.
Where things lie follows from the targets as they were found on this very scan: a map from
mm to pixels is fitted to them, nearer ones weighing more, so a slip of the paper elsewhere
does not move a crop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from election.layout import Box, PageLayout, Target
from scanner.adjudication.queue import Place
from scanner.outlines import LINE_MM, distance_mm
from scanner.reading import PageReading

Gray = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float64]

#: Side of a target's crop, mm, and its resolution (twice that of a usual scan), px per mm.
TARGET_MM = 10.0
TARGET_PX_PER_MM = 16.0
#: Grey bar between a target in the scan and in the blank print, px.
BAR_PX = 8
BAR_LEVEL = 128
#: Room round a write-in area, mm.
WRITE_IN_ROOM_MM = 1.5
#: Targets further than this apart across the page stand in different columns, mm.
COLUMN_GAP_MM = 10.0
#: A contest's crop: room beside its targets, its title above, its last line below, mm.
SIDE_MM = 2.5
#: Timing marks and nothing else stand this near to the page's left and right edges, mm.
EDGE_MM = 6.0
HEAD_MM = 30.0
LAST_LINE_MM = (6.0, 12.0)
#: Targets this far away still weigh 0.6 in the local map, mm.
REACH_MM = 60.0


@dataclass(frozen=True)
class ContestCrop:
    """`image` uint8[h, w]; `places` of the contest's targets in it by index in the layout."""

    image: Gray
    places: Mapping[int, Place]


@dataclass(frozen=True)
class PageCrops:
    """A page's crops: contests by id; targets and write-in areas by index in the layout.

    A target's crop is the scan on the left and the blank print on the right.
    """

    contests: dict[str, ContestCrop] = field(default_factory=dict)
    targets: dict[int, Gray] = field(default_factory=dict)
    write_ins: dict[int, Gray] = field(default_factory=dict)


def crops_of(
    gray: Gray, reading: PageReading, contest_ids: Collection[str], blank: Gray | None = None
) -> PageCrops:
    """The crops of these contests on a page.

    Args:
        gray: uint8[h, w], the scan as it was read.
        reading: what was read from it.
        contest_ids: those in question; one that is not on the page is left out.
        blank: uint8[h, w], the page's blank print at any resolution; without it targets are
            drawn from their shape.
    """
    layout = reading.layout
    upright = np.ascontiguousarray(np.rot90(gray, -reading.orientation_deg // 90))
    found = _upright_points(reading, gray.shape[1], gray.shape[0])
    printed = _printed(layout, blank)
    crops = PageCrops()
    for contest_id in contest_ids:
        own = [i for i, t in enumerate(layout.targets) if t.contest_id == contest_id]
        if not own:
            continue
        fit = _LocalMap(layout, found, own, reading.dpi)
        crops.contests[contest_id] = _contest_crop(upright, fit, layout, own)
        for i in own:
            seen = _target_in_scan(upright, fit, found[i])
            bar = np.full((seen.shape[0], BAR_PX), BAR_LEVEL, np.uint8)
            crops.targets[i] = np.hstack([seen, bar, printed(i)])
            if area := layout.targets[i].write_in_area:
                room = WRITE_IN_ROOM_MM
                around = Box(
                    area.x_mm - room,
                    area.y_mm - room,
                    area.width_mm + 2 * room,
                    area.height_mm + 2 * room,
                )
                crops.write_ins[i] = _cut(upright, fit, around)[0]
    return crops


def _upright_points(reading: PageReading, width: int, height: int) -> Vector:
    """Target centres in the upright scan, px, float64[n, 2] (`PageReading` has them as given)."""
    x, y = reading.x_px.astype(np.float64), reading.y_px.astype(np.float64)
    turned = {
        0: (x, y),
        90: (height - 1 - y, x),
        180: (width - 1 - x, height - 1 - y),
        270: (y, width - 1 - x),
    }[reading.orientation_deg]
    return np.stack(turned, axis=1)


class _LocalMap:
    """mm of the print to px of the upright scan, true round some targets.

    A similarity fitted to all targets is the prior of an affine map fitted to them with
    weights, so few targets, or targets in one line, still give a map.
    """

    def __init__(self, layout: PageLayout, found: Vector, near: list[int], dpi: float) -> None:
        mm = np.array([(t.x_mm, t.y_mm) for t in layout.targets])
        centre = mm[near].mean(axis=0)
        away = np.hypot(*(mm - centre).T)
        weight = np.exp(-0.5 * (away / REACH_MM) ** 2)
        self._mm0 = np.average(mm, axis=0, weights=weight)
        self._px0 = np.average(found, axis=0, weights=weight)
        d, e = mm - self._mm0, found - self._px0
        scale, pull = dpi / 25.4, 50.0
        dz, ez = d[:, 0] + 1j * d[:, 1], e[:, 0] + 1j * e[:, 1]
        turn = (np.sum(weight * np.conj(dz) * ez) + pull * scale) / (
            np.sum(weight * np.abs(dz) ** 2) + pull
        )
        prior = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
        left = (d * weight[:, None]).T @ d + pull * np.eye(2)
        right = (d * weight[:, None]).T @ e + pull * prior.T
        self.matrix: Vector = np.linalg.solve(left, right).T

    def to_px(self, points_mm: Vector) -> Vector:
        """Places float64[n, 2], mm to px."""
        px: Vector = (points_mm - self._mm0) @ self.matrix.T + self._px0
        return px


def _contest_crop(upright: Gray, fit: _LocalMap, layout: PageLayout, own: list[int]) -> ContestCrop:
    image, left, top = _cut(upright, fit, _contest_box(layout, own))
    places = {}
    for i in own:
        target = layout.targets[i]
        centre = fit.to_px(np.array([[target.x_mm, target.y_mm]]))[0]
        size = np.abs(fit.matrix) @ np.array([target.width_mm, target.height_mm])
        x, y = np.rint(centre - size / 2).astype(int) - (left, top)
        places[i] = Place(
            x_px=int(x),
            y_px=int(y),
            width_px=round(float(size[0])),
            height_px=round(float(size[1])),
        )
    return ContestCrop(image, places)


def _contest_box(layout: PageLayout, own: list[int]) -> Box:
    """Where a contest is printed, mm: its column, from its title to its last line.

    Names stand right of the targets where the first column of targets is nearer to the
    page's edge than the last, else left of them.
    """
    columns = _columns(layout.targets)
    mine = [c for c in columns if any(i in c for i in own)]
    names_right = _left(layout, columns[0]) < layout.width_mm - _right(layout, columns[-1])
    first, last = columns.index(mine[0]), columns.index(mine[-1])
    if names_right:
        left = _left(layout, mine[0]) - SIDE_MM
        beside = last + 1 < len(columns)
        after = _left(layout, columns[last + 1]) if beside else layout.width_mm - EDGE_MM
        right = after - SIDE_MM
    else:
        left = _right(layout, columns[first - 1]) + SIDE_MM if first else EDGE_MM
        right = _right(layout, mine[-1]) + SIDE_MM
    rows = sorted({round(layout.targets[i].y_mm, 1) for i in own})
    others = [layout.targets[i].y_mm for column in mine for i in column if i not in own]
    pitch = min((b - a for a, b in pairwise(rows)), default=LAST_LINE_MM[1])
    last_line = min(max(LAST_LINE_MM[0], 0.6 * pitch), LAST_LINE_MM[1])
    areas = [b.y_mm + b.height_mm + 2 for i in own if (b := layout.targets[i].write_in_area)]
    above = max((y for y in others if y < rows[0]), default=-HEAD_MM)
    below = min((y for y in others if y > rows[-1]), default=layout.height_mm)
    top = max(rows[0] - HEAD_MM, above + LAST_LINE_MM[0], 0.0)
    # Never over a line of its own, however narrowly contests are printed.
    top = min(top, rows[0] - TARGET_MM / 2)
    bottom = min(max([rows[-1] + last_line, *areas]), max(below - 2.0, rows[-1] + TARGET_MM / 2))
    return Box(left, top, right - left, bottom - top)


def _columns(targets: tuple[Target, ...]) -> list[list[int]]:
    """Indices of targets that stand in one column, columns from left to right."""
    order = sorted(range(len(targets)), key=lambda i: targets[i].x_mm)
    columns: list[list[int]] = []
    for i in order:
        if columns and targets[i].x_mm - targets[columns[-1][-1]].x_mm <= COLUMN_GAP_MM:
            columns[-1].append(i)
        else:
            columns.append([i])
    return columns


def _left(layout: PageLayout, column: list[int]) -> float:
    return min(layout.targets[i].x_mm - layout.targets[i].width_mm / 2 for i in column)


def _right(layout: PageLayout, column: list[int]) -> float:
    return max(layout.targets[i].x_mm + layout.targets[i].width_mm / 2 for i in column)


def _cut(upright: Gray, fit: _LocalMap, box: Box) -> tuple[Gray, int, int]:
    """The pixels round a place of the print, and the crop's left and top, px."""
    right, bottom = box.x_mm + box.width_mm, box.y_mm + box.height_mm
    corners = fit.to_px(
        np.array([[box.x_mm, box.y_mm], [right, box.y_mm], [box.x_mm, bottom], [right, bottom]])
    )
    high, wide = upright.shape
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (wide - 1, high - 1)).astype(int)
    end_x, end_y = np.clip(np.ceil(corners.max(axis=0)), (left + 1, top + 1), (wide, high))
    return upright[top : int(end_y), left : int(end_x)], int(left), int(top)


def _target_in_scan(upright: Gray, fit: _LocalMap, centre: Vector) -> Gray:
    """A target as scanned, at the fixed resolution and upright."""
    side = round(TARGET_MM * TARGET_PX_PER_MM)
    step = fit.matrix / TARGET_PX_PER_MM
    middle = np.array([(side - 1) / 2, (side - 1) / 2])
    place = np.hstack([step, (centre - step @ middle)[:, None]])
    return _warp(upright, place, side)


def _printed(layout: PageLayout, blank: Gray | None) -> Callable[[int], Gray]:
    """The blank print at a target, by index: cut from the raster, or drawn from the shape."""
    side = round(TARGET_MM * TARGET_PX_PER_MM)
    if blank is None:
        steps = (np.arange(side) - (side - 1) / 2) / TARGET_PX_PER_MM
        x, y = np.meshgrid(steps, steps)

        def drawn(index: int) -> Gray:
            edge = distance_mm(layout.targets[index], x, y)
            return np.where((edge <= 0) & (edge >= -LINE_MM), 0, 255).astype(np.uint8)

        return drawn
    scale = np.array([blank.shape[1] / layout.width_mm, blank.shape[0] / layout.height_mm])
    step = scale / TARGET_PX_PER_MM

    def cut(index: int) -> Gray:
        target = layout.targets[index]
        # A place of x mm is at pixel edge x·scale; pixel centres lie half a pixel further.
        start = np.array([target.x_mm, target.y_mm]) * scale - 0.5 - step * (side - 1) / 2
        return _warp(blank, np.hstack([np.diag(step), start[:, None]]), side)

    return cut


def _warp(image: Gray, place: Vector, side: int) -> Gray:
    """A square of `side` px; `place` float64[2, 3] leads from its pixels to the image's."""
    cut = cv2.warpAffine(
        image,
        place,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=255,
    )
    return np.asarray(cut, np.uint8)
