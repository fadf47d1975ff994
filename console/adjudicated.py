"""Apply a folder's decisions: the report with a third snapshot, and its sums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from console.decisions import DecisionFile
from console.errors import ConsoleError
from console.files import replace_text
from scanner.adjudication import (
    LedgerError,
    Standing,
    adjudicated_record,
    adjudicated_report,
    sum_votes,
)
from scanner.cvr import validate_report

ADJUDICATED = "adjudicated"


def apply_decisions(folder: Path, head: str | None = None) -> dict[str, Any]:
    """Write `adjudicated/cvrs.json` and `adjudicated/totals.json`; nothing else is touched.

    Args:
        folder: the batch's folder.
        head: the hash of the ledger's last line, where somebody noted it.

    Returns:
        a summary of JSON types; `unsettled` are contests that must be decided and are not,
        and those on which opinions differ.

    Raises:
        LedgerError: the chain is broken, or does not end with `head`.
        ConsoleError: `cvrs.json` is missing or not a report.
        AdjudicationError: `cvrs.json` and the queue do not fit.
    """
    file = DecisionFile(folder)
    ledger, proceedings = file.load()
    if head is not None and head != ledger.head.sha256:
        raise LedgerError(
            f"the ledger ends with {ledger.head.sha256}, not with the hash noted. It has been "
            "continued or replaced since"
        )
    report = _report(folder / "cvrs.json")
    election, profile = file.queue.election, file.queue.profile
    results = [
        (item, adjudicated_record(item, proceedings.settled(item), election, profile))
        for item in file.queue.items
    ]
    adjudicated = adjudicated_report(report, election, results)
    if faults := validate_report(adjudicated):
        raise ConsoleError(f"the adjudicated report would not be valid: {faults[0]}")
    sums = sum_votes(adjudicated)
    unsettled = [
        {"item": item.id, "contest": contest.contest_id, "standing": state.standing.value}
        for item, contest, state in proceedings.contests()
        if state.standing is not Standing.SETTLED
        and (contest.must_decide or state.standing is not Standing.OPEN)
    ]
    out = folder / ADJUDICATED
    replace_text(out / "cvrs.json", json.dumps(adjudicated, ensure_ascii=False, indent=1) + "\n")
    figures = {"ledger": ledger.head.model_dump(), "unsettled": unsettled, **sums.to_json()}
    replace_text(out / "totals.json", json.dumps(figures, ensure_ascii=False, indent=1) + "\n")
    return {
        "out": str(out),
        "head": ledger.head.model_dump(),
        "sheets": sums.sheets,
        "adjudicated": sums.adjudicated,
        "set_aside": sums.set_aside,
        "invalid": sums.invalid,
        "unsettled": unsettled,
        "contests": sums.to_json()["contests"],
    }


def _report(path: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ConsoleError(f"{path} is missing. Read the scans again") from error
    except (ValueError, RecursionError) as error:
        raise ConsoleError(f"{path} is not JSON. Read the scans again") from error
    faults = validate_report(report) if isinstance(report, dict) else ["not an object"]
    if faults:
        raise ConsoleError(f"{path} is not a valid report: {faults[0]}. Read the scans again")
    return report
