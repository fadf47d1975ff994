"""What a device checks of itself: before the day (self-test), and its counts at each report.

Totals are summed from the records each time they are asked for (SEED-12). Beside them stand
three counters that nobody adds votes by: sheets accepted (state), records (journal), sheets
in the box (scanner). Where they differ there is a finding with a name, never a correction.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a self-test: a stable `name`, whether it held, and what was seen."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Sheets as each of the device's parts counts them; `box` is None where none says."""

    accepted: int
    records: int
    summed: int
    box: int | None


def differences(counts: Counts) -> tuple[str, ...]:
    """The findings: stable words, empty where all agree.

    "records_differ": the journal holds another number than was accepted. "totals_differ":
    the records do not add up to their number. "box_differs": the scanner counted another
    number of sheets into the box than there are records (SEED-11).
    """
    found = []
    if counts.records != counts.accepted:
        found.append("records_differ")
    if counts.summed != counts.records:
        found.append("totals_differ")
    if counts.box is not None and counts.box != counts.records:
        found.append("box_differs")
    return tuple(found)
