"""Messages of version 2 of the scanner link: batches, numbers on sheets, a second pocket.

Version 2 is version 1 with these; see docs/protocol.md and `hardware.messages`, whose rules
hold here too. A scanner that has none of it may speak version 1 for ever.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum

from hardware.errors import ProtocolError
from hardware.imprint import ImprintError, check_batch_id, check_format
from hardware.interface import BatchStage, BatchState, Capabilities
from hardware.messages import (
    FeedReply,
    pack_text,
    require_empty,
    require_length,
    take_text,
)

#: The version that has them.
BATCH_VERSION = 2

_BATCHES, _IMPRINTER, _OUTSTACK = 1, 2, 4
_CAPABILITIES = struct.Struct(">BBB")
_STATE = struct.Struct(">BBBIIIIII")
_POSITION = struct.Struct(">I")
_STAGES = (BatchStage.NONE, BatchStage.OPEN, BatchStage.ENDED)


class BatchWord(StrEnum):
    """The text of an ERROR of code 8."""

    #: No batch is open.
    NO_BATCH = "no_batch"
    #: Another batch is open, or the same one with another tray or format.
    OPEN = "open"
    #: The id is that of an ended batch: its numbers are on sheets already.
    USED = "used"
    #: There is no such tray.
    TRAY = "tray"
    #: A sheet is held.
    HELD = "held"
    #: The next number's words are on a sheet of another batch already.
    REPEATS = "repeats"
    #: The imprinter cannot print so many characters, or there is none.
    IMPRINT = "imprint"


def pack_capabilities(has: Capabilities) -> bytes:
    """Reply to CAPABILITIES: features u8 | trays u8 | most characters u8."""
    features = has.batches * _BATCHES | has.imprinter * _IMPRINTER | has.outstack * _OUTSTACK
    return _CAPABILITIES.pack(features, has.trays, has.imprint_characters)


def unpack_capabilities(payload: bytes) -> Capabilities:
    """See `pack_capabilities`. Bits that are not known say nothing."""
    require_length(payload, _CAPABILITIES.size, "CAPABILITIES reply")
    features, trays, characters = _CAPABILITIES.unpack(payload)
    has = Capabilities(
        batches=bool(features & _BATCHES),
        imprinter=bool(features & _IMPRINTER),
        outstack=bool(features & _OUTSTACK),
        trays=trays,
        imprint_characters=characters,
    )
    if has.batches != bool(trays) or has.imprinter != bool(characters):
        raise ProtocolError(
            f"a CAPABILITIES reply has {trays} trays and {characters} characters with the "
            f"features {features:#x}"
        )
    if not has.batches and (has.imprinter or has.outstack):
        raise ProtocolError("a CAPABILITIES reply has an imprinter or a pocket, and no batches")
    return has


@dataclass(frozen=True, slots=True)
class BeginBatch:
    """BEGIN_BATCH: `tray` from 1; id and format as `hardware.imprint` has them."""

    tray: int
    batch_id: str
    imprint_format: str

    def pack(self) -> bytes:
        """tray u8 | batch id u8+text | format u8+text."""
        return bytes([self.tray]) + pack_text(self.batch_id) + pack_text(self.imprint_format)

    @classmethod
    def unpack(cls, payload: bytes) -> BeginBatch:
        """See `pack`."""
        batch_id, rest = take_text(payload[1:], "BEGIN_BATCH")
        imprint_format, rest = take_text(rest, "BEGIN_BATCH")
        require_empty(rest, "BEGIN_BATCH")
        try:
            return cls(payload[0], check_batch_id(batch_id), check_format(imprint_format))
        except ImprintError as error:
            raise ProtocolError(str(error)) from error


def pack_batch_id(batch_id: str) -> bytes:
    """END_BATCH: batch id u8+text."""
    return pack_text(batch_id)


def unpack_batch_id(payload: bytes) -> str:
    """See `pack_batch_id`."""
    batch_id, rest = take_text(payload, "END_BATCH")
    require_empty(rest, "END_BATCH")
    try:
        return check_batch_id(batch_id)
    except ImprintError as error:
        raise ProtocolError(str(error)) from error


def pack_batch_state(state: BatchState) -> bytes:
    """Reply to BEGIN_BATCH, END_BATCH and BATCH: stage u8 | tray u8 | held u8 | waiting u32 |
    numbers u32 | accepted u32 | outstacked u32 | returned u32 | void u32 | batch id u8+text |
    format u8+text."""
    head = _STATE.pack(
        _STAGES.index(state.stage),
        state.tray,
        state.held,
        state.waiting,
        state.numbers,
        state.accepted,
        state.outstacked,
        state.returned,
        state.void,
    )
    return head + pack_text(state.batch_id) + pack_text(state.imprint_format)


def unpack_batch_state(payload: bytes) -> BatchState:
    """See `pack_batch_state`; its numbers must add up."""
    if len(payload) < _STATE.size:
        raise ProtocolError(f"a BATCH reply has {len(payload)} bytes, too few")
    stage, tray, held, waiting, numbers, *went = _STATE.unpack_from(payload)
    accepted, outstacked, returned, void = went
    batch_id, rest = take_text(payload[_STATE.size :], "BATCH")
    imprint_format, rest = take_text(rest, "BATCH")
    require_empty(rest, "BATCH")
    if stage >= len(_STAGES) or held > 1:
        raise ProtocolError(f"a BATCH reply has stage {stage} or held {held} unknown")
    if numbers != sum(went) + held:
        raise ProtocolError(
            f"a BATCH reply tells {numbers} numbers, and {sum(went) + held} of them by place"
        )
    if _STAGES[stage] is BatchStage.NONE and (tray or numbers or batch_id or imprint_format):
        raise ProtocolError("a BATCH reply tells of a batch that was never begun")
    return BatchState(
        stage=_STAGES[stage],
        tray=tray,
        held=bool(held),
        waiting=waiting,
        numbers=numbers,
        accepted=accepted,
        outstacked=outstacked,
        returned=returned,
        void=void,
        batch_id=batch_id,
        imprint_format=imprint_format,
    )


@dataclass(frozen=True, slots=True)
class NextReply:
    """Reply to NEXT: the held sheet's number (0: the tray is empty), its imprint, its sides."""

    position: int
    imprint: str
    feed: FeedReply

    def pack(self) -> bytes:
        """position u32 | imprint u8+text | as the reply to FEED."""
        return _POSITION.pack(self.position) + pack_text(self.imprint) + self.feed.pack()

    @classmethod
    def unpack(cls, payload: bytes) -> NextReply:
        """See `pack`."""
        if len(payload) < _POSITION.size:
            raise ProtocolError(f"a NEXT reply has {len(payload)} bytes, too few")
        (position,) = _POSITION.unpack_from(payload)
        imprint, rest = take_text(payload[_POSITION.size :], "NEXT")
        feed = FeedReply.unpack(rest)
        if bool(position) != bool(feed.sides) or (imprint and not position):
            raise ProtocolError("a NEXT reply has a number without a sheet, or a sheet without one")
        if not all(" " <= c <= "~" for c in imprint):
            raise ProtocolError("a NEXT reply's imprint is not printable ASCII")
        return cls(position, imprint, feed)
