"""Ink that may be no vote is left to a person; what a fault cannot have changed is read."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from election.importers.vxsuite import import_vxsuite
from election.profile import load_profile
from scanner.errors import PageRefusedError
from scanner.judgement import (
    FOLD,
    INK_AROUND,
    LIGHT_MARK,
    STREAK,
    STRUCK_OUT,
    TWO_TARGETS,
    classify,
)
from scanner.probability import FIGURES, figures, fit, probability
from scanner.reader import PageReader, default_thresholds
from scanner.reading import MarkClass, PageReading
from scanner.straighten import straighten
from tools.accuracy_pages import SECTIONS, MadePage, ballot, make_page, set_aside

SCANS = Path(__file__).resolve().parents[3] / "shared" / "data" / "nh-test-ballot"
SEED = 5


@cache
def made(section: str, number: int) -> tuple[MadePage, PageReading | None]:
    page = make_page(SEED, SECTIONS[section], number)
    try:
        return page, ballot(SECTIONS[section].ballot).sheets.pages.read(page.scan)
    except PageRefusedError:
        return page, None


def silent_errors(page: MadePage, reading: PageReading) -> list[str]:
    aside = set_aside(reading)
    return [
        f"{target.contest_id}/{target.option_id}"
        for target, truth, seen in zip(
            page.layout.targets, page.truth, reading.classes, strict=True
        )
        if truth is not MarkClass.MARGINAL and seen is not truth and target.contest_id not in aside
    ]


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ("defect-streak", STREAK),
        ("defect-fold", FOLD),
        ("mark-circle", INK_AROUND),
        ("mark-crossed_out", STRUCK_OUT),
        ("mark-erased", LIGHT_MARK),
        ("pen-highlighter", LIGHT_MARK),
    ],
)
def test_what_may_be_no_vote_is_named_and_nothing_passes_silently(section: str, kind: str) -> None:
    """VVSG 2.0, 1.1.6-H and -I; folds read as votes in Windham, New Hampshire, 2020."""
    kinds: set[str] = set()
    for number in range(4):
        page, reading = made(section, number)
        if reading is not None:
            kinds |= {flag.kind for flag in reading.flags}
            assert silent_errors(page, reading) == []
    assert kind in kinds


def test_one_stroke_through_two_targets_is_left_open() -> None:
    page, reading = made("mark-through", 0)
    assert reading is not None
    opened = [
        t.contest_id
        for t, c in zip(page.layout.targets, page.truth, strict=True)
        if c is MarkClass.MARGINAL
    ]
    assert opened
    assert set(opened) <= set_aside(reading)
    assert {flag.kind for flag in reading.flags} & {TWO_TARGETS, "unclear_mark", FOLD}


def test_a_streak_sets_aside_only_what_it_crosses() -> None:
    for number in range(4):
        page, reading = made("defect-streak", number)
        if reading is None or not any(flag.kind == STREAK for flag in reading.flags):
            continue
        aside = set_aside(reading)
        contests = {target.contest_id for target in page.layout.targets}
        assert aside < contests
        return
    pytest.fail("no streak crossed a target")


@pytest.mark.parametrize("number", range(4))
def test_a_leaning_sheet_all_in_view_is_read_up_to_the_limit(number: int) -> None:
    page, reading = made("defect-skew", number)
    limit = ballot("dense").sheets.pages.thresholds.max_skew_deg
    if abs(page.told["skew"]) > limit:
        assert reading is None
        return
    assert reading is not None
    assert silent_errors(page, reading) == []
    wrong = [
        i
        for i, (truth, seen) in enumerate(zip(page.truth, reading.classes, strict=True))
        if truth is not MarkClass.MARGINAL and seen is not truth
    ]
    assert len(wrong) <= 2


@given(st.floats(-8, 8), st.floats(0, 299), st.floats(0, 399))
@settings(max_examples=50, deadline=None)
def test_places_lead_back_to_the_page_as_it_was(angle: float, x: float, y: float) -> None:
    page = np.full((400, 300), 255, np.uint8)
    turned = straighten(page, angle, 250.0)
    middle_x, middle_y = (turned.gray.shape[1] - 1) / 2, (turned.gray.shape[0] - 1) / 2
    back = turned.back(np.array([middle_x], np.float32), np.array([middle_y], np.float32))
    assert back[0][0] == pytest.approx(149.5, abs=0.01)
    assert back[1][0] == pytest.approx(199.5, abs=0.01)
    # Distances are kept: the map is a rotation.
    moved = turned.back(np.array([x], np.float32), np.array([y], np.float32))
    far = np.hypot(moved[0][0] - 149.5, moved[1][0] - 199.5)
    assert far == pytest.approx(np.hypot(x - middle_x, y - middle_y), abs=0.01)


SHARE = st.floats(0, 1, width=32)


@given(
    arrays.arrays(np.float32, 20, elements=SHARE),
    arrays.arrays(np.float32, 20, elements=SHARE),
    arrays.arrays(np.float32, (20, 4), elements=st.one_of(SHARE, st.just(float("nan")))),
    st.sampled_from(["oval", "square", "circle"]),
)
def test_probabilities_are_probabilities(
    scores: np.ndarray, light: np.ndarray, sides: np.ndarray, shape: str
) -> None:
    chance = probability(scores, light, sides, shape)  # type: ignore[arg-type]
    assert chance.dtype == np.float32
    assert ((chance > 0) & (chance < 1)).all()
    # More ink inside is never less probable.
    order = np.argsort(scores)
    same = probability(
        scores[order], np.full(20, light[0], np.float32), np.zeros((20, 4), np.float32), "oval"
    )
    assert (np.diff(same) >= -1e-7).all()


def test_a_fitted_model_states_the_shares_it_was_shown() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(4000).astype(np.float32)
    rows = figures(scores, scores, np.zeros((4000, 4), np.float32))
    meant = rng.random(4000) < 1 / (1 + np.exp(6 - 14 * scores))
    weights = fit(rows, meant)
    assert weights.shape == (len(FIGURES),)
    stated = 1 / (1 + np.exp(-rows @ weights))
    for low in (0.0, 0.25, 0.5, 0.75):
        here = (stated >= low) & (stated < low + 0.25)
        assert stated[here].mean() == pytest.approx(meant[here].mean(), abs=0.06)


def test_the_calibration_holds_on_real_scans() -> None:
    if not (SCANS / "truth.json").is_file():
        pytest.skip("real scans are not beside the project")
    imported = import_vxsuite(SCANS / "election.json")
    reader = PageReader.for_vxsuite(imported, default_thresholds(load_profile("us-general")))
    for scan in json.loads((SCANS / "truth.json").read_text())["scans"]:
        reading = reader.read(cv2.imread(str(SCANS / scan["file"]), cv2.IMREAD_GRAYSCALE))
        marked = {(m["column"], m["row"]) for m in scan["marked"]}
        for target, chance in zip(reading.layout.targets, reading.probabilities, strict=True):
            if (target.column, target.row) in marked:
                assert chance > 0.99
            else:
                assert chance < 0.05


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_thresholds_a_fifth_off_change_no_clear_vote_on_real_scans(factor: float) -> None:
    if not (SCANS / "truth.json").is_file():
        pytest.skip("real scans are not beside the project")
    imported = import_vxsuite(SCANS / "election.json")
    limits = default_thresholds(load_profile("us-general"))
    reader = PageReader.for_vxsuite(imported, limits)
    from dataclasses import replace

    other = replace(limits, marginal=limits.marginal * factor, definite=limits.definite * factor)
    for path in sorted(SCANS.glob("scan-*.jpeg")):
        reading = reader.read(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        assert classify(reading.scores, other) == reading.classes
