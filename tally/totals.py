"""Adding up verified packages: by precinct, district, contest and option. Integers only.

The result does not depend on the order of the packages. What is missing is said, not
filled in: precincts without a package are listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from election.model import WRITE_IN_PREFIX, Contest, Election
from election.profile import Profile, SeatRules
from tally.figures import ContestFigures, PrecinctTotals, StyleFigures
from tally.lots import Lot
from tally.majority import MajorityRule, first_round
from tally.paper import contests_in
from tally.seats import (
    METHODS,
    ListMethod,
    ListSeats,
    Winners,
    allot_list_seats,
    first_past_the_post,
    parse_percent,
)
from tally.ties import TieBreaker
from tally.verification import VerifiedPackage


@dataclass(frozen=True, slots=True)
class ElectionTotals:
    """All sums.

    `contests` over all precincts in hand; `by_precinct` and `by_district` hold the same by
    precinct and district id, then contest id. `missing` are precincts without a package.
    """

    contests: dict[str, ContestFigures]
    styles: dict[str, StyleFigures]
    by_precinct: dict[str, dict[str, ContestFigures]]
    by_district: dict[str, dict[str, ContestFigures]]
    missing: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "contests": self.contests,
            "styles": self.styles,
            "by_precinct": self.by_precinct,
            "by_district": self.by_district,
            "missing_precincts": list(self.missing),
        }


def empty_contest(contest: Contest) -> ContestFigures:
    """Zeros for every option, so that nothing is left out of a table."""
    return ContestFigures(
        ballots=0,
        votes=dict.fromkeys(contest.option_ids(), 0),
        overvotes=0,
        undervotes=0,
        blank=0,
        invalid=0,
        needs_review=0,
    )


def _add_contest(into: ContestFigures, more: ContestFigures) -> None:
    into["ballots"] += more["ballots"]
    into["overvotes"] += more["overvotes"]
    into["undervotes"] += more["undervotes"]
    into["blank"] += more["blank"]
    into["invalid"] += more["invalid"]
    into["needs_review"] += more["needs_review"]
    for option, votes in more["votes"].items():
        into["votes"][option] = into["votes"].get(option, 0) + votes


def _add_style(into: StyleFigures, more: StyleFigures) -> None:
    into["sheets"] += more["sheets"]
    into["valid"] += more["valid"]
    into["invalid"] += more["invalid"]
    into["needs_review"] += more["needs_review"]
    for ground, number in more["invalid_grounds"].items():
        into["invalid_grounds"][ground] = into["invalid_grounds"].get(ground, 0) + number


def add_up(packages: Iterable[VerifiedPackage], election: Election) -> ElectionTotals:
    """Sum verified packages (one a precinct, as `verify_packages` gives them)."""
    return add_totals((package.totals for package in packages), election)


def add_totals(figures: Iterable[PrecinctTotals], election: Election) -> ElectionTotals:
    """Sum precincts' totals; the order does not matter."""
    contests = {c.id: empty_contest(c) for c in election.contests}
    styles = {
        s.id: StyleFigures(sheets=0, valid=0, invalid=0, needs_review=0, invalid_grounds={})
        for s in election.ballot_styles
    }
    by_precinct: dict[str, dict[str, ContestFigures]] = {}
    by_district: dict[str, dict[str, ContestFigures]] = {}
    for totals in sorted(figures, key=lambda t: t["precinct_id"]):
        precinct = election.precinct(totals["precinct_id"])
        mine = by_precinct.setdefault(
            precinct.id, {c.id: empty_contest(c) for c in contests_in(election, precinct.id)}
        )
        for contest_id, more in totals["contests"].items():
            contest = election.contest(contest_id)
            _add_contest(contests[contest_id], more)
            _add_contest(mine.setdefault(contest_id, empty_contest(contest)), more)
            for district in precinct.districts:
                place = by_district.setdefault(district, {})
                _add_contest(place.setdefault(contest_id, empty_contest(contest)), more)
        for style_id, sheets in totals["styles"].items():
            _add_style(styles[style_id], sheets)
    missing = tuple(sorted(p.id for p in election.precincts if p.id not in by_precinct))
    return ElectionTotals(contests, styles, by_precinct, by_district, missing)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who is elected by the totals in hand; preliminary while precincts are missing.

    `lists` by party-list contest, `winners` by candidate contest; `notes` in plain words.
    """

    lists: dict[str, ListSeats]
    winners: dict[str, Winners]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "lists": {c: seats.as_json() for c, seats in self.lists.items()},
            "winners": {c: w.as_json() for c, w in self.winners.items()},
            "notes": list(self.notes),
        }


def outcome(
    totals: ElectionTotals, election: Election, profile: Profile, *, lot: Lot | None = None
) -> Outcome:
    """Seats and winners by the profile's seat rules (SEED-07, NVT-18).

    "Against all" is a vote of those who voted but takes no seat. `lot` settles ties where
    the rule is a lot and it has been drawn.
    """
    lists: dict[str, ListSeats] = {}
    winners: dict[str, Winners] = {}
    notes: list[str] = []
    if totals.missing:
        absent = len(totals.missing)
        where = "1 precinct has" if absent == 1 else f"{absent} precincts have"
        notes.append(f"preliminary: {where} no counted package")
    for contest in election.contests:
        figures = totals.contests[contest.id]
        votes = _candidates(contest, figures["votes"])
        order = {o.id: o.registration_order for o in contest.options if o.registration_order}
        if aside := figures["needs_review"]:
            sheets = "1 sheet is" if aside == 1 else f"{aside} sheets are"
            notes.append(f"{contest.id}: {sheets} set aside for a person and not in these votes")
        if contest.kind == "party_list" and profile.seats.method in METHODS:
            cast_for_lists = sum(votes.values())
            lists[contest.id] = allot_list_seats(
                votes,
                voted=cast_for_lists
                if profile.seats.threshold_of == "list_votes"
                else max(figures["ballots"], cast_for_lists),
                method=cast(ListMethod, profile.seats.method),
                lot=lot,
                seats=contest.seats if contest.seats > 1 else profile.seats.list_seats,
                threshold_percent=profile.seats.threshold_percent,
                registration_order=order,
                tie=profile.seats.tie,
            )
        elif contest.kind == "candidate":
            winners[contest.id] = _won(contest, figures, votes, profile.seats, order, lot)
            if going := winners[contest.id].second_round:
                notes.append(f"{contest.id}: second round between {' and '.join(going)}")
            if contest.write_ins:
                notes.append(f"{contest.id}: names written in are not compared with candidates")
    return Outcome(lists, winners, tuple(notes))


def _won(
    contest: Contest,
    figures: ContestFigures,
    votes: Mapping[str, int],
    rules: SeatRules,
    order: Mapping[str, int],
    lot: Lot | None,
) -> Winners:
    if rules.candidates == "two_round" and contest.seats == 1:
        found = first_round(
            votes,
            base=max(figures["ballots"], sum(votes.values())),
            rule=MajorityRule(share=parse_percent(rules.majority_percent)),
            breaker=TieBreaker(rules.tie, order, lot),
        )
        won = () if found.elected is None else (found.elected,)
        return Winners(won, found.tie, found.second_round)
    return first_past_the_post(
        votes, seats=contest.seats, registration_order=order, tie=rules.tie, lot=lot
    )


def _candidates(contest: Contest, votes: Mapping[str, int]) -> dict[str, int]:
    against = {o.id for o in contest.options if o.kind == "against_all"}
    return {
        option: number
        for option, number in votes.items()
        if option not in against and not option.startswith(WRITE_IN_PREFIX)
    }
