"""What a voter's pen, a worn sheet and a scanner are, as frozen values in mm."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from scanner.errors import ScannerError
from scanner.reading import MarkClass

Corner = Literal["top_left", "top_right", "bottom_left", "bottom_right"]


class SynthesisError(ScannerError):
    """A page, mark or model that cannot be drawn; says which value is wrong."""


class PenKind(StrEnum):
    """How the line looks: even, grainy, soft-edged, or broad and translucent."""

    BALLPOINT = "ballpoint"
    PENCIL = "pencil"
    FELT = "felt"
    MARKER = "marker"


@dataclass(frozen=True, slots=True)
class Pen:
    """`width_mm` of its line; `darkness` 0..1 of light it takes away; `wobble_mm` how far
    an unsteady hand strays (standard deviation)."""

    kind: PenKind
    width_mm: float
    darkness: float
    wobble_mm: float = 0.12


BALLPOINT = Pen(PenKind.BALLPOINT, 0.45, 0.88)
PENCIL = Pen(PenKind.PENCIL, 0.6, 0.68)
FELT = Pen(PenKind.FELT, 0.8, 0.94)
MARKER = Pen(PenKind.MARKER, 2.0, 0.85)


class MarkKind(StrEnum):
    """What the voter did at a target.

    FILL blackens it, PARTIAL about half of it; TICK, CROSS and SCRIBBLE are strokes in it;
    MARGINAL is one dash of a stated share of its area, LIGHT_DOT a rested pen;
    STRAY a line beside it that touches no target; WRITE_IN handwriting in its write-in
    area (the target itself stays empty).
    """

    FILL = "fill"
    PARTIAL = "partial"
    TICK = "tick"
    CROSS = "cross"
    SCRIBBLE = "scribble"
    MARGINAL = "marginal"
    LIGHT_DOT = "light_dot"
    STRAY = "stray"
    WRITE_IN = "write_in"


#: What a reading should make of each kind (VVSG 2.0, 1.1.6-H, 1.1.6-I).
EXPECTED = {
    MarkKind.FILL: MarkClass.MARK,
    MarkKind.PARTIAL: MarkClass.MARK,
    MarkKind.TICK: MarkClass.MARK,
    MarkKind.CROSS: MarkClass.MARK,
    MarkKind.SCRIBBLE: MarkClass.MARK,
    MarkKind.MARGINAL: MarkClass.MARGINAL,
    MarkKind.LIGHT_DOT: MarkClass.NO_MARK,
    MarkKind.STRAY: MarkClass.NO_MARK,
    MarkKind.WRITE_IN: MarkClass.NO_MARK,
}


@dataclass(frozen=True, slots=True)
class TrueMark:
    """One mark as made: the truth of what `draw_marks` draws.

    `expected` is the class a reading should give the target; None takes that of the kind.
    `target_index` picks one of several targets of the same option (default: the first).
    `area_share` is the inked share of the target's area for MARGINAL and LIGHT_DOT;
    give the middle of a profile's marginal band to be marginal under it.
    """

    contest_id: str
    option_id: str
    kind: MarkKind
    pen: Pen = BALLPOINT
    expected: MarkClass | None = None
    target_index: int | None = None
    area_share: float | None = None

    @property
    def truth(self) -> MarkClass:
        """The class that a reading should give this target."""
        return self.expected or EXPECTED[self.kind]


@dataclass(frozen=True, slots=True)
class RollerKnot:
    """Slip of the paper in the rollers when scan line `y_mm` was taken.

    `dy_mm`: how far the paper had run ahead (+: the scan is squeezed up to here);
    `dx_mm`: how far it had crept sideways. Between knots both change evenly.
    """

    y_mm: float
    dy_mm: float = 0.0
    dx_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class ScannerModel:
    """One pass through one scanner.

    `skew_deg` turns the sheet clockwise; `shift_mm` moves it (x, y); `scale` stretches it
    (x, y); `roller` bends it line by line. `noise_sigma` in grey levels; `blur_mm` the
    standard deviation of the optics; `black` and `white` the grey levels of print and
    paper; `shading` the relative fall of light over the page; `border_mm` how much of the
    bed shows around the sheet, of grey level `border_level`; `orientation_deg` how the
    finished scan is turned (0, 90, 180, 270, clockwise).
    """

    dpi: float = 200.0
    skew_deg: float = 0.0
    shift_mm: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    roller: tuple[RollerKnot, ...] = ()
    noise_sigma: float = 4.0
    blur_mm: float = 0.07
    black: int = 38
    white: int = 246
    gamma: float = 1.0
    shading: float = 0.03
    dust_count: int = 6
    border_mm: float = 0.0
    border_level: int = 24
    orientation_deg: int = 0
    jpeg_quality: int = 85


@dataclass(frozen=True, slots=True)
class TornCorner:
    """A corner torn off along a ragged line `size_mm` from it."""

    corner: Corner
    size_mm: float


@dataclass(frozen=True, slots=True)
class Stain:
    """A round blot on the paper: centre, radius, and `darkness` 0..1 of light it takes."""

    x_mm: float
    y_mm: float
    radius_mm: float
    darkness: float = 0.35


@dataclass(frozen=True, slots=True)
class Fold:
    """A crease from one point to another: a thin shadow with worn ink along it."""

    start_mm: tuple[float, float]
    end_mm: tuple[float, float]
    depth: float = 0.3


@dataclass(frozen=True, slots=True)
class Streak:
    """Dirt on the scanner's glass: a dark line down the whole scan at `x_mm` of it."""

    x_mm: float
    width_mm: float = 0.15
    level: int = 70


@dataclass(frozen=True, slots=True)
class Damage:
    """What befell the sheet (torn, stains, folds) and the glass (streaks)."""

    torn: tuple[TornCorner, ...] = ()
    stains: tuple[Stain, ...] = ()
    folds: tuple[Fold, ...] = ()
    streaks: tuple[Streak, ...] = ()
