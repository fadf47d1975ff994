"""Exact bounds and Wald's test against published figures (issue: bench report)."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.accuracy import Decision, Rate, SequentialTest, clopper_pearson


@pytest.mark.parametrize(
    ("events", "trials", "low", "high"),
    [
        # Documenta Geigy, Scientific Tables (7th ed.), exact 95 % limits of a proportion.
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (2, 20, 0.0123, 0.3170),
        (5, 50, 0.0333, 0.2181),
        (3, 100, 0.0062, 0.0852),
        (10, 10, 0.6915, 1.0),
    ],
)
def test_bounds_are_those_of_published_tables(
    events: int, trials: int, low: float, high: float
) -> None:
    found = clopper_pearson(events, trials)
    assert found == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("events", "trials", "low", "high"),
    [
        # Beta quantiles of SciPy 1.17 (scipy.stats.beta.ppf).
        (1, 10, 0.0025285785444617848, 0.4450161170281954),
        (0, 1549703, 0.0, 2.3803755065667705e-06),
        (1, 1_000_000, 2.5317807663794178e-08, 5.571630655166939e-06),
        (50_000, 10_000_000, 0.0049563769266166725, 0.005043910044319491),
        (3, 100, 0.006229971538306395, 0.08517605297428002),
    ],
)
def test_bounds_are_beta_quantiles(events: int, trials: int, low: float, high: float) -> None:
    assert clopper_pearson(events, trials) == pytest.approx((low, high), rel=1e-9)


def test_ten_million_positions_without_an_error_bound_the_rate_under_4e_7() -> None:
    _, high = clopper_pearson(0, 10_000_000)
    assert 3.68e-7 < high < 3.69e-7


@given(st.data())
def test_each_bound_leaves_half_of_the_doubt_outside(data: st.DataObject) -> None:
    """The definition itself, in exact fractions: P(X >= k | low) = P(X <= k | high) = 2.5 %."""
    trials = data.draw(st.integers(1, 60))
    events = data.draw(st.integers(0, trials))
    low, high = clopper_pearson(events, trials)

    def at_most(k: int, p: float) -> float:
        exact = Fraction(p)
        return float(
            sum(comb(trials, j) * exact**j * (1 - exact) ** (trials - j) for j in range(k + 1))
        )

    assert 0 <= low <= events / trials <= high <= 1
    if events:
        assert 1 - at_most(events - 1, low) == pytest.approx(0.025, rel=1e-6)
    if events < trials:
        assert at_most(events, high) == pytest.approx(0.025, rel=1e-6)


@pytest.mark.parametrize(("events", "trials"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(events: int, trials: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        clopper_pearson(events, trials)


def test_no_trials_give_no_rate() -> None:
    assert Rate.of(0, 0) == Rate(0, 0, None, None, None)


def test_the_2002_standards_accept_after_1549703_positions() -> None:
    test = SequentialTest()
    assert test.accept_after() == 1_549_703
    assert test.run(1_549_702, []).decision is Decision.CONTINUE
    assert test.run(1_549_702, []).to_go == 1
    assert test.run(1_549_703, []).decision is Decision.ACCEPT


def test_the_2002_standards_reject_one_error_up_to_26997() -> None:
    test = SequentialTest()
    assert test.reject_before(1) == 26_997
    assert test.run(30_000, [26_997]).decision is Decision.REJECT
    assert test.run(30_000, [26_997]).decided_after == 26_997
    later = test.run(1_549_703, [26_998])
    assert later.decision is Decision.CONTINUE
    # ln 20 / 1.9e-6 positions more make up for one error.
    assert later.positions + later.to_go == 3_126_404


def test_the_1990_standards_follow_from_the_same_formula() -> None:
    test = SequentialTest(p1=1e-5)
    assert test.accept_after() == pytest.approx(297_589, rel=1e-3)
    assert test.reject_before(1) == pytest.approx(167_753, rel=1e-3)


def test_a_decision_once_made_stands() -> None:
    test = SequentialTest()
    assert test.run(2_000_000, [1_600_000]).decision is Decision.ACCEPT
    assert test.run(9_000_000, [5, 8_000_000]).decision is Decision.REJECT


@pytest.mark.parametrize("errors", [[0], [11], [3, 3], [4, 2]])
def test_errors_out_of_order_are_refused(errors: list[int]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        SequentialTest().run(10, errors)
