"""The cast vote record: what is kept of one sheet, and nothing that leads to its voter.

A record carries a random id and no time, sequence number, file name order or other trace
of when and by whom the sheet was fed (NVT-05; DESIGN, Secrecy). Lists and tables of
records always leave in order of that random id.

`scanner.cdf` writes records as a NIST report, `scanner.columns` as a table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scanner.errors import ScannerError
from scanner.reading import ContestReading, ContestStatus, SheetInterpretation

_RECORD_ID = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")
_FIELDS = {
    "record_id": str,
    "election_hash": str,
    "ballot_style_id": str,
    "precinct_id": (str, type(None)),
    "valid": bool,
    "invalid_ground": (str, type(None)),
    "needs_review": bool,
    "contests": list,
}
_CONTEST_FIELDS = {
    "contest_id": str,
    "marked": list,
    "marginal": list,
    "votes": list,
    "status": str,
    "undervotes": int,
    "overvotes": int,
}


_PAPER_FIELDS = {"batch_id": str, "position": int, "imprint": str}


class RecordError(ScannerError):
    """A cast vote record that cannot be used; names the field."""


@dataclass(frozen=True, slots=True)
class PaperMark:
    """Where a central count's sheet lies: its number in its batch (from 1) and the words that
    the scanner printed on it ("" where it printed none).

    With it an audit finds the paper of a record, and anyone who has the pile in its order
    the record of a paper: never at a polling station, where that order is the voters'.
    """

    batch_id: str
    position: int
    imprint: str

    def __post_init__(self) -> None:
        if not self.batch_id or self.position < 1:
            raise RecordError(
                f"paper mark {self.batch_id[:40]!r} number {self.position}: a sheet has a batch "
                "and a number from 1"
            )


@dataclass(frozen=True, slots=True)
class CastVoteRecord:
    """One sheet's record.

    `record_id` is 32 hex digits drawn at random; `election_hash` 64 hex digits.
    `images` may name the sheet's image files where a person must see them (central scan,
    tests); a precinct device leaves it empty, as file names can betray the feeding order.
    `paper` is the sheet's number of a central count; a precinct device has none.

    Raises:
        RecordError: an id or hash of the wrong form.
    """

    record_id: str
    election_hash: str
    ballot_style_id: str
    precinct_id: str | None
    valid: bool
    invalid_ground: str | None
    needs_review: bool
    contests: tuple[ContestReading, ...]
    images: tuple[str, ...] = ()
    paper: PaperMark | None = None

    def __post_init__(self) -> None:
        if not _RECORD_ID.fullmatch(self.record_id):
            raise RecordError(f"record_id {self.record_id[:40]!r} is not 32 lower-case hex digits")
        if not _HASH.fullmatch(self.election_hash):
            raise RecordError(
                f"election_hash {self.election_hash[:70]!r} is not 64 lower-case hex digits"
            )

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types; `from_json` takes it back."""
        data: dict[str, Any] = {
            "record_id": self.record_id,
            "election_hash": self.election_hash,
            "ballot_style_id": self.ballot_style_id,
            "precinct_id": self.precinct_id,
            "valid": self.valid,
            "invalid_ground": self.invalid_ground,
            "needs_review": self.needs_review,
            "contests": [_contest_to_json(contest) for contest in self.contests],
        }
        if self.images:
            data["images"] = list(self.images)
        if self.paper is not None:
            data["paper"] = asdict(self.paper)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CastVoteRecord:
        """The record that `to_json` gave.

        Raises:
            RecordError: a field is missing, unknown or of the wrong type (named).
        """
        fields = _checked(data, _FIELDS, "record", optional={"images": list, "paper": dict})
        return cls(
            **{
                **fields,
                "contests": tuple(_contest_from_json(c) for c in fields["contests"]),
                "images": _strings(fields.get("images", []), "record.images"),
                "paper": PaperMark(**_checked(fields["paper"], _PAPER_FIELDS, "record.paper"))
                if "paper" in fields
                else None,
            }
        )


def new_record(
    interpretation: SheetInterpretation,
    election_hash: str,
    record_id: str,
    *,
    images: tuple[str, ...] = (),
    paper: PaperMark | None = None,
) -> CastVoteRecord:
    """The record of an interpreted sheet.

    Args:
        interpretation: the sheet under the profile's rules.
        election_hash: hash of the definition it was read with, 64 hex digits.
        record_id: 128 random bits as 32 hex digits; the caller draws them.
        images: names of image files, where they may be kept with a vote.
        paper: where the sheet lies, in a central count.

    Raises:
        RecordError: an id or hash of the wrong form.
    """
    return CastVoteRecord(
        record_id=record_id,
        election_hash=election_hash,
        ballot_style_id=interpretation.ballot_style_id,
        precinct_id=interpretation.precinct_id,
        valid=interpretation.valid,
        invalid_ground=interpretation.invalid_ground,
        needs_review=interpretation.needs_review,
        contests=interpretation.contests,
        images=images,
        paper=paper,
    )


def _contest_to_json(contest: ContestReading) -> dict[str, Any]:
    return {
        "contest_id": contest.contest_id,
        "marked": list(contest.marked),
        "marginal": list(contest.marginal),
        "votes": list(contest.votes),
        "status": contest.status.value,
        "undervotes": contest.undervotes,
        "overvotes": contest.overvotes,
    }


def _contest_from_json(data: object) -> ContestReading:
    fields = _checked(data, _CONTEST_FIELDS, "contest")
    where = f"contest {fields['contest_id']!r}"
    try:
        status = ContestStatus(fields["status"])
    except ValueError as error:
        raise RecordError(f"{where}: status {fields['status']!r} is not known") from error
    if fields["undervotes"] < 0 or fields["overvotes"] < 0:
        raise RecordError(f"{where}: votes lost cannot be negative")
    return ContestReading(
        contest_id=fields["contest_id"],
        marked=_strings(fields["marked"], f"{where}.marked"),
        marginal=_strings(fields["marginal"], f"{where}.marginal"),
        votes=_strings(fields["votes"], f"{where}.votes"),
        status=status,
        undervotes=fields["undervotes"],
        overvotes=fields["overvotes"],
    )


def _checked(
    data: object,
    required: Mapping[str, Any],
    where: str,
    *,
    optional: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A mapping with exactly these fields of these types."""
    if not isinstance(data, Mapping):
        raise RecordError(f"{where} is {type(data).__name__}, not an object")
    known = {**required, **(optional or {})}
    for name in required:
        if name not in data:
            raise RecordError(f"{where}: field {name!r} is missing")
    for name, value in data.items():
        if name not in known:
            raise RecordError(f"{where}: field {str(name)[:40]!r} is not known")
        # bool is an int in Python, never in a record.
        wrong_bool = isinstance(value, bool) and known[name] is not bool
        if wrong_bool or not isinstance(value, known[name]):
            raise RecordError(f"{where}: field {name!r} has type {type(value).__name__}")
    return dict(data)


def _strings(values: list[Any], where: str) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise RecordError(f"{where} must hold strings only")
    return tuple(values)
