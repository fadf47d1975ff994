"""The first factor: an identity document, by its number and the line a reader types.

The first line of the machine-readable zone of an identity card (ICAO Doc 9303 part 5, form
TD1, 30 characters): document code, issuing state, document number, its check digit, then 15
optional characters, where a Kazakhstan card carries the IIN. A barcode reader or a keyboard
gives the same characters. Nothing of the document is kept but the fact that it was seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from firmware_sim.pollbook.errors import DocumentError, IinError
from firmware_sim.pollbook.iin import checked_iin

_LINE = re.compile(r"I[A-Z<]KAZ(?P<number>[A-Z0-9<]{9})(?P<check>[0-9])(?P<iin>[0-9]{12})<{3}")
_WEIGHTS = (7, 3, 1)


@dataclass(frozen=True, slots=True)
class IdentityDocument:
    """A document whose line was read: its number and the holder's IIN."""

    number: str
    iin: str


def check_digit(field: str) -> int:
    """ICAO Doc 9303 part 3, 4.9: weights 7, 3, 1; digits as they are, A = 10 … Z = 35, < = 0."""
    values = (0 if c == "<" else int(c, 36) for c in field)
    return sum(v * _WEIGHTS[i % 3] for i, v in enumerate(values)) % 10


def read_line(line: str) -> IdentityDocument:
    """A document from the first line of its machine-readable zone.

    Raises:
        DocumentError: another form, or a check digit that does not fit (a misread character).
    """
    found = _LINE.fullmatch(line.strip().upper())
    if found is None:
        raise DocumentError(
            "the document's line is not the first line of an identity card (30 characters "
            "beginning IDKAZ); read it again or type number and IIN"
        )
    if check_digit(found["number"]) != int(found["check"]):
        raise DocumentError("the document number's check digit does not fit; read the line again")
    return typed(found["number"].rstrip("<"), found["iin"])


def typed(number: str, iin: str) -> IdentityDocument:
    """A document whose number (5 to 9 letters and digits) and IIN an officer typed.

    Raises:
        DocumentError: either cannot be right.
    """
    if not re.fullmatch(r"[A-Z]?[0-9]{5,9}", number):
        raise DocumentError("the document's number is not one: a letter at most, then digits")
    try:
        return IdentityDocument(number, checked_iin(iin))
    except IinError as error:
        raise DocumentError(f"the document's IIN: {error}") from error


def line_of(number: str, iin: str) -> str:
    """The line that `read_line` reads: for training sets and tests."""
    field = number.ljust(9, "<")
    return f"IDKAZ{field}{check_digit(field)}{iin}<<<"
