"""Unencrypted pollbooks of a former version: encrypted once, in their place.

The former file's bytes are overwritten before they are let go. On flash memory and on file systems
that write copies, that reaches not every copy: such a disk should have been encrypted as a whole.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from firmware_sim.pollbook.errors import BookError
from firmware_sim.pollbook.store import Store
from firmware_sim.pollbook.vault import Lock, Vault, is_plain

_CHUNK = 1024 * 1024


def precinct_of_plain(path: Path) -> str:
    """The precinct of an unencrypted pollbook. Raises BookError: it is none, or is damaged."""
    try:
        with closing(_database(path)) as db:
            row = db.execute("SELECT json_extract(document, '$.precinct') FROM meta").fetchone()
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    if row is None or not isinstance(row[0], str):
        raise BookError(f"{path}: the pollbook is damaged: it does not say what it is about")
    return row[0]


def encrypt_plain(path: Path, lock: Lock) -> None:
    """Check an unencrypted pollbook whole and put an encrypted one in its place.

    Raises:
        BookError: it is none, is damaged, or is in use.
        BookKeyError: as `Lock.header`.
    """
    precinct = precinct_of_plain(path)
    try:
        with closing(_database(path)) as db:
            # Takes the file from any other process, and finishes what a cut left.
            db.execute("BEGIN EXCLUSIVE")
            image = db.serialize()
            db.execute("COMMIT")
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    vault = Vault.create(path, lock, precinct, replacing=True)
    with closing(Store(vault, image)), path.open("r+b") as former:
        vault.save(image)
        _overwrite(former.fileno())


def _database(path: Path) -> sqlite3.Connection:
    if not is_plain(path):
        raise BookError(f"{path}: is no unencrypted pollbook; nothing is to be done")
    return sqlite3.connect(path, isolation_level=None, timeout=2.0)


def _unreadable(path: Path, error: sqlite3.Error) -> BookError:
    if "locked" in str(error):
        return BookError(f"{path}: is in use by another process; let it end first")
    return BookError(f"{path}: the pollbook cannot be read: {error}")


def _overwrite(handle: int) -> None:
    left = os.fstat(handle).st_size
    while left > 0:
        left -= os.write(handle, bytes(min(left, _CHUNK)))
    os.fsync(handle)
