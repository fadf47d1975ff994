"""A cast vote record as bytes of one fixed size: no record tells itself apart by its length.

The size depends on the precinct's ballot styles alone, and is small (some 30 bytes for one
list contest), so that the whole count can be written anew after every sheet. All integers
are big-endian; bit n of a set is the n-th option of `Contest.option_ids()`, bit 0 lowest.

    16   record id
    1    bits: 0 valid, 1 needs review, 2 the sheet names its precinct
    1    ballot style: its place, from 0, among the precinct's styles; at a place of several
         precincts (`election.places`) among those of the first, then the second, …
    1    ground of invalidity: 0 none, else its place, from 1, in the profile
    for each contest of the style, in the style's order:
      1    status: its place in `STATUSES`
      1+1  undervotes, overvotes
      n    marked, n marginal, n votes: sets of options, n = ceil(options / 8)
    then zeros up to the size, a multiple of 16
"""

from __future__ import annotations

from collections.abc import Sequence

from election.model import Contest, Election
from election.places import is_one_precinct, place_papers
from election.profile import Profile
from firmware_sim.errors import MediumError
from scanner.cvr import CastVoteRecord
from scanner.reading import ContestReading, ContestStatus

ID_BYTES = 16
_HEAD_BYTES = ID_BYTES + 3
_GRAIN = 16
#: Statuses by number. Append only: the numbers are on media.
STATUSES = (
    ContestStatus.VALID,
    ContestStatus.UNDERVOTE,
    ContestStatus.BLANK,
    ContestStatus.OVERVOTE,
    ContestStatus.NEEDS_REVIEW,
)


class RecordForm:
    """How records of one precinct, or of a place of several, are written; both ways, and
    nothing is lost between."""

    def __init__(self, election: Election, profile: Profile, precinct_id: str) -> None:
        """The form of this precinct's records under this definition and profile."""
        self.election_hash = election.hash
        self.profile_hash = profile.canonical_hash()
        self.precinct_id = precinct_id
        papers = place_papers(election, precinct_id)
        self._one = is_one_precinct(precinct_id)
        self._papers = tuple((precinct, style.id) for precinct, style in papers)
        self._contests = tuple(election.style_contests(style.id) for _, style in papers)
        self._grounds = tuple(ground.id for ground in profile.invalid_grounds)
        longest = max(
            (sum(map(_contest_bytes, contests)) for contests in self._contests), default=0
        )
        self.record_bytes = -(-(_HEAD_BYTES + longest) // _GRAIN) * _GRAIN
        """Size of every record, bytes."""

    def pack(self, record: CastVoteRecord) -> bytes:
        """`record_bytes` bytes.

        Raises:
            MediumError: the record is not of this election and precinct.
        """
        try:
            style = self._papers.index(self._paper(record))
            ground = (
                0
                if record.invalid_ground is None
                else 1 + self._grounds.index(record.invalid_ground)
            )
            readings = {reading.contest_id: reading for reading in record.contests}
            contests = self._contests[style]
            if record.election_hash != self.election_hash or len(readings) != len(contests):
                raise ValueError("another election or other contests")
            if record.images or record.paper is not None:
                raise ValueError("it has images, or a number of its paper")
            bits = record.valid | record.needs_review << 1 | (record.precinct_id is not None) << 2
            parts = [bytes.fromhex(record.record_id), bytes((bits, style, ground))]
            parts += [_pack_contest(contest, readings[contest.id]) for contest in contests]
        except (ValueError, KeyError, OverflowError) as error:
            raise MediumError(f"a record cannot be written to the medium: {error}") from error
        return b"".join(parts).ljust(self.record_bytes, b"\0")

    def unpack(self, data: bytes) -> CastVoteRecord:
        """The record of `pack`.

        Raises:
            MediumError: not a record of this form.
        """
        try:
            bits, style, ground = data[ID_BYTES:_HEAD_BYTES]
            contests, at = [], _HEAD_BYTES
            for contest in self._contests[style]:
                end = at + _contest_bytes(contest)
                contests.append(_unpack_contest(contest, data[at:end]))
                at = end
            precinct, style_id = self._papers[style]
            record = CastVoteRecord(
                record_id=data[:ID_BYTES].hex(),
                election_hash=self.election_hash,
                ballot_style_id=style_id,
                precinct_id=precinct if bits & 4 else None,
                valid=bool(bits & 1),
                invalid_ground=self._grounds[ground - 1] if ground else None,
                needs_review=bool(bits & 2),
                contests=tuple(contests),
            )
        except (ValueError, IndexError) as error:
            raise MediumError("a record on the medium is not of this election's form") from error
        if self.pack(record) != data:
            raise MediumError("a record on the medium is not in the one form of a record")
        return record

    def _paper(self, record: CastVoteRecord) -> tuple[str, str]:
        """Precinct and style of a record; at a place of several it must name its precinct."""
        precinct = record.precinct_id
        if precinct is None and self._one:
            precinct = self.precinct_id
        if precinct is None:
            raise ValueError("it names no precinct")
        return precinct, record.ballot_style_id


def _contest_bytes(contest: Contest) -> int:
    return 3 + 3 * _set_bytes(contest)


def _set_bytes(contest: Contest) -> int:
    return -(-len(contest.option_ids()) // 8)


def _pack_contest(contest: Contest, reading: ContestReading) -> bytes:
    options = contest.option_ids()
    size = _set_bytes(contest)
    numbers = bytes((STATUSES.index(reading.status), reading.undervotes, reading.overvotes))
    sets = (reading.marked, reading.marginal, reading.votes)
    return numbers + b"".join(_bits(options, chosen).to_bytes(size, "big") for chosen in sets)


def _bits(options: Sequence[str], chosen: Sequence[str]) -> int:
    value = 0
    for option in chosen:
        value |= 1 << options.index(option)
    if value.bit_count() != len(chosen):
        raise ValueError("an option is there twice")
    return value


def _unpack_contest(contest: Contest, data: bytes) -> ContestReading:
    options = contest.option_ids()
    size = _set_bytes(contest)
    sets = []
    for at in range(3, 3 + 3 * size, size):
        value = int.from_bytes(data[at : at + size], "big")
        if value >> len(options):
            raise ValueError("an option that the contest has not")
        sets.append(tuple(option for n, option in enumerate(options) if value >> n & 1))
    return ContestReading(
        contest_id=contest.id,
        marked=sets[0],
        marginal=sets[1],
        votes=sets[2],
        status=STATUSES[data[0]],
        undervotes=data[1],
        overvotes=data[2],
    )
