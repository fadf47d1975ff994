"""Printed outlines of targets: their shape in mm, and where a search looks for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from election.layout import Target

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

#: Printed outlines are about this thick, mm (`election.page`; New Hampshire's likewise).
LINE_MM = 0.3
#: Points on the outline, and as many in the white beside it.
POINTS = 24


@dataclass(frozen=True, slots=True)
class Outline:
    """One printed shape, and the targets that have it.

    `members` int64[m]: those targets. `line` and `halo` int64[k]: flat places in a search
    window, at shift (0, 0), of the outline's ink and of white beside it. `coarse_line` and
    `coarse_halo` int64[k / 2, s]: half of them at each shift of the first search, counted
    from `scanner.templates.ScaledTemplates.margin`.
    """

    members: Index
    line: Index
    halo: Index
    coarse_line: Index
    coarse_halo: Index


@dataclass(frozen=True, slots=True)
class Search:
    """Shifts tried for every target, (dy, dx) px, nearest first.

    `shifts` int64[s, 2]; `keys` int64[s] number them in a square of `side` × `side` shifts
    about (0, 0); `moves` int64[side²] are all its shifts as steps in a flat window.
    """

    shifts: Index
    keys: Index
    side: int
    moves: Index


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


def search_for(reach: int, step: int, width: int) -> Search:
    """The first search's shifts: `step` px apart, in windows `width` px wide."""
    steps = (reach - 2) // step
    axis = np.arange(-steps, steps + 1) * step
    shifts = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    # Of equally good places the nearest one: it comes first.
    shifts = shifts[np.argsort(np.hypot(*shifts.T), kind="stable")]
    side = 2 * reach + 1
    every = np.arange(-reach, reach + 1)
    moves = (every[:, None] * width + every).ravel()
    return Search(shifts, (shifts + reach) @ (side, 1), side, moves)


def outlines_of(
    targets: Sequence[Target],
    scale: Floats,
    halo_mm: float,
    size: tuple[int, int],
    search: Search,
    margin: int,
) -> tuple[Outline, ...]:
    """The page's printed shapes in search windows of `size`."""
    members: dict[tuple[str, float, float], list[int]] = {}
    for i, target in enumerate(targets):
        members.setdefault((target.shape, target.width_mm, target.height_mm), []).append(i)
    shifts = search.moves[search.keys]
    outlines = []
    for own in members.values():
        target = targets[own[0]]
        outer = _outline(target, halo_mm - LINE_MM / 2, POINTS // 2)
        inner = _outline(target, -halo_mm - LINE_MM / 2, POINTS // 2)
        line, halo = (
            np.rint(points * scale).astype(np.int64) @ (size[1], 1) + size[0] * size[1] // 2
            for points in (
                _outline(target, -LINE_MM / 2, POINTS),
                np.concatenate([outer, inner]),
            )
        )
        # Half the points tell where an outline lies roughly; all of them are used to place it.
        coarse = [half[::2, None] + shifts - margin for half in (line, halo)]
        outlines.append(Outline(np.array(own), line, halo, coarse[0], coarse[1]))
    return tuple(outlines)
