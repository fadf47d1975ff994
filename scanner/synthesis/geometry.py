"""Where a point of the paper lands in its scan: skew, scale, shift, and slipping rollers.

A scanner reads line by line. At scan line Y (mm) the paper has moved Y + dy(Y) and crept
dx(Y) sideways, both piecewise linear between the model's knots; so each strip between two
knots is one affine map, and the whole scan a handful of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from scanner.synthesis.model import RollerKnot, ScannerModel, SynthesisError

MM_PER_INCH = 25.4


@dataclass(frozen=True, slots=True)
class Strip:
    """Scan rows `top`..`bottom` (pixels); `to_page_mm` float64[2, 3] takes a scan point in
    mm (x, y, 1) to a page point in mm."""

    top: int
    bottom: int
    to_page_mm: npt.NDArray[np.float64]


def check_model(model: ScannerModel) -> None:
    """Raises SynthesisError where a scanner cannot be like that."""
    if min(model.scale) <= 0 or model.dpi <= 0 or model.border_mm < 0:
        raise SynthesisError("a scanner's scale and dpi must be positive, its border not negative")
    if model.orientation_deg not in (0, 90, 180, 270):
        raise SynthesisError(f"orientation {model.orientation_deg} is not 0, 90, 180 or 270")
    if abs(model.shear_deg) >= 45:
        raise SynthesisError(f"a shear of {model.shear_deg:g} degrees leaves no page")
    if model.grain_quality is not None and not 1 <= model.grain_quality <= 100:
        raise SynthesisError(f"JPEG quality {model.grain_quality} is not within 1 to 100")


def canvas_mm(model: ScannerModel, paper_mm: tuple[float, float]) -> tuple[float, float]:
    """Size of the scan before it is turned, mm."""
    return paper_mm[0] + 2 * model.border_mm, paper_mm[1] + 2 * model.border_mm


def canvas_px(model: ScannerModel, paper_mm: tuple[float, float]) -> tuple[int, int]:
    """Size of the scan before it is turned, pixels (width, height)."""
    width, height = canvas_mm(model, paper_mm)
    k = model.dpi / MM_PER_INCH
    return max(1, round(width * k)), max(1, round(height * k))


def strips(model: ScannerModel, paper_mm: tuple[float, float]) -> list[Strip]:
    """The scan as strips of one affine map each, from top to bottom, without gaps.

    Raises:
        SynthesisError: rollers that run backwards, or a scale that is not positive.
    """
    linear, offset = _page_to_plane(model, paper_mm)
    inverse = np.linalg.inv(linear)
    _, rows = canvas_px(model, paper_mm)
    k = model.dpi / MM_PER_INCH
    knots = _knots(model, rows / k)
    result, top = [], 0
    for before, after in pairwise(knots):
        bottom = rows if after is knots[-1] else min(max(round(after.y_mm * k), top), rows)
        if bottom <= top:
            continue
        run = after.y_mm - before.y_mm
        ty, tx = (after.dy_mm - before.dy_mm) / run, (after.dx_mm - before.dx_mm) / run
        # plane = scan + slip(Y): [1 tx; 0 1 + ty] and the slip's value at Y = 0.
        bend = np.array([[1.0, tx], [0.0, 1.0 + ty]])
        start = np.array([before.dx_mm - tx * before.y_mm, before.dy_mm - ty * before.y_mm])
        matrix = np.concatenate(
            [inverse @ bend, (inverse @ (start - offset)).reshape(2, 1)], axis=1
        )
        result.append(Strip(top, bottom, matrix))
        top = bottom
    return result


def scan_points(
    points_mm: npt.ArrayLike, model: ScannerModel, paper_mm: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Where page points lie in the scan as given by `scan_page`.

    Args:
        points_mm: float[n, 2], mm from the top-left of the printed page.
        model: the pass through the scanner.
        paper_mm: width and height of the sheet.

    Returns:
        float64[n, 2] x, y in pixels of the finished (turned) scan, edge-based: the centre
        of the first pixel is (0.5, 0.5).
    """
    linear, offset = _page_to_plane(model, paper_mm)
    plane = np.asarray(points_mm, dtype=np.float64).reshape(-1, 2) @ linear.T + offset
    width, height = canvas_px(model, paper_mm)
    k = model.dpi / MM_PER_INCH
    knots = _knots(model, height / k)
    at = np.array([knot.y_mm for knot in knots])
    y = np.interp(plane[:, 1], at + [knot.dy_mm for knot in knots], at)
    x = plane[:, 0] - np.interp(y, at, [knot.dx_mm for knot in knots])
    x, y = x * k, y * k
    turned = {
        0: (x, y),
        90: (height - y, x),
        180: (width - x, height - y),
        270: (y, width - x),
    }[model.orientation_deg]
    return np.stack(turned, axis=1)


def _page_to_plane(
    model: ScannerModel, paper_mm: tuple[float, float]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rigid placing of the sheet on the bed, turned about its middle: matrix and offset, mm."""
    check_model(model)
    angle = math.radians(model.skew_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    lean = np.array([[1.0, math.tan(math.radians(model.shear_deg))], [0.0, 1.0]])
    linear = turn @ lean @ np.diag(model.scale)
    middle = np.array(paper_mm) / 2
    return linear, middle + model.border_mm + np.array(model.shift_mm) - linear @ middle


def _knots(model: ScannerModel, height_mm: float) -> tuple[RollerKnot, ...]:
    """The model's knots in order, held constant far beyond both ends."""
    knots = sorted(model.roller, key=lambda knot: knot.y_mm)
    first, last = (knots[0], knots[-1]) if knots else (RollerKnot(0.0), RollerKnot(0.0))
    far = 10 * height_mm
    ends = (
        RollerKnot(min(-far, first.y_mm - 1), first.dy_mm, first.dx_mm),
        *knots,
        RollerKnot(max(far, last.y_mm + 1), last.dy_mm, last.dx_mm),
    )
    for before, after in pairwise(ends):
        if after.y_mm + after.dy_mm <= before.y_mm + before.dy_mm or after.y_mm <= before.y_mm:
            raise SynthesisError(f"the rollers would run backwards at {after.y_mm:g} mm")
    return ends
