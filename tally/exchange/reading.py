"""One contest of another system's record as a `ContestReading`, by the rule of the contest.

Where the other system says what counts, that is taken, and must be possible: no more votes
than a voter has, none for an option without a mark. Where it says only what is marked, the
contest's own rule is applied, as at the scanner: more marks than votes are an overvote.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from election.model import Contest
from scanner.interpretation import MORE_THAN_ONE_MARK, NO_MARK
from scanner.reading import ContestReading, ContestStatus
from tally.exchange.findings import Finding

_OURS: Final = re.compile(r"[0-9a-f]{32}")


def record_id_of(key: str) -> str:
    """The id of a record: the other system's where it has our form, else a digest of it."""
    if _OURS.fullmatch(key):
        return key
    return hashlib.sha256(f"ballotbench-import:{key}".encode()).hexdigest()[:32]


def void_ground(readings: Iterable[ContestReading]) -> str | None:
    """Where the law wants exactly one mark: the ground on which these void the ballot."""
    states = [reading.status for reading in readings]
    if ContestStatus.OVERVOTE in states:
        return MORE_THAN_ONE_MARK
    return NO_MARK if ContestStatus.BLANK in states else None


def overvoted(contest: Contest) -> ContestReading:
    """The reading where only that is known: more marks than votes, but not which."""
    return ContestReading(contest.id, (), (), (), ContestStatus.OVERVOTE, 0, contest.votes_allowed)


class ReadingError(ValueError):
    """What a record says of a contest cannot be; (field, what, advice) as its arguments."""

    def __init__(self, field: str, what: str, advice: str) -> None:
        super().__init__(field, what, advice)
        self.field, self.what, self.advice = field, what, advice
        self.precinct: str | None = None

    def finding(self, file: str, place: str) -> Finding:
        """As the finding on the record at `place` in `file`."""
        return Finding(file, place, self.field, self.what, self.advice, "record", self.precinct)


@contextmanager
def in_precinct(precinct: str) -> Iterator[None]:
    """What goes wrong inside says whose record it is."""
    try:
        yield
    except ReadingError as error:
        error.precinct = precinct
        raise


def contest_reading(
    contest: Contest,
    *,
    marked: Collection[str],
    marginal: Collection[str] = (),
    votes: Collection[str] | None = None,
    review: bool = False,
) -> ContestReading:
    """The reading of a contest; option ids are ours, in any order.

    Args:
        marked: options that are clearly marked.
        marginal: options with a mark of which it is open whether it is one.
        votes: options that count, None where only the marks are known.
        review: a person must still look at this contest: nothing of it counts yet.

    Raises:
        ReadingError: more votes than a voter has.
    """
    printed = [o for o in contest.option_ids() if o in marked]
    open_ = tuple(o for o in contest.option_ids() if o in marginal and o not in marked)
    allowed = contest.votes_allowed
    if review:
        return ContestReading(
            contest.id, tuple(printed), open_, (), ContestStatus.NEEDS_REVIEW, 0, 0
        )
    if votes is None:
        votes = printed if len(printed) <= allowed else ()
    count = [o for o in contest.option_ids() if o in votes]
    if len(count) > allowed:
        raise ReadingError(
            contest.id,
            f"has {len(count)} votes, a voter has {allowed}",
            "Ask who made the records; the record is not counted",
        )
    if len(printed) > allowed and not count:
        return ContestReading(
            contest.id, tuple(printed), open_, (), ContestStatus.OVERVOTE, 0, allowed
        )
    under = allowed - len(count)
    if under == allowed and not printed and not open_:
        status = ContestStatus.BLANK
    else:
        status = ContestStatus.UNDERVOTE if under else ContestStatus.VALID
    return ContestReading(contest.id, tuple(printed), open_, tuple(count), status, under, 0)
