"""`ballotbench read`: scans in, cast vote records, marks and refusals out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, progress, stdout
from election.definition import load_election
from election.importers.vxsuite import import_vxsuite, looks_like_vxsuite
from election.profile import load_profile


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("read")(read)


def read(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    scans: Annotated[list[Path], typer.Argument(help="Image files or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    definition: Annotated[
        str, typer.Option("--format", help="auto, ballotbench or vxsuite.")
    ] = "auto",
    profile: Annotated[
        str | None, typer.Option(help="Jurisdiction profile (name or TOML file).")
    ] = None,
    thresholds: Annotated[Path | None, typer.Option(help="Thresholds file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON.")] = False,
) -> None:
    """Read scanned ballots.

    Writes cvrs.json (NIST Cast Vote Records), marks.parquet, refused.json and, for sheets
    that need a person, overlays in review/. Exit 1 when any page was refused.

    Example: ballotbench read election.json scans/ --out results
    """
    # Heavy rooms only when this command runs.
    from console.reading import BatchReader, scan_files, write_batch
    from scanner.reader import default_thresholds
    from scanner.sheet import SheetReader
    from scanner.thresholds import load_thresholds

    if definition not in ("auto", "ballotbench", "vxsuite"):
        raise typer.BadParameter("auto, ballotbench or vxsuite", param_hint="--format")
    if definition == "vxsuite" or (definition == "auto" and _is_vxsuite(election)):
        imported = import_vxsuite(election)
        rules = load_profile(profile or imported.election.profile)
        limits = default_thresholds(rules)
        if thresholds is not None:
            limits = load_thresholds(thresholds, limits)
        sheets = SheetReader.for_vxsuite(imported, rules, limits)
    else:
        own = load_election(election)
        rules = load_profile(profile or own.profile)
        limits = default_thresholds(rules)
        if thresholds is not None:
            limits = load_thresholds(thresholds, limits)
        sheets = SheetReader(own, rules, thresholds=limits)
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


def _is_vxsuite(path: Path) -> bool:
    try:
        return looks_like_vxsuite(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return False
