"""What a page costs, whole and stage by stage, beside OpenCV's decoding of the same bytes.

One side of the dense ballot (192 ovals, 12 contests) as a 200-dpi A4 grey JPEG of quality
85, every contest voted. Stages get the very arguments that the reader gives them: one
reading is overheard, so a stage cannot be timed on other work than it has.

Ratios are taken within one case by turns (`extra_info`), so that other work on the machine
meets both sides alike; `make bench` prints them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from election.design import design_ballot
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from scanner import reader as steps
from scanner import sheet as sheet_steps
from scanner import synthesis
from scanner.decode import decode_pages
from scanner.identify import OwnCodes
from scanner.reading import MarkClass
from scanner.sheet import SheetReader
from tools.dense_ballot import TARGETS_A_PAGE, dense_election

DPI = 200
#: Turns of a ratio: whole reading, then decoding, so often.
TURNS = 41
#: As a sheet lies in an ordinary feeder: a little askew, a little aside.
FEED = synthesis.ScannerModel(dpi=DPI, skew_deg=0.4, shift_mm=(0.6, 0.4))
#: Where each stage is called by the reader.
STAGES: dict[str, tuple[Any, str]] = {
    "registration": (steps, "register"),
    "code reading": (OwnCodes, "identify"),
    "measuring": (steps, "measure"),
    "streak search": (steps, "find_streaks"),
    "judgement": (steps, "judge"),
    "interpretation": (sheet_steps, "interpret"),
}


@dataclass(frozen=True)
class Case:
    """A reader, a scan upright and upside down, and what each stage was called with."""

    reader: SheetReader
    upright: bytes
    upside_down: bytes
    calls: dict[str, Callable[[], object]]


@pytest.fixture(scope="module")
def case() -> Case:
    cv2.setNumThreads(1)
    election = dense_election()
    profile = load_profile(election.profile)
    layout = design_ballot(election, profile, election.ballot_styles[0].id)
    page = layout.pages[0]
    blank = render_blank(render_pdf(election, profile, layout), DPI)[0]
    rng = np.random.default_rng(1)
    voted = {t.contest_id: t.option_id for t in page.targets[::5]}
    marks = [
        synthesis.TrueMark(contest, option, synthesis.MarkKind.FILL, synthesis.BALLPOINT)
        for contest, option in voted.items()
    ]
    inked = synthesis.draw_marks(blank, page, marks, rng)
    scan = synthesis.scan_page(inked, FEED, rng, paper_mm=(page.width_mm, page.height_mm))
    reader = SheetReader(election, profile)
    upright, turned = (
        synthesis.encode(np.ascontiguousarray(pixels), "jpeg", 85, dpi=DPI)
        for pixels in (scan, scan[::-1, ::-1])
    )
    calls = _overheard(reader, upright)
    reading = reader.read_images([upright]).pages[0]
    assert len(reading.classes) == TARGETS_A_PAGE
    assert reading.classes.count(MarkClass.MARK) == len(marks)
    return Case(reader, upright, turned, calls)


def _overheard(reader: SheetReader, image: bytes) -> dict[str, Callable[[], object]]:
    """Every stage with the arguments of its last call while one image is read."""
    heard: dict[str, Callable[[], object]] = {}

    def listening(stage: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            heard[stage] = lambda: real(*given, **named)
            return real(*given, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for stage, (place, name) in STAGES.items():
            patch.setattr(place, name, listening(stage, getattr(place, name)))
        reader.read_images([image])
    return heard


def _imdecode(image: bytes) -> Callable[[], object]:
    data = np.frombuffer(image, np.uint8)
    return lambda: cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def _by_turns(one: Callable[[], object], other: Callable[[], object]) -> float:
    """The median of `one`'s time over that of `other`, each beside the other."""
    ratios = []
    for _ in range(TURNS):
        start = time.perf_counter()
        one()
        middle = time.perf_counter()
        other()
        ratios.append((middle - start) / (time.perf_counter() - middle))
    return statistics.median(ratios)


def _measure(benchmark: BenchmarkFixture, work: Callable[[], object], image: bytes) -> None:
    benchmark.extra_info["to_imdecode"] = _by_turns(work, _imdecode(image))
    benchmark(work)


def test_imdecode(benchmark: BenchmarkFixture, case: Case) -> None:
    _measure(benchmark, _imdecode(case.upright), case.upright)


def test_decode(benchmark: BenchmarkFixture, case: Case) -> None:
    _measure(benchmark, lambda: list(decode_pages(case.upright, name="scan")), case.upright)


@pytest.mark.parametrize("stage", STAGES)
def test_stage(benchmark: BenchmarkFixture, case: Case, stage: str) -> None:
    _measure(benchmark, case.calls[stage], case.upright)


def test_whole_reading(benchmark: BenchmarkFixture, case: Case) -> None:
    _measure(benchmark, lambda: case.reader.read_images([case.upright]), case.upright)


def test_whole_reading_upside_down(benchmark: BenchmarkFixture, case: Case) -> None:
    _measure(benchmark, lambda: case.reader.read_images([case.upside_down]), case.upside_down)
