"""Where each sheet of paper is: the part of a scanner that a power cut does not change.

Paper stays where it lies whatever becomes of the process, so the places are kept in an
SQLite file and every move is on the disk before it is told to anybody.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.errors import HardwareError
from hardware.interface import PaperPlace
from hardware.messages import Act

STATE_FILE = "paper.sqlite"
#: Files that a scanner may hand out as a side of a sheet.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pdf"})
_SIDE = re.compile(r"(?i)(?<![a-z])(front|back)(?![a-z])")
_TABLES = """
CREATE TABLE IF NOT EXISTS sheet (
  name TEXT PRIMARY KEY, files TEXT NOT NULL, position INTEGER NOT NULL,
  place TEXT NOT NULL CHECK (place IN ('tray', 'held', 'in_box', 'returned', 'outstacked')),
  fed_again INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_held ON sheet (place) WHERE place = 'held';
CREATE TABLE IF NOT EXISTS memory (
  id INTEGER PRIMARY KEY CHECK (id = 1), token BLOB, act INTEGER NOT NULL, fault TEXT
) STRICT;
INSERT OR IGNORE INTO memory VALUES (1, NULL, 0, NULL);
CREATE TABLE IF NOT EXISTS pulled (id INTEGER PRIMARY KEY CHECK (id = 1)) STRICT;
"""


class PaperError(HardwareError):
    """A deck or a state folder that cannot be used."""


@dataclass(frozen=True, slots=True)
class PaperCounts:
    """How many sheets lie where; `returned` by name in the order of the deck."""

    tray: int
    held: int
    box: int
    returned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeckSheet:
    """A sheet of the deck: its name and one image file a side, front first."""

    name: str
    files: tuple[Path, ...]


def read_deck(deck: Path) -> tuple[DeckSheet, ...]:
    """The sheets of a folder in order of name.

    Two files whose names differ only in "front" and "back" are one sheet; every other
    image file is a sheet by itself (one of several pages holds both sides).

    Raises:
        PaperError: no such folder, or no image in it.
    """
    if not deck.is_dir():
        raise PaperError(f"the deck {deck} is not a folder of images")
    files = sorted(p for p in deck.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise PaperError(f"the deck {deck} holds no image ({', '.join(sorted(SUFFIXES))})")
    return pair_sides(files)


def pair_sides(files: Sequence[Path]) -> tuple[DeckSheet, ...]:
    """Image files as sheets in order of name: see `read_deck`."""
    groups: dict[str, list[Path]] = {}
    for file in files:
        groups.setdefault(_SIDE.sub("*", file.name), []).append(file)
    sheets: list[DeckSheet] = []
    for group in groups.values():
        if len(group) == 2:
            # "back" sorts before "front"; the front comes first on the line.
            sides = sorted(group, key=lambda path: "back" in path.name.lower())
            sheets.append(DeckSheet(sides[0].name, tuple(sides)))
        else:
            sheets += [DeckSheet(path.name, (path,)) for path in group]
    return tuple(sorted(sheets, key=lambda sheet: sheet.name))


class Paper:
    """The paper of one scanner: tray, rollers, box and the pile of returned sheets.

    Only the scanner's process moves paper; others may look (`counts`) and set a fault.
    """

    def __init__(self, state: Path, *, refeed_returned: int = 0) -> None:
        """Open or make the state folder.

        Args:
            refeed_returned: how often a voter feeds the very same returned sheet again, at
                once, before taking it away.

        Raises:
            PaperError: the folder cannot be used.
        """
        self._refeed = refeed_returned
        try:
            state.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                state / STATE_FILE, isolation_level=None, timeout=10, check_same_thread=False
            )
            # One flush to the disk a move, not three; as durable (sqlite.org/wal.html).
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise PaperError(f"the state folder {state} cannot be used: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def load(self, sheets: Sequence[DeckSheet]) -> None:
        """Lay sheets that were never seen before into the tray, behind those there."""
        with self._move():
            last = self._one("SELECT coalesce(max(position), 0) FROM sheet")
            self._db.executemany(
                "INSERT OR IGNORE INTO sheet (name, files, position, place) "
                "VALUES (?, ?, ?, 'tray')",
                [
                    (s.name, json.dumps([str(f.absolute()) for f in s.files]), last + n)
                    for n, s in enumerate(sheets, 1)
                ],
            )

    def counts(self) -> PaperCounts:
        """How many sheets lie where."""
        rows = dict(self._db.execute("SELECT place, count(*) FROM sheet GROUP BY place"))
        names = self._db.execute("SELECT name FROM sheet WHERE place = 'returned' ORDER BY name")
        return PaperCounts(
            tray=rows.get("tray", 0),
            held=rows.get("held", 0),
            box=rows.get("in_box", 0),
            returned=tuple(name for (name,) in names),
        )

    def box(self) -> frozenset[str]:
        """Names of the sheets in the box; a box keeps no order."""
        rows = self._db.execute("SELECT name FROM sheet WHERE place = 'in_box'")
        return frozenset(name for (name,) in rows)

    @property
    def last(self) -> tuple[bytes | None, Act]:
        """The last token and what it was used for."""
        token, act = self._db.execute("SELECT token, act FROM memory").fetchone()
        return token, Act(act)

    @property
    def place(self) -> PaperPlace:
        """Where the last sheet is."""
        if self.held() is not None:
            return PaperPlace.HELD
        if self._one("SELECT count(*) FROM pulled"):
            return PaperPlace.UNKNOWN
        return {
            Act.NONE: PaperPlace.NONE,
            Act.ACCEPTED: PaperPlace.IN_BOX,
            Act.RETURNED: PaperPlace.RETURNED,
            Act.OUTSTACKED: PaperPlace.OUTSTACKED,
        }[self.last[1]]

    @property
    def fault(self) -> str | None:
        """The present fault's word ("jam", "double_feed", "box_full", …)."""
        fault: str | None = self._one("SELECT fault FROM memory")
        return fault

    def set_fault(self, word: str | None) -> None:
        """Raise a fault, or clear it with None."""
        self._db.execute("UPDATE memory SET fault = ?", (word,))

    def held(self) -> tuple[Path, ...] | None:
        """Image files of the held sheet, front first."""
        row = self._db.execute("SELECT files FROM sheet WHERE place = 'held'").fetchone()
        return None if row is None else tuple(Path(file) for file in json.loads(row[0]))

    def draw_in(self) -> tuple[Path, ...] | None:
        """Hold the next sheet of the tray (the held one, if there is one); None: no more."""
        with self._move():
            if self.held() is None:
                self._db.execute("DELETE FROM pulled")
                self._db.execute(
                    "UPDATE sheet SET place = 'held' WHERE name = (SELECT name FROM sheet "
                    "WHERE place = 'tray' ORDER BY position LIMIT 1)"
                )
        return self.held()

    def accept(self, token: bytes) -> bool:
        """Drop the held sheet into the box; False where none is held."""
        return self._settle("in_box", Act.ACCEPTED, token)

    def return_(self, token: bytes) -> bool:
        """Push the held sheet out; its voter may feed it again. False where none is held."""
        return self._settle("returned", Act.RETURNED, token)

    def pull_back(self, *, again: bool) -> bool:
        """The voter takes the held sheet away by hand; False where none is held.

        `again`: it is laid back as the first of the tray. No token is remembered: the
        scanner did nothing.
        """
        with self._move():
            held = self._db.execute("SELECT name FROM sheet WHERE place = 'held'").fetchone()
            if held is None:
                return False
            self._db.execute(
                "UPDATE sheet SET place = ?, position = CASE WHEN ? THEN "
                "(SELECT min(position) - 1 FROM sheet) ELSE position END WHERE place = 'held'",
                ("tray" if again else "returned", again),
            )
            self._db.execute("INSERT OR IGNORE INTO pulled VALUES (1)")
            self._let_go(held[0], "pulled")
        return True

    def _settle(self, place: str, act: Act, token: bytes) -> bool:
        with self._move():
            row = self._db.execute(
                "SELECT name, fed_again FROM sheet WHERE place = 'held'"
            ).fetchone()
            if row is None:
                return False
            name, fed_again = row
            if act is Act.RETURNED and fed_again < self._refeed:
                place = "tray"
                self._db.execute(
                    "UPDATE sheet SET fed_again = fed_again + 1, "
                    "position = (SELECT min(position) - 1 FROM sheet) WHERE name = ?",
                    (name,),
                )
            self._db.execute("UPDATE sheet SET place = ? WHERE name = ?", (place, name))
            self._let_go(name, place)
            self._db.execute("UPDATE memory SET token = ?, act = ?", (token, int(act)))
        return True

    def _let_go(self, name: str, place: str) -> None:
        """A held sheet went to a place ("pulled": out, by hand); part of the move."""

    @contextmanager
    def _move(self) -> Iterator[None]:
        """One move of paper: whole or not at all, and durable."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _one(self, query: str) -> Any:
        return self._db.execute(query).fetchone()[0]
