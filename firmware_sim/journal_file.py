"""The SQLite file beneath a journal: opened strictly, committed durably, wiped of what was.

Pragmas, and why:
    journal_mode=WAL       one flush to the disk a commit, where a rollback journal takes four.
    synchronous=FULL       a commit is on the disk before the feeder is told.
    wal_autocheckpoint=0   what is in the log goes to the file when we say, all of it.
    secure_delete=ON       what is deleted is overwritten with zeros.
    temp_store=MEMORY      no temporary file ever holds votes.
    locking_mode=EXCLUSIVE one device, one journal: a second process is refused; and no `-shm`.
    foreign_keys=ON, trusted_schema=OFF, cell_size_check=ON: strictness that costs nothing.

A write-ahead log by itself would keep votes in the order they came. So after each settled sheet
(`_wipe_sheet`) the open intention, which has a file of its own (`firmware_sim.intention`), is
overwritten, the log is brought into the file, and what it held is overwritten too, through to the
disk; in a thread of its own, after the commit that settled the sheet, while the next one is read;
the next call waits for it. A log that could not be brought in whole is never overwritten: it is
the only copy (NVT-05). Nor is one that SQLite might still read: a log of which a cut left the
beginning only would take the file back. So SQLite begins it anew first, with a page that says
nothing (`_begin_log`), and what is wiped is behind that. This also saves the next commit a flush:
the first write to a log takes two.

A rewriting makes the file shorter, and what is cut off a file stays on the disk, in pages
laid out in the order the votes came. So the pages that the rewritten file does not have are
overwritten before they are cut off (`_wipe_tail`).

Flushes to the disk a sheet: the intention's in the device's way; the commit's beside the next
question to the scanner, and before another sheet is fed; 6 beside the reading of that one
(the intention's wipe 1, log into file 2, log anew 2, its wipe 1). A rollback journal (PERSIST,
EXTRA: what version 1 used) took 9, all in its way. Measured by `python -m benchmarks.journal`.

Once a write has failed the connection is dead: after a failed flush nobody knows what the
disk holds (the kernel may drop the pages and say nothing again), so every later call
refuses, and only opening the file anew, which reads what is really there, goes on.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from firmware_sim.aside import Aside
from firmware_sim.errors import JournalError
from firmware_sim.intention import IntentionFile, flush_folder, place_of, write_all
from firmware_sim.journal_words import damaged, explain

#: "BBJ1": tells a journal from any other SQLite file.
APPLICATION_ID = 0x42424A31

_PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA secure_delete=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
)
#: Above this size, bytes, the write-ahead log is cut off after it is wiped (a rewriting made it
#: large); below, it keeps its place on the disk, so that writing it changes no file size.
_WAL_KEPT = 256 * 1024
#: Bytes of the log's header and of a frame (SQLite's file format, section 4).
_LOG_HEADER, _LOG_FRAME = 32, 24 + 4096
#: Brings a file of one schema version to the next: statements for the connection; what an
#: older version kept in the file is put into the file of the intention.
Migration = Callable[[sqlite3.Connection, IntentionFile], None]


#: SQL and its values.
Statement = tuple[str, tuple[Any, ...]]


class Executes(Protocol):
    """What takes the statements of a transaction."""

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> sqlite3.Cursor:
        """One statement."""
        ...


class JournalFile:
    """An open journal file. Every method may raise `JournalError`."""

    def __init__(
        self, path: Path, *, schema: Sequence[str], migrations: Sequence[Migration]
    ) -> None:
        """Open `path`, or make it with `schema`.

        A file of an older version is brought to this one; `migrations[n]` leads from version
        n + 1 to n + 2, and the newest version is their number plus 1. One of a newer version
        or of another program is refused and not touched.
        """
        self.path = path
        #: The version that the file had, if it was brought to the newest by opening it.
        self.migrated_from: int | None = None
        self._wal = path.with_name(path.name + "-wal")
        self._intention = IntentionFile(place_of(path))
        self._version = len(migrations) + 1
        self._aside = Aside("journal")
        self._dead: JournalError | None = None
        self._closed = False
        self._handle: int | None = None
        #: May the log hold something that is not wiped? (A killed process left it.)
        self._unwiped = True
        new = not path.exists()
        with self.explained("opened"):
            self._db = sqlite3.connect(
                path, isolation_level=None, timeout=2.0, check_same_thread=False
            )
        try:
            with self.explained("opened"):
                self._prepare(schema, migrations)
            if new:
                flush_folder(path)
            self._wipe_log()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Wait for the wipe and release the file.

        Raises:
            JournalError: the wipe failed; the file is released.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self.settle()
            # SQLite deletes the log with the last connection: it must hold nothing by then.
            if self._dead is None:
                self._wipe_log()
        finally:
            self._aside.close()
            with suppress(OSError):
                self._intention.close()
            self._db.close()
            if self._handle is not None:
                os.close(self._handle)

    def rows(self, sql: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one query."""
        self.settle()
        with self.explained("read"):
            return self._db.execute(sql, arguments).fetchall()

    def each_row(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of one query, one at a time."""
        self.settle()
        with self.explained("read"):
            yield from self._db.execute(sql)

    def start_settling(self, statements: Sequence[Statement]) -> None:
        """Begin the one transaction that settles a sheet, and the wipe after it, aside;
        `finish_settling`, or any other call, waits for it."""
        self.settle()
        if self._dead is not None:
            raise self._dead
        self._unwiped = True
        self._aside.start(lambda: self._write(statements), self._wipe_sheet)

    def finish_settling(self) -> None:
        """All of it is on the disk when this ends without an error; the wipe may go on."""
        self._aside.wait(leave=1)

    def _write(self, statements: Sequence[Statement]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for statement, row in statements:
                self._db.execute(statement, row)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(JournalError):
                self.roll_back()
            raise self._failed(error, "written") from error

    @contextmanager
    def transaction(self, *, wipe: bool = False) -> Iterator[Executes]:
        """As `write`, of what is executed within."""
        self.begin()
        try:
            yield self
            self.commit(wipe=wipe)
        except BaseException:
            self.roll_back()
            raise

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> sqlite3.Cursor:
        """One statement of the open transaction."""
        with self.explained("written"):
            return self._db.execute(sql, arguments)

    def begin(self) -> None:
        """Begin a transaction; first wait for the wipe of the last sheet."""
        self.settle()
        if self._dead is not None:
            raise self._dead
        self._unwiped = True
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise self._failed(error, "written") from error

    def commit(self, *, wipe: bool) -> None:
        """End it: all of it is on the disk, or the file is dead."""
        with self.explained("written"):
            self._db.execute("COMMIT")
        if wipe:
            self._aside.start(self._wipe_sheet)

    def roll_back(self) -> None:
        """End it: none of it is on the disk."""
        if self._db.in_transaction:
            with self.explained("written"):
                self._db.execute("ROLLBACK")

    def read_intention(self) -> str | None:
        """The text of the open intention; None: there is none."""
        self.settle()
        with self.explained("read"):
            return self._intention.read()

    def start_intention(self, text: str) -> None:
        """Begin to put it down; `finish_intention` must follow."""
        self.settle()
        if self._dead is not None:
            raise self._dead
        try:
            self._intention.start(text)
        except OSError as error:
            raise self._failed(error, "written") from error

    def finish_intention(self) -> None:
        """It is on the disk when this ends without an error, or the file is dead."""
        try:
            self._intention.finish()
        except OSError as error:
            raise self._failed(error, "written") from error

    def wipe_intention(self) -> None:
        """Overwrite one that is only left over."""
        self.settle()
        with self.explained("wiped"):
            self._intention.wipe()

    @property
    def failed(self) -> JournalError | None:
        """Why nothing can be written any more, if so."""
        return self._dead

    def digest(self) -> str:
        """SHA-256 over every row of every table: equal files hold the same."""
        digest = hashlib.sha256()
        for (table,) in self.rows(
            "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        ):
            for row in self.rows(f"SELECT * FROM {table} ORDER BY 1"):  # noqa: S608
                digest.update(repr((table, row)).encode())
        return digest.hexdigest()

    def settle(self) -> None:
        """Wait for what goes on aside: the settling of the last sheet and its wipe."""
        self._aside.wait()

    def rewrite(self) -> None:
        """Write the whole file anew, rows in the order of their keys."""
        self.settle()
        self._unwiped = True
        with self.explained("rewritten"):
            self._db.execute("VACUUM")
            pages = self._db.execute("PRAGMA page_count").fetchone()[0]
            page_bytes = self._db.execute("PRAGMA page_size").fetchone()[0]
        with self.explained("wiped"):
            self._wipe_tail(pages * page_bytes)
        self._wipe_log()

    def copy_to(self, place: Path) -> None:
        """A whole copy of the file, durable, at `place`, which must not exist."""
        self.settle()
        with self.explained("copied"):
            other = sqlite3.connect(place, isolation_level=None)
            try:
                other.execute("PRAGMA synchronous=EXTRA")
                self._db.backup(other)
            finally:
                other.close()
        flush_folder(place)

    def damaged(self, what: str) -> JournalError:
        """The refusal of a file that does not hold."""
        return damaged(self.path, what)

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turn what SQLite or the system says into words."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error, doing) from error
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise self.damaged(str(error)) from error

    # --- inside ----------------------------------------------------------------------

    def _failed(self, error: sqlite3.Error | OSError, doing: str) -> JournalError:
        explained = explain(self.path, error, doing)
        if doing in ("written", "rewritten", "wiped"):
            self._dead = explained
        return explained

    def _prepare(self, schema: Sequence[str], migrations: Sequence[Migration]) -> None:
        newest = len(migrations) + 1
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        # Take the exclusive lock now: a second device must not get as far as a sheet.
        self._db.execute("BEGIN EXCLUSIVE")
        tables = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        self._db.execute("ROLLBACK")
        new = tables == 0 and application == 0
        if not new and application != APPLICATION_ID:
            raise JournalError(f"{self.path}: is not a device journal; give another --journal")
        if not new and not 1 <= version <= newest:
            raise JournalError(
                f"{self.path}: is a journal of version {version}, this software writes version "
                f"{newest}; use the software that made it"
            )
        mode = self._db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise JournalError(
                f"{self.path}: this storage cannot hold a journal (a write-ahead log is refused: "
                f"{mode}); put it on a local disk"
            )
        for pragma in _PRAGMAS:
            self._db.execute(pragma).fetchall()
        if new:
            self._make(schema, newest)
        elif version < newest:
            self._migrate(migrations[version - 1 :], newest)
            self.migrated_from = version

    def _make(self, schema: Sequence[str], version: int) -> None:
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version={version}")
        for statement in schema:
            self._db.execute(statement)
        self._db.execute("COMMIT")

    def _migrate(self, steps: Sequence[Migration], newest: int) -> None:
        self._db.execute("BEGIN EXCLUSIVE")
        try:
            for step in steps:
                step(self._db, self._intention)
            self._db.execute(f"PRAGMA user_version={newest}")
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _wipe_tail(self, size: int) -> None:
        """Zero what lies behind the first `size` bytes, through to the disk.

        Only after a rewriting was committed and before it is brought into the file: all that
        the file now consists of is in the write-ahead log, durably, so that a cut here loses
        nothing.
        """
        if self._handle is None:
            # Closing any handle of a file drops all locks of the process on it (POSIX): so this
            # one stays open until SQLite's is closed.
            self._handle = os.open(self.path, os.O_RDWR)
        length = os.fstat(self._handle).st_size - size
        if length > 0:
            os.pwrite(self._handle, bytes(length), size)
            os.fsync(self._handle)

    def _wipe_sheet(self) -> None:
        """All that the settled sheet left: its intention, and what is in the log."""
        with self.explained("wiped"):
            self._intention.wipe()
        self._wipe_log()

    def _wipe_log(self) -> None:
        """Bring the write-ahead log into the file, whole, then zero it, through to the disk."""
        if not self._unwiped:
            return
        with self.explained("wiped"):
            size = self._wal.stat().st_size if self._wal.exists() else 0
            if size == 0:
                return
            self._bring_in("RESTART")
            self._begin_log()
            _wipe_old_frames(self._wal)
            if size > _WAL_KEPT:
                self._bring_in("TRUNCATE")
        self._unwiped = False

    def _bring_in(self, how: str) -> None:
        """The whole log into the file, flushed; SQLite takes nothing from it any more."""
        busy, frames, done = self._db.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        if busy or frames != done:
            raise JournalError(
                f"{self.path}: the write-ahead log cannot be brought in; stop the device"
            )

    def _begin_log(self) -> None:
        """Have SQLite write the log's first frame: page 1, with the same version as before."""
        self._db.execute(f"PRAGMA user_version={self._version}").fetchall()


def _wipe_old_frames(log: Path) -> None:
    """Zero what is behind the frames of the log as it was begun anew (those with its salts)."""
    with log.open("r+b", buffering=0) as file:
        handle, at = file.fileno(), _LOG_HEADER
        salts = os.pread(handle, 8, 16)
        while os.pread(handle, 8, at + 8) == salts:
            at += _LOG_FRAME
        write_all(handle, bytes(max(0, os.fstat(handle).st_size - at)), at)
        os.fdatasync(handle)


def zero_file(path: Path) -> int:
    """Overwrite a file with zeros, through to the disk; its size, 0 where there is none."""
    try:
        with path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            file.write(bytes(size))
            file.flush()
            os.fdatasync(file.fileno())
    except FileNotFoundError:
        return 0
    return size
