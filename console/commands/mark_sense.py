"""`ballotbench mark-sense`: a stack through a mark-sense reader, to cast vote records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from console.common import emit_json, progress, stderr, stdout
from election.codes import BallotKind

REFUSALS_SHOWN = 100

EXAMPLE = """
Example:

    ballotbench mark-sense election.json /dev/ttyUSB0 -p generic-ascii --style list -o counted

    ballotbench mark-sense election.json socket://127.0.0.1:7007 -p my-reader.toml -o counted --json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("mark-sense", epilog=EXAMPLE)(mark_sense)


def mark_sense(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    port: Annotated[str, typer.Argument(help="The reader's port: a device, usb:VID:PID, a URL.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    reader: Annotated[
        str, typer.Option("--profile", "-p", help="Mark-sense profile (name or TOML file).")
    ],
    style: Annotated[
        str | None, typer.Option(help="Ballot style of the stack; else told by the papers.")
    ] = None,
    kind: Annotated[
        BallotKind, typer.Option(help="Of the papers; most readers cannot see it.")
    ] = "official",
    rules: Annotated[
        str | None, typer.Option(help="Jurisdiction profile, if not the election's.")
    ] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Feed no more sheets.")] = None,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds that a lost reader is waited for.")
    ] = 60.0,
    ask: Annotated[
        bool | None,
        typer.Option(
            "--ask/--no-ask",
            help="Wait for the person at the machine after a fault of paper; usual on a terminal.",
        ),
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Go on with the sheets kept in the folder.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON.")] = False,
) -> None:
    """Feed a stack through a mark-sense reader and interpret its marks.

    Such a reader sends no image, only how dark each cell is; its profile says how it speaks
    and which cell is which option (docs/mark-sense.md). Writes sheets.jsonl (every sheet as it
    came), cvrs.json (NIST Cast Vote Records), marks.parquet, refused.json and review.json, by
    the sheet's place in the order of feeding. Refused sheets go to the reject pocket where the
    reader has one. Exit 1 when a sheet was refused or the stack was not read
    to its end.
    """
    # Heavy rooms only when this command runs.
    from console.definitions import load_definition
    from console.marksense.count import Attendant, count
    from console.marksense.forms import make_forms
    from console.marksense.kept import KeptSheets, StackOf, kept_sheets
    from console.marksense.outcome import conclude, write_outcome
    from hardware.marksense import MarkSheet, load_profile, open_reader

    profile = load_profile(reader)
    loaded = load_definition(election, rules)
    forms = make_forms(profile, loaded, style=style, kind=kind)
    of = StackOf(profile.id, loaded.election.hash, style, kind, profile.sheet.lines)
    machine = open_reader(port, profile)
    kept = KeptSheets(out, of, go_on=go_on)
    machine.passed = kept.count
    waits = sys.stdin.isatty() if ask is None else ask
    with progress() as bars:
        task = bars.add_task("Sheets", total=most)

        def keep(sheet: MarkSheet) -> bool:
            kept.add(sheet)
            bars.update(task, advance=1)
            return forms.fits(sheet)

        attendant = Attendant(_say, _wait_for_person if waits else None, wait)
        try:
            stopped = count(machine, keep, attendant, most=most)
        except KeyboardInterrupt:
            stopped = "stopped by hand"
        finally:
            machine.close()
            kept.close()
    outcome = conclude(kept_sheets(kept.path), forms, loaded)
    write_outcome(out, outcome, forms, loaded)
    summary = {
        "sheets": kept.count,
        "records": len(outcome.records),
        "needs_review": len(outcome.review),
        "refused": len(outcome.refused),
        "stopped": stopped,
        "out": str(out),
    }
    if as_json:
        emit_json(summary)
    else:
        _show(summary, outcome.refused)
    if outcome.refused or stopped:
        raise typer.Exit(1)


def _say(text: str) -> None:
    stderr.print(text, markup=False, highlight=False, soft_wrap=True)


def _wait_for_person(text: str) -> bool:
    _say(f"{text}. Press Enter when it is done (Ctrl-C ends)")
    return bool(sys.stdin.readline())


def _show(summary: dict[str, Any], refused: list[dict[str, Any]]) -> None:
    lines = [
        f"{summary['records']} records from {summary['sheets']} sheets, "
        f"{summary['needs_review']} need a person, {summary['refused']} refused. Results in "
        f"{summary['out']}"
    ]
    lines += [
        f"refused: sheet {item['sheet']}: {item['reason']}: {item['detail']}"
        for item in refused[:REFUSALS_SHOWN]
    ]
    if len(refused) > REFUSALS_SHOWN:
        lines.append(f"{len(refused) - REFUSALS_SHOWN} more in refused.json")
    if summary["stopped"]:
        lines.append(
            f"stopped before the end: {summary['stopped']}. The sheets read are kept; give "
            "--go-on to go on"
        )
    for line in lines:
        stdout.print(line, markup=False, highlight=False, soft_wrap=True)
