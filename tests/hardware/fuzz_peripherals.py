"""The doors of the machines beside the scanner: printer, barcode reader, supply, clock, control."""

from __future__ import annotations

from hardware import barcode, clock, power, printer_status
from hardware.errors import HardwareError
from hardware.simulated import control
from tests.hardware.fuzz_doors import Door

_Q1 = b"(208.4 140.0 208.4 034 59.9 2.05 35.0 00110000\r"
_ZDA = b"$GPZDA,160012.71,11,03,2004,-1,00*7D\r\n"
_RMC = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"
_READY = b"\x12" * 4
#: Ends what a printer sends at once; two of them are a silence.
_PAUSE = b"\xfe"


def _scans(data: bytes) -> None:
    """A reader's bytes; refused where nothing of them is a scan."""
    found = barcode.parse(data)
    bad = [one for one in found if isinstance(one, barcode.BadScan)]
    assert all(0 <= one.byte <= len(data) for one in bad)
    assert sum(len(one.text) for one in found if isinstance(one, barcode.Scan)) <= len(data)
    if len(bad) == len(found):
        raise barcode.BarcodeError(str(bad[0]) if bad else "nothing was scanned")


class _Answers:
    """A printer that answers so, whatever it is asked; time passes while it is silent."""

    baudrate = 38_400

    def __init__(self, data: bytes) -> None:
        self._left = data
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def write(self, data: bytes) -> None:
        self.now_s += 0.01

    def read(self, timeout_s: float) -> bytes:
        if not timeout_s:
            return b""
        at_once, _, self._left = self._left.partition(_PAUSE)
        if not at_once:
            self.now_s += timeout_s
        return at_once

    def close(self) -> None:
        return


def _printer(data: bytes) -> None:
    """A tape of two parts; its time is bounded, however it is answered."""
    wire = _Answers(data)
    line = printer_status.StatusLine(wire, "here", wire.clock)
    try:
        line.begin()
        for _ in range(2):
            line.send(bytes(9000), 15.0)
        line.end()
    finally:
        assert wire.now_s < 120


def _times(data: bytes) -> None:
    """A receiver's bytes; the last refusal is the door's."""
    reader, keeper, refusal = clock.SentenceReader(), clock.Timekeeper(), None
    for number, sentence in enumerate(reader.feed(data)):
        assert len(sentence) <= clock.MAX_SENTENCE + 1
        try:
            moment = clock.parse(sentence)
        except HardwareError as error:
            refusal = error
            continue
        if moment is not None:
            keeper.take(moment, float(number))
    keeper.now(1e6)
    keeper.wrong(1e6)
    if refusal is not None:
        raise refusal


PERIPHERALS = (
    Door(
        "barcode reader",
        _scans,
        (b"850101300125\r\n", b"\x02]Q3IDKAZ0123456784850101300125<<<\x03", b"]C0AC-1\rAC-2\r"),
        (b"\r", b"\n", b"\x02", b"\x03", b"]", b"]C0", b"\0", b"\x80", b"9" * 5000),
        share=10,
    ),
    Door(
        "receipt printer",
        _printer,
        (
            _PAUSE.join((_READY, b"", b"\0", b"", b"\0", b"\3", b"")),
            _PAUSE.join((b"\x10\0\0\0" + _READY, b"", b"\0", b"", b"\x10\0\0\x0f\0", b"\0")),
            _PAUSE.join((b"\x16\x16\x12\x12", b"")),
            _PAUSE.join((_READY, b"", b"\0", b"", b"", b"", b"\x1a\x32\x12\x7e", b"")),
        ),
        (
            _PAUSE,
            _PAUSE * 2,
            b"\0",
            b"\x12",
            b"\x10",
            b"\x10\x08\0\x0f",
            b"\x13",
            b"\x11",
            b"\x93",
            b"\x1a",
            b"\x72",
        ),
        share=5,
    ),
    Door(
        "printer status",
        printer_status.parse,
        (_READY, b"\x1a\x36\x12\x12", b"\x12\x12\x12\x7e"),
        (b"\x12", b"\0", b"\xff"),
        share=5,
    ),
    Door(
        "supply",
        power.parse,
        (_Q1, _Q1.replace(b"35.0", b"--.-"), _Q1.replace(b"2.05", b"54.2")),
        (b"(", b"\r", b" ", b".", b"-", "٣".encode(), b"1" * 300, b"\0", b"Q1\r"),
        share=5,
    ),
    Door(
        "time receiver",
        _times,
        (_ZDA + _RMC, _ZDA * 3, b"\xff" + _RMC * 2),
        (b"$", b"*", b"\r\n", b",", b",,", "٣".encode(), b"999999", b"$GPZDA,", b"\0"),
        share=10,
    ),
    Door(
        "control port",
        control.parse,
        (b'{"do": "paper", "mm": 200}\n', b'{"do": "help"}', b'{"do": "scan", "text": "AC-1"}'),
        (b"[" * 3000, b"{", b"}", b'"do"', b"1e999", b"9" * 5000, b"NaN", b"null", b"\xff", b"\0"),
        share=5,
    ),
)
