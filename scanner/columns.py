"""Cast vote records as columns: one row per contest and indicated option.

The same ids as in the NIST report, in a form that millions of records fit into. A contest
on which nothing was marked has one row with a null `option_id`. Same records, same bytes:
rows stand in record-id order, then in printed order of contests and options.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scanner.reading import ContestReading, ContestStatus
from scanner.record import CastVoteRecord, RecordError

_WORD = pa.dictionary(pa.int32(), pa.string())

#: `indication` is "mark", "marginal" or null; `votes` is 1 where the option counts.
#: `first` is true on one row of each contest of a record: sum the repeated contest
#: columns (`undervotes`, `overvotes`) over these rows only.
SCHEMA = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("election_hash", _WORD, nullable=False),
        pa.field("ballot_style_id", _WORD, nullable=False),
        pa.field("precinct_id", _WORD),
        pa.field("valid", pa.bool_(), nullable=False),
        pa.field("invalid_ground", _WORD),
        pa.field("needs_review", pa.bool_(), nullable=False),
        pa.field("contest_id", _WORD, nullable=False),
        pa.field("status", _WORD, nullable=False),
        pa.field("undervotes", pa.int32(), nullable=False),
        pa.field("overvotes", pa.int32(), nullable=False),
        pa.field("first", pa.bool_(), nullable=False),
        pa.field("option_id", _WORD),
        pa.field("indication", _WORD),
        pa.field("votes", pa.int32(), nullable=False),
    ]
)


def cvr_table(records: Iterable[CastVoteRecord]) -> pa.Table:
    """Records as a table of `SCHEMA`, in record-id order.

    Raises:
        RecordError: two records of one id.
    """
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    last = None
    for record in sorted(records, key=lambda r: r.record_id):
        if record.record_id == last:
            raise RecordError(f"record id {last} occurs twice. Keep one record a sheet")
        last = record.record_id
        for contest in record.contests:
            for position, (option, indication) in enumerate(_indications(contest)):
                row = (
                    record.record_id,
                    record.election_hash,
                    record.ballot_style_id,
                    record.precinct_id,
                    record.valid,
                    record.invalid_ground,
                    record.needs_review,
                    contest.contest_id,
                    contest.status.value,
                    contest.undervotes,
                    contest.overvotes,
                    position == 0,
                    option,
                    indication,
                    int(option in contest.votes),
                )
                for column, value in zip(columns.values(), row, strict=True):
                    column.append(value)
    return pa.Table.from_pydict(columns, schema=SCHEMA)


def cvr_parquet_bytes(records: Iterable[CastVoteRecord]) -> bytes:
    """`cvr_table` as one Parquet file: the same records in any order give the same bytes."""
    return table_parquet_bytes(cvr_table(records))


def table_parquet_bytes(table: pa.Table) -> bytes:
    """A table of `SCHEMA` as one Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", version="2.6")
    return bytes(sink.getvalue())


def records_from_table(table: pa.Table) -> list[CastVoteRecord]:
    """The records of a table made by `cvr_table` (image names and paper marks are not kept in it).

    Raises:
        RecordError: columns missing or of another kind, or a value that no record has.
    """
    missing = [name for name in SCHEMA.names if name not in table.column_names]
    if missing:
        raise RecordError(f"table lacks the columns {', '.join(missing)}")
    try:
        rows = table.select(SCHEMA.names).cast(_PLAIN).to_pylist()
        return [
            _record(list(group)) for _, group in groupby(rows, key=lambda row: row["record_id"])
        ]
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise RecordError(f"table does not hold cast vote records: {error}") from error


_PLAIN = pa.schema([pa.field(f.name, pa.string() if f.type == _WORD else f.type) for f in SCHEMA])


def _indications(contest: ContestReading) -> list[tuple[str | None, str | None]]:
    rows: list[tuple[str | None, str | None]] = [(o, "mark") for o in contest.marked]
    rows += [(o, "marginal") for o in contest.marginal]
    return rows or [(None, None)]


def _record(rows: list[dict[str, Any]]) -> CastVoteRecord:
    contests = [
        _contest(list(group)) for _, group in groupby(rows, key=lambda row: row["contest_id"])
    ]
    head = rows[0]
    return CastVoteRecord(
        record_id=head["record_id"],
        election_hash=head["election_hash"],
        ballot_style_id=head["ballot_style_id"],
        precinct_id=head["precinct_id"],
        valid=head["valid"],
        invalid_ground=head["invalid_ground"],
        needs_review=head["needs_review"],
        contests=tuple(contests),
    )


def _contest(rows: list[dict[str, Any]]) -> ContestReading:
    head = rows[0]
    return ContestReading(
        contest_id=head["contest_id"],
        marked=tuple(r["option_id"] for r in rows if r["indication"] == "mark"),
        marginal=tuple(r["option_id"] for r in rows if r["indication"] == "marginal"),
        votes=tuple(r["option_id"] for r in rows if r["votes"]),
        status=ContestStatus(head["status"]),
        undervotes=head["undervotes"],
        overvotes=head["overvotes"],
    )
