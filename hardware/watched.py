"""A watched folder: any vendor's scanning program drops files, each is taken once, whole.

    with WatchedFolder(scans, register=state / "taken.sqlite") as folder:
        for found in folder.look():
            if found.kind is Find.TAKEN:
                ...  # read it, store what was read
                folder.keep(found)

Rules:

1. A file is taken when it is whole: its size and time have not changed for `settle_s`
   seconds, and its bytes end as its form demands (JPEG, PNG, PDF end marks; a TIFF's last
   directory and strips lie within it). Hidden and temporary names (`.x`, `x.part`, `x.tmp`,
   `~x`) are left until they are renamed.
2. What was kept (`keep`) is in the register, durably: a file renamed, or seen again after a
   restart, is not handed on twice; one handed on and not kept before a cut comes again, with
   the same `sha256`. The files themselves are never touched.
3. The same bytes under another name are a *duplicate*: named, not handed on. Real scans of
   two sheets differ; whether two equal files are one sheet a person must say.
4. A file that stays unfinished for `patience_s` is *unfinished*: named once; taken yet when
   it becomes whole. A file taken and then changed is *changed*: named, not taken again.

Looking is by listing, not by the system's notices: those do not come from network shares.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import struct
import time
from collections.abc import Callable, Collection, Container, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType

from hardware.errors import HardwareError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pdf"})
_TEMPORARY = (".part", ".tmp", ".crdownload", ".filepart", ".partial")
#: Longest file that is taken, bytes.
MAX_FILE = 256 * 1024 * 1024
_TABLES = """
CREATE TABLE IF NOT EXISTS taken (
  sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
  name TEXT PRIMARY KEY, size INTEGER NOT NULL, time_ns INTEGER NOT NULL, sha256 TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


class WatchError(HardwareError):
    """The folder or its register cannot be used."""


class Find(StrEnum):
    """What a file was found to be."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    CHANGED = "changed"
    UNFINISHED = "unfinished"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file and what it is; `detail` a plain line. `data` and `sha256` (64 hex digits) only
    where it is taken."""

    kind: Find
    name: str
    detail: str = ""
    data: bytes = b""
    sha256: str = ""


class WatchedFolder:
    """See the module for its rules. Not safe for several threads."""

    def __init__(
        self,
        folder: Path,
        *,
        register: Path | None,
        settle_s: float = 1.0,
        patience_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open folder and register; nothing is taken yet.

        Args:
            folder: the folder.
            register: the file that remembers what was kept; None: only this object does.
            settle_s: rule 1.
            patience_s: rule 4.
            clock: gives seconds.

        Raises:
            WatchError: no such folder, or the register cannot be opened.
        """
        if not folder.is_dir():
            raise WatchError(f"{folder} is not a folder")
        self._folder = folder
        self._settle, self._patience, self._clock = settle_s, patience_s, clock
        self._waiting: dict[str, _Waiting] = {}
        #: Handed on and not kept yet: name and mark by digest, mark and digest by name.
        self._handed: dict[str, tuple[str, tuple[int, int]]] = {}
        self._holding: dict[str, tuple[tuple[int, int], str]] = {}
        #: Copies of those: their mark and digest by name.
        self._copies: dict[str, tuple[tuple[int, int], str]] = {}
        #: Marks of files that changed after they were taken.
        self._spoilt: dict[str, tuple[int, int]] = {}
        self._told: set[tuple[str, Find]] = set()
        try:
            if register is not None:
                register.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(register or ":memory:", isolation_level=None)
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise WatchError(f"the register {register} cannot be used: {error}") from error

    @property
    def waiting(self) -> dict[str, tuple[int, int]]:
        """Files that are there and not whole yet: size and time, ns, by name."""
        return {name: waiting.mark for name, waiting in self._waiting.items()}

    @property
    def handed(self) -> Collection[str]:
        """Files handed on and not kept yet, by the names they have now."""
        return self._holding.keys()

    def look(self) -> Iterator[FoundFile]:
        """Look once: the files that became whole since, in order of their names, and what is
        wrong with others. Call it again and again.

        Raises:
            WatchError: the folder is gone or the register cannot be written.
        """
        now = self._clock()
        present = self._list()
        self._waiting = {name: w for name, w in self._waiting.items() if name in present}
        for name in sorted(present):
            stat = present[name]
            mark = (stat.st_size, stat.st_mtime_ns)
            if self._known(name, mark) or self._copy(name, mark, present):
                continue
            waiting = self._waiting.get(name)
            if waiting is None or waiting.mark != mark:
                first = waiting.first if waiting else now
                waiting = self._waiting[name] = _Waiting(mark, now, first)
            if now - waiting.since < self._settle:
                continue
            found = self._take(name, mark, late=now - waiting.first >= self._patience)
            if found is not None:
                yield found

    def keep(self, found: FoundFile) -> None:
        """The taken file is safely kept: it does not come again.

        Raises:
            WatchError: it was not handed on by this object, or the register cannot be written.
        """
        if found.sha256 not in self._handed:
            raise WatchError(f"{found.name} was not handed on, or is kept already")
        name, mark = self._handed[found.sha256]
        self._remember(name, mark, found.sha256, new=True)
        self._let_go(found.sha256)

    def close(self) -> None:
        """Close the register."""
        self._db.close()

    def __enter__(self) -> WatchedFolder:
        """The folder itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    # --- inside ----------------------------------------------------------------------

    def _list(self) -> dict[str, os.stat_result]:
        found = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    name = entry.name
                    lower = name.lower()
                    if name.startswith((".", "~")) or lower.endswith(_TEMPORARY):
                        continue
                    if Path(lower).suffix not in SUFFIXES:
                        continue
                    try:
                        if entry.is_file():
                            found[name] = entry.stat()
                    except OSError:
                        continue  # Gone between listing and looking: renamed.
        except OSError as error:
            raise WatchError(f"{self._folder} cannot be listed: {error.strerror}") from error
        return found

    def _known(self, name: str, mark: tuple[int, int]) -> bool:
        row = self._one("SELECT size, time_ns FROM seen WHERE name = ?", name)
        held, _ = self._holding.get(name, (None, ""))
        return mark in (row, held, self._spoilt.get(name))

    def _copy(self, name: str, mark: tuple[int, int], present: Container[str]) -> bool:
        """Was it a copy of one handed on, and is that still there?"""
        known, digest = self._copies.get(name, (None, ""))
        return known == mark and self._handed.get(digest, ("",))[0] in present

    def _take(self, name: str, mark: tuple[int, int], *, late: bool) -> FoundFile | None:
        try:
            if mark[0] > MAX_FILE:
                return self._tell(Find.UNREADABLE, name, f"{mark[0]} bytes: too long for a scan")
            data = (self._folder / name).read_bytes()
        except OSError as error:
            return self._tell(Find.UNREADABLE, name, str(error.strerror)) if late else None
        if len(data) != mark[0] or not is_whole(data):
            what = "is not written to its end"
            return self._tell(Find.UNFINISHED, name, what) if late else None
        digest = hashlib.sha256(data).hexdigest()
        before = self._one("SELECT sha256 FROM seen WHERE name = ?", name)
        held = self._holding.get(name, (mark, digest))[1]
        if held != digest or (before is not None and before[0] != digest):
            self._waiting.pop(name, None)
            self._spoilt[name] = mark
            return self._tell(Find.CHANGED, name, "was taken before and holds other bytes now")
        first = self._first_name(digest)
        self._waiting.pop(name, None)
        if first is None:
            self._hold(name, mark, digest)
            return FoundFile(Find.TAKEN, name, data=data, sha256=digest)
        gone = first == name or not (self._folder / first).exists()
        if digest not in self._handed:
            self._remember(name, mark, digest, new=False)
        elif gone:
            self._hold(name, mark, digest)
        else:
            self._copies[name] = (mark, digest)
        if gone:
            return None  # Touched, or renamed: the same file.
        return self._tell(Find.DUPLICATE, name, f"has the very bytes of {first}")

    def _hold(self, name: str, mark: tuple[int, int], digest: str) -> None:
        self._let_go(digest)
        self._handed[digest], self._holding[name] = (name, mark), (mark, digest)

    def _let_go(self, digest: str) -> None:
        name, _ = self._handed.pop(digest, ("", None))
        self._holding.pop(name, None)

    def _first_name(self, digest: str) -> str | None:
        if digest in self._handed:
            return self._handed[digest][0]
        row = self._one("SELECT name FROM taken WHERE sha256 = ?", digest)
        return None if row is None else str(row[0])

    def _tell(self, kind: Find, name: str, detail: str) -> FoundFile | None:
        """Once for a file and kind."""
        if (name, kind) in self._told:
            return None
        self._told.add((name, kind))
        return FoundFile(kind, name, detail)

    def _remember(self, name: str, mark: tuple[int, int], digest: str, *, new: bool) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if new:
                self._db.execute("INSERT INTO taken VALUES (?, ?, ?)", (digest, name, mark[0]))
            self._db.execute(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", (name, *mark, digest)
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise WatchError(f"the register cannot be written: {error}") from error

    def _one(self, query: str, *values: object) -> tuple[object, ...] | None:
        try:
            row: tuple[object, ...] | None = self._db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise WatchError(f"the register cannot be read: {error}") from error
        return row


@dataclass(slots=True)
class _Waiting:
    """A file that is not whole yet: its mark, since when it is so, and when first seen."""

    mark: tuple[int, int]
    since: float
    first: float


def is_whole(data: bytes) -> bool:
    """Do these bytes end as their form demands? A first look: decoding tells the rest.

    JPEG: an end-of-image marker in the last bytes; PNG: the IEND chunk; PDF: %%EOF; TIFF: its
    first directory and all strips or tiles lie within the file. Anything else of eight bytes
    or more is whole: the reader will name it.
    """
    if len(data) < 8:
        return False
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" in data[-64:]
    if data.startswith(b"\x89PNG"):
        return data.rstrip(b"\0").endswith(b"IEND\xaeB`\x82")
    if data.startswith(b"%PDF"):
        return b"%%EOF" in data[-1024:]
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_is_whole(data)
    return True


#: Pages that a TIFF may have, strips of all pages, entries of a directory: crafted directories
#: that lie in one another would else take hours.
_MOST_PAGES, _MOST_STRIPS, _MOST_ENTRIES = 1000, 1_000_000, 4096
#: Bytes of a value of each TIFF type.
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}
_STRIPS = {273: 279, 324: 325}


def _tiff_is_whole(data: bytes) -> bool:
    order = "<" if data[:2] == b"II" else ">"
    try:
        place = struct.unpack_from(f"{order}I", data, 4)[0]
        seen: set[int] = set()
        strips = 0
        while place and place not in seen:
            seen.add(place)
            values = _tiff_directory(data, order, place)
            strips += sum(map(len, values.values()))
            if len(seen) > _MOST_PAGES or strips > _MOST_STRIPS:
                return False
            for offsets, counts in _STRIPS.items():
                ends = zip(values.get(offsets, ()), values.get(counts, ()), strict=False)
                if any(start + size > len(data) for start, size in ends):
                    return False
            entries = struct.unpack_from(f"{order}H", data, place)[0]
            place = struct.unpack_from(f"{order}I", data, place + 2 + 12 * entries)[0]
    except (struct.error, IndexError):
        return False
    return bool(seen)


def _tiff_directory(data: bytes, order: str, place: int) -> dict[int, tuple[int, ...]]:
    values: dict[int, tuple[int, ...]] = {}
    entries = struct.unpack_from(f"{order}H", data, place)[0]
    if entries > _MOST_ENTRIES:
        raise IndexError
    for k in range(entries):
        at = place + 2 + 12 * k
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, at)
        if tag in values or (tag not in _STRIPS and tag not in _STRIPS.values()):
            continue
        size = _TIFF_SIZES.get(kind, 1) * count
        where = at + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, at + 8)[0]
        if where + size > len(data) or count > _MOST_STRIPS:
            raise IndexError
        letter = {3: "H", 4: "I"}.get(kind, "B")
        values[tag] = struct.unpack_from(f"{order}{count}{letter}", data, where)
    return values
