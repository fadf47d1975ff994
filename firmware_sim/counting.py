"""Records to totals: one pure function, used by the device and again by the tally.

Rules of the count:

1. A sheet is in exactly one class: *needs_review* if a person must still look, else
   *invalid* if the profile voids the whole ballot, else *valid*. The three sum to the sheets.
2. In each contest a sheet is *needs_review*, *invalid* or counted. It is needs_review if
   its contest is, if the whole ballot's validity waits on the review, or if what a person
   must see names no contest (then it may concern any of them).
3. Of a counted sheet every vote is one; votes lost to overvoting and undervoting are
   counted as votes (NIST SP 1500-103), so that for every contest
   `sum(votes) + overvotes + undervotes = votes_allowed x (ballots - invalid - needs_review)`.
4. Every printed option and write-in line is listed, with zero if nobody chose it.
5. Records of a polling place with several precincts (`election.places`) are counted precinct by
   precinct, each by the precinct that it names, and then summed.

Sources: NVT-06, NVT-18, SEED-12; the control ratios of `election/profiles/*.toml`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from election.model import Contest, Election
from election.places import is_one_precinct, precincts_in, say_place
from firmware_sim.errors import CountError
from firmware_sim.place_figures import joined_totals
from scanner.cvr import CastVoteRecord
from scanner.reading import ContestReading, ContestStatus

TOTALS_FORMAT = "ballotbench-totals/1"


def count_records(
    election: Election, records: Iterable[CastVoteRecord], precinct_id: str
) -> dict[str, Any]:
    """Count records into the content of `totals.json` (`schemas/totals.schema.json`).

    Only one record is held at a time; their order does not matter. Ballot styles and
    contests listed are those of the precinct, also where nobody voted. `precinct_id` may be
    a place of several precincts.

    Raises:
        CountError: a record of another election, precinct or style, or one whose contests
            or options are not those of its style.
    """
    parts = {each: empty_totals(election, each) for each in precincts_in(precinct_id)}
    for record in records:
        precinct = _precinct_of(record, precinct_id)
        _check(election, record, precinct)
        totals = parts[precinct]
        totals["sheets"] += 1
        _count_sheet(totals["styles"][record.ballot_style_id], record)
        named = any(_names_doubt(contest) for contest in record.contests)
        for contest in record.contests:
            row = totals["contests"][contest.contest_id]
            row["ballots"] += 1
            if record.needs_review and (
                not record.valid or not named or contest.status is ContestStatus.NEEDS_REVIEW
            ):
                row["needs_review"] += 1
            elif not record.valid:
                row["invalid"] += 1
            else:
                _count_contest(row, contest)
    return joined_totals(precinct_id, parts)


def empty_totals(election: Election, precinct_id: str) -> dict[str, Any]:
    """`totals.json` of one precinct before the first sheet."""
    styles = [style.id for style in election.precinct_styles(precinct_id)]
    return {
        "format": TOTALS_FORMAT,
        "election_hash": election.hash,
        "precinct_id": precinct_id,
        "sheets": 0,
        "styles": {style_id: _empty_style() for style_id in styles},
        "contests": {
            contest.id: _empty_contest(contest)
            for style_id in styles
            for contest in election.style_contests(style_id)
        },
    }


def _precinct_of(record: CastVoteRecord, place: str) -> str:
    """Which precinct's sheet it is; at a place of several the record itself must say so."""
    if is_one_precinct(place):
        return place
    if record.precinct_id not in precincts_in(place):
        raise CountError(
            f"record {record.record_id}: "
            + (
                "names no precinct"
                if record.precinct_id is None
                else f"belongs to precinct {record.precinct_id}"
            )
            + f"; the device counts for {say_place(place)}"
        )
    return record.precinct_id


def _empty_style() -> dict[str, Any]:
    return {"sheets": 0, "valid": 0, "invalid": 0, "needs_review": 0, "invalid_grounds": {}}


def _empty_contest(contest: Contest) -> dict[str, Any]:
    figures = ("ballots", "overvotes", "undervotes", "blank", "invalid", "needs_review")
    return {"votes": dict.fromkeys(contest.option_ids(), 0), **dict.fromkeys(figures, 0)}


def _names_doubt(contest: ContestReading) -> bool:
    return contest.status is ContestStatus.NEEDS_REVIEW or bool(contest.marginal)


def _count_sheet(row: dict[str, Any], record: CastVoteRecord) -> None:
    row["sheets"] += 1
    if record.needs_review:
        row["needs_review"] += 1
    elif record.valid:
        row["valid"] += 1
    else:
        row["invalid"] += 1
        ground = record.invalid_ground or "unstated"
        row["invalid_grounds"][ground] = row["invalid_grounds"].get(ground, 0) + 1


def _count_contest(row: dict[str, Any], contest: ContestReading) -> None:
    for option_id in contest.votes:
        row["votes"][option_id] += 1
    row["overvotes"] += contest.overvotes
    row["undervotes"] += contest.undervotes
    row["blank"] += contest.status is ContestStatus.BLANK


def _check(election: Election, record: CastVoteRecord, precinct_id: str) -> None:
    where = f"record {record.record_id}"
    if record.election_hash != election.hash:
        raise CountError(f"{where}: belongs to another election definition")
    if record.precinct_id not in (None, precinct_id):
        raise CountError(f"{where}: belongs to precinct {record.precinct_id}, not {precinct_id}")
    if record.paper is not None:
        # NVT-05: in the order of feeding, a number is the voter's place in the queue.
        raise CountError(f"{where}: carries a number of its paper, which only a central count has")
    if record.ballot_style_id not in {s.id for s in election.precinct_styles(precinct_id)}:
        raise CountError(
            f"{where}: ballot style {record.ballot_style_id!r} is not used in {precinct_id}"
        )
    expected = {contest.id: contest for contest in election.style_contests(record.ballot_style_id)}
    if sorted(contest.contest_id for contest in record.contests) != sorted(expected):
        raise CountError(f"{where}: its contests are not those of style {record.ballot_style_id}")
    for contest in record.contests:
        definition = expected[contest.contest_id]
        options = definition.option_ids()
        if any(option not in options for option in contest.votes):
            raise CountError(f"{where}: a vote for an option that {contest.contest_id} has not")
        if len(set(contest.votes)) != len(contest.votes) or (
            len(contest.votes) > definition.votes_allowed
        ):
            raise CountError(f"{where}: more votes in {contest.contest_id} than a voter has")
