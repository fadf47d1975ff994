"""The summary of a precinct's results as bytes: small enough for a few QR codes on the tape.

One fixed form, version 1, no field left out, so that one summary has exactly one encoding
and a reader needs a page of code, not a library (CBOR has several encodings of a value,
compressed JSON depends on the compressor). Names are not in it: contests, options and
ballot styles stand in the order of the election definition, which the hash names.
docs/tapes.md lists it byte by byte.

| field | form |
|---|---|
| magic | `BBS1` |
| mode | 1 byte: 0 official, 1 test |
| election, profile, firmware, records | 4 x 32 bytes |
| precinct, device | 1 byte of length, then UTF-8 |
| opened, closed | 2 x 4 bytes, seconds since 1970 UTC, big-endian |
| registered, fed, accepted, returned, refused | numbers |
| box counter | number + 1; 0 where the scanner has none |
| styles | their number; of each: issued + 1 (0: not told), in box, valid, invalid, to review, |
| | returned |
| contests | their number; of each: ballots, overvotes, undervotes, blank, invalid, to review, |
| | the number of options, votes of each |

Numbers are unsigned LEB128 in their shortest form, at most five bytes.

The summary of a place with several precincts names them all (`p-1+p-2`, `election.places`);
its styles and contests are those of the first, then those of the second, and so on, and what
the place has together is their sum.

`records_root` binds the summary to every single record (NVT-11): it is the RFC 9162 tree
head over the records in the order of their random ids, so it says nothing of who voted or
when, and a record's place under it can be proved without showing another.

Sources: NVT-11, NVT-13; SEED-10, SEED-13 (a copy of the protocol that can be proved).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, get_args

import rfc8785

from election.model import BallotStyle, Contest, Election
from election.places import place_papers
from firmware_sim.errors import FirmwareError
from firmware_sim.place_figures import each_precinct
from scanner.record import CastVoteRecord

MAGIC = b"BBS1"
Mode = Literal["official", "test"]
MODES: tuple[Mode, ...] = get_args(Mode)
#: Largest number in a summary, and most entries of one list.
MAX_NUMBER = 2**32 - 1
MAX_LIST = 4096
_HASHES = ("election_hash", "profile_hash", "firmware_hash", "records_root")
_COUNTERS = ("registered", "sheets_fed", "accepted", "returned", "refused")


class SummaryError(FirmwareError):
    """Bytes that are no summary, or figures that do not fit one."""


@dataclass(frozen=True, slots=True)
class StyleFigures:
    """Control numbers of one kind of paper; `issued` None where nobody told the device."""

    issued: int | None
    in_box: int
    valid: int
    invalid: int
    needs_review: int
    returned: int


@dataclass(frozen=True, slots=True)
class ContestFigures:
    """One contest as in `totals.json`; `votes` in the order of `Contest.option_ids`."""

    ballots: int
    overvotes: int
    undervotes: int
    blank: int
    invalid: int
    needs_review: int
    votes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the codes on a results tape say. Hashes are 64 hex digits, times ISO 8601 UTC;
    `precinct_id` may be a place of several, `registered` is then of all of them."""

    mode: Mode
    election_hash: str
    profile_hash: str
    firmware_hash: str
    records_root: str
    precinct_id: str
    device_id: str
    opened: str
    closed: str
    registered: int
    sheets_fed: int
    accepted: int
    returned: int
    refused: int
    box_counter: int | None
    styles: tuple[StyleFigures, ...]
    contests: tuple[ContestFigures, ...]


def listed_styles(election: Election, precinct_id: str) -> tuple[tuple[str, BallotStyle], ...]:
    """The (precinct, ballot style) of a summary, in its order."""
    return place_papers(election, precinct_id)


def listed_contests(election: Election, precinct_id: str) -> tuple[tuple[str, Contest], ...]:
    """The (precinct, contest) of a summary, in its order: those of each precinct's styles,
    each once a precinct."""
    pairs = dict.fromkeys(
        (precinct, contest_id)
        for precinct, style in listed_styles(election, precinct_id)
        for contest_id in style.contests
    )
    return tuple((precinct, election.contest(contest_id)) for precinct, contest_id in pairs)


def summarise(
    election: Election,
    totals: Mapping[str, Any],
    protocol: Mapping[str, Any],
    counters: Mapping[str, int],
    *,
    mode: Mode,
    device_id: str,
    profile_hash: str,
    firmware_hash: str,
    records_root: str,
) -> Summary:
    """The summary of a count.

    Args:
        totals: the content of `totals.json`.
        protocol: the content of `protocol.json` (control numbers by kind of paper, times).
        counters: `sheets_fed`, `accepted`, `returned`, `refused`.
    """
    precinct_id = str(totals["precinct_id"])
    pairs = {own["precinct_id"]: (own, form) for own, form in each_precinct(totals, protocol)}
    return Summary(
        mode=mode,
        election_hash=election.hash,
        profile_hash=profile_hash,
        firmware_hash=firmware_hash,
        records_root=records_root,
        precinct_id=precinct_id,
        device_id=device_id,
        opened=protocol["polls_opened"],
        closed=protocol["polls_closed"],
        registered=protocol["registered_voters"],
        sheets_fed=counters["sheets_fed"],
        accepted=counters["accepted"],
        returned=counters["returned"],
        refused=counters["refused"],
        # What people read of a dead scanner's box is no scanner's count: it is not signed as one.
        box_counter=None if protocol.get("box_counter_by") else protocol["box_counter"],
        styles=tuple(
            StyleFigures(
                **{
                    field: pairs[precinct][1]["by_style"][style.id][field]
                    for field in StyleFigures.__dataclass_fields__
                }
            )
            for precinct, style in listed_styles(election, precinct_id)
        ),
        contests=tuple(
            _contest_figures(contest, pairs[precinct][0]["contests"][contest.id])
            for precinct, contest in listed_contests(election, precinct_id)
        ),
    )


def _contest_figures(contest: Contest, row: Mapping[str, Any]) -> ContestFigures:
    return ContestFigures(
        row["ballots"],
        row["overvotes"],
        row["undervotes"],
        row["blank"],
        row["invalid"],
        row["needs_review"],
        tuple(row["votes"][option_id] for option_id in contest.option_ids()),
    )


def records_root(records: Iterable[CastVoteRecord]) -> str:
    """RFC 9162 (2.1.1) tree head over the records in order of id, 64 hex digits.

    A leaf is the RFC 8785 form of `CastVoteRecord.to_json`.
    """
    level = [
        hashlib.sha256(b"\0" + rfc8785.dumps(record.to_json())).digest()
        for record in sorted(records, key=lambda record: record.record_id)
    ]
    if not level:
        return hashlib.sha256(b"").hexdigest()
    # Pairs from the left, an odd one moved up unchanged: the same tree as RFC 9162's split at
    # the largest power of two.
    while len(level) > 1:
        paired = [
            hashlib.sha256(b"\1" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level = paired + level[len(level) - len(level) % 2 :]
    return level[0].hex()


def pack(summary: Summary) -> bytes:
    """The bytes of a summary.

    Raises:
        SummaryError: a figure, id or hash that the form cannot hold.
    """
    out = bytearray(MAGIC)
    out.append(MODES.index(summary.mode))
    for name in _HASHES:
        digest = bytes.fromhex(getattr(summary, name))
        if len(digest) != 32:
            raise SummaryError(f"{name} is not 64 hex digits")
        out += digest
    for text in (summary.precinct_id, summary.device_id):
        encoded = text.encode()
        if not 1 <= len(encoded) <= 255:
            raise SummaryError(f"the id {text[:40]!r} does not fit a summary")
        out.append(len(encoded))
        out += encoded
    for time in (summary.opened, summary.closed):
        out += seconds_of(time).to_bytes(4, "big")
    for name in _COUNTERS:
        out += number_bytes(getattr(summary, name))
    out += optional_bytes(summary.box_counter)
    out += number_bytes(len(summary.styles))
    for style in summary.styles:
        out += optional_bytes(style.issued)
        for value in (style.in_box, style.valid, style.invalid, style.needs_review, style.returned):
            out += number_bytes(value)
    out += number_bytes(len(summary.contests))
    for row in summary.contests:
        for value in (row.ballots, row.overvotes, row.undervotes, row.blank, row.invalid):
            out += number_bytes(value)
        out += number_bytes(row.needs_review) + number_bytes(len(row.votes))
        for votes in row.votes:
            out += number_bytes(votes)
    return bytes(out)


def unpack(data: bytes) -> Summary:
    """The summary of these bytes; whatever `pack` would not write is refused.

    Raises:
        SummaryError: not a summary, of another version, cut short, or with bytes left over.
    """
    reader = FieldReader(data)
    if reader.take(len(MAGIC)) != MAGIC:
        raise SummaryError("is no summary of this version (it does not begin with BBS1)")
    mode = reader.take(1)[0]
    if mode >= len(MODES):
        raise SummaryError(f"mode {mode} has no meaning")
    election, profile, firmware, root = (reader.take(32).hex() for _ in _HASHES)
    precinct_id, device_id = reader.text(), reader.text()
    opened, closed = reader.time(), reader.time()
    registered, fed, accepted, returned, refused = (reader.number() for _ in _COUNTERS)
    box_counter = reader.optional()
    styles = tuple(
        StyleFigures(reader.optional(), *(reader.number() for _ in range(5)))
        for _ in range(reader.length())
    )
    contests = tuple(reader.contest() for _ in range(reader.length()))
    if reader.left:
        raise SummaryError(f"{reader.left} bytes too many at the end of the summary")
    return Summary(
        mode=MODES[mode],
        election_hash=election,
        profile_hash=profile,
        firmware_hash=firmware,
        records_root=root,
        precinct_id=precinct_id,
        device_id=device_id,
        opened=opened,
        closed=closed,
        registered=registered,
        sheets_fed=fed,
        accepted=accepted,
        returned=returned,
        refused=refused,
        box_counter=box_counter,
        styles=styles,
        contests=contests,
    )


class FieldReader:
    """Takes fields off the front of bytes; SummaryError where they are not of the form."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size > self.left:
            raise SummaryError("the summary is cut short")
        self._at += size
        return self._data[self._at - size : self._at]

    def text(self) -> str:
        """One byte of length, then UTF-8 that can be printed."""
        try:
            text = self.take(self.take(1)[0]).decode()
        except UnicodeDecodeError as error:
            raise SummaryError("an id in the summary is not UTF-8") from error
        if not text or not text.isprintable():
            raise SummaryError("an id in the summary is empty or not printable")
        return text

    def time(self) -> str:
        """Four bytes, as ISO 8601 UTC."""
        seconds = int.from_bytes(self.take(4), "big")
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def number(self) -> int:
        """LEB128 in its shortest form."""
        value = 0
        for place in range(5):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                if (byte == 0 and place) or value > MAX_NUMBER:
                    raise SummaryError("a number in the summary is not in its shortest form")
                return value
        raise SummaryError("a number in the summary is too long")

    def optional(self) -> int | None:
        """A number, None where it is 0, else less 1."""
        value = self.number()
        return value - 1 if value else None

    def length(self) -> int:
        """How many entries a list has."""
        value = self.number()
        if value > MAX_LIST:
            raise SummaryError(f"a list of {value} entries is longer than a summary's")
        return value

    def contest(self) -> ContestFigures:
        """A contest of a tape's summary."""
        ballots, over, under, blank, invalid, review = (self.number() for _ in range(6))
        votes = tuple(self.number() for _ in range(self.length()))
        return ContestFigures(ballots, over, under, blank, invalid, review, votes)


@lru_cache(maxsize=1 << 16)  # a nation's protocols have the same small figures again and again
def number_bytes(value: int) -> bytes:
    """Unsigned LEB128 in its shortest form. Raises SummaryError: it does not fit."""
    if not 0 <= value <= MAX_NUMBER:
        raise SummaryError(f"the figure {value} does not fit a summary")
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def optional_bytes(value: int | None) -> bytes:
    """A number + 1; 0 for none. Raises SummaryError: it does not fit."""
    return number_bytes(0 if value is None else value + 1)


def seconds_of(time: str) -> int:
    """Seconds since 1970 of an ISO 8601 time. Raises SummaryError: it is none, or too late."""
    try:
        seconds = int(datetime.fromisoformat(time).timestamp())
    except ValueError as error:
        raise SummaryError(f"{time[:40]!r} is not a time") from error
    if not 0 <= seconds <= MAX_NUMBER:
        raise SummaryError(f"the time {time} does not fit a summary")
    return seconds
