"""Messages of the scanner link: what the payload of each frame type holds.

Fixed layouts, big-endian, no padding; each class has its own. A reply has its
request's type with the top bit set and its request's sequence. A payload of the wrong
length or with a value out of its set raises `ProtocolError`, never another error.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from hardware.errors import ProtocolError
from hardware.interface import PaperPlace

TOKEN_BYTES = 16
DIGEST_BYTES = 32
NONCE_BYTES = 8
#: Versions that one greeting may name.
MAX_VERSIONS = 16

#: Longest image block: fits `framing.MAX_PAYLOAD` with its head.
MAX_BLOCK = 61_440

#: Longest image a scanner may announce; a page of 400 dpi in colour is far below, in bytes.
MAX_IMAGE = 64 * 1024 * 1024


class Kind(IntEnum):
    """Frame types."""

    HELLO = 0x01
    STATUS = 0x02
    FEED = 0x03
    IMAGE_BLOCK = 0x04
    ACCEPT = 0x05
    RETURN = 0x06
    LAST_TOKEN = 0x07
    # Of version 2 (`hardware.batch_messages`).
    CAPABILITIES = 0x08
    BEGIN_BATCH = 0x09
    END_BATCH = 0x0A
    BATCH = 0x0B
    NEXT = 0x0C
    OUTSTACK = 0x0D
    EVENT = 0x7E
    #: Any reply that says no, in place of the request's own reply type.
    ERROR = 0xFF


#: Set in the type of a reply.
REPLY = 0x80


class ErrorCode(IntEnum):
    """Why a scanner says no; the text beside it explains."""

    UNKNOWN_COMMAND = 1
    BAD_PAYLOAD = 2
    NO_SHEET = 3
    FAULT = 4
    TOKEN_USED = 5
    BAD_RANGE = 6
    INTERNAL = 7
    #: Of version 2; the text is a `batch_messages.BatchWord`.
    BATCH = 8


class EventKind(IntEnum):
    """What a scanner tells unasked."""

    TRAY_EMPTY = 1
    FAULT_RAISED = 2
    FAULT_CLEARED = 3
    SHEETS_WAITING = 4


class Act(IntEnum):
    """What the last token was used for."""

    NONE = 0
    ACCEPTED = 1
    RETURNED = 2
    #: Of version 2.
    OUTSTACKED = 3


_PLACES = (
    PaperPlace.NONE,
    PaperPlace.HELD,
    PaperPlace.IN_BOX,
    PaperPlace.RETURNED,
    PaperPlace.UNKNOWN,
    # Of version 2.
    PaperPlace.OUTSTACKED,
)
#: Places and acts that version 1 knows; a version 2 scanner tells the pocket for outstacked
#: sheets as "returned" there: not in the box.
_PLACES_OF_1, _ACTS_OF_1 = 5, 3
_READY, _WAITING, _HAS_TOKEN = 1, 2, 4
_STATUS = struct.Struct(">BBBI16s")
_LAST = struct.Struct(">BB16s")
_BLOCK = struct.Struct(">BII")
_BLOCK_HEAD = struct.Struct(">BI")
_SIDE = struct.Struct(">I32s")


@dataclass(frozen=True, slots=True)
class Hello:
    """Reply to HELLO. `nonce` repeats the request's, so that an old reply is not believed;
    `versions` are those of the link that the scanner speaks, rising."""

    nonce: bytes
    versions: tuple[int, ...]
    model: str
    firmware: str

    def pack(self) -> bytes:
        """nonce 8 | number of versions u8 | each u8 | model u8+text | firmware u8+text."""
        versions = bytes([len(self.versions), *self.versions])
        return self.nonce + versions + pack_text(self.model) + pack_text(self.firmware)

    @classmethod
    def unpack(cls, payload: bytes) -> Hello:
        """See `pack`."""
        if len(payload) < NONCE_BYTES + 4:
            raise ProtocolError(f"a HELLO reply has {len(payload)} bytes, too few")
        nonce, number, rest = (
            payload[:NONCE_BYTES],
            payload[NONCE_BYTES],
            payload[NONCE_BYTES + 1 :],
        )
        versions, rest = tuple(rest[:number]), rest[number:]
        if not 1 <= number <= MAX_VERSIONS or tuple(sorted({*versions})) != versions:
            raise ProtocolError("a HELLO reply names no versions, too many, or not in rising order")
        model, rest = take_text(rest, "HELLO")
        firmware, rest = take_text(rest, "HELLO")
        require_empty(rest, "HELLO")
        return cls(nonce, versions, model, firmware)


@dataclass(frozen=True, slots=True)
class Status:
    """Reply to STATUS; fields as in `hardware.interface.FeederStatus`, `token` 16 bytes."""

    ready: bool
    sheets_waiting: bool
    place: PaperPlace
    token: bytes | None
    last_act: Act
    box_count: int
    fault: str | None

    def pack(self) -> bytes:
        """flags u8 | place u8 | last act u8 | box u32 | token 16 | fault u8+text."""
        flags = self.ready * _READY | self.sheets_waiting * _WAITING
        flags |= _HAS_TOKEN if self.token is not None else 0
        head = _STATUS.pack(
            flags,
            _PLACES.index(self.place),
            self.last_act,
            self.box_count,
            self.token or bytes(TOKEN_BYTES),
        )
        return head + pack_text(self.fault or "")

    @classmethod
    def unpack(cls, payload: bytes, version: int = 1) -> Status:
        """See `pack`; `version` of the frame."""
        if len(payload) < _STATUS.size:
            raise ProtocolError(f"a STATUS reply has {len(payload)} bytes, too few")
        flags, place, act, box, token = _STATUS.unpack_from(payload)
        fault, rest = take_text(payload[_STATUS.size :], "STATUS")
        require_empty(rest, "STATUS")
        places = _PLACES_OF_1 if version == 1 else len(_PLACES)
        if place >= places or flags & ~(_READY | _WAITING | _HAS_TOKEN):
            raise ProtocolError(f"a STATUS reply has place {place} or flags {flags:#x} unknown")
        return cls(
            ready=bool(flags & _READY),
            sheets_waiting=bool(flags & _WAITING),
            place=_PLACES[place],
            token=token if flags & _HAS_TOKEN else None,
            last_act=_act(act, version),
            box_count=box,
            fault=fault or None,
        )


@dataclass(frozen=True, slots=True)
class SideImage:
    """One side of a held sheet: length of its image file in bytes and its SHA-256."""

    length: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class FeedReply:
    """Reply to FEED: the held sheet's sides, front first; none when the tray is empty."""

    sides: tuple[SideImage, ...]

    def pack(self) -> bytes:
        """sides u8 | for each: length u32, SHA-256 32."""
        return bytes([len(self.sides)]) + b"".join(
            _SIDE.pack(side.length, side.sha256) for side in self.sides
        )

    @classmethod
    def unpack(cls, payload: bytes) -> FeedReply:
        """See `pack`."""
        if not payload or payload[0] > 2 or len(payload) != 1 + payload[0] * _SIDE.size:
            raise ProtocolError(f"a FEED reply of {len(payload)} bytes has no sides of a sheet")
        sides = tuple(SideImage(*fields) for fields in _SIDE.iter_unpack(payload[1:]))
        for side in sides:
            if not 0 < side.length <= MAX_IMAGE:
                raise ProtocolError(
                    f"the scanner announces an image of {side.length} bytes; "
                    f"1 to {MAX_IMAGE} are allowed"
                )
        return cls(sides)


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """IMAGE_BLOCK: `length` bytes of side 0 (front) or 1 from `offset`."""

    side: int
    offset: int
    length: int

    def pack(self) -> bytes:
        """side u8 | offset u32 | length u32."""
        return _BLOCK.pack(self.side, self.offset, self.length)

    @classmethod
    def unpack(cls, payload: bytes) -> BlockRequest:
        """See `pack`."""
        require_length(payload, _BLOCK.size, "IMAGE_BLOCK")
        return cls(*_BLOCK.unpack(payload))


def pack_block(request: BlockRequest, data: bytes) -> bytes:
    """Reply to IMAGE_BLOCK: side u8 | offset u32 | bytes."""
    return _BLOCK_HEAD.pack(request.side, request.offset) + data


def unpack_block(payload: bytes, request: BlockRequest) -> bytes:
    """The bytes of the block; it must be the one that was asked for, whole."""
    if payload[: _BLOCK_HEAD.size] != _BLOCK_HEAD.pack(request.side, request.offset):
        raise ProtocolError("the scanner sent another image block than was asked for")
    require_length(payload, _BLOCK_HEAD.size + request.length, "IMAGE_BLOCK reply")
    return payload[_BLOCK_HEAD.size :]


@dataclass(frozen=True, slots=True)
class LastToken:
    """Reply to LAST_TOKEN, ACCEPT, RETURN and OUTSTACK: the last token and what it was used for."""

    act: Act
    token: bytes | None

    def pack(self) -> bytes:
        """has token u8 | act u8 | token 16."""
        return _LAST.pack(self.token is not None, self.act, self.token or bytes(TOKEN_BYTES))

    @classmethod
    def unpack(cls, payload: bytes, version: int = 1) -> LastToken:
        """See `pack`; `version` of the frame."""
        require_length(payload, _LAST.size, "token reply")
        has, act, token = _LAST.unpack(payload)
        if has > 1:
            raise ProtocolError(f"a token reply's first byte is {has}, not 0 or 1")
        return cls(_act(act, version), token if has else None)


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """ERROR: a code and one line of text (for FAULT the fault's stable word)."""

    code: ErrorCode
    text: str

    def pack(self) -> bytes:
        """code u8 | text u8+text."""
        return bytes([self.code]) + pack_text(self.text)

    @classmethod
    def unpack(cls, payload: bytes) -> ErrorReply:
        """See `pack`."""
        text, rest = take_text(payload[1:], "ERROR")
        require_empty(rest, "ERROR")
        try:
            return cls(ErrorCode(payload[0]), text)
        except ValueError as error:
            raise ProtocolError(f"the scanner sent the unknown error code {payload[0]}") from error


@dataclass(frozen=True, slots=True)
class Event:
    """EVENT: told unasked; `text` is the fault's word where there is one."""

    kind: EventKind
    text: str = ""

    def pack(self) -> bytes:
        """kind u8 | text u8+text."""
        return bytes([self.kind]) + pack_text(self.text)

    @classmethod
    def unpack(cls, payload: bytes) -> Event:
        """See `pack`."""
        text, rest = take_text(payload[1:], "EVENT")
        require_empty(rest, "EVENT")
        try:
            return cls(EventKind(payload[0]), text)
        except ValueError as error:
            raise ProtocolError(f"the scanner sent the unknown event {payload[0]}") from error


def unpack_token(payload: bytes) -> bytes:
    """The payload of ACCEPT, RETURN and OUTSTACK: 16 bytes."""
    require_length(payload, TOKEN_BYTES, "token")
    return payload


def unpack_nothing(payload: bytes) -> None:
    """The payload of a request that has none."""
    require_length(payload, 0, "request")


def _act(value: int, version: int) -> Act:
    try:
        if version == 1 and value >= _ACTS_OF_1:
            raise ValueError("not of version 1")
        return Act(value)
    except ValueError as error:
        raise ProtocolError(f"the scanner sent the unknown act {value} of a token") from error


def pack_text(text: str) -> bytes:
    """One length byte and so many bytes of UTF-8; what is over 255 bytes is cut off."""
    data = text.encode()[:255].decode(errors="ignore").encode()
    return bytes([len(data)]) + data


def take_text(payload: bytes, what: str) -> tuple[str, bytes]:
    """A text at the front, and the bytes behind it. Raises ProtocolError."""
    if not payload or len(payload) < 1 + payload[0]:
        raise ProtocolError(f"a {what} message ends before its text")
    end = 1 + payload[0]
    try:
        text = payload[1:end].decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"a {what} message's text is not UTF-8") from error
    return text, payload[end:]


def require_length(payload: bytes, length: int, what: str) -> None:
    """Raises ProtocolError where it has another length."""
    if len(payload) != length:
        raise ProtocolError(f"a message ({what}) has {len(payload)} bytes in place of {length}")


def require_empty(rest: bytes, what: str) -> None:
    """Raises ProtocolError where something is left."""
    if rest:
        raise ProtocolError(f"a {what} message has {len(rest)} bytes too many")
