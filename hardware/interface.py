"""What a precinct device may ask of any sheet scanner: one small interface.

The paper path has two phases: a fed sheet is *held* until it is either accepted into the
box with a token, or returned. Tokens are random and chosen by the caller; the feeder
remembers the last one and where its sheet went, so that after any cut the two sides can
agree on the place of the paper (exactly once, paper and record).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class PaperPlace(StrEnum):
    """Where the last sheet is."""

    NONE = "none"
    HELD = "held"
    IN_BOX = "in_box"
    OUTSTACKED = "outstacked"
    RETURNED = "returned"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FeederStatus:
    """`ready`: a feed command would be obeyed; `sheets_waiting`: paper in the tray;
    `fault` a stable word ("jam", "double_feed", "box_full", …) or None."""

    ready: bool
    sheets_waiting: bool
    place: PaperPlace
    last_token: str | None
    box_count: int
    fault: str | None
    model: str
    firmware: str


@dataclass(frozen=True, slots=True)
class HeldSheet:
    """A sheet between the rollers: one encoded image (PNG, JPEG or TIFF bytes) a side."""

    images: tuple[bytes, ...]


class Feeder(Protocol):
    """A sheet-fed scanner with a held position. Every call may raise `HardwareError`."""

    def status(self) -> FeederStatus:
        """Ask for the state; changes nothing."""
        ...

    def feed(self) -> HeldSheet | None:
        """Draw in, scan and hold the next sheet; None when the tray is empty.

        Called again while a sheet is held, it sends that same sheet's images again.
        """
        ...

    def accept(self, token: str) -> None:
        """Drop the held sheet into the box and remember `token` (32 hex digits).

        Idempotent: repeated with the token last accepted it only confirms.
        """
        ...

    def return_sheet(self, token: str) -> None:
        """Push the held sheet back out and remember `token`; idempotent likewise."""
        ...

    def close(self) -> None:
        """Release the link."""
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a scanner has besides the paper path; `trays` is 0 without batches, and an
    imprint has at most `imprint_characters`."""

    batches: bool = False
    imprinter: bool = False
    outstack: bool = False
    trays: int = 0
    imprint_characters: int = 0


class BatchStage(StrEnum):
    """Where the batch last begun is."""

    NONE = "none"
    OPEN = "open"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class BatchState:
    """The batch last begun. `waiting` sheets are in its tray; `numbers` were given, and each
    is on a sheet accepted, outstacked, returned or held, or `void`: given, and on no sheet
    that came through (a power cut before the ink, a sheet pulled out by hand)."""

    stage: BatchStage
    tray: int
    held: bool
    waiting: int
    numbers: int
    accepted: int
    outstacked: int
    returned: int
    void: int
    batch_id: str
    imprint_format: str


@dataclass(frozen=True, slots=True)
class NumberedSheet:
    """A held sheet of a batch: its number there (from 1), the words printed on it ("" where
    none are), and its images as in `HeldSheet`."""

    position: int
    imprint: str
    images: tuple[bytes, ...]


class BatchFeeder(Feeder, Protocol):
    """A central scanner: batches from trays, an imprinter, a pocket for outstacked sheets.

    For central counts alone: a number on a sheet tells the order of feeding, which at a
    polling station is that of the voters (NVT-05). Verbs may raise `BatchRefusedError`.
    """

    def capabilities(self) -> Capabilities:
        """What it has."""
        ...

    def begin_batch(self, batch_id: str, tray: int, imprint_format: str) -> BatchState:
        """Open a batch over a tray (from 1); the same again only confirms.

        `imprint_format` is as in `hardware.imprint`; "" prints nothing.
        """
        ...

    def next_sheet(self) -> NumberedSheet | None:
        """Draw in, number, print, scan and hold the next sheet of the batch's tray; None when
        it is empty. Called again while a sheet is held, it is that sheet with its number."""
        ...

    def outstack(self, token: str) -> None:
        """Put the held sheet into the pocket for sheets that a person must see; idempotent
        as `accept`."""
        ...

    def batch(self) -> BatchState:
        """The batch last begun, with its counters; changes nothing."""
        ...

    def end_batch(self, batch_id: str) -> BatchState:
        """Close the open batch; the same again only confirms."""
        ...
