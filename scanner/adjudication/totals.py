"""Votes of a report's current snapshots added up, adjudicated ones among them.

Rules (those of the count of a precinct, on the report's own words):

1. Each CVR is counted once, by the snapshot that `CurrentSnapshotId` names.
2. A contest is set aside if it needs adjudication; if what needs it names no contest, or the
   whole ballot's validity waits, all contests of the sheet are. An invalid ballot's contests
   are counted as invalid. All others add their `TotalNumberVotes`, undervotes and overvotes.
3. A write-in that has a name is counted under the name too, in either case of its letters.

So for each contest: sum(votes) + undervotes + overvotes =
votes allowed × (ballots - invalid - set_aside).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scanner.adjudication.errors import AdjudicationError


@dataclass(slots=True)
class ContestSum:
    """Sums of one contest. `votes` by option id; `names` the write-ins' votes by name
    (case-folded), `spellings` how a name is shown."""

    ballots: int = 0
    votes: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    spellings: dict[str, str] = field(default_factory=dict)
    undervotes: int = 0
    overvotes: int = 0
    invalid: int = 0
    set_aside: int = 0

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {
            "ballots": self.ballots,
            "votes": dict(sorted(self.votes.items())),
            "write_in_names": {self.spellings[key]: n for key, n in sorted(self.names.items())},
            "undervotes": self.undervotes,
            "overvotes": self.overvotes,
            "invalid": self.invalid,
            "set_aside": self.set_aside,
        }


@dataclass(slots=True)
class VoteSums:
    """Sums of a report; `set_aside` sheets still wait for people (wholly or in a contest)."""

    sheets: int = 0
    adjudicated: int = 0
    set_aside: int = 0
    invalid: int = 0
    contests: dict[str, ContestSum] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {
            "sheets": self.sheets,
            "adjudicated": self.adjudicated,
            "set_aside": self.set_aside,
            "invalid": self.invalid,
            "contests": {key: c.to_json() for key, c in sorted(self.contests.items())},
        }


def sum_votes(report: Mapping[str, Any]) -> VoteSums:
    """Add up a `CVR.CastVoteRecordReport` that Ballotbench wrote.

    Raises:
        AdjudicationError: a record has no current snapshot, or one id occurs twice.
    """
    sums = VoteSums()
    seen: set[str] = set()
    for election in report.get("Election", ()):
        for contest in election.get("Contest", ()):
            row = sums.contests.setdefault(_local(contest["@id"]), ContestSum())
            # A name that nobody chose is listed too, with zero.
            for selection in contest.get("ContestSelection", ()):
                row.votes[_local(selection["@id"])] = 0
    for cvr in report.get("CVR", ()):
        record_id = cvr.get("UniqueId", "")
        if record_id in seen:
            raise AdjudicationError(f"record {record_id} occurs twice in the report")
        seen.add(record_id)
        _add(sums, _current(cvr))
    return sums


def _current(cvr: Mapping[str, Any]) -> Mapping[str, Any]:
    named = [s for s in cvr["CVRSnapshot"] if s["@id"] == cvr["CurrentSnapshotId"]]
    if len(named) != 1:
        raise AdjudicationError(
            f"record {cvr.get('UniqueId')}: no one snapshot is {cvr['CurrentSnapshotId']!r}"
        )
    snapshot: Mapping[str, Any] = named[0]
    return snapshot


def _add(sums: VoteSums, snapshot: Mapping[str, Any]) -> None:
    status = snapshot.get("Status", ())
    waits = "needs-adjudication" in status
    invalid = "other" in status
    sums.sheets += 1
    sums.adjudicated += snapshot["Type"] == "interpreted"
    sums.set_aside += waits
    sums.invalid += invalid and not waits
    contests = snapshot.get("CVRContest", ())
    named = any(_waits(c) or _doubtful(c) for c in contests)
    for contest in contests:
        row = sums.contests.setdefault(_local(contest["ContestId"]), ContestSum())
        row.ballots += 1
        if waits and (invalid or not named or _waits(contest)):
            row.set_aside += 1
        elif invalid:
            row.invalid += 1
        else:
            _count(row, contest)


def _count(row: ContestSum, contest: Mapping[str, Any]) -> None:
    row.undervotes += contest["Undervotes"]
    row.overvotes += contest["Overvotes"]
    for selection in contest.get("CVRContestSelection", ()):
        votes = selection["TotalNumberVotes"]
        row.votes[_local(selection["ContestSelectionId"])] += votes
        for position in selection["SelectionPosition"]:
            if votes and (name := position.get("CVRWriteIn", {}).get("Text")):
                key = name.casefold()
                row.names[key] += votes
                # One spelling whatever the order of the records.
                row.spellings[key] = max(name, row.spellings.get(key, name))


def _waits(contest: Mapping[str, Any]) -> bool:
    return "other" in contest.get("Status", ())


def _doubtful(contest: Mapping[str, Any]) -> bool:
    """A mark that is not clear, in a contest that does not wait for it."""
    return any(
        position["HasIndication"] == "unknown" and position.get("Status") != ["adjudicated"]
        for selection in contest.get("CVRContestSelection", ())
        for position in selection["SelectionPosition"]
    )


def _local(identifier: str) -> str:
    return identifier.rsplit("/", 1)[1]
