"""Barcode readers in serial mode (no keyboard): what they send, made into scans.

A reader sends a code's text and an ending: CR, LF, CR LF, or STX before and ETX behind. Many
put an AIM symbology identifier in front (ISO/IEC 15424: `]`, a letter for the kind of code,
a digit or letter for how it was read: `]C0` Code 128, `]Q1` QR), which is told apart from
the text. Nothing is guessed:

1. A scan counts when its ending has come. A line that breaks off (cable, battery) is
   dropped after `HALF_S` and told as half a line; it never joins the next one.
2. A byte that is no printable ASCII, an ETX without its STX, a line over `MAX_SCAN` bytes:
   the whole line is refused, with the place of the byte (from 0).
3. The same code again within `same_s` of the last time it was seen is one scan: a trigger
   that is held, or a reader that sends twice.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hardware.errors import LinkError
from hardware.stream import ByteStream, SerialStream

#: Speed of readers as they leave the factory, baud.
BARCODE_BAUD = 9600
#: The longest code in use is a QR code of 4,296 characters (ISO/IEC 18004, 40-L).
MAX_SCAN = 4400
#: A line that does not go on for so long is a half one, s; at 300 baud a byte takes 0.03 s.
HALF_S = 0.5
#: The same code within so long is the same scan, s.
SAME_S = 1.5
_STX, _ETX, _CR, _LF = 0x02, 0x03, 0x0D, 0x0A
_AIM = re.compile(rb"\][A-Za-z][0-9A-Za-z]")


class BarcodeError(LinkError):
    """A line of the reader that is no scan; scan again."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A code's text, and its AIM identifier (`]C0`) where the reader sends one."""

    text: str
    symbology: str | None = None


@dataclass(frozen=True, slots=True)
class BadScan:
    """A refused line: why, and the byte of the line (from 0)."""

    why: str
    byte: int

    def __str__(self) -> str:
        """One line."""
        return f"byte {self.byte}: {self.why}"


class ScanReader:
    """Bytes as they come to scans and refusals, in bounded memory."""

    def __init__(self, *, same_s: float = SAME_S, half_s: float = HALF_S) -> None:
        self._same_s, self._half_s = same_s, half_s
        self._line = bytearray()
        self._bad: BadScan | None = None
        self._framed = False
        self._length = 0
        self._heard_s = 0.0
        self._last: tuple[Scan, float] | None = None

    def feed(self, data: bytes, now_s: float) -> Iterator[Scan | BadScan]:
        """Take bytes that came at `now_s` (seconds of any clock that only goes forward)."""
        yield from self.tick(now_s)
        self._heard_s = now_s if data else self._heard_s
        for byte in data:
            if byte == _STX:
                yield from self._break_off()
                self._framed = True
            elif byte == _ETX:
                if not self._framed:
                    self._refuse("an ETX without its STX")
                yield from self._end(now_s)
            elif byte in (_CR, _LF) and not self._framed:
                yield from self._end(now_s)
            elif 0x20 <= byte <= 0x7E:
                if len(self._line) >= MAX_SCAN:
                    self._refuse(f"over {MAX_SCAN} bytes are no scan")
                elif self._bad is None:
                    self._line.append(byte)
                self._length += 1
            else:
                self._refuse(f"0x{byte:02X} is no printable character")
                self._length += 1

    def tick(self, now_s: float) -> Iterator[BadScan]:
        """Time passed: half a line that does not go on is dropped."""
        if now_s - self._heard_s > self._half_s:
            yield from self._break_off()

    def end(self) -> Iterator[BadScan]:
        """The line is gone."""
        yield from self._break_off()

    def _refuse(self, why: str) -> None:
        if self._bad is None:
            self._bad = BadScan(why, self._length)
            self._line.clear()

    def _break_off(self) -> Iterator[BadScan]:
        if self._length or self._framed:
            yield self._bad or BadScan("half a line: its ending did not come", self._length)
        self._clear()

    def _end(self, now_s: float) -> Iterator[Scan | BadScan]:
        bad, line = self._bad, bytes(self._line)
        self._clear()
        if bad is not None:
            yield bad
            return
        aim = _AIM.match(line)
        text = line[3:] if aim else line
        if not text:
            return  # the LF of CR LF, or an empty code
        scan = Scan(text.decode("ascii"), aim[0].decode("ascii") if aim else None)
        last, self._last = self._last, (scan, now_s)
        if last is None or last[0] != scan or now_s - last[1] > self._same_s:
            yield scan

    def _clear(self) -> None:
        self._line.clear()
        self._bad, self._framed, self._length = None, False, 0


def parse(data: bytes) -> tuple[Scan | BadScan, ...]:
    """All that a reader's bytes hold, as if they came at once; half a line at the end is bad."""
    reader = ScanReader()
    return (*reader.feed(data, 0.0), *reader.end())


class BarcodeReader:
    """A reader at a port; see `hardware.address` for how a port is written."""

    def __init__(
        self,
        port: str,
        *,
        same_s: float = SAME_S,
        opened: Callable[[str], ByteStream] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the port; what lay in it unread is dropped.

        Raises:
            LinkError: it cannot be opened.
        """
        self.port = port
        self._clock = clock
        self._stream = (opened or _open)(port)
        self._reader = ScanReader(same_s=same_s)
        self._waiting: list[Scan | BadScan] = []

    def scan(self, timeout_s: float) -> Scan | None:
        """The next scan; None where none came in time.

        Raises:
            BarcodeError: what came is no scan (half a line, a wrong byte); scan again.
            LinkError: the reader's port is gone.
        """
        end_s = self._clock() + timeout_s
        while not self._waiting:
            left_s = end_s - self._clock()
            if left_s <= 0:
                return None
            data = self._stream.read(min(left_s, HALF_S))
            now_s = self._clock()
            self._waiting += [*self._reader.feed(data, now_s), *self._reader.tick(now_s)]
        first = self._waiting.pop(0)
        if isinstance(first, BadScan):
            raise BarcodeError(f"the barcode reader at {self.port}: {first}. Scan again")
        return first

    def close(self) -> None:
        """Release the port."""
        self._stream.close()


def _open(port: str) -> ByteStream:
    return SerialStream(port, baudrate=BARCODE_BAUD)
