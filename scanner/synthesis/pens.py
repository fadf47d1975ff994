"""Ink on paper: a voter's marks drawn into a blank page raster.

Only the small area around each mark is touched: strokes are drawn there `OVERSAMPLE` times
finer, averaged down (so edges are soft by the share of a pixel they cover), given the
pen's texture, and laid over the print as a translucent dark film.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from election.layout import PageLayout, Target
from scanner.synthesis.model import MarkKind, Pen, PenKind, SynthesisError, TrueMark
from scanner.synthesis.strokes import Stroke, measured_width_mm, strokes_of

#: Strokes have whole pixels of width: so much finer than the page, an area is within 5 %.
OVERSAMPLE = 8
#: Fixed-point fraction bits of OpenCV's drawing coordinates.
_SHIFT = 4


def draw_marks(
    blank: npt.NDArray[np.uint8],
    layout: PageLayout,
    marks: Sequence[TrueMark],
    rng: np.random.Generator,
) -> npt.NDArray[np.uint8]:
    """A copy of the blank page with the marks on it.

    Args:
        blank: uint8[h, w] grey raster of the whole printed page, at any resolution.
        layout: where its targets stand, mm.
        marks: what the voter did; marks for targets of other pages raise.
        rng: source of all chance; the same seed gives the same page.

    Raises:
        SynthesisError: no such target on this page, or a raster that is not uint8[h, w].
    """
    if blank.ndim != 2 or blank.dtype != np.uint8 or blank.size == 0:
        raise SynthesisError(f"the page must be uint8[h, w], not {blank.dtype}{list(blank.shape)}")
    page = blank.copy()
    px_mm = (blank.shape[1] / layout.width_mm, blank.shape[0] / layout.height_mm)
    for mark in marks:
        target = _target(layout, mark)
        width_mm = mark.pen.width_mm
        if mark.kind in (MarkKind.MARGINAL, MarkKind.LIGHT_DOT):
            width_mm = measured_width_mm(mark, target)
        centre = np.array([target.x_mm, target.y_mm])
        strokes = [s + centre for s in strokes_of(mark, target, rng, _other(layout, mark, target))]
        residue = mark.residue if mark.kind is MarkKind.ERASED else None
        _ink(page, strokes, mark.pen, width_mm, px_mm, rng, residue)
    return page


def _target(layout: PageLayout, mark: TrueMark) -> Target:
    if mark.target_index is not None:
        if not 0 <= mark.target_index < len(layout.targets):
            raise SynthesisError(f"page {layout.page} has no target {mark.target_index}")
        return layout.targets[mark.target_index]
    for target in layout.targets:
        if (target.contest_id, target.option_id) == (mark.contest_id, mark.option_id):
            return target
    raise SynthesisError(
        f"page {layout.page} of style {layout.ballot_style_id!r} has no target for "
        f"{mark.contest_id!r}/{mark.option_id!r}"
    )


def _other(layout: PageLayout, mark: TrueMark, target: Target) -> tuple[float, float] | None:
    """Where a THROUGH line's other target stands, mm from this one."""
    if mark.kind is not MarkKind.THROUGH or mark.to_option_id is None:
        return None
    other = _target(layout, TrueMark(mark.contest_id, mark.to_option_id, mark.kind))
    return other.x_mm - target.x_mm, other.y_mm - target.y_mm


def _ink(
    page: npt.NDArray[np.uint8],
    strokes: Sequence[Stroke],
    pen: Pen,
    width_mm: float,
    px_mm: tuple[float, float],
    rng: np.random.Generator,
    residue: float | None,
) -> None:
    """Lay strokes (mm on the page) over the raster, in place; all of it or what a rubber left."""
    points = [stroke * px_mm for stroke in strokes]
    everything = np.concatenate(points)
    margin = width_mm * px_mm[0] + 2
    x0, y0 = np.maximum(np.floor(everything.min(axis=0) - margin), 0).astype(int)
    x1, y1 = np.ceil(everything.max(axis=0) + margin).astype(int)
    x1, y1 = min(x1, page.shape[1]), min(y1, page.shape[0])
    if x1 <= x0 or y1 <= y0:
        return  # wholly off the paper
    fine = np.zeros(((y1 - y0) * OVERSAMPLE, (x1 - x0) * OVERSAMPLE), np.uint8)
    thickness = max(1, round(width_mm * px_mm[0] * OVERSAMPLE))
    for stroke in points:
        # Pixel centres stand at half-integers of the page's edge-based coordinates.
        places = ((stroke - (x0, y0)) * OVERSAMPLE - 0.5) * (1 << _SHIFT)
        line = np.round(places).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(fine, [line], False, 255, thickness, cv2.LINE_8, _SHIFT)
    cover = cv2.resize(fine, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    film = cover.astype(np.float32) * (pen.darkness / 255.0) * _texture(pen, cover.shape, rng)
    if residue is not None:  # rubbed: most is gone, the rest smeared along
        smear = (0.45 * px_mm[0], 0.2 * px_mm[1])
        film = np.asarray(cv2.GaussianBlur(film, (0, 0), smear[0], sigmaY=smear[1])) * residue
    area = page[y0:y1, x0:x1]
    area[:] = (area * (1.0 - film) + 0.5).astype(np.uint8)


def _texture(pen: Pen, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Share of the ink that reaches the paper, float32[h, w], 0..1."""
    height, width = shape
    slow = rng.normal(0, 1, (max(2, height // 8), max(2, width // 8))).astype(np.float32)
    pressure = cv2.resize(slow, (width, height), interpolation=cv2.INTER_LINEAR)
    if pen.kind is PenKind.PENCIL:  # graphite catches on the paper's fibres
        grain = rng.normal(0, 1, shape).astype(np.float32)
        texture = 0.84 + 0.10 * pressure + 0.13 * grain
    elif pen.kind is PenKind.BALLPOINT:
        texture = 0.95 + 0.05 * pressure
    elif pen.kind is PenKind.FELT:
        texture = 0.98 + 0.02 * pressure
    elif pen.kind is PenKind.STAMP:  # pad ink: whole where it took, thin or absent elsewhere
        patches = cv2.resize(
            rng.normal(0, 1, (max(2, height // 4), max(2, width // 4))).astype(np.float32),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        texture = np.where(patches < -1.1, 0.25, 0.92 + 0.06 * patches)
    elif pen.kind is PenKind.HIGHLIGHTER:
        texture = 0.93 + 0.04 * pressure
    else:  # a marker's film is thin and uneven
        texture = 0.92 + 0.06 * pressure
    return np.clip(texture, 0.0, 1.0).astype(np.float32)
