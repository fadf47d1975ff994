"""Write a deck's folder: `scans/`, `deck.json`, `election.json`, and `print.pdf` if asked.

Where the election prints several languages, `languages/` is a deck of its own beside it: a
definition with each paper in each single language, as a district might order them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from console.deck.pictures import (
    DeckJob,
    DeckMachine,
    DrawnSide,
    draw_all,
    sheet_name,
)
from console.deck.printing import deck_pdf
from console.errors import ConsoleError
from election.codes import BallotKind
from election.definition import check_election, load_election
from election.model import BallotStyle, Election
from election.profile import Profile, load_profile
from scanner.decks import DeckOptions, DeckPlan, Part, PlannedSheet, plan_deck
from scanner.decks.document import (
    ContestRecord,
    DeckFile,
    ScanRecord,
    SheetRecord,
    SideRecord,
    TargetRecord,
    dump_deck,
)
from scanner.decks.truth import contest_truths, expected_totals, target_truth
from scanner.reading import MarkClass

DECK_FILE, DEFINITION, SCANS, PRINT = "deck.json", "election.json", "scans", "print.pdf"
LANGUAGES = "languages"
#: Places in the image to a hundredth of a pixel.
_PX_DIGITS = 2


@dataclass(frozen=True, slots=True)
class DeckRequest:
    """What to make; `definition` is an election of our own form."""

    definition: Path
    profile: str | None
    seed: int
    options: DeckOptions
    machine: DeckMachine
    kind: BallotKind
    printed: bool
    languages: bool
    workers: int


@dataclass(frozen=True, slots=True)
class MadeDeck:
    """A deck's folder and what stands in its deck.json."""

    folder: Path
    deck: DeckFile
    printed: Path | None


def make_decks(
    request: DeckRequest, out: Path, done: Callable[[str, int, int], None]
) -> tuple[MadeDeck, ...]:
    """Make the deck, and that of the languages; `done(what, n, of)` tells how far it is.

    Raises:
        ElectionError: the definition or profile is none, or the papers cannot be printed.
        ConsoleError: the folder holds something else than an earlier deck.
    """
    election = load_election(request.definition)
    rules = load_profile(request.profile or election.profile)
    check_election(election, rules)
    _fresh(out)
    made = [_make(request, election, rules, out, done)]
    variant = language_variants(election) if request.languages else None
    if variant is not None:
        options = replace(
            request.options,
            parts=tuple(p for p in (Part.COVER, Part.BLANK) if p in request.options.parts)
            or (Part.COVER,),
            passes=1,
        )
        wanted = replace(request, options=options)
        made.append(_make(wanted, variant, rules, out / LANGUAGES, done))
    return tuple(made)


def language_variants(election: Election) -> Election | None:
    """The election with each paper once in each of its languages; None where all have one."""
    styles = [
        BallotStyle(**{**style.model_dump(), "id": f"{style.id}-{tag}", "languages": (tag,)})
        for style in election.ballot_styles
        for tag in election.style_languages(style.id)
    ]
    if len(styles) == len(election.ballot_styles):
        return None
    return Election.model_validate(
        {**election.model_dump(), "id": f"{election.id}-languages", "ballot_styles": styles}
    )


def _fresh(out: Path) -> None:
    """An earlier deck is made anew; anything else in the folder is not ours to remove."""
    if out.is_dir() and any(out.iterdir()):
        known = {DECK_FILE, DEFINITION, SCANS, PRINT, LANGUAGES}
        if not (out / DECK_FILE).is_file() or {p.name for p in out.iterdir()} - known:
            raise ConsoleError(f"{out} holds other files: give a folder that is new or empty")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)


def _make(
    request: DeckRequest,
    election: Election,
    rules: Profile,
    out: Path,
    done: Callable[[str, int, int], None],
) -> MadeDeck:
    (out / SCANS).mkdir(parents=True)
    (out / DEFINITION).write_text(
        election.model_dump_json(exclude_none=True, indent=1) + "\n", encoding="utf-8"
    )
    plan = plan_deck(election, rules, request.seed, request.options)
    job = DeckJob(
        out / DEFINITION,
        request.profile or election.profile,
        request.kind,
        request.seed,
        request.machine,
        plan.sheets,
        out / SCANS,
    )
    sides: dict[int, tuple[DrawnSide, ...]] = {}
    for drawn in draw_all(job, request.workers):
        sides |= drawn
        done("Scans", len(sides), len(plan.sheets))
    deck = _document(plan, sides, election, rules, request)
    (out / DECK_FILE).write_bytes(dump_deck(deck))
    printed = None
    if request.printed:
        printed = out / PRINT
        printed.write_bytes(deck_pdf(job, election.date, done))
    return MadeDeck(out, deck, printed)


def _document(
    plan: DeckPlan,
    sides: dict[int, tuple[DrawnSide, ...]],
    election: Election,
    rules: Profile,
    request: DeckRequest,
) -> DeckFile:
    machine = request.machine
    has_accuracy = any(sheet.part is Part.ACCURACY for sheet in plan.sheets)
    totals = expected_totals(plan, election, rules, Part.ACCURACY) if has_accuracy else {}
    return DeckFile(
        election_id=election.id,
        election_hash=election.hash,
        profile=request.profile or election.profile,
        definition=DEFINITION,
        ballot_kind=request.kind,
        seed=plan.seed,
        software=f"ballotbench {metadata.version('ballotbench')}",
        scan=ScanRecord(dpi=machine.dpi, form=machine.form, wear=machine.wear),
        sheets=tuple(_sheet(s, sides[s.number], election, rules) for s in plan.sheets),
        accuracy_totals={c: dict(votes) for c, votes in totals.items()},
    )


def _sheet(
    sheet: PlannedSheet, sides: Iterable[DrawnSide], election: Election, rules: Profile
) -> SheetRecord:
    contests = election.style_contests(sheet.style_id) if sheet.fault is None else ()
    return SheetRecord(
        number=sheet.number,
        name=sheet_name(sheet),
        part=sheet.part.value,
        style=sheet.style_id,
        fault=None if sheet.fault is None else sheet.fault.value,
        repeats=sheet.repeats,
        sides=tuple(_side(sheet, side) for side in sides),
        contests=tuple(
            ContestRecord(contest=t.contest_id, outcome=t.outcome, votes=t.votes)
            for t in contest_truths(sheet, contests, rules)
        ),
    )


def _side(sheet: PlannedSheet, side: DrawnSide) -> SideRecord:
    targets: list[TargetRecord] = []
    # A sheet that must be refused has no target to be read.
    places = () if sheet.fault else zip(side.page.targets, side.points_px.tolist(), strict=True)
    for target, (x_px, y_px) in places:
        truth = target_truth(sheet, target.contest_id, target.option_id)
        mark = truth.mark
        targets.append(
            TargetRecord(
                contest=target.contest_id,
                option=target.option_id,
                x_mm=round(target.x_mm, 4),
                y_mm=round(target.y_mm, 4),
                x_px=round(x_px, _PX_DIGITS),
                y_px=round(y_px, _PX_DIGITS),
                mark=mark and mark.kind,
                pen=mark and mark.pen.kind.value,
                pen_width_mm=mark and mark.pen.width_mm,
                pen_darkness=mark and mark.pen.darkness,
                area_share=mark and mark.area_share,
                name_written=truth.name_written,
                expected=MarkClass(truth.expected),
                clear=truth.clear,
            )
        )
    return SideRecord(
        page=side.page.page,
        file=f"{SCANS}/{side.file}",
        turn_deg=side.turn_deg,
        targets=tuple(targets),
    )
