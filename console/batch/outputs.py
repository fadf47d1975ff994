"""The final files of a batch, streamed from its journal; each appears whole or not at all."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from console.batch.journal import Journal
from console.batch.plain import FileRef, PageRows
from console.review import QUEUE, write_queue
from election.model import Election
from election.profile import Profile
from scanner.cvr import CastVoteRecord, cvr_report

DEVICE_ID = "ballotbench-read"
#: Records, and rows of marks, that are held at once.
RECORDS_AT_ONCE = 500
ROWS_AT_ONCE = 50_000


def write_cvrs(path: Path, election: Election, bodies: Iterable[str], created: datetime) -> None:
    """`cvrs.json`: a NIST report (see `scanner.cdf`), one CVR a line, in id order.

    Args:
        path: where to.
        election: the definition.
        bodies: records as JSON texts, in order of their ids.
        created: when the report is made; with a time zone.
    """
    frame = cvr_report(election, (), device_id=DEVICE_ID, created=created)
    del frame["CVR"]
    with whole_file(path) as file:
        text = json.dumps(frame, ensure_ascii=False, indent=1)
        file.write(text.removesuffix("\n}").encode() + b',\n "CVR": [')
        between = b"\n  "
        for some in _batches(bodies, RECORDS_AT_ONCE):
            records = [CastVoteRecord.from_json(json.loads(body)) for body in some]
            report = cvr_report(election, records, device_id=DEVICE_ID, created=created)
            for cvr in report["CVR"]:
                file.write(between + json.dumps(cvr, ensure_ascii=False).encode())
                between = b",\n  "
        file.write(b"\n ]\n}\n")


def write_marks(path: Path, pages: Iterable[tuple[FileRef, PageRows]]) -> None:
    """`marks.parquet`: a row a target, in input order, in row groups of bounded size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number, whole = pa.string(), pa.float32(), pa.int32()
    schema = pa.schema(
        [
            ("file", text),
            ("page", whole),
            ("side", text),
            ("ballot_style_id", text),
            ("contest_id", text),
            ("option_id", text),
            ("score", number),
            ("probability", number),
            ("class", text),
            ("x_px", number),
            ("y_px", number),
            ("write_in_score", number),
            ("residual_mm", number),
            ("dpi", number),
            ("path", text),
        ]
    )
    with whole_file(path) as file, pq.ParquetWriter(file, schema) as writer:
        columns: dict[str, list[Any]] = {name: [] for name in schema.names}
        for ref, page in pages:
            _add_rows(columns, ref, page)
            if len(columns["file"]) >= ROWS_AT_ONCE:
                writer.write_table(pa.Table.from_pydict(columns, schema=schema))
                columns = {name: [] for name in schema.names}
        if columns["file"]:
            writer.write_table(pa.Table.from_pydict(columns, schema=schema))


def _add_rows(columns: dict[str, list[Any]], ref: FileRef, page: PageRows) -> None:
    head = json.loads(zlib.decompress(page.head))
    count = len(head["class"])
    scores, chances, x_px, y_px, write_ins = np.frombuffer(page.numbers, "<f4").reshape(5, count)
    for name in ("contest_id", "option_id", "class"):
        columns[name].extend(head[name])
    for name, values in (
        ("score", scores),
        ("probability", chances),
        ("x_px", x_px),
        ("y_px", y_px),
        ("write_in_score", write_ins),
    ):
        columns[name].extend(values.tolist())
    for name, value in (
        ("file", ref.shown),
        ("path", ref.path),
        ("page", page.page),
        *((name, head[name]) for name in ("side", "ballot_style_id", "residual_mm", "dpi")),
    ):
        columns[name].extend([value] * count)


def write_list(path: Path, items: Iterable[dict[str, Any]]) -> None:
    """A JSON list, an item a line, streamed."""
    with whole_file(path) as file:
        between = b"[\n "
        empty = True
        for item in items:
            file.write(between + json.dumps(item, ensure_ascii=False).encode())
            between, empty = b",\n ", False
        file.write(b"[]\n" if empty else b"\n]\n")


def write_all(
    out: Path, election: Election, profile: Profile, journal: Journal, created: datetime
) -> None:
    """Everything but `review/`, which was written on the way, and `batch.json`."""
    write_cvrs(out / "cvrs.json", election, journal.bodies(), created)
    write_queue(out / QUEUE, election, profile, journal.entries())
    write_marks(out / "marks.parquet", journal.pages())
    write_list(
        out / "refused.json",
        (
            {
                "file": ref.shown,
                "page": r.page,
                "reason": r.reason,
                "detail": r.detail,
                "path": ref.path,
            }
            for ref, r in journal.refusals()
        ),
    )
    write_list(
        out / "blank.json",
        ({"file": ref.shown, "page": page, "path": ref.path} for ref, page in journal.blanks()),
    )


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is written to the end and on the disk."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _batches(items: Iterable[str], most: int) -> Iterator[list[str]]:
    some: list[str] = []
    for item in items:
        some.append(item)
        if len(some) >= most:
            yield some
            some = []
    if some:
        yield some
