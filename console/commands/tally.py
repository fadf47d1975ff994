"""`ballotbench tally`: add up verified packages and allot seats."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout
from console.intake import (
    RequirePostQuantum,
    election_and_rules,
    moment,
    show_joined,
    show_refused,
    take_in,
    trust_store,
)
from console.intake_register import IntakeRegister
from console.national import Where, count_national
from tally.errors import TallyError
from tally.results import result_document, write_results
from tally.totals import add_up, outcome

HELP = """Add up verified results packages; write totals.json, totals.csv and seats.json.

With --national the records are counted in columns by many processes (or a Dask cluster), into a
folder of national results that the exports and pages read. A folder of signed protocols and
decisions, as commissions send them on, is counted from those alone.

Where a device was replaced in mid-day, give the .medium file of the dead one beside the packages.

Example: ballotbench tally election.json out/*.zip --trust keys --out totals
"""


def register(app: typer.Typer) -> None:
    """Add `tally`."""
    app.command("tally", help=HELP)(tally)


def tally(
    election: Annotated[Path, typer.Argument(help="Election definition.")],
    packages: Annotated[list[Path], typer.Argument(help="Package files, or folders of them.")],
    trust: Annotated[Path, typer.Option(help="Folder of authority.pem and revoked.pem.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    profile: Annotated[str | None, typer.Option(help="Profile, if not the election's.")] = None,
    at: Annotated[str | None, typer.Option(help="Check certificates as of this time.")] = None,
    require_post_quantum: RequirePostQuantum = False,
    intake: Annotated[
        Path | None,
        typer.Option("--register", help="File that remembers packages between runs; made new."),
    ] = None,
    national: Annotated[
        bool,
        typer.Option(help="Count by columns, in parallel, into a folder of national results."),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="--national: processes; else all cores.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="--national: a Dask scheduler's address.")
    ] = None,
    commissions: Annotated[
        Path | None, typer.Option(help="--national: the tree of commissions.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Write the totals; exit 1 if a package was refused, or a replaced device must be looked at."""
    if national:
        if intake is not None:
            raise TallyError("--register is for a count package by package, not --national")
        where = Where(election, profile, trust, moment(at), require_post_quantum)
        count_national(where, packages, out, commissions, workers, cluster, json_output=json_output)
        return
    definition, rules = election_and_rules(election, profile)
    before = IntakeRegister.load(intake) if intake is not None else IntakeRegister()
    verification = take_in(
        packages,
        definition,
        rules,
        trust_store(trust, require_post_quantum=require_post_quantum),
        moment(at),
        before.seen(packages) if intake is not None else None,
    )
    totals = add_up(verification.accepted, definition)
    elected = outcome(totals, definition, rules)
    document = result_document(definition, rules, verification, totals, elected)
    paths = write_results(out, document, totals)
    if intake is not None:
        before.save(intake, verification.accepted, datetime.now(UTC))
    if json_output:
        emit_json(document)
    else:
        show_refused(verification)
        show_joined(verification)
        for contest in definition.contests:
            figures = totals.contests[contest.id]
            votes = ", ".join(f"{o} {v}" for o, v in figures["votes"].items())
            stdout.print(
                f"{contest.id}: {figures['ballots']} ballots, {figures['invalid']} invalid, "
                f"{figures['needs_review']} set aside: {votes}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        for note in elected.notes:
            stdout.print(f"Note: {note}", markup=False, highlight=False, soft_wrap=True)
        stdout.print(
            f"{len({p.digest for p in verification.accepted})} packages counted, "
            f"{len(verification.refused)} refused. "
            f"Written: {', '.join(str(p) for p in paths)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if verification.refused or any(p.findings for p in verification.accepted):
        raise typer.Exit(1)
