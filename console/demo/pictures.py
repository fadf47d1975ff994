"""The planned sheets as scans: printed page, ink, a used scanner. Runs in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from console.demo.plan import PlannedSheet, Story
from election.definition import load_election
from election.design import design_ballot
from election.layout import BallotLayout, PageLayout
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from scanner import synthesis
from scanner.synthesis import Damage, Stain, TornCorner
from scanner.synthesis.chance import Wear
from scanner.synthesis.files import Format

#: Share of sheets folded once to fit a pocket.
FOLDED = 0.08
#: Six hundred sheets are to stay a few hundred megabytes.
JPEG_QUALITY = 70
_SUFFIX = {"jpeg": ".jpg", "tiff-g4": ".tif"}


@dataclass(frozen=True, slots=True)
class Machine:
    """A precinct's scanner: resolution in dpi, file form, wear of its rollers and glass."""

    dpi: int
    form: Format
    wear: Wear


#: No two polling stations own the same scanner.
MACHINES = (
    Machine(200, "jpeg", "typical"),
    Machine(200, "jpeg", "clean"),
    Machine(300, "tiff-g4", "clean"),
)


@dataclass(frozen=True, slots=True)
class PictureJob:
    """Some sheets of one precinct, to be drawn into a folder.

    `definition` and `profile` are files (or the profile's id): a worker loads them itself.
    """

    definition: Path
    profile: str
    seed: int
    machine: Machine
    sheets: tuple[PlannedSheet, ...]
    folder: Path


def draw(job: PictureJob) -> int:
    """Draw the job's sheets; returns how many. One file a side, front first by name."""
    cv2.setNumThreads(1)
    for sheet in job.sheets:
        layout, blanks = _paper(job.definition, job.profile, sheet.style_id, job.machine.dpi)
        rng = np.random.default_rng([job.seed, *sheet.precinct_id.encode(), sheet.number])
        turn = int(rng.choice((0, 180)))
        for page, blank in zip(layout.pages, blanks, strict=True):
            data = _scan(sheet, page, blank, job.machine, turn, rng)
            side = f"-{page.side}" if len(layout.pages) > 1 else ""
            path = job.folder / f"{sheet.name}{side}{_SUFFIX[job.machine.form]}"
            path.write_bytes(data)
    return len(job.sheets)


def _scan(
    sheet: PlannedSheet,
    page: PageLayout,
    blank: npt.NDArray[np.uint8],
    machine: Machine,
    turn: int,
    rng: np.random.Generator,
) -> bytes:
    here = {(t.contest_id, t.option_id) for t in page.targets}
    marks = [m for m in sheet.marks if (m.contest_id, m.option_id) in here]
    inked = synthesis.draw_marks(blank, page, marks, rng)
    scanner = synthesis.random_scanner(
        rng, dpi=machine.dpi, wear=machine.wear, height_mm=page.height_mm
    )
    scanner = replace(scanner, orientation_deg=turn)
    image = synthesis.scan_page(
        inked,
        scanner,
        rng,
        _damage(sheet.story, page, rng),
        paper_mm=(page.width_mm, page.height_mm),
    )
    return synthesis.encode(image, machine.form, JPEG_QUALITY, dpi=machine.dpi)


def _damage(story: Story, page: PageLayout, rng: np.random.Generator) -> Damage | None:
    if story is Story.TORN:
        return Damage(torn=(TornCorner("bottom_right", 0.6 * page.width_mm),))
    if story is Story.STAINED_CODE and page.qr is not None:
        qr = page.qr
        x, y = qr.x_mm + qr.width_mm / 2, qr.y_mm + qr.height_mm / 2
        return Damage(stains=(Stain(x, y, 0.45 * qr.width_mm, 0.95),))
    if rng.random() < FOLDED:
        return synthesis.random_damage(rng, (page.width_mm, page.height_mm), stains=0)
    return None


@cache
def _paper(
    definition: Path, profile: str, style_id: str, dpi: int
) -> tuple[BallotLayout, Sequence[npt.NDArray[np.uint8]]]:
    """A style's layout and blank pages, made once a worker."""
    election = load_election(definition)
    rules = load_profile(profile)
    layout = design_ballot(election, rules, style_id)
    return layout, render_blank(render_pdf(election, rules, layout), dpi)
