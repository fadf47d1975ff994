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
