"""A recording played back as the scanner: each request answered as it was.

Sequences, nonces and tokens are random, so they are matched by their part, not their bytes:
an answer has the new request's sequence, the new nonce, and for each old token the new one.
The first request that is another than the recorded one is named, and refused.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hardware.errors import ProtocolError
from hardware.framing import Frame, decode_frame, encode_frame
from hardware.messages import (
    NONCE_BYTES,
    REPLY,
    BlockRequest,
    ErrorCode,
    ErrorReply,
    Kind,
)
from hardware.recording import Seen, name_of

_WITH_TOKEN = {
    Kind.STATUS | REPLY, Kind.ACCEPT | REPLY, Kind.RETURN | REPLY, Kind.LAST_TOKEN | REPLY,
    Kind.OUTSTACK | REPLY,
}  # fmt: skip


@dataclass(slots=True)
class _Exchange:
    request: Frame
    repeat: bool
    answers: list[bytes] = field(default_factory=list)


class Replay:
    """The scanner's side of a recording. `over` is set at its end or first difference."""

    def __init__(self, recording: Iterable[Seen]) -> None:
        """Take the recording apart; damaged requests are left out, as a scanner does."""
        self._exchanges: list[_Exchange] = []
        for seen in recording:
            if seen.sender == "scanner":
                if self._exchanges:
                    self._exchanges[-1].answers.append(seen.wire)
            elif (frame := seen.frame) is not None:
                last = self._exchanges[-1].request if self._exchanges else None
                self._exchanges.append(_Exchange(frame, frame == last))
        self._at = 0
        self._last: Frame | None = None
        self._said = b""
        self._tokens: dict[bytes, bytes] = {}
        self.difference: str | None = None
        self.over = threading.Event()
        if not self._exchanges:
            self.over.set()

    @property
    def played(self) -> int:
        """Requests that were answered as recorded, repeats included."""
        return self._at

    @property
    def length(self) -> int:
        """Requests in the recording."""
        return len(self._exchanges)

    def answer(self, request: Frame) -> bytes:
        """The bytes to send for a request; may be none, or damaged, as recorded."""
        if request == self._last:
            if self._at < len(self._exchanges) and self._exchanges[self._at].repeat:
                self._said = self._play(self._exchanges[self._at], request)
            return self._said
        self._last = request
        while self._at < len(self._exchanges) and self._exchanges[self._at].repeat:
            self._at += 1  # the answer came through this time
        if self.difference is None:
            self.difference = self._difference(request)
        if self.difference is not None:
            reply = ErrorReply(ErrorCode.INTERNAL, self.difference)
            refusal = Frame(Kind.ERROR, request.sequence, reply.pack(), request.version)
            self._said = encode_frame(refusal)
            self.over.set()
        else:
            self._said = self._play(self._exchanges[self._at], request)
        return self._said

    def _play(self, exchange: _Exchange, request: Frame) -> bytes:
        self._at += 1
        left = self._exchanges[self._at :]
        if all(later.repeat for later in left):
            self.over.set()
        return b"".join(self._anew(wire, exchange.request, request) for wire in exchange.answers)

    def _anew(self, wire: bytes, old: Frame, new: Frame) -> bytes:
        try:
            frame = decode_frame(wire[:-1])
        except ProtocolError:
            return wire
        payload = frame.payload
        if frame.type == Kind.HELLO | REPLY and payload[:NONCE_BYTES] == old.payload:
            payload = new.payload + payload[NONCE_BYTES:]
        if frame.type in _WITH_TOKEN:
            for was, now in self._tokens.items():
                payload = payload.replace(was, now)
        sequence = (frame.sequence - old.sequence + new.sequence) & 0xFFFF
        return encode_frame(replace(frame, sequence=sequence, payload=payload))

    def _difference(self, request: Frame) -> str | None:
        number = f"request {self._at + 1}"
        if self._at == len(self._exchanges):
            return f"{number} is {_said(request)}; the recording ended before it"
        was = self._exchanges[self._at].request
        if (was.type, was.version, len(was.payload)) == (
            request.type,
            request.version,
            len(request.payload),
        ) and (was.type == Kind.HELLO or self._same(was, request)):
            return None
        return f"{number} is {_said(request)}; recorded was {_said(was)}"

    def _same(self, was: Frame, now: Frame) -> bool:
        if was.type not in (Kind.ACCEPT, Kind.RETURN, Kind.OUTSTACK):
            return was.payload == now.payload
        # A token that was new then must be new now, one told again the same again.
        if was.payload not in self._tokens:
            if now.payload in self._tokens.values():
                return False
            self._tokens[was.payload] = now.payload
        return self._tokens[was.payload] == now.payload


def _said(frame: Frame) -> str:
    """A request in words, for a difference."""
    try:
        if frame.type == Kind.IMAGE_BLOCK:
            block = BlockRequest.unpack(frame.payload)
            return f"IMAGE_BLOCK of side {block.side}, {block.length} bytes from {block.offset}"
    except ProtocolError:
        pass
    what = frame.payload[:20].hex()
    return f"{name_of(frame)} {what}".strip()
