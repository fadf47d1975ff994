"""What a receipt printer says of itself: paper, cover, errors, and that it is done.

Two questions of ESC/POS are enough, both answered by one byte (Epson's ESC/POS reference,
"DLE EOT" and "GS r"; other makers' printers have them, too):

* `DLE EOT n` is answered at once, whatever the printer is doing, also offline and without
  paper: 1 printer, 2 cause of being offline, 3 error, 4 paper. Bits 1 and 4 of its answers
  are set, bits 0 and 7 are not.
* `GS r 1` stands in the row of what is printed: it is answered when everything before it is
  on paper, and not at all while the printer is offline. Bits 4 and 7 of its answer are not
  set. That answer is what is believed, nothing else.

A picture may hold the bytes of `DLE EOT n` by chance; a printer then answers a question that
nobody asked. Those answers come before the one waited for, look otherwise than that of
`GS r`, and are dropped; of the answers to `DLE EOT` the last four count.

A switch inside some printers makes them tell every change by themselves, in four bytes whose
last three look like the answer of `GS r` ("automatic status back"). It is switched off before
a job (`GS a 0`), and what comes of it before that is known by its first byte and dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hardware.errors import HardwareError
from hardware.stream import ByteStream

#: The four questions, and the one in the row.
QUESTIONS = b"".join(b"\x10\x04" + bytes([n]) for n in (1, 2, 3, 4))
BARRIER = b"\x1dr\x01"
#: Tell nothing by yourself; and how much is told at once by one that does.
SILENCE = b"\x1da\x00"
#: Begin anew, as after switching on.
RESET = b"\x1b@"
_TOLD_BYTES = 4
#: An answer comes within this, s; then no more for `_QUIET_S`.
ANSWER_S = 1.0
_QUIET_S = 0.1
#: While waiting for what is being printed, the cause of a delay is asked for this often, s.
_ASK_S = 0.4
#: The slowest print head feeds so much, mm/s, and a printer may think for so long, s.
_SLOWEST_MM_S = 20.0
_SLACK_S = 4.0
#: Answers that are looked at: more are a line gone mad.
_MOST_BYTES = 4096
#: A picture's dots take at least so many bytes for each mm of paper (58 mm, 8 lines a mm).
_LEAST_BYTES_MM = 8 * 48
_CHUNK = 4096


class Trouble(StrEnum):
    """Why a printer does not print."""

    PAPER_OUT = "paper_out"
    COVER_OPEN = "cover_open"
    ERROR = "error"
    OFFLINE = "offline"
    NO_ANSWER = "no_answer"


_WORDS = {
    Trouble.PAPER_OUT: "is out of paper. Put in a roll",
    Trouble.COVER_OPEN: "has its cover open. Close it",
    Trouble.ERROR: "reports an error (cutter, head or voltage). Put it right by its manual",
    Trouble.OFFLINE: "is offline. Look at its lights and its feed button",
    Trouble.NO_ANSWER: "does not answer. Check cable and power; a printer that is connected one "
    "way only is given with ?status=off, and nothing then knows what it printed",
}


class PrinterError(HardwareError):
    """The tape could not be printed; print it again when the printer is right.

    `trouble` says why, where the printer said so itself.
    """

    def __init__(self, words: str, trouble: Trouble | None = None) -> None:
        self.trouble = trouble
        super().__init__(words)


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """A printer's four answers. `paper_near_end`: some metres are left."""

    offline: bool
    cover_open: bool
    paper_end: bool
    paper_near_end: bool
    error: bool

    @property
    def trouble(self) -> Trouble | None:
        """What keeps it from printing."""
        if self.cover_open:
            return Trouble.COVER_OPEN
        if self.paper_end:
            return Trouble.PAPER_OUT
        if self.error:
            return Trouble.ERROR
        return Trouble.OFFLINE if self.offline else None


def parse(data: bytes) -> PrinterStatus:
    """The answers to DLE EOT 1, 2, 3, 4, in this order.

    Raises:
        PrinterError: they are none; names the byte (from 0).
    """
    if len(data) != 4:
        raise PrinterError(f"{len(data)} bytes are no answer of a printer to four questions")
    for place, byte in enumerate(data):
        if not _is_real_time(byte):
            raise PrinterError(f"byte {place}: 0x{byte:02X} is no answer to DLE EOT {place + 1}")
    printer, cause, error, paper = data
    return PrinterStatus(
        offline=bool(printer & 0x08),
        cover_open=bool(cause & 0x04),
        paper_end=bool(cause & 0x20) or bool(paper & 0x60),
        paper_near_end=bool(paper & 0x0C),
        error=bool(cause & 0x40) or bool(error & 0x6C),
    )


class StatusLine:
    """A printer's line, both ways: pictures go out in parts, and each is answered for.

    The parts of one tape are a job: `begin`, `send` for each, `end`. What raises in between
    has printed something or nothing; the next `begin` waits until the line is in order again.
    """

    def __init__(
        self, stream: ByteStream, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`stream` is the open port, `name` what it is called in errors."""
        self._stream, self._name, self._clock = stream, name, clock
        self._in_job = False
        self._told_left = 0
        #: Bytes of a part of which the printer may have a piece and wait for the rest.
        self._owed = 0

    def status(self) -> PrinterStatus:
        """Ask all four questions.

        Raises:
            PrinterError: no answer.
            LinkError: the port is gone.
        """
        while self._read(0):
            pass
        return self._ask()

    def begin(self) -> None:
        """Before a job: the printer is ready, and nothing of an older job is in its buffer.

        Raises:
            PrinterError, LinkError: it is not.
        """
        if self._in_job:
            return
        trouble = self.status().trouble
        if trouble is not None:
            raise self._failed(trouble)
        if self._owed:
            # A picture that broke off takes whatever comes as its dots: white ones end it, and
            # where none is open they are no commands.
            self._stream.write(bytes(self._owed) + RESET)
            self._confirm(self._owed, self._owed / _LEAST_BYTES_MM)
            self._owed = 0
        self._stream.write(SILENCE)
        # What an older job left is printed first, and its answers come before this one's.
        self._confirm(0, 0.0)
        while self._read(3 * _QUIET_S):
            pass
        self._in_job = True

    def send(self, data: bytes, feed_mm: float) -> None:
        """Print a part and wait until it is on paper.

        Args:
            data: whole commands.
            feed_mm: paper that they take.

        Raises:
            PrinterError, LinkError: it is not known to be on paper; the job is over.
        """
        try:
            for place in range(0, len(data), _CHUNK):
                self._stream.write(data[place : place + _CHUNK])
            self._confirm(len(data), feed_mm)
        except HardwareError:
            self._in_job = False
            self._owed = max(self._owed, len(data))
            raise

    def end(self) -> None:
        """The job is done: all of it was confirmed."""
        self._in_job = False

    def _confirm(self, sent: int, feed_mm: float) -> None:
        """Wait for the answer in the row; where it is late, ask why."""
        self._stream.write(BARRIER)
        on_the_line_s = 10 * sent / self._stream.baudrate
        start_s = self._clock()
        end_s = start_s + on_the_line_s + feed_mm / _SLOWEST_MM_S + _SLACK_S
        # Asked for only when all is sent: answers to chance bytes have come by then.
        ask_s = start_s + on_the_line_s + _ASK_S
        seen = 0
        while (now_s := self._clock()) < end_s:
            data = self._read(max(0.01, min(ask_s, end_s) - now_s))
            if any(_is_barrier(byte) for byte in data):
                return
            seen += len(data)
            if seen > _MOST_BYTES:
                break
            if self._clock() >= ask_s:
                done, status = self._ask_again()
                if done:
                    return
                if status.trouble is not None:
                    raise self._failed(status.trouble)
                ask_s = self._clock() + _ASK_S
        raise self._failed(Trouble.NO_ANSWER)

    def _ask(self) -> PrinterStatus:
        return self._ask_again()[1]

    def _ask_again(self) -> tuple[bool, PrinterStatus]:
        """The status, and whether the answer in the row came meanwhile."""
        self._stream.write(QUESTIONS)
        answers = bytearray()
        done = False
        end_s = self._clock() + ANSWER_S
        while len(answers) < _MOST_BYTES:
            left_s = end_s - self._clock()
            wait_s = _QUIET_S if len(answers) >= 4 else left_s
            data = self._read(max(0.0, wait_s)) if left_s > 0 else b""
            if not data:
                break
            done = done or any(_is_barrier(byte) for byte in data)
            answers += bytes(byte for byte in data if _is_real_time(byte))
        if len(answers) < 4:
            raise self._failed(Trouble.NO_ANSWER)
        return done, parse(bytes(answers[-4:]))

    def _read(self, timeout_s: float) -> bytes:
        """Bytes without what the printer tells by itself; b"" where nothing came."""
        end_s = self._clock() + timeout_s
        while True:
            data = self._stream.read(max(0.0, end_s - self._clock()))
            answers = bytearray()
            for byte in data:
                if self._told_left and byte & 0x90 == 0:
                    self._told_left -= 1
                elif _is_told(byte):
                    self._told_left = _TOLD_BYTES - 1
                else:
                    self._told_left = 0
                    answers.append(byte)
            if answers or not data:
                return bytes(answers)

    def _failed(self, trouble: Trouble) -> PrinterError:
        return PrinterError(f"the printer at {self._name} {_WORDS[trouble]}", trouble)


def _is_real_time(byte: int) -> bool:
    return byte & 0x93 == 0x12


def _is_told(byte: int) -> bool:
    return byte & 0x93 == 0x10


def _is_barrier(byte: int) -> bool:
    return byte & 0x90 == 0
