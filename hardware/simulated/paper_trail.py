"""A simulated printer of paper records that keeps what it printed through any cut.

    trail = SimulatedPaperTrail(folder)
    trail.print_record(pdf)          # a PNG a side, as a camera under the glass sees it
    trail.accept("0" * 32)           # into the box
    trail.box()                      # the records in it, one tuple of PNG files each

Places are in an SQLite file, durable before a call returns; file names are random, and a
box keeps no order.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from election.raster import render_blank
from hardware.errors import FeederError, HardwareError
from hardware.interface import FeederStatus, HeldSheet, PaperPlace

STATE_FILE = "trail.sqlite"
#: The printer's resolution and that of the camera under the glass, dpi.
PRINT_DPI, CAMERA_DPI = 600.0, 200.0
_TABLES = """
CREATE TABLE IF NOT EXISTS record (
  name TEXT PRIMARY KEY, files TEXT NOT NULL,
  place TEXT NOT NULL CHECK (place IN ('held', 'in_box', 'returned'))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS one_held ON record (place) WHERE place = 'held';
CREATE TABLE IF NOT EXISTS memory (
  id INTEGER PRIMARY KEY CHECK (id = 1), token TEXT, place TEXT NOT NULL,
  paper INTEGER NOT NULL, fault TEXT
) STRICT;
INSERT OR IGNORE INTO memory VALUES (1, NULL, 'none', 500, NULL);
"""


class SimulatedPaperTrail:
    """A `hardware.paper_trail.PaperTrail`. `paper` is how many sheets are left in it."""

    def __init__(self, state: Path) -> None:
        """Open or make the folder.

        Raises:
            HardwareError: it cannot be used.
        """
        self._folder = state
        #: The next print stops in mid-page (tests).
        self.paper_ends_in_print = False
        try:
            state.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                state / STATE_FILE, isolation_level=None, timeout=10, check_same_thread=False
            )
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise HardwareError(f"the folder {state} cannot be used: {error}") from error

    def status(self) -> FeederStatus:
        """See `Feeder.status`."""
        token, place, paper, fault = self._db.execute(
            "SELECT token, place, paper, fault FROM memory"
        ).fetchone()
        held = self._held() is not None
        return FeederStatus(
            ready=fault is None and not held and paper > 0,
            sheets_waiting=False,
            place=PaperPlace.HELD if held else PaperPlace(place),
            last_token=token,
            box_count=self._count("in_box"),
            fault=fault,
            model="simulated-paper-trail",
            firmware="1",
        )

    def print_record(self, pdf: bytes) -> None:
        """See `PaperTrail.print_record`."""
        if self._held() is not None:
            raise FeederError("a record is under the glass already")
        paper = int(self._db.execute("SELECT paper FROM memory").fetchone()[0])
        if paper < 1:
            raise FeederError("the printer of the paper records is out of paper")
        name = secrets.token_hex(8)
        files = []
        for side, fine in enumerate(render_blank(pdf, PRINT_DPI), 1):
            pixels = np.array(Image.fromarray(fine).reduce(round(PRINT_DPI / CAMERA_DPI)))
            if self.paper_ends_in_print:
                pixels[pixels.shape[0] // 2 :] = 255
            path = self._folder / f"{name}-{side}.png"
            Image.fromarray(pixels).save(path, dpi=(CAMERA_DPI, CAMERA_DPI), compress_level=1)
            files.append(path.name)
        self._move(
            lambda: (
                self._db.execute(
                    "INSERT INTO record VALUES (?, ?, 'held')", (name, json.dumps(files))
                ),
                self._db.execute("UPDATE memory SET paper = paper - 1"),
            )
        )
        if self.paper_ends_in_print:
            self.paper_ends_in_print = False
            self.set_paper(0)
            raise FeederError("paper ran out in the middle of a record")

    def feed(self) -> HeldSheet | None:
        """The record under the glass, as the camera sees it."""
        files = self._held()
        return None if files is None else HeldSheet(tuple(path.read_bytes() for path in files))

    def accept(self, token: str) -> None:
        """See `Feeder.accept`."""
        self._settle(token, "in_box")

    def return_sheet(self, token: str) -> None:
        """See `Feeder.return_sheet`."""
        self._settle(token, "returned")

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._db.close()

    # --- the simulation's own doors ---------------------------------------------------

    def set_paper(self, sheets: int) -> None:
        """Put so many sheets into it."""
        self._db.execute("UPDATE memory SET paper = ?", (sheets,))

    def set_fault(self, word: str | None) -> None:
        """Raise a fault ("jam", …), or clear it with None."""
        self._db.execute("UPDATE memory SET fault = ?", (word,))

    def box(self) -> frozenset[tuple[Path, ...]]:
        """The records in the box, PNG files of their sides."""
        return self._files("in_box")

    def spoiled(self) -> frozenset[tuple[Path, ...]]:
        """The spoiled records."""
        return self._files("returned")

    # --- inside ----------------------------------------------------------------------

    def _settle(self, token: str, place: str) -> None:
        last, was, _, fault = self._db.execute("SELECT * FROM memory").fetchone()[1:5]
        if last == token:
            if was != place:
                raise FeederError(f"the token was used already: the record is {was}")
            return
        if fault is not None:
            raise FeederError(f"the paper path reports {fault}")
        if self._held() is None:
            raise FeederError("no record is under the glass")
        self._move(
            lambda: (
                self._db.execute("UPDATE record SET place = ? WHERE place = 'held'", (place,)),
                self._db.execute("UPDATE memory SET token = ?, place = ?", (token, place)),
            )
        )

    def _move(self, act: Callable[[], object]) -> None:
        """One move of paper: whole or not at all, and durable."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            act()
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _held(self) -> tuple[Path, ...] | None:
        files = self._files("held")
        return next(iter(files)) if files else None

    def _files(self, place: str) -> frozenset[tuple[Path, ...]]:
        rows = self._db.execute("SELECT files FROM record WHERE place = ?", (place,))
        return frozenset(tuple(self._folder / n for n in json.loads(f)) for (f,) in rows)

    def _count(self, place: str) -> int:
        row = self._db.execute("SELECT count(*) FROM record WHERE place = ?", (place,)).fetchone()
        return int(row[0])
