"""The paper of a simulated central scanner: trays, two pockets, and ink on sheets.

Rules (docs/protocol.md, B2 to B8):

1. A batch is over one tray; one batch is open at a time; an ended batch's id is never begun
   again in this state folder.
2. A number is spent, durably, *before* the ink: a cut between the two leaves a number on no
   sheet, never a number on two.
3. Ink stays. A sheet that was pulled out and is fed again gets a new number beside the old
   one; the last one is the one that counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hardware.batch_messages import BatchWord
from hardware.errors import HardwareError
from hardware.imprint import fill
from hardware.interface import BatchStage, BatchState
from hardware.messages import Act
from hardware.simulated.paper import DeckSheet, Paper, PaperError

#: Trays that one machine may have.
MAX_TRAYS = 255
_TABLES = """
CREATE TABLE IF NOT EXISTS in_tray (name TEXT PRIMARY KEY, tray INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS batch (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, tray INTEGER NOT NULL,
  format TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0, numbers INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_open ON batch (ended) WHERE ended = 0;
CREATE TABLE IF NOT EXISTS ink (
  batch TEXT NOT NULL, position INTEGER NOT NULL, words TEXT NOT NULL, sheet TEXT NOT NULL,
  went TEXT, PRIMARY KEY (batch, position)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS words_once ON ink (words) WHERE words <> '';
CREATE INDEX IF NOT EXISTS ink_of ON ink (sheet);
"""


class BatchError(HardwareError):
    """A verb of batches that cannot be done now; `word` says why."""

    def __init__(self, word: BatchWord) -> None:
        """The word of the refusal."""
        self.word = word
        super().__init__(word.value)


@dataclass(frozen=True, slots=True)
class Ink:
    """One number on a sheet; `went` is where the sheet then went ("in_box", "outstacked",
    "returned", "pulled"), None while it is held."""

    batch_id: str
    position: int
    words: str
    sheet: str
    went: str | None


class Trays(Paper):
    """`Paper` in several trays, under batches. A deck's sheets are named "TRAY/name"."""

    def __init__(self, state: Path) -> None:
        """Open or make the state folder. Raises PaperError."""
        super().__init__(state)
        try:
            self._db.executescript(_TABLES)
        except sqlite3.Error as error:
            raise PaperError(f"the state folder {state} cannot be used: {error}") from error
        self.trays = 0

    def lay(self, decks: Sequence[Sequence[DeckSheet]]) -> None:
        """Lay each deck into its tray (the first into tray 1); sheets known stay where they
        are. Raises PaperError for no tray or more than there can be."""
        if not 1 <= len(decks) <= MAX_TRAYS:
            raise PaperError(f"{len(decks)} decks: a central scanner has 1 to {MAX_TRAYS} trays")
        self.trays = len(decks)
        for tray, deck in enumerate(decks, 1):
            self.put_in(tray, deck)

    def put_in(self, tray: int, deck: Sequence[DeckSheet]) -> None:
        """Lay sheets that were never seen into a tray, behind those there."""
        named = [replace(sheet, name=f"{tray}/{sheet.name}") for sheet in deck]
        with self._move():
            self._db.executemany(
                "INSERT OR IGNORE INTO in_tray VALUES (?, ?)", [(s.name, tray) for s in named]
            )
        self.load(named)

    def waiting(self, tray: int) -> int:
        """Sheets in a tray."""
        return int(
            self._db.execute(
                "SELECT count(*) FROM sheet JOIN in_tray USING (name) "
                "WHERE place = 'tray' AND tray = ?",
                (tray,),
            ).fetchone()[0]
        )

    # --- batches -----------------------------------------------------------------------

    def begin(self, batch_id: str, tray: int, imprint_format: str) -> None:
        """Open a batch; the open one again, alike, changes nothing. Raises BatchError."""
        if not 1 <= tray <= self.trays:
            raise BatchError(BatchWord.TRAY)
        with self._move():
            known = self._db.execute(
                "SELECT tray, format, ended FROM batch WHERE id = ?", (batch_id,)
            ).fetchone()
            if known == (tray, imprint_format, 0):
                return
            if known is not None and known[2]:
                raise BatchError(BatchWord.USED)
            if self.open_batch() is not None:
                raise BatchError(BatchWord.OPEN)
            if self.held() is not None:
                raise BatchError(BatchWord.HELD)
            self._db.execute(
                "INSERT INTO batch (id, tray, format) VALUES (?, ?, ?)",
                (batch_id, tray, imprint_format),
            )

    def end(self, batch_id: str) -> None:
        """Close the open batch; the one ended last again changes nothing. Raises BatchError."""
        with self._move():
            if self.open_batch() is None:
                last = self._db.execute("SELECT id FROM batch ORDER BY number DESC").fetchone()
                if last != (batch_id,):
                    raise BatchError(BatchWord.NO_BATCH)
                return
            if self.open_batch() != batch_id:
                raise BatchError(BatchWord.OPEN)
            if self.held() is not None:
                raise BatchError(BatchWord.HELD)
            self._db.execute("UPDATE batch SET ended = 1 WHERE id = ?", (batch_id,))

    def open_batch(self) -> str | None:
        """The open batch's id."""
        row = self._db.execute("SELECT id FROM batch WHERE ended = 0").fetchone()
        return None if row is None else str(row[0])

    def state(self) -> BatchState:
        """The batch last begun, and its counters."""
        row = self._db.execute(
            "SELECT id, tray, format, ended, numbers FROM batch ORDER BY number DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return BatchState(BatchStage.NONE, 0, False, 0, 0, 0, 0, 0, 0, "", "")
        batch_id, tray, imprint_format, ended, numbers = row
        went = dict(
            self._db.execute(
                "SELECT coalesce(went, 'held'), count(*) FROM ink WHERE batch = ? GROUP BY 1",
                (batch_id,),
            )
        )
        held, accepted = went.get("held", 0), went.get("in_box", 0)
        outstacked, returned = went.get("outstacked", 0), went.get("returned", 0)
        return BatchState(
            stage=BatchStage.ENDED if ended else BatchStage.OPEN,
            tray=tray,
            held=bool(held),
            waiting=self.waiting(tray),
            numbers=numbers,
            accepted=accepted,
            outstacked=outstacked,
            returned=returned,
            void=numbers - held - accepted - outstacked - returned,
            batch_id=batch_id,
            imprint_format=imprint_format,
        )

    # --- sheets ------------------------------------------------------------------------

    def draw_next(self) -> Ink | None:
        """Hold the next sheet of the open batch's tray, numbered; the held one, if there is
        one; None when the tray is empty. Raises BatchError."""
        if self.open_batch() is None:
            raise BatchError(BatchWord.NO_BATCH)
        if self.held() is None:
            position = self.spend_number()
            if position is None:
                return None
            self._print_and_hold(position)
        return self.ink_of_held()

    def spend_number(self) -> int | None:
        """The open batch's next number, spent for ever (rule 2); None when its tray is empty."""
        with self._move():
            batch_id, tray, imprint_format, numbers = self._db.execute(
                "SELECT id, tray, format, numbers FROM batch WHERE ended = 0"
            ).fetchone()
            if not self.waiting(tray):
                return None
            words = fill(imprint_format, batch_id, numbers + 1)
            if words and self._db.execute("SELECT 1 FROM ink WHERE words = ?", (words,)).fetchone():
                raise BatchError(BatchWord.REPEATS)
            self._db.execute("UPDATE batch SET numbers = numbers + 1 WHERE ended = 0")
        return int(numbers) + 1

    def _print_and_hold(self, position: int) -> None:
        with self._move():
            batch_id, tray, imprint_format = self._db.execute(
                "SELECT id, tray, format FROM batch WHERE ended = 0"
            ).fetchone()
            (name,) = self._db.execute(
                "SELECT name FROM sheet JOIN in_tray USING (name) WHERE place = 'tray' "
                "AND tray = ? ORDER BY position LIMIT 1",
                (tray,),
            ).fetchone()
            self._db.execute("DELETE FROM pulled")
            self._db.execute("UPDATE sheet SET place = 'held' WHERE name = ?", (name,))
            self._db.execute(
                "INSERT INTO ink VALUES (?, ?, ?, ?, NULL)",
                (batch_id, position, fill(imprint_format, batch_id, position), name),
            )

    def ink_of_held(self) -> Ink | None:
        """The number that the held sheet got when it was drawn in."""
        row = self._db.execute(
            "SELECT batch, i.position, words, sheet, went FROM ink i JOIN sheet s "
            "ON s.name = i.sheet WHERE s.place = 'held' AND went IS NULL"
        ).fetchone()
        return None if row is None else Ink(*row)

    def ink(self) -> tuple[Ink, ...]:
        """All numbers on all sheets, in the order of printing."""
        rows = self._db.execute(
            "SELECT batch, position, words, sheet, went FROM ink ORDER BY rowid"
        )
        return tuple(Ink(*row) for row in rows)

    def words_on_held(self) -> tuple[str, ...]:
        """Everything that is printed on the held sheet, oldest first."""
        rows = self._db.execute(
            "SELECT words FROM ink JOIN sheet ON name = sheet WHERE place = 'held' AND words <> '' "
            "ORDER BY ink.rowid"
        )
        return tuple(words for (words,) in rows)

    def outstack(self, token: bytes) -> bool:
        """Put the held sheet into the pocket for outstacked ones; False where none is held."""
        return self._settle("outstacked", Act.OUTSTACKED, token)

    def outstacked(self) -> frozenset[str]:
        """Names of the sheets in the pocket for outstacked ones."""
        rows = self._db.execute("SELECT name FROM sheet WHERE place = 'outstacked'")
        return frozenset(name for (name,) in rows)

    def _let_go(self, name: str, place: str) -> None:
        self._db.execute("UPDATE ink SET went = ? WHERE sheet = ? AND went IS NULL", (place, name))
