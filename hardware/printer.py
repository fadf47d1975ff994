"""Receipt printers: a tape's lines as ESC/POS to a serial port or into a file.

A printer at a port is asked before, while and after it prints (`hardware.printer_status`):
a tape that is not wholly on paper is a `PrinterError`, never a silence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from escpos.printer import Dummy
from PIL import Image

from hardware.printer_status import PrinterError, PrinterStatus, StatusLine
from hardware.stream import ReopenedStream
from hardware.tape_format import DOTS_PER_MM, TAPE_80, TapeFormat
from hardware.tape_image import code_picture, lines_image

#: A printer profile of python-escpos for 80 mm paper of 576 dots with a knife.
PROFILE = "TM-T20II"
#: Speed of receipt printers with a serial port as they leave the factory, baud.
PRINTER_BAUD = 38_400
#: A picture goes to a printer that answers in parts of so many dots: 15 mm, 8,640 bytes.
PART_DOTS = 120
#: What a cut feeds, at most.
_CUT_MM = 40.0
#: Behind a port: the printer cannot answer (its cable has one way, or it is an old one).
ONE_WAY = "status=off"
_WINDOWS_PORT = re.compile(r"(?i)com[0-9]{1,3}")


class _Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...

    def close(self) -> None: ...


class ReceiptPrinter:
    """Prints tapes: lines and codes, then `cut`. A call that raises may have printed a part:
    print the whole again."""

    def __init__(
        self, sink: _Sink, paper: TapeFormat = TAPE_80, *, line: StatusLine | None = None
    ) -> None:
        """`sink` takes the bytes; `paper` is what is in the printer; `line`: it answers."""
        self._sink = sink
        self._line = line
        self.paper = paper

    def status(self) -> PrinterStatus | None:
        """What the printer says of itself; None of a file, or of one that cannot answer.

        Raises:
            PrinterError, LinkError: it does not answer.
        """
        return None if self._line is None else self._line.status()

    def print_lines(self, lines: Sequence[str]) -> None:
        """Print lines of text.

        Raises:
            PrinterError: the file cannot be written (disk full, …); the printer is out of
                paper, open, offline, or does not say that it has printed.
            LinkError: the printer's port is gone.
        """
        if lines:
            self._print(lines_image(lines, self.paper))

    def print_code(self, text: str, caption: str) -> None:
        """Print an alphanumeric text as a QR code under its caption; raises as `print_lines`.

        As dots, not by the printer's own QR command: every printer then prints the same, and
        a preview shows what is printed.
        """
        try:
            picture = code_picture(text, caption, self.paper)
        except ValueError as error:
            raise PrinterError(f"the code cannot be printed: {error}") from error
        self._print(picture)

    def cut(self) -> None:
        """Cut the tape, which ends it; raises as `print_lines`."""
        commands = Dummy(profile=PROFILE)
        commands.cut()
        if self._line is None:
            self._sink.write(commands.output)
            return
        self._line.begin()
        self._line.send(commands.output, _CUT_MM)
        self._line.end()

    def close(self) -> None:
        """Release the port."""
        self._sink.close()

    def _print(self, picture: Image.Image) -> None:
        if self._line is None:
            self._sink.write(_commands(picture))
            return
        self._line.begin()
        for top in range(0, picture.height, PART_DOTS):
            part = picture.crop((0, top, picture.width, min(top + PART_DOTS, picture.height)))
            self._line.send(_commands(part), part.height / DOTS_PER_MM)


def _commands(picture: Image.Image) -> bytes:
    commands = Dummy(profile=PROFILE)
    commands.hw("INIT")
    commands.image(picture)
    return bytes(commands.output)


def open_printer(target: str, paper: TapeFormat = TAPE_80) -> ReceiptPrinter:
    """A printer at a serial port (see `hardware.address`), or a file for its bytes.

    A terminal device, `usb:VID:PID`, a URL, or a name like COM3 is a port; with `?status=off`
    behind it the printer is not asked. Anything else is a file, made if it is not there and
    added to if it is; so is a USB printer (/dev/usb/lp0), which is not asked either.

    Raises:
        LinkError: the port cannot be opened.
        PrinterError: the file cannot be written.
    """
    if "://" in target or target.lower().startswith("usb:") or _is_port(target.partition("?")[0]):
        port, answers = _answering(target)
        stream = ReopenedStream(port, baudrate=PRINTER_BAUD)
        line = StatusLine(stream, stream.url) if answers else None
        return ReceiptPrinter(stream, paper, line=line)
    return ReceiptPrinter(_FileSink(Path(target)), paper)


def _answering(target: str) -> tuple[str, bool]:
    """The port, and whether its printer can answer."""
    name, _, query = target.partition("?")
    options = [option for option in query.split("&") if option]
    rest = [option for option in options if option != ONE_WAY]
    return name + ("?" + "&".join(rest) if rest else ""), len(rest) == len(options)


def _is_port(name: str) -> bool:
    return bool(_WINDOWS_PORT.fullmatch(name)) or _is_terminal(name)


def _is_terminal(target: str) -> bool:
    try:
        if not Path(target).is_char_device():
            return False
        file = os.open(target, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        # Busy or not ours: whoever opens it as a port says so.
        return True
    try:
        return os.isatty(file)
    finally:
        os.close(file)


__all__ = [
    "ONE_WAY",
    "PRINTER_BAUD",
    "PROFILE",
    "PrinterError",
    "PrinterStatus",
    "ReceiptPrinter",
    "open_printer",
]


class _FileSink:
    """Bytes added to a file and on the disk before `write` is done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab"):
                pass
        except OSError as error:
            raise self._failed(error) from error

    def write(self, data: bytes) -> None:
        try:
            with self._path.open("ab", buffering=0) as file:
                left = memoryview(data)
                while left:
                    left = left[file.write(left) :]
                if self._path.is_file():  # a printer's device has no disk
                    os.fsync(file.fileno())
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        return

    def _failed(self, error: OSError) -> PrinterError:
        return PrinterError(
            f"the tape file {self._path} cannot be written: {error.strerror}. Free some space "
            "or give another --printer"
        )
