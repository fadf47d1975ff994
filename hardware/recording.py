"""What passed on a link, frame by frame: decoded, saved, read back.

Two forms, told by the file's name: JSON lines (`.jsonl`: a head line, then one line a frame
with its bytes and what they say) and pcapng (`.pcapng`: link type 147, "user 0", one packet a
frame as on the wire with the 00 at its end; outbound from the device, inbound from the
scanner; draft-ietf-opsawg-pcapng). A recording holds the images in the order of feeding: make
one with test decks only, never on a polling day (docs/threat-model.md).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Any, Literal

from hardware.batch_messages import (
    BeginBatch,
    NextReply,
    unpack_batch_id,
    unpack_batch_state,
    unpack_capabilities,
)
from hardware.errors import HardwareError, ProtocolError
from hardware.framing import DELIMITER, MAX_ENCODED, Frame, decode_frame
from hardware.messages import (
    REPLY,
    BlockRequest,
    ErrorReply,
    Event,
    FeedReply,
    Hello,
    Kind,
    LastToken,
    Status,
)

FORMAT = "ballotbench-recording/1"
Sender = Literal["device", "scanner"]
#: pcapng: block types, byte-order magic, link type "user 0", option "flags" with its values.
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_MAGIC, _USER_0, _FLAGS = 0x1A2B3C4D, 147, 2
_DIRECTIONS: dict[Sender, int] = {"scanner": 1, "device": 2}
_READERS: dict[int, Callable[[bytes], Any]] = {
    Kind.HELLO | REPLY: Hello.unpack,
    Kind.FEED | REPLY: FeedReply.unpack,
    Kind.IMAGE_BLOCK: BlockRequest.unpack,
    Kind.EVENT: Event.unpack,
    Kind.ERROR: ErrorReply.unpack,
    Kind.CAPABILITIES | REPLY: unpack_capabilities,
    Kind.BEGIN_BATCH: BeginBatch.unpack,
    Kind.BEGIN_BATCH | REPLY: unpack_batch_state,
    Kind.END_BATCH | REPLY: unpack_batch_state,
    Kind.BATCH | REPLY: unpack_batch_state,
    Kind.NEXT | REPLY: NextReply.unpack,
}
#: What these may say depends on the frame's version.
_READERS_BY_VERSION: dict[int, Callable[[bytes, int], Any]] = {
    Kind.STATUS | REPLY: Status.unpack,
    **{
        kind | REPLY: LastToken.unpack
        for kind in (Kind.ACCEPT, Kind.RETURN, Kind.LAST_TOKEN, Kind.OUTSTACK)
    },
}


class RecordingError(HardwareError):
    """A file that is no recording, or cannot be written."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame: seconds since the start, who sent it, its bytes with the 00 at the end."""

    at_s: float
    sender: Sender
    wire: bytes

    @property
    def frame(self) -> Frame | None:
        """The frame; None where it came damaged."""
        try:
            return decode_frame(self.wire[:-1])
        except ProtocolError:
            return None


class Splitter:
    """Bytes to frames' bytes, damaged ones too; holds no more than two longest frames."""

    def __init__(self) -> None:
        """Start between frames."""
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Each run of bytes that a 00 ends in `data`, with it; empty ones are left out."""
        *ended, rest = data.split(DELIMITER)
        whole = []
        for part in ended:
            self._add(part)
            if self._held:
                whole.append(bytes(self._held) + DELIMITER)
            self._held.clear()
        self._add(rest)
        return whole

    def _add(self, part: bytes) -> None:
        # What is longer than a frame is noise; its beginning tells enough.
        self._held += part[: max(0, MAX_ENCODED + 1 - len(self._held))]


def name_of(frame: Frame) -> str:
    """ "FEED", "FEED reply", "ERROR", "EVENT"; the number of an unknown type."""
    if frame.type in (Kind.ERROR, Kind.EVENT):
        return Kind(frame.type).name
    try:
        word = Kind(frame.type & ~REPLY).name
    except ValueError:
        return f"type {frame.type:#04x}"
    return f"{word} reply" if frame.type & REPLY else word


def describe(seen: Seen) -> dict[str, Any]:
    """What a frame says: name, version, sequence and fields, as JSON has them."""
    frame = seen.frame
    if frame is None:
        return {"name": "damaged", "bytes": len(seen.wire)}
    told: dict[str, Any] = {"name": name_of(frame), "sequence": frame.sequence}
    if frame.version != 1:
        told["version"] = frame.version
    try:
        if frame.type == Kind.IMAGE_BLOCK | REPLY and len(frame.payload) >= 5:
            side, offset = struct.unpack_from(">BI", frame.payload)
            told["fields"] = {"side": side, "offset": offset, "bytes": len(frame.payload) - 5}
        elif frame.type in _READERS_BY_VERSION:
            read = _READERS_BY_VERSION[frame.type]
            told["fields"] = _plain(asdict(read(frame.payload, frame.version)))
        elif frame.type == Kind.END_BATCH:
            told["fields"] = {"batch_id": unpack_batch_id(frame.payload)}
        elif frame.type in _READERS:
            told["fields"] = _plain(asdict(_READERS[frame.type](frame.payload)))
        elif frame.payload:
            told["fields"] = {"payload": frame.payload[:64].hex()}
    except ProtocolError as error:
        told["wrong"] = str(error)
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def line_of(seen: Seen) -> dict[str, Any]:
    """A line of the JSON form."""
    head = {"at_s": round(seen.at_s, 6), "from": seen.sender, "wire": seen.wire.hex()}
    return head | describe(seen)


class RecordingWriter:
    """Writes frames as they come; each is in the file before the next."""

    def __init__(self, path: Path) -> None:
        """Begin a new file. Raises RecordingError where that cannot be."""
        self._pcapng = path.suffix.lower() == ".pcapng"
        try:
            self._file: IO[bytes] = path.open("xb")
        except FileExistsError as error:
            raise RecordingError(f"{path} is there already: give another --save") from error
        except OSError as error:
            raise RecordingError(f"{path} cannot be written: {error.strerror}") from error
        if self._pcapng:
            section = struct.pack("<IHHq", _MAGIC, 1, 0, -1)
            self._put(_block(_SECTION, section))
            self._put(_block(_INTERFACE, struct.pack("<HHI", _USER_0, 0, 0)))
        else:
            self._put(json.dumps({"format": FORMAT}).encode() + b"\n")

    def add(self, seen: Seen) -> None:
        """Write one frame."""
        if not self._pcapng:
            self._put(json.dumps(line_of(seen), ensure_ascii=False).encode() + b"\n")
            return
        micros = int(seen.at_s * 1e6)
        size = len(seen.wire)
        head = struct.pack("<IIIII", 0, micros >> 32, micros & 0xFFFFFFFF, size, size)
        flags = struct.pack("<HHIHH", _FLAGS, 4, _DIRECTIONS[seen.sender], 0, 0)
        self._put(_block(_PACKET, head + seen.wire + bytes(-size % 4) + flags))

    def close(self) -> None:
        """End the file."""
        self._file.close()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def read_recording(path: Path) -> tuple[Seen, ...]:
    """The frames of a file in either form.

    Raises:
        RecordingError: no recording, or cut off in the middle of a line or block.
    """
    try:
        return parse_recording(path.read_bytes(), str(path))
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from error


def parse_recording(data: bytes, where: str = "the file") -> tuple[Seen, ...]:
    """The frames of a recording's bytes, as `read_recording`; `where` is for the message."""
    try:
        if data[:4] == struct.pack("<I", _SECTION):
            return tuple(_packets(data))
        head, *lines = data.decode().splitlines()
        if json.loads(head)["format"] != FORMAT:
            raise ValueError("another format")
        return tuple(_seen(json.loads(line)) for line in lines)
    # What JSON can hold: numbers without end, brackets without end, anything for an object.
    except (
        ValueError, KeyError, TypeError, OverflowError, RecursionError, struct.error
    ) as error:  # fmt: skip
        raise RecordingError(
            f"{where} is no recording of `ballotbench monitor`, or is cut off: {error}"
        ) from error


def _seen(line: dict[str, Any]) -> Seen:
    sender: Sender = {"device": "device", "scanner": "scanner"}[line["from"]]  # type: ignore[assignment]
    return Seen(float(line["at_s"]), sender, bytes.fromhex(line["wire"]))


def _packets(data: bytes) -> Iterator[Seen]:
    at = 0
    senders = {number: sender for sender, number in _DIRECTIONS.items()}
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if size < 12 or at + size > len(data):
            raise ValueError("a block ends after the file")
        if kind == _PACKET:
            _, high, low, length, _ = struct.unpack_from("<IIIII", data, at + 8)
            wire = data[at + 28 : at + 28 + length]
            _, _, flags = struct.unpack_from("<HHI", data, at + 28 + length + -length % 4)
            yield Seen((high << 32 | low) / 1e6, senders[flags], wire)
        at += size
