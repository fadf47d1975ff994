"""New Hampshire pages made here: longer papers, several styles, beds and cuts at the edges.

Every clear mark is read as made or left to a person; none is read wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from election.importers.vxsuite import VxElection, convert_vxsuite
from election.layout import PageLayout
from election.profile import load_profile
from scanner import synthesis
from scanner.decode import DecodedPage, decode_pages
from scanner.errors import PageRefusedError, RefusalReason
from scanner.reader import PageReader, default_thresholds
from scanner.reading import MarkClass, PageReading
from scanner.synthesis import Defect, MarkKind, ScannerModel, TrueMark
from scanner.synthesis.files import Format
from tests.scanner.nh_pages import Gray, back_bits, definition, draw_page, front_bits

PAPERS = ("letter", "legal", "custom-8.5x17")
CARDS = (3, 4, 5)


@cache
def election(paper: str, cards: tuple[int, ...] = CARDS) -> VxElection:
    return convert_vxsuite(definition(paper, cards))


@cache
def reader(paper: str, cards: tuple[int, ...] = CARDS) -> PageReader:
    return PageReader.for_vxsuite(
        election(paper, cards), default_thresholds(load_profile("us-general"))
    )


@cache
def blank(paper: str, style: int, side: int) -> tuple[PageLayout, Gray]:
    imported = election(paper)
    page = imported.layouts[style].pages[side]
    return page, draw_page(page, imported)


def filled(page: PageLayout, rng: np.random.Generator, share: float = 0.25) -> list[TrueMark]:
    """Some ovals filled in as asked, each with its own pen."""
    chosen = rng.choice(len(page.targets), max(1, int(share * len(page.targets))), replace=False)
    return [
        TrueMark(
            page.targets[i].contest_id,
            page.targets[i].option_id,
            MarkKind.FILL,
            synthesis.random_pen(rng),
            target_index=int(i),
        )
        for i in chosen
    ]


def wrong(reading: PageReading, marks: list[TrueMark]) -> list[tuple[str, str, MarkClass]]:
    """Targets whose clear truth was read as the opposite."""
    truth = synthesis.true_classes(reading.layout, marks)
    return [
        (target.contest_id, target.option_id, seen)
        for target, true, seen in zip(reading.layout.targets, truth, reading.classes, strict=True)
        if MarkClass.MARGINAL not in (true, seen) and true is not seen
    ]


def doubtful(reading: PageReading) -> int:
    return sum(seen is MarkClass.MARGINAL for seen in reading.classes)


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("side", [0, 1])
def test_every_way_up_is_read_as_marked(paper: str, side: int) -> None:
    """Slip, stretch, skew, noise of the normal range, four turns, 200 and 300 dpi."""
    margin = total = 0
    for number in range(4):
        rng = np.random.default_rng((number, side))
        page, print_ = blank(paper, number % 3, side)
        marks = filled(page, rng)
        size = (page.width_mm, page.height_mm)
        way = synthesis.random_pass(rng, size, dpi=(200, 300)[number % 2])
        # Hairlines do not come through black and white at every threshold: a test of its own.
        way = replace(way, scanner=replace(way.scanner, bilevel=None))
        way = synthesis.with_defect(way, Defect.SLIP, 0.6, rng, size)
        scan = synthesis.scan_sheet(synthesis.draw_marks(print_, page, marks, rng), way, rng, size)
        reading = reader(paper).read(
            np.ascontiguousarray(np.rot90(scan, number)), style_id=page.ballot_style_id
        )
        assert reading.layout == page
        assert wrong(reading, marks) == []
        margin += doubtful(reading)
        total += len(page.targets)
    assert margin <= 0.02 * total


def bed(scan: Gray, left_px: int, right_px: int) -> Gray:
    """The scanner's black bed over the outer ends of the side marks."""
    out = scan.copy()
    out[:, :left_px] = 12
    out[:, out.shape[1] - right_px :] = 12
    return out


@pytest.mark.parametrize("skew", [0.0, 1.2, -1.2])
@pytest.mark.parametrize("edge", ["cut", "black bed"])
def test_marks_cut_at_the_paper_s_edge_still_fit_the_page(edge: str, skew: float) -> None:
    """Scans cut to the sheet or wider than it: the outer ends of the side marks are lost."""
    rng = np.random.default_rng(5)
    page, print_ = blank("legal", 0, 0)
    marks = filled(page, rng)
    inked = synthesis.draw_marks(print_, page, marks, rng)
    lost = round(2.2 / 25.4 * 300)  # 2.2 of the marks' 4.8 mm, 0.8 mm of margin outside them
    if edge == "cut":
        inked = np.ascontiguousarray(inked[:, lost:-lost])
        model = ScannerModel(dpi=200, skew_deg=skew, border_mm=4, border_level=250)
    else:
        inked = bed(inked, lost, lost)
        model = ScannerModel(dpi=200, skew_deg=skew, border_mm=4, border_level=12)
    scan = synthesis.scan_page(inked, model, rng, page_dpi=300)
    reading = reader("legal").read(scan)
    assert wrong(reading, marks) == []
    assert doubtful(reading) == 0


@pytest.mark.parametrize(("fmt", "level"), [("tiff-g4", 200), ("jpeg", None), ("tiff", None)])
def test_files_of_each_kind_are_read(fmt: Format, level: int | None) -> None:
    rng = np.random.default_rng(6)
    page, print_ = blank("legal", 1, 0)
    marks = filled(page, rng)
    model = ScannerModel(dpi=300, bilevel=level)
    scan = synthesis.scan_page(
        synthesis.draw_marks(print_, page, marks, rng), model, rng, page_dpi=300
    )
    (read,) = decode_pages(synthesis.encode(scan, fmt, dpi=300), name="scan")
    assert isinstance(read, DecodedPage)
    reading = reader("legal").read(read.gray)
    assert wrong(reading, marks) == []
    assert doubtful(reading) == 0


def test_another_style_paper_date_or_card_is_refused() -> None:
    page, _ = blank("legal", 0, 0)
    back = election("legal").layouts[0].pages[1]
    foreign = [
        (draw_page(page, election("legal"), front_bits(6)), RefusalReason.UNKNOWN_STYLE),
        (draw_page(back, election("legal"), back_bits(10, 9, 23)), RefusalReason.WRONG_ELECTION),
        # A back alone, of three styles that have one.
        (draw_page(back, election("legal")), RefusalReason.UNKNOWN_STYLE),
        # A code that no ballot known carries, where it could hide another card.
        (
            draw_page(page, election("legal"), front_bits(3, sequence=2)),
            RefusalReason.CODE_UNREADABLE,
        ),
    ]
    for print_, reason in foreign:
        with pytest.raises(PageRefusedError) as refused:
            reader("legal").read(print_)
        assert refused.value.reason is reason
    with pytest.raises(PageRefusedError):
        reader("letter").read(blank("legal", 0, 0)[1])
    with pytest.raises(PageRefusedError):
        reader("custom-8.5x17").read(blank("legal", 0, 0)[1])


def test_with_one_style_the_sequence_is_free() -> None:
    imported = election("legal", (3,))
    page = imported.layouts[0].pages[0]
    print_ = draw_page(page, imported, front_bits(3, precinct=77, sequence=2))
    assert reader("legal", (3,)).read(print_).layout == page
