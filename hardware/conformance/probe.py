"""The side that asks, bare: what is sent is what the check wants, and what comes is measured.

Unlike `hardware.link` it repeats nothing by itself and believes nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.batch_messages import BATCH_VERSION, unpack_capabilities
from hardware.errors import LinkError
from hardware.framing import DELIMITER, Frame, FrameReader, encode_frame
from hardware.interface import Capabilities
from hardware.messages import (
    NONCE_BYTES,
    REPLY,
    TOKEN_BYTES,
    BlockRequest,
    ErrorCode,
    ErrorReply,
    FeedReply,
    Hello,
    Kind,
    Status,
    unpack_block,
)
from hardware.stream import ByteStream

#: Sequences of a run begin here; checks that try others say so.
_FIRST_SEQUENCE = 1000
_PIECE = 4096


class FailedError(Exception):
    """The scanner broke the rule; the text says how."""


class NotRunError(Exception):
    """The check could not be made (the tray is empty); the text says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The table "Times", seconds: answers of HELLO, STATUS, LAST_TOKEN; of FEED, with its
    repeats; of ACCEPT and RETURN, with theirs; of a block; and its longest pause."""

    short_s: float = 1.0
    feed_s: float = 10.0
    settle_s: float = 5.0
    block_s: float = 8.0
    pause_s: float = 0.5

    #: A silent scanner is waited for so long.
    patience_s: float = 12.0


@dataclass(slots=True)
class Times:
    """Seconds from a request to its whole answer, by request, and a block's longest pauses."""

    answers: dict[Kind, list[float]] = field(default_factory=dict)
    pauses: list[float] = field(default_factory=list)


class Probe:
    """An open line to the scanner."""

    def __init__(
        self,
        connect: Callable[[], ByteStream],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connect` opens the port, now and at each `reopen`."""
        self._connect, self.limits, self._clock = connect, limits or Limits(), clock
        self._sequence = _FIRST_SEQUENCE
        self._stream: ByteStream | None = None
        self._reader = FrameReader()
        self.times = Times()
        #: Version of the frames sent, but HELLO's.
        self.version = 1

    def reopen(self) -> bytes:
        """Close the port, open it again and greet; the HELLO reply's payload, unread."""
        self.close()
        self._stream = self._connect()
        self._reader = FrameReader()
        self.version = 1
        return self.request(Kind.HELLO, secrets.token_bytes(NONCE_BYTES)).payload

    def close(self) -> None:
        """Release the port."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    # --- Bytes and frames ---------------------------------------------------------------------

    def next_sequence(self) -> int:
        """A sequence that was not used before in this run."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        return self._sequence

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        for at in range(0, len(data), _PIECE):
            self._open.write(data[at : at + _PIECE])

    def receive(self, wait_s: float) -> Frame | None:
        """The next frame but events; None when none came in time."""
        return self._receive(wait_s)[0]

    def request(self, kind: int, payload: bytes = b"", sequence: int | None = None) -> Frame:
        """A request and the first frame that comes, which must be its answer.

        Raises:
            FailedError: none came, or another frame.
        """
        number = self.next_sequence() if sequence is None else sequence
        version = 1 if kind == Kind.HELLO else self.version
        self.send(DELIMITER + encode_frame(Frame(kind, number, payload, version)))
        return self.answer_to(kind, number)

    def answer_to(self, kind: int, sequence: int, extra_s: float = 0.0) -> Frame:
        """The next frame, which must answer this request; its time is kept."""
        start = self._clock()
        reply, pause = self._receive(self.limits.patience_s + extra_s)
        if reply is None:
            raise FailedError(f"{_name(kind)} was not answered in {self.limits.patience_s:g} s")
        if reply.sequence != sequence or reply.type not in (kind | REPLY, Kind.ERROR):
            raise FailedError(
                f"{_name(kind)} number {sequence} was answered by a frame of type "
                f"{reply.type:#04x} number {reply.sequence}"
            )
        if kind in set(Kind) and not extra_s:
            self.times.answers.setdefault(Kind(kind), []).append(self._clock() - start)
        if kind == Kind.IMAGE_BLOCK:
            self.times.pauses.append(pause)
        return reply

    # --- What checks have in common ------------------------------------------------------------

    def ask(self, kind: Kind, payload: bytes = b"") -> bytes:
        """The payload of a reply that must not be a refusal."""
        reply = self.request(kind, payload)
        if reply.type == Kind.ERROR:
            told = ErrorReply.unpack(reply.payload)
            raise FailedError(f"{kind.name} was refused: {told.code.name.lower()}, {told.text}")
        return reply.payload

    def refused(
        self, kind: int, payload: bytes, code: ErrorCode, what: str = "", text: str | None = None
    ) -> None:
        """A request that must be refused with this code, and this text where one is given."""
        reply = self.request(kind, payload)
        name = what or _name(kind)
        if reply.type != Kind.ERROR:
            raise FailedError(f"{name} was not refused")
        told = ErrorReply.unpack(reply.payload)
        if told.code is not code:
            raise FailedError(f"{name} was refused with error {told.code}, not {code}")
        if text is not None and told.text != text:
            raise FailedError(f"{name} was refused with the word {told.text!r}, not {text!r}")

    def silent(self, data: bytes, what: str) -> None:
        """Bytes that must get no answer: the next request's answer is the first to come."""
        number = self.next_sequence()
        request = DELIMITER + encode_frame(Frame(Kind.STATUS, number))
        self.send(DELIMITER + data + request)
        extra_s = len(data) * 10 / self._open.baudrate
        try:
            self.answer_to(Kind.STATUS, number, extra_s or 0.001)
        except FailedError as error:
            raise FailedError(f"after {what}: {error}") from error

    def status(self) -> Status:
        """STATUS, understood."""
        return Status.unpack(self.ask(Kind.STATUS), self.version)

    def capabilities(self) -> Capabilities:
        """What the scanner says that it has; nothing where it does not speak version 2. The
        line must be open, and speaks that version from then on."""
        hello = Hello.unpack(self.ask(Kind.HELLO, secrets.token_bytes(NONCE_BYTES)))
        if BATCH_VERSION not in hello.versions:
            return Capabilities()
        self.version = BATCH_VERSION
        return unpack_capabilities(self.ask(Kind.CAPABILITIES))

    def hold(self) -> FeedReply:
        """Have a sheet held, the same or the next."""
        reply = FeedReply.unpack(self.ask(Kind.FEED))
        if not reply.sides:
            raise NotRunError("the tray was empty")
        return reply

    def block(self, side: int, offset: int, length: int) -> bytes:
        """One block, as asked for."""
        request = BlockRequest(side, offset, length)
        return unpack_block(self.ask(Kind.IMAGE_BLOCK, request.pack()), request)

    def let_go(self) -> None:
        """Have no sheet held, whatever went before."""
        self.request(Kind.RETURN, secrets.token_bytes(TOKEN_BYTES))

    @property
    def _open(self) -> ByteStream:
        if self._stream is None:
            raise LinkError("the port is closed")
        return self._stream

    def _receive(self, wait_s: float) -> tuple[Frame | None, float]:
        """A frame, and the longest time without a byte before it was whole."""
        last = start = self._clock()
        pause = 0.0
        while (left := start + wait_s - self._clock()) > 0:
            data = self._open.read(left)
            if not data:
                continue
            now = self._clock()
            pause, last = max(pause, now - last), now
            frames = [f for f in self._reader.feed(data) if f.type != Kind.EVENT]
            if len(frames) > 1:
                raise FailedError(f"{len(frames)} frames came at once where one was asked for")
            if frames:
                return frames[0], pause
        return None, pause


def _name(kind: int) -> str:
    return Kind(kind).name if kind in set(Kind) else f"type {kind:#04x}"
