"""Sums: whatever the order, and by precinct, district, contest and option."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from election.profile import load_profile
from tally.figures import ContestFigures, PrecinctTotals, StyleFigures
from tally.paper import contests_in
from tally.totals import add_totals, outcome
from tests.tally.world import make_election

ELECTION = make_election()


@st.composite
def precinct_totals(draw: st.DrawFn, precinct: str) -> PrecinctTotals:
    number = st.integers(0, 3000)
    contests = {}
    for contest in contests_in(ELECTION, precinct):
        votes = {o: draw(number) for o in contest.option_ids()}
        invalid, review = draw(number), draw(number)
        contests[contest.id] = ContestFigures(
            ballots=sum(votes.values()) + invalid + review,
            votes=votes,
            overvotes=0,
            undervotes=0,
            blank=0,
            invalid=invalid,
            needs_review=review,
        )
    styles = {
        s.id: StyleFigures(
            sheets=contests[s.contests[0]]["ballots"],
            valid=sum(contests[s.contests[0]]["votes"].values()),
            invalid=contests[s.contests[0]]["invalid"],
            needs_review=contests[s.contests[0]]["needs_review"],
            invalid_grounds={"no_mark": contests[s.contests[0]]["invalid"]},
        )
        for s in ELECTION.precinct_styles(precinct)
    }
    return PrecinctTotals(
        format="ballotbench-totals/1",
        election_hash=ELECTION.hash,
        precinct_id=precinct,
        sheets=sum(s["sheets"] for s in styles.values()),
        styles=styles,
        contests=contests,
    )


all_precincts = st.tuples(*(precinct_totals(p.id) for p in ELECTION.precincts))


@given(all_precincts, st.randoms(use_true_random=False))
def test_order_never_changes_totals(figures: tuple[PrecinctTotals, ...], random: object) -> None:
    straight = add_totals(figures, ELECTION)
    shuffled = list(figures)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert add_totals(shuffled, ELECTION) == straight
    for contest in ELECTION.contests:
        for option in contest.option_ids():
            per_precinct = [c[contest.id] for c in straight.by_precinct.values() if contest.id in c]
            assert straight.contests[contest.id]["votes"][option] == sum(
                c["votes"][option] for c in per_precinct
            )
    assert straight.by_district["land"]["list"] == straight.contests["list"]
    assert straight.by_district["d-1"]["smd"] == straight.contests["smd"]
    assert straight.missing == ()
    first = add_totals(figures[:1], ELECTION)
    assert first.missing == ("p-2", "p-3")
    assert add_totals(figures, ELECTION) == straight  # summing changed none of its input


@given(all_precincts)
def test_outcome_gives_every_seat_or_says_which_are_open(
    figures: tuple[PrecinctTotals, ...],
) -> None:
    result = outcome(add_totals(figures, ELECTION), ELECTION, load_profile("kz-majilis"))
    seats = result.lists["list"]
    assert sum(seats.seats.values()) + seats.undecided == 9
    assert "against-all" not in seats.seats
    assert "against-all" not in result.winners["smd"].elected
