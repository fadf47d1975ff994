"""Writing files whole or not at all, and never over what cannot be had again."""

from __future__ import annotations

import os
from pathlib import Path

from console.errors import ConsoleError

#: How files begin that no report may be written over, and what they are. A pollbook and a
#: journal are the only record of their day; a key is the only one of its kind.
_PRECIOUS = (
    (b"ballotbench-pollbook ", "a pollbook"),
    (b"SQLite format 3\0", "a journal or another database"),
    (b"PK\x03\x04", "a results package or another archive"),
    (b"-----BEGIN ", "a key or certificate"),
)
_LONGEST = max(len(start) for start, _ in _PRECIOUS)


def check_free(path: Path, option: str = "") -> None:
    """May this file be written? One that is not there may, and an older report.

    Raises:
        ConsoleError: it is a pollbook, journal, package or key; `option` is named, if given.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(_LONGEST)
    except OSError:
        return
    for known, what in _PRECIOUS:
        if start.startswith(known):
            where = f"{option} {path}" if option else str(path)
            raise ConsoleError(
                f"{where}: is {what}, and nothing is written over it; give another name"
            )


def replace_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 in one step; folders are made as needed. Raises OSError, and
    ConsoleError as `check_free`."""
    check_free(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def replace_private(path: Path, text: str) -> None:
    """As `replace_text`, readable by its owner only (mode 0600): for personal data."""
    replace_private_bytes(path, text.encode("utf-8"))


def replace_private_bytes(path: Path, data: bytes) -> None:
    """The same with bytes."""
    check_free(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    part.replace(path)


def replace_bytes(path: Path, data: bytes) -> None:
    """As `replace_text`, flushed through to the disk: what is signed and cannot be made again."""
    check_free(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
