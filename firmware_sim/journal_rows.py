"""A journal's tables and the one form of their rows; their meaning: `firmware_sim.journal`."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from firmware_sim.eventlog import GENESIS, Event
from firmware_sim.intention import IntentionFile
from firmware_sim.journal_file import JournalFile, Statement

_CHECKPOINTS = """CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, signature TEXT NOT NULL, digest TEXT NOT NULL
) STRICT"""
_HEAD = """CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL,
    checkpoints INTEGER NOT NULL, settled INTEGER NOT NULL,
    seq INTEGER NOT NULL, hash TEXT NOT NULL, digest TEXT NOT NULL
) STRICT"""
SCHEMA = (
    """CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1), document TEXT NOT NULL, digest TEXT NOT NULL
) STRICT""",
    """CREATE TABLE records (
    record_id TEXT PRIMARY KEY CHECK (length(record_id) = 32),
    payload TEXT NOT NULL, digest TEXT NOT NULL
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE events (
    seq INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL,
    detail TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL
) STRICT""",
    _CHECKPOINTS,
    _HEAD,
)
_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
EVENT_COLUMNS = "SELECT seq, time, kind, detail, prev, hash FROM events"
WRITE_HEAD = "INSERT OR REPLACE INTO head VALUES (?, ?, ?, ?, ?, ?, ?)"
HEAD_COLUMNS = "SELECT number, checkpoints, settled, seq, hash, digest FROM head"


class Head(NamedTuple):
    """What there must be: how many transactions, checkpoints of the log and settled sheets
    (records, returned ones and undone steps); number and hash of the last event."""

    number: int = 0
    checkpoints: int = 0
    settled: int = 0
    seq: int = 0
    hash: str = GENESIS

    @property
    def digest(self) -> str:
        """The row's check sum."""
        values = f"{self.number} {self.checkpoints} {self.settled} {self.seq} {self.hash}"
        return digest_of("head", values)

    @property
    def row(self) -> tuple[int, int, int, int, int, str, str]:
        """The one row of its table."""
        counts = (self.number, self.checkpoints, self.settled)
        return (1, *counts, self.seq, self.hash, self.digest)


def _from_version_1(db: sqlite3.Connection, _intention: IntentionFile) -> None:
    """Version 1 had neither checkpoints nor numbered transactions; its rows are the same."""
    db.execute(_CHECKPOINTS)
    db.execute(
        "CREATE TABLE revision (one INTEGER PRIMARY KEY, number INTEGER, checkpoints INTEGER, "
        "digest TEXT) STRICT"
    )
    db.execute("INSERT INTO revision VALUES (1, 1, 0, ?)", (digest_of("revision", "1 0"),))


def _from_version_2(db: sqlite3.Connection, intention: IntentionFile) -> None:
    """Version 2 kept the open intention, the number of transactions and the end of the log in
    tables of their own. A cut before the end of the migration does it again."""
    row = db.execute("SELECT number, checkpoints, digest FROM revision").fetchone()
    number, signed, digest = row or (0, 0, digest_of("revision", "0 0"))
    if digest != digest_of("revision", f"{number} {signed}"):
        raise ValueError("the number of its transactions fails its check sum")
    last = db.execute("SELECT seq, hash FROM log_head").fetchone() or (0, GENESIS)
    head = Head(number, signed, 0, *last)
    for text, digest in db.execute("SELECT document, digest FROM intention").fetchall():
        if digest != digest_of("state", text):
            raise ValueError("the open intention fails its check sum")
        intention.wipe()
        intention.write(dumps({**json.loads(text), "step": 1, "after": head.hash}))
    db.execute(_HEAD)
    if row:
        db.execute(WRITE_HEAD, head.row)
    for table in ("intention", "revision", "log_head"):
        db.execute(f"DROP TABLE {table}")


def open_file(path: Path) -> JournalFile:
    """The file of a journal, nothing of its content checked."""
    return JournalFile(path, schema=SCHEMA, migrations=(_from_version_1, _from_version_2))


def event_of(row: tuple[Any, ...]) -> Event:
    """One row of the table of events."""
    seq, time, kind, detail, prev, own = row
    return Event(seq, time, kind, json.loads(detail), prev, own)


def dumps(value: Any) -> str:
    """The one JSON form of the journal's cells."""
    return _JSON.encode(value)


def digest_of(kind: str, text: str) -> str:
    """The check sum of a row's text; `kind` is state, record, checkpoint or head (revision:
    of version 2)."""
    return hashlib.sha256(f"{kind}\0{text}".encode()).hexdigest()


def state_row(document: Mapping[str, Any]) -> Statement:
    """The statement that replaces the state document, and its values."""
    text = dumps(document)
    return "INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (text, digest_of("state", text))


def event_row(event: Event) -> Statement:
    """The statement that appends an event, and its values."""
    row = (event.seq, event.time, event.kind, dumps(event.detail), event.prev, event.hash)
    return "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row


def squeezed(sql: str) -> str:
    """A statement without its line ends."""
    return " ".join(sql.split())
