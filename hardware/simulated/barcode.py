"""A simulated barcode reader in serial mode: a code is held before it by the control port.

Commands: `scan` (a text, once or several times), `half` (its line breaks off), `hurt` (a byte
of it is not printable), `info`. The line carries what the reader sends, and nothing is
understood that comes to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from hardware.barcode import MAX_SCAN
from hardware.simulated.control import Command, ControlError

Ending = Literal["cr", "lf", "crlf", "stx-etx"]
ENDINGS: tuple[Ending, ...] = get_args(Ending)
_FRAMES: Mapping[str, tuple[bytes, bytes]] = {
    "cr": (b"", b"\r"),
    "lf": (b"", b"\n"),
    "crlf": (b"", b"\r\n"),
    "stx-etx": (b"\x02", b"\x03"),
}
_MAX_TIMES = 100


@dataclass(frozen=True, slots=True)
class BarcodeSettings:
    """How the reader is set up: its ending, and an AIM identifier (`]C0`) or none."""

    ending: Ending = "cr"
    aim: str = ""


class SimulatedBarcodeReader:
    """See the module. `hardware.simulated.peer.PeerLogic`."""

    def __init__(self, settings: BarcodeSettings | None = None) -> None:
        self._settings = settings or BarcodeSettings()
        self._queue = b""
        self._sent = 0

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Nothing is understood."""
        return b""

    def tick(self, now_s: float) -> bytes:
        """What was scanned goes out."""
        sent, self._queue = self._queue, b""
        return sent

    def commands(self) -> Mapping[str, Command]:
        """See the module."""
        return {"scan": self.scan, "half": self.half, "hurt": self.hurt, "info": self.info}

    def scan(self, text: str, times: int = 1) -> Mapping[str, Any]:
        """Hold a code before the reader; `times`: a trigger that is held sends it again."""
        if isinstance(times, bool) or not 1 <= times <= _MAX_TIMES:
            raise ControlError(f"times is {times!r}: give 1 to {_MAX_TIMES}")
        return self._send(self._line(text) * times)

    def half(self, text: str) -> Mapping[str, Any]:
        """Send the first half of a code's line; the rest never comes."""
        line = self._line(text)
        return self._send(line[: max(1, len(line) // 2)])

    def hurt(self, text: str) -> Mapping[str, Any]:
        """Send a code with one byte that no code has."""
        line = bytearray(self._line(text))
        line[len(_FRAMES[self._settings.ending][0])] = 0x80
        return self._send(bytes(line))

    def info(self) -> Mapping[str, Any]:
        """How many lines it sent."""
        return {"sent": self._sent}

    def _line(self, text: str) -> bytes:
        if not isinstance(text, str) or not text or len(text) > MAX_SCAN or not text.isascii():
            raise ControlError(f"text must be 1 to {MAX_SCAN} ASCII characters")
        before, behind = _FRAMES[self._settings.ending]
        return before + (self._settings.aim + text).encode("ascii") + behind

    def _send(self, data: bytes) -> Mapping[str, Any]:
        self._queue += data
        self._sent += 1
        return self.info()
