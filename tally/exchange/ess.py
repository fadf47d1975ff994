"""ES&S cast vote records, CSV: one row a ballot, one column a contest.

The form is the one of public samples and their readers (Arlo's and RCTab's documentation):
`Cast Vote Record`, `Precinct`, `Ballot Style` and maybe other columns about the ballot, then
a column a contest. A cell is the name of the option, `undervote`, `overvote`, or empty where
the contest is not on the ballot. How contests with several votes are written is not public:
here each vote has a column of its own under the same name, and other forms are refused. Rows
after the export's table of ballots (`Total : …`) are not records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from election.model import WRITE_IN_PREFIX
from scanner.reading import ContestReading
from scanner.record import CastVoteRecord
from tally.exchange.assembling import NOT_COUNTED, SourceFile
from tally.exchange.errors import ExchangeError
from tally.exchange.findings import Finding
from tally.exchange.importing import Item
from tally.exchange.reading import ReadingError, contest_reading, in_precinct, overvoted
from tally.exchange.rows import Row, csv_rows

RECORD, PRECINCT, STYLE = "Cast Vote Record", "Precinct", "Ballot Style"
#: Columns about the ballot; contests stand after the last of them.
_ABOUT: Final = frozenset(
    {
        RECORD, PRECINCT, STYLE, "Election ID", "Audit Number", "Tabulator CVR", "Batch",
        "Ballot Status", "Original Ballot Exception", "Remaining Ballot Exception",
        "Write-in Type", "Results Report", "Reporting Group", "Precinct ID", "Machine",
    }
)  # fmt: skip
_UNDER, _OVER, _WRITE_IN = "undervote", "overvote", "write-in"


@dataclass(slots=True)
class _Columns:
    record: int = 0
    precinct: int = 0
    style: int = 0
    width: int = 0
    #: Our contest → its columns.
    contests: dict[str, list[int]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


class EssSource(SourceFile):
    """One file."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._columns = _Columns()
        self._open_end: int | None = None
        self._reading = lru_cache(maxsize=65_536)(self._read_cells)

    def _rows(self) -> Iterator[Row]:
        rows = csv_rows(self.path, self.encoding)
        header = next(rows, None)
        if header is None:
            raise ExchangeError(f"{self.name}: is empty. Ask for the file again")
        self._columns = self._learn(header)
        for row in rows:
            if not row.cells[0].strip().lower().startswith("total"):
                yield row

    def _learn(self, header: Row) -> _Columns:
        names = [cell.strip() for cell in header.cells]
        places = [i for i, name in enumerate(names) if name in _ABOUT]
        for wanted in (RECORD, PRECINCT):
            if names.count(wanted) != 1:
                raise ExchangeError(
                    f"{self.name}: line {header.line}: {names.count(wanted)} columns are called "
                    f"{wanted!r}, one must be. Is this ES&S's export of cast vote records?"
                )
        found = _Columns(names.index(RECORD), names.index(PRECINCT), -1, len(names), names=names)
        if STYLE in names:
            found.style = names.index(STYLE)
        for column in range(places[-1] + 1, len(names)):
            if not names[column]:
                continue
            ours = self.names.contest(names[column])
            if ours is not None:
                found.contests.setdefault(ours, []).append(column)
            elif self.names.ignored(names[column]):
                found.ignored.append(names[column])
            else:
                raise ExchangeError(
                    f"{self.name}: line {header.line}, column {column + 1}: contest "
                    f"{names[column][:80]!r} is not in election {self.election.id}. "
                    "Name it in a mapping ([contests], or ignore)"
                )
        for contest, columns in found.contests.items():
            allowed = self.election.contest(contest).votes_allowed
            if len(columns) != allowed:
                raise ExchangeError(
                    f"{self.name}: line {header.line}: contest {contest} has {len(columns)} "
                    f"columns, but {allowed} votes a ballot; each vote must have its column"
                )
        if not found.contests:
            raise ExchangeError(
                f"{self.name}: line {header.line}: none of the columns is a contest of "
                f"{self.election.id}. Give the definition of these records, or a mapping"
            )
        return found

    def record_keys(self) -> Iterator[str]:
        """Every record's number."""
        for row in self._rows():
            if not row.ended:
                if len(row.cells) != self._columns.width:
                    raise ExchangeError(
                        f"{self.name}: line {row.line}: the file ends in the middle: it was cut "
                        "short. Ask for the whole file"
                    )
                self._open_end = row.line
            yield self._key(row)

    def _key(self, row: Row) -> str:
        cell = row.cells[self._columns.record] if self._columns.record < len(row.cells) else ""
        return f"{cell.strip() or f'{self.name}/{row.line}'}"

    def notes(self) -> Iterator[Finding]:
        """Contests that the mapping leaves out; a last line without an end."""
        for word in self._columns.ignored:
            what = f"votes in contest {word[:80]!r} are left out by the mapping"
            yield Finding(self.name, "", "", what, "Nothing, if that is meant", "note")
        if self._open_end is not None:
            yield Finding(
                self.name,
                f"line {self._open_end}",
                "",
                "the last line has no end: if the file was cut short, rows are missing",
                "Compare the number of records with that of the other system (--expect)",
                "note",
            )

    def items(self) -> Iterator[Item]:
        """Every record in our terms, or what is wrong with it."""
        for row in self._rows():
            place, key = f"line {row.line}", self._key(row)
            try:
                yield Item(place, key, self._record(row, key))
            except ReadingError as error:
                yield Item(place, key, None, error.finding(self.name, place))

    def _record(self, row: Row, key: str) -> CastVoteRecord:
        columns, cells = self._columns, [cell.strip() for cell in row.cells]
        if len(cells) != columns.width:
            what = f"has {len(cells)} cells, the header has {columns.width}"
            raise ReadingError("", what, NOT_COUNTED)
        if not cells[columns.record]:
            raise ReadingError(self._field(columns.record), "is empty", NOT_COUNTED)
        precinct = self.assembler.precinct(self._field(columns.precinct), cells[columns.precinct])
        with in_precinct(precinct):
            return self._assembled(cells, key, precinct)

    def _assembled(self, cells: list[str], key: str, precinct: str) -> CastVoteRecord:
        columns = self._columns
        readings = {}
        for contest, places in columns.contests.items():
            found = tuple(cells[place] for place in places)
            if any(found):
                readings[contest] = self._reading(contest, found, places[0])
        word = cells[columns.style] if columns.style >= 0 else ""
        style = self.assembler.style(
            self._field(max(columns.style, 0)), precinct, set(readings), word
        )
        return self.assembler.record(key, precinct, style, readings)

    def _read_cells(self, contest_id: str, cells: tuple[str, ...], column: int) -> ContestReading:
        contest = self.election.contest(contest_id)
        marked: set[str] = set()
        lines = 0
        for number, cell in enumerate(cells):
            word = cell.lower()
            if word == _OVER:
                return overvoted(contest)
            if word in ("", _UNDER):
                continue
            option = self.names.option(contest_id, cell)
            if option is None and word.startswith(_WRITE_IN):
                option = self.names.option(contest_id, f"{WRITE_IN_PREFIX}{lines}")
                lines += 1
            if option is None or option in marked:
                problem = "is no option of" if option is None else "stands twice in"
                raise ReadingError(
                    self._field(column + number),
                    f"{cell[:80]!r} {problem} contest {contest_id}",
                    f"Name it in a mapping ([options.{contest_id}]); the record is not counted",
                )
            marked.add(option)
        return contest_reading(contest, marked=marked)

    def _field(self, column: int) -> str:
        return f"column {column + 1} ({self._columns.names[column][:60]})"
