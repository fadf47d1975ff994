# ruff: noqa: N815 - members keep the names that the file gives them
"""The members of a VotingWorks definition that are used, in older and newer spellings.

What cannot change a vote may be missing (county, districts, parties, precincts, names);
what says which oval is whose is checked: types are exact, nothing stands twice, every
position is a listed option or a write-in line. Members not named here are ignored.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from election.errors import DefinitionError
from election.model import WRITE_IN_PREFIX, Identifier

MM_PER_INCH = 25.4
#: Option ids of write-in lines: some files list them as options.
WRITE_IN_LINE = WRITE_IN_PREFIX + "([0-9]|[1-4][0-9])"
#: Ids of the two answers where an older file does not list them.
OLD_ANSWERS = ("yes", "no")
#: Heights of paper that the form is printed on, inches; the shortest that fits is taken.
HEIGHTS_IN = (11.0, 14.0, 17.0, 18.0, 19.0, 20.0, 21.0, 22.0)
#: The bottom row's 32 bits need exactly this width between its two corner marks.
WIDTH_IN = 8.5

Id = Annotated[Identifier, Field(strict=True)]
Place = Annotated[StrictFloat, Field(ge=0, le=500, allow_inf_nan=False)]
Size = Annotated[StrictFloat, Field(gt=0, le=500, allow_inf_nan=False)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Named(_Form):
    """A district, precinct or county: an id and, mostly, a name."""

    id: Id
    name: StrictStr = ""


class Candidate(_Form):
    """A printed candidate; `isWriteIn` ones are lines of later tallies, not print."""

    id: Id
    name: StrictStr = ""
    isWriteIn: StrictBool = False


class Answer(_Form):
    """One answer of a yes/no contest."""

    id: Id
    label: StrictStr = ""


class Contest(_Form):
    """A contest; `candidates` and `seats`, or two answers."""

    id: Id
    type: Literal["candidate", "yesno"]
    title: StrictStr = ""
    districtId: Id | None = None
    seats: Annotated[StrictInt, Field(ge=1, le=50)] | None = None
    candidates: tuple[Candidate, ...] = ()
    yesOption: Answer | None = None
    noOption: Answer | None = None
    options: tuple[Answer, ...] = ()
    yesOptionId: Id | None = None
    noOptionId: Id | None = None
    additionalOptions: tuple[Answer, ...] = ()

    def printed(self) -> tuple[tuple[str, str], ...]:
        """(id, name) of every printed option, in order."""
        if self.type == "candidate":
            return tuple(
                (c.id, c.name)
                for c in self.candidates
                if not c.isWriteIn and not re.fullmatch(WRITE_IN_LINE, c.id)
            )
        if self.options:
            return tuple((o.id, o.label) for o in self.options)
        two = tuple(
            (answer.id, answer.label) if answer else (named or old, old.capitalize())
            for answer, named, old in (
                (self.yesOption, self.yesOptionId, OLD_ANSWERS[0]),
                (self.noOption, self.noOptionId, OLD_ANSWERS[1]),
            )
        )
        return two + tuple((o.id, o.label) for o in self.additionalOptions)


class BallotStyle(_Form):
    """A ballot style; its card number is in its id (`card-number-3`)."""

    id: Id
    precincts: tuple[Id, ...] = ()


class Area(_Form):
    """A write-in area in columns and rows of the grid."""

    x: Place
    y: Place
    width: Size
    height: Size


class Position(_Form):
    """The place of one oval: column and row of the grid, whole or not."""

    type: Literal["option", "write-in"]
    side: Literal["front", "back"]
    column: Place
    row: Place
    contestId: Id
    sheetNumber: StrictInt = 1
    optionId: Id | None = None
    writeInIndex: Annotated[StrictInt, Field(ge=0, le=49)] | None = None
    writeInArea: Area | None = None

    @property
    def write_in(self) -> int | None:
        """The write-in line's index; None for a printed option."""
        if self.type == "write-in" and self.writeInIndex is not None:
            return self.writeInIndex
        line = re.fullmatch(WRITE_IN_LINE, self.optionId or "")
        return int(line[1]) if line else None


class GridLayout(_Form):
    """Where the ovals of one ballot style are; older files say the grid's size as well."""

    ballotStyleId: Id
    gridPositions: tuple[Position, ...] = Field(min_length=1)
    columns: StrictInt | None = None
    rows: StrictInt | None = None


class PaperLayout(_Form):
    """Paper and code of the ballots."""

    paperSize: StrictStr | None = None
    metadataEncoding: StrictStr = "timing-marks"


class Definition(_Form):
    """A whole file."""

    title: StrictStr = ""
    date: Annotated[StrictStr, Field(pattern=r"^\d{4}-\d{2}-\d{2}")]
    county: Named | None = None
    jurisdiction: Named | None = None
    districts: tuple[Named, ...] = ()
    precincts: tuple[Named, ...] = ()
    contests: tuple[Contest, ...] = Field(min_length=1)
    ballotStyles: tuple[BallotStyle, ...] = Field(min_length=1)
    gridLayouts: tuple[GridLayout, ...] = Field(min_length=1)
    ballotLayout: PaperLayout | None = None

    @property
    def paper(self) -> PaperLayout:
        """What is said of the paper, if anything."""
        return self.ballotLayout or PaperLayout()


def columns_of(width_in: float) -> int:
    """Columns of a page's grid."""
    return round(width_in * 4)


def rows_of(height_in: float) -> int:
    """Rows of a page's grid."""
    return round(height_in * 4) - 3


def paper_of(form: Definition, where: str) -> str:
    """The paper's name in our words: "Letter", "Legal" or "custom-8.5x17".

    A file that does not say is of the shortest paper whose grid holds its rows; a wrong
    guess fits no timing marks, so it is refused when read and never misread.

    Raises:
        DefinitionError: names the field.
    """
    stated = form.paper.paperSize
    rows = {layout.rows for layout in form.gridLayouts} - {None}
    if stated is not None:
        width, height = _size_in(stated, where)
    elif rows:
        width, height = WIDTH_IN, (max(r for r in rows if r is not None) + 3) / 4
    else:
        lowest = max(p.row for layout in form.gridLayouts for p in layout.gridPositions)
        fitting = [h for h in HEIGHTS_IN if rows_of(h) > lowest + 1]
        if not fitting:
            raise DefinitionError(
                f"is missing, and no paper known is long enough for row {lowest:g}",
                where=f"{where}: ballotLayout.paperSize",
                advice='Add it, e.g. "custom-8.5x17"',
            )
        width, height = WIDTH_IN, fitting[0]
    if width != WIDTH_IN or not 8 <= height <= 30:
        raise DefinitionError(
            f"a page of {width:g} × {height:g} inch is not of this form",
            where=f"{where}: ballotLayout.paperSize",
            advice="Its code is 32 marks between the corners of a page 8.5 inch wide, "
            "8 to 30 inch long",
        )
    for k, layout in enumerate(form.gridLayouts):
        for name, given, own in (
            ("columns", layout.columns, columns_of(width)),
            ("rows", layout.rows, rows_of(height)),
        ):
            if given is not None and given != own:
                raise DefinitionError(
                    f"{given} {name}, but the paper of {width:g} × {height:g} inch has {own}",
                    where=f"{where}: gridLayouts.{k}.{name}",
                    advice="Correct it or ballotLayout.paperSize",
                )
    return {11.0: "Letter", 14.0: "Legal"}.get(height, f"custom-{width:g}x{height:g}")


def _size_in(stated: str, where: str) -> tuple[float, float]:
    """ "letter", "legal", "custom-8.5x17" or, in older files, "custom17"."""
    name = stated.strip().lower()
    known = {"letter": 11.0, "legal": 14.0}
    if name in known:
        return WIDTH_IN, known[name]
    number = r"([0-9]{1,2}(?:\.[0-9]{1,2})?)"
    if old := re.fullmatch(f"custom-?{number}", name, re.ASCII):
        return WIDTH_IN, float(old[1])
    if own := re.fullmatch(f"(?:custom-?)?{number}x{number}", name, re.ASCII):
        return float(own[1]), float(own[2])
    raise DefinitionError(
        f"paper size {stated[:60]!r} is not known",
        where=f"{where}: ballotLayout.paperSize",
        advice='Letter, legal and sizes like "custom-8.5x17" (inches) are read',
    )
