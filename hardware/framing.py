"""Frames on the serial link: COBS, CRC-32 and a zero byte between them.

On the wire a frame is

    COBS( version u8 | type u8 | sequence u16 | payload … | CRC-32 u32 ) 0x00

All integers are big-endian. The CRC is that of zlib and Ethernet (polynomial 0x04C11DB7,
reflected) over everything before it. COBS (Cheshire, Baker: *Consistent Overhead Byte
Stuffing*, IEEE/ACM Transactions on Networking 7(2), 1999) leaves no zero inside a frame,
so a receiver that lost its place finds it again at the next zero. Pure functions and one
small reader.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from cobs import cobs

from hardware.errors import ProtocolError

#: Version of the frames in which HELLO is asked and answered, in every version to come.
PROTOCOL_VERSION = 1

#: Bytes a payload may have: one image block and its head fit with room to spare.
MAX_PAYLOAD = 65_536

_HEAD = struct.Struct(">BBH")
_CRC = struct.Struct(">I")
_OVERHEAD = _HEAD.size + _CRC.size

#: Bytes a frame may have on the wire, without its delimiter (COBS adds one in 254).
MAX_ENCODED = MAX_PAYLOAD + _OVERHEAD + -(-(MAX_PAYLOAD + _OVERHEAD) // 254)

DELIMITER = b"\x00"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: `type` 0–255, `sequence` 0–65535, `payload` at most MAX_PAYLOAD bytes."""

    type: int
    sequence: int
    payload: bytes = b""
    version: int = PROTOCOL_VERSION


def encode_frame(frame: Frame) -> bytes:
    """The frame's bytes on the wire, with the delimiter at its end.

    Raises:
        ProtocolError: a field does not fit.
    """
    if len(frame.payload) > MAX_PAYLOAD:
        raise ProtocolError(
            f"a payload of {len(frame.payload)} bytes is over the limit of {MAX_PAYLOAD}"
        )
    try:
        head = _HEAD.pack(frame.version, frame.type, frame.sequence)
    except struct.error as error:
        raise ProtocolError(f"a field of the frame's head does not fit: {error}") from error
    check = _CRC.pack(zlib.crc32(frame.payload, zlib.crc32(head)))
    return bytes(cobs.encode(b"".join((head, frame.payload, check)))) + DELIMITER


def decode_frame(encoded: bytes) -> Frame:
    """The frame in the bytes between two delimiters.

    Raises:
        ProtocolError: too long or short, not COBS, or the check sum does not fit.
    """
    if len(encoded) > MAX_ENCODED:
        raise ProtocolError(f"a frame of {len(encoded)} bytes is over the limit of {MAX_ENCODED}")
    try:
        data = bytes(cobs.decode(encoded))
    except cobs.DecodeError as error:
        raise ProtocolError(f"a frame is not COBS: {error}") from error
    if not _OVERHEAD <= len(data) <= MAX_PAYLOAD + _OVERHEAD:
        raise ProtocolError(f"a frame holds {len(data)} bytes, out of bounds")
    end = len(data) - _CRC.size
    if _CRC.unpack_from(data, end)[0] != zlib.crc32(memoryview(data)[:end]):
        raise ProtocolError("a frame's check sum (CRC-32) does not fit its content")
    version, kind, sequence = _HEAD.unpack_from(data)
    return Frame(kind, sequence, data[_HEAD.size : end], version)


class FrameReader:
    """Frames out of a stream of bytes that may hold noise.

    What is no frame is dropped and counted in `damaged`; reading goes on after the next
    zero byte. It never holds more than one longest frame. Empty frames (zeros in a row) are
    no damage: a sender may put extra zeros to end what noise began.
    """

    def __init__(self) -> None:
        """Start between frames."""
        self.damaged = 0
        self._held = bytearray()
        self._skipping = False

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes, in order."""
        if DELIMITER not in data:
            self._take(data)
            return []
        frames: list[Frame] = []
        *ended, rest = data.split(DELIMITER)
        for part in ended:
            if self._take(part):
                encoded = bytes(self._held)
                if encoded:
                    try:
                        frames.append(decode_frame(encoded))
                    except ProtocolError:
                        self.damaged += 1
            self._held.clear()
            self._skipping = False
        self._take(rest)
        return frames

    def _take(self, part: bytes) -> bool:
        """Add to the unfinished frame; False while one that is too long is skipped."""
        if not self._skipping and len(self._held) + len(part) > MAX_ENCODED:
            self.damaged += 1
            self._skipping = True
            self._held.clear()
        if not self._skipping:
            self._held += part
        return not self._skipping
