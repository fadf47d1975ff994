"""What goes wrong between printer and picture, one row a defect, with its stated ranges.

`NORMAL` is the documented normal range of an election day: what well-run printing, folding
for the pocket and a serviced scanner do to paper. `SEVERE` begins where that ends. Each row
is an amount in a physical unit; `with_defect` turns an amount into the model's values, so a
report can name both. `random_pass` draws a sheet's whole way.

    rng = np.random.default_rng(7)
    way = random_pass(rng, paper_mm)                       # an ordinary sheet
    way = random_pass(rng, paper_mm, severe=Defect.FOLD)   # the same with one bad fold
    scan = scan_sheet(page, way, rng, paper_mm)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from scanner.synthesis.misfeeds import cut_short, overlapped
from scanner.synthesis.model import (
    Crease,
    Damage,
    Fold,
    Paper,
    RollerKnot,
    ScannerModel,
    Stain,
    Streak,
    SynthesisError,
    TornCorner,
)
from scanner.synthesis.scan import scan_page

Gray = npt.NDArray[np.uint8]
#: Width along the paper's edge where nothing is printed, mm: may leave the scan unharmed.
FREE_MARGIN_MM = 1.0


class Defect(StrEnum):
    """One way in which paper, print or scanner fall short."""

    SKEW = "skew"
    SHIFT = "shift"
    SHEAR = "shear"
    STRETCH = "stretch"
    SLIP = "slip"
    BLUR = "blur"
    NOISE = "noise"
    DIM_LIGHT = "dim_light"
    PALE_INK = "pale_ink"
    SHADING = "shading"
    BANDING = "banding"
    DUST = "dust"
    STREAK = "streak"
    PALE_STREAK = "pale_streak"
    GRAIN = "grain"
    BILEVEL = "bilevel"
    PRINT_OFFSET = "print_offset"
    PRINT_SCALE = "print_scale"
    PAPER_COLOUR = "paper_colour"
    BLEED_THROUGH = "bleed_through"
    FOLD = "fold"
    CREASE = "crease"
    STAIN = "stain"
    TORN_CORNER = "torn_corner"
    DOUBLE_FEED = "double_feed"
    CUT_SHORT = "cut_short"


@dataclass(frozen=True, slots=True)
class Span:
    """Amounts from `low` to `high` of a unit, evenly; `chance` that a sheet has the defect."""

    low: float
    high: float
    unit: str
    chance: float = 1.0

    def draw(self, rng: np.random.Generator) -> float:
        """One amount."""
        return float(rng.uniform(self.low, self.high))


#: The normal range of an election day. Chances sum up what is always there (optics, light)
#: and what happens to some sheets (folds, stains).
NORMAL: Mapping[Defect, Span] = MappingProxyType(
    {
        Defect.SKEW: Span(0.0, 1.2, "degrees"),
        Defect.SHIFT: Span(0.0, 1.0, "mm"),
        Defect.SHEAR: Span(0.0, 0.12, "degrees"),
        Defect.STRETCH: Span(0.0, 0.4, "%"),
        Defect.SLIP: Span(0.0, 0.6, "mm", 0.5),
        Defect.BLUR: Span(0.04, 0.09, "mm"),
        Defect.NOISE: Span(1.0, 6.0, "grey levels"),
        Defect.DIM_LIGHT: Span(0.0, 10.0, "% of light lost"),
        Defect.PALE_INK: Span(8.0, 26.0, "% of light from print"),
        Defect.SHADING: Span(1.0, 6.0, "%"),
        Defect.BANDING: Span(0.0, 0.8, "%", 0.5),
        Defect.DUST: Span(0.0, 20.0, "specks"),
        Defect.STREAK: Span(0.05, 0.12, "mm wide", 0.01),
        Defect.GRAIN: Span(70.0, 92.0, "JPEG quality", 0.25),
        Defect.BILEVEL: Span(120.0, 165.0, "grey level", 0.04),
        Defect.PRINT_OFFSET: Span(0.0, 1.2, "mm"),
        Defect.PRINT_SCALE: Span(0.0, 0.3, "% smaller", 0.05),
        Defect.PAPER_COLOUR: Span(0.0, 10.0, "% of light kept back", 0.3),
        Defect.BLEED_THROUGH: Span(0.0, 8.0, "% of the back's ink", 0.7),
        Defect.FOLD: Span(10.0, 35.0, "% dark", 0.12),
        Defect.CREASE: Span(5.0, 12.0, "% dark", 0.03),
        Defect.STAIN: Span(5.0, 15.0, "% dark", 0.02),
        Defect.TORN_CORNER: Span(1.5, 4.0, "mm", 0.02),
    }
)

#: What a scanner should not be given, and may refuse. Each row is tried by itself, on sheets
#: that are normal in everything else.
SEVERE: Mapping[Defect, Span] = MappingProxyType(
    {
        Defect.SKEW: Span(1.5, 9.0, "degrees"),
        Defect.SHIFT: Span(1.5, 6.0, "mm"),
        Defect.SHEAR: Span(0.2, 1.5, "degrees"),
        Defect.STRETCH: Span(0.6, 4.0, "%"),
        Defect.SLIP: Span(0.8, 2.8, "mm"),
        Defect.BLUR: Span(0.11, 0.28, "mm"),
        Defect.NOISE: Span(8.0, 24.0, "grey levels"),
        Defect.DIM_LIGHT: Span(15.0, 55.0, "% of light lost"),
        Defect.PALE_INK: Span(30.0, 60.0, "% of light from print"),
        Defect.SHADING: Span(10.0, 40.0, "%"),
        Defect.BANDING: Span(1.2, 5.0, "%"),
        Defect.DUST: Span(60.0, 500.0, "specks"),
        Defect.STREAK: Span(0.15, 2.5, "mm wide"),
        Defect.PALE_STREAK: Span(0.15, 2.5, "mm wide"),
        Defect.GRAIN: Span(8.0, 45.0, "JPEG quality"),
        Defect.BILEVEL: Span(60.0, 235.0, "grey level"),
        Defect.PRINT_OFFSET: Span(1.5, 5.0, "mm"),
        Defect.PRINT_SCALE: Span(0.6, 8.0, "% smaller"),
        Defect.PAPER_COLOUR: Span(15.0, 45.0, "% of light kept back"),
        Defect.BLEED_THROUGH: Span(12.0, 40.0, "% of the back's ink"),
        Defect.FOLD: Span(45.0, 95.0, "% dark"),
        Defect.CREASE: Span(20.0, 70.0, "% dark"),
        Defect.STAIN: Span(20.0, 85.0, "% dark"),
        Defect.TORN_CORNER: Span(6.0, 70.0, "mm"),
        Defect.DOUBLE_FEED: Span(0.0, 290.0, "mm behind"),
        Defect.CUT_SHORT: Span(2.0, 60.0, "mm lost"),
    }
)


@dataclass(frozen=True, slots=True)
class Feed:
    """How the feeder took the sheet: `behind_mm` of a second one, `lost_mm` at an end."""

    kind: Literal["single", "double", "cut_short"] = "single"
    amount_mm: float = 0.0
    at_top: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """A sheet's whole way: paper, damage, scanner, feeder, and what was drawn (the record)."""

    scanner: ScannerModel
    paper: Paper = field(default_factory=Paper)
    damage: Damage = field(default_factory=Damage)
    feed: Feed = field(default_factory=Feed)
    amounts: Mapping[Defect, float] = field(default_factory=dict)


def random_pass(
    rng: np.random.Generator,
    paper_mm: tuple[float, float],
    *,
    dpi: float = 200.0,
    severe: Defect | None = None,
) -> Pass:
    """A sheet of the normal range, with one severe defect where asked for."""
    way = Pass(scanner=ScannerModel(dpi=dpi, noise_sigma=0, shading=0, dust_count=0))
    for defect, span in NORMAL.items():
        # Both are drawn always: a defect more or less changes no other one's chance.
        happens, amount = rng.random() < span.chance, span.draw(rng)
        if defect is severe or not happens:
            continue
        way = with_defect(way, defect, amount, rng, paper_mm)
    if severe is not None:
        way = with_defect(way, severe, SEVERE[severe].draw(rng), rng, paper_mm)
    return _in_view(way, rng, paper_mm)


def with_defect(
    way: Pass,
    defect: Defect,
    amount: float,
    rng: np.random.Generator,
    paper_mm: tuple[float, float],
) -> Pass:
    """The same way with one defect of this amount (its unit: `SEVERE`'s) added.

    Raises:
        SynthesisError: an amount below 0.
    """
    if not amount >= 0:
        raise SynthesisError(f"{defect.value}: {amount!r} is no amount of it")
    added = _ADD[defect](way, amount, rng, paper_mm)
    return replace(added, amounts={**way.amounts, defect: amount})


def scan_sheet(
    page: Gray,
    way: Pass,
    rng: np.random.Generator,
    paper_mm: tuple[float, float],
    *,
    ghost: Gray | None = None,
    second: Gray | None = None,
) -> Gray:
    """The scan of an inked page that went this way.

    Args:
        page: uint8[h, w], the whole sheet with its ink.
        way: what happened to it.
        rng: source of all chance left.
        paper_mm: width and height of the sheet.
        ghost: `show_through` of its other side.
        second: the sheet that a double feed draws in beside it (default: this page again).
    """
    once = replace(way.scanner, bilevel=None, grain_quality=None)
    last = way.scanner if way.feed.kind == "single" else once
    scan = scan_page(page, last, rng, way.damage, paper_mm=paper_mm, paper=way.paper, ghost=ghost)
    dpi = way.scanner.dpi
    if way.feed.kind == "double":
        other = page if second is None else second
        under = scan_page(other, once, rng, paper_mm=paper_mm, paper=way.paper)
        level = way.scanner.border_level
        return overlapped(scan, under, way.feed.amount_mm, dpi=dpi, level=level)
    if way.feed.kind == "cut_short":
        return cut_short(scan, way.feed.amount_mm, dpi=dpi, top=way.feed.at_top)
    return scan


def _in_view(way: Pass, rng: np.random.Generator, paper_mm: tuple[float, float]) -> Pass:
    """Feeders scan wider than a turned sheet reaches, so that a cut-off edge is always a
    stated defect and never an accident of chance."""
    model = way.scanner
    lean = math.radians(abs(model.skew_deg) + abs(model.shear_deg))
    grown = max(paper_mm) / 2 * max(0.0, max(model.scale) - 1)
    slip = max((abs(k.dy_mm) + abs(k.dx_mm) for k in model.roller), default=0.0)
    reach = max(paper_mm) / 2 * math.sin(lean) + max(map(abs, model.shift_mm)) + grown + slip
    border = float(rng.uniform(0, 4)) if rng.random() < 0.5 else 0.0
    model = replace(
        model,
        border_mm=max(border, reach - FREE_MARGIN_MM),
        border_level=int(rng.choice([12, 30, 225])),
    )
    return replace(way, scanner=model)


# --- One function a defect: (way, amount, rng, paper_mm) to the way with it -------------------

_Add = Callable[[Pass, float, np.random.Generator, tuple[float, float]], Pass]


def _scanner(make: Callable[[ScannerModel, float, np.random.Generator], dict[str, object]]) -> _Add:
    def add(way: Pass, amount: float, rng: np.random.Generator, _: tuple[float, float]) -> Pass:
        changed = make(way.scanner, amount, rng)
        return replace(way, scanner=replace(way.scanner, **changed))  # type: ignore[arg-type]

    return add


def _paper(make: Callable[[Paper, float, np.random.Generator], dict[str, object]]) -> _Add:
    def add(way: Pass, amount: float, rng: np.random.Generator, _: tuple[float, float]) -> Pass:
        changed = make(way.paper, amount, rng)
        return replace(way, paper=replace(way.paper, **changed))  # type: ignore[arg-type]

    return add


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def _towards(amount: float, rng: np.random.Generator) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * math.pi)
    return amount * math.cos(angle), amount * math.sin(angle)


def _slip(
    way: Pass, amount: float, rng: np.random.Generator, paper_mm: tuple[float, float]
) -> Pass:
    """The paper runs ahead or is held back, and recovers or not, over a third of the page."""
    start = float(rng.uniform(0.1, 0.6)) * paper_mm[1]
    # Slower than the paper itself, whatever the amount: rollers do not run backwards.
    end = start + max(float(rng.uniform(0.08, 0.3)) * paper_mm[1], 4 * amount)
    ahead, creep = _sign(rng) * amount, float(rng.normal(0, 0.2)) * amount
    stays = float(rng.uniform(0.0, 1.0))
    knots = (
        RollerKnot(start),
        RollerKnot(end, ahead, creep),
        RollerKnot(end + (end - start), ahead * stays, creep),
    )
    return replace(way, scanner=replace(way.scanner, roller=knots))


def _stretch(model: ScannerModel, amount: float, rng: np.random.Generator) -> dict[str, object]:
    along, across = _sign(rng) * amount / 100, float(rng.uniform(-0.25, 0.25)) * amount / 100
    return {"scale": (model.scale[0] + across, model.scale[1] + along)}


def _streak(
    way: Pass, amount: float, rng: np.random.Generator, paper_mm: tuple[float, float]
) -> Pass:
    level = int(rng.integers(20, 140))
    streak = Streak(float(rng.uniform(0.02, 0.98)) * paper_mm[0], amount, level)
    return _damaged(way, streaks=(*way.damage.streaks, streak))


def _pale_streak(
    way: Pass, amount: float, rng: np.random.Generator, paper_mm: tuple[float, float]
) -> Pass:
    x = float(rng.uniform(0.02, 0.98)) * paper_mm[0]
    streak = Streak(x, amount, int(rng.integers(200, 246)), pale=True)
    return _damaged(way, streaks=(*way.damage.streaks, streak))


def _fold(
    way: Pass, amount: float, rng: np.random.Generator, paper_mm: tuple[float, float]
) -> Pass:
    """Across the sheet, as for a pocket or an envelope; a hard one sometimes lengthwise too."""
    width, height = paper_mm
    y, tilt = float(rng.uniform(0.2, 0.8)) * height, float(rng.normal(0, 1.0))
    folds = [Fold((0.0, y - tilt), (width, y + tilt), amount / 100)]
    if amount > 60 and rng.random() < 0.4:
        x = float(rng.uniform(0.3, 0.7)) * width
        folds.append(Fold((x, 0.0), (x + tilt, height), amount / 100))
    return _damaged(way, folds=(*way.damage.folds, *folds))


def _place(rng: np.random.Generator, paper_mm: tuple[float, float]) -> tuple[float, float]:
    x, y = rng.uniform(0.05, 0.95, 2) * paper_mm
    return float(x), float(y)


def _crease(
    way: Pass, amount: float, rng: np.random.Generator, paper_mm: tuple[float, float]
) -> Pass:
    radius, count = float(rng.uniform(15, 60)), int(rng.integers(6, 24))
    crease = Crease(*_place(rng, paper_mm), radius, count, amount / 100)
    return _damaged(way, creases=(*way.damage.creases, crease))


def _stain(
    way: Pass, amount: float, rng: np.random.Generator, paper_mm: tuple[float, float]
) -> Pass:
    stain = Stain(*_place(rng, paper_mm), float(rng.uniform(4, 20)), amount / 100)
    return _damaged(way, stains=(*way.damage.stains, stain))


def _torn(way: Pass, amount: float, rng: np.random.Generator, _: tuple[float, float]) -> Pass:
    corners: tuple[Literal["top_left", "top_right", "bottom_left", "bottom_right"], ...] = (
        "top_left",
        "top_right",
        "bottom_left",
        "bottom_right",
    )
    torn = TornCorner(corners[int(rng.integers(4))], amount)
    return _damaged(way, torn=(*way.damage.torn, torn))


def _damaged(way: Pass, **changed: object) -> Pass:
    return replace(way, damage=replace(way.damage, **changed))  # type: ignore[arg-type]


def _double(way: Pass, amount: float, _: np.random.Generator, __: tuple[float, float]) -> Pass:
    return replace(way, feed=Feed("double", amount))


def _cut(way: Pass, amount: float, rng: np.random.Generator, _: tuple[float, float]) -> Pass:
    return replace(way, feed=Feed("cut_short", amount, at_top=bool(rng.random() < 0.4)))


_ADD: Mapping[Defect, _Add] = {
    Defect.SKEW: _scanner(lambda m, a, r: {"skew_deg": m.skew_deg + _sign(r) * a}),
    Defect.SHIFT: _scanner(lambda _, a, r: {"shift_mm": _towards(a, r)}),
    Defect.SHEAR: _scanner(lambda _, a, r: {"shear_deg": _sign(r) * a}),
    Defect.STRETCH: _scanner(_stretch),
    Defect.SLIP: _slip,
    Defect.BLUR: _scanner(lambda _, a, __: {"blur_mm": a}),
    Defect.NOISE: _scanner(lambda _, a, __: {"noise_sigma": a}),
    Defect.DIM_LIGHT: _scanner(lambda _, a, __: {"white": round(252 * (1 - a / 100))}),
    Defect.PALE_INK: _scanner(lambda m, a, __: {"black": round(m.white * a / 100)}),
    Defect.SHADING: _scanner(lambda _, a, __: {"shading": a / 100}),
    Defect.BANDING: _scanner(lambda _, a, __: {"banding": a / 100}),
    Defect.DUST: _scanner(lambda _, a, __: {"dust_count": round(a)}),
    Defect.STREAK: _streak,
    Defect.PALE_STREAK: _pale_streak,
    Defect.GRAIN: _scanner(lambda _, a, __: {"grain_quality": max(1, round(a))}),
    Defect.BILEVEL: _scanner(lambda _, a, __: {"bilevel": round(a)}),
    Defect.PRINT_OFFSET: _paper(lambda _, a, r: {"offset_mm": _towards(a, r)}),
    Defect.PRINT_SCALE: _paper(lambda _, a, __: {"print_scale": 1 - a / 100}),
    Defect.PAPER_COLOUR: _paper(lambda _, a, __: {"reflectance": 1 - a / 100}),
    Defect.BLEED_THROUGH: _paper(lambda _, a, __: {"bleed": a / 100}),
    Defect.FOLD: _fold,
    Defect.CREASE: _crease,
    Defect.STAIN: _stain,
    Defect.TORN_CORNER: _torn,
    Defect.DOUBLE_FEED: _double,
    Defect.CUT_SHORT: _cut,
}
