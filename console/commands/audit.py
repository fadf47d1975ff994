"""`ballotbench audit`: risk-limiting audits. So far, one measured case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json

app = typer.Typer(help="Risk-limiting audits: what a sample says of an outcome.")


def register(parent: typer.Typer) -> None:
    """Add `audit` to the command line."""
    parent.add_typer(app, name="audit")


@app.callback(invoke_without_command=True)
def _more(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@app.command("risk")
def risk(
    case: Annotated[Path, typer.Argument(help='Case (JSON): {"method": …, "inputs": {…}}.')],
    as_json: Annotated[bool, typer.Option("--json", help="JSON, as always here.")] = False,
) -> None:
    """Measure one case by its method: P-values, sample sizes or draws, as JSON.

    Methods: alpha, betting-agrapa, bravo-risk, bravo-sample-size, comparison-risk,
    comparison-sample-size, draw-consistent, draw-sha256 (docs/audits.md).

    Example: ballotbench audit risk examples/audit/comparison.json
    """
    from tally.audit.cases import measure, read_case

    del as_json
    emit_json(measure(read_case(case), str(case)))
