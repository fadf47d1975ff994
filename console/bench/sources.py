"""Where a bench test's scans come from: the deck's own images, another folder, a device.

A source is an iterator of `ScannedSheet`: any other scanner (SANE, a driver of one's own)
becomes a source by yielding them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from console.errors import ConsoleError
from hardware.errors import HardwareError
from hardware.feeder import open_feeder
from hardware.simulated.paper import SUFFIXES, read_deck
from scanner.decks.document import DeckFile


@dataclass(frozen=True, slots=True)
class ScannedSheet:
    """One fed sheet: an encoded image a side; `number` in the deck where a name tells it,
    None where only the order of feeding can; `seconds` it took to come."""

    name: str
    number: int | None
    images: tuple[bytes, ...]
    seconds: float


class Source(Protocol):
    """Where sheets come from. `kind` "deck", "folder" or "port"; `stopped` says why a
    source ended before its paper did, "" where it did not."""

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
    """A folder of scans made elsewhere: told by name where the names are the deck's, else by
    their order. Two files whose names differ only in front and back are one sheet."""

    def __init__(self, deck: DeckFile, folder: Path) -> None:
        self.kind, self.where, self.stopped = "folder", folder.name, ""
        if not folder.is_dir():
            raise ConsoleError(f"{folder} is not a folder of scans")
        self._folder = folder
        self._sheets = read_deck(folder)
        numbers = {
            Path(side.file).stem: sheet.number
            for sheet in deck.sheets
            for side in sheet.sides
            if side.file
        }
        numbers |= {sheet.name: sheet.number for sheet in deck.sheets}
        known = [numbers.get(sheet.files[0].stem) for sheet in self._sheets]
        # Names that fit half only would mix two ways of telling sheets apart.
        self._numbers = known if all(known) else [None] * len(known)

    def __iter__(self) -> Iterator[ScannedSheet]:
        """The folder's sheets in order of name."""
        for sheet, number in zip(self._sheets, self._numbers, strict=True):
            start = time.perf_counter()
            images = tuple(file.read_bytes() for file in sheet.files)
            yield ScannedSheet(sheet.name, number, images, time.perf_counter() - start)


class PortSource:
    """A sheet-fed scanner on a port: feeds until the tray is empty; every sheet goes into
    the box. A fault of the device ends the test, what was fed so far is still judged."""

    def __init__(self, url: str) -> None:
        self.kind, self.where, self.stopped = "port", url, ""

    def __iter__(self) -> Iterator[ScannedSheet]:
        """The sheets in the order of feeding."""
        feeder = open_feeder(self.where)
        fed = 0
        try:
            while True:
                start = time.perf_counter()
                try:
                    held = feeder.feed()
                    if held is None:
                        return
                    feeder.accept(secrets.token_hex(16))
                except HardwareError as error:
                    if not fed:
                        raise
                    self.stopped = str(error)
                    return
                fed += 1
                seconds = time.perf_counter() - start
                yield ScannedSheet(f"fed {fed}", None, held.images, seconds)
        finally:
            feeder.close()


def choose(deck: DeckFile, folder: Path, scans: Path | None, port: str | None) -> Source:
    """The source that was asked for; the deck's own images if none was.

    Raises:
        ConsoleError: there are no images.
    """
    if port is not None:
        return PortSource(port)
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
