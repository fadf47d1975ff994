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
    """How the line looks: even, grainy, soft-edged, broad, pale and translucent, or patchy."""

    BALLPOINT = "ballpoint"
    PENCIL = "pencil"
    FELT = "felt"
    MARKER = "marker"
    HIGHLIGHTER = "highlighter"
    STAMP = "stamp"


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
#: A grey scan sees a pink or green highlighter as a third of black, a yellow one hardly.
HIGHLIGHTER = Pen(PenKind.HIGHLIGHTER, 3.5, 0.36, 0.1)
#: Rubber prints one firm shape; its ink is patchy.
STAMP = Pen(PenKind.STAMP, 0.9, 0.8, 0.02)


class MarkKind(StrEnum):
    """What the voter did at a target.

    FILL blackens it, PARTIAL about half of it; TICK, CROSS and SCRIBBLE are strokes in it;
    TICK_OUT is a tick whose long arm leaves it; CIRCLE goes round it without ink inside;
    MARGINAL is one dash of a stated share of its area, LIGHT_DOT a rested pen (the dot of
    hesitation); ERASED what a rubber leaves of a filled target; CROSSED_OUT a filled target
    struck out again, as voters do who then choose another; THROUGH one line through this
    target and that of `to_option_id`; STRAY a line beside it that touches no target;
    WRITE_IN handwriting in its write-in area (the target itself stays empty).
    """

    FILL = "fill"
    PARTIAL = "partial"
    TICK = "tick"
    TICK_OUT = "tick_out"
    CROSS = "cross"
    SCRIBBLE = "scribble"
    CIRCLE = "circle"
    MARGINAL = "marginal"
    LIGHT_DOT = "light_dot"
    ERASED = "erased"
    CROSSED_OUT = "crossed_out"
    THROUGH = "through"
    STRAY = "stray"
    WRITE_IN = "write_in"


#: The class that a careful reader must give each kind. MARK: strokes inside the target, be
#: it full or not (VVSG 2.0, 1.1.6-H; the profile's `any_stroke`, "any sign in the square").
#: NO_MARK: a resting dot, an erased mark, what lies outside (1.1.6-I: extraneous marks are
#: no votes). MARGINAL: open by nature, so a person must see it: circled without ink inside
#: (the sign is not in the square, yet hardly an accident), struck out (is it withdrawn?),
#: one line through two targets (which one was meant?).
EXPECTED = {
    MarkKind.FILL: MarkClass.MARK,
    MarkKind.PARTIAL: MarkClass.MARK,
    MarkKind.TICK: MarkClass.MARK,
    MarkKind.TICK_OUT: MarkClass.MARK,
    MarkKind.CROSS: MarkClass.MARK,
    MarkKind.SCRIBBLE: MarkClass.MARK,
    MarkKind.CIRCLE: MarkClass.MARGINAL,
    MarkKind.MARGINAL: MarkClass.MARGINAL,
    MarkKind.LIGHT_DOT: MarkClass.NO_MARK,
    MarkKind.ERASED: MarkClass.NO_MARK,
    MarkKind.CROSSED_OUT: MarkClass.MARGINAL,
    MarkKind.THROUGH: MarkClass.MARGINAL,
    MarkKind.STRAY: MarkClass.NO_MARK,
    MarkKind.WRITE_IN: MarkClass.NO_MARK,
}

#: Share of the graphite that a rubber leaves by default; above the second, nobody can say
#: any more that the mark was withdrawn: it is MARGINAL.
ERASED_RESIDUE, ERASED_CLEARLY = 0.14, 0.25


@dataclass(frozen=True, slots=True)
class TrueMark:
    """One mark as made: the truth of what `draw_marks` draws.

    `expected` is the class a reading should give the target; None takes that of the kind.
    `target_index` picks one of several targets of the same option (default: the first).
    `area_share` is the inked share of the target's area for MARGINAL and LIGHT_DOT;
    give the middle of a profile's marginal band to be marginal under it. `residue` is the
    share of the ink that an ERASED mark leaves; `to_option_id` the contest's other option
    that a THROUGH line goes to (None: none, the line ends past this target).
    """

    contest_id: str
    option_id: str
    kind: MarkKind
    pen: Pen = BALLPOINT
    expected: MarkClass | None = None
    target_index: int | None = None
    area_share: float | None = None
    residue: float = ERASED_RESIDUE
    to_option_id: str | None = None

    @property
    def truth(self) -> MarkClass:
        """The class that a reading should give this target."""
        if self.expected is not None:
            return self.expected
        if self.kind is MarkKind.ERASED and self.residue > ERASED_CLEARLY:
            return MarkClass.MARGINAL
        return EXPECTED[self.kind]


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

    `skew_deg` turns the sheet clockwise; `shear_deg` leans its upright lines; `shift_mm`
    moves it (x, y); `scale` stretches it (x, y); `roller` bends it line by line.
    `noise_sigma` in grey levels; `blur_mm` the standard deviation of the optics; `black`
    and `white` the grey levels of print and paper; `shading` the relative fall of light
    over the page; `banding` the relative spread of gain between sensor cells (stripes down
    the scan); `border_mm` how much of the bed shows around the sheet, of grey level
    `border_level`; `orientation_deg` how the finished scan is turned (0, 90, 180, 270,
    clockwise). `grain_quality` is the JPEG quality (1 to 100) that the pixels went through
    inside the scanner, None for none; `bilevel` the grey level under which a scanner that
    knows black and white only gives 0, and 255 above.
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
    shear_deg: float = 0.0
    banding: float = 0.0
    grain_quality: int | None = None
    bilevel: int | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """The sheet as it left the printer, before anyone touched it.

    `reflectance` is the light that unprinted paper gives back (1 white, 0.8 a strong
    colour); `offset_mm` how far the print stands off its place on the sheet (x, y);
    `print_scale` how large it was printed (0.97: "fit to page"); `bleed` the share of the
    other side's darkness that shows through.
    """

    reflectance: float = 1.0
    offset_mm: tuple[float, float] = (0.0, 0.0)
    print_scale: float = 1.0
    bleed: float = 0.0


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
class Crease:
    """Crumpled paper: `count` short ridges within `radius_mm` of a place, `depth` as a fold's."""

    x_mm: float
    y_mm: float
    radius_mm: float
    count: int = 12
    depth: float = 0.15


@dataclass(frozen=True, slots=True)
class Streak:
    """Dirt on the scanner's glass: a dark line down the whole scan at `x_mm` of it; `pale`
    where a blinded sensor cell gives nothing darker than `level`."""

    x_mm: float
    width_mm: float = 0.15
    level: int = 70
    pale: bool = False


@dataclass(frozen=True, slots=True)
class Damage:
    """What befell the sheet (torn, stains, folds, creases) and the glass (streaks)."""

    torn: tuple[TornCorner, ...] = ()
    stains: tuple[Stain, ...] = ()
    folds: tuple[Fold, ...] = ()
    streaks: tuple[Streak, ...] = ()
    creases: tuple[Crease, ...] = ()
