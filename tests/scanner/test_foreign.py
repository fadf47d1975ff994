"""Ink that is neither print nor vote (SEED-23), two sheets, other scales: all of them named."""

from __future__ import annotations

import io
from functools import cache
from typing import get_args

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from election.profile import ForeignMarks
from scanner.errors import PageRefusedError, RefusalReason
from scanner.foreign import FOREIGN_MARK, INK_NEAR_CODE
from scanner.identify import NOTE
from scanner.interpretation import interpret
from scanner.reader import PageReader
from scanner.reading import MarkClass
from scanner.scale import WRONG_SCALE
from scanner.sheet import SheetReader
from scanner.synthesis import MarkKind, ScannerModel, TrueMark, draw_marks, scan_page
from scanner.synthesis.misfeeds import overlapped
from tools.accuracy_pages import SECTIONS, Ballot, ballot, make_page

Gray = npt.NDArray[np.uint8]
DPI = 200.0
PX_MM = DPI / 25.4
SEED = 77


def squares() -> Ballot:
    """The Kazakh list ballot: `foreign_marks` is "review" there."""
    return ballot("squares")


def scanned(inked: Gray, seed: int = 3, **model: object) -> Gray:
    machine = ScannerModel(dpi=DPI, dust_count=3, **model)  # type: ignore[arg-type]
    return scan_page(inked, machine, np.random.default_rng(seed), page_dpi=DPI)


def blank() -> Gray:
    return squares().blanks[0].copy()


def pen(page: Gray, strokes: list[list[tuple[float, float]]], width_mm: float = 0.5) -> Gray:
    """Strokes through places in mm."""
    for stroke in strokes:
        places = np.rint(np.array(stroke) * PX_MM).astype(np.int32)
        cv2.polylines(page, [places], False, 40, max(1, round(width_mm * PX_MM)), cv2.LINE_AA)
    return page


def signature(x: float, y: float) -> list[list[tuple[float, float]]]:
    t = np.linspace(0, 6 * np.pi, 60)
    loops = np.stack([x + 1.2 * t, y + 3.5 * np.sin(t) * np.cos(t / 5)], axis=1)
    return [[(float(a), float(b)) for a, b in loops]]


#: A place on the page's lower half that has no print and no target near.
@cache
def free_place() -> tuple[float, float]:
    layout = squares().pages[0]
    return 60.0, max(t.y_mm for t in layout.targets) + 25.0


def kinds(page: Gray, **stated: float) -> list[str]:
    return [f.kind for f in squares().sheets.pages.read(page, **stated).flags]  # type: ignore[arg-type]


def test_a_signature_sends_the_sheet_to_a_person_with_its_place() -> None:
    x, y = free_place()
    layout = squares().pages[0]
    option = layout.targets[2]
    mark = TrueMark(option.contest_id, option.option_id, MarkKind.CROSS)
    inked = draw_marks(blank(), layout, [mark], np.random.default_rng(1))
    reading = squares().sheets.pages.read(scanned(pen(inked, signature(x, y))))
    (flag,) = reading.flags
    assert flag.kind == FOREIGN_MARK
    assert flag.contest_id is None
    assert f"{x:.0f} mm from the left" in flag.detail
    assert reading.classes[2] is MarkClass.MARK
    assert interpret([reading], squares().election, squares().profile).needs_review


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("skew", [-3.0, 0.6])
def test_a_signature_is_seen_in_every_turn_and_slant(turn: int, skew: float) -> None:
    page = scanned(pen(blank(), signature(*free_place())), skew_deg=skew, border_mm=8.0)
    assert kinds(np.ascontiguousarray(np.rot90(page, turn))) == [FOREIGN_MARK]


def test_the_profile_decides_what_becomes_of_it() -> None:
    page = scanned(pen(blank(), signature(*free_place())))
    told = {}
    for wish in get_args(ForeignMarks):
        marks = squares().profile.marks.model_copy(update={"foreign_marks": wish})
        profile = squares().profile.model_copy(update={"marks": marks})
        told[wish] = [
            f.kind for f in SheetReader(squares().election, profile).pages.read(page).flags
        ]
    assert told == {"ignore": [], "note": [NOTE], "review": [FOREIGN_MARK]}


def test_folds_specks_and_slips_of_the_pen_are_no_signs() -> None:
    x, y = free_place()
    page = pen(blank(), [[(13, y), (197, y + 6)]], 0.4)
    pen(page, [[(x, y + 12), (x + 4, y + 12.5)]])
    for k in range(6):
        pen(page, [[(30 + 20 * k, y + 20), (30.5 + 20 * k, y + 20)]])
    assert kinds(scanned(page)) == []


def test_ink_beside_a_code_is_named() -> None:
    qr = squares().pages[0].qr
    assert qr is not None
    beside = [[(qr.x_mm - 2.0, qr.y_mm + 4), (qr.x_mm - 1.6, qr.y_mm + 12)]]
    assert kinds(scanned(pen(blank(), beside, 0.8))) == [INK_NEAR_CODE]
    edge = [[(11.8, 100.0), (12.0, 112.0)]]
    assert kinds(scanned(pen(blank(), edge, 0.8))) == [INK_NEAR_CODE]


@pytest.mark.parametrize("section", ["normal-squares", "normal"])
def test_sheets_of_the_normal_range_have_no_foreign_ink(section: str) -> None:
    told = SECTIONS[section]
    reader = ballot(told.ballot).sheets.pages
    flags = [f for n in range(8) for f in reader.read(make_page(SEED, told, n).scan).flags]
    assert [f for f in flags if f.contest_id is None] == []


# --- Two sheets at once ---------------------------------------------------------------


@pytest.mark.parametrize("behind_mm", [3.2, 9.0, 15.0, 20.8])
def test_two_sheets_drawn_in_together_are_refused(behind_mm: float) -> None:
    first, second = scanned(blank()), scanned(blank(), seed=4)
    with pytest.raises(PageRefusedError, match=r"one by one") as refused:
        squares().sheets.pages.read(overlapped(first, second, behind_mm, dpi=DPI))
    assert refused.value.reason is RefusalReason.TWO_SHEETS


def test_no_double_feed_of_the_paper_model_is_read() -> None:
    double = SECTIONS["defect-double_feed"]
    for number in (6, 8, 17):
        with pytest.raises(PageRefusedError):
            ballot(double.ballot).sheets.pages.read(make_page(SEED, double, number).scan)


def test_the_back_showing_through_is_no_second_sheet() -> None:
    through = SECTIONS["defect-bleed_through"]
    for number in range(4):
        reading = ballot(through.ballot).sheets.pages.read(make_page(SEED, through, number).scan)
        assert reading.scores.size


# --- Scale ----------------------------------------------------------------------------


def copied(scale: tuple[float, float]) -> Gray:
    return scanned(blank(), scale=scale, border_mm=4.0)


@pytest.mark.parametrize(
    ("scale", "stated", "flagged"),
    [
        ((0.96, 0.96), 200.0, True),
        ((1.05, 1.05), 200.0, True),
        ((0.985, 0.985), 200.0, False),
        ((1.0, 0.95), 200.0, False),  # a worn roller
        ((1.04, 0.96), 200.0, False),
        ((0.96, 0.96), 72.0, False),
        ((0.96, 0.96), 96.0, False),
        ((0.96, 0.96), 300.0, False),
        ((1.0, 1.0), 200.0, False),
    ],
)
def test_a_copy_at_another_scale_is_flagged(
    scale: tuple[float, float], stated: float, flagged: bool
) -> None:
    assert kinds(copied(scale), dpi=stated) == [WRONG_SCALE] * flagged


def test_a_page_of_unstated_resolution_is_not_judged_by_it() -> None:
    assert kinds(copied((0.95, 0.95))) == []


def test_the_file_s_own_resolution_is_used() -> None:
    file = io.BytesIO()
    Image.fromarray(copied((0.955, 0.955))).save(file, "PNG", dpi=(DPI, DPI))
    seen = squares().sheets.read_images([file.getvalue()]).interpretation
    assert WRONG_SCALE in [f.kind for f in seen.flags]
    assert seen.needs_review


# --- One side twice -------------------------------------------------------------------


def test_one_side_twice_is_refused_with_what_to_do() -> None:
    page = scanned(blank())
    with pytest.raises(PageRefusedError, match=r"page 1.*both.*sides") as refused:
        squares().sheets.read_pages([page, page])
    assert refused.value.reason is RefusalReason.DUPLICATE_SIDE


def test_other_thresholds_keep_the_profile_s_wish() -> None:
    reader = squares().sheets.pages
    page = scanned(pen(blank(), signature(*free_place())))
    other = reader.with_thresholds(reader.thresholds)
    assert isinstance(other, PageReader)
    assert [f.kind for f in other.read(page).flags] == [FOREIGN_MARK]
