"""Imported records as one table, in the order of their ids, in bounded memory.

Records come in the order of the other system's file, which may be that of voting (NVT-05),
and leave by id: parted by the first digits of the id into files, each of which is then
sorted by itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scanner.columns import SCHEMA, cvr_table
from scanner.record import CastVoteRecord

#: Hex digits of an id that part the records: 256 parts.
_DIGITS: Final = 2
#: Rows that wait in memory before they are parted.
_SPILL: Final = 1 << 18
#: Rows of a row group, if there are as many.
_ROWS: Final = 1 << 17


class RecordSpool:
    """Takes records in any order; `write` puts them into one Parquet file, and once only.

    Used with `with`: the files in between are in a folder beside the target and go with it.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._files: dict[str, list[Path]] = {}

    def __enter__(self) -> RecordSpool:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(prefix=".records-", dir=self._target.parent)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, records: Sequence[CastVoteRecord]) -> None:
        """Take some thousand records; no id twice among all that are ever added."""
        if not records or self._folder is None:
            return
        self._waiting.append(cvr_table(records))
        self._rows += len(self._waiting[-1])
        if self._rows >= _SPILL:
            self._spill()

    def _spill(self) -> None:
        """Part what waits into files by the first digits of the ids."""
        if not self._waiting:
            return
        table = _joined(self._waiting)
        self._waiting, self._rows = [], 0
        part = np.array([i[:_DIGITS] for i in table["record_id"].to_pylist()])
        for digits in np.unique(part).tolist():
            # A new small file each time: 256 open ones would be too many for some systems.
            files = self._files.setdefault(digits, [])
            path = self._path / f"{digits}-{len(files)}.arrow"
            files.append(path)
            with (
                pa.OSFile(str(path), "wb") as sink,
                pa.ipc.new_stream(sink, SCHEMA) as writer,
            ):
                writer.write_table(table.filter(pa.array(part == digits)))

    @property
    def _path(self) -> Path:
        assert self._folder is not None  # noqa: S101 - used inside `with` only
        return Path(self._folder.name)

    def write(self) -> Path:
        """Write the whole; the same records in any order give the same rows."""
        self._spill()
        part = self._target.with_name(self._target.name + ".part")
        with pq.ParquetWriter(part, SCHEMA, compression="zstd", version="2.6") as writer:
            waiting: list[pa.Table] = []
            for digits in sorted(self._files):
                waiting.append(self._sorted(digits))
                if sum(map(len, waiting)) >= _ROWS:
                    writer.write_table(_joined(waiting))
                    waiting = []
            if waiting:
                writer.write_table(_joined(waiting))
        part.replace(self._target)
        return self._target

    def _sorted(self, digits: str) -> pa.Table:
        pieces = []
        for file in self._files[digits]:
            with pa.OSFile(str(file)) as source:
                pieces.append(pa.ipc.open_stream(source).read_all())
        table = _joined(pieces)
        # Stable: the rows of one record stay in printed order.
        ids = np.array(table["record_id"].to_pylist(), dtype="S32")
        return table.take(pa.array(np.argsort(ids, kind="stable")))


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()
