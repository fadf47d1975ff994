"""A mark-sense reader as data: what a profile file may say.

A sheet passes the heads once. Each timing mark on it gives one *column*; across it the
heads give one *line* each (the words of the trade; both are counted from 1). What a cell's
level means is for `[levels]`, what the cell itself is for `[map]`.

Rules that a profile must keep, beside the form of its fields:

1. Every level and word is protected: by a check sum in the line, or by asking the reader for
   the same at least twice and comparing (`[line] check`, `repeat`). Without, a hurt byte would
   be another vote, or a sheet that was read a jam.
2. A sheet fed the wrong way round is seen: code lines on the paper (`[map]` by grid) or
   guards (by cells).
3. What the reader can say instead of a sheet is listed; anything else is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

FORMAT = "ballotbench-mark-sense/1"
#: The largest sheet that a profile may describe.
MAX_COLUMNS, MAX_LINES = 200, 100
#: Hexadecimal digits behind a line's text, by check.
CHECK_DIGITS = {"none": 0, "xor8": 2, "sum8": 2, "crc16": 4}


def _ascii(text: str) -> str:
    if not text.isascii():
        raise ValueError("has letters that are not ASCII")
    return text


Text = Annotated[str, Field(max_length=100), AfterValidator(_ascii)]
Word = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_ascii)]
Id = Annotated[str, Field(min_length=1, max_length=200)]


class Meaning(StrEnum):
    """What a reader's reply means for the paper."""

    #: Done, or ready.
    OK = "ok"
    #: There is no sheet to draw in.
    EMPTY = "hopper_empty"
    #: No sheet has been read since it was switched on.
    NOTHING = "nothing_read"
    #: A sheet went through and could not be read.
    UNREADABLE = "unreadable"
    JAM = "jam"
    DOUBLE = "double_feed"
    #: The sheet could not be drawn in.
    FEED = "feed_error"
    COVER = "cover_open"
    FULL = "stacker_full"
    #: It did not understand: nothing was done.
    NOT_UNDERSTOOD = "not_understood"
    FAULT = "fault"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SerialSettings(_Table):
    """How the line is set; a port's own `?baud=…` goes before `baudrate`."""

    baudrate: int = Field(ge=50, le=4_000_000)
    bytesize: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stopbits: Literal[1, 2] = 1
    flow: Literal["none", "rts_cts", "xon_xoff"] = "none"


class SheetSize(_Table):
    """How many columns (timing marks) a sheet has, and how many lines the heads read."""

    columns: int = Field(ge=1, le=MAX_COLUMNS)
    lines: int = Field(ge=1, le=MAX_LINES)


class Levels(_Table):
    """How dark a cell is: 0 nothing, to `most`. Below `marginal` no mark; from `definite` a
    mark; between them a person decides."""

    most: int = Field(ge=1, le=255)
    marginal: int = Field(ge=1, le=255)
    definite: int = Field(ge=1, le=255)

    @model_validator(mode="after")
    def _in_order(self) -> Levels:
        if not self.marginal <= self.definite <= self.most:
            raise ValueError("marginal <= definite <= most does not hold")
        return self


class LineForm(_Table):
    """What is round each line: `start`, text, check sum in hexadecimal, `end`.

    `check` is over the text: xor8 and sum8 of its bytes, crc16 by CCITT (0x1021, from 0xFFFF).
    `repeat`: a sheet is asked for so often and must come the same.
    """

    start: Text = ""
    end: Word = "\r\n"
    check: Literal["none", "xor8", "sum8", "crc16"] = "none"
    repeat: int = Field(1, ge=1, le=5)


class MarkPairs(_Table):
    """Only what is marked is sent: a column is pairs of a line's code and a level's code.

    `codes`: the n-th character stands for line n. `levels`: the n-th for level n; empty where
    the reader sends none (a mark is then of the highest level). `empty`: a column without a
    mark. Every column ends with `column_end`.
    """

    form: Literal["pairs"]
    codes: Word
    levels: Text = ""
    empty: Text = ""
    column_end: Word


class Cells(_Table):
    """Every cell is sent as one character, column by column, line 1 first.

    `levels`: the first character stands for level 0. Every column ends with `column_end`.
    """

    form: Literal["cells"]
    levels: Word
    column_end: Text = ""


class SheetLine(_Table):
    """The line of one sheet: `prefix`, a number of so many digits that the reader counts up
    with each sheet, then its columns."""

    prefix: Text = ""
    number_digits: int = Field(0, ge=0, le=9)
    columns: Annotated[MarkPairs | Cells, Field(discriminator="form")]


class Commands(_Table):
    """What is sent. What is not given the reader cannot do.

    `open`: sent once a link is made, not answered. `status`: how the last feed ended.
    `feed` draws in one sheet; it is answered as `feed_reply` says. `sheet`: the last
    sheet's line, as often as it is asked for. `accept`, `return`: where the sheet goes (a
    select stacker); both are answered with a word that means "ok".
    """

    open: tuple[Word, ...] = Field((), max_length=20)
    status: Word | None = None
    feed: Word
    feed_reply: Literal["status", "sheet"]
    sheet: Word | None = None
    accept: Word | None = None
    return_: Word | None = Field(None, alias="return")
    reply_s: float = Field(1.5, gt=0, le=60, description="Silence after a command, seconds.")
    feed_s: float = Field(10.0, gt=0, le=600, description="Silence after feed, seconds.")


class Reply(_Table):
    """A word of the reader in place of a sheet; `words` explain it to people."""

    text: Word
    means: Meaning
    words: str = Field("", max_length=200)


#: The n-th line's place across the paper: a column of the ballot's grid (from 0), the inner
#: ends of the timing marks of an edge, which carry the page's code, or "-": not on the paper.
LinePlace = Annotated[int, Field(ge=0, le=1000)] | Literal["left", "right", "-"]


class GridMap(_Table):
    """The reader's cells on a ballot of `ballotbench ballots`: its first column is grid row
    `first_row`, each further one the next; `lines` say where the heads stand. `left` and
    `right` tell election, style and which way round the sheet came: both are needed.
    """

    by: Literal["grid"]
    lines: tuple[LinePlace, ...] = Field(min_length=1, max_length=MAX_LINES)
    first_row: int = Field(0, ge=0, le=1000)


class Cell(_Table):
    """One cell, counted from 1, and the option that is marked there."""

    column: int = Field(ge=1, le=MAX_COLUMNS)
    line: int = Field(ge=1, le=MAX_LINES)
    contest: Id
    option: Id


class Guard(_Table):
    """A cell that is printed dark, or left white, on every sheet of this form."""

    column: int = Field(ge=1, le=MAX_COLUMNS)
    line: int = Field(ge=1, le=MAX_LINES)
    dark: bool


class CellMap(_Table):
    """The cells of a form of one's own, for one ballot style."""

    by: Literal["cells"]
    style: Id
    cell: tuple[Cell, ...] = Field(min_length=1, max_length=MAX_COLUMNS * MAX_LINES)
    guard: tuple[Guard, ...] = Field(min_length=1, max_length=1000)


class MarkSenseProfile(_Table):
    """A whole file.

    `restart`: how it is told that the reader lost its memory while the link was broken:
    "number": its count of sheets begins anew; "framing": it forgets what `open` told it, so
    that its lines are no longer in `start` and `end`; "never": it cannot be told.
    """

    format: Literal["ballotbench-mark-sense/1"]
    id: Id
    title: str = Field("", max_length=200)
    restart: Literal["number", "framing", "never"] = "never"
    serial: SerialSettings
    sheet: SheetSize
    levels: Levels
    line: LineForm
    data: SheetLine
    commands: Commands
    reply: tuple[Reply, ...] = Field((), max_length=200)
    map: Annotated[GridMap | CellMap, Field(discriminator="by")]

    @model_validator(mode="after")
    def _check(self) -> MarkSenseProfile:
        faults = [
            *_line_faults(self),
            *_column_faults(self),
            *_command_faults(self),
            *_map_faults(self.map, self.sheet),
        ]
        if faults:
            raise ValueError(faults[0])
        return self


def _line_faults(profile: MarkSenseProfile) -> Sequence[str]:
    line = profile.line
    faults = []
    if line.check == "none" and line.repeat < 2:
        faults.append(
            "line: nothing protects the levels: give check, or repeat = 2 where the reader can "
            "send a sheet again"
        )
    if line.check == "none" and profile.commands.status is None:
        faults.append(
            "line: check: without one the reader's words are asked for twice: give status"
        )
    if line.repeat > 1 and profile.commands.sheet is None:
        faults.append("line: repeat needs commands.sheet, which asks for a sheet again")
    ends = line.start + line.end
    texts = {f"reply {n}: text": r.text for n, r in enumerate(profile.reply, 1)}
    texts |= {"data: prefix": profile.data.prefix}
    for where, text in texts.items():
        if any(c in text for c in ends):
            faults.append(f"{where} holds a character of line.start or line.end")
    return faults


def _column_faults(profile: MarkSenseProfile) -> Sequence[str]:
    columns, most, line = profile.data.columns, profile.levels.most, profile.line
    alphabet = columns.levels
    faults = []
    if isinstance(columns, MarkPairs):
        if len(columns.codes) != profile.sheet.lines:
            faults.append(
                f"data: columns: codes has {len(columns.codes)} characters, one a line are "
                f"{profile.sheet.lines}"
            )
        if columns.levels and len(columns.levels) != most:
            faults.append(f"data: columns: levels has {len(columns.levels)} characters, not {most}")
        _twice(columns.codes, "codes", faults)
        alphabet += columns.codes + columns.empty
    elif len(columns.levels) != most + 1:
        faults.append(f"data: columns: levels has {len(columns.levels)} characters, not {most + 1}")
    _twice(columns.levels, "levels", faults)
    if any(c in alphabet for c in columns.column_end):
        faults.append("data: columns: column_end holds a character of a level or code")
    if any(c in alphabet + columns.column_end for c in line.start + line.end):
        faults.append("data: columns: a character of line.start or line.end is in its alphabet")
    return faults


def _twice(text: str, name: str, faults: list[str]) -> None:
    if len(set(text)) < len(text):
        faults.append(f"data: columns: {name} has a character twice")


def _command_faults(profile: MarkSenseProfile) -> Sequence[str]:
    commands, meanings = profile.commands, [r.means for r in profile.reply]
    texts = [r.text for r in profile.reply]
    faults = []
    if commands.feed_reply == "status" and commands.sheet is None:
        faults.append('commands: feed_reply = "status" needs sheet, which asks for the marks')
    answers = [commands.status, commands.accept, commands.return_]
    if (any(answers) or commands.feed_reply == "status") and Meaning.OK not in meanings:
        faults.append('reply: none means "ok"')
    if Meaning.EMPTY not in meanings:
        faults.append('reply: none means "hopper_empty": a stack would never end')
    if len(set(texts)) < len(texts):
        faults.append("reply: a text is there twice")
    if profile.restart == "number" and not profile.data.number_digits:
        faults.append('restart: "number" needs data.number_digits')
    if profile.restart == "framing" and not (
        commands.open and commands.status and profile.line.start
    ):
        faults.append('restart: "framing" needs commands.open, commands.status and line.start')
    return faults


def _map_faults(given: GridMap | CellMap, sheet: SheetSize) -> Sequence[str]:
    faults = []
    if isinstance(given, GridMap):
        places = [place for place in given.lines if place != "-"]
        if len(given.lines) != sheet.lines:
            faults.append(f"map: lines has {len(given.lines)} places for {sheet.lines} lines")
        if len(set(places)) < len(places):
            faults.append("map: lines has a place twice")
        if not {"left", "right"} <= set(places):
            faults.append('map: lines needs "left" and "right", which tell how the sheet came')
        return faults
    used: dict[tuple[int, int], str] = {}
    named: list[tuple[str, Cell | Guard]] = [(f"cell {n}", c) for n, c in enumerate(given.cell, 1)]
    named += [(f"guard {n}", g) for n, g in enumerate(given.guard, 1)]
    for name, one in named:
        place = one.column, one.line
        if one.column > sheet.columns or one.line > sheet.lines:
            faults.append(f"map: {name} is beyond the sheet's columns or lines")
        if place in used:
            faults.append(f"map: {name} is the same place as {used[place]}")
        used[place] = name
    return faults


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a profile (as TOML's data)."""
    return MarkSenseProfile.model_json_schema(by_alias=True)
