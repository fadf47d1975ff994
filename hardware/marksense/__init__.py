"""Mark-sense readers on RS-232: ASCII lines of marks, never an image, described by a profile.

A profile (TOML, `profiles/` or a file of one's own) says how a reader is connected, which
words it understands, how its lines are made and which of its cells are which options.
`SerialMarkReader` drives a reader by it, behind the small interface `MarkReader`. In: bytes of
a port. Out: `MarkSheet`, how dark each cell was; what that means for votes is told elsewhere
(the console joins it with the scanner room's rules).
"""

from __future__ import annotations

from hardware.marksense.grammar import LineError, LineSplitter, parse_line
from hardware.marksense.interface import (
    MarkReader,
    MarkSheet,
    ReaderEvent,
    ReaderStatus,
    UncertainSheetError,
)
from hardware.marksense.loading import MarkSenseError, load_profile, parse_profile
from hardware.marksense.model import MarkSenseProfile, Meaning
from hardware.marksense.reader import SerialMarkReader, open_reader

__all__ = [
    "LineError",
    "LineSplitter",
    "MarkReader",
    "MarkSenseError",
    "MarkSenseProfile",
    "MarkSheet",
    "Meaning",
    "ReaderEvent",
    "ReaderStatus",
    "SerialMarkReader",
    "UncertainSheetError",
    "load_profile",
    "open_reader",
    "parse_line",
    "parse_profile",
]
