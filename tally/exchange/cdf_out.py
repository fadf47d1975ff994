"""Records as NIST Cast Vote Records 1.0: a package's own report, or one made of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from election.model import Election
from firmware_sim.package import read_package
from scanner.cdf import cvr_entry, cvr_report
from scanner.columns import SCHEMA, records_from_table
from tally.exchange.errors import ExchangeError
from tally.verification import table_of

_DEVICE = "import"


def write_cvr_report(source: Path, election: Election, out: Path, *, created: datetime) -> int:
    """Write the records of a package (zip) or of a Parquet table as one report.

    A package must be whole (every hash); who signed it is for `ballotbench verify`. A table
    is read row group by row group, so a nation's records take no more memory than one.

    Returns:
        how many records.

    Raises:
        ExchangeError: a file of neither form. PackageError, RecordError: what is in it is
            wrong, or of another election. OSError: not readable or writable.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    number = 0
    try:
        with part.open("w", encoding="utf-8") as sink:
            device, tables = _tables(source)
            frame = cvr_report(election, (), device_id=device, created=created)
            before, after = json.dumps(frame, ensure_ascii=False).split('"CVR": []')
            sink.write(f'{before}"CVR": [')
            for table in tables:
                for record in records_from_table(table):
                    entry = cvr_entry(record, election, f"device/{device}")
                    sink.write(f"{',' if number else ''}\n{json.dumps(entry, ensure_ascii=False)}")
                    number += 1
            sink.write(f"]{after}\n")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return number


def _tables(source: Path) -> tuple[str, Iterator[pa.Table]]:
    with source.open("rb") as stream:
        head = stream.read(4)
    if head[:2] == b"PK":
        package = read_package(source.read_bytes(), source.name)
        identity: dict[str, Any] = package.document("device.json")
        return str(identity["device_id"]), iter([table_of(package)])
    if head != b"PAR1":
        raise ExchangeError(
            f"{source}: is neither a results package nor a Parquet table of records"
        )
    try:
        file = pq.ParquetFile(source)
    except (pa.ArrowException, ValueError) as error:
        raise ExchangeError(f"{source}: is not Parquet: {str(error)[:200]}") from error
    missing = [name for name in SCHEMA.names if name not in file.schema_arrow.names]
    if missing:
        raise ExchangeError(f"{source}: has no column {missing[0]}: is it a table of records?")
    return _DEVICE, _groups(file, source)


def _groups(file: pq.ParquetFile, source: Path) -> Iterator[pa.Table]:
    """Row groups, each with whole records: the rows of one record may stand in two."""
    rest: pa.Table | None = None
    for number in range(file.num_row_groups):
        try:
            table = file.read_row_group(number)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ExchangeError(
                f"{source}: row group {number} cannot be read: {str(error)[:200]}"
            ) from error
        if rest is not None:
            table = pa.concat_tables([rest, table]).unify_dictionaries()
        ids = table["record_id"].to_pylist()
        cut = len(ids)
        if number + 1 < file.num_row_groups and ids:
            while cut and ids[cut - 1] == ids[-1]:
                cut -= 1
        rest = table.slice(cut)
        if cut:
            yield table.slice(0, cut)
