"""A simulated receipt printer: a roll that ends, a cover that opens, a knife that sticks.

It understands what `hardware.printer` sends (ESC @, GS v 0, LF, ESC d, ESC J, GS V), answers
`DLE EOT n` at once and `GS r 1` when all before it is printed, and stops as real ones do:
without paper or with an open cover it is offline, keeps what it has not printed, and goes on
with it when people have put it right. As on a real serial printer, bytes of a picture that
look like `DLE EOT n` are answered, too; with `tells` each change of its state is told unasked
until `GS a 0` ("automatic status back").

Each tape that is cut becomes a PNG in its folder: tape-0001.png, tape-0002.png, …; what is
torn off by hand, tape-0003-torn.png. Commands: `paper`, `run_out`, `cover`, `knife`, `tear`,
`info`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from hardware.simulated.control import Command, ControlError, seconds
from hardware.tape_format import DOTS_PER_MM, TAPE_80, TapeFormat
from hardware.tape_image import LINE_DOTS, tape_png

#: A roll of receipt paper is 80 m at most, and so much is held uncut, mm.
MAX_PAPER_MM = 80_000.0
MAX_UNCUT_MM = 20_000
#: Receive buffer, bytes; what comes when it is full is lost (the line has no RTS/CTS here).
BUFFER = 256 * 1024
#: The knife sits above the print head, dots.
_KNIFE_DOTS = 40
_DLE, _EOT, _ESC, _GS, _LF = 0x10, 0x04, 0x1B, 0x1D, 0x0A
_FIXED = 0x12


@dataclass(frozen=True, slots=True)
class PrinterSettings:
    """`paper_mm` on the roll; the sensor sees the end coming at `near_end_mm`; `mm_s` its
    speed (0: at once); `tells`: changes unasked; `tapes` the folder for pictures."""

    tapes: Path
    paper_mm: float = 30_000.0
    near_end_mm: float = 2_000.0
    mm_s: float = 150.0
    paper: TapeFormat = TAPE_80
    tells: bool = False


class SimulatedPrinter:
    """See the module. `hardware.simulated.peer.PeerLogic`."""

    def __init__(self, settings: PrinterSettings) -> None:
        self._settings = settings
        self._dots = _dots(settings.paper_mm)
        self._cover_open = self._knife_stuck = self._error = False
        self._buffer = bytearray()
        self._tail = b""
        self._to_print: list[bytes] = []
        self._cutting = False
        self._rows: list[bytes] = []
        self._head_s = 0.0
        self._now_s = 0.0
        self._roll_s: float | None = None
        self._out = b""
        self._tapes = self._lost = self._unknown = 0
        self._printed_dots = 0
        self._row_bytes = settings.paper.dots // 8
        self._tells, self._told = settings.tells, self._told_now()
        settings.tapes.mkdir(parents=True, exist_ok=True)

    # --- the line ----------------------------------------------------------------------

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Take bytes; questions in real time are answered at once."""
        answers = bytearray()
        for byte in data:
            self._tail = (self._tail + bytes([byte]))[-3:]
            if self._tail[:2] == bytes((_DLE, _EOT)) and 1 <= byte <= 4:
                answers.append(self._status(byte))
        room = BUFFER - len(self._buffer)
        self._buffer += data[:room]
        self._lost += max(0, len(data) - room)
        return bytes(answers) + self.tick(now_s)

    def tick(self, now_s: float) -> bytes:
        """Print as far as time, paper and cover allow."""
        self._now_s = now_s
        if self._roll_s is not None and now_s >= self._roll_s:
            self._roll_s = None
            self._dots = _dots(self._settings.paper_mm)
        self._tell()
        while self._step():
            self._tell()
        sent, self._out = self._out, b""
        return sent

    def _step(self) -> bool:
        """One row, cut or command; False where nothing more can be done now."""
        if self._offline:
            self._head_s = self._now_s
            return False
        if self._to_print:
            return self._print_row()
        if self._cutting:
            self._cut()
            return True
        return self._command()

    def _print_row(self) -> bool:
        if self._settings.mm_s > 0:
            if self._head_s > self._now_s:
                return False
            self._head_s = max(self._head_s, self._now_s - 0.05)
            self._head_s += 1 / (self._settings.mm_s * DOTS_PER_MM)
        if len(self._rows) >= MAX_UNCUT_MM * DOTS_PER_MM:
            self._save("-torn")
        self._rows.append(self._to_print.pop(0))
        self._dots -= 1
        self._printed_dots += 1
        return True

    def _command(self) -> bool:
        """The next whole command in the buffer."""
        head = bytes(self._buffer[:8])
        if not head:
            return False
        length = self._length(head)
        if length is None or len(self._buffer) < length:
            return False
        command = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._carry_out(command)
        return True

    @staticmethod
    def _length(head: bytes) -> int | None:
        """How long the command is that begins so; None: more must come to know."""
        if head[0] == _LF:
            return 1
        if head[0] not in (_ESC, _GS, _DLE):
            return 1
        if len(head) < 2:
            return None
        second = head[1:2]
        if head[0] == _ESC:
            return {b"@": 2, b"d": 3, b"J": 3}.get(second, 2)
        if head[0] == _DLE:
            return {bytes([_EOT]): 3, b"\x05": 3}.get(second, 2)
        if second == b"V":
            return None if len(head) < 3 else 4 if head[2] in (65, 66) else 3
        if second in (b"r", b"a"):
            return 3
        if second == b"v":
            if len(head) < 8:
                return None
            across, down = (int.from_bytes(head[n : n + 2], "little") for n in (4, 6))
            return 8 + across * down
        return 2

    def _carry_out(self, command: bytes) -> None:
        head = command[:2]
        if command == b"\n":
            self._feed(LINE_DOTS)
        elif head == b"\x1bd":
            self._feed(LINE_DOTS * command[2])
        elif head == b"\x1bJ":
            self._feed(command[2])
        elif head == b"\x1dr" and command[2] in (1, 49):
            self._out += bytes([0x03 if self._near_end else 0])
        elif head == b"\x1da":
            self._tells = command[2] != 0
        elif head == b"\x1dV":
            self._feed(_KNIFE_DOTS)
            self._cutting = True
        elif head == b"\x1dv":
            across = int.from_bytes(command[4:6], "little")
            data = command[8:]
            self._to_print += [
                data[n : n + across][: self._row_bytes].ljust(self._row_bytes, b"\0")
                for n in range(0, len(data), across or 1)
            ]
        elif head not in (b"\x1b@", bytes((_DLE, _EOT)), b"\x10\x05"):
            self._unknown += 1

    def _feed(self, dots: int) -> None:
        self._to_print += [bytes(self._row_bytes)] * dots

    def _cut(self) -> None:
        if self._knife_stuck:
            self._error = True
            return
        self._cutting = False
        self._save("")

    # --- what it says of itself ----------------------------------------------------------

    @property
    def _paper_end(self) -> bool:
        return self._dots <= 0

    @property
    def _near_end(self) -> bool:
        return self._dots <= _dots(self._settings.near_end_mm)

    @property
    def _offline(self) -> bool:
        return self._cover_open or self._paper_end or self._error

    def _status(self, question: int) -> int:
        bits = {
            1: 0x08 * self._offline,
            2: 0x04 * self._cover_open | 0x20 * self._paper_end | 0x40 * self._error,
            3: 0x08 * self._error,
            4: 0x0C * self._near_end | 0x60 * self._paper_end,
        }
        return _FIXED | bits[question]

    def _told_now(self) -> bytes:
        return bytes(
            (
                0x10 | 0x08 * self._offline | 0x20 * self._cover_open,
                0x08 * self._error,
                0x03 * self._near_end | 0x0C * self._paper_end,
                0,
            )
        )

    def _tell(self) -> None:
        now, before = self._told_now(), self._told
        self._told = now
        if self._tells and now != before:
            self._out += now

    # --- people ------------------------------------------------------------------------

    def commands(self) -> Mapping[str, Command]:
        """See the module."""
        return {
            "paper": self.paper,
            "run_out": self.run_out,
            "cover": self.cover,
            "knife": self.knife,
            "tear": self.tear,
            "info": self.info,
        }

    def paper(self, mm: float) -> Mapping[str, Any]:
        """Put in a roll with so much paper; 0: the roll is at its end."""
        if isinstance(mm, bool) or not 0 <= mm <= MAX_PAPER_MM:
            raise ControlError(f"mm is {mm!r}: give 0 to {MAX_PAPER_MM:.0f}")
        self._dots = _dots(mm)
        self._roll_s = None
        return self.info()

    def run_out(self, for_s: float | None = None) -> Mapping[str, Any]:
        """The roll is at its end; after `for_s` seconds somebody puts in a new one."""
        self._roll_s = None if for_s is None else self._now_s + seconds(for_s)
        self._dots = 0
        return self.info()

    def cover(self, is_open: bool) -> Mapping[str, Any]:
        """Open or close the cover."""
        self._cover_open = _yes(is_open)
        return self.info()

    def knife(self, stuck: bool) -> Mapping[str, Any]:
        """The knife sticks at the next cut, or is free again."""
        self._knife_stuck = _yes(stuck)
        self._error = self._error and self._knife_stuck
        return self.info()

    def tear(self) -> Mapping[str, Any]:
        """Tear off what hangs out, and what was not printed is forgotten (power off and on)."""
        self._buffer.clear()
        self._to_print.clear()
        self._cutting = False
        if self._rows:
            self._save("-torn")
        return self.info()

    def info(self) -> Mapping[str, Any]:
        """How it is: paper left, what it printed, what it lost."""
        return {
            "paper_mm": round(self._dots / DOTS_PER_MM, 3),
            "cover_open": self._cover_open,
            "error": self._error,
            "offline": self._offline,
            "tapes": self._tapes,
            "uncut_mm": len(self._rows) / DOTS_PER_MM,
            "printed_mm": self._printed_dots / DOTS_PER_MM,
            "waiting_bytes": len(self._buffer),
            "lost_bytes": self._lost,
            "unknown_commands": self._unknown,
        }

    def _save(self, word: str) -> None:
        self._tapes += 1
        size = (8 * self._row_bytes, max(1, len(self._rows)))
        bits = bytes(255 - byte for byte in b"".join(self._rows) or bytes(self._row_bytes))
        picture = Image.frombytes("1", size, bits)
        path = self._settings.tapes / f"tape-{self._tapes:04}{word}.png"
        path.write_bytes(tape_png(picture))
        self._rows.clear()


def _dots(mm: float) -> int:
    return round(mm * DOTS_PER_MM)


def _yes(value: object) -> bool:
    if not isinstance(value, bool):
        raise ControlError(f"{value!r} is neither true nor false")
    return value
