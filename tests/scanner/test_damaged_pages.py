"""A stain on one code loses no ballot; a page that cannot be trusted says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from election.definition import load_election
from election.design import design_ballot
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from scanner.errors import PageRefusedError, RefusalReason
from scanner.reader import PageReader, default_thresholds
from scanner.sheet import SheetReader
from scanner.thresholds import load_thresholds

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "kz-majilis" / "election.json"
Gray = npt.NDArray[np.uint8]
#: Pixels per mm of a 200-dpi page.
PPM = 200 / 25.4


@pytest.fixture(scope="module")
def page() -> Gray:
    election = load_election(EXAMPLE)
    profile = load_profile(election.profile)
    layout = design_ballot(election, profile, "list")
    return render_blank(render_pdf(election, profile, layout), 200)[0]


@pytest.fixture(scope="module")
def reader() -> PageReader:
    election = load_election(EXAMPLE)
    return SheetReader(election, load_profile(election.profile)).pages


def stained(page: Gray, x_mm: float, y_mm: float, wide_mm: float, high_mm: float) -> Gray:
    out = page.copy()
    x, y = round(x_mm * PPM), round(y_mm * PPM)
    out[y : y + round(high_mm * PPM), x : x + round(wide_mm * PPM)] = 40
    return out


def qr_stain(page: Gray) -> Gray:
    layout = design_ballot(load_election(EXAMPLE), load_profile("kz-majilis"), "list")
    qr = layout.pages[0].qr
    assert qr is not None
    return stained(page, qr.x_mm + 3, qr.y_mm + 3, qr.width_mm - 3, qr.height_mm - 3)


def edge_stain(page: Gray) -> Gray:
    return stained(page, 0, 140, 11.5, 25)


@pytest.mark.parametrize(
    ("spoil", "word", "more"),
    [
        (qr_stain, "QR code unreadable", []),
        # It reaches beyond the marks, where nothing is printed: a person looks.
        (edge_stain, "edge code unreadable", ["ink_near_code"]),
    ],
)
def test_a_stain_on_one_code_loses_no_ballot(
    page: Gray, reader: PageReader, spoil: Callable[[Gray], Gray], word: str, more: list[str]
) -> None:
    reading = reader.read(spoil(page))
    assert reading.layout.ballot_style_id == "list"
    assert [flag.kind for flag in reading.flags] == ["note", *more]
    assert reading.flags[0].detail.startswith(word)


def test_codes_that_disagree_are_refused(page: Gray, reader: PageReader) -> None:
    election, profile = load_election(EXAMPLE), load_profile("kz-majilis")
    layout = design_ballot(election, profile, "smd-1")
    other = render_blank(render_pdf(election, profile, layout), 200)[0]
    qr = layout.pages[0].qr
    assert qr is not None
    x, y = round((qr.x_mm - 2) * PPM), round((qr.y_mm - 2) * PPM)
    side = round((qr.width_mm + 4) * PPM)
    pasted = page.copy()
    pasted[y : y + side, x : x + side] = other[y : y + side, x : x + side]
    with pytest.raises(PageRefusedError) as refused:
        reader.read(pasted)
    assert refused.value.reason is RefusalReason.CODES_DISAGREE


def tilted(page: Gray) -> Gray:
    high, wide = page.shape
    turn = cv2.getRotationMatrix2D((wide / 2, high / 2), 11, 1)
    return np.asarray(cv2.warpAffine(page, turn, (wide, high), borderValue=255), np.uint8)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (tilted, RefusalReason.TOO_SKEWED),
        (lambda p: p[: int(p.shape[0] * 0.7)], RefusalReason.CUT_OFF),
        (lambda p: p[: int(p.shape[0] * 0.9)], RefusalReason.CUT_OFF),
        (lambda p: np.vstack([p, p]), RefusalReason.TWO_SHEETS),
        (lambda p: cv2.resize(p, None, fx=0.5, fy=0.5), RefusalReason.WRONG_SCALE),
    ],
    ids=["tilted", "cut to 70 %", "cut to 90 %", "two sheets", "100 dpi"],
)
def test_an_untrusted_page_says_why(
    page: Gray, reader: PageReader, spoil: Callable[[Gray], Gray], reason: RefusalReason
) -> None:
    with pytest.raises(PageRefusedError) as refused:
        reader.read(np.ascontiguousarray(spoil(page)))
    assert refused.value.reason is reason


def test_a_thresholds_file_reaches_every_judgement(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("write_in = 0.2\ndefinite = 0.5\n")
    election, profile = load_election(EXAMPLE), load_profile("kz-majilis")
    limits = load_thresholds(tmp_path / "t.toml", default_thresholds(profile))
    sheets = SheetReader(election, profile, thresholds=limits)
    assert sheets.pages.thresholds.definite == pytest.approx(0.5)
    assert sheets.profile.marks.write_in == pytest.approx(0.2)
