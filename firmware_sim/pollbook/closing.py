"""The signed close sheet: `pollbook.json` and its detached signature `pollbook.json.cms`.

Counts and ids only (`sheet`, `schemas/pollbook.schema.json`), so everyone may have it; stock
`openssl cms -verify` checks it as it does a results package. `issued_by_style` is the door for a
device's control sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from firmware_sim.errors import SignatureError
from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.errors import BookError
from firmware_sim.pollbook.sheet import PollbookSheet
from firmware_sim.pollbook.signing import Sign, Verify, canonical
from firmware_sim.pollbook.sums import control_sums

#: A close sheet is a page.
MAX_SHEET_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class CloseSheet:
    """The bytes of `pollbook.json` and of its signature."""

    content: bytes
    signature: bytes


def close_book(book: Book, sign: Sign, *, at: datetime) -> CloseSheet:
    """Close the book and sign its figures; again: the same figures, signed again."""
    book.close(at=at)
    content = canonical(control_sums(book))
    return CloseSheet(content, sign(content))


def signature_path(path: Path) -> Path:
    """Where the signature of a close sheet lies."""
    return path.with_name(path.name + ".cms")


def issued_by_style(
    sheet: CloseSheet, verify: Verify, *, election_hash: str, precinct: str, where: str
) -> dict[str, int]:
    """Papers issued (handed out less spoiled) by ballot style, from a sheet that is right.

    Raises:
        BookError: as `checked_sheet`.
    """
    value = checked_sheet(
        sheet, verify, election_hash=election_hash, precinct=precinct, where=where
    )
    return {style: papers.issued for style, papers in value.styles.items()}


def checked_sheet(
    sheet: CloseSheet, verify: Verify, *, election_hash: str, precinct: str, where: str
) -> PollbookSheet:
    """The figures of a sheet that is right: of a closed book, of this election and precinct.

    Raises:
        BookError: not a closed book's sheet, of another election or precinct, or not signed
            for that precinct.
    """
    try:
        signatory = verify(sheet.content, sheet.signature)
    except SignatureError as error:
        raise BookError(f"{where}: its signature is not accepted: {error}") from error
    value = _parsed(sheet, where)
    if not value.closed:
        raise BookError(f"{where}: the pollbook was still open; close it and give that sheet")
    if value.election_hash != election_hash:
        raise BookError(f"{where}: is of another election; give this election's pollbook")
    if value.precinct != precinct or signatory.place != precinct:
        raise BookError(f"{where}: is of another precinct or signed for one; this is {precinct}")
    return value


def claimed_precinct(sheet: CloseSheet, where: str) -> str:
    """Which precinct a sheet says it is of; proved by `issued_by_style` for that precinct.

    Raises:
        BookError: not a close sheet.
    """
    return _parsed(sheet, where).precinct


def _parsed(sheet: CloseSheet, where: str) -> PollbookSheet:
    try:
        return PollbookSheet.model_validate_json(sheet.content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"])) or "the file"
        raise BookError(
            f"{where}: is not the close sheet of a pollbook: {at}: {first['msg']}"
        ) from error


def read_sheet(path: Path) -> CloseSheet:
    """A sheet and its signature from their files. Raises OSError, BookError: too large."""
    parts = []
    for file in (path, signature_path(path)):
        with file.open("rb") as stream:
            parts.append(stream.read(MAX_SHEET_BYTES + 1))
        if len(parts[-1]) > MAX_SHEET_BYTES:
            raise BookError(f"{file}: is too large for a pollbook's close sheet")
    return CloseSheet(*parts)
