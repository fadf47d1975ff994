"""What a deck must come to: each target's class, each contest's votes, the totals.

Counted from the plan alone by the profile's rule, in a few lines that do not share code
with `scanner.interpretation`, so that one can convict the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from election.model import Contest, Election
from election.profile import Profile
from scanner.decks.model import DeckMark, DeckPlan, Part, PlannedSheet
from scanner.reading import MarkClass
from scanner.synthesis import MarkKind

#: A contest's expected outcome; "open" where it is a matter of the threshold or a person's.
VOTED, OVERVOTED, BLANK, OPEN = "voted", "overvoted", "blank", "open"


@dataclass(frozen=True, slots=True)
class TargetTruth:
    """What stands at one target: the mark (None: nothing), a name beside it, and the class."""

    mark: DeckMark | None
    name_written: bool
    expected: MarkClass
    clear: bool


@dataclass(frozen=True, slots=True)
class ContestTruth:
    """What one contest on one sheet must come to; `votes` only where the outcome is VOTED."""

    contest_id: str
    outcome: str
    votes: tuple[str, ...]


def target_truth(sheet: PlannedSheet, contest_id: str, option_id: str) -> TargetTruth:
    """The truth of one target; several targets of one option share it."""
    mine = [m for m in sheet.marks if (m.contest_id, m.option_id) == (contest_id, option_id)]
    names = [m for m in mine if m.kind == MarkKind.WRITE_IN.value]
    marks = [m for m in mine if m.kind != MarkKind.WRITE_IN.value]
    mark = marks[0] if marks else None
    if mark is None:
        return TargetTruth(None, bool(names), MarkClass.NO_MARK, True)
    return TargetTruth(mark, bool(names), mark.expected, mark.clear)


def contest_truths(
    sheet: PlannedSheet, contests: Iterable[Contest], profile: Profile
) -> tuple[ContestTruth, ...]:
    """What each contest of a sheet must come to under the profile's rule."""
    one_mark = profile.marks.rule == "exactly_one"
    found = []
    for contest in contests:
        truths = {o: target_truth(sheet, contest.id, o) for o in contest.option_ids()}
        votes = tuple(o for o, t in truths.items() if t.expected is MarkClass.MARK)
        most = 1 if one_mark else contest.votes_allowed
        unsure = any(not t.clear or t.expected is MarkClass.MARGINAL for t in truths.values())
        # A name beside an empty target is a person's to judge while votes are left.
        names = any(t.name_written and t.expected is MarkClass.NO_MARK for t in truths.values())
        if unsure or (names and len(votes) < most):
            found.append(ContestTruth(contest.id, OPEN, ()))
        elif len(votes) > most:
            found.append(ContestTruth(contest.id, OVERVOTED, ()))
        else:
            found.append(ContestTruth(contest.id, VOTED if votes else BLANK, votes))
    return tuple(found)


def expected_totals(
    plan: DeckPlan, election: Election, profile: Profile, part: Part
) -> Mapping[str, Mapping[str, int]]:
    """Votes by contest and option (write-in lines too) of one part of the deck."""
    totals = {
        c.id: dict.fromkeys(c.option_ids(), 0)
        for c in election.contests
        if any(c.id in s.contests for s in election.ballot_styles)
    }
    for sheet in plan.sheets:
        if sheet.part is not part or sheet.fault is not None:
            continue
        for truth in contest_truths(sheet, election.style_contests(sheet.style_id), profile):
            for option in truth.votes:
                totals[truth.contest_id][option] += 1
    return totals
