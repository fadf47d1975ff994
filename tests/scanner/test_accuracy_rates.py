"""Statistics over observations: what is an error, what is not, and which sheet is which."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.accuracy import Decision, Observation, Observations, SequentialTest, curves, rates
from scanner.accuracy.alignment import GAP, align
from scanner.accuracy.observations import MARGINAL, MARK, NO_MARK, NOT_READ


def seen(truth: int, read: int, **changes: object) -> Observation:
    base = Observation(
        1, 1, "cover", 1, "c", "o", truth, True, read, read, read, 0.5, "", "",
        math.nan, 50.0, 60.0, math.nan, math.nan,
    )  # fmt: skip
    return base._replace(**changes)  # type: ignore[arg-type]


def table(*rows: Observation) -> Observations:
    return Observations.of(rows)


def test_only_silent_errors_on_clear_targets_count() -> None:
    found = rates.position_rates(
        table(
            seen(MARK, MARK),
            seen(MARK, NO_MARK),  # missed
            seen(NO_MARK, MARK),  # false
            seen(MARK, MARGINAL),  # set aside: no error
            seen(NO_MARK, NOT_READ),  # refused: not judged
            seen(MARGINAL, MARK),  # a person's matter either way
            seen(MARK, NO_MARK, clear=False),  # near the threshold
        )
    )
    assert (found.error.events, found.error.trials) == (2, 4)
    assert (found.missed.events, found.missed.trials) == (1, 3)
    assert (found.false.events, found.false.trials) == (1, 1)
    assert (found.marginal.events, found.marginal.trials) == (1, 4)


def test_the_sequential_test_sees_errors_in_the_order_of_reading() -> None:
    rows = [seen(NO_MARK, NO_MARK)] * 9 + [seen(NO_MARK, MARK)]
    verdict = rates.sequential(table(*rows), SequentialTest())
    assert verdict.decision is Decision.REJECT
    assert verdict.decided_after == 10


def test_repeats_may_turn_marginal_but_not_into_the_other_class() -> None:
    same = [seen(MARK, MARK), seen(MARK, MARGINAL, sheet=2)]
    turned = [seen(MARK, MARK, y_mm=70.0), seen(MARK, NO_MARK, y_mm=70.0, sheet=3)]
    alone = [seen(MARK, MARK, y_mm=80.0), seen(MARK, NOT_READ, y_mm=80.0, sheet=2)]
    assert rates.repeats(table(*same, *turned, *alone)) == (2, 1)


def test_stability_counts_changes_and_silent_ones_apart() -> None:
    low, high = rates.stability(
        table(seen(MARK, MARK, high=MARGINAL), seen(NO_MARK, NO_MARK, low=MARK)), 0.8, 1.2
    )
    assert (dict(low.changed), low.clear_votes) == ({"no_mark>mark": 1}, 1)
    assert (dict(high.changed), high.clear_votes) == ({"mark>marginal": 1}, 0)


def test_perfectly_apart_scores_have_area_one() -> None:
    rows = [seen(MARK, MARK, score=s) for s in (0.3, 0.9)]
    rows += [seen(NO_MARK, NO_MARK, score=s) for s in (0.0, 0.01, 0.02)]
    found = curves.roc(table(*rows))
    assert found.area == 1.0
    assert (found.false[found.threshold == 0.3][0], found.found[-1]) == (0.0, 1.0)
    bars = curves.histogram(table(*rows))
    assert (bars.marks.sum(), bars.empty.sum(), bars.unclear.sum()) == (2, 3, 0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=16)), min_size=2, max_size=60))
def test_area_is_the_chance_that_a_mark_outscores_an_empty_target(
    scored: list[tuple[bool, float]],
) -> None:
    marks = [s for mark, s in scored if mark]
    empty = [s for mark, s in scored if not mark]
    rows = [seen(MARK if m else NO_MARK, MARGINAL, score=s) for m, s in scored]
    area = curves.roc(table(*rows)).area
    if not marks or not empty:
        assert math.isnan(area)
        return
    wins = sum((a > b) + (a == b) / 2 for a in marks for b in empty)
    assert area == pytest.approx(wins / len(marks) / len(empty))


def test_a_wider_band_sets_more_aside_and_errs_less() -> None:
    rows = [seen(MARK, MARK, score=s) for s in (0.02, 0.04, 0.06, 0.3)]
    rows += [seen(NO_MARK, NO_MARK, score=s) for s in (0.0, 0.05, 0.08)]
    points = curves.trade_off(table(*rows), 0.05, 0.07)
    aside, errors = [p.marginal for p in points], [p.errors for p in points]
    assert aside == sorted(aside)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0


def test_residuals_are_in_the_cell_where_they_lie() -> None:
    assert curves.residuals(table(seen(MARK, MARK))) is None
    found = curves.residuals(table(seen(MARK, MARK, dx_mm=0.3, dy_mm=0.4)))
    assert found is not None
    assert found.rms_mm == pytest.approx(0.5)
    assert [(c.x_mm, c.y_mm, c.count) for c in found.cells] == [(45.0, 75.0, 1)]


def test_no_observation_gives_no_rate() -> None:
    empty = table()
    assert len(empty) == 0
    assert rates.position_rates(empty).error.value is None
    assert rates.confusion(empty) == rates.ladder(empty) == ()


@given(st.integers(2, 12), st.data())
def test_a_sheet_that_stayed_out_moves_no_other(number: int, data: st.DataObject) -> None:
    """Sheets of one mark each, as a party list is: a shift would look like many errors."""
    missing = data.draw(st.integers(0, number - 1))
    marks = data.draw(st.lists(st.integers(0, 7), min_size=number, max_size=number))
    fed = [mark for i, mark in enumerate(marks) if i != missing]
    cost = np.array([[0.0 if a == b else 2.0 for b in fed] for a in marks])
    found = align(cost)
    assert sum(j is None for j in found) == 1
    pairs = [(i, j) for i, j in enumerate(found) if j is not None]
    assert [j for _, j in pairs] == list(range(number - 1))
    best = sum(cost[i, j] for i, j in pairs)
    truth = [i for i in range(number) if i != missing]
    assert best <= sum(cost[i, j] for j, i in enumerate(truth))


def test_one_wrong_reading_is_not_explained_away() -> None:
    cost = np.full((4, 4), 2.0)
    np.fill_diagonal(cost, 0.0)
    cost[2, 2] = GAP  # six silent errors on one sheet
    assert align(cost) == (0, 1, 2, 3)
