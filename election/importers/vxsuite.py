"""Import a VotingWorks election definition with New Hampshire timing-mark ballots.

The file gives contests, ballot styles and, in `gridLayouts`, the column and row of every
target on the grid of timing marks. The paper's facts: timing marks are 3/16 × 1/16 inch,
four to the inch across; a page has 4 × width columns and 4 × height - 3 rows; the bottom
row's marks are bits (`decode_front`, `decode_back`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from election.errors import DefinitionError
from election.layout import BallotLayout, Box, Grid, PageLayout, Side, Target, TimingMark
from election.model import PAPER_MM, WRITE_IN_PREFIX, Election

MM_PER_INCH = 25.4
MARK_WIDTH_MM = 3 / 16 * MM_PER_INCH
MARK_HEIGHT_MM = 1 / 16 * MM_PER_INCH
PITCH_MM = MM_PER_INCH / 4
#: Outer size of the printed oval, measured on the published blank print.
OVAL_MM = (4.95, 3.18)
#: The bits of the bottom row, without its two corner marks.
METADATA_BITS = 32
#: The last eleven bits of a back's bottom row are fixed.
BACK_ENDER = (0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0)

_PAPER = {"letter": "Letter", "legal": "Legal"}


@dataclass(frozen=True, slots=True)
class FrontCode:
    """The front's bottom row: batch or precinct number and card number."""

    batch_or_precinct: int
    card_number: int


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
    batch or precinct, 15-27 card number, 28-30 sequence (0), 31 the start bit (1).
    """
    b = list(bits)[::-1]
    if len(b) != METADATA_BITS or b[31] != 1 or sum(b[2:]) % 4 != b[0] + 2 * b[1]:
        return None
    if _number(b[28:31]) != 0:
        return None
    return FrontCode(_number(b[2:15]), _number(b[15:28]))


def decode_back(bits: Sequence[int]) -> BackCode | None:
    """Decode 32 bottom-row bits, left to right, as a back; None where it is not one."""
    b = list(bits)[::-1]
    if len(b) != METADATA_BITS or tuple(b[21:32]) != BACK_ENDER:
        return None
    letter = _number(b[16:21])
    if letter > 25:
        return None
    return BackCode(_number(b[0:5]), _number(b[5:9]), _number(b[9:16]), chr(ord("A") + letter))


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
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DefinitionError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"is not JSON: {error}", where=str(path)) from error
    if not looks_like_vxsuite(data):
        raise DefinitionError(
            "has no gridLayouts and ballotStyles",
            where=path.name,
            advice="Only VotingWorks definitions with grid layouts can be imported",
        )
    encoding = (data.get("ballotLayout") or {}).get("metadataEncoding", "timing-marks")
    if encoding != "timing-marks":
        raise DefinitionError(
            f"the ballots carry their code as {encoding!r}",
            where=f"{path.name}: ballotLayout.metadataEncoding",
            advice="Only timing-mark codes are read",
        )
    try:
        return _convert(data, path.name)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DefinitionError(first["msg"], where=f"{path.name}: {field}") from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise DefinitionError(
            f"a member is missing or of the wrong kind ({type(error).__name__}: {error})",
            where=path.name,
        ) from error


def _text(value: Any) -> dict[str, str]:
    return {"en": str(value).strip()[:500] or "-"}


def _contest(raw: dict[str, Any], write_ins: int) -> dict[str, Any]:
    if raw["type"] == "yesno":
        options = [
            {"id": raw[key]["id"], "name": _text(raw[key]["label"])}
            for key in ("yesOption", "noOption")
        ]
        kind, votes = "measure", 1
    else:
        options = [{"id": c["id"], "name": _text(c["name"])} for c in raw["candidates"]]
        kind, votes = "candidate", int(raw["seats"])
    return {
        "id": raw["id"],
        "title": _text(raw["title"]),
        "district": raw["districtId"],
        "kind": kind,
        "votes_allowed": votes,
        "seats": votes,
        "write_ins": write_ins,
        "options": options,
    }


def _convert(data: dict[str, Any], where: str) -> VxElection:
    positions = [p for layout in data["gridLayouts"] for p in layout["gridPositions"]]
    lines: dict[str, int] = {}
    for p in positions:
        if p["type"] == "write-in":
            lines[p["contestId"]] = max(lines.get(p["contestId"], 0), p["writeInIndex"] + 1)
    paper = _PAPER.get(str((data.get("ballotLayout") or {}).get("paperSize", "letter")).lower())
    if paper is None:
        raise DefinitionError(
            f"paper size {data['ballotLayout']['paperSize']!r} is not known",
            where=f"{where}: ballotLayout.paperSize",
            advice="Letter and legal are read",
        )
    raw_contests = {c["id"]: c for c in data["contests"]}
    by_style: dict[str, list[str]] = {}
    for layout in data["gridLayouts"]:
        named = dict.fromkeys(p["contestId"] for p in layout["gridPositions"])
        for contest in named:
            if contest not in raw_contests:
                raise DefinitionError(
                    f"grid layout names the contest {contest!r}, which is not defined",
                    where=f"{where}: gridLayouts.{layout['ballotStyleId']}",
                )
        by_style[layout["ballotStyleId"]] = list(named)
    year, month, day = (int(part) for part in data["date"][:10].split("-"))
    styles = [s for s in data["ballotStyles"] if s["id"] in by_style]
    election = Election.model_validate(
        {
            "id": f"vxsuite-{data['county']['id']}-{data['date'][:10]}",
            "title": _text(data["title"]),
            "date": data["date"][:10],
            "profile": "us-general",
            "languages": ["en"],
            "districts": [{"id": d["id"], "name": _text(d["name"])} for d in data["districts"]],
            "precincts": [
                {"id": p["id"], "name": _text(p["name"]), "districts": []}
                for p in data["precincts"]
            ],
            "contests": [_contest(c, lines.get(c["id"], 0)) for c in data["contests"]],
            "ballot_styles": [
                {
                    "id": s["id"],
                    "contests": by_style[s["id"]],
                    "precincts": s["precincts"],
                    "paper": paper,
                }
                for s in styles
            ],
        }
    )
    grids = {layout["ballotStyleId"]: layout for layout in data["gridLayouts"]}
    layouts = tuple(
        _layout(election, index, s["id"], grids[s["id"]], paper) for index, s in enumerate(styles)
    )
    cards = {
        int(s["id"].rsplit("-", 1)[1]): s["id"]
        for s in styles
        if s["id"].startswith("card-number-") and s["id"].rsplit("-", 1)[1].isdigit()
    }
    return VxElection(election, layouts, cards, (day, month, year % 100))


def nh_grid(paper: str) -> Grid:
    """The grid of a paper: marks four to the inch, the outermost centred 1/8 inch + half a
    mark in; only distances matter to reading, so the margins are nominal."""
    width, height = PAPER_MM[paper]
    columns = round(width / PITCH_MM)
    rows = round(height / MM_PER_INCH) * 4 - 3
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
    election: Election, index: int, style_id: str, raw: dict[str, Any], paper: str
) -> BallotLayout:
    width, height = PAPER_MM[paper]
    grid = nh_grid(paper)
    marks = nh_timing_marks(grid)
    sides: tuple[Side, ...] = ("front", "back")
    pages = []
    for number, side in enumerate(sides, start=1):
        targets = tuple(_target(p, grid) for p in raw["gridPositions"] if p["side"] == side)
        if targets:
            pages.append(PageLayout(style_id, number, side, width, height, grid, marks, targets))
    return BallotLayout(election.id, election.hash, style_id, index, paper, ("en",), tuple(pages))


def _target(raw: dict[str, Any], grid: Grid) -> Target:
    column, row = float(raw["column"]), float(raw["row"])
    if not (0 <= column < grid.columns and 0 <= row < grid.rows):
        raise ValueError(f"grid position {column:g}, {row:g} is outside the page's grid")
    x, y = grid.point(column, row)
    if raw["type"] == "write-in":
        option = f"{WRITE_IN_PREFIX}{raw['writeInIndex']}"
    else:
        option = raw["optionId"]
    area = None
    if "writeInArea" in raw:
        a = raw["writeInArea"]
        left, top = grid.point(a["x"], a["y"])
        area = Box(left, top, a["width"] * grid.dx_mm, a["height"] * grid.dy_mm)
    return Target(raw["contestId"], option, column, row, x, y, "oval", OVAL_MM[0], OVAL_MM[1], area)
