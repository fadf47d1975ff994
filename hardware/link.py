"""Requests and replies over frames: repeated until answered, acted on once.

Rules, in full in docs/protocol.md:

1. One request is open at a time. A repeat has the same sequence, so that the peer knows it
   and answers again without acting again.
2. A reply counts only with its request's type and sequence; anything else (late replies,
   noise, damaged frames) is dropped.
3. A request that stays unanswered after its repeats ends in `LinkError`, in bounded time
   whatever the peer sends.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hardware.batch_messages import BATCH_VERSION, BatchWord
from hardware.errors import BatchRefusedError, FeederError, LinkError, ProtocolError
from hardware.framing import DELIMITER, PROTOCOL_VERSION, Frame, FrameReader, encode_frame
from hardware.messages import (
    MAX_BLOCK,
    NONCE_BYTES,
    REPLY,
    ErrorCode,
    ErrorReply,
    Event,
    Hello,
    Kind,
)
from hardware.stream import DEFAULT_BAUD, ByteStream

#: Versions of the link that this program speaks; HELLO is always in frames of version 1.
VERSIONS = (PROTOCOL_VERSION, BATCH_VERSION)

#: Unasked events kept until they are taken; the oldest go first.
MAX_EVENTS = 64

#: On the line a byte has a start and a stop bit.
BITS_A_BYTE = 10
#: Bytes of the longest reply that is no image block, and of its request, rounded up.
_LONGEST_SHORT = 320
#: A block is as long as the line carries in this time, s (all of MAX_BLOCK at 115,200 baud).
_BLOCK_LINE_S = 5.4


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """How long one attempt waits, in seconds, and how many attempts there are.

    A FEED moves paper and scans it, so its answer may take several attempts: a repeat does
    no harm. One image block takes 5.4 s at 115,200 baud, but its bytes come without a
    pause: after `idle_s` of silence it is asked for again. `block_bytes` are asked for at once.
    """

    reply_s: float = 1.0
    feed_s: float = 2.0
    block_s: float = 8.0
    idle_s: float = 0.5
    attempts: int = 5
    block_bytes: int = MAX_BLOCK

    @classmethod
    def at(cls, baudrate: int) -> LinkTiming:
        """For a line of this speed: shorter blocks and longer waits where it is slower."""
        slow_s = max(0.0, _LONGEST_SHORT * BITS_A_BYTE * (1 / baudrate - 1 / DEFAULT_BAUD))
        block = int(baudrate / BITS_A_BYTE * _BLOCK_LINE_S)
        usual = cls()
        return cls(
            reply_s=usual.reply_s + slow_s,
            feed_s=usual.feed_s + slow_s,
            block_s=usual.block_s + slow_s,
            block_bytes=min(MAX_BLOCK, max(_LONGEST_SHORT, block)),
        )

    def wait_s(self, kind: Kind) -> float:
        """Seconds to wait for one answer."""
        if kind in (Kind.FEED, Kind.NEXT):
            return self.feed_s
        return self.block_s if kind is Kind.IMAGE_BLOCK else self.reply_s

    def silence_s(self, kind: Kind) -> float:
        """Seconds without a byte after which an answer is given up."""
        return self.idle_s if kind is Kind.IMAGE_BLOCK else self.wait_s(kind)


class Link:
    """One side of the link, the one that asks. Not safe for several threads."""

    def __init__(
        self,
        stream: ByteStream,
        *,
        timing: LinkTiming | None = None,
        sequence: int = 0,
        speaks: tuple[int, ...] = VERSIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over an open stream; `sequence` 0–65535 is that of the first request."""
        self._speaks = speaks
        #: Version of the frames: that of the greeting, then the one chosen.
        self.version = PROTOCOL_VERSION
        self._stream = stream
        self._timing = timing or LinkTiming()
        self._sequence = sequence & 0xFFFF
        self._clock = clock
        self._reader = FrameReader()
        #: What the peer told unasked, oldest first; taken by the caller.
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)

    @property
    def damaged(self) -> int:
        """Frames dropped so far because they were no frames."""
        return self._reader.damaged

    def hello(self, nonce: bytes) -> Hello:
        """Greet the peer; `nonce` (8 random bytes) tells its answer from an old one.

        From then on frames have the highest version that both speak.

        Raises:
            ProtocolError: no version in common, or the peer is no scanner.
            LinkError: no answer.
        """
        if len(nonce) != NONCE_BYTES:
            raise ProtocolError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
        reply = Hello.unpack(self.request(Kind.HELLO, nonce))
        if reply.nonce != nonce:
            raise ProtocolError("the scanner answered another greeting than ours")
        common = set(reply.versions) & set(self._speaks)
        if not common:
            raise ProtocolError(
                f"the scanner speaks version {_listed(reply.versions)} of the link; this program "
                f"speaks version {_listed(self._speaks)}. Update the older of the two"
            )
        self.version = max(common)
        return reply

    def request(self, kind: Kind, payload: bytes = b"") -> bytes:
        """Send a request until its reply comes; returns the reply's payload.

        Raises:
            FeederError: the scanner reports a fault of paper or motor.
            ProtocolError: it refuses the request.
            LinkError: no answer, or the port is gone.
        """
        version = PROTOCOL_VERSION if kind is Kind.HELLO else self.version
        sequence = self._sequence
        self._sequence = (sequence + 1) & 0xFFFF
        # The first zero ends whatever noise lies in the peer's reader.
        data = DELIMITER + encode_frame(Frame(kind, sequence, payload, version))
        for _ in range(self._timing.attempts):
            self._stream.write(data)
            reply = self._await(kind, sequence, version)
            if reply is not None:
                return reply
        seen = f"; {self.damaged} damaged frames were dropped" if self.damaged else ""
        raise LinkError(
            f"the scanner did not answer {kind.name} in {self._timing.attempts} attempts{seen}. "
            "Check the cable, the port and that the scanner is on"
        )

    def _await(self, kind: Kind, sequence: int, version: int) -> bytes | None:
        deadline = self._clock() + self._timing.wait_s(kind)
        silence = self._timing.silence_s(kind)
        while (left := deadline - self._clock()) > 0:
            data = self._stream.read(min(left, silence))
            if not data:
                return None
            for frame in self._reader.feed(data):
                if frame.version != version:
                    raise ProtocolError(
                        f"the peer sends frames of version {frame.version}; version {version} "
                        "was agreed. Update the older of the two"
                    )
                if frame.type == Kind.EVENT:
                    self.events.append(Event.unpack(frame.payload))
                elif frame.sequence != sequence:
                    continue
                elif frame.type == kind | REPLY:
                    return frame.payload
                elif frame.type == Kind.ERROR:
                    raise _refusal(kind, ErrorReply.unpack(frame.payload))
        return None


def _listed(versions: tuple[int, ...]) -> str:
    return ", ".join(str(version) for version in versions)


_BATCH_WORDS: dict[str, str] = {
    BatchWord.NO_BATCH: "no batch is open; begin one",
    BatchWord.OPEN: "another batch is open, or this one with another tray or format; end it first",
    BatchWord.USED: "a batch of this id was ended before and its numbers are on sheets; give "
    "another id",
    BatchWord.TRAY: "it has no such tray",
    BatchWord.HELD: "a sheet is held; settle it first",
    BatchWord.REPEATS: "the next number is on a sheet of another batch already; end this batch and "
    "begin one with another id or format",
    BatchWord.IMPRINT: "its imprinter cannot print that: too long, or there is no imprinter",
}


def _refusal(kind: Kind, reply: ErrorReply) -> FeederError | ProtocolError:
    if reply.code is ErrorCode.FAULT:
        return FeederError(f"the scanner reports {reply.text}: clear it")
    if reply.code is ErrorCode.BATCH:
        said = _BATCH_WORDS.get(reply.text, reply.text)
        return BatchRefusedError(reply.text, f"the scanner refuses {kind.name}: {said}")
    if reply.code is ErrorCode.NO_SHEET:
        return FeederError(f"the scanner holds no sheet for {kind.name}")
    return ProtocolError(
        f"the scanner refuses {kind.name} ({reply.code.name.lower()}): {reply.text}"
    )
