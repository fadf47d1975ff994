"""Totals and seats as files: `totals.json`, `totals.csv`, `seats.json`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from election.model import Election
from election.profile import Profile
from tally.totals import ElectionTotals, Outcome
from tally.verification import Verification

FORMAT = "ballotbench-results/1"
CSV_COLUMNS = ("precinct", "contest", "option", "votes")


def result_document(
    election: Election,
    profile: Profile,
    verification: Verification,
    totals: ElectionTotals,
    elected: Outcome,
) -> dict[str, Any]:
    """One JSON value: sums, seats, and which packages they are made of."""
    return {
        "format": FORMAT,
        "election_id": election.id,
        "election_hash": election.hash,
        "profile_id": profile.id,
        "profile_hash": profile.canonical_hash(),
        "totals": totals.as_json(),
        "outcome": elected.as_json(),
        "packages": {
            "accepted": [
                {
                    "name": p.name,
                    "package_id": p.package_id,
                    "precinct": p.precinct_id,
                    "device": p.device_id,
                    "sha256": p.digest,
                    "joined": [part.as_json() for part in p.joined],
                    "findings": [finding.sentence for finding in p.findings],
                }
                for p in verification.accepted
            ],
            "refused": [
                {
                    "name": e.name,
                    "reason": e.reason.value,
                    "detail": e.detail,
                    "precinct": e.precinct_id,
                }
                for e in verification.refused
            ],
        },
    }


def totals_csv(totals: ElectionTotals) -> str:
    """Votes per precinct, contest and option, with the rows "invalid" and "ballots".

    The columns are those of a typed hand count, so that the two files can be compared.
    """
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for precinct, contests in totals.by_precinct.items():
        for contest, figures in contests.items():
            for option, votes in figures["votes"].items():
                writer.writerow((precinct, contest, option, votes))
            writer.writerow((precinct, contest, "invalid", figures["invalid"]))
            writer.writerow((precinct, contest, "ballots", figures["ballots"]))
    return sink.getvalue()


def write_results(out: Path, document: dict[str, Any], totals: ElectionTotals) -> tuple[Path, ...]:
    """Write the three files into `out`; same input, same bytes. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    content = {
        "totals.json": _json(document),
        "totals.csv": totals_csv(totals),
        "seats.json": _json(document["outcome"]),
    }
    for name, text in content.items():
        (out / name).write_text(text, encoding="utf-8")
    return tuple(out / name for name in content)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
