"""Any scanner against the rules of docs/protocol.md: a probe on the line, a list of checks.

In: a way to open the port. Out: one `Outcome` a check. Sheets of any kind in the tray are
moved through; nothing is kept.
"""

from __future__ import annotations

from hardware.conformance.batch_checks import BATCH_CHECKS, BATCH_SHEETS, checks_for, find_checks
from hardware.conformance.checks import CHECKS, SHEETS, Check
from hardware.conformance.probe import Limits, Probe
from hardware.conformance.run import Outcome, State, run_checks

__all__ = [
    "BATCH_CHECKS",
    "BATCH_SHEETS",
    "CHECKS",
    "SHEETS",
    "Check",
    "Limits",
    "Outcome",
    "Probe",
    "State",
    "checks_for",
    "find_checks",
    "run_checks",
]
