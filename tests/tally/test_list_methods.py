"""Seat methods against published national results, and by their defining properties."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tally.errors import SeatError
from tally.lots import Lot
from tally.seats import METHODS, ListSeats, allot_list_seats

VECTORS = Path(__file__).parents[1] / "vectors" / "published_seats.json"
PUBLISHED = json.loads(VECTORS.read_text(encoding="utf-8"))["results"]
AVERAGES = ("dhondt", "sainte_lague", "modified_sainte_lague")


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case["id"])
def test_published_results(case: dict[str, Any]) -> None:
    """With the Majilis of 2023 (`test_seats`), 22 published results of eight countries."""
    result = allot_list_seats(
        case["votes"],
        voted=sum(case["votes"].values()),
        seats=case["seats"],
        threshold_percent=case["threshold_percent"],
        method=case["method"],
    )
    assert result.seats == case["published"]
    assert result.undecided == 0


def test_there_are_at_least_twenty() -> None:
    assert len(PUBLISHED) + 1 >= 20


def test_the_textbook_table_by_every_method() -> None:
    """100,000 votes, 10 seats: the table that textbooks compare methods by."""
    votes = {"Y": 47_000, "W": 16_000, "R": 15_900, "G": 12_000, "B": 6_000, "P": 3_100}
    expected = {
        "hare_largest_remainder": (5, 2, 1, 1, 1, 0),
        "droop_largest_remainder": (5, 2, 2, 1, 0, 0),
        "hagenbach_bischoff": (5, 2, 2, 1, 0, 0),
        "dhondt": (5, 2, 2, 1, 0, 0),
        "sainte_lague": (4, 2, 2, 1, 1, 0),
        "modified_sainte_lague": (5, 2, 2, 1, 0, 0),
    }
    for method, seats in expected.items():
        result = allot_list_seats(
            votes,
            voted=100_000,
            seats=10,
            threshold_percent="0",
            method=method,  # type: ignore[arg-type]
        )
        assert tuple(result.seats.values()) == seats, method


votes_of_lists = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2), st.integers(1, 10**6), min_size=1, max_size=9
)


def allot(votes: dict[str, int], seats: int, method: str) -> ListSeats:
    order = {name: rank for rank, name in enumerate(sorted(votes), 1)}
    return allot_list_seats(
        votes,
        voted=sum(votes.values()),
        seats=seats,
        threshold_percent="0",
        registration_order=order,
        method=method,  # type: ignore[arg-type]
    )


@given(votes_of_lists, st.integers(0, 60), st.sampled_from(AVERAGES))
def test_divisor_methods_are_house_monotone(votes: dict[str, int], seats: int, method: str) -> None:
    fewer, more = allot(votes, seats, method), allot(votes, seats + 1, method)
    assert all(more.seats[name] >= fewer.seats[name] for name in votes)
    assert sum(more.seats.values()) == seats + 1


@given(votes_of_lists, st.integers(1, 60), st.data())
def test_divisor_methods_are_population_monotone(
    votes: dict[str, int], seats: int, data: st.DataObject
) -> None:
    """More votes for one list alone never cost it a seat."""
    method = data.draw(st.sampled_from(AVERAGES))
    name = data.draw(st.sampled_from(sorted(votes)))
    grown = {**votes, name: votes[name] + data.draw(st.integers(1, 10**6))}
    assert allot(grown, seats, method).seats[name] >= allot(votes, seats, method).seats[name]


@given(votes_of_lists, st.integers(1, 60))
def test_dhondt_keeps_the_lower_quota(votes: dict[str, int], seats: int) -> None:
    result = allot(votes, seats, "dhondt")
    total = sum(votes.values())
    assert all(result.seats[name] >= votes[name] * seats // total for name in votes)


@given(votes_of_lists, st.integers(1, 60), st.sampled_from(("dhondt", "sainte_lague")))
def test_no_seat_could_have_gone_to_a_higher_average(
    votes: dict[str, int], seats: int, method: str
) -> None:
    """The optimality that defines a divisor method."""
    step = 1 if method == "dhondt" else 2
    given_ = allot(votes, seats, method).seats
    last = min(Fraction(votes[n], step * (s - 1) + 1) for n, s in given_.items() if s > 0)
    following = max(Fraction(votes[n], step * s + 1) for n, s in given_.items())
    assert following <= last


@given(votes_of_lists, st.integers(1, 40), st.sampled_from(METHODS), st.data())
def test_order_of_lists_never_matters(
    votes: dict[str, int], seats: int, method: str, data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(votes.items()))))
    result = allot(votes, seats, method)
    assert allot(shuffled, seats, method).seats == result.seats
    assert sum(result.seats.values()) + result.undecided == seats


@pytest.mark.parametrize("method", METHODS)
def test_a_tie_waits_for_the_lot_and_the_lot_decides_it(method: str) -> None:
    def run(lot: Lot | None) -> ListSeats:
        return allot_list_seats(
            {"x": 100, "y": 100, "z": 100},
            voted=300,
            seats=4,
            tie="lot",
            lot=lot,
            method=method,  # type: ignore[arg-type]
        )

    open_ = run(None)
    assert (open_.undecided, open_.ties[0].at_stake, open_.ties[0].chosen) == (1, 1, ())
    drawn = run(Lot("3 6 1 2 2 5"))
    assert drawn.undecided == 0
    assert sorted(drawn.seats.values()) == [1, 1, 2]
    assert "lot, seed '3 6 1 2 2 5'" in drawn.ties[0].rule


def test_where_all_have_whole_hagenbach_quotas_the_last_seats_are_a_tie() -> None:
    result = allot_list_seats(
        {"a": 50, "b": 50}, voted=100, seats=3, tie="lot", method="hagenbach_bischoff"
    )
    assert result.seats == {"a": 1, "b": 1}
    assert result.undecided == 1
    assert result.ties[0].among == ("a", "b")


def test_a_lot_is_fair_and_can_be_drawn_again() -> None:
    names = ("a", "b", "c")
    firsts = [Lot(f"dice {i}").order(names)[0] for i in range(3000)]
    assert all(900 < firsts.count(name) < 1100 for name in names)
    assert Lot("7").order(names) == Lot("7").order(reversed(names))
    with pytest.raises(SeatError, match="throw dice"):
        Lot("  ")


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(SeatError, match="known: hare"):
        allot_list_seats({"a": 1}, voted=1, seats=1, method="best")  # type: ignore[arg-type]
