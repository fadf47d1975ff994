"""The queue: which sheets need a person, which of their contests, and why.

`queue.json` holds one `Queue`; its JSON Schema is `scanner/schemas/queue.schema.json`. It
carries the definition and the profile that the sheets were read under, so a folder can be
adjudicated anywhere, offline. Items stand in order of their random record id (NVT-05).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal

import rfc8785
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from election.model import WRITE_IN_PREFIX, Election
from election.profile import Profile
from scanner.adjudication.errors import AdjudicationError
from scanner.interpretation import NOTE_KINDS
from scanner.reading import ContestReading, ContestStatus, Flag, MarkClass, PageReading
from scanner.record import CastVoteRecord

FORMAT: Literal["ballotbench-queue/1"] = "ballotbench-queue/1"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RecordId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

#: Reasons beside the kinds of flags (`scanner.interpretation`).
MARGINAL_MARK = "marginal_mark"
OVERVOTE = "overvote"
INVALID = "invalid"
WRITE_IN_TO_RESOLVE = "write_in"
HELD = "held"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Crop(_Model):
    """A picture beside the queue: its path from the folder of `queue.json`, `/` between."""

    path: Annotated[str, StringConstraints(pattern=r"^[^/\\][^\\]*$", max_length=500)]
    sha256: Sha256

    @field_validator("path")
    @classmethod
    def _below(cls, path: str) -> str:
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise ValueError("a crop lies below the folder of the queue")
        return path


class Place(_Model):
    """A target's place in the crop of its contest, px of that crop."""

    x_px: int
    y_px: int
    width_px: int
    height_px: int


class Reason(_Model):
    """Why a person should look: a stable word, and a sentence."""

    kind: str
    detail: str
    option_id: str | None = None


class TargetEvidence(_Model):
    """One target of a contest, as the machine saw it.

    `written` is None without a write-in area. `target_crop` shows the target in the scan
    (left) and in the blank print (right) at the same scale; `write_in_crop` its area.
    """

    option_id: str
    mark: MarkClass
    score: float
    written: bool | None = None
    write_in_score: float | None = None
    place: Place | None = None
    target_crop: Crop | None = None
    write_in_crop: Crop | None = None


class ItemContest(_Model):
    """A contest in question. `must_decide`: its votes (or the sheet's) wait for people;
    else the machine's reading stands unless they decide otherwise."""

    contest_id: str
    must_decide: bool
    reasons: tuple[Reason, ...]
    crop: Crop | None = None
    targets: tuple[TargetEvidence, ...] = ()

    def to_resolve(self) -> frozenset[str]:
        """Write-in lines that a verdict with votes has to say something about: those with
        something written, and those with a clear mark."""
        return frozenset(
            t.option_id
            for t in self.targets
            if t.option_id.startswith(WRITE_IN_PREFIX) and (t.written or t.mark is MarkClass.MARK)
        )


class ItemPage(_Model):
    """Where a side of the sheet lies: the scan's file and its page there, from 1."""

    file: str
    page: int = Field(ge=1)
    side: Literal["front", "back"]


class QueueItem(_Model):
    """One sheet: the machine's record, untouched, and the contests in question."""

    id: RecordId
    record: CastVoteRecord
    pages: tuple[ItemPage, ...]
    contests: tuple[ItemContest, ...] = Field(min_length=1)

    def contest(self, contest_id: str) -> ItemContest:
        """The contest in question of this id.

        Raises:
            AdjudicationError: the sheet has none such in question.
        """
        for contest in self.contests:
            if contest.contest_id == contest_id:
                return contest
        asked = ", ".join(c.contest_id for c in self.contests)
        raise AdjudicationError(
            f"item {self.id[:12]}: contest {contest_id[:60]!r} is not in question. Asked: {asked}"
        )

    def sha256(self) -> str:
        """What a decision names, so that it stands for this content and no other."""
        return hashlib.sha256(rfc8785.dumps(self.model_dump(mode="json"))).hexdigest()


class Queue(_Model):
    """All items of a batch, with the definition and the rules that they were read under."""

    format: Literal["ballotbench-queue/1"] = FORMAT
    election_hash: Sha256
    election: Election
    profile: Profile
    items: tuple[QueueItem, ...]

    def item(self, prefix: str) -> QueueItem:
        """The item whose id begins with `prefix` (at least four characters of it).

        Raises:
            AdjudicationError: no item, or more than one, begins so.
        """
        found = [item for item in self.items if item.id.startswith(prefix)]
        if len(prefix) < 4 or len(found) != 1:
            what = "no item" if not found else "more than one item"
            if len(prefix) < 4:
                what = "give at least four characters: no one item"
            raise AdjudicationError(f"{what} begins with {prefix[:40]!r}. Take an id from the list")
        return found[0]

    def genesis(self) -> str:
        """What the first line of a ledger follows: this election under these rules."""
        words = f"ballotbench-decisions/1\n{self.election_hash}\n{self.profile.canonical_hash()}\n"
        return hashlib.sha256(words.encode()).hexdigest()

    def to_json(self) -> str:
        """The text of `queue.json`."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Queue:
        """The queue that `to_json` gave.

        Raises:
            AdjudicationError: not a queue; names the field.
        """
        try:
            queue = cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the file"
            raise AdjudicationError(
                f"queue.json: {field}: {first['msg']}. Read the scans again"
            ) from error
        _check(queue)
        return queue


def _check(queue: Queue) -> None:
    if queue.election.hash != queue.election_hash:
        raise AdjudicationError(
            "queue.json: the definition in it is not the one named by its hash. Read again"
        )
    ids = [item.id for item in queue.items]
    if len(set(ids)) < len(ids):
        raise AdjudicationError("queue.json: one item occurs twice. Read the scans again")
    for item in queue.items:
        names = [c.contest_id for c in item.contests]
        if (
            item.record.record_id != item.id
            or item.record.election_hash != queue.election_hash
            or len(set(names)) < len(names)
            or not set(names) <= {c.contest_id for c in item.record.contests}
        ):
            raise AdjudicationError(
                f"queue.json: item {item.id[:12]} does not fit its record. Read the scans again"
            )


def make_queue(election: Election, profile: Profile, items: Iterable[QueueItem]) -> Queue:
    """The queue of these items, in order of their ids."""
    return Queue(
        election_hash=election.hash,
        election=election,
        profile=profile,
        items=tuple(sorted(items, key=lambda item: item.id)),
    )


def item_of(
    record: CastVoteRecord,
    flags: Sequence[Flag],
    pages: Sequence[PageReading],
    sources: Sequence[tuple[str, int]],
    profile: Profile,
) -> QueueItem | None:
    """The queue item of a sheet, without crops; None where nobody needs to look.

    Args:
        record: the sheet's record.
        flags: those of its interpretation.
        pages: the readings of its sides.
        sources: file name and page number there, one for each of `pages`.
        profile: whose rules the sheet was read under.
    """
    asking = [flag for flag in flags if flag.kind not in NOTE_KINDS]
    whole_sheet = [flag for flag in asking if flag.contest_id is None]
    contests = []
    for reading in record.contests:
        evidence = tuple(_evidence(pages, reading.contest_id, profile))
        own = [flag for flag in asking if flag.contest_id == reading.contest_id]
        must = tuple(_musts(reading, [*own, *whole_sheet]))
        look = tuple(_looks(reading, evidence, profile))
        if must or look:
            contests.append((reading, bool(must), (*must, *look), evidence))
    if record.needs_review and not any(must for _, must, _, _ in contests):
        # Never lose a sheet that is set aside, whatever for.
        seen = {reading.contest_id: reasons for reading, _, reasons, _ in contests}
        held = Reason(kind=HELD, detail="the sheet was set aside")
        contests = [
            (
                reading,
                True,
                (held, *seen.get(reading.contest_id, ())),
                tuple(_evidence(pages, reading.contest_id, profile)),
            )
            for reading in record.contests
        ]
    if not contests:
        return None
    return QueueItem(
        id=record.record_id,
        record=record,
        pages=tuple(
            ItemPage(file=file, page=number, side=page.layout.side)
            for page, (file, number) in zip(pages, sources, strict=True)
        ),
        contests=tuple(
            ItemContest(
                contest_id=reading.contest_id, must_decide=must, reasons=reasons, targets=evidence
            )
            for reading, must, reasons, evidence in contests
        ),
    )


def _evidence(
    pages: Sequence[PageReading], contest_id: str, profile: Profile
) -> Iterator[TargetEvidence]:
    for page in pages:
        for i, target in enumerate(page.layout.targets):
            if target.contest_id != contest_id:
                continue
            area = float(page.write_in_scores[i])
            yield TargetEvidence(
                option_id=target.option_id,
                mark=page.classes[i],
                score=round(float(page.scores[i]), 4),
                written=None if math.isnan(area) else area >= profile.marks.write_in,
                write_in_score=None if math.isnan(area) else round(area, 4),
            )


def _musts(reading: ContestReading, flags: Iterable[Flag]) -> Iterator[Reason]:
    """What `interpret` sets a sheet aside for."""
    for option_id in reading.marginal:
        yield Reason(
            kind=MARGINAL_MARK, detail="neither clearly marked nor clearly not", option_id=option_id
        )
    known = bool(reading.marginal)
    for flag in flags:
        known = True
        yield Reason(kind=flag.kind, detail=flag.detail, option_id=flag.option_id)
    if reading.status is ContestStatus.NEEDS_REVIEW and not known:
        yield Reason(kind=HELD, detail="its votes wait for another contest of the sheet")


def _looks(
    reading: ContestReading, targets: Iterable[TargetEvidence], profile: Profile
) -> Iterator[Reason]:
    """What the profile has people look at though it is clear."""
    wanted = profile.adjudication.review
    one_mark = profile.marks.rule == "exactly_one"
    if OVERVOTE in wanted and reading.status is ContestStatus.OVERVOTE:
        yield Reason(kind=OVERVOTE, detail=f"{len(reading.marked)} options are marked")
    if (
        INVALID in wanted
        and one_mark
        and reading.status is not ContestStatus.NEEDS_REVIEW
        and len(reading.marked) != 1
    ):
        marks = len(reading.marked) or "no"
        yield Reason(kind=INVALID, detail=f"{marks} options are marked, so the ballot is invalid")
    if WRITE_IN_TO_RESOLVE in wanted:
        for target in targets:
            if not target.option_id.startswith(WRITE_IN_PREFIX):
                continue
            if target.mark is MarkClass.MARK:
                detail = "a write-in line is marked" + (
                    "" if target.written else ", with little or nothing in it"
                )
            elif target.written:
                detail = "something is written in"
            else:
                continue
            yield Reason(kind=WRITE_IN_TO_RESOLVE, detail=detail, option_id=target.option_id)
