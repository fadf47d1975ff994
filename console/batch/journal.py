"""The journal of a batch: what is to be read, and what came of it. One SQLite file.

Rules:

1. The plan (files and groups, in input order) is written in one transaction with the
   batch's identity; a journal without an identity was cut off there and is begun anew.
2. Outcomes are kept in transactions that also mark their groups done; each is durable
   before the next is begun. So after any cut a group is done with all of its outcome, or
   is read again with none of it.
3. A page is kept once: a second row for it is an error of ours and stops the batch.
4. Records stand under their random ids, with nothing that leads to a file (NVT-05), but for
   the number of a sheet that a central count's manifest tells. The journal is deleted when the
   final files are written; it holds its file for one process.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from console.batch.files import Group, may_follow, shown
from console.batch.plain import FileRef, Outcome, PageRows, Refusal, Work
from console.errors import ConsoleError
from scanner.cvr import PaperMark

NAME = "batch.sqlite"
#: Names of files must leave room for "-p12.png" within the 255 bytes of a file system.
STEM_BYTES = 200
_ROWS_AT_ONCE = 500

_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files(
  idx INTEGER PRIMARY KEY, grp INTEGER NOT NULL, seat INTEGER NOT NULL, bond TEXT NOT NULL,
  follows INTEGER NOT NULL, path BLOB NOT NULL, shown TEXT NOT NULL, stem BLOB NOT NULL,
  stamp TEXT NOT NULL, size INTEGER NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, next_page INTEGER NOT NULL DEFAULT 0, digest BLOB, mark TEXT);
CREATE INDEX by_group ON files(grp, seat);
CREATE TABLE pages(
  idx INTEGER, page INTEGER, head BLOB NOT NULL, numbers BLOB NOT NULL,
  PRIMARY KEY(idx, page)) WITHOUT ROWID;
CREATE TABLE refused(
  idx INTEGER, page INTEGER, reason TEXT NOT NULL, detail TEXT NOT NULL,
  PRIMARY KEY(idx, page)) WITHOUT ROWID;
CREATE TABLE blanks(idx INTEGER, page INTEGER, PRIMARY KEY(idx, page)) WITHOUT ROWID;
CREATE TABLE records(
  id TEXT PRIMARY KEY, body TEXT NOT NULL, review INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE queue(entry TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Journal:
    """An open journal; a context manager.

    Raises:
        ConsoleError: another process has it open, or the file is no journal of this form.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._db = sqlite3.connect(self.path, isolation_level=None, timeout=0.5)
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            with self._transaction():  # takes the lock for as long as it is open
                if self._identity() is None:
                    self._begin_anew()
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" in str(error):
                raise ConsoleError(
                    f"{folder} is being read by another process; wait for it or give another --out"
                ) from error
            raise self._broken(error) from error
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise self._broken(error) from error

    def _broken(self, error: sqlite3.Error) -> ConsoleError:
        return ConsoleError(f"{self.path} cannot be used ({error}); --fresh starts the batch anew")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def delete(self) -> None:
        """Close and remove it; its work is in the final files."""
        self._db.close()
        for end in ("-wal", "-shm", ""):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # --- the plan -------------------------------------------------------------------

    def _identity(self) -> str | None:
        table = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
        if table is None:
            return None
        row = self._db.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
        return str(row[0]) if row else None

    @property
    def identity(self) -> dict[str, Any] | None:
        """What the batch is of; None before it is planned."""
        text = self._identity()
        return json.loads(text) if text is not None else None

    def _begin_anew(self) -> None:
        names = [
            row[0]
            for row in self._db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        ]
        for name in names:
            self._db.execute(f'DROP TABLE "{name}"')
        for statement in _SCHEMA.split(";"):
            if statement.strip():
                self._db.execute(statement)

    def plan(
        self,
        identity: dict[str, Any],
        files: Sequence[Path],
        groups: Iterable[Group],
        marks: Mapping[Path, PaperMark] | None = None,
    ) -> None:
        """Write the plan and the identity, all or nothing (rule 1); `marks` say where the
        sheets of a central count lie."""
        marks = marks or {}
        index = {path: k for k, path in enumerate(files)}
        stems = _stems(files)
        with self._transaction():
            before: Path | None = None
            for number, group in enumerate(groups):
                lone = group.files[0] if group.bond == "single" else None
                follows = bool(before and lone and may_follow(before, lone))
                before = lone
                for seat, path in enumerate(group.files):
                    stamp, size = stamp_of(path)
                    k = index[path]
                    self._db.execute(
                        "INSERT INTO files(idx, grp, seat, bond, follows, path, shown, stem, "
                        "stamp, size, mark) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (k, number, seat, group.bond, follows, os.fsencode(path),
                         shown(path.name), os.fsencode(stems[k]), stamp, size,
                         _mark_text(marks.get(path))),
                    )  # fmt: skip
            self._db.execute(
                "INSERT INTO meta VALUES ('identity', ?)", (json.dumps(identity, sort_keys=True),)
            )

    def planned(self) -> Iterator[tuple[Path, str, bool]]:
        """Every file of the plan: its path, its stamp when planned, whether it is begun."""
        rows = self._db.execute("SELECT path, stamp, done OR next_page FROM files ORDER BY idx")
        for path, stamp, begun in rows:
            yield Path(os.fsdecode(path)), stamp, bool(begun)

    def count(self) -> tuple[int, int]:
        """Files in the plan, and files done."""
        row = self._db.execute("SELECT count(*), coalesce(sum(done), 0) FROM files").fetchone()
        return int(row[0]), int(row[1])

    def pending(self) -> Iterator[tuple[Work, int]]:
        """Groups still to be read, in order, with the bytes of their files. It may be read
        on while outcomes are kept; a group's neighbours are those that are pending too."""
        held: tuple[Work, int] | None = None
        for work, size in self._groups():
            if held is not None:
                before = held[0]
                joined = work.follows and before.number == work.number - 1
                work = _with(work, follows=joined)  # noqa: PLW2901
                yield _with(before, followed=joined), held[1]
            else:
                work = _with(work, follows=False)  # noqa: PLW2901
            held = (work, size)
        if held is not None:
            yield held

    def _groups(self) -> Iterator[tuple[Work, int]]:
        last = -1
        while True:
            rows = self._db.execute(
                "SELECT grp, idx, bond, follows, path, shown, stem, size, next_page, mark "
                "FROM files WHERE NOT done AND grp IN (SELECT DISTINCT grp FROM files "
                "WHERE grp > ? AND NOT done ORDER BY grp LIMIT ?) ORDER BY grp, seat",
                (last, _ROWS_AT_ONCE),
            ).fetchall()
            if not rows:
                return
            groups: dict[int, list[Any]] = {}
            for row in rows:
                groups.setdefault(row[0], []).append(row)
            for number, members in groups.items():
                refs = tuple(
                    FileRef(
                        idx,
                        os.fsdecode(path),
                        name,
                        os.fsdecode(stem),
                        next_page,
                        mark=_mark(mark),
                    )
                    for _, idx, _, _, path, name, stem, _, next_page, mark in members
                )
                work = Work(number, members[0][2], refs, follows=bool(members[0][3]))
                yield work, sum(row[7] for row in members)
                last = number

    # --- outcomes -------------------------------------------------------------------

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes durably, with their groups done or their next page (rule 2)."""
        with self._transaction():
            for outcome in outcomes:
                self._keep(outcome)

    def _keep(self, outcome: Outcome) -> None:
        many = self._db.executemany
        many(
            "INSERT INTO pages VALUES (?, ?, ?, ?)",
            [(p.index, p.page, p.head, p.numbers) for p in outcome.pages],
        )
        many(
            "INSERT INTO refused VALUES (?, ?, ?, ?)",
            [(r.index, r.page, r.reason, r.detail) for r in outcome.refused],
        )
        many("INSERT INTO blanks VALUES (?, ?)", outcome.blanks)
        many(
            "INSERT INTO records VALUES (?, ?, ?)",
            [(r.record_id, r.body, r.needs_review) for r in outcome.records],
        )
        many(
            "INSERT INTO queue VALUES (?)",
            [(item.entry,) for item in outcome.review if item.entry is not None],
        )
        many(
            "UPDATE files SET digest = ? WHERE idx = ?",
            [(d, k) for k, d in outcome.digests.items()],
        )
        more = outcome.next_page
        many(
            "UPDATE files SET done = ?, next_page = ? WHERE idx = ?",
            [(more is None, more or 0, k) for k in outcome.files],
        )

    def counters(self) -> dict[str, int]:
        """Records, those that need a person, refused pages, blank backs, files whose bytes
        are those of another."""
        one = self._db.execute(
            "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM records WHERE review), "
            "(SELECT count(*) FROM refused), (SELECT count(*) FROM blanks), "
            "(SELECT count(digest) - count(DISTINCT digest) FROM files)"
        ).fetchone()
        names = ("records", "needs_review", "refused", "blank_backs", "identical_files")
        return dict(zip(names, one, strict=True))

    def bodies(self) -> Iterator[str]:
        """The records' JSON texts in order of their ids."""
        return (row[0] for row in self._db.execute("SELECT body FROM records ORDER BY id"))

    def pages(self) -> Iterator[tuple[FileRef, PageRows]]:
        """Every page that was read, in input order."""
        for idx, path, name, page, head, numbers in self._db.execute(
            "SELECT f.idx, f.path, f.shown, p.page, p.head, p.numbers "
            "FROM pages p JOIN files f ON f.idx = p.idx ORDER BY p.idx, p.page"
        ):
            ref = FileRef(idx, shown(os.fsdecode(path)), name, "")
            yield ref, PageRows(idx, page, head, numbers)

    def refusals(self) -> Iterator[tuple[FileRef, Refusal]]:
        """Every refused page, in input order."""
        for idx, path, name, page, reason, detail in self._db.execute(
            "SELECT f.idx, f.path, f.shown, r.page, r.reason, r.detail "
            "FROM refused r JOIN files f ON f.idx = r.idx ORDER BY r.idx, r.page"
        ):
            ref = FileRef(idx, shown(os.fsdecode(path)), name, "")
            yield ref, Refusal(idx, page, reason, detail)

    def blanks(self) -> Iterator[tuple[FileRef, int]]:
        """Every unprinted back, in input order."""
        for idx, path, name, page in self._db.execute(
            "SELECT f.idx, f.path, f.shown, b.page "
            "FROM blanks b JOIN files f ON f.idx = b.idx ORDER BY b.idx, b.page"
        ):
            yield FileRef(idx, shown(os.fsdecode(path)), name, ""), page

    def entries(self) -> Iterator[str]:
        """The queue's entries in order of their texts, so of their records' ids."""
        return (row[0] for row in self._db.execute("SELECT entry FROM queue ORDER BY entry"))

    def files_digest(self) -> str:
        """One digest of which files the batch read, SHA-256 as hex."""
        digest = hashlib.sha256()
        for path, stamp in self._db.execute("SELECT path, stamp FROM files ORDER BY idx"):
            digest.update(file_line(path, stamp))
        return digest.hexdigest()


def _mark_text(mark: PaperMark | None) -> str | None:
    return None if mark is None else json.dumps(asdict(mark))


def _mark(text: str | None) -> PaperMark | None:
    return None if text is None else PaperMark(**json.loads(text))


def file_line(path: bytes, stamp: str) -> bytes:
    """What one file adds to the digest of a batch's files."""
    return b"%d:%b %b\n" % (len(path), path, stamp.encode())


def stamp_of(path: Path) -> tuple[str, int]:
    """A short digest of a file's size and time of change ("gone" for none), and its size."""
    try:
        about = path.stat()
    except (OSError, ValueError):
        return "gone", 0
    text = f"{about.st_size} {about.st_mtime_ns}".encode()
    return hashlib.blake2b(text, digest_size=8).hexdigest(), about.st_size


def _stems(files: Sequence[Path]) -> list[str]:
    """For every file the start of its overlays' names: its stem, numbered where two are
    alike (in letters of either case, for file systems that do not tell them apart)."""
    taken: set[str] = set()
    stems = []
    for k, path in enumerate(files):
        stem = path.stem
        if len(os.fsencode(stem)) > STEM_BYTES:
            stem = f"{os.fsencode(stem)[: STEM_BYTES - 20].decode('utf-8', 'ignore')}-{k + 1}"
        unique, n = stem, 1
        while unique.casefold() in taken:
            n += 1
            unique = f"{stem}-copy{n}"
        taken.add(unique.casefold())
        stems.append(unique)
    return stems


def _with(work: Work, *, follows: bool | None = None, followed: bool = False) -> Work:
    return Work(
        work.number,
        work.bond,
        work.files,
        work.follows if follows is None else follows,
        followed,
    )
