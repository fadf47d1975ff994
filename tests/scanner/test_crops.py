"""Crops for people: the right place of any scan, however it lies, beside the blank print."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.definition import load_election
from election.design import design_ballot
from election.layout import PageLayout
from election.profile import load_profile
from scanner.adjudication.crops import BAR_PX, Gray, crops_of
from scanner.reading import MarkClass, PageReading
from scanner.sheet import blank_references

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@cache
def page_of(name: str) -> tuple[PageLayout, Gray]:
    """The first page of an example's first style and its blank print."""
    election = load_election(EXAMPLES / name / "election.json")
    profile = load_profile(election.profile)
    layout = design_ballot(election, profile, election.ballot_styles[0].id)
    page = layout.pages[0]
    return page, blank_references(election, profile, [layout])[page.ballot_style_id, 1]


def scan(page: PageLayout, blank: Gray, *, turn: int, skew: float) -> tuple[Gray, PageReading]:
    """The blank print as a skewed 200-dpi scan, and what a perfect reader says of it."""
    ppm = 200 / 25.4
    wide, high = round(page.width_mm * ppm) + 40, round(page.height_mm * ppm) + 40
    angle = np.radians(skew)
    matrix = ppm * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre_mm = np.array([page.width_mm / 2, page.height_mm / 2])
    shift = np.array([wide / 2, high / 2]) - matrix @ centre_mm
    blank_scale = np.diag([page.width_mm / blank.shape[1], page.height_mm / blank.shape[0]])
    warp = np.hstack([matrix @ blank_scale, shift[:, None]])
    upright = cv2.warpAffine(blank, warp, (wide, high), borderValue=255, flags=cv2.INTER_AREA)
    x, y = (np.array([(t.x_mm, t.y_mm) for t in page.targets]) @ matrix.T + shift).T
    given = np.rot90(np.asarray(upright, np.uint8), turn // 90)
    places = {0: (x, y), 90: (y, wide - 1 - x), 180: (wide - 1 - x, high - 1 - y)}
    places[270] = (high - 1 - y, x)
    x, y = (p.astype(np.float32) for p in places[turn])
    none = np.zeros(len(page.targets), np.float32)
    reading = PageReading(
        layout=page,
        precinct_id=None,
        ballot_kind="test",
        orientation_deg=turn,
        dpi=200.0,
        residual_mm=0.0,
        scores=none,
        classes=(MarkClass.NO_MARK,) * len(page.targets),
        x_px=x,
        y_px=y,
        write_in_scores=none,
    )
    return np.ascontiguousarray(given), reading


@given(
    st.sampled_from(["us-general", "kz-majilis"]),
    st.sampled_from([0, 90, 180, 270]),
    st.floats(-4, 4),
)
@settings(max_examples=12, deadline=None)
def test_a_target_lies_on_its_blank_print_however_the_scan_lies(
    name: str, turn: int, skew: float
) -> None:
    page, blank = page_of(name)
    gray, reading = scan(page, blank, turn=turn, skew=skew)
    contests = sorted({t.contest_id for t in page.targets})
    crops = crops_of(gray, reading, contests, blank)
    assert set(crops.targets) == set(range(len(page.targets)))
    for picture in crops.targets.values():
        side = picture.shape[0]
        seen, printed = picture[:, :side], picture[:, side + BAR_PX :]
        assert seen.shape == printed.shape
        soft = [cv2.GaussianBlur(p, (0, 0), 4).astype(float) for p in (seen, printed)]
        # The rim is left out: the neighbours' print turns with the scan there too.
        inner = slice(side // 8, -side // 8)
        assert np.abs(soft[0] - soft[1])[inner, inner].mean() < 12


@given(st.sampled_from([0, 90, 180, 270]), st.floats(-4, 4))
@settings(max_examples=8, deadline=None)
def test_every_target_of_a_contest_is_in_its_crop_where_it_says(turn: int, skew: float) -> None:
    page, blank = page_of("us-general")
    gray, reading = scan(page, blank, turn=turn, skew=skew)
    for contest_id in {t.contest_id for t in page.targets}:
        crop = crops_of(gray, reading, [contest_id], blank).contests[contest_id]
        own = [i for i, t in enumerate(page.targets) if t.contest_id == contest_id]
        assert set(crop.places) == set(own)
        high, wide = crop.image.shape
        for place in crop.places.values():
            right, bottom = place.x_px + place.width_px, place.y_px + place.height_px
            assert 0 <= place.x_px < right <= wide
            assert 0 <= place.y_px < bottom <= high
            # The printed outline is there: ink, and white paper within it.
            inside = crop.image[place.y_px : bottom, place.x_px : right]
            middle = inside[inside.shape[0] // 3 : -inside.shape[0] // 3, inside.shape[1] // 2]
            assert inside.min() < 150
            assert middle.min() > 200


def test_a_write_in_area_is_cut_out_with_what_is_written_in_it() -> None:
    page, blank = page_of("us-general")
    index, target = next((i, t) for i, t in enumerate(page.targets) if t.write_in_area)
    area = target.write_in_area
    assert area is not None
    inked = blank.copy()
    scale = blank.shape[1] / page.width_mm
    y = round((area.y_mm + area.height_mm / 2) * scale)
    ends = [round((area.x_mm + part * area.width_mm) * scale) for part in (0.1, 0.9)]
    cv2.line(inked, (ends[0], y), (ends[1], y), 0, 4)
    gray, reading = scan(page, inked, turn=90, skew=1.0)
    written = crops_of(gray, reading, [target.contest_id], blank).write_ins[index]
    line = (written < 128).any(axis=0)
    assert 0.7 < line.mean() <= 1.0


def test_one_target_alone_and_no_blank_print_still_give_crops() -> None:
    page, blank = page_of("us-general")
    gray, reading = scan(page, blank, turn=0, skew=0.0)
    one = replace(
        reading,
        layout=replace(page, targets=page.targets[:1]),
        classes=reading.classes[:1],
        scores=reading.scores[:1],
        write_in_scores=reading.write_in_scores[:1],
        x_px=reading.x_px[:1],
        y_px=reading.y_px[:1],
    )
    contest = page.targets[0].contest_id
    crops = crops_of(gray, one, [contest, "not-on-this-page"])
    assert set(crops.contests) == {contest}
    side = crops.targets[0].shape[0]
    seen, drawn = crops.targets[0][:, :side], crops.targets[0][:, side + BAR_PX :]
    centre = side // 2
    for picture in (seen, drawn):
        assert picture[centre, centre] > 200
        assert picture[centre].min() < 160


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_target_at_the_very_edge_of_the_scan_is_padded_with_white(turn: int) -> None:
    page, blank = page_of("us-general")
    gray, reading = scan(page, blank, turn=turn, skew=0.0)
    off = replace(reading, x_px=reading.x_px - 3000, y_px=reading.y_px - 3000)
    crops = crops_of(gray, off, [page.targets[0].contest_id], blank)
    assert crops.contests[page.targets[0].contest_id].image.size >= 1
    assert (crops.targets[0][:, :100] == 255).all()
