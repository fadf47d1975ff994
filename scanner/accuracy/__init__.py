"""How good a reading is, in numbers: pure functions over arrays of truth and reading.

In: `Observations`, one row a target, with what was drawn and what was read. Out: rates
with exact bounds (`intervals`), Wald's sequential test (`sprt`), counts of errors and their
confusion (`rates`), curves over the thresholds (`curves`), and which fed sheet is which
(`alignment`). Nothing here knows of files, devices or languages.
"""

from __future__ import annotations

from scanner.accuracy.intervals import Rate, clopper_pearson
from scanner.accuracy.observations import Observation, Observations
from scanner.accuracy.sprt import Decision, SequentialTest, Verdict

__all__ = [
    "Decision",
    "Observation",
    "Observations",
    "Rate",
    "SequentialTest",
    "Verdict",
    "clopper_pearson",
]
