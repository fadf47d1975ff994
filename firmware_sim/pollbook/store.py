"""The pollbook's database: SQLite in memory, kept encrypted in a file that survives a cut at any
instant (`firmware_sim.pollbook.vault`).

Rules:

1. Every change is one transaction, on the disk before anyone is told. If it cannot be written,
   the book is closed: what is on the disk decides.
2. What leads to a ballot (`roll`, `mobile`, `tries`) is kept by IIN in tables WITHOUT ROWID:
   no row number and no order; of time only the hour. The audit trail says of it how many, by
   the hour, with a hash of the roll at each change of the hour, never who or in which order:
   the scanner's log has an order too, and the two must not be laid side by side (NVT-05).
3. Changes of the list (before the day) are in the audit trail one by one, by entry number.
4. Every row carries a check sum, the trail a hash chain (`firmware_sim.eventlog`); opening
   checks all of them, and a damaged file is refused.
5. What is deleted is overwritten (secure_delete) before the file is written.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from firmware_sim.errors import FirmwareError
from firmware_sim.eventlog import Detail, Event, EventLogError, check_chain, next_event
from firmware_sim.pollbook.errors import BookError
from firmware_sim.pollbook.vault import Lock, Vault, damaged

#: "BBP1": tells a pollbook from any other SQLite file.
APPLICATION_ID = 0x42425031
SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1), document TEXT NOT NULL, digest TEXT NOT NULL
) STRICT;
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, iin TEXT NOT NULL, birth_date TEXT NOT NULL,
    name_key TEXT NOT NULL, document TEXT NOT NULL, digest TEXT NOT NULL
) STRICT;
CREATE INDEX entries_iin ON entries (iin);
CREATE INDEX entries_birth ON entries (birth_date);
CREATE INDEX entries_name ON entries (name_key);
CREATE TABLE facts (
    kind TEXT NOT NULL, key TEXT NOT NULL, document TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (kind, key)
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
    "PRAGMA secure_delete=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
)


class Store:
    """Documents by key, entries, and the trail. Every method may raise `BookError`."""

    def __init__(self, vault: Vault, image: bytes | None = None) -> None:
        """The database `image` out of `vault`; without one, a new and empty one. The vault is
        closed with the store, and when this raises."""
        self.path = vault.path
        self._vault = vault
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        try:
            with self.explained("opened"):
                if image is not None:
                    self._db.deserialize(image)
            self._prepare(create=image is None)
            if image is not None:
                self.check()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the file."""
        self._db.close()
        self._vault.close()

    # --- documents -------------------------------------------------------------------

    def meta(self) -> dict[str, Any]:
        """What the book is about."""
        row = self._one("SELECT document, digest FROM meta")
        if row is None:
            raise self.damaged("it does not say what it is about")
        return self._document("meta", *row)

    def set_meta(self, document: Mapping[str, Any]) -> None:
        """Replace it (inside `transaction`)."""
        text = dumps(document)
        self._db.execute(
            "INSERT OR REPLACE INTO meta VALUES (1, ?, ?)", (text, _digest("meta", text))
        )

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The document of `kind` under `key`, or None."""
        row = self._one(
            "SELECT document, digest FROM facts WHERE kind = ? AND key = ?", (kind, key)
        )
        return None if row is None else self._document(f"{kind}\0{key}", *row)

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Write or replace it (inside `transaction`)."""
        text = dumps(document)
        self._db.execute(
            "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)",
            (kind, key, text, _digest(f"{kind}\0{key}", text)),
        )

    def drop(self, kind: str, key: str) -> None:
        """Take it away (inside `transaction`)."""
        self._db.execute("DELETE FROM facts WHERE kind = ? AND key = ?", (kind, key))

    def all(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every (key, document) of a kind, in order of the keys."""
        with self.explained("read"):
            rows = self._db.execute(
                "SELECT key, document, digest FROM facts WHERE kind = ? ORDER BY key", (kind,)
            ).fetchall()
        for key, text, digest in rows:
            yield key, self._document(f"{kind}\0{key}", text, digest)

    # --- entries ---------------------------------------------------------------------

    def put_entries(self, rows: Sequence[tuple[int, str, str, str, Mapping[str, Any]]]) -> None:
        """Write entries (number, iin, birth date, name key, document) (inside `transaction`)."""
        self._db.executemany(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)",
            [
                (number, iin, birth, name, text, _digest(f"entry\0{number}", text))
                for number, iin, birth, name, document in rows
                for text in [dumps(document)]
            ],
        )

    def entries(
        self, where: str = "", values: Sequence[str] = ()
    ) -> list[tuple[int, dict[str, Any]]]:
        """Every (number, document), or those of a fixed condition, in order of the numbers."""
        with self.explained("read"):
            rows = self._db.execute(
                # `where` is one of this room's own words, never anyone's input.
                f"SELECT number, document, digest FROM entries {where} ORDER BY number",  # noqa: S608
                tuple(values),
            ).fetchall()
        return [(n, self._document(f"entry\0{n}", text, digest)) for n, text, digest in rows]

    # --- the trail -------------------------------------------------------------------

    def append(self, at: datetime, kind: str, detail: Detail) -> None:
        """One event, its time cut to the hour (inside `transaction`)."""
        hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        event = next_event(self._last_event(), at=hour, kind=kind, detail=detail)
        self._db.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
            (event.seq, event.time, kind, dumps(detail), event.prev, event.hash),
        )
        self._db.execute(
            "INSERT OR REPLACE INTO log_head VALUES (1, ?, ?)", (event.seq, event.hash)
        )

    def events(self) -> list[Event]:
        """The whole trail."""
        with self.explained("read"):
            rows = self._db.execute(
                "SELECT seq, time, kind, detail, prev, hash FROM events ORDER BY seq"
            ).fetchall()
            return [_event(row) for row in rows]

    # --- the whole file --------------------------------------------------------------

    def check(self) -> None:
        """Structure, every check sum, the chain and its end."""
        verdict = self._one("PRAGMA integrity_check(1)")
        if verdict != ("ok",):
            raise self.damaged("SQLite finds its structure damaged")
        self.meta()
        self.entries()
        with self.explained("read"):
            kinds = [k for (k,) in self._db.execute("SELECT DISTINCT kind FROM facts").fetchall()]
        for kind in kinds:
            for _ in self.all(kind):
                pass
        try:
            check_chain(self.events())
        except EventLogError as error:
            raise self.damaged(str(error)) from error
        last = self._last_event()
        head = self._one("SELECT seq, hash FROM log_head")
        if head != (None if last is None else (last.seq, last.hash)):
            raise self.damaged("events are missing from the end of its trail")

    def rewrite(self) -> None:
        """Write the file anew in order of the keys, without what was deleted."""
        with self.explained("rewritten"):
            self._db.execute("VACUUM")
        self._save()

    def relock(self, lock: Lock) -> None:
        """Give the file a new key and other holders. Raises BookKeyError: a PIN is no good."""
        self._vault.relock(lock, self._db.serialize())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable at its end."""
        with self.explained("written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        self._save()

    def _save(self) -> None:
        try:
            self._vault.save(self._db.serialize())
        except BaseException:
            self.close()
            raise

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except FirmwareError:
            raise
        except sqlite3.OperationalError as error:
            raise BookError(f"{self.path}: the pollbook cannot be {doing}: {error}") from error
        except sqlite3.ProgrammingError as error:
            raise BookError(f"{self.path}: the pollbook is closed here; open it again") from error
        except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
            raise self.damaged(str(error)) from error

    def damaged(self, what: str) -> BookError:
        """The error for a file that cannot be trusted."""
        return damaged(self.path, what)

    # --- inside ----------------------------------------------------------------------

    def _prepare(self, *, create: bool) -> None:
        with self.explained("opened"):
            for pragma in _PRAGMAS:
                self._db.execute(pragma).fetchall()
            if create:
                self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
                self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
            application = self._db.execute("PRAGMA application_id").fetchone()[0]
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID:
            raise BookError(f"{self.path}: is not a pollbook; give another file")
        if version != SCHEMA_VERSION:
            raise BookError(
                f"{self.path}: is a pollbook of version {version}, this software reads version "
                f"{SCHEMA_VERSION}; use the software that made it"
            )

    def _one(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        with self.explained("read"):
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        return row

    def _document(self, kind: str, text: str, digest: str) -> dict[str, Any]:
        if digest != _digest(kind, text):
            raise self.damaged(f"a row of {kind.split(chr(0))[0]} fails its check sum")
        document: dict[str, Any] = json.loads(text)
        return document

    def _last_event(self) -> Event | None:
        row = self._one(
            "SELECT seq, time, kind, detail, prev, hash FROM events ORDER BY seq DESC LIMIT 1"
        )
        return None if row is None else _event(row)


def dumps(value: Mapping[str, Any]) -> str:
    """JSON text with sorted members."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _digest(kind: str, text: str) -> str:
    return hashlib.sha256(f"pollbook\0{kind}\0{text}".encode()).hexdigest()


def _event(row: tuple[Any, ...]) -> Event:
    seq, time, kind, detail, prev, own = row
    return Event(seq, time, kind, json.loads(detail), prev, own)
