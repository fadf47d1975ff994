"""The tests of forensics: their arithmetic by other ways, their stated rate, what they find."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tally.exchange.small import whole
from tally.forensics import analyse
from tally.forensics.numbers import chance_of_at_least, chi_square_tail_9, normal_tail
from tally.forensics.tests import BENFORD_2, FEWEST, JUDGED, LEVEL, near_whole, whole_percentages
from tally.forensics.usual import usual_histogram
from tally.national.store import NationalResult
from tally.simulation.figures import Planted, nation_tables
from tally.simulation.plan import Nation, NationPlan, make_nation


@cache
def nation(seed: int, precincts: int = 300) -> Nation:
    return make_nation(
        NationPlan(
            seed=seed, precincts=precincts, ballots=900 * precincts, regions=4, territories=12,
            districts=4,
        )
    )  # fmt: skip


def result(of: Nation, planted: Planted | None = None) -> NationalResult:
    """The store of a made-up nation, maybe with a fault planted."""
    tables, _ = nation_tables(of, planted)
    votes: dict[str, int] = {}
    for option, number in zip(
        tables["votes"]["option_id"].to_pylist(), tables["votes"]["votes"].to_pylist(), strict=True
    ):
        votes[option] = votes.get(option, 0) + number
    ballots = sum(tables["contests"]["ballots"].to_pylist())
    document = {
        "election_id": of.election.id,
        "election_hash": of.election.hash,
        "contests": {"list": {"ballots": ballots, "votes": votes}},
    }
    return whole(NationalResult(document, tables))


def test_tails_are_those_of_the_tables() -> None:
    """Chi-square with nine degrees of freedom and the normal, from printed tables."""
    for value, tail in ((4.168, 0.9), (8.343, 0.5), (14.684, 0.1), (16.919, 0.05), (27.877, 0.001)):
        assert chi_square_tail_9(value) == pytest.approx(tail, rel=2e-3)
    for z, tail in ((0.0, 0.5), (1.6449, 0.05), (3.0902, 0.001)):
        assert normal_tail(z) == pytest.approx(tail, rel=1e-3)
    assert sum(BENFORD_2) == pytest.approx(1)
    assert BENFORD_2[0] == pytest.approx(0.11968, abs=1e-5)
    assert BENFORD_2[9] == pytest.approx(0.08500, abs=1e-5)


@given(st.lists(st.fractions(0, 1, max_denominator=9), max_size=7), st.integers(0, 8))
@settings(max_examples=80, deadline=None)
def test_a_sum_of_chances_is_exact(chances: list[Fraction], number: int) -> None:
    truth = Fraction(0)
    for happened in itertools.product((0, 1), repeat=len(chances)):
        if sum(happened) >= number:
            truth += math.prod(
                (c if h else 1 - c for c, h in zip(chances, happened, strict=True)),
                start=Fraction(1),
            )
    found = chance_of_at_least(np.array([float(c) for c in chances]), number)
    assert found == pytest.approx(float(truth), abs=1e-12)


@given(st.integers(1, 3000), st.data(), st.sampled_from([1, 5]))
@settings(max_examples=200, deadline=None)
def test_near_a_whole_percentage_by_fractions(n: int, data: st.DataObject, step: int) -> None:
    k = data.draw(st.integers(0, n))
    percent = Fraction(100 * k, n)
    nearest = round(percent / step) * step
    truth = abs(percent - nearest) <= Fraction(1, 20)
    assert bool(near_whole(np.array([k]), np.array([n]), step)[0]) is truth


def test_what_is_usual_is_the_binomial_itself() -> None:
    """The expected number of near-whole figures, and the histogram, by brute force."""
    part, whole_ = np.array([37, 61, 0, 150, 80]), np.array([110, 130, 140, 150, 160])
    truth, bars = 0.0, np.zeros(101)
    for p, n in zip(part.tolist(), whole_.tolist(), strict=True):
        for k in range(n + 1):
            chance = math.comb(n, k) * (p / n) ** k * (1 - p / n) ** (n - k)
            bars[math.floor(100 * k / n + 0.5)] += chance
            if near_whole(np.array([k]), np.array([n]), 1)[0]:
                truth += chance
    many = (np.tile(part, FEWEST), np.tile(whole_, FEWEST))
    outcome = whole_percentages("whole_turnout", *many, 1)
    assert outcome.detail["usual"] == pytest.approx(truth * FEWEST, abs=0.01)
    assert usual_histogram(part, whole_, 100) == pytest.approx(bars, abs=1e-6)


def test_clean_nations_keep_the_stated_rate() -> None:
    """Forty clean nations: at one in a hundred, three leads would come in 0.7 % of the tries."""
    found = [analyse(result(nation(seed))) for seed in range(40)]
    assert sum(bool(one.leads) for one in found) <= 2
    for test in JUDGED:
        chances = [o.chance for one in found for o in one.outcomes if o.test == test]
        assert all(c is not None for c in chances)
        small = sum(c < 0.1 for c in chances if c is not None)
        # Four are to be expected of forty; eleven or more come in 0.2 % of the tries.
        assert small <= 10, test
        assert max(c for c in chances if c is not None) > 0.5


@pytest.mark.parametrize(
    ("planted", "tests"),
    [
        (Planted("stuffing", 0.15), {"share_turnout"}),
        (Planted("round", 0.06), {"fives_turnout", "fives_share"}),
        (Planted("invented", 0.3), {"last_digit_votes"}),
    ],
)
def test_planted_faults_show(planted: Planted, tests: set[str]) -> None:
    for seed in (1, 2):
        found = analyse(result(nation(seed, 900), planted))
        assert set(found.leads) >= tests
        # What is not touched does not speak.
        assert set(found.leads) <= {*tests, "whole_turnout", "whole_share"}
        assert all(o.chance is not None and o.chance < LEVEL for o in found.outcomes if o.lead)


def test_second_digits_are_never_a_lead() -> None:
    """Even where they are as far from Benford's law as can be."""
    base = result(nation(1))
    votes = base.tables["votes"].to_pylist()
    for row in votes:
        row["votes"] = 150
    import pyarrow as pa

    tables = {**base.tables, "votes": pa.Table.from_pylist(votes)}
    found = analyse(NationalResult(base.document, tables))
    [second] = [o for o in found.outcomes if o.test == "second_digit_votes"]
    assert second.chance is not None
    assert second.chance < 1e-9
    assert second.lead is None
