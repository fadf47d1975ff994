"""A journal's tables and the one form of their rows; their meaning: `firmware_sim.journal`."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firmware_sim.eventlog import Event
from firmware_sim.journal_file import Executes, JournalFile

SCHEMA_VERSION = 2

_V2 = (
    """CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, signature TEXT NOT NULL, digest TEXT NOT NULL
) STRICT""",
    """CREATE TABLE revision (
    one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL,
    checkpoints INTEGER NOT NULL, digest TEXT NOT NULL
) STRICT""",
)
SCHEMA = (
    """CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1), document TEXT NOT NULL, digest TEXT NOT NULL
) STRICT""",
    """CREATE TABLE intention (
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
    """CREATE TABLE log_head (
    one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL
) STRICT""",
    *_V2,
)
EVENT_COLUMNS = "SELECT seq, time, kind, detail, prev, hash FROM events"


def _from_version_1(db: sqlite3.Connection) -> None:
    """Version 1 had neither checkpoints nor numbered transactions; its rows are the same."""
    for statement in _V2:
        db.execute(statement)
    db.execute("INSERT INTO revision VALUES (1, 1, 0, ?)", (digest_of("revision", "1 0"),))


def open_file(path: Path) -> JournalFile:
    """The file of a journal, nothing of its content checked."""
    return JournalFile(path, schema=SCHEMA, migrations=(_from_version_1,))


def event_of(row: tuple[Any, ...]) -> Event:
    """One row of the table of events."""
    seq, time, kind, detail, prev, own = row
    return Event(seq, time, kind, json.loads(detail), prev, own)


def dumps(value: Any) -> str:
    """The one JSON form of the journal's cells."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest_of(kind: str, text: str) -> str:
    """The check sum of a row's text; `kind` is state (also of the intention), record,
    checkpoint or revision."""
    return hashlib.sha256(f"{kind}\0{text}".encode()).hexdigest()


def write_state(db: Executes, document: Mapping[str, Any]) -> None:
    """Replace the state document."""
    text = dumps(document)
    db.execute("DELETE FROM state")
    db.execute("INSERT INTO state VALUES (1, ?, ?)", (text, digest_of("state", text)))


def squeezed(sql: str) -> str:
    """A statement without its line ends."""
    return " ".join(sql.split())
