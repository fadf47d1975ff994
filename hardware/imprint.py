"""What an imprinter prints on a sheet: a batch's id and the sheet's number in it.

    fill("{batch}-{position:5}", "A7", 12)    # "A7-00012"

A format is printable ASCII with `{batch}` and `{position}` once each; `{position:5}` fills up
with zeros to five digits. Between the two stands at least one character, and the one beside
the position is no digit, so that two sheets of different batches under one format never have
the same words. Pure functions; docs/protocol.md, rule B5.
"""

from __future__ import annotations

import re

from hardware.errors import HardwareError

#: What is printed where nobody says otherwise.
USUAL_FORMAT = "{batch}-{position:5}"
MAX_FORMAT = 64
MAX_BATCH_ID = 32
#: The highest number of a sheet in its batch.
MAX_POSITION = 0xFFFF_FFFF

_BATCH_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_FIELD = re.compile(r"\{(batch|position)(?::([1-9]))?\}")


class ImprintError(HardwareError):
    """A batch id or a format that cannot be used; says why."""


def check_batch_id(batch_id: str) -> str:
    """The id itself.

    Raises:
        ImprintError: not 1 to 32 of A-Z, a-z, 0-9, dot, underscore, hyphen.
    """
    if not _BATCH_ID.fullmatch(batch_id):
        raise ImprintError(
            f"the batch id {batch_id[:40]!r} is not 1 to {MAX_BATCH_ID} of A-Z, a-z, 0-9, '.', "
            "'_', '-'"
        )
    return batch_id


def check_format(imprint_format: str) -> str:
    """The format itself; "" (nothing is printed) is one.

    Raises:
        ImprintError: too long, not printable ASCII, or not the two fields as above.
    """
    if not imprint_format:
        return imprint_format
    where = f"the imprint format {imprint_format[:70]!r}"
    if len(imprint_format) > MAX_FORMAT or not all(" " <= c <= "~" for c in imprint_format):
        raise ImprintError(f"{where} is not at most {MAX_FORMAT} printable ASCII characters")
    parts = _FIELD.split(imprint_format)
    fields, texts = parts[1::3], parts[::3]
    if sorted(fields) != ["batch", "position"] or any("{" in t or "}" in t for t in texts):
        raise ImprintError(
            f"{where} must have {{batch}} and {{position}} (or {{position:5}}) once each, and no "
            "other braces"
        )
    if parts[2 if fields[0] == "batch" else 5] is not None:
        raise ImprintError(f"{where}: only {{position}} takes a number of digits")
    beside = texts[1][-1:] if fields[1] == "position" else texts[1][:1]
    if not beside or beside.isdigit():
        raise ImprintError(
            f"{where}: between {{batch}} and {{position}} must stand a character that is no digit, "
            "else two sheets could have the same words"
        )
    return imprint_format


def fill(imprint_format: str, batch_id: str, position: int) -> str:
    """The words for one sheet; "" for the format "".

    Raises:
        ImprintError: format or id cannot be used, or the position is not 1 to 2**32 - 1.
    """
    check_batch_id(batch_id)
    if not 1 <= position <= MAX_POSITION:
        raise ImprintError(f"a sheet's number is 1 to {MAX_POSITION}, not {position}")

    def value(field: re.Match[str]) -> str:
        if field[1] == "batch":
            return batch_id
        return str(position).zfill(int(field[2] or 1))

    return _FIELD.sub(value, check_format(imprint_format))
