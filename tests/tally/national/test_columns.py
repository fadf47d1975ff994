"""Counting in columns gives what counting record by record gives, and refuses the same."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from election.model import Election
from firmware_sim.counting import count_records
from firmware_sim.errors import CountError
from scanner.columns import SCHEMA, cvr_table, records_from_table
from scanner.errors import ScannerError
from scanner.reading import ContestReading, ContestStatus
from scanner.record import CastVoteRecord
from tally.national.columns import count_columns
from tests.tally.world import make_election, text


def election_of_many() -> Election:
    """Two styles: one paper with one contest, one with two of which one allows two votes."""
    options = [{"id": o, "name": text(o)} for o in ("a", "b", "c")]
    return make_election(
        profile="us-general",
        contests=[
            {
                "id": "one",
                "title": text("One"),
                "district": "land",
                "kind": "candidate",
                "options": options,
            },
            {
                "id": "two",
                "title": text("Two"),
                "district": "land",
                "kind": "candidate",
                "options": options,
                "votes_allowed": 2,
                "write_ins": 1,
            },
            {
                "id": "far",
                "title": text("Far"),
                "district": "d-1",
                "kind": "measure",
                "options": options[:2],
            },
        ],
        ballot_styles=[
            {"id": "s", "contests": ["one"], "precincts": ["p-1", "p-2", "p-3"]},
            {"id": "m", "contests": ["one", "two"], "precincts": ["p-1", "p-2"]},
            {"id": "f", "contests": ["far"], "precincts": ["p-2"]},
        ],
    )


ELECTION = election_of_many()
HASHES = {"ours": ELECTION.hash, "other": "0" * 64}


@st.composite
def contests(draw: st.DrawFn, contest_id: str) -> ContestReading:
    options = ELECTION.contest(contest_id).option_ids()
    marked = draw(st.lists(st.sampled_from(options), unique=True, max_size=3))
    marginal = draw(
        st.lists(st.sampled_from(options), unique=True, max_size=2).map(
            lambda found: [o for o in found if o not in marked]
        )
    )
    votes = [o for o in marked if draw(st.booleans())][: ELECTION.contest(contest_id).votes_allowed]
    return ContestReading(
        contest_id=contest_id,
        marked=tuple(marked),
        marginal=tuple(marginal),
        votes=tuple(votes),
        status=draw(st.sampled_from(ContestStatus)),
        undervotes=draw(st.integers(0, 2)),
        overvotes=draw(st.integers(0, 2)),
    )


@st.composite
def records(draw: st.DrawFn) -> CastVoteRecord:
    style = draw(st.sampled_from(["s", "m"]))
    valid = draw(st.booleans())
    return CastVoteRecord(
        record_id=hashlib.sha256(draw(st.binary(min_size=16, max_size=16))).hexdigest()[:32],
        election_hash=ELECTION.hash,
        ballot_style_id=style,
        precinct_id=draw(st.sampled_from(["p-1", None])),
        valid=valid,
        invalid_ground=None if valid else draw(st.sampled_from([None, "no_mark", "torn"])),
        needs_review=draw(st.booleans()),
        contests=tuple(draw(contests(c.id)) for c in ELECTION.style_contests(style)),
    )


piles = st.lists(records(), max_size=14, unique_by=lambda r: r.record_id)


@given(piles)
def test_columns_count_as_records_do(pile: list[CastVoteRecord]) -> None:
    table = cvr_table(pile)
    assert count_columns(ELECTION, table, "p-1") == count_records(ELECTION, pile, "p-1")


CHANGES: dict[str, list[Any]] = {
    "record_id": ["f" * 32, "F" * 32, "x"],
    "election_hash": ["0" * 64],
    "ballot_style_id": ["s", "m", "f", "none"],
    "precinct_id": ["p-1", "p-2", "p-9", None],
    "valid": [True, False],
    "invalid_ground": ["no_mark", None],
    "needs_review": [True, False],
    "contest_id": ["one", "two", "far", "none"],
    "status": [s.value for s in ContestStatus] + ["strange"],
    "undervotes": [0, 5, -1],
    "overvotes": [0, 5, -1],
    "first": [True, False],
    "option_id": ["a", "b", "c", "write-in-0", "zz", None],
    "indication": ["mark", "marginal", None, "strange"],
    "votes": [0, 1, 2, -1],
}


def by_records(table: pa.Table) -> Any:
    try:
        return count_records(ELECTION, records_from_table(table), "p-1")
    except (CountError, ScannerError):
        return None


@given(piles.filter(bool), st.data())
def test_a_changed_cell_is_never_counted_otherwise(
    pile: list[CastVoteRecord], data: st.DataObject
) -> None:
    """Columns may refuse more than records do (rows that contradict each other, where records
    take the first row's word); what they count, records count the same."""
    rows = cvr_table(pile).to_pylist()
    column = data.draw(st.sampled_from(sorted(CHANGES)))
    row = data.draw(st.integers(0, len(rows) - 1))
    rows[row][column] = data.draw(st.sampled_from(CHANGES[column]))
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    try:
        counted = count_columns(ELECTION, table, "p-1")
    except CountError:
        return
    assert counted == by_records(table)


@given(piles.filter(lambda pile: len(pile) > 1), st.data())
def test_rows_in_another_order_or_twice_are_never_counted_otherwise(
    pile: list[CastVoteRecord], data: st.DataObject
) -> None:
    rows = cvr_table(pile).to_pylist()
    if data.draw(st.booleans()):
        rows.append(rows[data.draw(st.integers(0, len(rows) - 1))])
    rows = data.draw(st.permutations(rows))
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    try:
        counted = count_columns(ELECTION, table, "p-1")
    except CountError:
        return
    assert counted == by_records(table)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("election_hash", "0" * 64, "belongs to another election"),
        ("precinct_id", "p-2", "is not of precinct p-1"),
        ("ballot_style_id", "f", "ballot style 'f' is not used in p-1"),
        ("contest_id", "far", "its contests are not those of style s"),
        ("contest_id", "two", "its contests are not those of style s"),
        ("status", "strange", "'strange' is no status"),
        ("option_id", "write-in-0", "a vote for an option that one has not"),
        ("votes", 2, "votes is neither 0 nor 1"),
        ("record_id", "X" * 32, "is not 32 lower-case hex digits"),
        ("undervotes", -1, "is negative"),
    ],
)
def test_what_is_wrong_is_named(column: str, value: object, words: str) -> None:
    reading = ContestReading("one", ("a",), (), ("a",), ContestStatus.VALID, 0, 0)
    record = CastVoteRecord("a" * 32, ELECTION.hash, "s", "p-1", True, None, False, (reading,))
    rows = cvr_table([record]).to_pylist()
    rows[0][column] = value
    with pytest.raises(CountError, match=words):
        count_columns(ELECTION, pa.Table.from_pylist(rows, schema=SCHEMA), "p-1")


def test_another_table_is_refused() -> None:
    table = cvr_table([])
    assert count_columns(ELECTION, table, "p-1")["sheets"] == 0
    with pytest.raises(CountError, match="lacks the columns votes"):
        count_columns(ELECTION, table.drop_columns(["votes"]), "p-1")
    other = table.set_column(14, "votes", pa.array([], pa.string()))
    with pytest.raises(CountError, match="of another kind"):
        count_columns(ELECTION, other, "p-1")
