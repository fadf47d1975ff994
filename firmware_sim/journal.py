"""The device's durable memory: one SQLite file that survives a cut at any instant.

What is stored: the device's state (one row), the cast vote records, the event log and its
signed checkpoints, and what there must be of all these (`head`); beside it, in a small file of
its own, the one open intention. Rules:

1. A sheet becomes a record in two phases: `intend` before the feeder is asked, `settle`
   after it confirmed, `abandon` if it did not. `intend` and `abandon` are durable when they
   return; `settle` goes on aside, while the feeder is asked for its status, and is durable
   when `settled` returns, which must be before the next sheet is fed.
2. A record has a random 128-bit id as primary key of a table WITHOUT ROWID: no row number,
   no time, no order (NVT-05).
3. The intention is the only link between a sheet in the machine and a record; it is wiped
   when settled (`firmware_sim.intention`). It is numbered: the transaction that settles the
   n-th says so, and from then on the n-th in the file is only left over, wiped or not. One of
   a later step (an older journal was put back) or of another log is refused.
4. Every row carries a check sum and the events a hash chain; the number of records is kept
   apart. Opening checks all of them: a damaged file is refused, never half read.
5. Transactions are numbered (`revision`), so that two mirrored journals can be compared
   (`firmware_sim.mirror`).
6. A journal of an older version is brought to the newest, losing nothing; a newer one is
   refused.

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
    GENESIS,
    Checkpoint,
    Detail,
    Event,
    EventLogError,
    check_chain,
    next_event,
)
from firmware_sim.intention import Intention
from firmware_sim.journal_file import Executes, JournalFile
from firmware_sim.journal_rows import (
    EVENT_COLUMNS,
    HEAD_COLUMNS,
    SCHEMA,
    WRITE_HEAD,
    Head,
    digest_of,
    dumps,
    event_of,
    event_row,
    open_file,
    squeezed,
    state_row,
)
from firmware_sim.mirror import MirroredFile, reconcile
from firmware_sim.settlement import Ready, Settlement, make_ready
from scanner.cvr import CastVoteRecord, RecordError

__all__ = ["Intention", "Journal", "Settlement"]


@dataclass
class _Known:
    """What is remembered of the file; None: not read yet."""

    intention: tuple[Intention | None] | None = None
    #: The text of the open intention's record, as it was written.
    payload: str | None = None
    ready: Ready | None = None
    last: tuple[Event | None] | None = None
    head: Head | None = None


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
            if self.open_intention() is None:
                self._file.wipe_intention()
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
            db.execute(*state_row(document))
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
            db.execute(*state_row(document))
            self._append(db, at, kind, detail)
        self.rewrite()

    # --- sheets ----------------------------------------------------------------------

    def intend(self, token: str, record: CastVoteRecord, then: Settlement | None = None) -> None:
        """Phase one: the held sheet is to become `record` when accepted with `token`.

        `then` is how it will be settled, if all goes well: made ready while the disk writes.
        """
        payload = dumps(record.to_json())
        self._write_intention(Intention(token, record), {"token": token}, payload, then)

    def intend_return(
        self, token: str, *, ground: str, style_id: str | None, then: Settlement | None = None
    ) -> None:
        """Phase one of pushing the held sheet back out with `token`; `then` as in `intend`."""
        self._write_intention(
            Intention(token, None, ground, style_id),
            {"token": token, "ground": ground, "style_id": style_id},
            None,
            then,
        )

    def open_intention(self) -> Intention | None:
        """The intention left open by a cut, or None."""
        if self._known.intention is None:
            self._known.intention = (self._read_intention(),)
        return self._known.intention[0]

    def commit(
        self, token: str, state: Mapping[str, Any], *, at: datetime, kind: str, detail: Detail
    ) -> None:
        """Phase two, as `settle` and `settled`, with what is to be written."""
        self.settle(token, Settlement(state, at, kind, detail))
        self.settled()

    def settle(self, token: str, settlement: Settlement) -> None:
        """Phase two: the feeder confirmed `token`. Stores the record (if the sheet was
        accepted), replaces the state, logs the event and wipes the intention, all or none.

        It is only begun; `settled`, like anything else that needs the file, waits for it. A cut
        before its end leaves the intention, and a feeder that remembers the token.
        """
        record = self._open_under(token).record
        ready = self._known.ready
        if ready is None or ready.settlement is not settlement or ready.after != self._head():
            ready = self._made_ready(record, settlement)
        try:
            self._file.start_settling(ready.statements)
        except BaseException:
            self._known = _Known()
            raise
        self._known = _Known((None,), last=(ready.event,), head=ready.head)

    def settled(self) -> None:
        """Until the sheet that was settled last is a durable record."""
        try:
            self._file.finish_settling()
        except BaseException:
            self._known = _Known()
            raise

    def abandon(self, token: str, *, at: datetime, detail: Detail) -> None:
        """Undo phase one: the sheet is still held, or a person has it. `token` must be the
        open intention's."""
        self._open_under(token)
        with self._transaction(settles=True) as db:
            self._append(db, at, "intention_undone", detail)
        self._known = _Known((None,), last=self._known.last, head=self._known.head)

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
        with self._transaction(signs=True) as db:
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
        return self._head().number

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
        head, last = self._head(), self.last_event()
        if head.number == 0 and events:
            raise self._file.damaged("the number of its transactions is missing")
        if (head.seq, head.hash) != ((last.seq, last.hash) if last else (0, GENESIS)):
            raise self._file.damaged("events are missing from the end of its log")
        checkpoints = self.checkpoints()
        if len(checkpoints) != head.checkpoints:
            raise self._file.damaged("checkpoints of its log are missing")
        for checkpoint in checkpoints:
            if not 1 <= checkpoint.seq <= len(events) or (
                events[checkpoint.seq - 1].hash != checkpoint.hash
            ):
                raise self._file.damaged(f"event {checkpoint.seq} is not the one that was signed")
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
        """A whole, durable copy of the journal at `place`, which must not exist; without the
        open intention."""
        self._file.copy_to(place)

    def intention_text(self) -> str | None:
        """The open intention as it stands in its file; None: there is none."""
        return None if self.open_intention() is None else self._file.read_intention()

    # --- inside ----------------------------------------------------------------------

    @contextmanager
    def _transaction(
        self, *, settles: bool = False, wipe: bool = False, signs: bool = False
    ) -> Iterator[Executes]:
        """One transaction: `settles` the open intention, `signs` the log."""
        before = self._head()
        try:
            with self._file.transaction(wipe=wipe or settles) as db:
                yield db
                last = self._known.last and self._known.last[0]
                signed = before.checkpoints
                if signs:
                    signed = db.execute("SELECT count(*) FROM checkpoints").fetchone()[0]
                head = Head(
                    before.number + 1,
                    signed,
                    before.settled + settles,
                    *((last.seq, last.hash) if last else (before.seq, before.hash)),
                )
                db.execute(WRITE_HEAD, head.row)
        except BaseException:
            self._known = _Known()
            raise
        self._known.head = head

    def _head(self) -> Head:
        """What there must be."""
        if self._known.head is None:
            rows = self._file.rows(HEAD_COLUMNS)
            head = Head(*rows[0][:-1]) if rows else Head()
            if rows and rows[0][-1] != head.digest:
                raise self._file.damaged("the number of its transactions fails its check sum")
            self._known.head = head
        return self._known.head

    def _read_intention(self) -> Intention | None:
        text = self._file.read_intention()
        if text is None:
            return None
        with self._file.explained("read"):
            document = json.loads(text)
            step, after = int(document["step"]), str(document["after"])
        followed = self._file.rows("SELECT count(*) FROM events WHERE hash = ?", (after,))[0][0]
        settled = self._head().settled
        if (after != GENESIS and not followed) or step > settled + 1:
            raise self._file.damaged(
                "the open intention beside it was made after another log than this one (is it an "
                "older copy of the journal?)"
            )
        if step <= settled:
            return None
        record = document.get("record")
        return Intention(
            token=document["token"],
            record=None if record is None else self._record(json.dumps(record)),
            ground=document.get("ground"),
            style_id=document.get("style_id"),
        )

    def _write_intention(
        self,
        intention: Intention,
        document: Mapping[str, Any],
        payload: str | None,
        then: Settlement | None,
    ) -> None:
        if self.open_intention() is not None:
            raise JournalError(
                f"{self._path}: a sheet is not settled yet; recover before the next one"
            )
        last = self.last_event()
        step = {"step": self._head().settled + 1, "after": last.hash if last else GENESIS}
        text = dumps({**document, **step})
        if payload is not None:
            # As it will be stored: written as JSON once, not twice.
            text = f'{text[:-1]},"record":{payload}}}'
        try:
            self._file.start_intention(text)
            self._known.payload = payload
            if then is not None:
                self._known.ready = self._made_ready(intention.record, then)
            self._file.finish_intention()
        except BaseException:
            self._known = _Known()
            raise
        self._known.intention = (intention,)

    def _made_ready(self, record: CastVoteRecord | None, settlement: Settlement) -> Ready:
        return make_ready(
            settlement,
            record,
            payload=self._known.payload,
            after=self._head(),
            last=self.last_event(),
        )

    def _open_under(self, token: str) -> Intention:
        intention = self.open_intention()
        if intention is None or intention.token != token:
            raise JournalError(f"{self._path}: no sheet is open under token {token[:40]}")
        return intention

    def _append(self, db: Executes, at: datetime, kind: str, detail: Detail) -> None:
        event = next_event(self.last_event(), at=at, kind=kind, detail=detail)
        db.execute(*event_row(event))
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
