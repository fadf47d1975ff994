"""What was captured so far: lines of JSON that are only added to, so that any cut is survived.

    {"begin": {batch_id, tray, imprint_format}}
    {"sheet": {position, imprint, files, sha256, act, token}}   durable before the sheet moves
    {"done": token} or {"void": token}                          where the sheet went after all
    {"end": {numbers, accepted, outstacked, returned}}

A last line that a cut tore is left out. `sheet` without `done` or `void` is open: the scanner's
own memory of its last token settles it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console.errors import ConsoleError

NAME = "capture.jsonl"


@dataclass(slots=True)
class CapturedBatch:
    """One batch as far as it came; `ended` are its counters at the end."""

    batch_id: str
    tray: int
    imprint_format: str
    sheets: list[dict[str, Any]] = field(default_factory=list)
    open: dict[str, Any] | None = None
    ended: dict[str, int] | None = None


class CaptureLog:
    """The log in a folder, read and gone on with."""

    def __init__(self, folder: Path) -> None:
        """Open or begin it.

        Raises:
            ConsoleError: it cannot be written, or a line before the last is none.
        """
        self._path = folder / NAME
        self.batches: list[CapturedBatch] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+b")
            self._file.seek(0)
            data = self._file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._file.truncate(len(whole))
        except OSError as error:
            raise ConsoleError(f"{self._path} cannot be used: {error.strerror}") from error
        try:
            for line in whole.splitlines():
                self._take(json.loads(line))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self._file.close()
            raise ConsoleError(
                f"{self._path} is damaged: {error}. Keep it; the paper must be scanned again into "
                "another --out"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def add(self, line: dict[str, Any], *, durable: bool = True) -> None:
        """Take and write one line; on the disk before it returns where `durable`."""
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        if durable:
            os.fsync(self._file.fileno())
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if not isinstance(line, dict):
            raise TypeError("a line is no object")
        [(kind, value)] = line.items()
        if kind == "begin":
            self.batches.append(CapturedBatch(**value))
            return
        batch = self.batches[-1]
        match kind:
            case "sheet":
                batch.open = value
            case "done" | "void":
                if batch.open is None or batch.open["token"] != value:
                    raise ValueError("a sheet is settled that was not open")
                if kind == "done":
                    batch.sheets.append(batch.open)
                batch.open = None
            case "end":
                batch.ended = value
            case _:
                raise ValueError(f"a line of the unknown kind {kind[:20]!r}")
