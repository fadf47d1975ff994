"""The paper of a machine that draws sheets through: hopper, path, stacker, reject pocket.

Unlike a ballot box (`hardware.simulated.paper`) a stacker keeps its sheets in order. Paper
stays where it lies whatever becomes of the process: each move is on the disk before it is told.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.simulated.paper import DeckSheet, PaperError

STATE_FILE = "stack.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS sheet (
  name TEXT PRIMARY KEY, files TEXT NOT NULL,
  place TEXT NOT NULL CHECK (place IN ('hopper', 'path', 'stacker', 'rejects')),
  position INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_in_path ON sheet (place) WHERE place = 'path';
"""


@dataclass(frozen=True, slots=True)
class StackCounts:
    """How many sheets lie where."""

    hopper: int
    path: int
    stacker: int
    rejects: int


class Stack:
    """Where each sheet is. Only the machine's process moves paper; others may look."""

    def __init__(self, state: Path) -> None:
        """Open or make the state folder.

        Raises:
            PaperError: the folder cannot be used.
        """
        try:
            state.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                state / STATE_FILE, isolation_level=None, timeout=10, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise PaperError(f"the state folder {state} cannot be used: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def load(self, sheets: Sequence[DeckSheet]) -> None:
        """Lay sheets that were never seen before into the hopper, behind those there."""
        last = self._one("SELECT coalesce(max(position), 0) FROM sheet")
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT OR IGNORE INTO sheet VALUES (?, ?, 'hopper', ?)",
            [
                (s.name, json.dumps([str(f.absolute()) for f in s.files]), last + n)
                for n, s in enumerate(sheets, 1)
            ],
        )
        self._db.execute("COMMIT")

    def draw_in(self) -> tuple[Path, ...] | None:
        """The next sheet into the path, which must be free; its files, None: no more."""
        self._db.execute(
            "UPDATE sheet SET place = 'path' WHERE name = (SELECT name FROM sheet "
            "WHERE place = 'hopper' ORDER BY position LIMIT 1)"
        )
        row = self._db.execute("SELECT files FROM sheet WHERE place = 'path'").fetchone()
        return None if row is None else tuple(Path(file) for file in json.loads(row[0]))

    def stack(self) -> None:
        """The sheet in the path, if there is one, onto the stacker."""
        self._leave("stacker")

    def reject(self) -> None:
        """The sheet in the path, if there is one, into the reject pocket."""
        self._leave("rejects")

    def lay_back(self) -> bool:
        """A person lays a sheet back, to be fed next: the one in the path, else the stacker's
        topmost; False: there is none."""
        row = self._db.execute(
            "SELECT name FROM sheet WHERE place IN ('path', 'stacker') "
            "ORDER BY place = 'path' DESC, position DESC LIMIT 1"
        ).fetchone()
        if row is not None:
            self._db.execute(
                "UPDATE sheet SET place = 'hopper', position = (SELECT min(position) - 1 "
                "FROM sheet) WHERE name = ?",
                row,
            )
        return row is not None

    def stacked(self) -> tuple[str, ...]:
        """Names of the sheets in the stacker, the lowest first."""
        rows = self._db.execute("SELECT name FROM sheet WHERE place = 'stacker' ORDER BY position")
        return tuple(name for (name,) in rows)

    def counts(self) -> StackCounts:
        """How many sheets lie where."""
        rows = dict(self._db.execute("SELECT place, count(*) FROM sheet GROUP BY place"))
        return StackCounts(*(rows.get(p, 0) for p in ("hopper", "path", "stacker", "rejects")))

    def _leave(self, place: str) -> None:
        self._db.execute(
            "UPDATE sheet SET place = ?, position = (SELECT max(position) + 1 FROM sheet) "
            "WHERE place = 'path'",
            (place,),
        )

    def _one(self, query: str) -> Any:
        return self._db.execute(query).fetchone()[0]
