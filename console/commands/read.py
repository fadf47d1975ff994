"""`ballotbench read`: scans in, cast vote records, marks and refusals out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from console.common import emit_json, progress, stdout


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("read")(read)


def read(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    scans: Annotated[list[Path], typer.Argument(help="Image files or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    definition: Annotated[
        Literal["auto", "ballotbench", "vxsuite"],
        typer.Option("--format", help="Form of the definition; auto tells by its content."),
    ] = "auto",
    profile: Annotated[
        str | None, typer.Option(help="Jurisdiction profile (name or TOML file).")
    ] = None,
    thresholds: Annotated[Path | None, typer.Option(help="Thresholds file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON.")] = False,
) -> None:
    """Read scanned ballots.

    Writes cvrs.json (NIST Cast Vote Records), marks.parquet, refused.json, queue.json (what
    people should look at: `ballotbench adjudicate`) and, in review/, crops and overlays for
    it. Exit 1 when any page was refused.

    Example: ballotbench read election.json scans/ --out results
    """
    # Heavy rooms only when this command runs.
    from console.definitions import load_definition
    from console.reading import BatchReader, scan_files, write_batch

    sheets = load_definition(election, profile, definition).reader(thresholds)
    files = scan_files(scans)
    batch = BatchReader(sheets, out / "review")
    with progress() as bars:
        task = bars.add_task("Reading", total=len(files))
        batch.read(files, lambda count: bars.advance(task, count))
    result = batch.result
    write_batch(out, sheets, result)
    summary = {
        "files": len(files),
        "records": len(result.records),
        "needs_review": sum(r.needs_review for r in result.records),
        "refused": len(result.refused),
        "out": str(out),
    }
    if as_json:
        emit_json(summary)
    else:
        stdout.print(
            f"{summary['records']} records from {summary['files']} files, "
            f"{summary['needs_review']} need a person, {summary['refused']} pages refused. "
            f"Results in {out}"
        )
        for item in result.refused:
            stdout.print(
                f"refused: {item['file']} page {item['page']}: {item['reason']}: {item['detail']}",
                markup=False,
            )
    if result.refused or not files:
        raise typer.Exit(1)
