"""The one open intention: what the device was about to have done with the held sheet.

It is the only link between a sheet in the machine and a record, and lives for one sheet at a
time in a small file of its own beside the journal (its name ending in `-intention`):

1. Its room is on the disk before it is used, so that writing it is one flush of one block: no
   file grows, no metadata changes.
2. It is written over zeros and, once settled, overwritten with zeros, through to the disk.
3. What is written holds no zero byte. So a sector of zeros within it tells a write (or a
   wipe) that a cut tore: then no intention was durable, or it was settled, and the feeder was
   not told. Anything else that fails the check sum is damage, and refused.
4. It says after which event of which log it was made, and as which step: one that the
   journal has settled is only left over, and one of another journal is refused
   (`firmware_sim.journal`).

Form, UTF-8: `ballotbench-intention/1 LENGTH SHA-256 CRC-32` and a line end; LENGTH bytes of
JSON (8 digits; SHA-256 is over them, the CRC over the line before it); spaces up to a whole
sector; zeros to the end of the file. A power cut may leave any set of sectors of 512 bytes
unwritten, but none half.
"""

from __future__ import annotations

import errno
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from scanner.cvr import CastVoteRecord

SECTOR = 512
#: Room is made in pieces of so many bytes; a record takes about one thousand.
_GRAIN = 64 * 1024
_MAGIC = b"ballotbench-intention/1"
_HEADER = len(_MAGIC) + 1 + 8 + 1 + 64 + 1 + 8 + 1


@dataclass(frozen=True, slots=True)
class Intention:
    """What the device was about to have done with the held sheet under `token`.

    `record` is set when it was to be accepted; otherwise it was to be returned, and
    `ground` says why and `style_id` what it was (`election.places.paper_key`; None: it could
    not be read).
    """

    token: str
    record: CastVoteRecord | None
    ground: str | None = None
    style_id: str | None = None


def place_of(journal: Path) -> Path:
    """Where the intention of the journal at this path lies."""
    return journal.with_name(f"{journal.name}-intention")


def framed(text: str) -> bytes:
    """The bytes of an intention's JSON text, whole sectors without a zero byte."""
    content = text.encode()
    digest = hashlib.sha256(content).hexdigest().encode()
    head = b"%s %08d %s" % (_MAGIC, len(content), digest)
    data = b"%s %08x\n%s" % (head, zlib.crc32(head), content)
    if b"\0" in data:
        raise ValueError("an intention may hold no zero byte")
    return data.ljust(-(-len(data) // SECTOR) * SECTOR, b" ")


def unframed(data: bytes) -> str | None:
    """The JSON text in a file's bytes; None: none is there, or a cut tore it.

    Raises:
        ValueError: it is damaged.
    """
    if not any(data[:SECTOR]):
        return None
    head, _, check = data[: _HEADER - 1].rpartition(b" ")
    words = head.split(b" ")
    if check != b"%08x" % zlib.crc32(head) or len(words) != 3 or words[0] != _MAGIC:
        raise ValueError("the open intention beside it cannot be read")
    end = _HEADER + int(words[1])
    last = -(-end // SECTOR) * SECTOR
    if last > len(data):
        raise ValueError("the open intention beside it is cut short")
    if any(not any(data[at : at + SECTOR]) for at in range(0, last, SECTOR)):
        return None
    content = data[_HEADER:end]
    if data[:last] != _framed_or_none(content) or any(data[last:]):
        raise ValueError("the open intention beside it fails its check sum")
    return content.decode()


def _framed_or_none(content: bytes) -> bytes | None:
    """The one form of this content; None where it has none."""
    try:
        return framed(content.decode())
    except ValueError:
        return None


class IntentionFile:
    """The file, opened when it is first needed. Every method may raise `OSError`.

    Whoever holds the journal's lock has this file too.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is touched yet."""
        self.path = path
        self._handle: int | None = None
        self._there = False
        self._room = 0
        #: How many bytes from the start may hold something.
        self._used = 0

    def read(self) -> str | None:
        """The JSON text; None: none is there. Raises ValueError: it is damaged."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        self._there = True
        self._used = max(self._used, len(data.rstrip(b"\0")))
        return unframed(data)

    def start(self, text: str) -> None:
        """Begin to put down an intention over nothing; `finish` waits until it is durable."""
        data = framed(text)
        handle = self._opened(len(data))
        self._used = max(self._used, len(data))
        write_all(handle, data)
        # The disk begins now, not only when it is waited for (Linux; not there on every system).
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, len(data), os.POSIX_FADV_DONTNEED)

    def finish(self) -> None:
        """Until what was started is durable."""
        if self._handle is not None:
            os.fdatasync(self._handle)

    def write(self, text: str) -> None:
        """Put down an intention over nothing, durably."""
        self.start(text)
        self.finish()

    def wipe(self) -> None:
        """Overwrite what was there, durably."""
        if self._used:
            handle = self._opened(self._used)
            write_all(handle, bytes(self._used))
            os.fdatasync(handle)
            self._used = 0

    def close(self) -> None:
        """Let go of the file, and take it away if nothing is in it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if self._there and not self._used:
            self.path.unlink(missing_ok=True)

    def _opened(self, size: int) -> int:
        """A handle of the file, which has room for so many bytes on the disk."""
        if self._handle is None:
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._there = True
            self._room = os.fstat(self._handle).st_size
        if self._room < size or self._room % _GRAIN:
            room = -(-max(size, self._room) // _GRAIN) * _GRAIN
            write_all(self._handle, bytes(room - self._room), self._room)
            os.fsync(self._handle)
            flush_folder(self.path)
            self._room = room
        return self._handle


def write_all(handle: int, data: bytes, at: int = 0) -> None:
    """Write all of it, as a full disk may take only a part and say nothing."""
    while data:
        done = os.pwrite(handle, data, at)
        data, at = data[done:], at + done


def flush_folder(path: Path) -> None:
    """A new file's name must be on the disk like its content."""
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such flush
            raise
    finally:
        os.close(handle)
