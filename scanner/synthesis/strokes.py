"""Paths of a hand-held pen, in mm from the target's centre: one array float64[n, 2] a stroke."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from election.layout import Box, Target
from scanner.synthesis.model import MarkKind, Pen, TrueMark

Stroke = npt.NDArray[np.float64]

#: Distance between points of a finished stroke, mm: finer than any pen is wide.
STEP_MM = 0.15
#: Length over which an unsteady hand keeps its direction, mm.
WOBBLE_LENGTH_MM = 1.2
#: Default inked share of a MARGINAL dash and a LIGHT_DOT: between, and well below, the
#: field's usual thresholds of 5 and 7 %.
MARGINAL_SHARE, DOT_SHARE = 0.06, 0.008


def strokes_of(
    mark: TrueMark,
    target: Target,
    rng: np.random.Generator,
    to_mm: tuple[float, float] | None = None,
) -> list[Stroke]:
    """The strokes of a mark, mm from the target's centre (WRITE_IN: from its own place).

    `to_mm` is where the other target of a THROUGH line stands, from this one's centre.
    """
    width, height, pen = target.width_mm, target.height_mm, mark.pen
    if mark.kind is MarkKind.FILL:
        paths = [_hatch(width, height, target.shape, pen, rng)]
    elif mark.kind is MarkKind.PARTIAL:
        half = _hatch(width * 0.55, height * 0.9, target.shape, pen, rng)
        paths = [half + np.array([-width * 0.2, 0.0])]
    elif mark.kind is MarkKind.TICK:
        paths = [_tick(width, height, rng)]
    elif mark.kind is MarkKind.TICK_OUT:
        paths = [_tick_out(width, height, rng)]
    elif mark.kind is MarkKind.CROSS:
        paths = _cross(width, height, rng)
    elif mark.kind is MarkKind.CIRCLE:
        paths = [_circle(target, pen, rng)]
    elif mark.kind is MarkKind.ERASED:
        paths = [_hatch(width, height, target.shape, pen, rng)]
    elif mark.kind is MarkKind.CROSSED_OUT:
        fill = _hatch(width, height, target.shape, pen, rng)
        paths = [fill, *(arm * (1.5, 1.5) for arm in _cross(width, height, rng))]
    elif mark.kind is MarkKind.THROUGH:
        paths = [_through(to_mm, width, height, rng)]
    elif mark.kind is MarkKind.SCRIBBLE:
        paths = [_scribble(width, height, rng)]
    elif mark.kind in (MarkKind.MARGINAL, MarkKind.LIGHT_DOT):
        return [_measured_dash(mark, target, rng)]  # its area is the point: no wobble
    elif mark.kind is MarkKind.STRAY:
        paths = [_stray(width, height, rng)]
    else:
        area = target.write_in_area or Box(
            target.x_mm - width * 4.5, target.y_mm - 2.5, width * 3.5, 5.0
        )
        paths = _handwriting(area, target, rng)
    return [_by_hand(path, pen, rng) for path in paths]


def shape_area_mm2(target: Target) -> float:
    """Area inside a target's outline, mm²."""
    box = target.width_mm * target.height_mm
    return box if target.shape == "square" else box * math.pi / 4


def measured_width_mm(mark: TrueMark, target: Target) -> float:
    """Line width of a MARGINAL or LIGHT_DOT mark: the pen's, or thinner where the inked
    area would not even be one dot of it."""
    area = _share(mark) * shape_area_mm2(target)
    return min(mark.pen.width_mm, math.sqrt(area * 4 / math.pi))


def _share(mark: TrueMark) -> float:
    if mark.area_share is not None:
        return mark.area_share
    return MARGINAL_SHARE if mark.kind is MarkKind.MARGINAL else DOT_SHARE


def _measured_dash(mark: TrueMark, target: Target, rng: np.random.Generator) -> Stroke:
    """A straight dash with round ends whose ink covers the stated share of the target."""
    area = _share(mark) * shape_area_mm2(target)
    pen = measured_width_mm(mark, target)
    length = (area - math.pi / 4 * pen * pen) / pen
    angle = rng.uniform(-0.4, 0.4)
    centre = rng.uniform(-0.12, 0.12, 2) * (target.width_mm, target.height_mm)
    arm = 0.5 * length * np.array([math.cos(angle), math.sin(angle)])
    return np.stack([centre - arm, centre + arm])


def _hatch(width: float, height: float, shape: str, pen: Pen, rng: np.random.Generator) -> Stroke:
    """To and fro across the outline until it is full, a little over its edge here and there."""
    lines = max(3, math.ceil(height / (0.72 * pen.width_mm)))
    y = np.linspace(-0.5, 0.5, lines) * max(height - 0.5 * pen.width_mm, 0.1)
    reach = np.ones(lines)
    if shape != "square":
        reach = np.sqrt(1 - np.clip(2 * y / height, -1, 1) ** 2)
    half = 0.5 * width * reach * rng.uniform(0.86, 1.12, lines)
    side = np.where(np.arange(lines) % 2 == 0, -1.0, 1.0)
    there = np.stack([side * half, y], axis=1)
    back = np.stack([-side * half, y + rng.normal(0, 0.12, lines) * pen.width_mm], axis=1)
    return np.stack([there, back], axis=1).reshape(-1, 2)


def _tick(width: float, height: float, rng: np.random.Generator) -> Stroke:
    points = np.array([[-0.42, -0.05], [-0.12, 0.38], [0.55, -0.75]])
    points += rng.normal(0, 0.05, points.shape)
    return points * (max(width, height), height * rng.uniform(0.95, 1.3))


def _tick_out(width: float, height: float, rng: np.random.Generator) -> Stroke:
    """A hasty tick: short in the target, its long arm far out to the upper right."""
    points = np.array([[-0.40, -0.20], [-0.05, 0.36], [1.5, -1.5]])
    points[:2] += rng.normal(0, 0.04, (2, 2))
    points[2] *= rng.uniform(0.75, 1.15)
    return points * (max(width, height), height)


def _circle(target: Target, pen: Pen, rng: np.random.Generator) -> Stroke:
    """Round the target and a little further than once, clear of its outline."""
    # Where the line itself strays inwards it still must not enter: 3 deviations of room.
    clear = 0.5 * pen.width_mm + 3 * pen.wobble_mm + rng.uniform(0.3, 0.7)
    corner = math.sqrt(2) if target.shape == "square" else 1.0
    radii = 0.5 * np.array([target.width_mm, target.height_mm]) * corner + clear
    angle = np.linspace(0, 2 * math.pi * rng.uniform(1.0, 1.12), 40) + rng.uniform(0, 6.3)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radii


def _through(
    to_mm: tuple[float, float] | None, width: float, height: float, rng: np.random.Generator
) -> Stroke:
    """One line through this target and on through the other."""
    end = np.array(to_mm if to_mm is not None else (0.0, 2.0 * height))
    along = end / max(float(np.hypot(*end)), 1e-6) * rng.uniform(1.5, 3.0)
    aside = rng.uniform(-0.15, 0.15, (2, 2)) * (width, height)
    return np.stack([aside[0] - along, end + aside[1] + along])


def _cross(width: float, height: float, rng: np.random.Generator) -> list[Stroke]:
    size = rng.uniform(0.75, 1.15)
    corners = np.array([[[-0.5, -0.5], [0.5, 0.5]], [[0.5, -0.5], [-0.5, 0.5]]])
    corners += rng.normal(0, 0.05, corners.shape)
    return [arm * (width * size, height * size) for arm in corners]


def _scribble(width: float, height: float, rng: np.random.Generator) -> Stroke:
    """Slanted loops along the target, as hasty voters make them."""
    loops = rng.integers(4, 8)
    t = np.linspace(0, 1, int(loops) * 12)
    sway = 0.45 * height * np.sin(2 * math.pi * loops * t + rng.uniform(0, 6))
    sway *= 1 + 0.25 * np.sin(2 * math.pi * t * rng.uniform(0.5, 1.5))
    x = (t - 0.5) * width * rng.uniform(0.85, 1.15) - 0.5 * sway
    return np.stack([x, sway], axis=1)


def _stray(width: float, height: float, rng: np.random.Generator) -> Stroke:
    """A line that slipped past above the target, a millimetre clear of it."""
    length = rng.uniform(2.0, 5.0)
    y = -(height / 2 + 1.0 + rng.uniform(0, 0.4))
    x = rng.uniform(-0.5, 0.5) * width
    return np.array([[x - length / 2, y], [x + length / 2, y - rng.uniform(0, 0.5)]])


def _handwriting(area: Box, target: Target, rng: np.random.Generator) -> list[Stroke]:
    """Letters that nobody can read, of about the size people write, within the area."""
    size = min(area.height_mm * 0.72, 5.0)
    room = area.width_mm - 2.0
    letters = max(2, min(int(rng.integers(6, 13)), int(room / (size * 0.75))))
    base_y = area.y_mm + area.height_mm * 0.68 - target.y_mm
    x = area.x_mm + 1.0 - target.x_mm
    strokes = []
    for index in range(letters):
        tall = 1.4 if index == 0 or rng.random() < 0.25 else 1.0
        knots = rng.uniform(0, 1, (int(rng.integers(4, 7)), 2))
        knots[0, 1], knots[-1, 1] = rng.uniform(0.6, 1.0), 0.0
        letter = _rounded(knots) * (size * 0.66, -size * 0.66 * tall)
        strokes.append(letter + np.array([x, base_y]))
        x += size * rng.uniform(0.66, 0.82)
    return strokes


def _rounded(points: Stroke) -> Stroke:
    """Corners cut twice (Chaikin), so that the pen turns instead of breaking."""
    for _ in range(2):
        near, far = 0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]
        inner = np.stack([near, far], axis=1).reshape(-1, 2)
        points = np.concatenate([points[:1], inner, points[-1:]])
    return points


def _by_hand(path: Stroke, pen: Pen, rng: np.random.Generator) -> Stroke:
    """The path at even steps, with an unsteady hand's slow deviation."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    steps = max(2, int(along[-1] / STEP_MM) + 1)
    at = np.linspace(0.0, along[-1], steps)
    even = np.stack([np.interp(at, along, path[:, 0]), np.interp(at, along, path[:, 1])], axis=1)
    nodes = max(2, int(along[-1] / WOBBLE_LENGTH_MM) + 1)
    stray = rng.normal(0, pen.wobble_mm, (nodes, 2))
    place = np.linspace(0.0, along[-1], nodes)
    even[:, 0] += np.interp(at, place, stray[:, 0])
    even[:, 1] += np.interp(at, place, stray[:, 1])
    return even
