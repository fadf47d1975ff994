"""The driver of a central scanner on the serial link (docs/protocol.md, version 2).

    scanner = open_central("/dev/ttyACM0")
    scanner.begin_batch("A7", tray=1, imprint_format="{batch}-{position:5}")
    while (sheet := scanner.next_sheet()) is not None:
        …                                     # keep sheet.images under sheet.imprint, then:
        scanner.accept(token)                 # or scanner.outstack(token)
    scanner.end_batch("A7")

For central counts alone (NVT-05): the precinct device's driver refuses such a scanner.
"""

from __future__ import annotations

from hardware.batch_messages import (
    BeginBatch,
    NextReply,
    pack_batch_id,
    unpack_batch_state,
)
from hardware.errors import ProtocolError
from hardware.feeder import WRITE_TIMEOUT_S, SerialFeeder
from hardware.imprint import check_batch_id, check_format
from hardware.interface import BatchState, Capabilities, NumberedSheet
from hardware.messages import Act, Kind
from hardware.stream import SerialStream


def open_central(port: str) -> CentralScanner:
    """Connect to the scanner at a port, written as in `hardware.address`.

    A scanner without batches is given too: its `capabilities` say so.

    Raises:
        LinkError: no such port, or no scanner that speaks the link answers there.
    """
    scanner = CentralScanner(lambda: SerialStream(port, write_timeout_s=WRITE_TIMEOUT_S))
    scanner.status()
    return scanner


class CentralScanner(SerialFeeder):
    """`hardware.interface.BatchFeeder` over the link; broken links as in `SerialFeeder`."""

    _imprinter_allowed = True

    def capabilities(self) -> Capabilities:
        """See `BatchFeeder.capabilities`."""
        self._open()
        return self._capabilities

    def begin_batch(self, batch_id: str, tray: int, imprint_format: str) -> BatchState:
        """See `BatchFeeder.begin_batch`. Raises ImprintError before anything is asked."""
        if not 1 <= tray <= 255:
            raise ProtocolError(f"a tray's number is 1 to 255, not {tray}")
        begun = BeginBatch(tray, check_batch_id(batch_id), check_format(imprint_format))
        return unpack_batch_state(self._ask_batch(Kind.BEGIN_BATCH, begun.pack()))

    def next_sheet(self) -> NumberedSheet | None:
        """See `BatchFeeder.next_sheet`."""
        reply = NextReply.unpack(self._ask_batch(Kind.NEXT))
        images = self._images(reply.feed)
        return None if images is None else NumberedSheet(reply.position, reply.imprint, images)

    def outstack(self, token: str) -> None:
        """See `BatchFeeder.outstack`."""
        self._require_batches()
        self._settle(Kind.OUTSTACK, Act.OUTSTACKED, token)

    def batch(self) -> BatchState:
        """See `BatchFeeder.batch`."""
        return unpack_batch_state(self._ask_batch(Kind.BATCH))

    def end_batch(self, batch_id: str) -> BatchState:
        """See `BatchFeeder.end_batch`."""
        payload = pack_batch_id(check_batch_id(batch_id))
        return unpack_batch_state(self._ask_batch(Kind.END_BATCH, payload))

    def _ask_batch(self, kind: Kind, payload: bytes = b"") -> bytes:
        self._require_batches()
        return self._ask(kind, payload)

    def _require_batches(self) -> None:
        if not self.capabilities().batches:
            raise ProtocolError(
                "the scanner has no batches: it is no central scanner, or its firmware is older"
            )
