"""An uninterruptible supply on a serial port, asked by Megatec's Q1.

Source: Megatec protocol ("UPS RS-232", 2400 baud, 8N1), as in the manuals of many makers
(e.g. Best Power 510, appendix A) and the driver nutdrv_qx of Network UPS Tools:

    Q1<CR>  →  (MMM.M NNN.N PPP.P QQQ RR.R S.SS TT.T b7b6b5b4b3b2b1b0<CR>

input, input at the last fault, output (V), load (%), frequency (Hz), battery (V, of a cell or
whole), temperature (°C), and eight bits. Nothing but Q1 is ever sent: no command that could
switch the supply off. A supply that does not know a command sends it back.

`UpsWatch` asks once a second beside the device and answers at once when it is asked.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from hardware.errors import LinkError, ProtocolError
from hardware.stream import ByteStream, SerialStream

#: Speed of every Megatec supply, baud.
UPS_BAUD = 2400
QUERY = b"Q1\r"
#: An answer is 47 bytes, a fifth of a second at this speed.
MAX_REPLY = 64
REPLY_S = 1.0
#: The supply is asked this often, s.
POLL_S = 1.0
#: After so long on battery, or so long without an answer while on it, power counts as low
#: even where the supply does not say so, s: a small one lasts five to ten minutes.
MAX_ON_BATTERY_S = 300.0
MAX_SILENT_S = 10.0

#: The answer field by field: name, and what it may look like.
_FIELDS = (
    ("start", rb"\("),
    ("input voltage", rb"(\d{3}\.\d)"),
    ("fault voltage", rb"(\d{3}\.\d)"),
    ("output voltage", rb"(\d{3}\.\d)"),
    ("load", rb"(\d{3})"),
    ("frequency", rb"(\d{2}\.\d)"),
    ("battery voltage", rb"(\d\.\d{2}|\d{2}\.\d|\d{3}\.\d)"),
    # A supply without a sensor sends dashes.
    ("temperature", rb"(\d{2}\.\d|--\.-)"),
    ("status bits", rb"([01]{8})"),
    ("end", rb"\r"),
)
_PATTERNS = tuple((name, re.compile(pattern)) for name, pattern in _FIELDS)


@dataclass(frozen=True, slots=True)
class UpsReading:
    """What a supply says: volts, per cent, hertz, °C (None without a sensor), and its bits."""

    input_v: float
    fault_v: float
    output_v: float
    load_percent: int
    frequency_hz: float
    battery_v: float
    temperature_c: float | None
    utility_failed: bool
    battery_low: bool
    bypass_or_boost: bool
    failed: bool
    standby_type: bool
    testing: bool
    shutting_down: bool
    beeper: bool


def parse(data: bytes) -> UpsReading:
    """One answer to Q1, from its "(" to its CR.

    Raises:
        ProtocolError: it is none; names the field and the byte (from 0).
    """
    if data == QUERY:
        raise ProtocolError("byte 0: the supply sends Q1 back: it does not speak Megatec's Q1")
    values: list[bytes] = []
    place = 0
    for number, (name, pattern) in enumerate(_PATTERNS):
        if 1 < number < len(_PATTERNS) - 1:
            if data[place : place + 1] != b" ":
                raise ProtocolError(f"byte {place}: no space before the {name}")
            place += 1
        found = pattern.match(data, place)
        if found is None:
            raise ProtocolError(f"byte {place}: the {name} of the supply's answer is not in order")
        values += found.groups()
        place = found.end()
    if place != len(data):
        raise ProtocolError(f"byte {place}: more after the end of the supply's answer")
    volts = [float(value) for value in values[:3]]
    bits = [bit == ord("1") for bit in values[7]]
    return UpsReading(
        volts[0],
        volts[1],
        volts[2],
        int(values[3]),
        float(values[4]),
        float(values[5]),
        None if values[6] == b"--.-" else float(values[6]),
        *bits,
    )


class Ups:
    """A supply at a port; see `hardware.address` for how a port is written."""

    def __init__(self, port: str, opened: Callable[[str], ByteStream] | None = None) -> None:
        """Open the port.

        Raises:
            LinkError: it cannot be opened.
        """
        self.port = port
        self._stream = (opened or _open)(port)

    def read(self) -> UpsReading:
        """Ask once, and once more where the answer is hurt or does not come.

        Raises:
            LinkError: no answer in time, or none in order.
        """
        try:
            return self._ask()
        except ProtocolError:
            return self._ask()

    def close(self) -> None:
        """Release the port."""
        self._stream.close()

    def _ask(self) -> UpsReading:
        while self._stream.read(0):
            pass
        self._stream.write(QUERY)
        answer = b""
        end_s = time.monotonic() + REPLY_S
        while b"\r" not in answer:
            left_s = end_s - time.monotonic()
            data = self._stream.read(left_s) if left_s > 0 else b""
            if not data:
                raise ProtocolError(f"the supply at {self.port} does not answer Q1")
            answer += data
            if len(answer) > MAX_REPLY:
                raise ProtocolError(f"byte {MAX_REPLY}: the supply's answer does not end")
        return parse(answer[: answer.index(b"\r") + 1])


@dataclass(frozen=True, slots=True)
class Supply:
    """`on_mains` None: it cannot be told; `low`: not enough to go on; `why` in words."""

    on_mains: bool | None
    low: bool
    why: str


class UpsWatch:
    """Asks a supply once a second in a thread of its own; `supply` answers at once.

    A cable that is pulled is opened again by itself. While nobody answers, the last answer
    decides: on mains the device goes on, as one without a watched supply; on battery power
    counts as low after `MAX_SILENT_S`.
    """

    def __init__(
        self,
        port: str,
        *,
        poll_s: float = POLL_S,
        max_on_battery_s: float = MAX_ON_BATTERY_S,
        max_silent_s: float = MAX_SILENT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask for the first time, and begin to watch.

        Raises:
            LinkError: the port cannot be opened or nobody answers.
        """
        self._port, self._poll_s = port, poll_s
        self._max_on_battery_s, self._max_silent_s = max_on_battery_s, max_silent_s
        self._clock = clock
        self._ups: Ups | None = Ups(port)
        self._lock = threading.Lock()
        self._battery_since_s: float | None = None
        self._error = ""
        self._over = threading.Event()
        try:
            self._note(self._ups.read())
        except LinkError:
            self._ups.close()
            raise
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def supply(self) -> Supply:
        """What is known now; never waits."""
        with self._lock:
            now_s, last, since_s = self._clock(), self._last, self._battery_since_s
            silent_s = now_s - self._heard_s
            error = self._error
        silent = silent_s > self._max_silent_s
        if not last.utility_failed or since_s is None:
            why = f"the supply does not answer: {error}" if silent else "on mains"
            return Supply(None if silent else True, False, why)
        if last.battery_low:
            return Supply(False, True, "the supply's battery is low")
        if silent:
            return Supply(None, True, f"the supply was on battery and does not answer: {error}")
        on_s = now_s - since_s
        if on_s >= self._max_on_battery_s:
            return Supply(False, True, f"on battery for {on_s:.0f} s")
        return Supply(False, False, f"on battery for {on_s:.0f} s")

    def close(self) -> None:
        """Stop watching and release the port."""
        self._over.set()
        self._thread.join(3 * REPLY_S)
        if self._ups is not None:
            self._ups.close()

    def _watch(self) -> None:
        while not self._over.wait(self._poll_s):
            try:
                if self._ups is None:
                    self._ups = Ups(self._port)
                reading = self._ups.read()
            except LinkError as error:
                with self._lock:
                    self._error = str(error)
                if self._ups is not None and not isinstance(error, ProtocolError):
                    self._ups.close()
                    self._ups = None
            else:
                self._note(reading)

    def _note(self, reading: UpsReading) -> None:
        with self._lock:
            self._last = reading
            self._heard_s = self._clock()
            if not reading.utility_failed:
                self._battery_since_s = None
            elif self._battery_since_s is None:
                self._battery_since_s = self._heard_s


def _open(port: str) -> ByteStream:
    return SerialStream(port, baudrate=UPS_BAUD)
