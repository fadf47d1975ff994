"""Import a VotingWorks election definition with New Hampshire timing-mark ballots.

The file gives contests, ballot styles and, in `gridLayouts`, the column and row of every
target on the grid of timing marks. The paper's facts: timing marks are 3/16 × 1/16 inch,
four to the inch across; a page has 4 × width columns and 4 × height - 3 rows; the bottom
row's marks are bits (`decode_front`, `decode_back`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from election.definition import MAX_DEFINITION_BYTES, parse_json
from election.errors import DefinitionError
from election.importers.vxsuite_checks import (
    card_numbers,
    check_ids,
    check_positions,
    grid_layouts,
)
from election.importers.vxsuite_form import (
    MM_PER_INCH,
    BallotStyle,
    Contest,
    Definition,
    GridLayout,
    Position,
    columns_of,
    paper_of,
    rows_of,
)
from election.layout import BallotLayout, Box, Grid, PageLayout, Side, Target, TimingMark
from election.model import WRITE_IN_PREFIX, Election, paper_mm

MARK_WIDTH_MM = 3 / 16 * MM_PER_INCH
MARK_HEIGHT_MM = 1 / 16 * MM_PER_INCH
PITCH_MM = MM_PER_INCH / 4
#: Outer size of the printed oval, measured on the published blank print.
OVAL_MM = (4.95, 3.18)
#: The bits of the bottom row, without its two corner marks.
METADATA_BITS = 32
#: The last eleven bits of a back's bottom row are fixed.
BACK_ENDER = (0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0)
#: Id of a precinct or district where a file names none at all.
NO_NAME = "unnamed"


@dataclass(frozen=True, slots=True)
class FrontCode:
    """The front's bottom row: batch or precinct number, card number and sequence."""

    batch_or_precinct: int
    card_number: int
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class BackCode:
    """The back's bottom row: the election's day, month, year (two digits) and type letter."""

    day: int
    month: int
    year: int
    type_letter: str


@dataclass(frozen=True, slots=True)
class VxElection:
    """An imported election: definition, layouts and what the codes are checked against."""

    election: Election
    layouts: tuple[BallotLayout, ...]
    card_numbers: dict[int, str]
    date: tuple[int, int, int]


def decode_front(bits: Sequence[int]) -> FrontCode | None:
    """Decode 32 bottom-row bits, left to right, as a front; None where the check fails.

    The last printed bit is bit 0: bits 0-1 the count of ones above them modulo 4, 2-14
    batch or precinct, 15-27 card number, 28-30 sequence (0 on every ballot known), 31 the
    start bit (1).
    """
    b = list(bits)[::-1]
    if len(b) != METADATA_BITS or b[31] != 1 or sum(b[2:]) % 4 != b[0] + 2 * b[1]:
        return None
    return FrontCode(_number(b[2:15]), _number(b[15:28]), _number(b[28:31]))


def decode_back(bits: Sequence[int]) -> BackCode | None:
    """Decode 32 bottom-row bits, left to right, as a back; None where it is not one."""
    b = list(bits)[::-1]
    if len(b) != METADATA_BITS or tuple(b[21:32]) != BACK_ENDER:
        return None
    day, month, year, letter = (_number(b[i:j]) for i, j in ((0, 5), (5, 9), (9, 16), (16, 21)))
    if not (day >= 1 and 1 <= month <= 12 and year <= 99 and letter <= 25):
        return None
    return BackCode(day, month, year, chr(ord("A") + letter))


def _number(low_first: Sequence[int]) -> int:
    return sum(int(bit) << k for k, bit in enumerate(low_first))


def looks_like_vxsuite(data: Any) -> bool:
    """Whether parsed JSON has the members of a VotingWorks definition with grid layouts."""
    return isinstance(data, dict) and "gridLayouts" in data and "ballotStyles" in data


def import_vxsuite(path: str | Path) -> VxElection:
    """Read a VotingWorks `election.json`.

    Raises:
        DefinitionError: not such a file, a field missing or of the wrong kind (named), or
            a kind of ballot that is not read (no grid layouts, other code on the paper).
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_DEFINITION_BYTES + 1)
    except OSError as error:
        raise DefinitionError(f"cannot be read: {error.strerror}", where=str(path)) from error
    return convert_vxsuite(parse_json(content, str(path)), path.name)


def convert_vxsuite(data: Any, where: str = "VotingWorks definition") -> VxElection:
    """The same from parsed JSON; `where` names its origin in errors.

    Raises:
        DefinitionError: see `import_vxsuite`.
    """
    if not looks_like_vxsuite(data):
        raise DefinitionError(
            "has no gridLayouts and ballotStyles",
            where=where,
            advice="Only VotingWorks definitions with grid layouts can be imported",
        )
    try:
        form = Definition.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DefinitionError(
            first["msg"].removeprefix("Value error, "), where=f"{where}: {field}"
        ) from error
    encoding = form.paper.metadataEncoding
    if encoding != "timing-marks":
        raise DefinitionError(
            f"the ballots carry their code as {encoding[:60]!r}",
            where=f"{where}: ballotLayout.metadataEncoding",
            advice="Only timing-mark codes are read",
        )
    return _convert(form, where)


def _convert(form: Definition, where: str) -> VxElection:
    day = _date(form, where)
    paper = paper_of(form, where)
    check_ids(form, where)
    grids = grid_layouts(form, where)
    check_positions(form, nh_grid(paper), where)
    styles = [s for s in form.ballotStyles if s.id in grids]
    cards = card_numbers(form, styles, where)
    try:
        election = Election.model_validate(_election(form, styles, grids, paper))
        _ = election.hash  # must exist: it identifies the election
    except (ValidationError, ValueError) as error:
        # Nothing of a file that passed so far is known to come here.
        raise DefinitionError(f"cannot be brought into our form: {error}", where=where) from error
    layouts = tuple(
        _layout(election, index, s.id, grids[s.id], paper) for index, s in enumerate(styles)
    )
    return VxElection(election, layouts, cards, (day.day, day.month, day.year % 100))


def _date(form: Definition, where: str) -> date:
    """The day, which the backs carry in their code."""
    try:
        return date.fromisoformat(form.date[:10])
    except ValueError as error:
        raise DefinitionError(
            f"{form.date[:10]!r} is no day of the calendar", where=f"{where}: date"
        ) from error


def _text(words: str, otherwise: str) -> dict[str, str]:
    """A name to show; what cannot be seen on paper is replaced by the id."""
    kept = "".join(c for c in words if c.isprintable()).strip()[:500]
    seen = any(unicodedata.category(c)[0] in "LNPS" for c in kept)
    return {"en": kept if seen else otherwise[:500]}


def _election(
    form: Definition, styles: Sequence[BallotStyle], grids: dict[str, GridLayout], paper: str
) -> dict[str, Any]:
    """Our definition's members; what a file leaves out is filled in from what uses it."""
    lines: dict[str, int] = {}
    contests_of: dict[str, list[str]] = {}
    for style in styles:
        positions = grids[style.id].gridPositions
        contests_of[style.id] = list(dict.fromkeys(p.contestId for p in positions))
        for p in positions:
            if p.write_in is not None:
                lines[p.contestId] = max(lines.get(p.contestId, 0), p.write_in + 1)
    printed = {contest for named in contests_of.values() for contest in named}
    contests = [c for c in form.contests if c.id in printed]
    precincts = {p.id: p.name for p in form.precincts} or {
        p: "" for s in styles for p in s.precincts
    }
    precincts = precincts or {NO_NAME: ""}
    districts = {d.id: d.name for d in form.districts}
    for c in contests:
        districts.setdefault(c.districtId or NO_NAME, "")
    place = form.county or form.jurisdiction
    day = form.date[:10]
    return {
        "id": f"vxsuite-{place.id[:200]}-{day}" if place else f"vxsuite-{day}",
        "title": _text(form.title, f"Election of {day}"),
        "date": day,
        "profile": "us-general",
        "languages": ["en"],
        "districts": [{"id": i, "name": _text(name, i)} for i, name in districts.items()],
        "precincts": [
            {"id": i, "name": _text(name, i), "districts": []} for i, name in precincts.items()
        ],
        "contests": [_contest(c, lines.get(c.id, 0)) for c in contests],
        "ballot_styles": [
            {
                "id": s.id,
                "contests": contests_of[s.id],
                "precincts": list(s.precincts or precincts),
                "paper": paper,
            }
            for s in styles
        ],
    }


def _contest(contest: Contest, write_ins: int) -> dict[str, Any]:
    votes = contest.seats if contest.type == "candidate" else 1
    options = [{"id": i, "name": _text(name, i)} for i, name in contest.printed()]
    return {
        "id": contest.id,
        "title": _text(contest.title, contest.id),
        "district": contest.districtId or NO_NAME,
        "kind": "candidate" if contest.type == "candidate" else "measure",
        "votes_allowed": votes,
        "seats": votes,
        "write_ins": write_ins,
        "options": options,
    }


def nh_grid(paper: str) -> Grid:
    """The grid of a paper: marks four to the inch, the outermost centred 1/8 inch + half a
    mark in; only distances matter to reading, so the margins are nominal."""
    width, height = paper_mm(paper)
    columns, rows = columns_of(width / MM_PER_INCH), rows_of(height / MM_PER_INCH)
    return Grid(
        columns=columns,
        rows=rows,
        x0_mm=(width - (columns - 1) * PITCH_MM) / 2,
        y0_mm=(height - (rows - 1) * PITCH_MM) / 2,
        dx_mm=PITCH_MM,
        dy_mm=PITCH_MM,
    )


def nh_timing_marks(grid: Grid) -> tuple[TimingMark, ...]:
    """Every mark of the form; the bottom row's inner ones are bits (`always` False)."""
    size = (MARK_WIDTH_MM, MARK_HEIGHT_MM)
    last_row, last_column = grid.rows - 1, grid.columns - 1
    return (
        *(TimingMark("left", r, *grid.point(0, r), *size) for r in range(grid.rows)),
        *(TimingMark("right", r, *grid.point(last_column, r), *size) for r in range(grid.rows)),
        *(TimingMark("top", c, *grid.point(c, 0), *size) for c in range(grid.columns)),
        *(
            TimingMark("bottom", c, *grid.point(c, last_row), *size, always=False)
            for c in range(1, last_column)
        ),
    )


def _layout(
    election: Election, index: int, style_id: str, raw: GridLayout, paper: str
) -> BallotLayout:
    width, height = paper_mm(paper)
    grid = nh_grid(paper)
    marks = nh_timing_marks(grid)
    sides: tuple[Side, ...] = ("front", "back")
    pages = []
    for number, side in enumerate(sides, start=1):
        targets = tuple(_target(p, grid) for p in raw.gridPositions if p.side == side)
        if targets:
            pages.append(PageLayout(style_id, number, side, width, height, grid, marks, targets))
    return BallotLayout(election.id, election.hash, style_id, index, paper, ("en",), tuple(pages))


def _target(p: Position, grid: Grid) -> Target:
    x, y = grid.point(p.column, p.row)
    option = p.optionId if p.write_in is None else f"{WRITE_IN_PREFIX}{p.write_in}"
    if option is None:  # `check_positions` lets none through
        raise DefinitionError("a position without an option")
    area = None
    if p.writeInArea is not None:
        a = p.writeInArea
        left, top = grid.point(a.x, a.y)
        area = Box(left, top, a.width * grid.dx_mm, a.height * grid.dy_mm)
    return Target(p.contestId, option, p.column, p.row, x, y, "oval", OVAL_MM[0], OVAL_MM[1], area)
