"""Ink that is neither print nor vote: signs by which a voter could be known, ink at a code.

A ballot must not show who cast it (SEED-23), so what stands beside the targets is named for
a person where the profile asks (`[marks] foreign_marks`). The page is laid over its blank
print by its own fit, at a few pixels a millimetre; of what is left, folds and streaks, dust
and the strokes of the marks themselves are not signs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from election.geometry import CONTENT_MARGIN_MM, LONG_MM, MARK_OUTER_MM
from election.layout import Box, PageLayout
from scanner.reading import Flag
from scanner.registration import Registration

Gray = npt.NDArray[np.uint8]

#: Kinds of flags raised here; both name the whole page.
FOREIGN_MARK = "foreign_mark"
INK_NEAR_CODE = "ink_near_code"
#: Pixels a millimetre: a pen's line is about one pixel wide.
PX_PER_MM = 2.5
#: Ink within this of print is taken for it, mm: fit, slip within a page and blur.
PRINT_ROOM_MM = 0.6
#: Print on the blank darker than this counts.
PRINT = 0.15
#: Ink within this of a target belongs to its mark, mm …
RING_MM = 2.0
#: … and so does a stroke that leaves that ring, up to this far, mm.
STROKE_REACH_MM = 16.0
#: Ink is this much of the way from paper to black on print of `FULL_BLACK`; pencil is, folds
#: and stains of the normal range are not.
DARK, FULL_BLACK, LEAST_DARK = 0.42, 0.72, 0.2
#: Strokes nearer together than this are one sign, mm.
TOGETHER_MM = 1.6
#: The least sign: ink, mm², and the sides of its box, mm; a dash needs the third length. A
#: slip of the pen by a target (2 to 5 mm long) is less.
LEAST_INK_MM2, LEAST_BOX_MM, LEAST_DASH_MM = 4.0, (2.4, 3.6), 14.0
#: A long dash within less than this is no hand's, but a faint streak's, mm.
THINNEST_MM = 0.5
#: A straight line, this thin for its length, is a fold, crease or scratch when so much of its
#: way across the whole page is dark.
LINE_SD_MM, LINE_SHARE, LINE_LEAST_MM = 0.6, 0.45, 5.0
#: Ink this near a code, mm, and the least of it, mm².
NEAR_CODE_MM, NEAR_CODE_INK_MM2 = 3.0, 2.5
#: The tip of a stroke that a printed frame parts from its mark: no longer, no further, mm.
TIP_MM, TIP_AWAY_MM = 5.0, 3.0
#: Footer and kind line differ from print run to print run, mm high.
FOOTER_MM, KIND_LINE_MM = 5.0, 5.0
#: Most signs named on a page.
MOST_NAMED = 5
#: Spacing of the places that the page's fit is asked for, px of `PX_PER_MM`.
_NODE = 20
#: What to look at, and near a code, as bits.
_LOOK, _NEAR, _MARK = 1, 2, 4


@dataclass
class ForeignInk:
    """Finds foreign ink on pages of known blanks. `blanks` as in `PageReader.for_layouts`."""

    blanks: dict[tuple[str, int], Gray]
    _ground: dict[tuple[str, int], tuple[Gray, Gray]] = field(default_factory=dict, repr=False)

    def find(self, gray: Gray, fit: Registration, layout: PageLayout) -> tuple[Flag, ...]:
        """Flags of a fitted page (uint8[h, w], as it was registered)."""
        key = (layout.ballot_style_id, layout.page)
        if key not in self._ground:
            ground = _ground(layout, self.blanks[key])
            self._ground[key] = ground, np.asarray(cv2.LUT(ground, _TABLE), np.uint8)
        ground, free = self._ground[key]
        seen = _laid_flat(gray, fit, ground.shape)
        limit = min(max(DARK * fit.contrast / FULL_BLACK, LEAST_DARK), DARK)
        dark = cv2.threshold(seen, fit.paper * (1 - limit), 255, cv2.THRESH_BINARY_INV)[1]
        foreign = np.asarray(cv2.bitwise_and(dark, free), np.uint8)
        least = min(LEAST_INK_MM2, NEAR_CODE_INK_MM2) * PX_PER_MM**2
        if cv2.countNonZero(foreign) < least:
            return ()
        # A faint streak or fold is dark in places only, but darkish all the way.
        darkish = seen < fit.paper * (1 - limit / 2)
        return _named(foreign, darkish, ground)


#: 255 where a place's bits say that ink there is foreign.
_TABLE = np.where(np.arange(256) & (_LOOK | _NEAR), 255, 0).astype(np.uint8)


def _px(mm: float) -> int:
    return round(mm * PX_PER_MM)


def _ellipse(radius_mm: float) -> Gray:
    side = 2 * max(1, round(radius_mm * PX_PER_MM)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _ground(layout: PageLayout, blank: Gray) -> Gray:
    """What each place of the page is, as bits, uint8[h, w] at `PX_PER_MM`."""
    wide, high = _px(layout.width_mm), _px(layout.height_mm)
    darkest = cv2.erode(blank, np.ones((3, 3), np.uint8))
    small = cv2.resize(darkest, (wide, high), interpolation=cv2.INTER_AREA)
    printed = cv2.dilate((small < 255 * (1 - PRINT)).astype(np.uint8), _ellipse(PRINT_ROOM_MM)) > 0
    # Solid paper only: the marks' band, kind line and footer are not the blank's on all sheets.
    look = np.zeros((high, wide), bool)
    edge = CONTENT_MARGIN_MM
    look[_px(edge) : _px(layout.height_mm - edge - FOOTER_MM), _px(edge) : -_px(edge)] = True
    look[: _px(edge + KIND_LINE_MM), wide // 2 :] = False
    near = np.zeros_like(look)
    inner = MARK_OUTER_MM + LONG_MM + 0.8
    rim, end = _px(inner), _px(inner + NEAR_CODE_MM - 0.8)
    near[rim:-rim, rim:-rim] = True
    near[end:-end, end:-end] = False
    near[-_px(edge + FOOTER_MM) :] = False
    if layout.qr is not None:
        _fill(near, layout.qr, NEAR_CODE_MM, True)
        _fill(near, layout.qr, 0.8, False)
        _fill(look, layout.qr, NEAR_CODE_MM, False)
    marks = np.zeros_like(look)
    for target in layout.targets:
        half = target.width_mm / 2, target.height_mm / 2
        box = Box(target.x_mm - half[0], target.y_mm - half[1], 2 * half[0], 2 * half[1])
        for own in (box, target.write_in_area):
            if own is not None:
                _fill(marks, own, RING_MM, True)
    free = ~printed & ~marks
    bits = _LOOK * (look & free) + _NEAR * (near & free) + _MARK * marks
    result: Gray = bits.astype(np.uint8)
    return result


def _fill(mask: npt.NDArray[np.bool_], box: Box, room_mm: float, value: bool) -> None:
    """Set a box and `room_mm` round it."""
    top, left = max(0, _px(box.y_mm - room_mm)), max(0, _px(box.x_mm - room_mm))
    bottom, right = box.y_mm + box.height_mm + room_mm, box.x_mm + box.width_mm + room_mm
    mask[top : _px(bottom), left : _px(right)] = value


def _laid_flat(gray: Gray, fit: Registration, shape: tuple[int, ...]) -> Gray:
    """The page as it was printed, uint8 of `shape` at `PX_PER_MM`."""
    rows, columns = -(-shape[0] // _NODE), -(-shape[1] // _NODE)
    y = (np.arange(rows) + 0.5) * _NODE / PX_PER_MM
    x = (np.arange(columns) + 0.5) * _NODE / PX_PER_MM
    x_mm, y_mm = np.meshgrid(x, y)
    maps = [
        cv2.resize(
            m.astype(np.float32), (columns * _NODE, rows * _NODE), interpolation=cv2.INTER_LINEAR
        )[: shape[0], : shape[1]]
        for m in fit.to_px(x_mm, y_mm)
    ]
    flat = cv2.remap(
        gray, maps[0], maps[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=255
    )
    return np.asarray(flat, np.uint8)


def _named(foreign: Gray, darkish: npt.NDArray[np.bool_], ground: Gray) -> tuple[Flag, ...]:
    """The signs among foreign ink, largest first."""
    together = cv2.dilate(foreign, _ellipse(TOGETHER_MM / 2))
    count, labels = cv2.connectedComponents(together, connectivity=8, ltype=cv2.CV_32S)
    rows, columns = np.nonzero(foreign)
    group = labels[rows, columns]
    ink = np.bincount(group, minlength=count) / PX_PER_MM**2
    at_code = np.bincount(group, ground[rows, columns] & _NEAR, minlength=count) / _NEAR
    at_code /= PX_PER_MM**2
    flags: list[Flag] = []
    for k in np.argsort(-ink).tolist():
        if len(flags) >= MOST_NAMED or ink[k] < min(LEAST_INK_MM2, NEAR_CODE_INK_MM2):
            break
        y, x = rows[group == k], columns[group == k]
        near = at_code[k] >= NEAR_CODE_INK_MM2
        if not (near or _large(x, y, float(ink[k]))):
            continue
        if _of_a_mark(x, y, ground) or _is_line(x, y, darkish):
            continue
        flags.append(_flag(x, y, float(ink[k]), near=near))
    return tuple(flags)


def _large(x: npt.NDArray[np.intp], y: npt.NDArray[np.intp], ink_mm2: float) -> bool:
    short, long = sorted(float(np.ptp(v) + 1) / PX_PER_MM for v in (x, y))
    boxy = short >= LEAST_BOX_MM[0] and long >= LEAST_BOX_MM[1]
    return ink_mm2 >= LEAST_INK_MM2 and (boxy or (long >= LEAST_DASH_MM and short > THINNEST_MM))


def _of_a_mark(x: npt.NDArray[np.intp], y: npt.NDArray[np.intp], ground: Gray) -> bool:
    """Whether ink is what a mark has outside its target's ring: it touches it, and is short."""
    long_mm = max(float(np.ptp(v) + 1) for v in (x, y)) / PX_PER_MM
    if long_mm > STROKE_REACH_MM:
        return False
    room = _px(TIP_AWAY_MM if long_mm <= TIP_MM else 0.8)
    top, left = max(0, int(y.min()) - room), max(0, int(x.min()) - room)
    around = ground[top : int(y.max()) + room + 1, left : int(x.max()) + room + 1]
    return bool((around & _MARK).any())


def _is_line(x: npt.NDArray[np.intp], y: npt.NDArray[np.intp], dark: npt.NDArray[np.bool_]) -> bool:
    """Whether ink lies on one straight line that runs across most of the page."""
    places = np.stack([x, y], axis=1).astype(np.float64)
    middle = places.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov((places - middle).T) if x.size > 2 else np.eye(2))
    if math.sqrt(max(float(spread[0]), 0.0)) > LINE_SD_MM * PX_PER_MM:
        return False
    if math.sqrt(max(float(spread[1]), 0.0)) * 3.46 < LINE_LEAST_MM * PX_PER_MM:
        return False
    reach = float(np.hypot(*dark.shape))
    along = middle + np.arange(-reach, reach, 1.0)[:, None] * axes[:, 1]
    high, wide = dark.shape
    margin = _px(MARK_OUTER_MM)
    inside = (along[:, 0] > margin) & (along[:, 0] < wide - margin)
    inside &= (along[:, 1] > margin) & (along[:, 1] < high - margin)
    columns, rows = np.rint(along[inside]).astype(np.intp).T
    side = np.rint(axes[:, 0] * 1.5).astype(np.intp)
    hit = np.zeros(rows.size, bool)
    for step in (-1, 0, 1):
        hit |= dark[rows + step * side[1], columns + step * side[0]]
    return bool(hit.mean() >= LINE_SHARE)


def _flag(x: npt.NDArray[np.intp], y: npt.NDArray[np.intp], ink: float, *, near: bool) -> Flag:
    left, top = float(x.min()) / PX_PER_MM, float(y.min()) / PX_PER_MM
    wide, high = float(np.ptp(x) + 1) / PX_PER_MM, float(np.ptp(y) + 1) / PX_PER_MM
    place = (
        f"{wide:.0f} × {high:.0f} mm, {left:.0f} mm from the left and {top:.0f} mm from the top "
        f"({ink:.0f} mm² of ink)"
    )
    if near:
        return Flag(INK_NEAR_CODE, f"ink beside a code: {place}. Look whether it was altered")
    return Flag(
        FOREIGN_MARK,
        f"ink that is neither print nor a mark: {place}. Look whether it makes the voter known",
    )
