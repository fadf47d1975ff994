"""Sheets and voters by chance: stated ranges, recorded amounts, truth from intent alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from election.layout import Grid, PageLayout, Target
from scanner.reading import MarkClass
from scanner.synthesis import (
    HIGHLIGHTER,
    NORMAL,
    SEVERE,
    STAMP,
    Defect,
    Habits,
    MarkKind,
    Paper,
    Pass,
    ScannerModel,
    SynthesisError,
    TrueMark,
    cut_short,
    draw_marks,
    overlapped,
    random_marks,
    random_pass,
    scan_page,
    scan_sheet,
    show_through,
    true_classes,
    with_defect,
)

Gray = npt.NDArray[np.uint8]
#: A small paper keeps these tests fast; nothing in the model knows of A4.
PAPER = (105.0, 148.0)
DPI = 100.0
PX_MM = DPI / 25.4
SHAPE = (round(PAPER[1] * PX_MM), round(PAPER[0] * PX_MM))
PLAIN = ScannerModel(noise_sigma=0, blur_mm=0, black=0, white=255, shading=0, dust_count=0, dpi=DPI)


def layout(contests: int = 3, options: int = 5) -> PageLayout:
    targets = tuple(
        Target(f"c{c}", f"o{o}", 0, 0, 20.0 + 30 * c, 20.0 + 18 * o, "oval", 5.1, 3.3)
        for c in range(contests)
        for o in range(options)
    )
    return PageLayout("s", 1, "front", *PAPER, Grid(2, 2, 0, 0, 1, 1), (), targets)


def printed() -> Gray:
    """A page with something everywhere: a grid of bars."""
    page = np.full(SHAPE, 255, np.uint8)
    page[10::24, 8:-8] = 0
    page[8:-8, 10::24] = 0
    return page


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("defect", list(Defect), ids=lambda d: d.value)
def test_each_severe_defect_shows_and_is_recorded(defect: Defect) -> None:
    way = with_defect(Pass(PLAIN), defect, SEVERE[defect].high * 0.98, rng(), PAPER)
    assert dict(way.amounts) == {defect: SEVERE[defect].high * 0.98}
    page, back = printed(), show_through(printed()[::-1], PAPER)
    clean = scan_sheet(page, Pass(PLAIN), rng(2), PAPER)
    marred = scan_sheet(page, way, rng(2), PAPER, ghost=back)
    assert marred.dtype == np.uint8
    assert marred.shape != clean.shape or np.abs(marred.astype(int) - clean).max() > 20
    again = scan_sheet(page, way, rng(2), PAPER, ghost=back)
    assert np.array_equal(marred, again)


@pytest.mark.parametrize("defect", [d for d in Defect if d in NORMAL], ids=lambda d: d.value)
def test_severe_begins_where_normal_ends(defect: Defect) -> None:
    normal, severe = NORMAL[defect], SEVERE[defect]
    assert normal.unit == severe.unit
    if defect is Defect.BILEVEL:  # too low and too high are both severe
        assert severe.low < normal.low < normal.high < severe.high
    elif defect is Defect.GRAIN:  # the lower the worse
        assert severe.high < normal.low
    else:
        assert normal.high < severe.low


def test_amounts_and_frequencies_are_as_stated() -> None:
    chance = rng(3)
    seen: Counter[Defect] = Counter()
    for _ in range(600):
        way = random_pass(chance, PAPER, dpi=DPI)
        seen.update(way.amounts.keys())
        for defect, amount in way.amounts.items():
            assert NORMAL[defect].low <= amount <= NORMAL[defect].high
    for defect, span in NORMAL.items():
        assert seen[defect] == pytest.approx(600 * span.chance, abs=25)


@pytest.mark.parametrize("severe", list(Defect), ids=lambda d: d.value)
def test_a_severe_sheet_is_normal_in_all_else(severe: Defect) -> None:
    way = random_pass(rng(8), PAPER, dpi=DPI, severe=severe)
    assert SEVERE[severe].low <= way.amounts[severe] <= SEVERE[severe].high
    for defect, amount in way.amounts.items():
        if defect is not severe:
            assert NORMAL[defect].low <= amount <= NORMAL[defect].high


def test_print_stands_where_the_paper_says() -> None:
    page = np.full(SHAPE, 255, np.uint8)
    page[200:220, 100:120] = 0

    def centre(paper: Paper) -> tuple[float, float]:
        scan = scan_page(page, PLAIN, rng(), paper_mm=PAPER, paper=paper)
        rows, columns = np.nonzero(scan < 128)
        return columns.mean() / PX_MM, rows.mean() / PX_MM

    x, y = centre(Paper())
    assert centre(Paper(offset_mm=(3.0, -2.0))) == pytest.approx((x + 3, y - 2), abs=0.2)
    shrunk = centre(Paper(print_scale=0.9))
    middle = (PAPER[0] / 2, PAPER[1] / 2)
    assert shrunk[0] - middle[0] == pytest.approx(0.9 * (x - middle[0]), abs=0.2)
    assert shrunk[1] - middle[1] == pytest.approx(0.9 * (y - middle[1]), abs=0.2)


def test_colour_takes_light_and_the_back_shows_mirrored() -> None:
    blank, back = np.full(SHAPE, 255, np.uint8), np.full(SHAPE, 255, np.uint8)
    back[100:140, 20:60] = 0
    scan = scan_page(
        blank,
        PLAIN,
        rng(),
        paper_mm=PAPER,
        paper=Paper(reflectance=0.8, bleed=0.2),
        ghost=show_through(back, PAPER),
    )
    assert scan[300, 200] == pytest.approx(204, abs=1)
    assert scan[120, -40] == pytest.approx(204 * 0.8, abs=3)
    assert scan[120, 40] == pytest.approx(204, abs=1)


def test_two_sheets_fed_together() -> None:
    first, second = np.full(SHAPE, 250, np.uint8), np.full(SHAPE, 250, np.uint8)
    second[100:140, 20:380] = 0
    scan = overlapped(first, second, 50.0, dpi=DPI)
    lead = round(50 * PX_MM)
    assert scan.shape == (SHAPE[0] + lead, SHAPE[1])
    through = scan[lead + 120, 200]
    assert 190 < through < 230
    assert scan[50, 200] == 250
    behind = overlapped(first, second, PAPER[1], dpi=DPI)
    assert behind[SHAPE[0] + 120, 200] == 0
    assert behind[: SHAPE[0] - 4].min() == 250
    with pytest.raises(SynthesisError, match="lead"):
        overlapped(first, second, -1.0, dpi=DPI)


def test_a_page_cut_short_loses_that_end() -> None:
    scan = printed()
    lost = round(20 * PX_MM)
    assert np.array_equal(cut_short(scan, 20, dpi=DPI), scan[:-lost])
    assert np.array_equal(cut_short(scan, 20, dpi=DPI, top=True), scan[lost:])
    with pytest.raises(SynthesisError, match="cut off"):
        cut_short(scan, 500, dpi=DPI)


def test_black_and_white_scans_hold_nothing_between() -> None:
    scan = scan_page(printed(), replace(PLAIN, noise_sigma=20, bilevel=128), rng(), paper_mm=PAPER)
    assert set(np.unique(scan)) == {0, 255}


def test_truth_is_what_was_meant() -> None:
    page = layout()
    marks = [
        TrueMark("c0", "o1", MarkKind.FILL),
        TrueMark("c0", "o2", MarkKind.LIGHT_DOT),
        TrueMark("c1", "o0", MarkKind.CROSSED_OUT),
        TrueMark("c1", "o0", MarkKind.FILL),
        TrueMark("c1", "o3", MarkKind.TICK_OUT),
        TrueMark("c2", "o1", MarkKind.THROUGH, to_option_id="o2"),
        TrueMark("c2", "o4", MarkKind.ERASED, residue=0.1),
        TrueMark("c2", "o0", MarkKind.ERASED, residue=0.4),
    ]
    found = {
        (t.contest_id, t.option_id): c
        for t, c in zip(page.targets, true_classes(page, marks), strict=True)
        if c is not MarkClass.NO_MARK
    }
    assert found == {
        ("c0", "o1"): MarkClass.MARK,
        ("c1", "o0"): MarkClass.MARGINAL,
        ("c1", "o3"): MarkClass.MARK,
        ("c2", "o1"): MarkClass.MARGINAL,
        ("c2", "o2"): MarkClass.MARGINAL,
        ("c2", "o0"): MarkClass.MARGINAL,
    }
    with pytest.raises(SynthesisError, match="'c0'/'zzz'"):
        true_classes(page, [TrueMark("c0", "zzz", MarkKind.FILL)])


def test_a_line_goes_through_both_targets() -> None:
    page = layout()
    blank = np.full(SHAPE, 255, np.uint8)
    mark = TrueMark("c1", "o1", MarkKind.THROUGH, to_option_id="o3")
    inked = draw_marks(blank, page, [mark], rng())
    for option, crossed in (("o0", False), ("o1", True), ("o2", True), ("o3", True), ("o4", False)):
        t = next(t for t in page.targets if (t.contest_id, t.option_id) == ("c1", option))
        x, y = round(t.x_mm * PX_MM), round(t.y_mm * PX_MM)
        assert bool(inked[y - 3 : y + 4, x - 8 : x + 9].min() < 150) is crossed


@pytest.mark.parametrize(("pen", "darkest"), [(HIGHLIGHTER, 140), (STAMP, 40)])
def test_a_highlighter_stays_pale_and_a_stamp_patchy(pen: object, darkest: int) -> None:
    blank = np.full(SHAPE, 255, np.uint8)
    mark = TrueMark("c0", "o2", MarkKind.FILL, pen)  # type: ignore[arg-type]
    inked = draw_marks(blank, layout(), [mark], rng())
    t = layout().targets[2]
    x, y = round(t.x_mm * PX_MM), round(t.y_mm * PX_MM)
    inside = inked[y - 4 : y + 5, x - 6 : x + 7]
    assert inside.min() >= darkest
    assert inside.std() > 1


def test_voters_do_what_their_habits_say() -> None:
    page, allowed = layout(), {"c0": 1, "c1": 3, "c2": 1}
    votes: Counter[str] = Counter()
    for seed in range(400):
        marks = random_marks(
            rng(seed), page, allowed, any_stroke=False, habits=Habits(overvotes=0.0, beside={})
        )
        held = Counter(m.contest_id for m in marks)
        assert all(count <= allowed[contest] for contest, count in held.items())
        assert all(m.truth is MarkClass.MARK for m in marks)
        votes.update(held.keys())
    for contest in allowed:
        assert votes[contest] == pytest.approx(400 * 0.88, abs=25)
    only = random_marks(rng(), page, allowed, any_stroke=True, kind=MarkKind.CIRCLE)
    assert {m.kind for m in only} <= {MarkKind.CIRCLE, *Habits().beside}


@pytest.mark.parametrize(
    ("model", "paper"),
    [
        (replace(PLAIN, shear_deg=60), Paper()),
        (replace(PLAIN, grain_quality=0), Paper()),
        (PLAIN, Paper(print_scale=0)),
        (PLAIN, Paper(offset_mm=(500, 0))),
    ],
    ids=["shear", "quality", "print scale", "print beside the sheet"],
)
def test_impossible_ways_are_refused(model: ScannerModel, paper: Paper) -> None:
    with pytest.raises(SynthesisError):
        scan_page(printed(), model, rng(), paper_mm=PAPER, paper=paper)
    with pytest.raises(SynthesisError, match="no amount"):
        with_defect(Pass(PLAIN), Defect.FOLD, -1.0, rng(), PAPER)
