"""Simulated scanners with one deliberate fault each, named by the check that must find it."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from dataclasses import replace

from cobs import cobs

from hardware.errors import ProtocolError
from hardware.framing import MAX_ENCODED, Frame, decode_frame, encode_frame
from hardware.interface import PaperPlace
from hardware.messages import (
    REPLY,
    Act,
    BlockRequest,
    ErrorCode,
    ErrorReply,
    FeedReply,
    Hello,
    Kind,
    LastToken,
    SideImage,
    Status,
)
from hardware.simulated.paper import Paper
from hardware.simulated.scanner import ScannerLogic

#: Answers as (seconds before it, bytes).
Said = list[tuple[float, bytes]]


class Faulty:
    """A right scanner; each fault changes one method."""

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        self.logic = ScannerLogic(paper)
        self.held = b""
        self.fresh = True  # nothing but HELLO since the connection
        self.requests: list[Frame] = []

    # What comes in.

    def bytes_in(self, data: bytes) -> Said:
        *ended, rest = data.split(b"\0")
        said: Said = []
        for part in ended:
            whole, self.held = self.held + part, b""
            if whole:
                said += self.piece(whole)
        self.held += rest
        return said

    def piece(self, encoded: bytes) -> Said:
        if len(encoded) > MAX_ENCODED:
            return []
        try:
            return self.frame(decode_frame(encoded))
        except ProtocolError:
            return []

    # What goes out.

    def frame(self, request: Frame) -> Said:
        reply = self.reply(request)
        self.requests.append(request)
        return [] if reply is None else self.said(request, reply)

    def reply(self, request: Frame) -> Frame | None:
        return self.logic.answer(request)

    def said(self, request: Frame, reply: Frame) -> Said:
        return [(0.0, encode_frame(reply))]

    def error(self, request: Frame, code: ErrorCode) -> Frame:
        return Frame(Kind.ERROR, request.sequence, ErrorReply(code, "fault").pack())


def refusal(reply: Frame | None) -> ErrorCode | None:
    if reply is None or reply.type != Kind.ERROR:
        return None
    return ErrorReply.unpack(reply.payload).code


class Direct:
    """The line between probe and scanner, with a clock of its own."""

    baudrate = 115_200

    def __init__(self, scanner: Faulty) -> None:
        self.scanner, self.now = scanner, 0.0
        self.waiting: deque[tuple[float, bytes]] = deque()

    def write(self, data: bytes) -> None:
        self.waiting += self.scanner.bytes_in(data)

    def read(self, timeout_s: float) -> bytes:
        if not self.waiting:
            self.now += timeout_s
            return b""
        pause, data = self.waiting.popleft()
        self.now += pause + 0.001
        return data

    def close(self) -> None:
        self.waiting.clear()
        self.scanner.held = b""


class CrcIgnored(Faulty):
    def piece(self, encoded: bytes) -> Said:
        try:
            data = cobs.decode(encoded)
        except cobs.DecodeError:
            return []
        if not 8 <= len(data) <= MAX_ENCODED - 300:
            return []
        body = data[:-4] + struct.pack(">I", zlib.crc32(data[:-4]))
        return super().piece(cobs.encode(body))


class CobsLoose(Faulty):
    def piece(self, encoded: bytes) -> Said:
        out, at = bytearray(), 0
        while at < len(encoded):
            out += encoded[at + 1 : at + encoded[at]]
            at += encoded[at]
            if at < len(encoded):
                out.append(0)
        return super().piece(cobs.encode(bytes(out)) if len(encoded) < 60_000 else encoded)


class ShortAnswered(Faulty):
    def piece(self, encoded: bytes) -> Said:
        said = super().piece(encoded)
        return said or ([(0.0, encode_frame(Frame(Kind.ERROR, 7)))] if len(encoded) == 8 else [])


class LongAnswered(Faulty):
    def piece(self, encoded: bytes) -> Said:
        if len(encoded) > MAX_ENCODED:
            sequence = int.from_bytes(cobs.decode(encoded)[2:4], "big")
            return [(0.0, encode_frame(self.error(Frame(2, sequence), ErrorCode.BAD_PAYLOAD)))]
        return super().piece(encoded)


class LostAfterNoise(Faulty):
    lost = False

    def piece(self, encoded: bytes) -> Said:
        if self.lost:
            self.lost = False
            return []
        said = super().piece(encoded)
        self.lost = not said and 200 < len(encoded) < 1000
        return said


class HalfKept(Faulty):
    half = b""

    def piece(self, encoded: bytes) -> Said:
        encoded, self.half = self.half + encoded, b""
        if len(encoded) <= 5:
            self.half = encoded
        return super().piece(encoded)


class LostAfterZeros(Faulty):
    def bytes_in(self, data: bytes) -> Said:
        return [] if b"\0" * 32 in data else super().bytes_in(data)


class ReadsWhole(Faulty):
    def bytes_in(self, data: bytes) -> Said:
        return [] if len(data) == 1 else super().bytes_in(data)


class VersionsFalling(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        known = Kind.HELLO | REPLY
        if reply and reply.type == known and request.payload != bytes(8):
            hello = Hello.unpack(reply.payload)
            return replace(reply, payload=replace(hello, versions=(2, 1)).pack())
        return reply


class AnyVersion(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        return super().reply(replace(request, version=1))


class GreetedOnce(Faulty):
    last: tuple[int, Frame] | None = None

    def reply(self, request: Frame) -> Frame | None:
        if request.type != Kind.HELLO:
            return super().reply(request)
        if self.last is not None and self.last[0] == request.sequence:
            return self.last[1]
        reply = super().reply(request)
        if reply is not None:
            self.last = (request.sequence, reply)
        return reply


class SequenceOf15Bits(Faulty):
    def said(self, request: Frame, reply: Frame) -> Said:
        return super().said(request, replace(reply, sequence=reply.sequence & 0x7FFF))


class Repeats(Faulty):
    """A repeat of one kind is a new request; and it is refused."""

    kind = Kind.FEED

    def reply(self, request: Frame) -> Frame | None:
        if request.type == self.kind and self.requests[-1:] == [request]:
            return self.error(request, ErrorCode.NO_SHEET)
        return super().reply(request)


class RepeatsAccept(Repeats):
    kind = Kind.ACCEPT


class RepeatsReturn(Repeats):
    kind = Kind.RETURN


class UnknownIsBadPayload(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        if request.type == 0x7D:
            return self.error(request, ErrorCode.BAD_PAYLOAD)
        return super().reply(request)


class AnswersReplies(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        return super().reply(replace(request, type=request.type & ~REPLY))


class PayloadIgnored(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        if request.type == Kind.FEED:
            request = replace(request, payload=b"")
        return super().reply(request)


class TokenCut(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        if request.type in (Kind.ACCEPT, Kind.RETURN):
            request = replace(request, payload=request.payload[:16])
        return super().reply(request)


class WrongDigest(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.type == Kind.FEED | REPLY:
            sides = FeedReply.unpack(reply.payload).sides
            wrong = FeedReply(tuple(SideImage(side.length, bytes(32)) for side in sides))
            return replace(reply, payload=wrong.pack())
        return reply


class NoImageForm(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        # The first block asked for is the 8 bytes in which a file says what it is.
        reply = super().reply(request)
        if reply and reply.type == Kind.IMAGE_BLOCK | REPLY and len(reply.payload) == 13:
            return replace(reply, payload=reply.payload[:5] + b"GIF89a!!")
        return reply


class InOrderOnly(Faulty):
    end = 0

    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.type == Kind.IMAGE_BLOCK | REPLY:
            block = BlockRequest.unpack(request.payload)
            wrong = block.offset not in (0, self.end)
            self.end = block.offset + block.length
            if wrong and block.length > 1:
                data = bytes(len(reply.payload) - 5)
                return replace(reply, payload=reply.payload[:5] + data)
        return reply


class BlockOnce(Faulty):
    last = b""

    def reply(self, request: Frame) -> Frame | None:
        if request.type == Kind.IMAGE_BLOCK and len(request.payload) == 9:
            if request.payload == self.last and request.payload[-2:] != b"\0\1":
                return self.error(request, ErrorCode.BAD_RANGE)
            self.last = request.payload
        else:
            self.last = b""
        return super().reply(request)


class CutShort(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if request.type == Kind.IMAGE_BLOCK and refusal(reply) is ErrorCode.BAD_RANGE:
            return Frame(Kind.IMAGE_BLOCK | REPLY, request.sequence, request.payload[:5])
        return reply


class RangeForNoSheet(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if request.type == Kind.IMAGE_BLOCK and refusal(reply) is ErrorCode.NO_SHEET:
            return self.error(request, ErrorCode.BAD_RANGE)
        return reply


class Broken(Faulty):
    """Knows whether the line was opened anew while a sheet was held."""

    anew = False

    def reply(self, request: Frame) -> Frame | None:
        if request.type == Kind.HELLO:
            self.anew = self.paper.held() is not None
        elif request.type == Kind.RETURN:
            self.anew = False
        return super().reply(request)


class FromTheStart(Broken):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if self.anew and request.type == Kind.IMAGE_BLOCK:
            if BlockRequest.unpack(request.payload).offset:
                return self.error(request, ErrorCode.BAD_RANGE)
            self.anew = False
        return reply


class FeedsNoneWhileHeld(Broken):
    def reply(self, request: Frame) -> Frame | None:
        held = self.paper.held() is not None
        repeat = self.requests[-1:] == [request]
        reply = super().reply(request)
        if reply and held and request.type == Kind.FEED and not (request.payload or self.anew):
            return reply if repeat else replace(reply, payload=b"\0")
        return reply


class PlaceUntold(Broken):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.type == Kind.STATUS | REPLY:
            status = Status.unpack(reply.payload)
            if status.place is PaperPlace.HELD and not self.anew:
                return replace(reply, payload=replace(status, place=PaperPlace.NONE).pack())
        return reply


class BoxUncounted(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.type == Kind.STATUS | REPLY:
            status = replace(Status.unpack(reply.payload), box_count=0)
            return replace(reply, payload=status.pack())
        return reply


class ReturnsCounted(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.type == Kind.STATUS | REPLY:
            status, counts = Status.unpack(reply.payload), self.paper.counts()
            more = status.box_count + len(counts.returned)
            return replace(reply, payload=replace(status, box_count=more).pack())
        return reply


class TokenActsAgain(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        last, act = self.paper.last
        new = self.requests[-1:] != [request]
        if new and request.type == Kind.ACCEPT and act is Act.ACCEPTED and request.payload == last:
            self.paper.accept(last)
        return super().reply(request)


class OtherActConfirmed(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if request.type in (Kind.ACCEPT, Kind.RETURN) and refusal(reply) is ErrorCode.TOKEN_USED:
            payload = LastToken(Act.ACCEPTED, request.payload).pack()
            return Frame(request.type | REPLY, request.sequence, payload)
        return reply


class NothingAccepted(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if request.type == Kind.ACCEPT and refusal(reply) is ErrorCode.NO_SHEET:
            payload = LastToken(Act.ACCEPTED, request.payload).pack()
            return Frame(request.type | REPLY, request.sequence, payload)
        return reply


class TokenForgotten(Faulty):
    forgotten = False

    def reply(self, request: Frame) -> Frame | None:
        if request.type == Kind.HELLO:
            self.forgotten = True
        elif request.type in (Kind.ACCEPT, Kind.RETURN):
            self.forgotten = False
        if self.forgotten and request.type == Kind.LAST_TOKEN and not request.payload:
            payload = LastToken(Act.NONE, None).pack()
            return Frame(request.type | REPLY, request.sequence, payload)
        return super().reply(request)


class HeldForgotten(Broken):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and self.anew and reply.type == Kind.STATUS | REPLY:
            status = replace(Status.unpack(reply.payload), place=PaperPlace.UNKNOWN)
            return replace(reply, payload=status.pack())
        return reply


class Slow(Faulty):
    kind, delay_s = Kind.LAST_TOKEN, 1.5

    def said(self, request: Frame, reply: Frame) -> Said:
        [(_, wire)] = super().said(request, reply)
        return [(self.delay_s if reply.type == self.kind | REPLY else 0.0, wire)]


class SlowFeed(Slow):
    kind, delay_s = Kind.FEED, 10.5


class SlowAccept(Slow):
    kind, delay_s = Kind.ACCEPT, 5.5


class PausesInBlock(Faulty):
    def said(self, request: Frame, reply: Frame) -> Said:
        wire = encode_frame(reply)
        if reply.type == Kind.IMAGE_BLOCK | REPLY:
            return [(0.0, wire[:9]), (0.7, wire[9:])]
        return [(0.0, wire)]


class EmptyIsRefused(Faulty):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.type == Kind.FEED | REPLY and reply.payload == b"\0":
            return self.error(request, ErrorCode.NO_SHEET)
        return reply


MUTANTS: dict[str, list[type[Faulty]]] = {
    "F1.crc": [CrcIgnored],
    "F2.cobs": [CobsLoose],
    "F3.short": [ShortAnswered],
    "F3.long": [LongAnswered],
    "F4.noise": [LostAfterNoise],
    "F4.half": [HalfKept],
    "F5.zeros": [LostAfterZeros],
    "F6.split": [ReadsWhole],
    "V1.greeting": [VersionsFalling],
    "V3.other": [AnyVersion],
    "V4.anew": [GreetedOnce],
    "L2.sequence": [SequenceOf15Bits],
    "L3.feed": [Repeats],
    "L3.accept": [RepeatsAccept],
    "L3.return": [RepeatsReturn],
    "L4.unknown": [UnknownIsBadPayload],
    "L5.reply": [AnswersReplies],
    "L6.length": [PayloadIgnored, TokenCut],
    "I1.digest": [WrongDigest],
    "I2.form": [NoImageForm],
    "I3.order": [InOrderOnly],
    "I4.again": [BlockOnce],
    "I5.range": [CutShort],
    "I5.none": [RangeForNoSheet],
    "I6.resume": [FromTheStart],
    "P1.again": [FeedsNoneWhileHeld],
    "P2.place": [PlaceUntold],
    "P3.accept": [BoxUncounted],
    "P4.return": [ReturnsCounted],
    "P5.token": [TokenActsAgain],
    "P6.other": [OtherActConfirmed],
    "P7.none": [NothingAccepted],
    "P8.token": [TokenForgotten],
    "P9.held": [HeldForgotten],
    "T1.short": [Slow],
    "T2.feed": [SlowFeed],
    "T3.block": [PausesInBlock],
    "T4.settle": [SlowAccept],
    "P1.empty": [EmptyIsRefused],
}
