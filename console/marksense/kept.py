"""`sheets.jsonl`: every sheet as the reader gave it, on the disk before the next is asked for.

A first line says what the sheets are of; then one line a sheet, in the order of feeding. A run
that was cut off goes on from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from console.errors import ConsoleError
from hardware.marksense import MarkSheet

NAME = "sheets.jsonl"
FORMAT = "ballotbench-mark-sheets/1"


@dataclass(frozen=True, slots=True)
class StackOf:
    """What a stack's sheets are: read by which profile, of which election, style and kind."""

    profile: str
    election_hash: str
    style: str | None
    kind: str
    lines: int


class KeptSheets:
    """The file, opened to add to it."""

    def __init__(self, out: Path, of: StackOf, *, go_on: bool) -> None:
        """Begin it, or go on with what is there.

        Raises:
            ConsoleError: there is one already and `go_on` is not set, or it is of another stack.
        """
        self.path = out / NAME
        self.count = 0
        whole = 0
        if self.path.exists():
            told, sheets, whole = _parse(self.path)
            self.count = len(sheets)
            if told != of:
                raise ConsoleError(f"{self.path} is of another stack: give another --out")
            if not go_on:
                raise ConsoleError(
                    f"{self.path} holds {self.count} sheets of a run before. Just these must "
                    "have gone through (lay a further one back so that it is fed next): then give "
                    "--go-on, or give another --out"
                )
        elif go_on:
            raise ConsoleError(f"{self.path} is not there: leave --go-on out")
        out.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = self.path.open("ab")
        # A line that was cut off in writing is of a sheet that is counted as not read.
        self._file.truncate(whole)
        if not whole:
            self._write({"format": FORMAT, **asdict(of)})

    def add(self, sheet: MarkSheet) -> None:
        """Keep one more sheet, durably."""
        self.count += 1
        self._write(
            {
                "sheet": self.count,
                "number": sheet.number,
                **({"unread": sheet.unread} if sheet.unread else {"levels": _hex(sheet)}),
            }
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def kept_sheets(path: Path) -> Iterator[tuple[int, MarkSheet]]:
    """The sheets of a file, with their place in the order of feeding (from 1).

    Raises:
        ConsoleError: the file is not of this form.
    """
    yield from enumerate(_parse(path)[1], 1)


def _parse(path: Path) -> tuple[StackOf, list[MarkSheet], int]:
    """The head, the sheets, and how many bytes are whole lines."""
    try:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].splitlines()
        head = json.loads(lines[0])
        if head.pop("format") != FORMAT:
            raise ValueError
        of = StackOf(**head)
        sheets = [_sheet(json.loads(line), of.lines) for line in lines[1:]]
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ConsoleError(f"{path} is no file of kept sheets of ours: {error!s:.100}") from error
    return of, sheets, whole


def _hex(sheet: MarkSheet) -> list[str]:
    return [bytes(column).hex() for column in sheet.levels.tolist()]


def _sheet(line: dict[str, Any], lines: int) -> MarkSheet:
    rows = [bytes.fromhex(column) for column in line.get("levels", [])]
    levels = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), lines)
    return MarkSheet(levels, line["number"], line.get("unread", ""))
