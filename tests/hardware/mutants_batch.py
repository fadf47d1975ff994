"""Simulated central scanners with one deliberate fault each, as `mutants` has for version 1."""

from __future__ import annotations

from dataclasses import replace

from hardware.batch_messages import (
    BatchWord,
    NextReply,
    pack_batch_state,
    unpack_batch_state,
)
from hardware.framing import Frame
from hardware.interface import BatchStage, BatchState
from hardware.messages import REPLY, ErrorCode, ErrorReply, FeedReply, Kind, Status
from hardware.simulated.central import CentralLogic
from hardware.simulated.paper import Paper
from hardware.simulated.trays import Trays
from tests.hardware.mutants import Faulty, refusal


class Central(Faulty):
    """A right central scanner."""

    def __init__(self, paper: Paper) -> None:
        super().__init__(paper)
        assert isinstance(paper, Trays)
        self.trays = paper
        self.logic = CentralLogic(paper)

    def state(self, request: Frame) -> Frame:
        return self.answer(request, pack_batch_state(self.trays.state()))

    def answer(self, request: Frame, payload: bytes) -> Frame:
        return Frame(request.type | REPLY, request.sequence, payload, request.version)


def word(reply: Frame | None) -> str | None:
    if refusal(reply) is not ErrorCode.BATCH or reply is None:
        return None
    return ErrorReply.unpack(reply.payload).text


class BatchInVersion1(Central):
    def reply(self, request: Frame) -> Frame | None:
        if request.version == 1 and request.type == Kind.BATCH:
            return self.state(request)
        return super().reply(request)


class IdUsedAgain(Central):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        return self.state(request) if word(reply) == BatchWord.USED else reply


class BatchForgotten(Central):
    forgotten = False

    def reply(self, request: Frame) -> Frame | None:
        if request.type in (Kind.HELLO, Kind.BEGIN_BATCH):
            self.forgotten = request.type == Kind.HELLO
        if self.forgotten and request.version == 2 and request.type == Kind.BATCH:
            none = BatchState(BatchStage.NONE, 0, False, 0, 0, 0, 0, 0, 0, "", "")
            return self.answer(request, pack_batch_state(none))
        return super().reply(request)


class NextNumbersAgain(Central):
    last: NextReply | None = None

    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.type == Kind.NEXT | REPLY:
            told = NextReply.unpack(reply.payload)
            if told == self.last:
                return replace(reply, payload=replace(told, position=told.position + 1).pack())
            self.last = told
        return reply


class NumberOfReturnedAgain(Central):
    returned = 0

    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.type == Kind.RETURN | REPLY:
            self.returned = 1
        if reply and reply.type == Kind.NEXT | REPLY:
            told, back = NextReply.unpack(reply.payload), self.returned
            self.returned = 0
            if told.position > back:
                return replace(reply, payload=replace(told, position=told.position - back).pack())
        return reply


class ImprintWithoutZeros(Central):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.type == Kind.NEXT | REPLY:
            told = NextReply.unpack(reply.payload)
            return replace(
                reply, payload=replace(told, imprint=told.imprint.replace("-0000", "-")).pack()
            )
        return reply


class AnyFormat(Central):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        batch = request.version == 2 and request.type == Kind.BEGIN_BATCH
        return self.state(request) if batch and refusal(reply) is ErrorCode.BAD_PAYLOAD else reply


class OutstackIntoBox(Central):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.version == 2 and reply.type == Kind.STATUS | REPLY:
            status = Status.unpack(reply.payload, 2)
            box = status.box_count + len(self.trays.outstacked())
            return replace(reply, payload=replace(status, box_count=box).pack())
        return reply


class EndsWhileHeld(Central):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        return self.state(request) if word(reply) == BatchWord.HELD else reply


class ReturnedCountedIn(Central):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if reply and reply.type in {k | REPLY for k in (Kind.BATCH, Kind.END_BATCH)}:
            state = unpack_batch_state(reply.payload)
            state = replace(state, accepted=state.accepted + state.returned, returned=0)
            return replace(reply, payload=pack_batch_state(state))
        return reply


class FeedsInBatch(Central):
    def reply(self, request: Frame) -> Frame | None:
        reply = super().reply(request)
        if refusal(reply) is ErrorCode.FAULT and request.type == Kind.FEED:
            return self.answer(request, FeedReply(()).pack())
        return reply


BATCH_MUTANTS: dict[str, type[Central]] = {
    "B1.capabilities": BatchInVersion1,
    "B2.begin": IdUsedAgain,
    "B2.kept": BatchForgotten,
    "B3.next": NextNumbersAgain,
    "B4.numbers": NumberOfReturnedAgain,
    "B5.imprint": ImprintWithoutZeros,
    "B5.format": AnyFormat,
    "B6.outstack": OutstackIntoBox,
    "B7.end": EndsWhileHeld,
    "B8.counters": ReturnedCountedIn,
    "B9.feed": FeedsInBatch,
}
