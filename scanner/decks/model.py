"""What a planned deck is: sheets with marks of known kind, pen, area and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scanner.reading import MarkClass
from scanner.synthesis import BALLPOINT, Pen


class Part(StrEnum):
    """The parts of a deck, each with a question of its own.

    COVER: is every target read, with every pen and kind of mark?
    BLANK, OVERVOTE: nothing and everything marked.
    EXTRANEOUS: dots, lines beside a target, names without a mark (VVSG 2.0, 1.1.6-I).
    LINE: the 1 mm pencil line that every scanner must see (VVSG 2.0, 1.1.6-H).
    LADDER: inked shares of the target from 0 to 100 %.
    ORIENTATION: the same sheet in all four turns.
    ACCURACY: logic and accuracy, no two options of a contest with the same total.
    FAULTY: sheets that must be refused.
    """

    COVER = "cover"
    BLANK = "blank"
    OVERVOTE = "overvote"
    EXTRANEOUS = "extraneous"
    LINE = "line"
    LADDER = "ladder"
    ORIENTATION = "orientation"
    ACCURACY = "accuracy"
    FAULTY = "faulty"


class Fault(StrEnum):
    """Why a sheet of part FAULTY must be refused."""

    TWO_SHEETS = "two_sheets"
    BLANK_PAPER = "blank_paper"
    CUT_OFF = "cut_off"
    OTHER_ELECTION = "other_election"


#: Mark kinds of a deck beside those of `scanner.synthesis.MarkKind`: an exactly measured
#: share of the target inked in its middle, and a line through its middle.
AREA, LINE = "area", "line"


@dataclass(frozen=True, slots=True)
class DeckMark:
    """One mark on a planned sheet.

    `kind` is a value of `scanner.synthesis.MarkKind`, or AREA or LINE; `area_share` the
    inked share of the target for AREA, MARGINAL and LIGHT_DOT. `expected` is the class
    that the target should be given; `clear` is False where that is a matter of the
    threshold, so that another class is no error (steps of a ladder near the thresholds).
    """

    contest_id: str
    option_id: str
    kind: str
    pen: Pen = BALLPOINT
    expected: MarkClass = MarkClass.MARK
    clear: bool = True
    area_share: float | None = None


@dataclass(frozen=True, slots=True)
class PlannedSheet:
    """One sheet. `turn_deg` is how its scan is turned clockwise; `fault` why it must be
    refused; `repeats` the number of the sheet whose marks it bears again, pixel for pixel
    as inked, so that two scans of one sheet can be compared (VVSG 2.0, 1.1.6-K)."""

    number: int
    part: Part
    style_id: str
    marks: tuple[DeckMark, ...] = ()
    turn_deg: int = 0
    fault: Fault | None = None
    repeats: int | None = None

    @property
    def drawn_as(self) -> int:
        """The number whose chance draws this sheet's ink."""
        return self.number if self.repeats is None else self.repeats


@dataclass(frozen=True, slots=True)
class DeckPlan:
    """All sheets in feeding order, numbered from 1, and the seed they come from."""

    seed: int
    sheets: tuple[PlannedSheet, ...]
