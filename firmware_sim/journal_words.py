"""Why a journal cannot be used, in words: what, where, what to do."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from firmware_sim.errors import JournalError


def damaged(path: Path, what: str) -> JournalError:
    """The refusal of a file that does not hold."""
    return JournalError(
        f"{path}: the journal is damaged: {what}. Keep the file as evidence; read what "
        "is whole with `ballotbench device recover`, and count the paper by hand where it "
        "names losses"
    )


def explain(path: Path, error: sqlite3.Error | OSError, doing: str) -> JournalError:
    """What SQLite or the system said, when the journal was to be `doing` (a participle)."""
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        code = sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_IOERR
        said = error.strerror or "no reason given"
    else:
        # The primary code is in the low byte; the rest says which call it was.
        code, said = getattr(error, "sqlite_errorcode", 0) & 0xFF, str(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalError(f"{path}: is in use by another device process; stop that one first")
    if code == sqlite3.SQLITE_FULL:
        return JournalError(
            f"{path}: the disk is full: the journal cannot be {doing}. Every sheet "
            f"accepted so far is kept. Make room on {path.parent} and start again"
        )
    if code == sqlite3.SQLITE_IOERR:
        return JournalError(
            f"{path}: the storage fails: the journal cannot be {doing}: {said}. Stop, "
            "change the medium, and recover from it with `ballotbench device recover`"
        )
    if isinstance(error, sqlite3.OperationalError):
        return JournalError(f"{path}: the journal cannot be {doing}: {said}")
    return damaged(path, said)
