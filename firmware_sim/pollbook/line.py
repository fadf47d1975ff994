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
from pathlib import Path
from typing import Protocol

from firmware_sim.pollbook.errors import PollbookError


class LineDownError(PollbookError):
    """The register cannot be reached now."""


class Line(Protocol):
    """Claims something for a check-in; first come, first served."""

    def claim(self, what: str, key: str, *, precinct: str, slip: str) -> str | None:
        """None: it is this slip's now (or was). Else the precinct that has it.

        Raises:
            LineDownError: nobody answers.
        """
        ...


class ClaimRegister:
    """The register as one SQLite file. It keeps SHA-256 of `what` and `key` under the
    election's id: enough to compare; a number can still be guessed by trying all, so the
    file has mode 0600 like a book."""

    def __init__(self, path: Path, *, election: str) -> None:
        self._path = path
        self._election = election

    def claim(self, what: str, key: str, *, precinct: str, slip: str) -> str | None:
        """See `Line`. Durable when it returns."""
        digest = hashlib.sha256(f"{self._election}\0{what}\0{key}".encode()).hexdigest()
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
            with sqlite3.connect(self._path, timeout=5.0) as db:
                db.execute("PRAGMA synchronous=EXTRA")
                db.execute(
                    "CREATE TABLE IF NOT EXISTS claims (digest TEXT PRIMARY KEY, "
                    "precinct TEXT NOT NULL, slip TEXT NOT NULL) STRICT, WITHOUT ROWID"
                )
                db.execute(
                    "INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", (digest, precinct, slip)
                )
                owner, its_slip = db.execute(
                    "SELECT precinct, slip FROM claims WHERE digest = ?", (digest,)
                ).fetchone()
        except (sqlite3.Error, OSError) as error:
            raise LineDownError(f"{self._path}: the register does not answer: {error}") from error
        finally:
            if "db" in locals():
                db.close()
        return None if its_slip == slip else str(owner)
