"""Majorities of two rounds, ranked ballots, quotas among winners; and their commands."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli import main
from election.profile import SeatQuota
from tally.errors import SeatError
from tally.lots import Lot
from tally.majority import MajorityRule, first_round, second_round
from tally.quotas import Member, apply_quota, read_members
from tally.ranked import instant_runoff, single_transferable_vote
from tally.rankings import Rankings, gather, read_blt
from tally.ties import TieBreaker

OPEN = TieBreaker("lot", {})


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(str(stop.value.code))


# --- Two rounds -------------------------------------------------------------------------


def test_a_majority_is_more_than_the_share() -> None:
    votes = {"a": 50, "b": 30, "c": 20}
    exact = first_round(votes, base=100, rule=MajorityRule(), breaker=OPEN)
    assert (exact.elected, exact.second_round) == (None, ("a", "b"))
    assert first_round({**votes, "a": 51}, base=101, rule=MajorityRule(), breaker=OPEN).elected
    # Against all and void papers count into the base: 51 of 110 is no majority.
    assert not first_round({**votes, "a": 51}, base=110, rule=MajorityRule(), breaker=OPEN).elected


def test_a_tie_for_the_second_round_is_open_until_the_lot() -> None:
    votes = {"a": 40, "b": 30, "c": 30}
    found = first_round(votes, base=100, rule=MajorityRule(), breaker=OPEN)
    assert found.second_round == ("a",)
    assert found.tie is not None
    assert found.tie.among == ("b", "c")
    drawn = first_round(
        votes, base=100, rule=MajorityRule(), breaker=TieBreaker("lot", {}, Lot("4"))
    )
    assert len(drawn.second_round) == 2


def test_turnout_is_a_condition_where_the_law_has_one() -> None:
    rule = MajorityRule(turnout=Fraction(1, 2))
    low = first_round({"a": 9, "b": 1}, base=10, rule=rule, breaker=OPEN, registered=100, voted=10)
    assert low.elected is None
    assert "not valid" in low.notes[0]
    with pytest.raises(SeatError, match="asks for a turnout"):
        first_round({"a": 9}, base=9, rule=rule, breaker=OPEN)


def test_the_second_round_goes_to_the_most_votes() -> None:
    assert second_round({"a": 5, "b": 6}, breaker=OPEN).elected == "b"
    assert second_round({"a": 5, "b": 5}, breaker=OPEN).elected is None
    assert second_round({"a": 0, "b": 0}, breaker=OPEN).elected is None
    older = TieBreaker("earlier_registration", {"a": 2, "b": 1})
    assert second_round({"a": 5, "b": 5}, breaker=older).elected == "b"


# --- Ranked ballots ---------------------------------------------------------------------

TENNESSEE = gather(
    "Capital of Tennessee",
    1,
    ["Memphis", "Nashville", "Chattanooga", "Knoxville"],
    [("Memphis", "Nashville", "Chattanooga", "Knoxville")] * 42
    + [("Nashville", "Chattanooga", "Knoxville", "Memphis")] * 26
    + [("Chattanooga", "Knoxville", "Nashville", "Memphis")] * 15
    + [("Knoxville", "Chattanooga", "Nashville", "Memphis")] * 17,
)


def test_the_textbook_runoff() -> None:
    result = instant_runoff(TENNESSEE, OPEN)
    assert result.elected == ("Knoxville",)
    assert [r.excluded for r in result.rounds] == [("Chattanooga",), ("Nashville",), ()]


def test_the_textbook_transfer_of_a_surplus() -> None:
    """The party food example: 20 guests, 3 seats, Droop quota 6."""
    food = gather(
        "Food",
        3,
        ["Orange", "Pear", "Chocolate", "Strawberry", "Sweets"],
        [("Orange",)] * 4
        + [("Pear", "Orange")] * 2
        + [("Chocolate", "Strawberry")] * 8
        + [("Chocolate", "Sweets")] * 4
        + [("Strawberry",), ("Sweets",)],
    )
    result = single_transferable_vote(food, OPEN)
    assert result.quota == 6
    assert set(result.elected) == {"Chocolate", "Orange", "Strawberry"}
    assert result.elected[0] == "Chocolate"
    after = result.rounds[2].tallies
    assert (after["Strawberry"], after["Sweets"]) == (5, 3)


NAMES = ("A", "B", "C", "D", "E")
rankings = st.lists(
    st.permutations(NAMES).flatmap(
        lambda order: st.integers(0, len(NAMES)).map(lambda n: tuple(order[:n]))
    ),
    min_size=1,
    max_size=60,
)
ORDERED = TieBreaker("earlier_registration", {name: i for i, name in enumerate(NAMES, 1)})


@given(rankings, st.integers(1, 4), st.sampled_from([None, 0, 5]))
def test_no_vote_is_lost_or_made(
    ballots: list[tuple[str, ...]], seats: int, places: int | None
) -> None:
    result = single_transferable_vote(gather("t", seats, NAMES, ballots), ORDERED, places=places)
    for step in result.rounds:
        assert sum(step.tallies.values()) + step.exhausted == result.valid
    assert result.valid + result.blank == len(ballots)
    assert len(set(result.elected)) == len(result.elected) <= seats
    voted_for = {name for ballot in ballots for name in ballot}
    if result.undecided:
        assert len(result.elected) <= len(voted_for)


@given(rankings, st.integers(1, 4))
def test_a_solid_group_gets_its_quotas(ballots: list[tuple[str, ...]], seats: int) -> None:
    """Proportionality for solid coalitions (Dummett): n quotas that put A and B first, in any
    order, elect at least min(n, 2) of them."""
    result = single_transferable_vote(gather("t", seats, NAMES, ballots), ORDERED)
    solid = sum(1 for b in ballots if set(b[:2]) == {"A", "B"})
    earned = min(int(solid // result.quota), 2, seats)
    assert len({"A", "B"} & set(result.elected)) >= earned


@given(rankings)
def test_more_than_half_first_choices_elect(ballots: list[tuple[str, ...]]) -> None:
    result = instant_runoff(gather("t", 1, NAMES, ballots), ORDERED)
    firsts = [b[0] for b in ballots if b]
    for name in NAMES:
        if 2 * firsts.count(name) > len(firsts):
            assert result.elected == (name,)


def test_a_tie_that_nothing_breaks_stops_the_count() -> None:
    result = instant_runoff(gather("t", 1, ["a", "b"], [("a",), ("b",)]), OPEN)
    assert (result.elected, result.undecided) == ((), 1)
    assert result.rounds[-1].tie is not None
    with pytest.raises(SeatError, match="one seat"):
        instant_runoff(gather("t", 2, ["a", "b"], [("a",)]), OPEN)


BLT = """\
4 2          # four candidates, two seats
-2           # Basil has withdrawn
3 1 3 4 0
4 1 3 2 0
2 4 1 3 0
1 2 0
2 2 4 3 1 0
(17) 1 3 0
0
"Adam" # with a note
"Basil"
"Charlotte"
"Donald"
"Gardening Club"
"""


def test_blt_files() -> None:
    found = read_blt(BLT.encode(), "club.blt")
    assert found.title == "Gardening Club"
    assert found.standing() == ("Adam", "Charlotte", "Donald")
    assert found.ballots[("Basil", "Donald", "Charlotte", "Adam")] == 2
    result = single_transferable_vote(found, OPEN)
    assert (result.valid, result.blank) == (12, 1)  # a ballot for the withdrawn alone is blank
    assert result.elected == ("Adam", "Donald")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("3 1 3 4 0", "3 1 3 9 0"), "line 3: a choice is from 1 to 4"),
        (("3 1 3 4 0", "3 1 3 3 0"), "line 3: a candidate stands twice"),
        (("3 1 3 4 0", "3 1 - 4 0"), "line 3: a skipped or shared place"),
        (("3 1 3 4 0", "3 1 3=4 0"), "line 3: a skipped or shared place"),
        (("3 1 3 4 0", "3 1 x 0"), "line 3: 'x' is not a whole number"),
        (("3 1 3 4 0", "3 1 3"), "line 3: a ballot ends with 0"),
        ((BLT[BLT.index("\n0\n") :], "\n"), "cut short"),
        (('"Donald"\n"Gardening Club"\n', ""), "has 3 names"),
        (("4 2 ", "4 "), "line 1: must say"),
        (("-2 ", "-7 "), "line 2: a withdrawn candidate"),
    ],
)
def test_a_bad_blt_file_is_refused_by_line(change: tuple[str, str], words: str) -> None:
    with pytest.raises(SeatError, match=words):
        read_blt(BLT.replace(*change, 1).encode(), "club.blt")


def test_candidates_of_one_name_are_refused() -> None:
    with pytest.raises(SeatError, match="each another one"):
        Rankings("t", 1, ("a", "a"), {})


# --- Quotas -----------------------------------------------------------------------------

PEOPLE = [
    Member("m1", frozenset()),
    Member("m2", frozenset()),
    Member("w1", frozenset({"women"})),
    Member("m3", frozenset()),
    Member("y1", frozenset({"youth"})),
    Member("w2", frozenset({"women", "youth"})),
]


def quota(effect: str, share: str = "50") -> SeatQuota:
    return SeatQuota.model_validate(
        {
            "id": "groups",
            "groups": ["women", "youth"],
            "share_percent": share,
            "effect": effect,
            "title": {"en": "Women and youth"},
        }
    )


def test_a_quota_is_reported_or_applied() -> None:
    """SEED-07: quotas at the allocation of seats."""
    told = apply_quota("L", PEOPLE, 4, quota("report"))
    assert (told.needed, told.had, told.has, told.met) == (2, 1, 1, False)
    done = apply_quota("L", PEOPLE, 4, quota("replace_last"))
    assert done.met
    assert done.moved == (("m3", "y1"),)
    assert done.seated == ("m1", "m2", "w1", "y1")
    # The share is rounded up: 30 % of 4 are 2 people.
    assert apply_quota("L", PEOPLE, 4, quota("report", "30")).needed == 2
    short = apply_quota("L", PEOPLE[:3], 3, quota("replace_last", "100"))
    assert (short.needed, short.has, short.met) == (3, 1, False)


def test_members_are_refused_by_line() -> None:
    assert read_members(b"list,name,groups\nL,Ann,women youth\n", "m.csv")["L"][0].groups == {
        "women",
        "youth",
    }
    for text, words in (
        (b"list,name\n", "line 1"),
        (b"list,name,groups\nL,,x\n", "line 2, column 2"),
        (b"list,name,groups\nL,a,x\nL,a,x\n", "line 3, column 2"),
        (b"list,name,groups\nL,a\n", "line 2: has 2 cells"),
        (b"\xff", "not UTF-8"),
    ):
        with pytest.raises(SeatError, match=words):
            read_members(text, "m.csv")
    with pytest.raises(SeatError, match="names 1 people"):
        apply_quota("L", PEOPLE[:1], 2, quota("report"))


# --- Commands ---------------------------------------------------------------------------


def test_winners_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blt = tmp_path / "club.blt"
    blt.write_text(BLT, encoding="utf-8")
    assert run("winners", str(blt), "--rule", "stv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["elected"] == ["Adam", "Donald"]
    assert run("winners", str(blt), "--rule", "stv") == 0
    assert "Elected: Adam, Donald" in capsys.readouterr().out
    assert run("winners", str(blt), "--rule", "irv") == 1
    assert "one seat" in capsys.readouterr().err

    table = tmp_path / "votes.csv"
    table.write_text("list,votes\nAnn,40\nBob,35\nEve,25\n", encoding="utf-8")
    assert run("winners", str(table), "--rule", "two-round") == 1
    assert "Second round: Ann, Bob" in capsys.readouterr().out
    assert run("winners", str(table), "--seats", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["elected"] == ["Ann", "Bob"]
    assert run("winners", str(table), "--rule", "best") == 1
    assert "known: plurality" in capsys.readouterr().err
    table.write_text("list,votes\nAnn,40\nBob,40\n", encoding="utf-8")
    assert run("winners", str(table)) == 1
    assert "to be decided by lot → undecided" in capsys.readouterr().out
    assert run("winners", str(table), "--lot", "5 5 2") == 0


def test_seats_by_another_method_and_with_quotas(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "votes.csv"
    table.write_text("list,votes\nA,340\nB,280\nC,160\n", encoding="utf-8")
    assert run("seats", str(table), "--method", "dhondt", "--seats", "7", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seats"] == {"A": 3, "B": 3, "C": 1}
    assert found["quotient"] == "280/3"
    assert run("seats", str(table), "--method", "sainte_lague", "--seats", "7") == 0
    assert "Last average that won a seat" in capsys.readouterr().out
    assert run("seats", str(table), "--tie", "coin") == 1
    assert "--tie is" in capsys.readouterr().err

    rules = (Path(__file__).parents[2] / "election/profiles/kz-majilis.toml").read_text("utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(
        rules
        + '[[seats.quotas]]\nid = "w"\ngroups = ["women"]\nshare_percent = "30"\n'
        + 'effect = "replace_last"\ntitle = { en = "Women" }\n',
        encoding="utf-8",
    )
    people = tmp_path / "people.csv"
    rows = [f"{n},{n}{i},{'women' if i > 2 else ''}" for n in "ABC" for i in range(5)]
    people.write_text("\n".join(["list,name,groups", *rows]), encoding="utf-8")
    arguments = (str(table), "--profile", str(mine), "--seats", "7", "--members", str(people))
    assert run("seats", *arguments) == 0
    assert "A3 takes the seat of A2" in capsys.readouterr().out
    assert run("seats", str(table), "--members", str(people)) == 1
    assert "sets no quotas" in capsys.readouterr().err
