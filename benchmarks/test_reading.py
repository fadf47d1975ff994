"""What a page costs: decoding alone, and the whole reading beside it, in one run."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from election.definition import load_election
from election.design import design_ballot
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from scanner import synthesis
from scanner.sheet import SheetReader

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "us-general" / "election.json"
Case = tuple[SheetReader, bytes]


@pytest.fixture(scope="module")
def case() -> Case:
    """A reader and one 200-dpi grey JPEG scan of its first ballot style."""
    cv2.setNumThreads(1)
    election = load_election(EXAMPLE)
    profile = load_profile(election.profile)
    layout = design_ballot(election, profile, election.ballot_styles[0].id)
    page = layout.pages[0]
    blank = render_blank(render_pdf(election, profile, layout), 200)[0]
    rng = np.random.default_rng(1)
    target = page.targets[0]
    mark = synthesis.random_mark(rng, target.contest_id, target.option_id, any_stroke=False)
    scan = synthesis.scan_page(
        synthesis.draw_marks(blank, page, [mark], rng),
        synthesis.random_scanner(rng, dpi=200, height_mm=page.height_mm),
        rng,
        page_dpi=200,
    )
    return SheetReader(election, profile), synthesis.encode(scan, "jpeg")


def test_decode_alone(benchmark: BenchmarkFixture, case: Case) -> None:
    data = np.frombuffer(case[1], np.uint8)
    benchmark(lambda: cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def test_whole_reading(benchmark: BenchmarkFixture, case: Case) -> None:
    benchmark(lambda: case[0].read_images([case[1]]))
