"""What a count may ask of a mark-sense reader: the smallest honest interface.

It is not `hardware.interface.Feeder`: such a reader sends no image, holds no sheet until it
is told, and knows no tokens. A fed sheet's marks come once it has passed the heads, and it
then lies in the stacker (or in one of two, where the profile has commands to choose).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hardware.errors import FeederError
from hardware.marksense.model import Meaning

Marks = npt.NDArray[np.uint8]


class UncertainSheetError(FeederError):
    """After a break nobody but a person can tell whether one more sheet went through.

    The stacker must hold as many sheets as were given out; a further one is laid back so
    that it is fed next. Then `MarkReader.settled` lets the reader go on.
    """


@dataclass(frozen=True, slots=True)
class MarkSheet:
    """One sheet. `levels` uint8[columns, lines]: how dark each cell is, 0 to the profile's
    `most`; `number` the reader's own count of it, where it has one. `unread`: why there are
    no levels (shape [0, lines]) although the sheet went through, "" where there are."""

    levels: Marks
    number: int | None
    unread: str = ""


@dataclass(frozen=True, slots=True)
class ReaderStatus:
    """How the last feed ended, in the profile's meaning and words."""

    meaning: Meaning
    words: str


@dataclass(frozen=True, slots=True)
class ReaderEvent:
    """Something on the line that nobody asked for. `kind`: "garbled", "unasked", "lost",
    "found"."""

    kind: str
    detail: str


class MarkReader(Protocol):
    """A mark-sense reader. Every call may raise `HardwareError`."""

    #: Sheets that went through since it was made, read or not.
    passed: int

    def status(self) -> ReaderStatus | None:
        """Ask how the last feed ended; None where the reader cannot be asked."""
        ...

    def feed(self) -> MarkSheet | None:
        """Draw in the next sheet and give its marks; None when the hopper is empty.

        After a broken link, called again, it first gives the sheet whose marks were lost.

        Raises:
            FeederError: jam, double feed and the like; the sheet is to be laid back.
            UncertainSheetError: see there.
            LinkError: the link broke.
        """
        ...

    def accept(self) -> None:
        """Say that the last sheet is taken; nothing where there is but one stacker."""
        ...

    def return_sheet(self) -> None:
        """Send the last sheet to where returned ones go.

        Raises:
            FeederError: this reader has no such place.
        """
        ...

    def reject(self) -> None:
        """Return the last sheet where there is a place for it, else accept it."""
        ...

    def settled(self) -> None:
        """A person made the stacker hold just the sheets that were given out."""
        ...

    def events(self) -> tuple[ReaderEvent, ...]:
        """What came unasked since the last call, oldest first; the last hundred at most."""
        ...

    def close(self) -> None:
        """Release the port; a later call opens it again."""
        ...
