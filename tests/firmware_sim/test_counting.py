"""The count as a pure function (NVT-06, NVT-18, SEED-12)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.counting import count_records
from firmware_sim.errors import CountError
from firmware_sim.package import check_schema
from scanner.cvr import CastVoteRecord, PaperMark, new_record
from scanner.reading import ContestReading, SheetInterpretation
from tests.firmware_sim import bench

ELECTION = bench.election()
OPTIONS = ["option-a", "option-b", "option-c"]


def contest_readings(contest_id: str, allowed: int) -> st.SearchStrategy[ContestReading]:
    votes = st.lists(st.sampled_from(OPTIONS), unique=True, max_size=allowed)
    decided = votes.map(
        lambda v: bench.reading(
            contest_id, v, "blank" if not v else "undervote" if len(v) < allowed else "valid"
        )
    )
    return st.one_of(
        decided,
        st.just(bench.reading(contest_id, OPTIONS, "overvote")),
        st.just(bench.reading(contest_id, [], "needs_review")),
    )


SHEETS = st.one_of(
    st.builds(lambda m: ("single", [m]), contest_readings("mayor", 1)),
    st.builds(
        lambda m, c: ("both", [m, c]), contest_readings("mayor", 1), contest_readings("council", 2)
    ),
)


@st.composite
def interpretations(draw: st.DrawFn) -> SheetInterpretation:
    style, contests = draw(SHEETS)
    ground = draw(st.sampled_from([None, None, "no_mark", "more_than_one_mark"]))
    if ground:
        contests = [replace(c, votes=()) for c in contests]
    review = draw(st.sampled_from([None, None, True]))
    return bench.interpretation(style, contests, ground=ground, needs_review=review)


def as_records(sheets: list[SheetInterpretation]) -> list[CastVoteRecord]:
    return [new_record(s, ELECTION.hash, f"{n:032x}") for n, s in enumerate(sheets)]


@given(st.lists(interpretations(), max_size=25), st.randoms())
def test_every_sheet_and_vote_is_accounted_for(
    sheets: list[SheetInterpretation], rnd: random.Random
) -> None:
    records = as_records(sheets)
    totals = count_records(ELECTION, records, bench.PRECINCT)
    check_schema(totals, "totals.json", where="test")
    assert totals["sheets"] == len(sheets) == sum(s["sheets"] for s in totals["styles"].values())
    for row in totals["styles"].values():
        assert row["valid"] + row["invalid"] + row["needs_review"] == row["sheets"]
        assert sum(row["invalid_grounds"].values()) == row["invalid"]
    for contest_id, row in totals["contests"].items():
        allowed = ELECTION.contest(contest_id).votes_allowed
        counted = row["ballots"] - row["invalid"] - row["needs_review"]
        assert sum(row["votes"].values()) + row["overvotes"] + row["undervotes"] == (
            allowed * counted
        )
        assert list(row["votes"]) == list(ELECTION.contest(contest_id).option_ids())
    rnd.shuffle(records)
    assert count_records(ELECTION, records, bench.PRECINCT) == totals


def test_a_doubt_that_names_no_contest_concerns_all() -> None:
    contests = [bench.reading("mayor", ["option-a"]), bench.reading("council", OPTIONS[:2])]
    sheet = bench.interpretation("both", contests, needs_review=True)
    totals = count_records(ELECTION, as_records([sheet]), bench.PRECINCT)
    assert all(row["needs_review"] == 1 for row in totals["contests"].values())
    assert totals["contests"]["mayor"]["votes"]["option-a"] == 0


def test_a_doubt_in_one_contest_leaves_the_other_counted() -> None:
    contests = [
        bench.reading("mayor", [], "needs_review"),
        bench.reading("council", OPTIONS[:2]),
    ]
    totals = count_records(
        ELECTION, as_records([bench.interpretation("both", contests)]), bench.PRECINCT
    )
    assert totals["contests"]["mayor"]["needs_review"] == 1
    assert totals["contests"]["council"]["votes"]["option-b"] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"election_hash": "0" * 64}, "another election"),
        ({"precinct_id": "precinct-2"}, "precinct-2"),
        ({"ballot_style_id": "elsewhere"}, "not used"),
        ({"ballot_style_id": "both"}, "contests"),
        ({"contests": (bench.reading("mayor", ["nobody"]),)}, "has not"),
        ({"contests": (bench.reading("mayor", ["option-a", "option-b"]),)}, "more votes"),
    ],
)
def test_records_that_do_not_belong_are_refused(change: dict[str, object], words: str) -> None:
    sheet = bench.interpretation("single", [bench.reading("mayor", ["option-a"])])
    record = replace(as_records([sheet])[0], **change)  # type: ignore[arg-type]
    with pytest.raises(CountError, match=words):
        count_records(ELECTION, [record], bench.PRECINCT)


def test_a_record_with_a_number_of_its_paper_is_never_a_polling_stations() -> None:
    """NVT-05: numbers in the order of feeding are for central counts alone."""
    [record] = as_records([bench.interpretation("single", [bench.reading("mayor", [], "blank")])])
    numbered = replace(record, paper=PaperMark("A7", 1, "A7-00001"))
    with pytest.raises(CountError, match="which only a central count has"):
        count_records(ELECTION, [numbered], bench.PRECINCT)
