"""How settled verdicts change a record: a new record beside the machine's own.

Contests that people settled have their votes; all others keep the machine's reading. Under
`exactly_one` the whole ballot is then judged anew by the rule of `scanner.interpretation`:
one contest without exactly one vote voids it; while a contest is pending, votes wait.
Votes lost are counted as there (NIST SP 1500-103).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from election.model import Contest, Election
from election.profile import Profile
from scanner.adjudication.proceedings import ContestState
from scanner.adjudication.queue import QueueItem
from scanner.adjudication.verdict import Verdict
from scanner.interpretation import MORE_THAN_ONE_MARK, NO_MARK
from scanner.reading import ContestReading, ContestStatus
from scanner.record import CastVoteRecord


@dataclass(frozen=True, slots=True)
class AdjudicatedRecord:
    """`record` is what counts now; `original` the machine's, unchanged; `settled` the
    contests that people settled."""

    original: CastVoteRecord
    record: CastVoteRecord
    settled: Mapping[str, ContestState]


def adjudicated_record(
    item: QueueItem, settled: Mapping[str, ContestState], election: Election, profile: Profile
) -> AdjudicatedRecord:
    """The record of an item with what was settled on it (`Proceedings.settled`).

    It still needs review while a contest that must be decided is not settled.
    """
    original = item.record
    if not settled:
        return AdjudicatedRecord(original, original, settled)
    exactly_one = profile.marks.rule == "exactly_one"
    must = {c.contest_id for c in item.contests if c.must_decide} - settled.keys()
    readings = []
    grounds = []
    for reading in original.contests:
        contest = election.contest(reading.contest_id)
        state = settled.get(reading.contest_id)
        if state is not None and state.verdict is not None:
            allowed = 1 if exactly_one else contest.votes_allowed
            readings.append(_decided(reading, state.verdict, contest, allowed))
            grounds.append(state.verdict.ground)
        else:
            fresh, ground = _undecided(reading) if exactly_one else (reading, None)
            readings.append(fresh)
            grounds.append(ground)
    # Too many marks is named before none, as in the machine's own reading.
    stated = [ground for ground in grounds if ground is not None]
    ground = MORE_THAN_ONE_MARK if MORE_THAN_ONE_MARK in stated else next(iter(stated), None)
    if ground is not None:
        readings = [replace(reading, votes=()) for reading in readings]
    elif exactly_one and any(r.status is ContestStatus.NEEDS_REVIEW for r in readings):
        readings = [
            replace(r, votes=(), status=ContestStatus.NEEDS_REVIEW, undervotes=0, overvotes=0)
            for r in readings
        ]
    held = any(reading.status is ContestStatus.NEEDS_REVIEW for reading in readings)
    record = replace(
        original,
        valid=ground is None,
        invalid_ground=ground,
        needs_review=bool(must) or held,
        contests=tuple(readings),
    )
    return AdjudicatedRecord(original, record, settled)


def _decided(
    reading: ContestReading, verdict: Verdict, contest: Contest, allowed: int
) -> ContestReading:
    """A contest as people settled it; nothing in it is marginal any more."""
    done = replace(reading, marginal=(), votes=verdict.votes)
    if verdict.kind == "overvote" or verdict.ground == MORE_THAN_ONE_MARK:
        return replace(
            done, votes=(), status=ContestStatus.OVERVOTE, undervotes=0, overvotes=allowed
        )
    lost = allowed - len(verdict.votes)
    status = ContestStatus.VALID
    if lost:
        status = ContestStatus.UNDERVOTE if verdict.votes else ContestStatus.BLANK
    return replace(done, status=status, undervotes=lost, overvotes=0)


def _undecided(reading: ContestReading) -> tuple[ContestReading, str | None]:
    """The machine's own reading of a contest by itself, where one of another contest had
    taken its votes (`exactly_one`), and the ground it gives."""
    if reading.status is ContestStatus.NEEDS_REVIEW:
        return reading, None
    if len(reading.marked) > 1:
        return reading, MORE_THAN_ONE_MARK
    if not reading.marked:
        return reading, NO_MARK
    return replace(reading, votes=reading.marked), None
