"""Papers of receipt printers: how wide they are in dots and in characters."""

from __future__ import annotations

from dataclasses import dataclass

#: Dots of a print head a millimetre (203.2 dpi), as all common receipt printers have.
DOTS_PER_MM = 8


@dataclass(frozen=True, slots=True)
class TapeFormat:
    """A paper: `width_mm` of the roll, `dots` across what is printed, `characters` a line.

    `module_dots` is the size of a QR module: 0.75 mm on the wide paper, 0.625 mm on the
    narrow one; `largest_code` the largest QR version that fits with it (docs/tapes.md).
    """

    name: str
    width_mm: int
    dots: int
    characters: int
    module_dots: int
    largest_code: int


TAPE_80 = TapeFormat("80mm", 80, 576, 42, 6, 17)
TAPE_58 = TapeFormat("58mm", 58, 384, 28, 5, 12)
TAPES = {tape.name: tape for tape in (TAPE_80, TAPE_58)}
