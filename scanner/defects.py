"""Paper and scanner faults that could pass for votes, found and measured.

A streak is dirt on the glass: a dark line down the whole scan. A fold or crease is a line
on the paper that goes on far beyond a target. Neither is a vote (VVSG 2.0, 1.1.6-I;
Windham, New Hampshire, 2020: fold lines through targets were read as votes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

#: Scan lines looked at for streaks (fewer along the sheet, where few scanners have them),
#: and bands of them in each of which a streak is dark.
STREAK_LINES, ACROSS_LINES, STREAK_BANDS = 96, 40, 8
#: Every so many-th of them is looked at first.
FEW = 4
#: A streak's column is darker than this share of the paper in this share of each band.
STREAK_LEVEL, STREAK_SHARE = 0.78, 0.8
#: A wider dark column is the scanner's bed beside the sheet, mm.
WIDEST_STREAK_MM = 3.0
#: A two-level scan has hardly any pixel between these grey levels (compression blurs a few).
BETWEEN, BETWEEN_SHARE = (24, 232), 0.01
#: A line is followed from this far from a target's middle to this far, mm, both ways; or
#: further, one way: no stroke of a vote is so long and so straight.
FOLLOW_MM = (5.0, 10.5)
FOLLOW_ONE_WAY_MM = 14.0
#: Directions tried, degrees, and distances from the target's middle, mm.
ANGLE_STEP_DEG, OFFSET_STEP_MM = 2.0, 0.25
#: This share of it must be dark on each side of the target, or on the one side.
LINE_SHARE = 0.72
ONE_WAY_SHARE = 0.93


@dataclass(frozen=True, slots=True)
class Streak:
    """A dark line along the whole scan: from `low_px` to `high_px` across it (inclusive).

    `vertical`: it runs down the upright page's pixels; else across them.
    """

    vertical: bool
    low_px: int
    high_px: int


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through a target that goes on far beyond it: its direction in
    radians and its distance from the target's middle, px."""

    angle: float
    offset_px: float


def find_streaks(gray: Gray, paper: float, ppm: float) -> tuple[Streak, ...]:
    """Dark lines along the whole scan, in both directions.

    Args:
        gray: uint8[h, w], turned by quarter turns only (a streak follows the sensor).
        paper: the sheet's grey level.
        ppm: px per mm.
    """
    return tuple(
        streak
        for vertical in (True, False)
        # A few lines tell most pages; all are looked at where those leave a doubt.
        if _doubtful(_lines(gray, vertical=vertical, few=True), paper)
        for streak in _streaks(_lines(gray, vertical=vertical), paper, ppm, vertical=vertical)
    )


def _lines(gray: Gray, *, vertical: bool, few: bool = False) -> Gray:
    """Lines across the way a streak runs, uint8[n, w]: rows, or else columns, of the page; of
    them every `FEW`-th."""
    part = FEW if few else 1
    if vertical:
        step = max(1, gray.shape[0] // STREAK_LINES)
        return gray[step // 2 :: step * part]
    step = max(1, gray.shape[1] // ACROSS_LINES)
    # Row by row, as the page lies in memory, and only then turned.
    lines = np.ascontiguousarray(gray[:, step // 2 :: step * part])
    return np.asarray(cv2.transpose(lines), np.uint8)


def _doubtful(few: Gray, paper: float) -> bool:
    """Whether these lines leave it open that a streak crosses them all.

    What is dark from the border of the scan on is the scanner's bed beside the sheet.
    """
    dark = (few < np.uint8(STREAK_LEVEL * paper)).view(np.uint8)
    on_sheet = _means(dark, 1) < 0.5
    if not on_sheet.all():
        dark = dark[on_sheet]
    if dark.shape[0] < FEW:
        return True
    light = np.flatnonzero(_means(dark, 0) < 0.6 * STREAK_SHARE)
    return light.size == 0 or bool(light[-1] - light[0] + 1 > light.size)


def _streaks(lines: Gray, paper: float, ppm: float, *, vertical: bool) -> list[Streak]:
    dark = (lines < np.uint8(STREAK_LEVEL * paper)).view(np.uint8)
    # Lines that are mostly dark lie beside the sheet.
    on_sheet = _means(dark, 1) < 0.5
    if not on_sheet.all():
        dark = dark[on_sheet]
    if dark.shape[0] < 4 * STREAK_BANDS:
        return []
    length = dark.shape[0] // STREAK_BANDS * STREAK_BANDS
    # Most columns are told by a few lines; only the dark ones are looked at in bands.
    suspect = np.flatnonzero(_means(dark[::FEW], 0) >= 0.6 * STREAK_SHARE)
    if suspect.size == 0:
        return []
    bands = dark[:length, suspect].reshape(STREAK_BANDS, -1, suspect.size).mean(axis=1)
    columns = suspect[bands.min(axis=0) >= STREAK_SHARE]
    if columns.size == 0:
        return []
    # A gap of a pixel is grain.
    parts = np.split(columns, np.flatnonzero(np.diff(columns) > 2) + 1)
    return [
        Streak(vertical, int(part[0]), int(part[-1]))
        for part in parts
        if part[-1] - part[0] < WIDEST_STREAK_MM * ppm
    ]


def _means(values: Gray, axis: int) -> Floats:
    """Means of uint8[h, w] over one axis, float64."""
    sums = cv2.reduce(np.ascontiguousarray(values), axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    result: Floats = sums.ravel() / values.shape[axis]
    return result


def two_level(gray: Gray) -> bool:
    """Whether a scan is black and white only: what was lighter than its limit is not in it."""
    sample = np.ascontiguousarray(gray[3::7, 3::7])
    levels = cv2.calcHist([sample], [0], None, [256], [0, 256]).ravel()
    return float(levels[BETWEEN[0] : BETWEEN[1]].sum()) < BETWEEN_SHARE * sample.size


@cache
def _rays(ppm_step: int, half_px: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Places to look at: angles float64[a], offsets float64[o], and y, x px [a, o, 2, t]."""
    ppm = ppm_step / 4
    angles = np.deg2rad(np.arange(0, 180, ANGLE_STEP_DEG))
    offsets = np.arange(-half_px, half_px + 1e-9, OFFSET_STEP_MM * ppm)
    # The side beyond the target's middle first, outwards.
    along = np.arange(FOLLOW_MM[0], FOLLOW_ONE_WAY_MM, 0.3) * ppm
    t = np.stack([-along, along])[None, None]
    o = offsets[None, :, None, None]
    cos, sin = np.cos(angles)[:, None, None, None], np.sin(angles)[:, None, None, None]
    return angles, offsets, t * sin + o * cos, t * cos - o * sin


def line_through(
    gray: Gray, x_px: float, y_px: float, level: float, ppm: float, half_px: float
) -> Line | None:
    """A straight dark line through a target that goes on beyond it on both sides, or very
    far on one.

    Args:
        gray: uint8[h, w], the page.
        x_px, y_px: the target's middle.
        level: grey below which a pixel is darker than paper.
        ppm: px per mm.
        half_px: lines passing further from the middle than this do not cross the target.
    """
    reach = math.ceil(FOLLOW_ONE_WAY_MM * ppm + half_px) + 3
    x, y = round(x_px), round(y_px)
    top, left = max(0, y - reach), max(0, x - reach)
    area = gray[top : y + reach + 1, left : x + reach + 1]
    if min(area.shape) < 2 * half_px:
        return None
    dark = np.zeros((area.shape[0] + 2, area.shape[1] + 2), bool)
    dark[1:-1, 1:-1] = area < np.uint8(level)
    # A pixel's width either way: lines are thin, and between two directions.
    dark[1:-1] |= dark[:-2] | dark[2:]
    dark[:, 1:-1] |= dark[:, :-2] | dark[:, 2:]
    angles, offsets, dy, dx = _rays(round(ppm * 4), round(half_px))
    rows = np.rint(dy + (y - top + 1)).astype(np.intp)
    columns = np.rint(dx + (x - left + 1)).astype(np.intp)
    on_page = (rows >= 0) & (columns >= 0) & (rows < dark.shape[0]) & (columns < dark.shape[1])
    seen = (
        dark[np.clip(rows, 0, dark.shape[0] - 1), np.clip(columns, 0, dark.shape[1] - 1)] & on_page
    )
    near = int(seen.shape[3] * (FOLLOW_MM[1] - FOLLOW_MM[0]) / (FOLLOW_ONE_WAY_MM - FOLLOW_MM[0]))
    both = seen[..., :near].mean(axis=3).min(axis=2) / LINE_SHARE
    one = seen.mean(axis=3).max(axis=2) / ONE_WAY_SHARE
    share = np.maximum(both, one)
    best = float(share.max())
    if best < 1.0:
        return None
    # Widened, a line is met at several offsets: its middle is theirs.
    equal = share >= best - 1e-9
    a = int(np.argmax(equal.sum(axis=1)))
    return Line(float(angles[a]), float(offsets[equal[a]].mean()))


def beside_line(shape: tuple[int, int], line: Line, half_width_px: float) -> npt.NDArray[np.bool_]:
    """Pixels of a window about a target's middle that are not on the line, bool[h, w]."""
    y = np.arange(shape[0])[:, None] - shape[0] // 2
    x = np.arange(shape[1])[None, :] - shape[1] // 2
    distance = y * math.cos(line.angle) - x * math.sin(line.angle) - line.offset_px
    result: npt.NDArray[np.bool_] = np.abs(distance) > half_width_px
    return result
