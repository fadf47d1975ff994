"""Figures by precinct of another system, as the tables that `export --form csv` writes.

A folder with `votes` and `contests`, and maybe `papers` and `precincts` (.csv or .parquet).
Nothing of a precinct is counted of which a row is wrong, lacking or contradicted by another:
a precinct's figures are one statement. The other precincts are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from election.commissions import Commissions
from election.figures import CONTEST_FIGURES as FIGURES
from election.figures import PAPER_FIGURES
from election.model import Election
from election.profile import Profile
from firmware_sim.counting import TOTALS_FORMAT
from tally.exchange.errors import ExchangeError
from tally.exchange.findings import Finding, Findings
from tally.exchange.importing import Imported
from tally.exchange.results import State, result_of
from tally.exchange.rows import Row, csv_rows
from tally.exchange.small import MAX_COUNT
from tally.figures import ContestFigures, PrecinctTotals
from tally.national.store import TABLES, PrecinctStatus
from tally.paper import contests_in

_ADVICE: Final = "Nothing of the precinct is counted: ask for its protocol"
_REQUIRED: Final = ("votes", "contests")


class _CellError(ValueError):
    """(field, what) as its arguments."""

    def __init__(self, column: str, what: str) -> None:
        super().__init__(column, what)
        self.column, self.what = column, what


@dataclass(slots=True)
class _Precinct:
    """What the tables say of one precinct, and what is wrong with it."""

    votes: dict[tuple[str, str], int] = field(default_factory=dict)
    contests: dict[str, tuple[int, ...]] = field(default_factory=dict)
    papers: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    registered: int | None = None
    status: tuple[str, str] | None = None
    fault: str | None = None


def import_tables(
    folder: Path,
    election: Election,
    profile: Profile,
    findings: Findings,
    *,
    as_of: str,
    commissions: Commissions | None = None,
    encoding: str | None = None,
) -> Imported:
    """Take in the tables of a folder; `counted` and `seen` are precincts and rows.

    Raises:
        ExchangeError: a table that is lacking or cannot be read at all.
    """
    reading = _Reading(election, findings, encoding)
    for name in ("precincts", "votes", "contests", "papers"):
        file = next(
            (f for f in (folder / f"{name}.csv", folder / f"{name}.parquet") if f.exists()), None
        )
        if file is not None:
            reading.table(name, file)
        elif name in _REQUIRED:
            raise ExchangeError(f"{folder}: has no {name}.csv or {name}.parquet. Ask for it")
    totals: dict[str, PrecinctTotals] = {}
    states: dict[str, State] = {}
    for precinct_id, found in reading.precincts.items():
        if found.status is not None and not found.votes and not found.contests:
            states[precinct_id] = (PrecinctStatus(found.status[0]), found.status[1] or None)
            if found.fault is None:
                continue
        reading.complete(precinct_id, found)
        if found.fault is not None:
            states[precinct_id] = (PrecinctStatus.REFUSED, found.fault)
        else:
            totals[precinct_id] = _totals(election, precinct_id, found)
    papers = [
        {"precinct_id": p, "style_id": s, **dict(zip(PAPER_FIGURES, figures, strict=True))}
        for p, found in reading.precincts.items()
        if p in totals
        for s, figures in found.papers.items()
    ]
    result = result_of(
        totals,
        election,
        profile,
        states=states,
        sources=dict.fromkeys(totals, folder.name),
        left_out=findings.by_weight,
        as_of=as_of,
        commissions=commissions,
        papers=pa.Table.from_pylist(papers) if papers else None,
        registered={
            p: f.registered for p, f in reading.precincts.items() if f.registered is not None
        },
    )
    return Imported(result, len(totals), reading.rows)


class _Reading:
    def __init__(self, election: Election, findings: Findings, encoding: str | None) -> None:
        self._election = election
        self._findings = findings
        self._encoding = encoding
        self._file = ""
        self.precincts: dict[str, _Precinct] = {}
        self.rows = 0

    def table(self, name: str, file: Path) -> None:
        """Read one table, row by row."""
        self._file = file.name
        schema = TABLES[name]
        if file.suffix == ".csv":
            rows = csv_rows(file, self._encoding)
            header = next(rows, None)
            if header is None:
                raise ExchangeError(f"{file.name}: is empty. Ask for it again")
            names = [cell.strip() for cell in header.cells]
        else:
            names, rows = _parquet_rows(file)
        needed = [f.name for f in schema if not f.nullable]
        if name in _REQUIRED:
            needed = list(schema.names)
        for column in needed:
            if names.count(column) != 1:
                raise ExchangeError(
                    f"{file.name}: line 1: has {names.count(column)} columns {column}, one must "
                    f"be. The header is {','.join(schema.names)}"
                )
        strange = next((n for n in names if n not in schema.names), None)
        if strange is not None:
            raise ExchangeError(f"{file.name}: line 1: column {strange[:60]!r} is not known")
        take = {"votes": self._vote, "contests": self._contest, "papers": self._paper}.get(
            name, self._precinct
        )
        try:
            for row in rows:
                self.rows += 1
                self._row(row, names, take)
        except ExchangeError as error:
            # What stood before is good; precincts of which rows are lacking are found later.
            what, _, advice = str(error).removeprefix(f"{file.name}: ").partition(". ")
            self._findings.add(
                Finding(file.name, "", "", what, advice or "Ask for the whole file", "file")
            )

    def _row(self, row: Row, names: Sequence[str], take: Any) -> None:
        precinct: str | None = None
        try:
            if len(row.cells) != len(names):
                cells = f"has {len(row.cells)} cells, the header has {len(names)}"
                cut = "" if row.ended else "; the file was cut short"
                precinct = row.cells[0] if names[0] == "precinct_id" else None
                raise _CellError("", cells + cut)
            cells_of = {n: c.strip() for n, c in zip(names, row.cells, strict=True)}
            precinct = cells_of["precinct_id"]
            if not self._election.has_precinct(precinct):
                unknown, precinct = precinct, None
                raise _CellError("precinct_id", f"{unknown[:80]!r} is not in {self._election.id}")
            take(cells_of, self.precincts.setdefault(precinct, _Precinct()))
        except _CellError as error:
            place = f"line {row.line}"
            column = ""
            if error.column:
                column = f"column {names.index(error.column) + 1} ({error.column})"
            if precinct is not None and not self._election.has_precinct(precinct):
                precinct = None
            self._fault(place, column, error.what, precinct)

    def _fault(self, place: str, column: str, what: str, precinct: str | None) -> None:
        self._findings.add(Finding(self._file, place, column, what, _ADVICE, "record", precinct))
        if precinct is not None:
            found = self.precincts.setdefault(precinct, _Precinct())
            where = ": ".join(part for part in (self._file, place, column) if part)
            found.fault = found.fault or f"{where}: {what}"

    # --- rows -----------------------------------------------------------------------------

    def _vote(self, cells: Mapping[str, str], found: _Precinct) -> None:
        contest = self._contest_of(cells)
        option = cells["option_id"]
        if option not in self._election.contest(contest).option_ids():
            raise _CellError("option_id", f"{option[:80]!r} is no option of contest {contest}")
        votes = _count(cells, "votes")
        if found.votes.setdefault((contest, option), votes) != votes:
            raise _CellError(
                "votes",
                f"{votes} for {contest}, {option}; another row says {found.votes[contest, option]}",
            )

    def _contest(self, cells: Mapping[str, str], found: _Precinct) -> None:
        contest = self._contest_of(cells)
        figures = tuple(_count(cells, name) for name in FIGURES)
        if (first := found.contests.setdefault(contest, figures)) != figures:
            at = next(i for i, (a, b) in enumerate(zip(first, figures, strict=True)) if a != b)
            raise _CellError(
                FIGURES[at], f"{figures[at]} in contest {contest}; another row says {first[at]}"
            )

    def _paper(self, cells: Mapping[str, str], found: _Precinct) -> None:
        style = cells["style_id"]
        known = {s.id for s in self._election.precinct_styles(cells["precinct_id"])}
        if style not in known:
            raise _CellError("style_id", f"{style[:80]!r} is not used in the precinct")
        figures = tuple(_count(cells, name) if cells.get(name) else None for name in PAPER_FIGURES)
        if found.papers.setdefault(style, figures) != figures:
            raise _CellError("style_id", f"another row has other figures of {style}")

    def _precinct(self, cells: Mapping[str, str], found: _Precinct) -> None:
        if cells.get("registered"):
            found.registered = _count(cells, "registered")
        status = cells.get("status") or PrecinctStatus.COUNTED.value
        if status not in set(PrecinctStatus):
            raise _CellError("status", f"{status[:40]!r} is no status of a precinct")
        if status != PrecinctStatus.COUNTED.value:
            found.status = (status, cells.get("reason", ""))

    def _contest_of(self, cells: Mapping[str, str]) -> str:
        contest = cells["contest_id"]
        here = {c.id for c in contests_in(self._election, cells["precinct_id"])}
        if contest not in here:
            raise _CellError(
                "contest_id", f"{contest[:80]!r} is not voted on in {cells['precinct_id']}"
            )
        return contest

    # --- a precinct as a whole --------------------------------------------------------------

    def complete(self, precinct_id: str, found: _Precinct) -> None:
        """Find what is lacking or does not add up, unless something is wrong already."""
        if found.fault is not None:
            return
        if found.status is not None:
            what = f"precinct {precinct_id} has figures, but is {found.status[0]}"
            self._file = "precincts"
            self._fault("", "status", what, precinct_id)
            return
        for contest in contests_in(self._election, precinct_id):
            if contest.id not in found.contests:
                self._lacking("contests", precinct_id, f"contest {contest.id}")
                return
            for option in contest.option_ids():
                if (contest.id, option) not in found.votes:
                    self._lacking("votes", precinct_id, f"contest {contest.id}, option {option}")
                    return
            figures = dict(zip(FIGURES, found.contests[contest.id], strict=True))
            votes = sum(found.votes[contest.id, option] for option in contest.option_ids())
            counted = figures["ballots"] - figures["invalid"] - figures["needs_review"]
            total = votes + figures["overvotes"] + figures["undervotes"]
            if total != contest.votes_allowed * counted or figures["blank"] > max(counted, 0):
                self._file = "contests"
                self._fault(
                    f"precinct {precinct_id}",
                    f"contest {contest.id}",
                    f"{votes} votes + {figures['overvotes']} overvotes + {figures['undervotes']} "
                    f"undervotes are not {contest.votes_allowed} x ({figures['ballots']} ballots "
                    f"- {figures['invalid']} invalid - {figures['needs_review']} set aside)",
                    precinct_id,
                )
                return

    def _lacking(self, table: str, precinct_id: str, what: str) -> None:
        self._file = table
        self._fault(f"precinct {precinct_id}", "", f"has no row for {what}", precinct_id)


def _count(cells: Mapping[str, str], column: str) -> int:
    text = cells[column]
    if not (text.isascii() and text.isdigit()):
        raise _CellError(column, f"{text[:40]!r} is not a whole number of 0 or more")
    if len(text) > len(str(MAX_COUNT)) or int(text) > MAX_COUNT:
        raise _CellError(column, f"{text[:40]} is too large; at most {MAX_COUNT}")
    return int(text)


def _totals(election: Election, precinct_id: str, found: _Precinct) -> PrecinctTotals:
    contests: dict[str, ContestFigures] = {}
    for contest in contests_in(election, precinct_id):
        figures: Any = dict(zip(FIGURES, found.contests[contest.id], strict=True))
        figures["votes"] = {o: found.votes[contest.id, o] for o in contest.option_ids()}
        contests[contest.id] = figures
    return PrecinctTotals(
        format=TOTALS_FORMAT,
        election_hash=election.hash,
        precinct_id=precinct_id,
        sheets=0,
        styles={},
        contests=contests,
    )


def _parquet_rows(file: Path) -> tuple[list[str], Iterator[Row]]:
    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ExchangeError(
            f"{file.name}: is not Parquet, or was cut short: {str(error)[:160]}. Ask for it again"
        ) from error

    def rows() -> Iterator[Row]:
        number = 0
        try:
            for batch in table.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield Row(number, ["" if v is None else str(v) for v in row.values()])
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ExchangeError(
                f"{file.name}: row {number + 1}: cannot be read: {str(error)[:160]}"
            ) from error

    return list(table.schema_arrow.names), rows()
