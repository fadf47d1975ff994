"""The heads of a simulated mark-sense reader: what photocells see of a sheet that passes.

A reader's heads stand in a row across the paper. One sees the timing marks along its left
edge; at each the others are read. A head sees a spot of `APERTURE_MM`, and a cell's level is
that of the darkest spot within its reading area, as in a reader with peak detection. The
paper lies at its guide: a scan's own slant and scale are taken out by the marks of both
edges, nothing else is searched for. So a sheet turned round, of another size or bent gives
other levels, or none, as it would there.

The geometry is that of our own papers (`election.geometry`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from election.geometry import (
    LONG_MM,
    MARK_OUTER_MM,
    MARK_THICKNESS_MM,
    SHORT_MM,
    paper_grid,
)
from election.model import PAPER_MM
from hardware.marksense.interface import Marks
from hardware.marksense.model import GridMap, MarkSenseProfile
from hardware.simulated.paper import PaperError

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

#: What one photocell sees, mm.
APERTURE_MM = 1.0
#: The area in which a cell is read, across and along the sheet, mm: within every target of ours.
AREA_MM = (3.6, 1.8)
#: Spots are looked at so far from each other, mm.
STEP_MM = 0.4
#: Ink this dark (share of the paper's light that is missing) has the highest level.
FULL_DARK = 0.85
#: Darker than this share of the paper's level is a timing mark.
TIMING_DARK = 0.55
#: A sheet with fewer timing marks is not one (SR-430 manual, 9-B-2: three or fewer).
LEAST_MARKS = 4
#: Timing marks may differ from their measures by this share.
TOLERANCE = 0.35
MM_PER_INCH = 25.4
MAX_PIXELS = 80_000_000


@dataclass(frozen=True, slots=True)
class HeadPlaces:
    """Where the heads stand: `lines_mm` from the paper's left edge (NaN: beyond the paper),
    `wide` whether each reads the area of a target or the end of a timing mark; `pitch_mm`
    between timing marks; `width_mm` of the paper; `first` timing marks are passed over."""

    lines_mm: Floats
    wide: npt.NDArray[np.bool_]
    pitch_mm: float
    width_mm: float
    first: int


def head_places(profile: MarkSenseProfile, paper: str) -> HeadPlaces:
    """The places for a paper by name ("A4", "Letter", "Legal").

    Raises:
        PaperError: the profile's map is not by grid, or the paper is not known.
    """
    if not isinstance(profile.map, GridMap):
        raise PaperError(
            f"the profile {profile.id} maps a form of its own by cells: only a map by grid can be "
            "simulated on our papers"
        )
    if paper not in PAPER_MM:
        raise PaperError(f"the paper {paper!r} is none of {', '.join(PAPER_MM)}")
    grid, width = paper_grid(paper), PAPER_MM[paper][0]
    end = MARK_OUTER_MM + (SHORT_MM + LONG_MM) / 2
    ends = {"left": end, "right": width - end, "-": np.nan}
    lines = [
        ends[place] if isinstance(place, str) else grid.point(place, 0)[0]
        for place in profile.map.lines
    ]
    wide = [not isinstance(place, str) for place in profile.map.lines]
    return HeadPlaces(np.array(lines), np.array(wide), grid.dy_mm, width, profile.map.first_row)


class SheetHeads:
    """Image files of a sheet to its levels; the first file is the side that is read."""

    def __init__(self, profile: MarkSenseProfile, paper: str) -> None:
        """Raises `PaperError` as `head_places`."""
        self._most = profile.levels.most
        self._places = head_places(profile, paper)

    def __call__(self, files: Sequence[Path]) -> Marks | None:
        """uint8[timing marks, lines]; None where no timing marks are seen."""
        gray = load_gray(files[0])
        return read_levels(gray, self._places, self._most)


def load_gray(file: Path) -> Gray:
    """An image file's first page as uint8[h, w].

    Raises:
        PaperError: it cannot be read.
    """
    try:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PaperError(f"{file} has over {MAX_PIXELS} pixels")
            return np.asarray(image.convert("L"), np.uint8)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise PaperError(f"{file} cannot be read as an image: {error}") from error


def read_levels(gray: Gray, places: HeadPlaces, most: int) -> Marks | None:
    """How dark each cell of a sheet is, uint8[timing marks, lines], 0 to `most`.

    Args:
        gray: uint8[h, w], the sheet, its left edge at the guide.
        places: the heads.
        most: the highest level.
    """
    if min(gray.shape) < 100:
        return None
    paper = float(np.percentile(gray[::8, ::8], 80))
    track = _timing_track(gray, paper, places)
    if track is None:
        return None
    x, y, slope, px_per_mm = track
    right = _edge(np.ascontiguousarray(gray[:, ::-1]), paper, places)
    wide_px = np.full(y.size, (places.width_mm - 2 * MARK_OUTER_MM) * px_per_mm)
    if right is not None:
        # The other edge's marks tell the scan's scale across.
        wide_px = (gray.shape[1] - 1 - (right.start + right.slope * y)) - x
    spot = max(1, round(APERTURE_MM * px_per_mm))
    seen = cv2.blur(gray, (spot, spot), borderType=cv2.BORDER_REPLICATE)
    lines = np.nan_to_num(places.lines_mm, nan=places.width_mm * 2)
    share = (lines - MARK_OUTER_MM) / (places.width_mm - 2 * MARK_OUTER_MM)
    reach = (np.array(AREA_MM) - APERTURE_MM) / 2
    dx = np.arange(-reach[0], reach[0] + 1e-9, STEP_MM) * px_per_mm
    dy = np.arange(-reach[1], reach[1] + 1e-9, STEP_MM) * px_per_mm
    # float64[columns, lines, dy, dx]; a narrow head looks at its middle alone.
    out = share[None, :, None, None] * wide_px[:, None, None, None]
    along = (dx[None, :] * places.wide[:, None])[None, :, None, :] + out
    down = dy[None, None, :, None]
    # Small angles: the sheet's slant is that of its edge.
    px = x[:, None, None, None] + along + down * slope
    py = y[:, None, None, None] - along * slope + down
    column, row = np.rint(px).astype(np.intp), np.rint(py).astype(np.intp)
    inside = (column >= 0) & (column < gray.shape[1]) & (row >= 0) & (row < gray.shape[0])
    light = seen[np.clip(row, 0, gray.shape[0] - 1), np.clip(column, 0, gray.shape[1] - 1)]
    # Beside the paper a head sees nothing dark.
    dark = np.where(inside, 1.0 - light / paper, 0.0).max(axis=(2, 3))
    levels = np.floor(np.clip(dark / FULL_DARK, 0, 1) * most + 0.5)
    return np.asarray(levels, np.uint8)


@dataclass(frozen=True, slots=True)
class _Edge:
    """The marks of a left edge: middles `y` px float64[n]; their outer ends lie at
    `start` + `slope` · y."""

    y: Floats
    slope: float
    start: float


def _timing_track(
    gray: Gray, paper: float, places: HeadPlaces
) -> tuple[Floats, Floats, float, float] | None:
    """The marks that are read: outer ends and middles x, y px float64[n], slant, px per mm."""
    edge = _edge(gray, paper, places)
    if edge is None:
        return None
    length = float(edge.y[-1] - edge.y[0]) * float(np.hypot(1.0, edge.slope))
    px_per_mm = length / (edge.y.size - 1) / places.pitch_mm
    y = edge.y[places.first :]
    return edge.start + edge.slope * y, y, edge.slope, px_per_mm


def _edge(gray: Gray, paper: float, places: HeadPlaces) -> _Edge | None:
    rough = gray.shape[1] / places.width_mm
    strip = gray[:, : round((MARK_OUTER_MM + LONG_MM + 4.0) * rough)]
    ink = (strip < paper * (1 - TIMING_DARK)).astype(np.uint8)
    _, _, boxes, centres = cv2.connectedComponentsWithStats(ink, connectivity=8)
    left, width, height = (boxes[1:, k].astype(np.float64) for k in (0, 2, 3))
    low, high = (1 - TOLERANCE) * rough, (1 + TOLERANCE) * rough
    fit = (width >= SHORT_MM * low) & (width <= LONG_MM * high)
    fit &= (height >= MARK_THICKNESS_MM * low) & (height <= MARK_THICKNESS_MM * high)
    if np.count_nonzero(fit) < LEAST_MARKS:
        return None
    x, y = left[fit], centres[1:, 1][fit]
    order = np.argsort(y)
    x, y = x[order], y[order]
    # On one line: the marks of the upper and lower edge stand further in.
    half = x.size // 2
    slope = float(np.median((x[half:] - x[:-half]) / np.maximum(y[half:] - y[:-half], 1.0)))
    start = float(np.median(x - slope * y))
    y = y[np.abs(x - slope * y - start) <= 1.0 * rough]
    return _Edge(y, slope, start) if y.size >= LEAST_MARKS else None
