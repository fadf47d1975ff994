"""Seats: the published Majilis of 2023, the quota rule, ties (SEED-07)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tally.errors import SeatError
from tally.seats import allot_list_seats, decimal_text, first_past_the_post

#: Central Election Commission, 27 March 2023.
MAJILIS_2023 = {
    "Amanat": 3_431_510,
    "Auyl": 693_938,
    "Respublica": 547_154,
    "Aq Jol": 535_139,
    "People's Party": 432_920,
    "NSDP": 331_058,
    "Baytaq": 146_431,
}
VOTED_2023 = 6_366_441


def test_majilis_2023() -> None:
    result = allot_list_seats(MAJILIS_2023, voted=VOTED_2023, seats=69)
    assert list(result.seats.values()) == [40, 8, 6, 6, 5, 4, 0]
    assert result.excluded == ("Baytaq",)
    assert result.quotient == Fraction(5_971_719, 69)
    assert result.ties == ()
    assert result.undecided == 0


votes_of_lists = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2), st.integers(0, 10**7), min_size=1, max_size=12
)


@given(votes_of_lists, st.integers(0, 150), st.integers(0, 20), st.data())
def test_quota_rule_and_sum(
    votes: dict[str, int], seats: int, threshold: int, data: st.DataObject
) -> None:
    order = {n: i for i, n in enumerate(data.draw(st.permutations(sorted(votes))), 1)}
    result = allot_list_seats(
        votes,
        voted=sum(votes.values()),
        seats=seats,
        threshold_percent=str(threshold),
        registration_order=order,
    )
    assert sum(result.seats.values()) + result.undecided == seats
    if result.admitted and seats:
        assert result.undecided == 0
        for name in result.admitted:
            exact = Fraction(votes[name]) / (result.quotient or 1)
            assert exact // 1 <= result.seats[name] <= -(-exact // 1)
    for name in result.excluded:
        assert result.seats[name] == 0
    shuffled = dict(data.draw(st.permutations(list(votes.items()))))
    again = allot_list_seats(
        shuffled,
        voted=sum(votes.values()),
        seats=seats,
        threshold_percent=str(threshold),
        registration_order=order,
    )
    assert again.seats == result.seats


def test_equal_remainders_go_to_the_earlier_registered_and_are_reported() -> None:
    result = allot_list_seats(
        {"late": 50, "early": 50}, voted=100, seats=3, registration_order={"late": 2, "early": 1}
    )
    assert result.seats == {"late": 1, "early": 2}
    assert result.ties[0].among == ("early", "late")
    assert result.ties[0].chosen == ("early",)


@pytest.mark.parametrize("rule", ["lot", "earlier_registration"])
def test_a_tie_that_nothing_breaks_stays_undecided(rule: str) -> None:
    result = allot_list_seats({"x": 50, "y": 50}, voted=100, seats=3, tie=rule)  # type: ignore[arg-type]
    assert result.seats == {"x": 1, "y": 1}
    assert result.undecided == 1
    assert result.ties[0].chosen == ()


def test_exactly_the_threshold_depends_on_the_rule_and_is_noted() -> None:
    votes = {"big": 95, "edge": 5}
    over = allot_list_seats(votes, voted=100, seats=20)
    least = allot_list_seats(votes, voted=100, seats=20, threshold_rule="at_least")
    assert (over.seats["edge"], least.seats["edge"]) == (0, 1)
    assert "exactly the threshold" in over.notes[0]


@pytest.mark.parametrize(
    ("votes", "voted", "percent"),
    [
        ({}, 0, "5"),
        ({"a": -1}, 5, "5"),
        ({"a": 6}, 5, "5"),
        ({"a": 1.5}, 5, "5"),
        ({"a": True}, 5, "5"),
        ({"a": 1}, 5, "101"),
        ({"a": 1}, 5, "NaN"),
        ({"a": 1}, 5, "five"),
        ({"a": 10**11}, 10**12, "5"),
    ],
)
def test_impossible_input_is_refused(votes: dict[str, int], voted: int, percent: str) -> None:
    with pytest.raises(SeatError):
        allot_list_seats(votes, voted=voted, seats=3, threshold_percent=percent)


def test_nobody_over_the_threshold() -> None:
    result = allot_list_seats({"a": 1}, voted=100, seats=3)
    assert result.undecided == 3
    assert result.quotient is None


def test_first_past_the_post() -> None:
    assert first_past_the_post({"a": 3, "b": 5, "c": 0}).elected == ("b",)
    assert first_past_the_post({"a": 0}).elected == ()
    tied = first_past_the_post({"a": 5, "b": 5, "c": 1})
    assert tied.elected == ()
    assert tied.tie is not None
    assert tied.tie.among == ("a", "b")
    two = first_past_the_post(
        {"a": 5, "b": 5, "c": 9},
        seats=2,
        registration_order={"a": 2, "b": 1},
        tie="earlier_registration",
    )
    assert two.elected == ("c", "b")
    assert two.tie is not None


def test_decimals_round_half_up() -> None:
    assert decimal_text(Fraction(1, 8), 2) == "0.13"
    assert decimal_text(Fraction(-5, 2), 0 + 1) == "-2.5"
