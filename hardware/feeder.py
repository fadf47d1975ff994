"""The driver of a sheet-fed scanner on the serial link (docs/protocol.md)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from hardware.batch_messages import BATCH_VERSION, unpack_capabilities
from hardware.errors import HardwareError, ImprinterError, LinkError, ProtocolError
from hardware.interface import Capabilities, Feeder, FeederStatus, HeldSheet
from hardware.link import Link, LinkTiming
from hardware.messages import (
    MAX_BLOCK,
    NONCE_BYTES,
    TOKEN_BYTES,
    Act,
    BlockRequest,
    FeedReply,
    Hello,
    Kind,
    LastToken,
    SideImage,
    Status,
    unpack_block,
)
from hardware.stream import ByteStream, SerialStream

#: An image whose digest does not fit is fetched this often before it is refused.
FETCHES = 2
#: A request that cannot be sent in this time breaks the link, s: a cable was pulled.
WRITE_TIMEOUT_S = 1.5


@dataclass(slots=True)
class _Fetched:
    """What has come of the held sheet's images, so far without a gap."""

    sides: tuple[SideImage, ...]
    images: list[bytearray]


def open_feeder(port: str) -> Feeder:
    """Connect to the scanner at a port, written as in `hardware.address`.

    Raises:
        LinkError: no such port, or no scanner that speaks the link answers there.
        ImprinterError: a scanner that numbers sheets; see `SerialFeeder`.
    """
    feeder = SerialFeeder(lambda: SerialStream(port, write_timeout_s=WRITE_TIMEOUT_S))
    feeder.status()
    return feeder


class SerialFeeder:
    """`hardware.interface.Feeder` over the link.

    A broken link is closed and raised; the next call opens it again, so that a scanner
    that was unplugged or restarted is found by itself. What was fetched of the held sheet
    stays in memory until the sheet is settled: after a break the rest is fetched, not all.

    A scanner with an imprinter is refused: numbers on sheets in the order of feeding are the
    order of the voters (NVT-05). `hardware.central` is for central counts.
    """

    #: May the scanner have an imprinter?
    _imprinter_allowed = False

    def __init__(
        self,
        connect: Callable[[], ByteStream],
        *,
        timing: LinkTiming | None = None,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`connect` opens the stream, now and after every break; `timing` None: by its speed."""
        self._connect = connect
        self._timing = timing
        self._randomness = randomness
        self._stream: ByteStream | None = None
        self._link: Link | None = None
        self._hello: Hello | None = None
        self._capabilities = Capabilities()
        self._block_bytes = MAX_BLOCK
        self._fetched: _Fetched | None = None

    def status(self) -> FeederStatus:
        """See `Feeder.status`."""
        status = Status.unpack(self._ask(Kind.STATUS), self._version)
        if self._hello is None:  # pragma: no cover - `_ask` greets first
            raise ProtocolError("the scanner was not greeted")
        return FeederStatus(
            ready=status.ready,
            sheets_waiting=status.sheets_waiting,
            place=status.place,
            last_token=None if status.token is None else status.token.hex(),
            box_count=status.box_count,
            fault=status.fault,
            model=self._hello.model,
            firmware=self._hello.firmware,
        )

    def feed(self) -> HeldSheet | None:
        """See `Feeder.feed`. Every image is checked against the digest announced for it."""
        images = self._images(FeedReply.unpack(self._ask(Kind.FEED)))
        return None if images is None else HeldSheet(images)

    def _images(self, reply: FeedReply) -> tuple[bytes, ...] | None:
        if not reply.sides:
            self._fetched = None
            return None
        if self._fetched is None or self._fetched.sides != reply.sides:
            self._fetched = _Fetched(reply.sides, [bytearray() for _ in reply.sides])
        fetched = self._fetched.images
        return tuple(self._image(n, side, fetched[n]) for n, side in enumerate(reply.sides))

    def accept(self, token: str) -> None:
        """See `Feeder.accept`."""
        self._settle(Kind.ACCEPT, Act.ACCEPTED, token)

    def return_sheet(self, token: str) -> None:
        """See `Feeder.return_sheet`."""
        self._settle(Kind.RETURN, Act.RETURNED, token)

    def close(self) -> None:
        """Release the port, forget the sheet's images; a later call opens the port again."""
        self._fetched = None
        self._hang_up()

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = self._link = self._hello = None

    def _settle(self, kind: Kind, act: Act, token: str) -> None:
        try:
            raw = bytes.fromhex(token)
        except ValueError:
            raw = b""
        if len(raw) != TOKEN_BYTES:
            raise ProtocolError(f"a token is {2 * TOKEN_BYTES} hex digits, not {token[:40]!r}")
        reply = LastToken.unpack(self._ask(kind, raw), self._version)
        if reply != LastToken(act, raw):
            self._hang_up()
            raise ProtocolError(f"the scanner confirmed another {kind.name} than was asked for")
        self._fetched = None

    def _image(self, side: int, announced: SideImage, image: bytearray) -> bytes:
        for _ in range(FETCHES):
            while len(image) < announced.length:
                size = min(self._block_bytes, announced.length - len(image))
                block = BlockRequest(side, len(image), size)
                image += unpack_block(self._ask(Kind.IMAGE_BLOCK, block.pack()), block)
            if hashlib.sha256(image).digest() == announced.sha256:
                return bytes(image)
            image.clear()
        self._hang_up()
        raise ProtocolError(
            f"the image of side {side + 1} does not fit the digest that the scanner announced; "
            "the sheet is still held: try again"
        )

    def _ask(self, kind: Kind, payload: bytes = b"") -> bytes:
        link = self._open()
        try:
            return link.request(kind, payload)
        except LinkError:
            self._hang_up()
            raise

    @property
    def _version(self) -> int:
        return 1 if self._link is None else self._link.version

    def _check_imprinter(self, model: str) -> None:
        if self._capabilities.imprinter and not self._imprinter_allowed:
            raise ImprinterError(
                f"the scanner {model!r} has an imprinter: numbers on the sheets would tell the "
                "order of the voters. Connect a precinct scanner without one; a central scanner "
                "is for `ballotbench read --port`"
            )

    def _open(self) -> Link:
        try:
            return self._opened()
        except HardwareError:
            self._hang_up()
            raise

    def _opened(self) -> Link:
        if self._link is None:
            self._stream = self._connect()
            first = int.from_bytes(self._randomness(2), "big")
            timing = self._timing or LinkTiming.at(self._stream.baudrate)
            link = Link(self._stream, timing=timing, sequence=first)
            self._hello = link.hello(self._randomness(NONCE_BYTES))
            if link.version >= BATCH_VERSION:
                self._capabilities = unpack_capabilities(link.request(Kind.CAPABILITIES))
                self._check_imprinter(self._hello.model)
            else:
                self._capabilities = Capabilities()
            self._link, self._block_bytes = link, timing.block_bytes
        return self._link
