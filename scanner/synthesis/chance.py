"""Scanners, pens and marks as they come, drawn from a seeded generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeVar

import numpy as np

from scanner.synthesis.model import (
    BALLPOINT,
    FELT,
    MARKER,
    PENCIL,
    Damage,
    Fold,
    MarkKind,
    Pen,
    RollerKnot,
    ScannerModel,
    Stain,
    TrueMark,
)

T = TypeVar("T")
#: Width along the paper's edge where nothing is printed, mm: may leave the scan unharmed.
FREE_MARGIN_MM = 1.0
Wear = Literal["clean", "typical", "worn"]

#: How common pens are in a polling place, in per cent: the booth's ballpoint mostly.
_PENS = ((BALLPOINT, 70), (FELT, 14), (PENCIL, 12), (MARKER, 4))
#: How people mark an empty square ("any sign"), and an oval they are told to fill.
_ANY_SIGN = ((MarkKind.CROSS, 38), (MarkKind.TICK, 42), (MarkKind.SCRIBBLE, 8), (MarkKind.FILL, 12))
_FILL_IN = (
    (MarkKind.FILL, 72),
    (MarkKind.SCRIBBLE, 18),
    (MarkKind.CROSS, 6),
    (MarkKind.PARTIAL, 4),
)
#: (skew_deg, shift_mm, scale, noise, slip_mm, dust) as deviations or upper ends by wear.
_WEAR = {
    "clean": (0.15, 0.4, 0.0008, 2.0, 0.0, 2),
    "typical": (0.45, 1.0, 0.002, 4.5, 0.25, 8),
    "worn": (1.1, 1.8, 0.004, 8.0, 0.8, 30),
}


def random_pen(rng: np.random.Generator) -> Pen:
    """A pen as voters hold it: kind by how common it is, with some spread."""
    pen = _pick(rng, _PENS)
    return replace(
        pen,
        width_mm=pen.width_mm * float(rng.uniform(0.85, 1.2)),
        darkness=min(1.0, pen.darkness * float(rng.uniform(0.92, 1.05))),
        wobble_mm=float(rng.uniform(0.05, 0.2)),
    )


def random_mark(
    rng: np.random.Generator, contest_id: str, option_id: str, *, any_stroke: bool
) -> TrueMark:
    """A plain mark for an option, as voters make it (expected: a mark).

    `any_stroke` is the profile's: any sign in a square, else filling in an oval.
    """
    kind = _pick(rng, _ANY_SIGN if any_stroke else _FILL_IN)
    pen = random_pen(rng)
    if pen.width_mm > 1.2 and kind in (MarkKind.SCRIBBLE, MarkKind.PARTIAL):
        kind = MarkKind.FILL  # a broad marker fills whatever it scribbles
    return TrueMark(contest_id, option_id, kind, pen)


def random_scanner(
    rng: np.random.Generator,
    *,
    dpi: float = 200.0,
    wear: Wear = "typical",
    height_mm: float = 297.0,
) -> ScannerModel:
    """One pass through a scanner of the given wear; `height_mm` places the rollers' slip."""
    skew, shift, scale, noise, slip, dust = _WEAR[wear]
    roller: tuple[RollerKnot, ...] = ()
    if slip and rng.random() < (0.5 if wear == "typical" else 0.9):
        places = np.sort(rng.uniform(0.1, 0.9, 3)) * height_mm + (0.0, 3.0, 6.0)
        drift = np.cumsum(rng.normal(0, slip / 2, 3))
        creep = np.cumsum(rng.normal(0, slip / 5, 3))
        roller = tuple(
            RollerKnot(float(y), float(np.clip(dy, -1.4, 1.4)), float(dx))
            for y, dy, dx in zip(
                places, np.clip(drift, -slip * 1.5, slip * 1.5), creep, strict=True
            )
        )
    skew_deg = float(np.clip(rng.normal(0, skew), -2.5 * skew, 2.5 * skew))
    shift_x, shift_y = (float(v) for v in np.clip(rng.normal(0, shift / 2, 2), -shift, shift))
    # A turned sheet reaches over its own outline; feeders scan that much wider, so that a
    # cut-off edge is always a stated damage and never an accident of chance.
    reach = height_mm / 2 * math.sin(math.radians(abs(skew_deg))) + max(abs(shift_x), abs(shift_y))
    border = float(rng.uniform(0, 4)) if rng.random() < 0.5 else 0.0
    return ScannerModel(
        dpi=dpi,
        skew_deg=skew_deg,
        shift_mm=(shift_x, shift_y),
        scale=(1 + float(rng.normal(0, scale / 2)), 1 + float(rng.normal(0, scale))),
        roller=roller,
        noise_sigma=float(rng.uniform(0.5, 1.0)) * noise,
        blur_mm=float(rng.uniform(0.04, 0.09)),
        black=int(rng.integers(20, 60)),
        white=int(rng.integers(232, 252)),
        gamma=float(rng.uniform(0.9, 1.15)),
        shading=float(rng.uniform(0.01, 0.05)),
        dust_count=int(rng.integers(0, dust + 1)),
        border_mm=max(border, reach - FREE_MARGIN_MM),
        border_level=int(rng.choice([12, 30, 225])),
        jpeg_quality=int(rng.integers(70, 93)),
    )


def random_damage(
    rng: np.random.Generator, paper_mm: tuple[float, float], *, folds: int = 1, stains: int = 1
) -> Damage:
    """Folds across the sheet and blots on it, at random places."""
    width, height = paper_mm
    creases = []
    for _ in range(folds):
        y = float(rng.uniform(0.25, 0.75)) * height
        tilt = float(rng.normal(0, 1.0))
        creases.append(Fold((0.0, y - tilt), (width, y + tilt), float(rng.uniform(0.12, 0.35))))
    blots = tuple(
        Stain(
            float(rng.uniform(0.1, 0.9)) * width,
            float(rng.uniform(0.1, 0.9)) * height,
            float(rng.uniform(4, 16)),
            float(rng.uniform(0.08, 0.3)),
        )
        for _ in range(stains)
    )
    return Damage(stains=blots, folds=tuple(creases))


def _pick(rng: np.random.Generator, choices: Sequence[tuple[T, int]]) -> T:
    """One of `choices` by its weight."""
    bounds = np.cumsum([weight for _, weight in choices])
    return choices[int(np.searchsorted(bounds, rng.integers(bounds[-1]), side="right"))][0]
