"""One page of the accuracy run: made by seed, read, and held against its truth.

A silent error is what nobody would see: a target that is clearly marked read as unmarked or
the reverse, on a page that was not refused, in a contest that nothing sets aside for a
person (no flag names it, none names the whole page, none of its targets is marginal).
Pages are a function of (seed, section, number) alone: any one of them can be made again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from election.definition import load_election
from election.design import design_ballot
from election.layout import PageLayout
from election.model import Election
from election.profile import Profile, load_profile
from election.raster import render_blank
from election.render import render_pdf
from scanner.errors import PageRefusedError
from scanner.interpretation import NOTE_KINDS
from scanner.reading import MarkClass, PageReading
from scanner.sheet import SheetReader
from scanner.synthesis import (
    HIGHLIGHTER,
    MARKER,
    NORMAL_HABITS,
    SEVERE_HABITS,
    STAMP,
    Defect,
    MarkKind,
    Pen,
    TrueMark,
    draw_marks,
    random_marks,
    random_pass,
    scan_sheet,
    show_through,
    true_classes,
)
from tools.dense_ballot import dense_election

Gray = npt.NDArray[np.uint8]
DPI = 200.0
#: Marked other sides that show through, a side.
GHOSTS = 6
#: How sheets lie in the feeder, degrees and weight.
TURNS = ((0, 180, 90, 270), (0.74, 0.22, 0.02, 0.02))
KAZAKH = Path(__file__).resolve().parents[1] / "examples" / "kz-majilis" / "election.json"


@dataclass(frozen=True, slots=True)
class Section:
    """Pages of one kind: `name` is stable, for seeds and reports; `group` its table."""

    name: str
    group: str
    ballot: str = "dense"
    severe: Defect | None = None
    pen: Pen | None = None
    kind: MarkKind | None = None


NORMAL_SECTION = Section("normal", "normal")
#: Any sign in a square, one mark a contest: few targets a page, so a smaller run.
SQUARES_SECTION = Section("normal-squares", "normal", ballot="squares")
_DRAWN_KINDS = [k for k in MarkKind if k not in (MarkKind.WRITE_IN, MarkKind.MARGINAL)]
SEVERE_SECTIONS = (
    *(Section(f"defect-{d.value}", "defect", severe=d) for d in Defect),
    *(Section(f"pen-{p.kind.value}", "pen", pen=p) for p in (MARKER, HIGHLIGHTER, STAMP)),
    *(Section(f"mark-{k.value}", "mark", kind=k) for k in _DRAWN_KINDS),
)
SECTIONS = {s.name: s for s in (NORMAL_SECTION, SQUARES_SECTION, *SEVERE_SECTIONS)}


@dataclass(frozen=True)
class Ballot:
    """What a page is made from and read with."""

    election: Election
    profile: Profile
    pages: tuple[PageLayout, ...]
    blanks: tuple[Gray, ...]
    allowed: dict[str, int]
    sheets: SheetReader


@cache
def ballot(name: str) -> Ballot:
    """The dense ballot, or the Kazakh list ballot with its squares; made once a process."""
    election = dense_election() if name == "dense" else load_election(KAZAKH)
    profile = load_profile(election.profile)
    layout = design_ballot(election, profile, election.ballot_styles[0].id)
    return Ballot(
        election,
        profile,
        layout.pages,
        tuple(render_blank(render_pdf(election, profile, layout), DPI)),
        {c.id: c.votes_allowed for c in election.contests},
        SheetReader(election, profile),
    )


@cache
def _ghost(name: str, page: int, number: int) -> tuple[Gray, Gray]:
    """Another side as it lies behind this one, and as it shows through."""
    paper = ballot(name)
    other = (page + 1) % len(paper.pages)
    rng = np.random.default_rng([20300505, page, number])
    layout = paper.pages[other]
    marks = random_marks(rng, layout, paper.allowed, any_stroke=paper.profile.marks.any_stroke)
    inked = draw_marks(paper.blanks[other], layout, marks, rng)
    return inked, show_through(inked, (layout.width_mm, layout.height_mm))


@dataclass(frozen=True)
class MadePage:
    """A scan with its truth, its marks and what was done to it (`told`, for people)."""

    scan: Gray
    layout: PageLayout
    marks: tuple[TrueMark, ...]
    truth: tuple[MarkClass, ...]
    told: dict[str, float]


def make_page(seed: int, section: Section, number: int) -> MadePage:
    """The page of this number; the same on every machine of the same library versions."""
    rng = np.random.default_rng([seed, *section.name.encode(), number])
    paper = ballot(section.ballot)
    index = number % len(paper.pages)
    layout = paper.pages[index]
    marks = random_marks(
        rng,
        layout,
        paper.allowed,
        any_stroke=paper.profile.marks.any_stroke,
        habits=SEVERE_HABITS if section.group == "mark" else NORMAL_HABITS,
        pen=section.pen,
        kind=section.kind,
    )
    inked = draw_marks(paper.blanks[index], layout, marks, rng)
    paper_mm = (layout.width_mm, layout.height_mm)
    way = random_pass(rng, paper_mm, dpi=DPI, severe=section.severe)
    turn = int(rng.choice(TURNS[0], p=TURNS[1]))
    way = replace(way, scanner=replace(way.scanner, orientation_deg=turn))
    second, ghost = _ghost(section.ballot, index, int(rng.integers(GHOSTS)))
    if section.severe is Defect.DOUBLE_FEED:
        turn = 0  # two sheets are laid over each other upright
        way = replace(way, scanner=replace(way.scanner, orientation_deg=0))
    elif section.severe is Defect.CUT_SHORT and turn in (90, 270):
        way = replace(way, scanner=replace(way.scanner, orientation_deg=0))
    scan = scan_sheet(inked, way, rng, paper_mm, ghost=ghost, second=second)
    told = {defect.value: round(amount, 4) for defect, amount in way.amounts.items()}
    return MadePage(scan, layout, tuple(marks), true_classes(layout, marks), {"turn": turn, **told})


@dataclass
class Tally:
    """What became of positions; counts add up over pages (`Counter`s of plain words)."""

    counts: Counter[str] = field(default_factory=Counter)
    silent: list[dict[str, object]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.counts.update(other.counts)
        self.silent.extend(other.silent)


def score_page(seed: int, section: Section, number: int) -> Tally:
    """Make a page, read it, and count."""
    made = make_page(seed, section, number)
    try:
        reading = ballot(section.ballot).sheets.pages.read(made.scan)
    except PageRefusedError as refusal:
        tally = Tally(Counter({"pages": 1, "positions": len(made.truth), "pages refused": 1}))
        tally.counts["refused"] += len(made.truth)
        tally.counts[f"refused: {refusal.reason.value}"] += 1
        return tally
    return compare(made, reading, f"{section.name}:{number}")


def compare(made: MadePage, reading: PageReading, name: str) -> Tally:
    """Count one reading against its truth; `name` is what a silent error is listed by.

    A page taken for another one (or an option for another) is wrong in every position.
    """
    tally = Tally(Counter({"pages": 1, "positions": len(made.truth)}))
    counts = tally.counts
    aside = set_aside(reading)
    kinds = {(m.contest_id, m.option_id): m.kind.value for m in made.marks}
    places = [(t.contest_id, t.option_id) for t in made.layout.targets]
    same_page = places == [(t.contest_id, t.option_id) for t in reading.layout.targets]
    found = dict(zip(places, reading.classes, strict=False)) if same_page else {}
    scores = dict(zip(places, reading.scores.tolist(), strict=False)) if same_page else {}
    for place, truth in zip(places, made.truth, strict=True):
        read = found.get(place)
        flagged = same_page and place[0] in aside
        is_open = truth is MarkClass.MARGINAL
        counts[f"true {truth.value}"] += 1
        counts[f"{truth.value} read {read.value if read else 'on another page'}"] += 1
        counts["clear read marginal"] += read is MarkClass.MARGINAL and not is_open
        unseen_open = is_open and not flagged
        counts["set aside"] += flagged
        counts["open read silently"] += unseen_open
        counts["read"] += not flagged and not unseen_open
        wrong = read is None or (not is_open and read not in (truth, MarkClass.MARGINAL))
        counts["wrong but set aside"] += wrong and flagged
        if wrong and not flagged:
            counts["silent errors"] += 1
            tally.silent.append(
                {
                    "page": name,
                    "contest": place[0],
                    "option": place[1],
                    "truth": truth.value,
                    "read": read.value if read else None,
                    "score": round(scores.get(place, 0.0), 4),
                    "mark": kinds.get(place, "none"),
                    "way": made.told,
                }
            )
    return tally


def set_aside(reading: PageReading) -> set[str]:
    """The contests of a page that a person will see: flagged, or with a marginal target."""
    contests = {t.contest_id for t in reading.layout.targets}
    aside = {
        target.contest_id
        for target, found in zip(reading.layout.targets, reading.classes, strict=True)
        if found is MarkClass.MARGINAL
    }
    for flag in reading.flags:
        if flag.kind in NOTE_KINDS:
            continue
        aside |= contests if flag.contest_id is None else {flag.contest_id}
    return aside


def score_pages(seed: int, name: str, first: int, last: int) -> Tally:
    """Pages `first` to `last` - 1 of a section."""
    cv2.setNumThreads(1)
    tally = Tally()
    for number in range(first, last):
        tally.add(score_page(seed, SECTIONS[name], number))
    return tally
