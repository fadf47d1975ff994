"""What the device makes of a sheet and of an open step: pure rules, no paper moved.

`judge` says what is to become of a sheet before it may drop into the box; `place_verdict`
what a cut left behind. The device acts on both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from election.profile import DeviceRules
from firmware_sim.journal import Intention
from hardware.interface import FeederStatus, PaperPlace
from scanner.reading import ContestStatus, SheetInterpretation


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


#: What is said to a voter whose sheet comes back, by ground.
_RETURN_WORDS: Mapping[str, str] = {
    "overvoted": "more options are marked than allowed; feed it again to cast it so",
    "blank": "nothing is marked; feed it again to cast it blank",
    "needs_review": "a mark is not clear; correct it or feed it again to have a person look",
}


def judge(
    sheet: SheetInterpretation,
    rules: DeviceRules,
    *,
    precinct_id: str,
    style_ids: Collection[str],
    last_return: tuple[str, str] | None,
) -> SheetOutcome:
    """Accept, return or refuse a sheet that could be read.

    A sheet of another precinct or style is refused. One with a ground that the profile
    names is returned, unless it is the one just returned, fed again: a device knows no
    sheets, so that is the very next one, of the same style, for the same ground
    (`last_return`: style and ground of the sheet before, if it was returned).
    """
    if sheet.precinct_id not in (None, precinct_id):
        detail = f"the sheet is of precinct {sheet.precinct_id}"
        return SheetOutcome(OutcomeKind.REFUSED, "wrong_precinct", detail)
    if sheet.ballot_style_id not in style_ids:
        detail = f"sheets of style {sheet.ballot_style_id} are not used in this precinct"
        return SheetOutcome(OutcomeKind.REFUSED, "wrong_style", detail)
    ground = _return_ground(sheet, rules)
    again = rules.accept_on_second_feed and last_return == (sheet.ballot_style_id, ground)
    if ground is None or again:
        return SheetOutcome(OutcomeKind.ACCEPTED)
    return SheetOutcome(OutcomeKind.RETURNED, ground, _RETURN_WORDS[ground])


def _return_ground(sheet: SheetInterpretation, rules: DeviceRules) -> str | None:
    statuses = [contest.status for contest in sheet.contests]
    if rules.return_needs_review and sheet.needs_review:
        return "needs_review"
    if rules.return_overvoted and ContestStatus.OVERVOTE in statuses:
        return "overvoted"
    if rules.return_blank and all(status is ContestStatus.BLANK for status in statuses):
        return "blank"
    return None


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
