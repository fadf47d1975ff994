"""What a voter chose, checked against the ballot style, and the votes code on the paper.

The votes code repeats what the lines say: for every line of the page, in order, one byte
(0: no choice made; n: the contest's n-th option id, write-in lines last), then the CRC-32
(ISO 3309) of the page code's 15 bytes followed by those bytes, all as upper-case hex
digits after "BBV1:". Bound to the page code, it does not pass on a record of another
election, style or language. It holds nothing that tells two equal votes apart (NVT-05).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from election.codes import CRC_BYTES, PageCode, packed
from election.errors import CodeError, LayoutError
from election.model import WRITE_IN_PREFIX, Contest, Election

VOTES_PREFIX = "BBV1:"
#: Options of one contest that a byte can name.
MOST_OPTIONS = 254
#: Signs in a written-in name.
MOST_LETTERS = 40


@dataclass(frozen=True, slots=True)
class Choices:
    """`by_contest`: option ids chosen, by contest id (a contest may be left out: none);
    `written`: names written in, by contest id and write-in option id."""

    by_contest: Mapping[str, tuple[str, ...]]
    written: Mapping[tuple[str, str], str] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, contest: Contest) -> tuple[str, ...]:
        """The choices in a contest, in the order of the ballot."""
        chosen = set(self.by_contest.get(contest.id, ()))
        return tuple(option for option in contest.option_ids() if option in chosen)


def lines_of(contest: Contest, *, one_mark: bool) -> int:
    """Lines that a contest has on a record: as many as a voter may choose."""
    allowed = 1 if one_mark else contest.votes_allowed
    return min(allowed, len(contest.option_ids()))


def check_choices(election: Election, style_id: str, choices: Choices, *, one_mark: bool) -> None:
    """Check that a ballot of this style can hold these choices (an overvote cannot be cast).

    Raises:
        LayoutError: an unknown contest or option, more choices than allowed, or a write-in
            without a name.
    """
    contests = {contest.id: contest for contest in election.style_contests(style_id)}
    for contest_id, chosen in choices.by_contest.items():
        where = f"style {style_id}: contest {contest_id}"
        contest = contests.get(contest_id)
        if contest is None:
            raise LayoutError("the ballot style has no such contest", where=where)
        if len(set(chosen)) != len(chosen) or not set(chosen) <= set(contest.option_ids()):
            raise LayoutError("a choice that the contest has not, or one made twice", where=where)
        if len(chosen) > lines_of(contest, one_mark=one_mark):
            raise LayoutError("more choices than the contest allows", where=where)
        for option in chosen:
            if option.startswith(WRITE_IN_PREFIX) and not choices.written.get((contest_id, option)):
                raise LayoutError("a write-in without a name", where=where)


def encode_votes(code: PageCode, slots: Sequence[int]) -> str:
    """The votes code of a page; `slots` as in the module's text.

    Raises:
        CodeError: a number that no byte holds.
    """
    if not all(0 <= slot <= MOST_OPTIONS for slot in slots):
        raise CodeError(f"a contest of a paper record has at most {MOST_OPTIONS} options")
    body = bytes(slots)
    check = zlib.crc32(packed(code) + body).to_bytes(CRC_BYTES, "big")
    return VOTES_PREFIX + (body + check).hex().upper()


def decode_votes(code: PageCode, text: str) -> tuple[int, ...]:
    """The numbers of a votes code read on a page with this page code.

    Raises:
        CodeError: no votes code, or one that was not made for this page.
    """
    digits = text.removeprefix(VOTES_PREFIX)
    if digits == text or len(digits) % 2 or not set(digits) <= set("0123456789ABCDEF"):
        raise CodeError("the QR code is not a votes code")
    data = bytes.fromhex(digits)
    body, check = data[:-CRC_BYTES], data[-CRC_BYTES:]
    if len(data) < CRC_BYTES or zlib.crc32(packed(code) + body).to_bytes(CRC_BYTES, "big") != check:
        raise CodeError("the votes code was not made for this page")
    return tuple(body)
