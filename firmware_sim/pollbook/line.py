"""The line to the other precincts, while it is there: who has been given a ballot, which
certificate was used.

`ClaimRegister` is a simulated central register: a claim is made once, by one check-in, known by
its random slip; the same one may repeat its own (a retry after a cut), a copy of the book may
not. Without the line a book goes on alone, and what it could not ask is found by `reconcile`
(SEED-01, SEED-05).
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Protocol

from firmware_sim.pollbook.errors import PollbookError

#: "BBPL": tells a register from any other SQLite file.
APPLICATION_ID = 0x4242504C
_SCHEMA = """
CREATE TABLE election (hash TEXT PRIMARY KEY) STRICT;
CREATE TABLE claims (
    digest TEXT PRIMARY KEY, precinct TEXT NOT NULL, slip TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
_MAGIC = b"SQLite format 3\0"


class LineDownError(PollbookError):
    """The register cannot be reached now."""


class NoRegisterError(PollbookError):
    """What is given as the register is another file; a check-in does not go on over that."""


class Line(Protocol):
    """Claims something for a check-in; first come, first served."""

    def claim(self, what: str, key: str, *, precinct: str, slip: str) -> str | None:
        """None: it is this slip's now (or was). Else the precinct that has it.

        Raises:
            LineDownError: nobody answers.
        """
        ...


class ClaimRegister:
    """The register as one SQLite file, made once (`create`): one that is not there is a line that
    is down, never made by a desk for itself alone. It keeps SHA-256 of `what` and `key` under the
    election's id: enough to compare; a number can still be guessed by trying all, so the
    file has mode 0600 like a book."""

    def __init__(self, path: Path, *, election: str) -> None:
        self._path = path
        self._election = election

    @classmethod
    def create(cls, path: Path, *, election: str) -> ClaimRegister:
        """Make the one register of an election (its hash). Raises PollbookError: it is there."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError as error:
            raise PollbookError(f"{path}: there is a file already; give another name") from error
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous=EXTRA")
            db.execute("BEGIN")
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute("INSERT INTO election VALUES (?)", (election,))
            db.execute("COMMIT")
        return cls(path, election=election)

    def claim(self, what: str, key: str, *, precinct: str, slip: str) -> str | None:
        """See `Line`. Durable when it returns.

        Raises:
            NoRegisterError: the file is something else, or another election's.
        """
        digest = hashlib.sha256(f"{self._election}\0{what}\0{key}".encode()).hexdigest()
        try:
            self._check()
            with closing(self._database()) as db, db:
                db.execute("PRAGMA synchronous=EXTRA")
                db.execute(
                    "INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", (digest, precinct, slip)
                )
                owner, its_slip = db.execute(
                    "SELECT precinct, slip FROM claims WHERE digest = ?", (digest,)
                ).fetchone()
        except (sqlite3.Error, OSError) as error:
            raise LineDownError(f"{self._path}: the register does not answer: {error}") from error
        return None if its_slip == slip else str(owner)

    def _check(self) -> None:
        """Is it a register, and this election's? Raises OSError and sqlite3.Error too."""
        with self._path.open("rb") as file:
            start = file.read(len(_MAGIC))
        if start != _MAGIC:
            raise self._not_ours("is no central register")
        with closing(self._database()) as db:
            if db.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                raise self._not_ours("is no central register")
            if db.execute("SELECT hash FROM election").fetchall() != [(self._election,)]:
                raise self._not_ours("is the central register of another election")

    def _database(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=5.0)

    def _not_ours(self, what: str) -> NoRegisterError:
        return NoRegisterError(
            f"{self._path}: {what}; give the right one (`ballotbench pollbook line` makes it, once "
            "for all precincts), or none to go on offline"
        )
