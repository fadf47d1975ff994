"""Our own print, marked and scanned by the paper model, is read as it was meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from election.definition import load_election
from election.design import design_ballot
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from scanner import synthesis
from scanner.errors import PageRefusedError, RefusalReason
from scanner.reading import MarkClass
from scanner.sheet import SheetReader

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", ["kz-majilis", "us-general"])
@pytest.mark.parametrize(("dpi", "turn"), [(150, 0), (200, 1), (300, 2), (400, 3)])
def test_marks_are_read_as_meant(name: str, dpi: int, turn: int) -> None:
    election = load_election(EXAMPLES / name / "election.json")
    profile = load_profile(election.profile)
    sheets = SheetReader(election, profile)
    rng = np.random.default_rng(dpi)
    for style in election.ballot_styles:
        layout = design_ballot(election, profile, style.id)
        blanks = render_blank(render_pdf(election, profile, layout), 200)
        for page, blank in zip(layout.pages, blanks, strict=True):
            chosen = rng.choice(len(page.targets), size=2, replace=False)
            marks = [
                synthesis.random_mark(
                    rng,
                    page.targets[i].contest_id,
                    page.targets[i].option_id,
                    any_stroke=profile.marks.any_stroke,
                )
                for i in chosen
            ]
            scan = synthesis.scan_page(
                synthesis.draw_marks(blank, page, marks, rng),
                synthesis.random_scanner(rng, dpi=dpi, height_mm=page.height_mm),
                rng,
                page_dpi=200,
            )
            reading = sheets.pages.read(np.ascontiguousarray(np.rot90(scan, turn)))
            assert reading.layout.page == page.page
            assert reading.layout.ballot_style_id == style.id
            assert reading.dpi == pytest.approx(dpi, rel=0.03)
            meant = {(m.contest_id, m.option_id) for m in marks if m.truth == "mark"}
            for target, seen in zip(page.targets, reading.classes, strict=True):
                is_mark = (target.contest_id, target.option_id) in meant
                assert (seen is MarkClass.MARK) == is_mark


def test_another_election_s_ballot_is_refused(tmp_path: Path) -> None:
    path = EXAMPLES / "kz-majilis" / "election.json"
    election = load_election(path)
    (tmp_path / "other.json").write_text(
        path.read_text(encoding="utf-8").replace(election.date, "2026-01-11"), encoding="utf-8"
    )
    other = load_election(tmp_path / "other.json")
    profile = load_profile("kz-majilis")
    layout = design_ballot(other, profile, other.ballot_styles[0].id)
    blank = render_blank(render_pdf(other, profile, layout), 200)[0]
    with pytest.raises(PageRefusedError) as refused:
        SheetReader(election, profile).pages.read(blank)
    assert refused.value.reason is RefusalReason.WRONG_ELECTION


def test_noise_and_emptiness_are_refused() -> None:
    election = load_election(EXAMPLES / "kz-majilis" / "election.json")
    reader = SheetReader(election, load_profile("kz-majilis")).pages
    rng = np.random.default_rng(4)
    for gray in (
        np.full((2339, 1654), 255, np.uint8),
        np.zeros((2339, 1654), np.uint8),
        rng.integers(0, 256, (2339, 1654), dtype=np.uint8),
        np.full((10, 10), 200, np.uint8),
    ):
        with pytest.raises(PageRefusedError):
            reader.read(gray)
