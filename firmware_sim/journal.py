"""The device's durable memory: one SQLite file that survives a cut at any instant.

What is stored: the device's state (one row), the one open intention (at most one row),
the cast vote records, the event log. Rules:

1. A sheet becomes a record in two phases: `intend` before the feeder is asked, `commit`
   after it confirmed, `abandon` if it did not. Each is one transaction.
2. A record has a random 128-bit id as primary key of a table WITHOUT ROWID: no row number,
   no time, no order (NVT-05).
3. The intention is the only link between a sheet in the machine and a record; it is wiped
   when settled, in the file and in the rollback journal.
4. Every row carries a check sum and the events a hash chain; the number of records is kept
   apart. Opening checks all of them: a damaged file is refused, never half read.

Pragmas, and why:
    journal_mode=PERSIST   WAL would keep votes in the order they came; a deleted rollback
                           journal would leave its content on the disk. A persistent one is
                           overwritten with zeros after each settled sheet.
    synchronous=EXTRA      every transaction is on the disk before the feeder is told.
    secure_delete=ON       what is deleted is overwritten with zeros.
    temp_store=MEMORY      no temporary file ever holds votes.
    locking_mode=EXCLUSIVE one device, one journal: a second process is refused.
    foreign_keys=ON, trusted_schema=OFF, cell_size_check=ON: strictness that costs nothing.

Within a page SQLite lays rows out in the order they came; `rewrite` (at the close of the
polls) writes the whole file anew in id order and zeroes the old pages.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from firmware_sim.errors import JournalError
from firmware_sim.eventlog import Detail, Event, EventLogError, check_chain, next_event
from scanner.cvr import CastVoteRecord, RecordError

#: "BBJ1": tells a journal from any other SQLite file.
APPLICATION_ID = 0x42424A31
SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1), document TEXT NOT NULL, digest TEXT NOT NULL
) STRICT;
CREATE TABLE intention (
    one INTEGER PRIMARY KEY CHECK (one = 1), document TEXT NOT NULL, digest TEXT NOT NULL
) STRICT;
CREATE TABLE records (
    record_id TEXT PRIMARY KEY CHECK (length(record_id) = 32),
    payload TEXT NOT NULL, digest TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL,
    detail TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE TABLE log_head (
    one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL
) STRICT;
"""
_PRAGMAS = (
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA journal_mode=PERSIST",
    "PRAGMA synchronous=EXTRA",
    "PRAGMA secure_delete=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
)


@dataclass(frozen=True, slots=True)
class Intention:
    """What the device was about to have done with the held sheet under `token`.

    `record` is set when it was to be accepted; otherwise it was to be returned, and
    `ground` says why and `style_id` what it was (None: it could not be read).
    """

    token: str
    record: CastVoteRecord | None
    ground: str | None = None
    style_id: str | None = None


class Journal:
    """An open journal. Every method may raise `JournalError`; close it or use `with`."""

    def __init__(self, path: Path) -> None:
        """Open the journal at `path`, or make it; checks the whole file first."""
        self._path = path
        self._rollback = path.with_name(path.name + "-journal")
        with self._explained("opened"):
            self._db = sqlite3.connect(path, isolation_level=None, timeout=2.0)
        try:
            self._prepare()
            self.check()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    # --- state -----------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """The device's state document; empty in a new journal."""
        with self._explained("read"):
            row = self._db.execute("SELECT document, digest FROM state").fetchone()
        return {} if row is None else self._checked_document("device state", *row)

    def set_state(
        self, document: Mapping[str, Any], *, at: datetime, kind: str, detail: Detail
    ) -> None:
        """Replace the state document and log one event, in one transaction."""
        with self._transaction():
            self._write_state(document)
            self._append(at, kind, detail)

    def clear_records(
        self, document: Mapping[str, Any], *, at: datetime, kind: str, detail: Detail
    ) -> None:
        """Drop every record (secure delete), replace the state document and log one event, in
        one transaction; then write the file anew. For a change of mode only."""
        if self.open_intention() is not None:
            raise JournalError(f"{self._path}: a sheet is not settled yet; recover first")
        with self._transaction(wipe=True):
            self._db.execute("DELETE FROM records")
            self._write_state(document)
            self._append(at, kind, detail)
        self.rewrite()

    # --- sheets ----------------------------------------------------------------------

    def intend(self, token: str, record: CastVoteRecord) -> None:
        """Phase one: the held sheet is to become `record` when accepted with `token`."""
        self._write_intention({"token": token, "record": record.to_json()})

    def intend_return(self, token: str, *, ground: str, style_id: str | None) -> None:
        """Phase one of pushing the held sheet back out with `token`."""
        self._write_intention({"token": token, "ground": ground, "style_id": style_id})

    def open_intention(self) -> Intention | None:
        """The intention left open by a cut, or None."""
        with self._explained("read"):
            row = self._db.execute("SELECT document, digest FROM intention").fetchone()
        if row is None:
            return None
        document = self._checked_document("open intention", *row)
        record = document.get("record")
        return Intention(
            token=document["token"],
            record=None if record is None else self._record(json.dumps(record)),
            ground=document.get("ground"),
            style_id=document.get("style_id"),
        )

    def commit(
        self, token: str, state: Mapping[str, Any], *, at: datetime, kind: str, detail: Detail
    ) -> None:
        """Phase two: the feeder confirmed `token`. Stores the record (if the sheet was
        accepted), replaces the state, logs the event and wipes the intention, all or none."""
        intention = self._settled(token)
        with self._transaction(wipe=True):
            if intention.record is not None:
                payload = _dumps(intention.record.to_json())
                self._db.execute(
                    "INSERT INTO records VALUES (?, ?, ?)",
                    (intention.record.record_id, payload, _digest("record", payload)),
                )
            self._db.execute("DELETE FROM intention")
            self._write_state(state)
            self._append(at, kind, detail)

    def abandon(self, token: str, *, at: datetime, detail: Detail) -> None:
        """Undo phase one: the sheet is still held, or a person has it. `token` must be the
        open intention's."""
        self._settled(token)
        with self._transaction(wipe=True):
            self._db.execute("DELETE FROM intention")
            self._append(at, "intention_undone", detail)

    def count(self) -> int:
        """How many records are committed."""
        with self._explained("read"):
            return int(self._db.execute("SELECT count(*) FROM records").fetchone()[0])

    def records(self) -> Iterator[CastVoteRecord]:
        """The records in order of their random ids, one at a time."""
        with self._explained("read"):
            for record_id, payload, digest in self._db.execute(
                "SELECT record_id, payload, digest FROM records ORDER BY record_id"
            ):
                if digest != _digest("record", payload):
                    raise self._damaged("a vote record fails its check sum")
                record = self._record(payload)
                if record.record_id != record_id:
                    raise self._damaged("a vote record is under the wrong id")
                yield record

    # --- events ----------------------------------------------------------------------

    def log(self, kind: str, detail: Detail, *, at: datetime) -> None:
        """Append one event."""
        with self._transaction():
            self._append(at, kind, detail)

    def events(self, after: int = 0) -> list[Event]:
        """The event log in order; of it only the events whose number is greater than `after`."""
        with self._explained("read"):
            rows = self._db.execute(
                "SELECT seq, time, kind, detail, prev, hash FROM events WHERE seq > ? ORDER BY seq",
                (after,),
            ).fetchall()
            return [_event(row) for row in rows]

    # --- the whole file --------------------------------------------------------------

    def check(self) -> None:
        """Check the file's structure, every check sum and the event chain.

        Raises:
            JournalError: anything does not hold.
        """
        with self._explained("read"):
            verdict = self._db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise self._damaged("SQLite finds its structure damaged")
        state = self.state()
        self.open_intention()
        found = sum(1 for _ in self.records())
        expected = state.get("counters", {}).get("accepted", 0)
        if found != expected:
            raise self._damaged(f"it holds {found} vote records but {expected} were committed")
        try:
            check_chain(self.events())
        except EventLogError as error:
            raise self._damaged(str(error)) from error
        with self._explained("read"):
            head = self._db.execute("SELECT seq, hash FROM log_head").fetchone()
        last = self._last_event()
        if head != (None if last is None else (last.seq, last.hash)):
            raise self._damaged("events are missing from the end of its log")
        if not state and (found or last):
            raise self._damaged("the device state is missing")

    def rewrite(self) -> None:
        """Write the file anew, rows in id order; old pages are overwritten (Secrecy)."""
        with self._explained("rewritten"):
            self._db.execute("VACUUM")
        self._wipe_rollback()

    # --- inside ----------------------------------------------------------------------

    def _prepare(self) -> None:
        with self._explained("opened"):
            for pragma in _PRAGMAS:
                self._db.execute(pragma).fetchall()
            # Take the exclusive lock now: a second device must not get as far as a sheet.
            self._db.execute("BEGIN EXCLUSIVE")
            tables = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            application = self._db.execute("PRAGMA application_id").fetchone()[0]
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if tables == 0 and application == 0:
                self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
                self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
            self._db.execute("COMMIT")
        # A process killed between commit and wipe left old pages; any step that was open in
        # SQLite itself has been rolled back by now.
        self._wipe_rollback()
        if tables == 0 and application == 0:
            return
        if application != APPLICATION_ID:
            raise JournalError(f"{self._path}: is not a device journal; give another --journal")
        if version != SCHEMA_VERSION:
            raise JournalError(
                f"{self._path}: is a journal of version {version}, this software writes version "
                f"{SCHEMA_VERSION}; use the software that made it"
            )

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise JournalError(
                    f"{self._path}: is in use by another device process; stop that one first"
                ) from error
            raise JournalError(f"{self._path}: the journal cannot be {doing}: {error}") from error
        except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, what: str) -> JournalError:
        return JournalError(
            f"{self._path}: the journal is damaged: {what}. Count the paper by hand and keep "
            "the file as evidence"
        )

    @contextmanager
    def _transaction(self, *, wipe: bool = False) -> Iterator[None]:
        with self._explained("written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        if wipe:
            self._wipe_rollback()

    def _wipe_rollback(self) -> None:
        # Outside a transaction the rollback journal's header is zero already, so SQLite
        # ignores the rest; only its left-over content is taken away here.
        try:
            with self._rollback.open("r+b") as file:
                size = os.fstat(file.fileno()).st_size
                file.write(bytes(size))
                file.flush()
                os.fsync(file.fileno())
        except FileNotFoundError:
            return
        except OSError as error:
            raise JournalError(
                f"{self._rollback}: cannot be wiped: {error.strerror}; stop the device"
            ) from error

    def _write_state(self, document: Mapping[str, Any]) -> None:
        text = _dumps(document)
        self._db.execute("DELETE FROM state")
        self._db.execute("INSERT INTO state VALUES (1, ?, ?)", (text, _digest("state", text)))

    def _write_intention(self, document: Mapping[str, Any]) -> None:
        text = _dumps(document)
        if self.open_intention() is not None:
            raise JournalError(
                f"{self._path}: a sheet is not settled yet; recover before the next one"
            )
        with self._transaction():
            self._db.execute(
                "INSERT INTO intention VALUES (1, ?, ?)", (text, _digest("state", text))
            )

    def _settled(self, token: str) -> Intention:
        intention = self.open_intention()
        if intention is None or intention.token != token:
            raise JournalError(f"{self._path}: no sheet is open under token {token[:40]}")
        return intention

    def _last_event(self) -> Event | None:
        row = self._db.execute(
            "SELECT seq, time, kind, detail, prev, hash FROM events ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return None if row is None else _event(row)

    def _append(self, at: datetime, kind: str, detail: Detail) -> None:
        event = next_event(self._last_event(), at=at, kind=kind, detail=detail)
        self._db.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
            (event.seq, event.time, kind, _dumps(detail), event.prev, event.hash),
        )
        self._db.execute(
            "INSERT OR REPLACE INTO log_head VALUES (1, ?, ?)", (event.seq, event.hash)
        )

    def _checked_document(self, what: str, text: str, digest: str) -> dict[str, Any]:
        if digest != _digest("state", text):
            raise self._damaged(f"the {what} fails its check sum")
        document: dict[str, Any] = json.loads(text)
        return document

    def _record(self, payload: str) -> CastVoteRecord:
        try:
            return CastVoteRecord.from_json(json.loads(payload))
        except (RecordError, ValueError) as error:
            raise self._damaged(f"a vote record cannot be read: {error}") from error


def _event(row: tuple[int, str, str, str, str, str]) -> Event:
    seq, time, kind, detail, prev, own = row
    return Event(seq, time, kind, json.loads(detail), prev, own)


def _dumps(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _digest(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}\0{text}".encode()).hexdigest()
