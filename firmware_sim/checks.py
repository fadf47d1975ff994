"""What a device checks of itself: before the day (self-test), and its counts at each report.

Totals are summed from the records each time they are asked for (SEED-12). Beside them stand
three counters that nobody adds votes by: sheets accepted (state), records (journal), sheets
in the box (scanner). Where they differ there is a finding with a name, never a correction.
"""

from __future__ import annotations

from dataclasses import dataclass

#: How a box was counted where the scanner was dead at the close: read by people from the
#: box's own counter, or not at all.
BOX_BY_HAND = "by_hand"
BOX_NOT_KNOWN = "not_known"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a self-test: a stable `name`, whether it held, and what was seen."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Sheets as each of the device's parts counts them; `box` is None where none says. `box_by`
    is None for the scanner's own count, else how the count was entered without it."""

    accepted: int
    records: int
    summed: int
    box: int | None
    box_by: str | None = None


def differences(counts: Counts) -> tuple[str, ...]:
    """The findings: stable words, empty where all agree.

    "records_differ": the journal holds another number than was accepted. "totals_differ":
    the records do not add up to their number. "box_differs": the scanner counted another
    number of sheets into the box than there are records (SEED-11). "box_by_hand",
    "box_not_known": closed with a dead scanner, so that nothing has checked the box.
    """
    found = []
    if counts.records != counts.accepted:
        found.append("records_differ")
    if counts.summed != counts.records:
        found.append("totals_differ")
    if counts.box is not None and counts.box != counts.records:
        found.append("box_differs")
    if counts.box_by is not None:
        found.append(f"box_{counts.box_by}")
    return tuple(found)
