"""Measured cases against the field's own tools: Arlo, SHANGRLA, Rivest's and Stark's samplers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.cli import main
from tally.audit import bravo, martingales, supersimple
from tally.audit.cases import measure
from tally.audit.errors import AuditError

pytest.importorskip("scipy", reason="the extra `audit` is not installed")
pytest.importorskip("cryptorandom", reason="the extra `audit` is not installed")

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "rla_oracles_shared.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
#: Sizes for a chance are a search that tools end differently.
QUANTILE = 0.02


def agrees(found: Any, expected: Any, tolerance: dict[str, float], name: str) -> bool:
    if isinstance(expected, bool | str | list):
        return bool(found == expected)
    if name.startswith("sample_size_p"):
        return abs(found - expected) <= QUANTILE * expected
    allowed = tolerance.get("abs", 0) + tolerance.get("rel", 0) * abs(expected)
    return bool(abs(found - expected) <= allowed)


@pytest.mark.parametrize("case", CASES, ids=[f"{c['id']}-{c['method']}" for c in CASES])
def test_the_reference_cases_are_met(case: dict[str, Any]) -> None:
    found = measure(case)
    for name, expected in case["expected"].items():
        assert agrees(found[name], expected, case["tolerance"], name), (name, found[name], expected)


def test_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(file: Path) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["audit", "risk", str(file)])
        return int(ended.value.code or 0)

    case = next(c for c in CASES if c["method"] == "comparison-risk")
    file = tmp_path / "case.json"
    file.write_text(json.dumps({"method": case["method"], "inputs": case["inputs"]}))
    assert run(file) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(case["expected"])
    file.write_text("{")
    assert run(file) == 1
    assert "is not JSON" in capsys.readouterr().err


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("alpha", {"assorter_values": []}, "assorter_values"),
    ("alpha", {"assorter_values": [0.5, 1.5]}, r"1\.5 \(draw 2\) is not in \[0, upper\]"),
    ("alpha", {"assorter_values": [0.5, -0.1]}, r"-0\.1 \(draw 2\)"),
    ("alpha", {"assorter_values": [float("nan")]}, "assorter_values.0"),
    ("alpha", {"population": 1}, "2 draws without replacement from 1 cards"),
    ("alpha", {"null_mean": 1.0}, "null_mean"),
    ("alpha", {"eta": 0.4}, "eta must be above null_mean"),
    ("alpha", {"colour": 1}, "colour: Extra inputs"),
    ("bravo-risk", {"votes": {"a": 5}}, "votes"),
    ("bravo-risk", {"votes": {"a": 5, "b": -1}}, "votes.b"),
    ("bravo-risk", {"votes": {"a": 5, "b": "1"}}, "votes.b"),
    ("bravo-risk", {"votes": {"a": 50, "b": 1}}, "more votes than there are ballots"),
    ("bravo-risk", {"sample": {"z": 1}}, "z is no candidate"),
    ("bravo-risk", {"risk_limit": 1.0}, "risk_limit"),
    ("bravo-risk", {"winners": 2}, "winners: 2 of 2 candidates"),
]


@pytest.mark.parametrize(("method", "change", "words"), BAD)
def test_a_case_of_no_use_is_refused_by_field(
    method: str, change: dict[str, Any], words: str
) -> None:
    good: dict[str, dict[str, Any]] = {
        "alpha": {
            "assorter_values": [0.5, 1.0],
            "upper_bound": 1.0,
            "population": 10,
            "null_mean": 0.5,
            "eta": 0.6,
            "c": 0.1,
            "d": 10.0,
        },
        "bravo-risk": {
            "risk_limit": 0.1,
            "votes": {"a": 6, "b": 4},
            "ballots": 10,
            "winners": 1,
            "sample": {"a": 1},
            "sample_size": 1,
        },
    }
    assert 0 <= measure({"method": method, "inputs": good[method]})["p_value"] <= 1
    with pytest.raises(AuditError, match=words):
        measure({"method": method, "inputs": {**good[method], **change}})


def test_an_unknown_method_or_shape_is_refused() -> None:
    for document in ({"method": "magic", "inputs": {}}, {"inputs": {}}, [], 5, None):
        with pytest.raises(AuditError):
            measure(document)


# --- what the tests promise --------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=9),
    st.booleans(),
    st.sampled_from(["alpha", "agrapa"]),
)
@settings(max_examples=40, deadline=None)
def test_the_martingale_does_not_rise_on_average_under_the_hypothesis(
    population: list[float], replacement: bool, kind: str
) -> None:
    """Over all orders of a population whose mean is just 1/2 (or below) the expected product is
    at most 1 at every draw: so, by Ville, the risk is at most the limit."""
    values = np.array(population)
    if values.mean() > 0.5:
        values = 1.0 - values
    number = len(values)
    rng = np.random.default_rng(number)
    if replacement:
        draws = values[rng.integers(0, number, size=(4000, 6))]
        null = martingales.Null(1.0)
    else:
        draws = np.array([rng.permutation(values) for _ in range(4000)])
        null = martingales.Null(1.0, population=number)
    if kind == "alpha":
        history = martingales.alpha(draws, null, eta=0.7, d=3, c=0.05)
    else:
        history = martingales.agrapa(draws, null, first_bet=0.5, c=0.9)
    least = history.min(axis=1)
    for limit in (0.05, 0.1, 0.25):
        share = float((least <= limit).mean())
        # Four standard errors above the limit.
        assert share <= limit + 4 * math.sqrt(limit * (1 - limit) / len(draws))


def test_many_assertions_at_once_are_each_alone() -> None:
    rng = np.random.default_rng(7)
    draws = rng.choice([0.0, 0.5, 1.0], size=(5, 300), p=[0.2, 0.3, 0.5])
    null = martingales.Null(1.0, population=5000)
    for whole, alone in (
        (
            martingales.alpha(draws, null, eta=0.65, d=50, c=0.05, f=0.1),
            [martingales.alpha(row, null, eta=0.65, d=50, c=0.05, f=0.1) for row in draws],
        ),
        (
            martingales.agrapa(draws, null, first_bet=0.5, c=0.9),
            [martingales.agrapa(row, null, first_bet=0.5, c=0.9) for row in draws],
        ),
    ):
        assert np.allclose(whole, np.array(alone), rtol=1e-12, atol=0)


def test_draws_that_say_nothing_leave_the_risk_at_one() -> None:
    """Blank cards are just 1/2 each: no number of them confirms or hurts."""
    blank = np.full(40, 0.5)
    null = martingales.Null(1.0)
    assert np.array_equal(martingales.agrapa(blank, null, first_bet=0.5, c=0.9), np.ones(40))
    later = np.concatenate([blank, np.ones(20)])
    assert martingales.agrapa(later, null, first_bet=0.5, c=0.9)[-1] < 0.05


def test_all_cards_settle_it() -> None:
    """Drawn to the end, a true outcome is confirmed with certainty, a false one never."""
    for votes, sure in (([1.0] * 6 + [0.0] * 4, True), ([1.0] * 5 + [0.0] * 5, False)):
        rng = np.random.default_rng(3)
        for _ in range(50):
            order = rng.permutation(np.array(votes))
            null = martingales.Null(1.0, population=10)
            last = martingales.alpha(order, null, eta=0.6, d=10, c=0.05)[-1]
            assert bool(last == 0.0) is sure


def test_more_errors_never_lower_the_risk_and_understatements_never_help() -> None:
    contest = bravo.Contest({"w": 5300, "l": 4500}, 10_000)
    errors = supersimple.Errors
    none = supersimple.risk(contest, 200, errors())
    assert none < supersimple.risk(contest, 200, errors(over_1=1))
    assert supersimple.risk(contest, 200, errors(over_1=1)) < supersimple.risk(
        contest, 200, errors(over_2=1)
    )
    assert supersimple.risk(contest, 200, errors(under_1=3, under_2=2)) == none
    assert supersimple.risk(contest, 10_000, errors(over_2=9)) == 0.0
    with pytest.raises(AuditError, match="5 errors on 4 cards"):
        supersimple.risk(contest, 4, errors(over_1=5))
