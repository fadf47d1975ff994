"""The log on disk: append-only, crash-safe, one writer at a time.

    log.json             which log, of which election
    entries.jsonl        a line an entry: its leaf hash, a space, the entry in RFC 8785 form
    checkpoints/N.json   the signed checkpoint of the first N entries

An entry counts once its line is whole and on the disk. What a cut leaves after the last line
end was never acknowledged: readers leave it out, the next writer cuts it off. The leaf hash
in front makes a changed line say so by itself; whether hashes and lines were changed
together is what the signed roots tell, down to the entries between two checkpoints.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from firmware_sim import merkle
from firmware_sim.errors import KeyFileError
from firmware_sim.file_lock import FileInUseError, held
from firmware_sim.keyfiles import read_file, replace_file
from tally.transparency.canonical import Document, Hash, Name, read_document
from tally.transparency.checkpoint import SignedCheckpoint, read_note, sign_checkpoint
from tally.transparency.entry import LogEntry
from tally.transparency.errors import LogError

HEAD: Final = "log.json"
ENTRIES: Final = "entries.jsonl"
CHECKPOINTS: Final = "checkpoints"
_LOCK: Final = ".lock"
#: How long a writer waits for another one, seconds.
_WAIT_S = 20.0
#: Largest line looked at, bytes; a real one is some 350.
_MAX_LINE = 4096


class LogHead(Document):
    """`log.json`. `log_id` is the name in the certificate that signs its checkpoints."""

    format: Literal["ballotbench-log/1"] = "ballotbench-log/1"
    log_id: Name
    election_hash: Hash


@dataclass(frozen=True)
class Log:
    """A log as it was read: entries in order, and what does not fit in the file.

    `hashes` are the leaf hashes as the lines state them; `faults` are the lines that do not
    hold, by index (from 0), with the reason; the entry of such a line is None.
    """

    folder: Path
    head: LogHead
    entries: tuple[LogEntry | None, ...]
    hashes: tuple[bytes, ...]
    faults: tuple[tuple[int, str], ...]

    def __len__(self) -> int:
        return len(self.entries)

    def where(self, index: int) -> str:
        """The place of an entry, for messages."""
        return f"{self.folder / ENTRIES}, line {index + 1} (entry {index})"

    @cached_property
    def by_hash(self) -> dict[str, int]:
        """Index of the first entry of a file's SHA-256."""
        found: dict[str, int] = {}
        for index, entry in enumerate(self.entries):
            if entry is not None:
                found.setdefault(entry.sha256, index)
        return found

    def sound(self) -> Log:
        """This log, if every line holds. Raises LogError: names the first that does not."""
        if self.faults:
            index, why = self.faults[0]
            raise LogError(self.where(index), why)
        return self

    def entry(self, index: int) -> LogEntry:
        """An entry. Raises LogError: there is none of this number, or its line does not hold."""
        if not 0 <= index < len(self):
            raise LogError(
                str(self.folder / ENTRIES), f"has {len(self)} entries, none is number {index}"
            )
        found = self.entries[index]
        if found is None:
            raise LogError(self.where(index), next(w for i, w in self.faults if i == index))
        return found

    def root(self, size: int | None = None) -> bytes:
        """Root of the first `size` entries (all if not given), by the hashes that are stated."""
        return merkle.root_of(self.hashes[: len(self) if size is None else size])


def create_log(folder: Path, log_id: str, election_hash: str) -> LogHead:
    """Begin an empty log. Raises LogError: there is one, or these are no ids."""
    try:
        head = LogHead(log_id=log_id, election_hash=election_hash)
    except ValidationError as error:
        first = error.errors()[0]
        raise LogError(f"{folder / HEAD}: {first['loc'][0]}", first["msg"]) from error
    if (folder / HEAD).exists() or (folder / ENTRIES).exists():
        raise LogError(str(folder), "there is a log already; choose an empty folder")
    (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    (folder / ENTRIES).touch()
    replace_file(folder / HEAD, head.as_bytes())
    return head


def read_log(folder: Path) -> Log:
    """Read a log; lines that do not hold are in `Log.faults`.

    Raises:
        LogError: a file is missing, or `log.json` does not hold.
    """
    head = read_document(LogHead, _bytes(folder / HEAD), str(folder / HEAD))
    data = _bytes(folder / ENTRIES)
    lines = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]
    entries: list[LogEntry | None] = []
    hashes: list[bytes] = []
    faults: list[tuple[int, str]] = []
    for index, line in enumerate(lines):
        entry, stated, why = _read_line(line)
        entries.append(entry)
        hashes.append(stated)
        if why is not None:
            faults.append((index, why))
    return Log(folder, head, tuple(entries), tuple(hashes), tuple(faults))


def _read_line(line: bytes) -> tuple[LogEntry | None, bytes, str | None]:
    """Entry, leaf hash as stated (of the line where none can be read), and what is wrong."""
    stated, entry = merkle.leaf_hash(line), None
    if len(line) > _MAX_LINE or line[64:65] != b" ":
        return None, stated, "is not an entry: altered"
    try:
        stated = bytes.fromhex(line[:64].decode())
        entry = LogEntry.model_validate_json(line[65:])
        if line[:64].decode() != stated.hex() or entry.leaf() != line[65:]:
            return None, stated, "is not in the one form that entries have: altered"
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return None, stated, f"{field}: {first['msg']}: altered"
    except (ValueError, RecursionError):
        return None, stated, "is not an entry: altered"
    if entry.leaf_hash() != stated:
        return None, stated, "the entry is not that of the leaf hash in front of it: altered"
    return entry, stated, None


def append(folder: Path, entries: Sequence[LogEntry]) -> list[int]:
    """Append entries, through to the disk, in one go; returns the index of each.

    A file that is in the log already (the same hash, kind and owner) is not appended again:
    its index is the old one.

    Raises:
        LogError: the log does not hold, or another process keeps it busy.
    """
    with _writer(folder):
        log = read_log(folder).sound()
        known = {_same(e): i for i, e in enumerate(log.entries) if e is not None}
        found: list[int] = []
        lines: list[bytes] = []
        for entry in entries:
            index = known.setdefault(_same(entry), len(log) + len(lines))
            if index == len(log) + len(lines):
                lines.append(entry.leaf_hash().hex().encode() + b" " + entry.leaf() + b"\n")
            found.append(index)
        if lines:
            _write(folder / ENTRIES, b"".join(lines))
    return found


def _same(entry: LogEntry) -> tuple[str, str, str]:
    return entry.sha256, entry.kind, entry.of


def add_checkpoint(
    folder: Path, *, now: datetime, sign: Callable[[bytes], bytes]
) -> tuple[SignedCheckpoint, Path]:
    """Sign the log as it is now; where its size is signed already, give that checkpoint.

    Raises:
        LogError: the log does not hold, or contradicts its last checkpoint.
    """
    with _writer(folder):
        log = read_log(folder).sound()
        path = checkpoint_path(folder, len(log))
        if path.exists():
            signed = read_checkpoint(path)
            if read_note(signed.note, str(path)).root != log.root():
                raise LogError(str(path), "is of other entries: the log was rewritten")
            return signed, path
        for size, earlier in stored_checkpoints(folder):
            root = read_note(read_checkpoint(earlier).note, str(earlier)).root
            if size > len(log) or root != log.root(size):
                raise LogError(str(earlier), "is of other entries: the log was rewritten")
        signed = sign_checkpoint(
            log.head.log_id, log.head.election_hash, len(log), log.root(), now=now, sign=sign
        )
        path.parent.mkdir(exist_ok=True)
        replace_file(path, signed.as_bytes())
    return signed, path


def checkpoint_path(folder: Path, size: int) -> Path:
    """Where the checkpoint of so many entries is kept."""
    return folder / CHECKPOINTS / f"{size}.json"


def read_checkpoint(path: Path) -> SignedCheckpoint:
    """A checkpoint's file; its signature is not looked at. Raises LogError."""
    return read_document(SignedCheckpoint, _bytes(path), str(path))


def stored_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Sizes and files of a log's own checkpoints, by size.

    Raises:
        LogError: a file that is not named as a checkpoint.
    """
    found = []
    for path in sorted((folder / CHECKPOINTS).glob("*")):
        if path.name.endswith(".new"):  # what a cut left of `replace_file`
            continue
        if not (path.suffix == ".json" and path.stem.isdecimal() and path.stem.isascii()):
            raise LogError(str(path), "is no checkpoint: their names are N.json")
        found.append((int(path.stem), path))
    return sorted(found)


@contextmanager
def _writer(folder: Path) -> Iterator[None]:
    if not (folder / HEAD).is_file():
        raise LogError(str(folder), "is not a log: make one with `ballotbench log create`")
    try:
        with held(folder / _LOCK, wait_s=_WAIT_S):
            yield
    except FileInUseError as error:
        raise LogError(str(folder), "another process is writing to the log") from error
    except OSError as error:
        raise LogError(
            str(error.filename or folder), f"cannot be written: {error.strerror}"
        ) from error


def _write(path: Path, lines: bytes) -> None:
    """Add whole lines at the end, cutting off first what a cut left there."""
    handle = os.open(path, os.O_RDWR)
    with os.fdopen(handle, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _MAX_LINE)
            file.seek(start)
            tail = file.read(end - start)
            if (at := tail.rfind(b"\n")) >= 0:
                end = start + at + 1
                break
            end = start
        file.truncate(end)
        file.seek(end)
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


def _bytes(path: Path) -> bytes:
    try:
        return read_file(path)
    except KeyFileError as error:
        why = "is missing" if not path.exists() else "cannot be read"
        raise LogError(str(path), why) from error
