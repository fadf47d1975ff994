"""The printer of a screen device: a record under glass, then in the box or with the spoiled.

It is a `hardware.interface.Feeder` whose sheets are printed, not fed: *held* is "under the
glass", *accept* drops the record into the box, *return* into the bin for spoiled records.
So the same two phases and the same questions after a cut hold for it (exactly once, paper
and record). `feed` looks at what lies under the glass; None: nothing does.
"""

from __future__ import annotations

from typing import Protocol

from hardware.interface import Feeder


class PaperTrail(Feeder, Protocol):
    """A printer with a glass, a box and a bin. Every call may raise `HardwareError`."""

    def print_record(self, pdf: bytes) -> None:
        """Print a record, one page a side, and hold it under the glass.

        Raises:
            FeederError: a record is there already, or paper ran out; what was half printed
                lies under the glass and can only be spoiled.
        """
        ...
