"""The page code: what a printed page says of itself to a machine.

Election hash, ballot style, precinct, page, kind and languages; never a serial number or
anything else that differs between two voters' papers (NVT-05). It stands on the paper
twice: as text in a QR code and as long and short edge marks, so that a stain on one loses
no ballot.

Payload, 116 bits, most significant bit first:

| field | bits | value |
|---|---|---|
| election hash | 80 | first 10 bytes of the SHA-256 of the canonical definition |
| style index | 13 | place in `Election.ballot_styles`, from 0 |
| precinct index | 14 | 0 = any precinct of the style, else place in `Election.precincts` + 1 |
| page | 4 | from 1 |
| kind | 2 | 0 official, 1 test, 2 sample |
| languages | 3 | bit mask over the election's first three languages, 1 = the first |

Packed in 15 bytes (the last four bits are zero) and followed by their CRC-32 (ISO 3309, as
in zlib): 148 bits in the edge marks, "BB1:" and 38 upper-case hex digits in the QR code.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from election.errors import CodeError
from election.model import Election

BallotKind = Literal["official", "test", "sample"]
KINDS: tuple[BallotKind, ...] = get_args(BallotKind)

HASH_BYTES = 10
STYLE_BITS, PRECINCT_BITS, PAGE_BITS, KIND_BITS, LANGUAGE_BITS = 13, 14, 4, 2, 3
PAYLOAD_BITS = HASH_BYTES * 8 + STYLE_BITS + PRECINCT_BITS + PAGE_BITS + KIND_BITS + LANGUAGE_BITS
PAYLOAD_BYTES = 15
CRC_BYTES = 4
PADDING_BITS = PAYLOAD_BYTES * 8 - PAYLOAD_BITS
#: Bits in the edge marks: payload, padding and check sum less the padding kept implicit.
CODE_BITS = PAYLOAD_BITS + CRC_BYTES * 8
TEXT_PREFIX = "BB1:"
TEXT_LENGTH = len(TEXT_PREFIX) + 2 * (PAYLOAD_BYTES + CRC_BYTES)
#: Languages that the mask can name; later ones of an election are not in the code.
MASKED_LANGUAGES = LANGUAGE_BITS


@dataclass(frozen=True, slots=True)
class PageCode:
    """What one printed page says of itself; field meanings in the module's table."""

    election_hash10: bytes
    style_index: int
    precinct_index: int
    page: int
    kind: BallotKind
    languages: int


def page_code(
    election: Election,
    style_id: str,
    page: int,
    kind: BallotKind = "official",
    precinct_id: str | None = None,
) -> PageCode:
    """The code of one page of a ballot style, for one precinct or for any.

    Raises:
        CodeError: the style, precinct or kind is unknown.
    """
    styles = [style.id for style in election.ballot_styles]
    precincts = [precinct.id for precinct in election.precincts]
    if style_id not in styles:
        raise CodeError(f"the election has no ballot style {style_id!r}", where=election.id)
    if precinct_id is not None and precinct_id not in precincts:
        raise CodeError(f"the election has no precinct {precinct_id!r}", where=election.id)
    if kind not in KINDS:
        raise CodeError(f"ballot kind {kind!r} is none of {', '.join(KINDS)}")
    printed = election.style_languages(style_id)
    mask = sum(
        1 << place
        for place, language in enumerate(election.languages[:MASKED_LANGUAGES])
        if language in printed
    )
    return PageCode(
        election_hash10=bytes.fromhex(election.hash)[:HASH_BYTES],
        style_index=styles.index(style_id),
        precinct_index=0 if precinct_id is None else precincts.index(precinct_id) + 1,
        page=page,
        kind=kind,
        languages=mask,
    )


def encode_bits(code: PageCode) -> tuple[int, ...]:
    """The 148 bits of the edge marks: 116 of payload, 32 of CRC.

    Raises:
        CodeError: a field does not fit its bits.
    """
    payload = packed(code)
    check = zlib.crc32(payload).to_bytes(CRC_BYTES, "big")
    return _to_bits(payload)[:PAYLOAD_BITS] + _to_bits(check)


def decode_bits(bits: Iterable[int]) -> PageCode:
    """The code that 148 edge-mark bits carry (any truthy value is 1).

    Raises:
        CodeError: not 148 bits, the check sum fails, or a field has no meaning.
    """
    read = tuple(1 if bit else 0 for bit in bits)
    if len(read) != CODE_BITS:
        raise CodeError(f"an edge code has {CODE_BITS} bits, {len(read)} were read")
    payload = _to_bytes(read[:PAYLOAD_BITS] + (0,) * PADDING_BITS)
    return _checked(payload, _to_bytes(read[PAYLOAD_BITS:]))


def encode_text(code: PageCode) -> str:
    """The text of the QR code: 42 characters of QR's alphanumeric set.

    Raises:
        CodeError: a field does not fit its bits.
    """
    payload = packed(code)
    check = zlib.crc32(payload).to_bytes(CRC_BYTES, "big")
    return TEXT_PREFIX + (payload + check).hex().upper()


def decode_text(text: str) -> PageCode:
    """The code that a QR text carries.

    Raises:
        CodeError: not a Ballotbench code, the check sum fails, or a field has no meaning.
    """
    if not text.startswith(TEXT_PREFIX):
        raise CodeError("the QR code is not a Ballotbench page code")
    digits = text[len(TEXT_PREFIX) :]
    if len(text) != TEXT_LENGTH or not set(digits) <= set("0123456789ABCDEF"):
        raise CodeError("the QR code is damaged: not 38 upper-case hex digits after BB1:")
    data = bytes.fromhex(digits)
    return _checked(data[:PAYLOAD_BYTES], data[PAYLOAD_BYTES:])


def packed(code: PageCode) -> bytes:
    """The 15 bytes of the payload, without check sum. Raises `CodeError` as `encode_text`."""
    if len(code.election_hash10) != HASH_BYTES:
        raise CodeError(f"the election hash in a code has {HASH_BYTES} bytes")
    if code.kind not in KINDS:
        raise CodeError(f"ballot kind {code.kind!r} is none of {', '.join(KINDS)}")
    number = int.from_bytes(code.election_hash10, "big")
    for name, value, bits in (
        ("style index", code.style_index, STYLE_BITS),
        ("precinct index", code.precinct_index, PRECINCT_BITS),
        ("page", code.page, PAGE_BITS),
        ("kind", KINDS.index(code.kind), KIND_BITS),
        ("languages", code.languages, LANGUAGE_BITS),
    ):
        lowest = 1 if name == "page" else 0
        if not lowest <= value < 1 << bits:
            raise CodeError(f"{name} {value} is outside {lowest} to {(1 << bits) - 1}")
        number = number << bits | value
    return (number << PADDING_BITS).to_bytes(PAYLOAD_BYTES, "big")


def _checked(payload: bytes, crc: bytes) -> PageCode:
    if zlib.crc32(payload) != int.from_bytes(crc, "big"):
        raise CodeError("the check sum of the page code fails", advice="Scan the page again")
    number = int.from_bytes(payload, "big")
    fields = []
    for bits in (PADDING_BITS, LANGUAGE_BITS, KIND_BITS, PAGE_BITS, PRECINCT_BITS, STYLE_BITS):
        fields.append(number & ((1 << bits) - 1))
        number >>= bits
    padding, languages, kind, page, precinct_index, style_index = fields
    if padding or kind >= len(KINDS) or page == 0:
        raise CodeError("the page code holds a value without meaning")
    return PageCode(
        number.to_bytes(HASH_BYTES, "big"),
        style_index,
        precinct_index,
        page,
        KINDS[kind],
        languages,
    )


def _to_bits(data: bytes) -> tuple[int, ...]:
    return tuple(byte >> shift & 1 for byte in data for shift in range(7, -1, -1))


def _to_bytes(bits: tuple[int, ...]) -> bytes:
    number = 0
    for bit in bits:
        number = number << 1 | bit
    return number.to_bytes(len(bits) // 8, "big")
