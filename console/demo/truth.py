"""What the plan should come to: the true electronic figures and the hand count.

Written without the device's own counting, so that the two can be held against each
other. Rules as in the profiles: one mark a contest or an invalid ballot; or up to n.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from console.demo.plan import Plan, PlannedSheet
from election.model import Election
from election.profile import Profile
from scanner.reading import MarkClass
from scanner.synthesis import MarkKind
from tally.figures import ContestFigures, PrecinctTotals
from tally.paper import INVALID, contests_in
from tally.totals import empty_contest

Figures = dict[str, dict[str, ContestFigures]]
TRUTH_FORMAT = "ballotbench-demo-truth/1"


def true_figures(plan: Plan, election: Election, profile: Profile) -> Figures:
    """What the devices should count, by precinct and contest: sheets that wait for a person
    are in `needs_review`, sheets to be refused in nothing."""
    figures: Figures = {
        precinct: {c.id: empty_contest(c) for c in contests_in(election, precinct)}
        for precinct in plan.precincts
    }
    for sheet in plan.sheets:
        if sheet.counted:
            _add(figures[sheet.precinct_id], sheet, election, profile)
    return figures


def _add(
    rows: dict[str, ContestFigures], sheet: PlannedSheet, election: Election, profile: Profile
) -> None:
    one_mark = profile.marks.rule == "exactly_one"
    marked: dict[str, list[str]] = {contest_id: [] for contest_id, _ in sheet.meant}
    waiting = set()
    for mark in sheet.marks:
        if mark.truth is MarkClass.MARK:
            marked[mark.contest_id].append(mark.option_id)
        elif mark.truth is MarkClass.MARGINAL or mark.kind is MarkKind.WRITE_IN:
            waiting.add(mark.contest_id)
    # Where one contest too many marked voids the paper, its other contests wait with it.
    void = one_mark and any(len(options) != 1 for options in marked.values())
    for contest_id, options in marked.items():
        row = rows[contest_id]
        allowed = election.contest(contest_id).votes_allowed
        row["ballots"] += 1
        if contest_id in waiting or (one_mark and waiting):
            row["needs_review"] += 1
        elif void:
            row["invalid"] += 1
        elif len(options) > allowed:
            row["overvotes"] += allowed
        else:
            row["undervotes"] += allowed - len(options)
            row["blank"] += not options
            for option in options:
                row["votes"][option] += 1


def differences(
    true: Figures, counted: Mapping[str, PrecinctTotals]
) -> list[tuple[str, str, str, int, int]]:
    """(precinct, contest, figure, true, counted) wherever the devices counted otherwise."""
    found = []
    for precinct, rows in true.items():
        seen = counted[precinct]["contests"]
        for contest_id, row in rows.items():
            for name, want, got in _pairs(row, seen[contest_id]):
                if want != got:
                    found.append((precinct, contest_id, name, want, got))
    return found


def _pairs(want: ContestFigures, got: ContestFigures) -> list[tuple[str, int, int]]:
    names = ("ballots", "overvotes", "undervotes", "blank", "invalid", "needs_review")
    pairs = [(name, want[name], got[name]) for name in names]  # type: ignore[literal-required]
    options = dict.fromkeys((*want["votes"], *got["votes"]))
    return pairs + [(o, want["votes"].get(o, 0), got["votes"].get(o, 0)) for o in options]


def hand_count_csv(plan: Plan, election: Election, profile: Profile) -> str:
    """The hand count as the commissions would type it, with the planted slip in it.

    People look at every paper in the box and count what the voter meant.
    """
    votes: dict[tuple[str, str, str], int] = defaultdict(int)
    one_mark = profile.marks.rule == "exactly_one"
    for sheet in plan.sheets:
        if not sheet.counted:
            continue
        void = one_mark and any(len(options) != 1 for _, options in sheet.meant)
        for contest_id, options in sheet.meant:
            if void:
                votes[sheet.precinct_id, contest_id, INVALID] += 1
            elif len(options) <= election.contest(contest_id).votes_allowed:
                for option in options:
                    votes[sheet.precinct_id, contest_id, option] += 1
    planted = plan.planted
    votes[planted.precinct_id, planted.contest_id, planted.option_id] -= planted.size
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("precinct", "contest", "option", "votes"))
    for precinct in plan.precincts:
        for contest in contests_in(election, precinct):
            rows = (*contest.option_ids(), *((INVALID,) if one_mark else ()))
            for option in rows:
                writer.writerow((precinct, contest.id, option, votes[precinct, contest.id, option]))
    return sink.getvalue()


def truth_document(plan: Plan, true: Figures) -> dict[str, Any]:
    """The whole plan as JSON: each sheet's marks and meaning, and what they sum up to."""
    planted = plan.planted
    return {
        "format": TRUTH_FORMAT,
        "seed": plan.seed,
        "planted": {
            "precinct": planted.precinct_id,
            "contest": planted.contest_id,
            "option": planted.option_id,
            "size": planted.size,
        },
        "figures": true,
        "sheets": [
            {
                "precinct": sheet.precinct_id,
                "style": sheet.style_id,
                "name": sheet.name,
                "story": sheet.story.value,
                "marks": [
                    {
                        "contest": mark.contest_id,
                        "option": mark.option_id,
                        "kind": mark.kind.value,
                        "class": mark.truth.value,
                    }
                    for mark in sheet.marks
                ],
                "meant": {contest: list(options) for contest, options in sheet.meant},
            }
            for sheet in plan.sheets
        ],
    }
