"""The typed hand count: good files read, every kind of bad one refused by line and column."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tally.errors import PaperCountError
from tally.paper import read_paper_count
from tests.tally.world import make_election, paper_rows

ELECTION = make_election()
GOOD = paper_rows(
    {"p-3": {"list": {"a": 3, "b": 2, "c": 1, "invalid": 1, "ballots": 7}}}, ELECTION
).decode()


def test_csv_and_json_say_the_same() -> None:
    count = read_paper_count(GOOD.encode(), "count.csv", ELECTION)
    assert count.get("p-3", "list", "a") == 3
    assert count.get("p-3", "list", "against-all") == 0
    assert count.get("p-3", "list", "ballots") == 7
    entries = [
        {"precinct": p, "contest": c, "option": o, "votes": v}
        for (p, c, o), v in count.votes.items()
    ]
    typed = json.dumps({"format": "ballotbench-paper-count/1", "counts": entries})
    assert read_paper_count(typed.encode(), "count.json", ELECTION).votes == count.votes


def test_spreadsheet_habits_are_accepted() -> None:
    windows = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode() + b"\r\n"
    assert read_paper_count(windows, "count.csv", ELECTION).get("p-3", "list", "b") == 2


BAD = {
    "empty": ("", ["line 1"]),
    "wrong_header": (GOOD.replace("option", "party", 1), ["line 1, column 3", "'party'"]),
    "semicolons": (GOOD.replace(",", ";"), ["line 1, column 1", "commas"]),
    "column_too_many": (GOOD.replace("votes", "votes,note", 1), ["line 1, column 5"]),
    "unknown_precinct": (GOOD.replace("p-3,list,a", "p-9,list,a"), ["line 2, column 1", "p-9"]),
    "unknown_contest": (GOOD.replace("p-3,list,a", "p-3,mayor,a"), ["line 2, column 2", "mayor"]),
    "foreign_contest": (GOOD.replace("p-3,list,a", "p-3,smd,a"), ["line 2, column 2", "smd"]),
    "unknown_option": (GOOD.replace("list,b,", "list,z,"), ["line 3, column 3", "'z'"]),
    "letters": (GOOD.replace("list,a,3", "list,a,З"), ["line 2, column 4", "'З'"]),
    "other_digits": (GOOD.replace("list,a,3", "list,a,٣"), ["line 2, column 4"]),
    "decimal": (GOOD.replace("list,a,3", "list,a,3.0"), ["line 2, column 4"]),
    "underscore": (GOOD.replace("list,a,3", "list,a,1_0"), ["line 2, column 4"]),
    "negative": (GOOD.replace("list,a,3", "list,a,-3"), ["line 2, column 4", "negative"]),
    "huge": (GOOD.replace("list,a,3", "list,a,1000000"), ["line 2, column 4", "too large"]),
    "gigantic": (GOOD.replace("list,a,3", "list,a," + "9" * 9000), ["line 2, column 4", "large"]),
    "no_number": (GOOD.replace("list,a,3", "list,a,"), ["line 2, column 4"]),
    "duplicate": (GOOD + "p-3,list,a,3\n", ["line 8, column 3", "twice", "line 2"]),
    "missing_row": (GOOD.replace("p-3,list,b,2\n", ""), ["column 3", "p-3,list,b", "missing"]),
    "short_row": (GOOD.replace("p-3,list,b,2", "p-3,list,b"), ["line 3, column 4"]),
    "long_row": (GOOD.replace("p-3,list,b,2", "p-3,list,b,2,"), ["line 3, column 5"]),
    "open_quote": (GOOD.replace("p-3,list,b", '"p-3,list,b'), ["line", "not CSV"]),
    "header_only": ("precinct,contest,option,votes\n", ["line 2", "no rows"]),
    "zero_byte": (GOOD.replace("list,b", "li\0st,b"), ["line 3, column 7", "zero byte"]),
    "json_syntax": ('{"format": }', ["line 1, column 12"]),
    "json_format": ("{}", ["format"]),
    "json_deep": ("[" * 100_000, ["line 1"]),
    "json_digits": (
        '{"format":"ballotbench-paper-count/1","counts":[{"precinct":"p-3","contest":"list",'
        '"option":"a","votes":' + "9" * 5000 + "}]}",
        ["line 1"],
    ),
    "json_text_votes": (
        '{"format":"ballotbench-paper-count/1","counts":[{"precinct":"p-3","contest":"list",'
        '"option":"a","votes":"3"}]}',
        ["counts[0].votes"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_by_place(name: str) -> None:
    content, words = BAD[name]
    with pytest.raises(PaperCountError) as caught:
        read_paper_count(content.encode(), f"{name}.csv", ELECTION)
    for word in (f"{name}.csv", *words):
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "cp1251", "utf-32"])
def test_other_encodings_are_named(encoding: str) -> None:
    data = GOOD.replace("p-3,list,b", "ұялы,list,b" if encoding != "cp1251" else "Уч,list,b")
    with pytest.raises(PaperCountError, match=r"line \d+, column \d+"):
        read_paper_count(data.encode(encoding), "count.csv", ELECTION)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(PaperCountError):
        read_paper_count(data, "count.csv", ELECTION)


@given(st.text(max_size=200))
def test_no_text_under_a_good_header_breaks_the_reader(text: str) -> None:
    with pytest.raises(PaperCountError):
        read_paper_count(
            f"precinct,contest,option,votes\n{text}".encode("utf-8", "replace"), "c.csv", ELECTION
        )
