"""What the device makes of a sheet and of an open step: pure rules, no paper moved.

`refuse` says which sheets are not this device's, `question` what to show the voter before a
sheet may drop into the box, `place_verdict` what a cut left behind. The device acts on them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from election.profile import DeviceRules
from firmware_sim.journal import Intention
from firmware_sim.states import Mode
from firmware_sim.voter import GROUND_WORDS, Question
from hardware.interface import FeederStatus, PaperPlace
from scanner.interpretation import UNMARKED_WRITE_IN
from scanner.reading import ContestStatus, SheetInterpretation

#: The one ground for which a sheet is shown but never returned unasked.
UNDERVOTED = "undervoted"


class OutcomeKind(StrEnum):
    """What became of a sheet."""

    ACCEPTED = "accepted"
    RETURNED = "returned"
    REFUSED = "refused"
    TRAY_EMPTY = "tray_empty"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class SheetOutcome:
    """What `process_next` did. `reason` is a stable word ("overvoted", "no_timing_marks",
    "jam", …; empty when accepted), `detail` a plain line for the person at the device."""

    kind: OutcomeKind
    reason: str = ""
    detail: str = ""


def refuse(
    sheet: SheetInterpretation, *, papers: Mapping[str, Collection[str]], mode: Mode
) -> SheetOutcome | None:
    """Why a sheet that could be read is not one of this device's; None where it is.

    Refused are sheets of the other mode (and samples, always), of another precinct, and of
    a style that the precinct does not use (NVT-04). `papers` are the style ids of each of
    the device's precincts. Where several of them use a style, a sheet that names no precinct
    is nobody's.
    """
    if sheet.ballot_kind != mode.value:
        detail = f"the sheet is a {sheet.ballot_kind} ballot, the device is in {mode.value} mode"
        return SheetOutcome(OutcomeKind.REFUSED, "wrong_mode", detail)
    if sheet.precinct_id not in (None, *papers):
        detail = f"the sheet is of precinct {sheet.precinct_id}"
        if len(papers) > 1:
            detail += f"; this device serves {', '.join(papers)}"
        return SheetOutcome(OutcomeKind.REFUSED, "wrong_precinct", detail)
    whose = precincts_of(sheet, papers)
    if not whose:
        where = "this precinct" if len(papers) == 1 else sheet.precinct_id or ", ".join(papers)
        detail = f"sheets of style {sheet.ballot_style_id} are not used in {where}"
        return SheetOutcome(OutcomeKind.REFUSED, "wrong_style", detail)
    if len(whose) > 1:
        detail = (
            f"the sheet does not say of which precinct it is; style {sheet.ballot_style_id} is "
            f"used in {', '.join(whose)}"
        )
        return SheetOutcome(OutcomeKind.REFUSED, "no_precinct", detail)
    return None


def precincts_of(
    sheet: SheetInterpretation, papers: Mapping[str, Collection[str]]
) -> tuple[str, ...]:
    """Of which of a device's precincts a sheet can be: the one it names, if it names one."""
    return tuple(
        precinct
        for precinct, style_ids in papers.items()
        if sheet.precinct_id in (None, precinct) and sheet.ballot_style_id in style_ids
    )


def question(sheet: SheetInterpretation, rules: DeviceRules) -> Question | None:
    """What to show the voter before the sheet is cast; None where there is nothing."""
    by_status = {
        status: tuple(c.contest_id for c in sheet.contests if c.status is status)
        for status in ContestStatus
    }
    if rules.return_needs_review and sheet.needs_review:
        written = tuple(
            flag.contest_id or "" for flag in sheet.flags if flag.kind == UNMARKED_WRITE_IN
        )
        if written:
            return _question("unmarked_write_in", written)
        return _question("needs_review", by_status[ContestStatus.NEEDS_REVIEW])
    if rules.return_overvoted and by_status[ContestStatus.OVERVOTE]:
        return _question("overvoted", by_status[ContestStatus.OVERVOTE])
    blank = by_status[ContestStatus.BLANK]
    if len(blank) == len(sheet.contests):
        return _question("blank", ()) if rules.return_blank else None
    fewer = (*blank, *by_status[ContestStatus.UNDERVOTE])
    if rules.ask_undervoted and fewer:
        return _question("undervoted", fewer)
    return None


def without_screen(
    asked: Question, paper: str, rules: DeviceRules, last: tuple[str, str] | None
) -> bool:
    """May a sheet be taken where no voter can be asked?

    Yes on its second feed. A device knows no sheets, so that is the very next one, of the
    same kind of paper (`election.places.paper_key`), for the same ground (`last`: those of the
    sheet before, if it was returned).
    Undervoting alone returns no sheet.
    """
    if asked.ground == UNDERVOTED:
        return True
    return rules.accept_on_second_feed and last == (paper, asked.ground)


def returned(asked: Question) -> SheetOutcome:
    """The outcome of a sheet that goes back to its voter."""
    return SheetOutcome(OutcomeKind.RETURNED, asked.ground, asked.words["en"])


def _question(ground: str, contests: tuple[str, ...]) -> Question:
    return Question(ground, GROUND_WORDS[ground], contests)


class PlaceVerdict(StrEnum):
    """What to do with an open step."""

    FINISH = "finish"
    UNDO = "undo"
    ASK = "ask"


def place_verdict(intention: Intention, status: FeederStatus) -> PlaceVerdict:
    """Was the open step done? The feeder remembers the last token that it acted on.

    Done, if it is this step's token and the paper is where the step sends it. Not done, if
    a sheet is held and the token is another's. Else only a person can tell.
    """
    done = PaperPlace.IN_BOX if intention.record is not None else PaperPlace.RETURNED
    if status.last_token == intention.token and status.place is done:
        return PlaceVerdict.FINISH
    if status.last_token != intention.token and status.place is PaperPlace.HELD:
        return PlaceVerdict.UNDO
    return PlaceVerdict.ASK
