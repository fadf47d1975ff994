"""The paper hand count as people type it: a CSV file or a JSON file (NVT-07, NVT-08).

CSV: UTF-8, commas, header exactly `precinct,contest,option,votes`, one row an option.
JSON: {"format": "ballotbench-paper-count/1", "counts": [{"precinct", "contest", "option",
"votes"}, …]}. Besides the election's options a contest may have the rows "invalid"
(invalid ballots) and "ballots" (ballots counted). A precinct that was not counted by hand
has no rows at all; one that was has every printed option of every contest it votes in.
A file that breaks a rule is refused as a whole, naming line and column.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from election.model import WRITE_IN_PREFIX, Contest, Election
from tally.errors import PaperCountError

FORMAT = "ballotbench-paper-count/1"
COLUMNS = ("precinct", "contest", "option", "votes")
#: Rows that are not options: invalid ballots, and all ballots of the contest.
INVALID = "invalid"
BALLOTS = "ballots"
SPECIAL = (INVALID, BALLOTS)
#: No polling station counts a million ballots: larger figures are typing errors.
MAX_VOTES = 999_999
MAX_BYTES = 64 * 2**20

_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PaperCount:
    """Votes by (precinct, contest, option), "invalid" and "ballots" among the options."""

    name: str
    votes: dict[tuple[str, str, str], int]

    def precincts(self) -> tuple[str, ...]:
        """The precincts that were counted by hand, sorted."""
        return tuple(sorted({precinct for precinct, _, _ in self.votes}))

    def get(self, precinct: str, contest: str, option: str) -> int | None:
        """The figure of one row, None where the file has none."""
        return self.votes.get((precinct, contest, option))


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    columns: tuple[str, str, str, str]
    precinct: str
    contest: str
    option: str
    votes: int

    def fail(self, column: int, what: str) -> PaperCountError:
        return PaperCountError(f"{self.where}{self.columns[column]}: {what}")


def read_paper_count(data: bytes, name: str, election: Election) -> PaperCount:
    """Read a typed hand count, JSON or CSV by its first character.

    Args:
        data: the file's bytes.
        name: the file's name, for messages.
        election: whose precincts, contests and options the rows must name.

    Raises:
        PaperCountError: anything wrong, with file, line and column (JSON: entry and field).
    """
    if len(data) > MAX_BYTES:
        raise PaperCountError(f"{name}: is larger than {MAX_BYTES // 2**20} MiB: not a hand count")
    text = _decode(data, name)
    if not text.strip():
        raise PaperCountError(f"{name}: line 1, column 1: the file is empty")
    rows = _json_rows(text, name) if text.lstrip()[0] in "{[" else _csv_rows(text, name)
    votes: dict[tuple[str, str, str], int] = {}
    seen: dict[tuple[str, str, str], str] = {}
    for row in rows:
        _check_row(row, election)
        key = (row.precinct, row.contest, row.option)
        if key in votes:
            raise row.fail(2, f"{'/'.join(key)} is there twice, first at {seen[key]}")
        votes[key] = row.votes
        seen[key] = row.where.removeprefix(f"{name}: ").rstrip(", ")
    _check_complete(votes, election, name)
    return PaperCount(name, votes)


def _decode(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PaperCountError(f"{name}: line 1, column 1: is UTF-16 text. Save it as “CSV UTF-8”")
    if data.startswith(b"PK\x03\x04"):
        raise PaperCountError(
            f"{name}: line 1, column 1: is a spreadsheet or zip file. Save it as “CSV UTF-8”"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise PaperCountError(
            f"{name}: line {line}, column {column}: is not UTF-8 text. Save it as “CSV UTF-8”"
        ) from error
    if "\0" in text:
        before_nul = text[: text.index("\0")]
        line = before_nul.count("\n") + 1
        raise PaperCountError(
            f"{name}: line {line}, column {len(before_nul) - before_nul.rfind(chr(10))}: "
            "has a zero byte: not a text file"
        )
    return text


def _csv_rows(text: str, name: str) -> Iterator[_Row]:
    # strict=True: an unclosed quote must not swallow the rest of the file.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader)]
        for i, wanted in enumerate(COLUMNS):
            found = header[i] if i < len(header) else "nothing"
            if found != wanted:
                hint = " (separate columns by commas)" if ";" in found or "\t" in found else ""
                raise PaperCountError(
                    f"{name}: line 1, column {i + 1}: the header must be "
                    f"{','.join(COLUMNS)}; found {found[:60]!r} instead of {wanted!r}{hint}"
                )
        if len(header) > len(COLUMNS):
            raise PaperCountError(
                f"{name}: line 1, column 5: there is a column too many: {header[4][:60]!r}"
            )
        for cells in reader:
            line = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(COLUMNS):
                column = min(len(cells), len(COLUMNS)) + 1
                raise PaperCountError(
                    f"{name}: line {line}, column {column}: "
                    f"has {len(cells)} cells, must have {len(COLUMNS)}"
                )
            precinct, contest, option, votes = (cell.strip() for cell in cells)
            where = f"{name}: line {line}, "
            columns = tuple(f"column {i + 1} ({c})" for i, c in enumerate(COLUMNS))
            yield _Row(
                where,
                (columns[0], columns[1], columns[2], columns[3]),
                precinct,
                contest,
                option,
                _whole_number(votes, f"{where}{columns[3]}"),
            )
    except csv.Error as error:
        raise PaperCountError(
            f"{name}: line {reader.line_num}, column 1: is not CSV: {error}"
        ) from error


def _whole_number(text: str, where: str) -> int:
    if text.startswith("-") and _NUMBER.fullmatch(text[1:]):
        raise PaperCountError(f"{where}: {text[:40]} is negative; votes are 0 or more")
    if text.isascii() and text.isdigit() and len(text) > 12:
        raise PaperCountError(f"{where}: {text[:20]}… is too large; at most {MAX_VOTES}")
    if not _NUMBER.fullmatch(text):
        raise PaperCountError(f"{where}: {text[:40]!r} is not a whole number in digits")
    if int(text) > MAX_VOTES:
        raise PaperCountError(f"{where}: {text} is too large; at most {MAX_VOTES}")
    return int(text)


def _json_rows(text: str, name: str) -> Iterator[_Row]:
    try:
        value: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise PaperCountError(
            f"{name}: line {error.lineno}, column {error.colno}: is not JSON: {error.msg}"
        ) from error
    except (RecursionError, ValueError) as error:  # deep nesting, endless digits
        raise PaperCountError(f"{name}: line 1, column 1: is not a hand count in JSON") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise PaperCountError(f'{name}: line 1, column 1: "format" must be "{FORMAT}"')
    unknown = sorted(set(value) - {"format", "counts"})
    if unknown:
        raise PaperCountError(f"{name}: field {unknown[0][:60]!r} is not known")
    counts = value.get("counts")
    if not isinstance(counts, list):
        raise PaperCountError(f'{name}: "counts" must be a list')
    for index, entry in enumerate(counts):
        where = f"{name}: counts[{index}]"
        if not isinstance(entry, dict) or set(entry) != set(COLUMNS):
            raise PaperCountError(f"{where}: must have exactly the fields {', '.join(COLUMNS)}")
        for column in COLUMNS[:3]:
            if not isinstance(entry[column], str):
                raise PaperCountError(f"{where}.{column}: must be text")
        votes = entry["votes"]
        if isinstance(votes, bool) or not isinstance(votes, int):
            raise PaperCountError(f"{where}.votes: {str(votes)[:40]!r} is not a whole number")
        if not 0 <= votes <= MAX_VOTES:
            raise PaperCountError(f"{where}.votes: must be from 0 to {MAX_VOTES}")
        columns = (".precinct", ".contest", ".option", ".votes")
        yield _Row(where, columns, entry["precinct"], entry["contest"], entry["option"], votes)


def contests_in(election: Election, precinct_id: str) -> tuple[Contest, ...]:
    """The contests a precinct votes in, each once, in the order of its papers."""
    ids = dict.fromkeys(c for s in election.precinct_styles(precinct_id) for c in s.contests)
    return tuple(election.contest(c) for c in ids)


def _check_row(row: _Row, election: Election) -> None:
    try:
        election.precinct(row.precinct)
    except KeyError:
        raise row.fail(0, f"no precinct {row.precinct[:60]!r} in this election") from None
    try:
        contest = election.contest(row.contest)
    except KeyError:
        raise row.fail(1, f"no contest {row.contest[:60]!r} in this election") from None
    if contest not in contests_in(election, row.precinct):
        raise row.fail(1, f"precinct {row.precinct!r} does not vote in {row.contest!r}")
    if row.option not in (*contest.option_ids(), *SPECIAL):
        raise row.fail(2, f"no option {row.option[:60]!r} in contest {row.contest!r}")


def _check_complete(votes: dict[tuple[str, str, str], int], election: Election, name: str) -> None:
    """Every printed option of each precinct that has any row; write-in lines may be left out."""
    if not votes:
        raise PaperCountError(f"{name}: line 2, column 1: there are no rows")
    for precinct in sorted({p for p, _, _ in votes}):
        for contest in contests_in(election, precinct):
            for option in contest.option_ids():
                missing = (precinct, contest.id, option) not in votes
                if missing and not option.startswith(WRITE_IN_PREFIX):
                    raise PaperCountError(
                        f"{name}: after the last line, column 3 (option): the row "
                        f"{precinct},{contest.id},{option} is missing. "
                        "A zero is written as 0"
                    )
