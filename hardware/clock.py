"""A time receiver on a serial port (satellite, radio, or a battery clock): NMEA 0183.

Source: NMEA 0183 / IEC 61162-1, sentences ZDA and RMC, 4800 baud, 8N1, once a second:

    $GPZDA,hhmmss.ss,dd,mm,yyyy,zz,zz*CC<CR><LF>
    $GPRMC,hhmmss.ss,A,…(position, course; not looked at)…,ddmmyy,…*CC<CR><LF>

Universal time; `A` in RMC: valid (`V`: not). CC is the exclusive or of the bytes between `$`
and `*`. A receiver that has no time yet leaves fields empty. Other sentences are passed over.

`SerialClock` believes a time when two sentences agree on it, and goes on by the machine's own
steady counter between them and while the receiver is silent. A time that is suddenly another
is not followed but reported, for as long as the clock is open: people set it right, and what
is written meanwhile keeps its order.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from hardware.errors import LinkError, ProtocolError
from hardware.stream import SerialStream

#: Speed of NMEA 0183, baud.
CLOCK_BAUD = 4800
#: The standard's longest sentence has 82 bytes.
MAX_SENTENCE = 82
#: Two sentences agree within this, s: the same second, sent late.
AGREE_S = 2.0
#: A time that differs by more than this from what was to be expected is another clock, s.
JUMP_S = 60.0
#: The first time must come within this, s; after so long a silence the clock is not known.
FIRST_S = 5.0
MAX_SILENT_S = 600.0
_RETRY_S = 1.0
_READ_S = 0.5

#: Years that a receiver can mean: satellite time began in 1980.
_YEARS = range(1980, 2200)
_FRAME = re.compile(rb"\$([ -)+-~]{5,})\*([0-9A-F]{2})\r?\n")
_TIME = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})(?:\.([0-9]{1,6}))?")


def checksum(body: bytes) -> int:
    """The exclusive or of a sentence's bytes between `$` and `*`."""
    value = 0
    for byte in body:
        value ^= byte
    return value


def parse(sentence: bytes) -> datetime | None:
    """The time of a sentence, from `$` to LF; None: another sentence, or it has no time yet.

    Raises:
        ProtocolError: it is hurt; says how.
    """
    found = _FRAME.fullmatch(sentence)
    if found is None or len(sentence) > MAX_SENTENCE:
        raise ProtocolError("the receiver's sentence is not in order")
    if checksum(found[1]) != int(found[2], 16):
        raise ProtocolError("the receiver's sentence does not fit its check sum")
    name, *fields = found[1].decode("ascii").split(",")
    if name[2:] == "ZDA" and len(fields) >= 4:
        clock, day, month, year = fields[:4]
    elif name[2:] == "RMC" and len(fields) >= 9:
        clock, date = fields[0], fields[8]
        # Satellite time began in 1980: a receiver that counts from there is not of 2080.
        century = "19" if date[4:] >= "80" else "20"
        day, month, year = date[:2], date[2:4], date[4:] and century + date[4:]
        if fields[1] != "A":
            return None
    else:
        return None
    if "" in (clock, day, month, year):
        return None
    parts = _TIME.fullmatch(clock)
    plain = all(text.isdecimal() for text in (day, month, year))
    if parts is None or not plain or int(year) not in _YEARS:
        raise ProtocolError("the receiver's time is none")
    hour, minute, second = (int(parts[n]) for n in (1, 2, 3))
    leap = second == 60
    micro = int((parts[4] or "0").ljust(6, "0"))
    try:
        moment = datetime(
            int(year), int(month), int(day), hour, minute, 59 if leap else second, micro, tzinfo=UTC
        )
        return moment + timedelta(seconds=1) if leap else moment
    except (ValueError, OverflowError) as error:
        raise ProtocolError(f"the receiver's time is none: {error}") from error


class SentenceReader:
    """Bytes as they come to sentences, in bounded memory."""

    def __init__(self) -> None:
        self._line = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes; gives whole sentences from `$` to LF."""
        for byte in data:
            if byte == ord("$"):
                self._line.clear()
            self._line.append(byte)
            if byte == ord("\n"):
                if self._line[:1] == b"$":
                    yield bytes(self._line)
                self._line.clear()
            elif len(self._line) > MAX_SENTENCE:
                self._line.clear()


class Timekeeper:
    """What time it is, of a receiver's times as they come; no port, no thread.

    `steady` seconds are of a clock that only goes forward.
    """

    def __init__(self) -> None:
        self._base: tuple[datetime, float] | None = None
        self._other: tuple[datetime, float] | None = None
        self._heard_s = 0.0
        #: By how much the receiver's time jumped, the first time.
        self.jump: timedelta | None = None

    def take(self, moment: datetime, steady_s: float) -> None:
        """A receiver's time, that came at `steady_s`."""
        base, other = self._base, self._other
        if base is not None and abs(_ahead_s(moment, steady_s, base)) <= JUMP_S:
            self._base, self._other = (moment, steady_s), None
            self._heard_s = steady_s
            return
        self._other = moment, steady_s
        if other is None or abs(_ahead_s(moment, steady_s, other)) > AGREE_S:
            return
        if base is None:
            self._base, self._other = (moment, steady_s), None
        elif self.jump is None:
            self.jump = timedelta(seconds=round(_ahead_s(moment, steady_s, base)))
        self._heard_s = steady_s

    def now(self, steady_s: float) -> datetime | None:
        """The time; None: not known yet."""
        if self._base is None:
            return None
        return self._base[0] + timedelta(seconds=steady_s - self._base[1])

    def wrong(self, steady_s: float) -> str:
        """Why the time is not to be relied on, in words; empty: it is."""
        if self.jump is not None:
            return f"the receiver's time jumped by {self.jump.total_seconds():+.0f} s"
        silent_s = steady_s - self._heard_s
        return f"the receiver is silent for {silent_s:.0f} s" if silent_s > MAX_SILENT_S else ""


def _ahead_s(moment: datetime, steady_s: float, base: tuple[datetime, float]) -> float:
    """By how much a time is ahead of what was to be expected, s."""
    return (moment - base[0]).total_seconds() - (steady_s - base[1])


class SerialClock:
    """A receiver at a port, listened to in a thread of its own; `now` answers at once.

    A cable that is pulled is opened again by itself.
    """

    def __init__(self, port: str, *, steady: Callable[[], float] = time.monotonic) -> None:
        """Open the port and wait for the time.

        Raises:
            LinkError: it cannot be opened, or no time came within `FIRST_S`.
        """
        self._port, self._steady = port, steady
        self._stream: SerialStream | None = SerialStream(port, baudrate=CLOCK_BAUD)
        self._sentences = SentenceReader()
        self._keeper = Timekeeper()
        self._lock = threading.Lock()
        self._over = threading.Event()
        end_s = steady() + FIRST_S
        try:
            while self._keeper.now(steady()) is None:
                if steady() > end_s:
                    raise LinkError(
                        f"the receiver at {port} gave no time within {FIRST_S:.0f} s: give it time "
                        "to find one, and check its cable and speed (?baud=9600)"
                    )
                self._listen(self._stream)
        except LinkError:
            self._stream.close()
            raise
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now(self) -> datetime:
        """Universal time, to half a second."""
        with self._lock:
            moment = self._keeper.now(self._steady())
        if moment is None:  # the first one was waited for
            raise LinkError(f"the receiver at {self._port} has given no time")
        return moment

    @property
    def wrong(self) -> str:
        """Why the time is not to be relied on, in words; empty: it is. Never waits."""
        with self._lock:
            return self._keeper.wrong(self._steady())

    def close(self) -> None:
        """Stop listening and release the port."""
        self._over.set()
        self._thread.join(3 * _READ_S)
        if self._stream is not None:
            self._stream.close()

    def _listen(self, stream: SerialStream) -> None:
        for sentence in self._sentences.feed(stream.read(_READ_S)):
            try:
                moment = parse(sentence)
            except ProtocolError:
                continue  # the next one comes in a second
            if moment is not None:
                with self._lock:
                    self._keeper.take(moment, self._steady())

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                if self._stream is None:
                    self._stream = SerialStream(self._port, baudrate=CLOCK_BAUD)
                self._listen(self._stream)
            except LinkError:
                if self._stream is not None:
                    self._stream.close()
                    self._stream = None
                self._over.wait(_RETRY_S)
