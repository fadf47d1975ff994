"""What the device needs of a reader and a printer: two small interfaces.

Anything with these methods can be given to `firmware_sim.device.PrecinctDevice`; the real
reader is `scanner.sheet.SheetReader` behind `ScannerSheetReader`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hardware.tape_format import TapeFormat
from scanner.reading import SheetInterpretation


class SheetReaderLike(Protocol):
    """Says what is on a sheet."""

    def read_images(self, images: Sequence[bytes]) -> SheetInterpretation:
        """Interpret one sheet from one encoded image (PNG, JPEG, TIFF) a side.

        Raises:
            scanner.errors.PageRefusedError: the sheet cannot be trusted.
        """
        ...


class PrinterLike(Protocol):
    """Prints a tape, line by line. Every call may raise `hardware.errors.HardwareError`."""

    @property
    def paper(self) -> TapeFormat:
        """The paper in the printer."""
        ...

    def print_lines(self, lines: Sequence[str]) -> None:
        """Print lines of text."""
        ...

    def print_code(self, text: str, caption: str) -> None:
        """Print an alphanumeric text as a QR code under its caption."""
        ...

    def cut(self) -> None:
        """Cut the tape."""
        ...


class _HasInterpretation(Protocol):
    @property
    def interpretation(self) -> SheetInterpretation: ...


class _ReadsSheets(Protocol):
    def read_images(self, images: Sequence[bytes]) -> _HasInterpretation: ...


class ScannerSheetReader:
    """`scanner.sheet.SheetReader` as a `SheetReaderLike`: keeps the interpretation only."""

    def __init__(self, reader: _ReadsSheets) -> None:
        self._reader = reader

    def read_images(self, images: Sequence[bytes]) -> SheetInterpretation:
        """See `SheetReaderLike.read_images`."""
        return self._reader.read_images(images).interpretation
