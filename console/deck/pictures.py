"""The planned sheets of a deck as scans: printed page, ink, scanner. Runs in workers."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from election.codes import BallotKind
from election.definition import load_election
from election.design import design_ballot
from election.layout import BallotLayout, PageLayout
from election.model import Election
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from scanner import synthesis
from scanner.decks import Fault, PlannedSheet
from scanner.decks.ink import ink_page
from scanner.synthesis.chance import Wear

Gray = npt.NDArray[np.uint8]
DeckForm = Literal["jpeg", "png", "tiff-g4"]

SUFFIX: dict[DeckForm, str] = {"jpeg": ".jpg", "png": ".png", "tiff-g4": ".tif"}
JPEG_QUALITY = 80
#: Sheets a job: enough that a worker's set-up does not count.
_CHUNK = 12
#: Streams of chance, so that the ink of a sheet does not depend on its scanner.
_INK, _SCAN = 2, 3
#: Share of the page that a cut-off scan still shows; how far a second sheet peeps out.
_CUT_AT, _SECOND_AT = 0.6, 0.55


@dataclass(frozen=True, slots=True)
class DeckMachine:
    """The scanner that makes the images: dpi, file form, wear."""

    dpi: int = 200
    form: DeckForm = "jpeg"
    wear: Wear = "typical"


@dataclass(frozen=True, slots=True)
class DeckJob:
    """Some sheets to be drawn into `folder`; a worker loads definition and profile itself."""

    definition: Path
    profile: str
    kind: BallotKind
    seed: int
    machine: DeckMachine
    sheets: tuple[PlannedSheet, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class DrawnSide:
    """One image: its file's name and float64[n, 2] where the page's targets lie in it."""

    page: PageLayout
    file: str
    turn_deg: int
    points_px: npt.NDArray[np.float64]


def sheet_name(sheet: PlannedSheet) -> str:
    """Files of a sheet begin with this; they sort in feeding order."""
    return f"{sheet.number:05d}-{sheet.part.value}-{sheet.style_id.replace(':', '_')}"


def draw_all(job: DeckJob, workers: int) -> Iterator[dict[int, tuple[DrawnSide, ...]]]:
    """Draw the job's sheets, chunk by chunk, in up to `workers` processes."""
    chunks = [
        replace(job, sheets=job.sheets[i : i + _CHUNK]) for i in range(0, len(job.sheets), _CHUNK)
    ]
    if workers == 1 or len(chunks) == 1:
        yield from map(draw, chunks)
        return
    # Not fork: the progress bar's and OpenCV's threads may hold a lock at that instant.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(chunks)), mp_context=fresh) as executor:
        yield from executor.map(draw, chunks)


def usual_workers() -> int:
    """As many processes as processors."""
    return max(1, min(16, os.cpu_count() or 1))


def draw(job: DeckJob) -> dict[int, tuple[DrawnSide, ...]]:
    """Draw the job's sheets; returns their sides by number."""
    cv2.setNumThreads(1)
    return {sheet.number: tuple(_draw_sheet(sheet, job)) for sheet in job.sheets}


def _draw_sheet(sheet: PlannedSheet, job: DeckJob) -> Iterator[DrawnSide]:
    machine = job.machine
    for page, inked in inked_pages(sheet, job, machine.dpi):
        rng = np.random.default_rng([job.seed, _SCAN, sheet.number, page.page])
        model = synthesis.random_scanner(
            rng, dpi=machine.dpi, wear=machine.wear, height_mm=page.height_mm
        )
        model = replace(model, orientation_deg=sheet.turn_deg)
        paper_mm = (page.width_mm, page.height_mm)
        image = synthesis.scan_page(inked, model, rng, paper_mm=paper_mm)
        if sheet.fault is Fault.TWO_SHEETS:
            image = np.vstack([image[: int(_SECOND_AT * len(image))], image])
        elif sheet.fault is Fault.CUT_OFF:
            image = np.ascontiguousarray(image[: int(_CUT_AT * len(image))])
        places = np.array([(t.x_mm, t.y_mm) for t in page.targets]).reshape(-1, 2)
        side = f"-{page.side}" if _sides(sheet, job) > 1 else ""
        name = f"{sheet_name(sheet)}{side}{SUFFIX[machine.form]}"
        data = synthesis.encode(image, machine.form, JPEG_QUALITY, dpi=machine.dpi)
        (job.folder / name).write_bytes(data)
        yield DrawnSide(page, name, sheet.turn_deg, synthesis.scan_points(places, model, paper_mm))


def inked_pages(sheet: PlannedSheet, job: DeckJob, dpi: int) -> Iterator[tuple[PageLayout, Gray]]:
    """Each printed side of a sheet with its marks, uint8[h, w] at `dpi`."""
    layout, blanks = blank_pages(sheet, job, dpi)
    for page, blank in zip(layout.pages, blanks, strict=True):
        rng = np.random.default_rng([job.seed, _INK, sheet.drawn_as, page.page])
        yield page, ink_page(blank, page, sheet.marks, rng)


def blank_pages(sheet: PlannedSheet, job: DeckJob, dpi: int) -> tuple[BallotLayout, Sequence[Gray]]:
    """The sheet as printed, before any ink: uint8[h, w] a side, the same arrays each time."""
    other = sheet.fault is Fault.OTHER_ELECTION
    layout, blanks = _paper(job.definition, job.profile, job.kind, sheet.style_id, dpi, other)
    if sheet.fault is Fault.BLANK_PAPER:
        return layout, [np.full_like(blank, 255) for blank in blanks]
    return layout, blanks


def _sides(sheet: PlannedSheet, job: DeckJob) -> int:
    layout, _ = _paper(
        job.definition, job.profile, job.kind, sheet.style_id, job.machine.dpi, False
    )
    return len(layout.pages)


@cache
def _paper(
    definition: Path, profile: str, kind: BallotKind, style_id: str, dpi: int, other: bool
) -> tuple[BallotLayout, Sequence[Gray]]:
    """A style's layout and printed pages, made once a worker."""
    layout, pdf = _print(definition, profile, kind, style_id, other)
    return layout, render_blank(pdf, dpi)


@cache
def _print(
    definition: Path, profile: str, kind: BallotKind, style_id: str, other: bool
) -> tuple[BallotLayout, bytes]:
    """A style's layout and its PDF, whatever resolutions it is drawn at; `other`: the same
    ballot of an election that is not this one (its hash differs)."""
    election = load_election(definition)
    if other:
        # Built anew: a copy would keep the hash that was worked out before.
        election = Election.model_validate({**election.model_dump(), "id": f"{election.id}-other"})
    rules = load_profile(profile)
    layout = design_ballot(election, rules, style_id)
    return layout, render_pdf(election, rules, layout, kind=kind)
