"""What the simulated scanner answers: one frame in, one frame out, no port and no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from hardware.batch_messages import BATCH_VERSION, pack_capabilities
from hardware.errors import ProtocolError
from hardware.framing import PROTOCOL_VERSION, Frame
from hardware.interface import Capabilities, PaperPlace
from hardware.messages import (
    MAX_BLOCK,
    MAX_IMAGE,
    NONCE_BYTES,
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
    pack_block,
    unpack_nothing,
    unpack_token,
)
from hardware.simulated.paper import Paper

MODEL = "Ballotbench simulated sheet-fed scanner"
FIRMWARE = "1.0"
#: Versions of the link that it greets with, and all that it can speak.
VERSIONS = (PROTOCOL_VERSION,)
_SPOKEN = (PROTOCOL_VERSION, BATCH_VERSION)


class RefusalError(Exception):
    """The scanner says no."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        self.reply = ErrorReply(code, text)
        super().__init__(text)


class ScannerLogic:
    """The command side of the scanner, over its paper."""

    def __init__(
        self,
        paper: Paper,
        *,
        scan: Callable[[Path], bytes] | None = None,
        versions: tuple[int, ...] = VERSIONS,
        firmware: str = FIRMWARE,
    ) -> None:
        """`paper` outlives this object: making it anew is what a reboot is.

        `scan` makes a side's image of its file (`scan_file`); `versions` and `firmware` are
        what it greets with.
        """
        self._paper = paper
        self._scan = scan or scan_file
        self._versions, self._firmware = versions, firmware
        self._answered: tuple[Frame, Frame] | None = None
        self._sides: tuple[bytes, ...] = ()
        self._sides_of: tuple[Path, ...] | None = None

    def answer(self, request: Frame) -> Frame | None:
        """The reply to a request; None for a frame that is no request of this version.

        A repeat of the request answered last is answered with the same reply, and nothing
        is done again.
        """
        if request.version not in self._understood(request) or request.type & REPLY:
            return None
        if request.type != Kind.HELLO and self._answered is not None:
            last, reply = self._answered
            if last == request:
                return reply
        try:
            payload = self._act_of_2(request) if request.version > 1 else None
            if payload is None:
                payload = self._act(request)
            kind = request.type | REPLY
        except RefusalError as refusal:
            payload, kind = refusal.reply.pack(), Kind.ERROR
        except ProtocolError as error:
            payload, kind = ErrorReply(ErrorCode.BAD_PAYLOAD, str(error)).pack(), Kind.ERROR
        reply = Frame(kind, request.sequence, payload, request.version)
        self._answered = (request, reply)
        return reply

    def _understood(self, request: Frame) -> tuple[int, ...]:
        if request.type == Kind.HELLO:
            return (PROTOCOL_VERSION,)
        return tuple(version for version in _SPOKEN if version in self._versions)

    @property
    def _model(self) -> str:
        return MODEL

    def _act_of_2(self, request: Frame) -> bytes | None:
        """What version 2 has besides; None for all else."""
        if request.type != Kind.CAPABILITIES:
            return None
        unpack_nothing(request.payload)
        return pack_capabilities(Capabilities())

    def _act(self, request: Frame) -> bytes:
        match request.type:
            case Kind.HELLO:
                if len(request.payload) != NONCE_BYTES:
                    raise ProtocolError(f"a greeting holds {NONCE_BYTES} bytes")
                return Hello(request.payload, self._versions, self._model, self._firmware).pack()
            case Kind.STATUS:
                unpack_nothing(request.payload)
                return self._status(request.version).pack()
            case Kind.FEED:
                unpack_nothing(request.payload)
                return self._feed().pack()
            case Kind.IMAGE_BLOCK:
                return self._block(BlockRequest.unpack(request.payload))
            case Kind.ACCEPT:
                return self._settle(unpack_token(request.payload), Act.ACCEPTED)
            case Kind.RETURN:
                return self._settle(unpack_token(request.payload), Act.RETURNED)
            case Kind.LAST_TOKEN:
                unpack_nothing(request.payload)
                token, act = self._paper.last
                return LastToken(_told(act, request.version), token).pack()
        raise RefusalError(ErrorCode.UNKNOWN_COMMAND, f"no command {request.type:#04x}")

    def _status(self, version: int) -> Status:
        counts, (token, act) = self._paper.counts(), self._paper.last
        fault = self._paper.fault
        return Status(
            ready=fault is None,
            sheets_waiting=counts.tray > 0,
            place=_place_told(self._paper.place, version),
            token=token,
            last_act=_told(act, version),
            box_count=counts.box,
            fault=fault,
        )

    def _feed(self) -> FeedReply:
        self._check_fault()
        if self._paper.draw_in() is None:
            return FeedReply(())
        return self._sides_told()

    def _sides_told(self) -> FeedReply:
        return FeedReply(
            tuple(
                SideImage(len(side), hashlib.sha256(side).digest()) for side in self._held_sides()
            )
        )

    def _block(self, request: BlockRequest) -> bytes:
        sides = self._held_sides()
        if not sides:
            raise RefusalError(ErrorCode.NO_SHEET, "no sheet is held")
        if request.side >= len(sides) or not 0 < request.length <= MAX_BLOCK:
            raise RefusalError(ErrorCode.BAD_RANGE, "no such side, or a block too long or empty")
        data = sides[request.side][request.offset : request.offset + request.length]
        if len(data) != request.length:
            raise RefusalError(ErrorCode.BAD_RANGE, "the block ends after the image")
        return pack_block(request, data)

    def _settle(self, token: bytes, act: Act) -> bytes:
        last, done = self._paper.last
        if last == token:
            # Told again: only confirmed. Told otherwise: the paper is gone already.
            if done is not act:
                raise RefusalError(ErrorCode.TOKEN_USED, f"the token was {done.name.lower()}")
            return LastToken(act, token).pack()
        self._check_fault()
        if not self._move(act, token):
            raise RefusalError(ErrorCode.NO_SHEET, "no sheet is held")
        return LastToken(act, token).pack()

    def _move(self, act: Act, token: bytes) -> bool:
        return self._paper.accept(token) if act is Act.ACCEPTED else self._paper.return_(token)

    def _check_fault(self) -> None:
        fault = self._paper.fault
        if fault is not None:
            raise RefusalError(ErrorCode.FAULT, fault)

    def _held_sides(self) -> tuple[bytes, ...]:
        files = self._paper.held()
        if files is None:
            self._sides, self._sides_of = (), None
        elif files != self._sides_of:
            self._sides = tuple(self._scan(file) for file in files)
            self._sides_of = files
        return self._sides


def _told(act: Act, version: int) -> Act:
    """Version 1 knows no third pocket: its sheets are not in the box."""
    return Act.RETURNED if version == 1 and act is Act.OUTSTACKED else act


def _place_told(place: PaperPlace, version: int) -> PaperPlace:
    return PaperPlace.RETURNED if version == 1 and place is PaperPlace.OUTSTACKED else place


def scan_file(file: Path) -> bytes:
    """A file as a side's image. A scanner always gives something: where the file is gone,
    empty or too long it is one byte that no reader takes for an image."""
    try:
        if 0 < file.stat().st_size <= MAX_IMAGE:
            return file.read_bytes()
    except OSError:
        pass
    return b"\0"
