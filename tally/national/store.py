"""The national result as a folder: a small document and columns, the same bytes every time.

    result.json        sums, outcome, how complete, and the SHA-256 of every other file
    precincts.parquet  one row a precinct: its commissions, whether it is counted, from what
    votes.parquet      precinct, contest, option: votes
    contests.parquet   precinct, contest: ballots, overvotes, undervotes, blank, invalid, set aside
    papers.parquet     precinct, ballot style: the figures of the signed protocol
    breaches.parquet   every control ratio that a precinct's figures break

A count writes it (`tally.national` from packages, from protocols, or from the chain of
commissions); exports, the website, the plots and audits read it and nothing else. Precincts
without a counted protocol are rows with a status, never rows of zeros (SEED-16, SEED-17).
Rows are sorted by their keys, so that the order of intake and the number of workers leave
no trace.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from election.figures import CONTEST_FIGURES, PAPER_FIGURES
from tally.errors import TallyError

FORMAT: Final = "ballotbench-national/1"
RESULT: Final = "result.json"


class StoreError(TallyError):
    """A folder of national results that cannot be used; names file and field."""


class PrecinctStatus(StrEnum):
    """What is known of one precinct. Only `COUNTED` ones are in the sums.

    MISSING: nothing came. REFUSED: what came could not be verified. CONTRADICTORY: two
    different signed protocols and no decision between them. EXCLUDED: set out of the sums by
    a decision of a commission (annulled), which is on record.
    """

    COUNTED = "counted"
    MISSING = "missing"
    REFUSED = "refused"
    CONTRADICTORY = "contradictory"
    EXCLUDED = "excluded"


def _schema(keys: tuple[str, ...], words: tuple[str, ...], numbers: tuple[str, ...]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, pa.string(), nullable=False) for name in keys]
        + [pa.field(name, pa.string()) for name in words]
        + [pa.field(name, pa.int64()) for name in numbers]
    )


#: Columns of each table: (sort keys, further words, whole numbers; null where not known).
TABLES: Final[Mapping[str, pa.Schema]] = {
    "precincts": _schema(
        ("precinct_id",),
        (
            "territorial_id",
            "regional_id",
            "status",
            "reason",
            "source",
            "source_sha256",
            "device_id",
            "created",
        ),
        ("registered", "decisions", "version"),
    ),
    "votes": _schema(("precinct_id", "contest_id", "option_id"), (), ("votes",)),
    "contests": _schema(("precinct_id", "contest_id"), (), CONTEST_FIGURES),
    "papers": _schema(("precinct_id", "style_id"), (), PAPER_FIGURES),
    "breaches": _schema(
        ("precinct_id", "style_id", "ratio_id"), ("formula", "detail"), ("left", "right")
    ),
}
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    name: tuple(f.name for f in schema if not f.nullable) for name, schema in TABLES.items()
}


@dataclass(frozen=True, slots=True)
class NationalResult:
    """A national result in memory: the document and the tables (a few MB, never ballots).

    `document` has at least `format`, `election_id`, `election_hash`, `profile_id`,
    `profile_hash`, `source` ("packages", "protocols" or "chain"), `as_of` (ISO 8601 UTC, given
    by the caller), `precincts` (status → number, and `expected`), `contests` (as
    `tally.figures.ContestFigures`), `outcome` (as `tally.totals.Outcome.as_json`) and
    `controls` (ratio id → holds, breached, not_evaluable). `tables` are those of `TABLES`.
    """

    document: Mapping[str, Any]
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


def sorted_table(name: str, columns: pa.Table | Mapping[str, Any]) -> pa.Table:
    """Columns as the table `name` of the store: cast, complete, in the order of its keys.

    Columns that are lacking are null, unless they are keys.

    Raises:
        StoreError: a key column is missing or null, a column is unknown or of another kind,
            or a key stands twice.
    """
    schema = TABLES[name]
    table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    unknown = sorted(set(table.column_names) - set(schema.names))
    if unknown:
        raise StoreError(f"{name}: column {unknown[0]} is not known")
    keys = _KEYS[name]
    for key in keys:
        if key not in table.column_names:
            raise StoreError(f"{name}: column {key} is missing")
        if table[key].null_count:
            raise StoreError(f"{name}: column {key} has an empty cell")
    for column in schema:
        if column.name not in table.column_names:
            table = table.append_column(column.name, pa.nulls(len(table), column.type))
    try:
        table = table.select(schema.names).cast(schema).combine_chunks()
    except (pa.ArrowException, ValueError) as error:
        raise StoreError(f"{name}: {str(error)[:200]}") from error
    table = table.sort_by([(key, "ascending") for key in keys])
    distinct = len(table.group_by(list(keys)).aggregate([])) if len(table) else 0
    if distinct != len(table):
        raise StoreError(f"{name}: {len(table) - distinct} rows stand twice ({', '.join(keys)})")
    return table


def table_bytes(table: pa.Table) -> bytes:
    """A table as Parquet; the same rows give the same bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", version="2.6", row_group_size=1 << 20)
    return sink.getvalue()


def write_store(folder: Path, result: NationalResult) -> Path:
    """Write a result into `folder` (made if missing); returns the path of `result.json`.

    The document is written last: a folder without it is unfinished.

    Raises:
        StoreError: a table that does not hold (see `sorted_table`). OSError: not writable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULT).unlink(missing_ok=True)
    sums: dict[str, str] = {}
    for name in TABLES:
        columns = result.tables.get(name)
        if columns is None:
            columns = TABLES[name].empty_table()
        data = table_bytes(sorted_table(name, columns))
        file = f"{name}.parquet"
        (folder / file).write_bytes(data)
        sums[file] = hashlib.sha256(data).hexdigest()
    document = {**result.document, "format": FORMAT, "files": sums}
    text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    (folder / RESULT).write_text(text + "\n", encoding="utf-8")
    return folder / RESULT


def read_store(folder: Path) -> NationalResult:
    """Read a result and check every file against the document.

    Raises:
        StoreError: missing, altered, or not of this form; names the file.
    """
    path = folder / RESULT
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be read: {error.strerror or error}. Give a folder of national results"
        ) from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: is not JSON: {str(error)[:200]}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise StoreError(f"{path}: format: is not {FORMAT}")
    sums = document.get("files")
    if not isinstance(sums, dict):
        raise StoreError(f"{path}: files: is missing")
    tables: dict[str, pa.Table] = {}
    for name, schema in TABLES.items():
        file = folder / f"{name}.parquet"
        try:
            data = file.read_bytes()
        except OSError as error:
            raise StoreError(f"{file}: cannot be read: {error.strerror or error}") from error
        if hashlib.sha256(data).hexdigest() != sums.get(file.name):
            raise StoreError(f"{file}: was altered after it was written")
        try:
            table = pq.read_table(io.BytesIO(data))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise StoreError(f"{file}: is not Parquet: {str(error)[:200]}") from error
        if not table.schema.equals(schema):
            raise StoreError(f"{file}: has other columns than {', '.join(schema.names)}")
        tables[name] = table
    return NationalResult(document, tables)
