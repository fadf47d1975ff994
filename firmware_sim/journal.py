"""The device's durable memory: one SQLite file that survives a cut at any instant.

What is stored: the device's state (one row), the one open intention (at most one row),
the cast vote records, the event log and its signed checkpoints. Rules:

1. A sheet becomes a record in two phases: `intend` before the feeder is asked, `commit`
   after it confirmed, `abandon` if it did not. Each is one transaction.
2. A record has a random 128-bit id as primary key of a table WITHOUT ROWID: no row number,
   no time, no order (NVT-05).
3. The intention is the only link between a sheet in the machine and a record; it is wiped
   when settled, in the file and in the write-ahead log.
4. Every row carries a check sum and the events a hash chain; the number of records is kept
   apart. Opening checks all of them: a damaged file is refused, never half read.
5. Transactions are numbered (`revision`), so that two mirrored journals can be compared
   (`firmware_sim.mirror`).
6. A journal of version 1 is brought to version 2, losing nothing; a newer one is refused.

What a sheet needs to know of the file (open intention, last event, number of transactions)
is remembered: one process has the file, and a read would wait for the wipe of the last sheet,
which goes on while the next one is read.

Durability, pragmas and wiping are in `firmware_sim.journal_file`. Within a page SQLite lays
rows out in the order they came; `rewrite` (at the close of the polls) writes the whole file
anew in id order and zeroes the old pages. What is whole in a damaged file is read by
`firmware_sim.salvage`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from firmware_sim.errors import JournalError
from firmware_sim.eventlog import (
    Checkpoint,
    Detail,
    Event,
    EventLogError,
    check_chain,
    next_event,
)
from firmware_sim.journal_file import Executes, JournalFile
from firmware_sim.journal_rows import (
    EVENT_COLUMNS,
    SCHEMA,
    digest_of,
    dumps,
    event_of,
    open_file,
    squeezed,
    write_state,
)
from firmware_sim.mirror import MirroredFile, reconcile
from scanner.cvr import CastVoteRecord, RecordError


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


@dataclass
class _Known:
    """What is remembered of the file; None: not read yet."""

    intention: tuple[Intention | None] | None = None
    last: tuple[Event | None] | None = None
    numbers: tuple[int, int] | None = None


class Journal:
    """An open journal. Every method may raise `JournalError`; close it or use `with`."""

    def __init__(
        self, path: Path, mirror: Path | None = None, *, stop_on_failure: bool = False
    ) -> None:
        """Open the journal at `path`, or make it; checks the whole file first.

        Args:
            mirror: a second medium that holds the same; see `firmware_sim.mirror`.
            stop_on_failure: stop, should one of two media fail, instead of going on with one.
        """
        self._path = path
        self._known = _Known()
        #: What opening did to one of two media, for the log; None: nothing.
        self.renewed: str | None = None
        self._file: JournalFile | MirroredFile
        if mirror is None:
            self._file = open_file(path)
        else:
            self.renewed = reconcile(path, mirror, Journal)
            files = [open_file(path)]
            try:
                files.append(open_file(mirror))
            except BaseException:
                files[0].close()
                raise
            self._file = MirroredFile(files, stop_on_failure=stop_on_failure)
        try:
            self.check()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def degraded(self) -> tuple[tuple[Path, JournalError], ...]:
        """Which of two media failed since the start, and why."""
        return tuple(self._file.failures) if isinstance(self._file, MirroredFile) else ()

    @property
    def migrated_from(self) -> int | None:
        """The version that opening brought to the newest; None: it was the newest."""
        return self._file.migrated_from

    # --- state -----------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """The device's state document; empty in a new journal."""
        for row in self._file.rows("SELECT document, digest FROM state"):
            return self._checked_document("device state", *row)
        return {}

    def set_state(
        self, document: Mapping[str, Any], *, at: datetime, kind: str, detail: Detail
    ) -> None:
        """Replace the state document and log one event, in one transaction."""
        with self._transaction() as db:
            write_state(db, document)
            self._append(db, at, kind, detail)

    def clear_records(
        self, document: Mapping[str, Any], *, at: datetime, kind: str, detail: Detail
    ) -> None:
        """Drop every record (secure delete), replace the state document and log one event, in
        one transaction; then write the file anew. For a change of mode only."""
        if self.open_intention() is not None:
            raise JournalError(f"{self._path}: a sheet is not settled yet; recover first")
        with self._transaction(wipe=True) as db:
            db.execute("DELETE FROM records")
            write_state(db, document)
            self._append(db, at, kind, detail)
        self.rewrite()

    # --- sheets ----------------------------------------------------------------------

    def intend(self, token: str, record: CastVoteRecord) -> None:
        """Phase one: the held sheet is to become `record` when accepted with `token`."""
        self._write_intention(
            Intention(token, record), {"token": token, "record": record.to_json()}
        )

    def intend_return(self, token: str, *, ground: str, style_id: str | None) -> None:
        """Phase one of pushing the held sheet back out with `token`."""
        self._write_intention(
            Intention(token, None, ground, style_id),
            {"token": token, "ground": ground, "style_id": style_id},
        )

    def open_intention(self) -> Intention | None:
        """The intention left open by a cut, or None."""
        if self._known.intention is None:
            self._known.intention = (self._read_intention(),)
        return self._known.intention[0]

    def commit(
        self, token: str, state: Mapping[str, Any], *, at: datetime, kind: str, detail: Detail
    ) -> None:
        """Phase two: the feeder confirmed `token`. Stores the record (if the sheet was
        accepted), replaces the state, logs the event and wipes the intention, all or none."""
        intention = self._settled(token)
        with self._transaction(wipe=True) as db:
            if intention.record is not None:
                payload = dumps(intention.record.to_json())
                db.execute(
                    "INSERT INTO records VALUES (?, ?, ?)",
                    (intention.record.record_id, payload, digest_of("record", payload)),
                )
            db.execute("DELETE FROM intention")
            write_state(db, state)
            self._append(db, at, kind, detail)
        self._known.intention = (None,)

    def abandon(self, token: str, *, at: datetime, detail: Detail) -> None:
        """Undo phase one: the sheet is still held, or a person has it. `token` must be the
        open intention's."""
        self._settled(token)
        with self._transaction(wipe=True) as db:
            db.execute("DELETE FROM intention")
            self._append(db, at, "intention_undone", detail)
        self._known.intention = (None,)

    def count(self) -> int:
        """How many records are committed."""
        return int(self._file.rows("SELECT count(*) FROM records")[0][0])

    def records(self) -> Iterator[CastVoteRecord]:
        """The records in order of their random ids, one at a time."""
        for record_id, payload, digest in self._file.each_row(
            "SELECT record_id, payload, digest FROM records ORDER BY record_id"
        ):
            if digest != digest_of("record", payload):
                raise self._file.damaged("a vote record fails its check sum")
            record = self._record(payload)
            if record.record_id != record_id:
                raise self._file.damaged("a vote record is under the wrong id")
            yield record

    # --- events ----------------------------------------------------------------------

    def log(self, kind: str, detail: Detail, *, at: datetime) -> None:
        """Append one event."""
        with self._transaction() as db:
            self._append(db, at, kind, detail)

    def events(self, after: int = 0) -> list[Event]:
        """The event log in order; of it only the events whose number is greater than `after`."""
        rows = self._file.rows(f"{EVENT_COLUMNS} WHERE seq > ? ORDER BY seq", (after,))
        with self._file.explained("read"):
            return [event_of(row) for row in rows]

    def last_event(self) -> Event | None:
        """The newest event; None in a new journal."""
        if self._known.last is None:
            rows = self._file.rows(f"{EVENT_COLUMNS} ORDER BY seq DESC LIMIT 1")
            with self._file.explained("read"):
                self._known.last = (event_of(rows[0]) if rows else None,)
        return self._known.last[0]

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a signed checkpoint of the log; it must be of an event that is there."""
        if not any(e.hash == checkpoint.hash for e in self.events(checkpoint.seq - 1)[:1]):
            raise JournalError(f"{self._path}: event {checkpoint.seq} is not the one signed")
        row = (checkpoint.seq, checkpoint.hash, checkpoint.signature)
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?)",
                (*row, digest_of("checkpoint", dumps(list(row)))),
            )

    def checkpoints(self) -> list[Checkpoint]:
        """The signed checkpoints of the log, in order."""
        found = []
        for *row, digest in self._file.rows(
            "SELECT seq, hash, signature, digest FROM checkpoints ORDER BY seq"
        ):
            if digest != digest_of("checkpoint", dumps(row)):
                raise self._file.damaged(f"the checkpoint of event {row[0]} fails its check sum")
            found.append(Checkpoint(*row))
        return found

    # --- the whole file --------------------------------------------------------------

    def revision(self) -> int:
        """How many transactions were committed."""
        return self._numbers()[0]

    def check(self) -> None:
        """Check the file's structure, every check sum and the event chain.

        Raises:
            JournalError: anything does not hold.
        """
        self._known = _Known()
        if self._file.rows("PRAGMA integrity_check(1)")[0][0] != "ok":
            raise self._file.damaged("SQLite finds its structure damaged")
        tables = self._file.rows("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
        if sorted(squeezed(sql) for (sql,) in tables) != sorted(map(squeezed, SCHEMA)):
            raise self._file.damaged("its tables are not those of a journal")
        state = self.state()
        self.open_intention()
        found = sum(1 for _ in self.records())
        expected = state.get("counters", {}).get("accepted", 0)
        if found != expected:
            raise self._file.damaged(f"it holds {found} vote records but {expected} were committed")
        events = self.events()
        try:
            check_chain(events)
        except EventLogError as error:
            raise self._file.damaged(str(error)) from error
        heads = self._file.rows("SELECT seq, hash FROM log_head")
        if heads != [(event.seq, event.hash) for event in events[-1:]]:
            raise self._file.damaged("events are missing from the end of its log")
        checkpoints = self.checkpoints()
        if len(checkpoints) != self._numbers()[1]:
            raise self._file.damaged("checkpoints of its log are missing")
        for checkpoint in checkpoints:
            if not 1 <= checkpoint.seq <= len(events) or (
                events[checkpoint.seq - 1].hash != checkpoint.hash
            ):
                raise self._file.damaged(f"event {checkpoint.seq} is not the one that was signed")
        if self.revision() == 0 and events:
            raise self._file.damaged("the number of its transactions is missing")
        if not state and (found or events):
            raise self._file.damaged("the device state is missing")

    def rewrite(self) -> None:
        """Write the file anew, rows in id order; old pages are overwritten (Secrecy)."""
        self._file.rewrite()

    def digest(self) -> str:
        """SHA-256 over every row: two journals with the same one hold the same."""
        if isinstance(self._file, MirroredFile):
            raise JournalError(f"{self._path}: two media are compared one by one")
        return self._file.digest()

    def copy_to(self, place: Path) -> None:
        """A whole, durable copy of the journal at `place`, which must not exist."""
        self._file.copy_to(place)

    # --- inside ----------------------------------------------------------------------

    @contextmanager
    def _transaction(self, *, wipe: bool = False) -> Iterator[Executes]:
        number = self.revision() + 1
        try:
            with self._file.transaction(wipe=wipe) as db:
                yield db
                signed = db.execute("SELECT count(*) FROM checkpoints").fetchone()[0]
                db.execute(
                    "INSERT OR REPLACE INTO revision VALUES (1, ?, ?, ?)",
                    (number, signed, digest_of("revision", f"{number} {signed}")),
                )
        except BaseException:
            self._known = _Known()
            raise
        self._known.numbers = (number, signed)

    def _numbers(self) -> tuple[int, int]:
        """How many transactions and checkpoints there must be."""
        if self._known.numbers is not None:
            return self._known.numbers
        rows = self._file.rows("SELECT number, checkpoints, digest FROM revision")
        number, checkpoints, digest = rows[0] if rows else (0, 0, digest_of("revision", "0 0"))
        if digest != digest_of("revision", f"{number} {checkpoints}"):
            raise self._file.damaged("the number of its transactions fails its check sum")
        self._known.numbers = (int(number), int(checkpoints))
        return self._known.numbers

    def _read_intention(self) -> Intention | None:
        rows = self._file.rows("SELECT document, digest FROM intention")
        if not rows:
            return None
        document = self._checked_document("open intention", *rows[0])
        record = document.get("record")
        return Intention(
            token=document["token"],
            record=None if record is None else self._record(json.dumps(record)),
            ground=document.get("ground"),
            style_id=document.get("style_id"),
        )

    def _write_intention(self, intention: Intention, document: Mapping[str, Any]) -> None:
        text = dumps(document)
        if self.open_intention() is not None:
            raise JournalError(
                f"{self._path}: a sheet is not settled yet; recover before the next one"
            )
        with self._transaction() as db:
            db.execute("INSERT INTO intention VALUES (1, ?, ?)", (text, digest_of("state", text)))
        self._known.intention = (intention,)

    def _settled(self, token: str) -> Intention:
        intention = self.open_intention()
        if intention is None or intention.token != token:
            raise JournalError(f"{self._path}: no sheet is open under token {token[:40]}")
        return intention

    def _append(self, db: Executes, at: datetime, kind: str, detail: Detail) -> None:
        event = next_event(self.last_event(), at=at, kind=kind, detail=detail)
        db.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
            (event.seq, event.time, kind, dumps(detail), event.prev, event.hash),
        )
        db.execute("INSERT OR REPLACE INTO log_head VALUES (1, ?, ?)", (event.seq, event.hash))
        self._known.last = (event,)

    def _checked_document(self, what: str, text: str, digest: str) -> dict[str, Any]:
        if digest != digest_of("state", text):
            raise self._file.damaged(f"the {what} fails its check sum")
        document: dict[str, Any] = json.loads(text)
        return document

    def _record(self, payload: str) -> CastVoteRecord:
        try:
            return CastVoteRecord.from_json(json.loads(payload))
        except (RecordError, ValueError) as error:
            raise self._file.damaged(f"a vote record cannot be read: {error}") from error
