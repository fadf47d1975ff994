"""`ballotbench device recover`: what is whole in damaged journals, and what is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from console.common import emit_json, stdout
from console.errors import ConsoleError
from firmware_sim.salvage import Salvaged, rebuild, salvage


def recover(
    journal: Annotated[Path, typer.Argument(help="The damaged journal; it is not changed.")],
    mirror: Annotated[
        Path | None, typer.Option(help="The journal on the second medium, damaged or not.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Journal to write anew, if nothing is lost.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Read every row whose check sum holds, from one file or two; say exactly what is lost.

    Exit 1 where anything is lost: then the paper is counted by hand. The write-ahead log
    and the open intention beside a file (names ending in -wal and -intention) belong to it:
    keep them together.

    Example: ballotbench device recover p1.sqlite --mirror /media/p1.sqlite --out new.sqlite
    """
    paths = [path for path in (journal, mirror) if path is not None]
    for path in paths:
        if not path.is_file():
            raise ConsoleError(f"{path}: no such journal")
    found = salvage(paths)
    if out is not None and not found.lost:
        rebuild(found, out)
    shown = _shown(found, out)
    if as_json:
        emit_json(shown)
    else:
        for line in _lines(shown):
            stdout.print(line, markup=False, highlight=False, soft_wrap=True)
    if found.lost:
        raise typer.Exit(1)


def _shown(found: Salvaged, out: Path | None) -> dict[str, Any]:
    state = found.state or {}
    return {
        "device": state.get("device_id"),
        "precinct": state.get("precinct_id"),
        "state": state.get("state"),
        "records": len(found.records),
        "events": len(found.events),
        "sheet_in_doubt": found.intention is not None,
        "lost": list(found.lost),
        "written": str(out) if out is not None and not found.lost else None,
    }


def _lines(shown: dict[str, Any]) -> list[str]:
    lines = [
        f"whole: {shown['records']} vote records, {shown['events']} events "
        f"(device {shown['device']}, precinct {shown['precinct']}, {shown['state']})"
    ]
    if shown["sheet_in_doubt"]:
        lines.append("A sheet's step is open: the next start settles it, or asks for a person.")
    lines += [f"lost: {what}" for what in shown["lost"]]
    if shown["written"]:
        lines.append(f"Nothing is lost. Written anew: {shown['written']}")
    elif not shown["lost"]:
        lines.append("Nothing is lost. Give --out to write a whole journal.")
    else:
        lines.append("Count the paper in the box by hand. Keep the files as evidence.")
    return lines
