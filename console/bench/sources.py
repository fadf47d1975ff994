"""Where a bench test's scans come from: the deck's own images, another folder, a device.

A source is an iterator of `ScannedSheet`: any other scanner (a driver of one's own) becomes
a source by yielding them.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from console.errors import ConsoleError
from hardware.central import CentralScanner, open_central
from hardware.errors import HardwareError
from hardware.imprint import USUAL_FORMAT
from hardware.interface import Capabilities
from hardware.simulated.paper import SUFFIXES, pair_sides, read_deck
from scanner.decks.document import DeckFile

#: The number of a sheet that the deck does not have; its own are counted from 1.
NOT_IN_DECK = 0


@dataclass(frozen=True, slots=True)
class ScannedSheet:
    """One fed sheet: an encoded image a side; `number` in the deck where a name tells it,
    None where only the order of feeding can; `seconds` it took to come."""

    name: str
    number: int | None
    images: tuple[bytes, ...]
    seconds: float


class Source(Protocol):
    """Where sheets come from. `kind` "deck", "folder", "watch", "port", "sane" or "escl";
    `stopped` says why a source ended before its paper did, "" where it did not."""

    kind: str
    where: str
    stopped: str

    def __iter__(self) -> Iterator[ScannedSheet]:
        """The sheets in the order of feeding."""
        ...


class DeckSource:
    """The images that deck.json names."""

    def __init__(self, deck: DeckFile, folder: Path) -> None:
        self.kind, self.where, self.stopped = "deck", folder.name, ""
        self._deck, self._folder = deck, folder

    def __iter__(self) -> Iterator[ScannedSheet]:
        """The sheets whose images are there; the others are missing."""
        for sheet in self._deck.sheets:
            files = [self._folder / side.file for side in sheet.sides if side.file]
            if not files or not all(file.is_file() for file in files):
                continue
            start = time.perf_counter()
            images = tuple(file.read_bytes() for file in files)
            yield ScannedSheet(sheet.name, sheet.number, images, time.perf_counter() - start)


class FolderSource:
    """A folder of scans made elsewhere: told by name where most names are the deck's, else by
    their order. Two files whose names differ only in front and back are one sheet."""

    def __init__(self, deck: DeckFile, folder: Path, only: Sequence[Path] | None = None) -> None:
        """`only`: these files of it, as a watched folder gave them; None: all images."""
        self.kind, self.where, self.stopped = "folder", folder.name, ""
        if not folder.is_dir():
            raise ConsoleError(f"{folder} is not a folder of scans")
        if only is not None:
            self.kind = "watch"
        found = folder.iterdir() if only is None else only
        stems = {p.stem: p for p in found if p.suffix.lower() in SUFFIXES}
        named = [
            (sheet, [stems.get(Path(side.file).stem) for side in sheet.sides if side.file])
            for sheet in deck.sheets
        ]
        known = {file for _, files in named for file in files if file is not None}
        self._fed: list[tuple[str, int | None, tuple[Path, ...]]]
        others = sorted(set(stems.values()) - known)
        if len(known) > len(others):
            # By name; what the deck does not know is fed too, and reported.
            self._fed = [
                (sheet.name, sheet.number, tuple(file for file in files if file is not None))
                for sheet, files in named
                if files and None not in files
            ]
            self._fed += [(file.name, NOT_IN_DECK, (file,)) for file in others]
        else:
            sheets = read_deck(folder) if only is None else pair_sides(only)
            self._fed = [(sheet.name, None, sheet.files) for sheet in sheets]

    def __iter__(self) -> Iterator[ScannedSheet]:
        """The folder's sheets in the deck's order, or in that of their names."""
        for name, number, files in self._fed:
            start = time.perf_counter()
            images = tuple(file.read_bytes() for file in files)
            yield ScannedSheet(name, number, images, time.perf_counter() - start)


class PortSource:
    """A scanner on a port: feeds until its tray is empty; every sheet goes into the box. A
    fault of the device ends the test, what was fed so far is still judged.

    A central scanner's trays are fed one after the other, each as a batch `TEST-…-TRAY`; a
    sheet is then named by the words that are printed on it.
    """

    def __init__(self, url: str, *, sheets: int | None = None) -> None:
        """`sheets`: feed no more than so many."""
        self.kind, self.where, self.stopped = "port", url, ""
        self._sheets = sheets

    def __iter__(self) -> Iterator[ScannedSheet]:
        """The sheets in the order of feeding."""
        scanner = open_central(self.where)
        has = scanner.capabilities()
        sheets = self._batches(scanner, has) if has.batches else self._fed(scanner)
        fed = 0
        with contextlib.closing(scanner), contextlib.closing(sheets):
            while fed != self._sheets:
                start = time.perf_counter()
                try:
                    found = next(sheets, None)
                    if found is None:
                        return
                    scanner.accept(secrets.token_hex(16))
                except HardwareError as error:
                    if not fed:
                        raise
                    self.stopped = str(error)
                    return
                fed += 1
                words, images = found
                seconds = time.perf_counter() - start
                yield ScannedSheet(words or f"fed {fed}", None, images, seconds)

    def _fed(self, scanner: CentralScanner) -> Generator[tuple[str, tuple[bytes, ...]]]:
        while (held := scanner.feed()) is not None:
            yield "", held.images

    def _batches(
        self, scanner: CentralScanner, has: Capabilities
    ) -> Generator[tuple[str, tuple[bytes, ...]]]:
        run = secrets.token_hex(3)
        for tray in range(1, has.trays + 1):
            batch = f"TEST-{run}-{tray}"
            scanner.begin_batch(batch, tray, USUAL_FORMAT if has.imprinter else "")
            try:
                while (sheet := scanner.next_sheet()) is not None:
                    yield sheet.imprint, sheet.images
            finally:
                # A sheet that is held after a fault keeps its batch open: a person must look.
                with contextlib.suppress(HardwareError):
                    scanner.end_batch(batch)


class Stack(Protocol):
    """A document scanner with a stack of paper in its feeder (SANE, eSCL)."""

    def feed(self) -> tuple[bytes, ...] | None:
        """The next sheet, an image a side; None at the end. Raises HardwareError."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


class StackSource:
    """A document scanner: feeds until its feeder is empty; sheets are told by their order. A
    fault ends the test, what was fed so far is still judged."""

    def __init__(self, kind: str, where: str, opened: Callable[[], Stack]) -> None:
        """`opened` starts the scanner when the first sheet is asked for."""
        self.kind, self.where, self.stopped = kind, where, ""
        self._opened = opened

    def __iter__(self) -> Iterator[ScannedSheet]:
        """The sheets in the order of feeding."""
        fed = 0
        with contextlib.closing(self._opened()) as scanner:
            while True:
                start = time.perf_counter()
                try:
                    images = scanner.feed()
                except HardwareError as error:
                    if not fed:
                        raise
                    self.stopped = str(error)
                    return
                if images is None:
                    return
                fed += 1
                yield ScannedSheet(f"fed {fed}", None, images, time.perf_counter() - start)


def choose(
    deck: DeckFile,
    folder: Path,
    scans: Path | None,
    port: str | None,
    stack: StackSource | None = None,
) -> Source:
    """The source that was asked for; the deck's own images if none was.

    Raises:
        ConsoleError: there are no images.
    """
    if port is not None:
        return PortSource(port)
    if stack is not None:
        return stack
    if scans is not None:
        return FolderSource(deck, scans)
    own = DeckSource(deck, folder)
    named = [folder / d.file for s in deck.sheets for d in s.sides if d.file]
    if not any(file.is_file() for file in named):
        raise ConsoleError(
            f"{folder} has none of the images that its deck.json names "
            f"({', '.join(sorted(SUFFIXES))}): give --scans or --port"
        )
    return own
