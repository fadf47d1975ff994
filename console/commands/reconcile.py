"""`ballotbench reconcile`: electronic against paper, and the report (NVT-08 … NVT-10)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout
from console.intake import (
    RequirePostQuantum,
    election_and_rules,
    moment,
    take_in,
    trust_store,
)
from tally.paper import MAX_BYTES, read_paper_count
from tally.reconciliation import reconcile as compare
from tally.totals import add_up, outcome

HELP = """Compare verified packages with the paper hand count; write report.html and report.json.

COUNT.csv has the columns precinct,contest,option,votes.

Example: ballotbench reconcile election.json out/*.zip --paper count.csv --trust keys --out report
"""


def register(app: typer.Typer) -> None:
    """Add `reconcile`."""
    app.command("reconcile", help=HELP)(reconcile)


def reconcile(
    election: Annotated[Path, typer.Argument(help="Election definition.")],
    packages: Annotated[list[Path], typer.Argument(help="Package files, or folders of them.")],
    paper: Annotated[Path, typer.Option(help="Hand count, CSV or JSON.")],
    trust: Annotated[Path, typer.Option(help="Folder of authority.pem and revoked.pem.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    profile: Annotated[str | None, typer.Option(help="Profile, if not the election's.")] = None,
    at: Annotated[str | None, typer.Option(help="Check certificates as of this time.")] = None,
    require_post_quantum: RequirePostQuantum = False,
    json_output: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Write the report; exit 1 when there are findings."""
    from tally.report import write_report

    definition, rules = election_and_rules(election, profile)
    with paper.open("rb") as file:
        count = read_paper_count(file.read(MAX_BYTES + 1), paper.name, definition)
    verification = take_in(
        packages,
        definition,
        rules,
        trust_store(trust, require_post_quantum=require_post_quantum),
        moment(at),
    )
    totals = add_up(verification.accepted, definition)
    result = compare(
        {p.precinct_id: p.totals for p in verification.accepted},
        count,
        {p.precinct_id: p.protocol for p in verification.accepted},
        definition,
        rules,
        refused=verification.refused,
        joined={p.precinct_id: p.findings for p in verification.accepted if p.findings},
    )
    paths = write_report(
        out,
        election=definition,
        profile=rules,
        verification=verification,
        totals=totals,
        outcome=outcome(totals, definition, rules),
        reconciliation=result,
        paper_name=paper.name,
    )
    if json_output:
        emit_json(
            {
                "report": str(paths.html),
                "json": str(paths.json),
                "compared_precincts": list(result.compared),
                "findings": [
                    {
                        "kind": f.kind,
                        "severity": f.severity,
                        "precinct": f.precinct,
                        "contest": f.contest,
                        "option": f.option,
                        "size": f.size,
                        "sentence": f.sentence,
                    }
                    for f in result.findings
                ],
            }
        )
    else:
        for finding in result.findings:
            stdout.print(
                f"[{finding.severity}] {finding.sentence}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        stdout.print(
            f"Precincts compared: {len(result.compared)}; findings: {len(result.findings)}. "
            f"Report: {paths.html}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if result.findings:
        raise typer.Exit(1)
