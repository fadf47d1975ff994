"""NIST's report of a precinct's records, written from columns.

The same bytes as `firmware_sim.package.to_json_bytes(scanner.cvr.cvr_report(...))` (a test
holds them together), many times as fast: what a contest's reading says is worded
once, and a record is put together from such pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from election.model import Election
from firmware_sim.package import to_json_bytes
from scanner.cdf import cvr_entry, cvr_report
from scanner.reading import ContestReading, ContestStatus
from scanner.record import CastVoteRecord

_ID = "f" * 32
_COMMA = ",\n"
_RULED, _READ = "\x01", "\x02"
_DEPTH = {"entry": 4, "contest": 12}

Reading = tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...], int, int]


class ReportWriter:
    """Writes reports of one election; keeps the pieces that it has worded."""

    def __init__(self, election: Election) -> None:
        self._election = election
        self._contests: dict[tuple[Reading, bool], tuple[str, str]] = {}
        self._shells: dict[tuple[Any, ...], tuple[list[str], ...]] = {}

    def write(
        self, table: pa.Table, *, precinct_id: str, device_id: str, created: datetime
    ) -> bytes:
        """The report of a table in `scanner.columns.SCHEMA`, rows in record-id order."""
        frame = cvr_report(
            self._election, (), device_id=device_id, created=created, precinct_id=precinct_id
        )
        empty = to_json_bytes(frame).decode()
        before, after = empty.split('"CVR": []')
        entries = ",\n".join(self._entries(table, device_id))
        cvrs = f'"CVR": [\n{entries}\n  ]' if entries else '"CVR": []'
        return f"{before}{cvrs}{after}".encode()

    def _entries(self, table: pa.Table, device_id: str) -> Iterator[str]:
        if not len(table):
            return
        rows = _Rows(table)
        pieces = [self._contest(*reading) for reading in rows.readings()]
        ruled = np.array([piece[0] for piece in pieces], dtype=object)[rows.reading]
        read = np.array([piece[1] for piece in pieces], dtype=object)[rows.reading]
        device = f"device/{device_id}"
        shells = [self._shell(*head, device) for head in rows.heads()]
        ids = table["record_id"].combine_chunks().take(pa.array(rows.record)).to_pylist()
        bounds = rows.bounds.tolist()
        for number, (record_id, shell) in enumerate(zip(ids, rows.shell.tolist(), strict=True)):
            first, middle, last = (record_id.join(parts) for parts in shells[shell])
            start, end = bounds[number], bounds[number + 1]
            # One contest or many: joined in printed order.
            yield (
                f"{first}{_COMMA.join(ruled[start:end])}{middle}"
                f"{_COMMA.join(read[start:end])}{last}"
            )

    def _contest(self, reading: Reading, valid: bool) -> tuple[str, str]:
        key = (reading, valid)
        if key not in self._contests:
            contest, status, marked, marginal, votes, undervotes, overvotes = reading
            found = ContestReading(
                contest, marked, marginal, votes, ContestStatus(status), undervotes, overvotes
            )
            style = next(s for s in self._election.ballot_styles if contest in s.contests)
            record = CastVoteRecord(
                _ID, self._election.hash, style.id, None, valid,
                None if valid else "x", False, (found,),
            )  # fmt: skip
            snapshots = cvr_entry(record, self._election, "d")["CVRSnapshot"]
            ruled, read = (_text(s["CVRContest"][0], _DEPTH["contest"]) for s in snapshots)
            self._contests[key] = (ruled, read)
        return self._contests[key]

    def _shell(
        self,
        style: str,
        precinct: str | None,
        valid: bool,
        ground: str | None,
        review: bool,
        device: str,
    ) -> tuple[list[str], ...]:
        """A record's text without its contests: before, between and after them, each parted
        where the id stands."""
        key = (style, precinct, valid, ground, review, device)
        if key not in self._shells:
            record = CastVoteRecord(
                _ID, self._election.hash, style, precinct, valid, ground, review, ()
            )
            entry = cvr_entry(record, self._election, device)
            ruled, read = entry["CVRSnapshot"]
            ruled["CVRContest"], read["CVRContest"] = [_RULED], [_READ]
            text = _text(entry, _DEPTH["entry"])
            pad = " " * _DEPTH["contest"]
            first, rest = text.split(f'{pad}"\\u0001"')
            middle, last = rest.split(f'{pad}"\\u0002"')
            self._shells[key] = tuple(part.split(_ID) for part in (first, middle, last))
        return self._shells[key]


def _text(value: Any, depth: int) -> str:
    """JSON as it stands in a report, `depth` spaces in."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    pad = " " * depth
    return pad + text.replace("\n", "\n" + pad)


class _Rows:
    """A table's rows as records and contests. `record` are the rows that start a record,
    `bounds` the places in the list of contests where one starts (and the end of all);
    `reading` numbers the distinct contest readings, `shell` the distinct heads."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        first = table["first"].to_numpy()
        self._head = np.flatnonzero(first)
        span = np.diff(np.append(self._head, len(table)))
        key = np.zeros(len(table), dtype=np.int64)
        for name in ("contest_id", "status", "option_id", "indication"):
            codes = _codes(table[name])
            key = key * (int(codes.max()) + 2) + codes + 1
        for name in ("undervotes", "overvotes", "votes", "valid"):
            numbers = table[name].to_numpy().astype(np.int64)
            key = key * (int(numbers.max()) + 1) + numbers
        # A contest with more than one row is known by the keys of all of them.
        combined = key[self._head]
        for more in range(1, int(span.max())):
            rows = self._head + more
            extra = np.where(span > more, key[np.minimum(rows, len(key) - 1)] + 1, 0)
            _, extra = np.unique(extra, return_inverse=True)
            _, combined = np.unique(combined, return_inverse=True)
            combined = combined * (int(extra.max()) + 1) + extra
        _, self._examples, self.reading = np.unique(
            combined, return_index=True, return_inverse=True
        )
        self._span = span
        ids = table["record_id"].combine_chunks()
        new = np.ones(len(self._head), dtype=np.bool_)
        heads = ids.take(pa.array(self._head))
        new[1:] = pc.not_equal(heads[1:], heads[:-1]).to_numpy(zero_copy_only=False)
        self.record = self._head[new]
        self.bounds = np.append(np.flatnonzero(new), len(self._head))
        shell = np.zeros(len(self.record), dtype=np.int64)
        for name in ("ballot_style_id", "precinct_id", "invalid_ground"):
            codes = _codes(table[name])[self.record]
            shell = shell * (int(codes.max()) + 2) + codes + 1
        for name in ("valid", "needs_review"):
            shell = shell * 2 + table[name].to_numpy()[self.record]
        _, self._shells, self.shell = np.unique(shell, return_index=True, return_inverse=True)

    def readings(self) -> Iterator[tuple[Reading, bool]]:
        """Each distinct reading, with whether its record is valid."""
        for example in self._examples.tolist():
            start = int(self._head[example])
            rows = self._table.slice(start, int(self._span[example])).to_pylist()
            head = rows[0]
            yield (
                (
                    head["contest_id"],
                    head["status"],
                    tuple(r["option_id"] for r in rows if r["indication"] == "mark"),
                    tuple(r["option_id"] for r in rows if r["indication"] == "marginal"),
                    tuple(r["option_id"] for r in rows if r["votes"]),
                    head["undervotes"],
                    head["overvotes"],
                ),
                head["valid"],
            )

    def heads(self) -> Iterator[tuple[str, str | None, bool, str | None, bool]]:
        """Each distinct head of a record: style, precinct, valid, ground, review."""
        for example in self._shells.tolist():
            row = self._table.slice(int(self.record[example]), 1).to_pylist()[0]
            yield (
                row["ballot_style_id"],
                row["precinct_id"],
                row["valid"],
                row["invalid_ground"],
                row["needs_review"],
            )


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    array = column.combine_chunks()
    found: npt.NDArray[np.int64] = (
        array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    )
    return found
