"""`ballotbench demo`: an election night on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, progress, stdout
from console.errors import ConsoleError

#: The election that is played where none is given, in a checkout or an installation.
_EXAMPLES = (
    Path(__file__).parents[2] / "examples" / "kz-majilis" / "election.json",
    Path(__file__).parents[1] / "demo" / "election.json",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for all that is made; made anew.")
    ] = Path("demo-out"),
    election: Annotated[
        Path | None, typer.Option(help="Election definition; the Majilis example if not given.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Profile, if not the election's.")] = None,
    scans: Annotated[
        Path | None,
        typer.Option(help="Count these scans, in place of sheets drawn by the demo."),
    ] = None,
    paper: Annotated[
        Path | None, typer.Option(help="With --scans: the hand count of them, CSV or JSON.")
    ] = None,
    precinct: Annotated[
        str | None, typer.Option(help="With --scans: the precinct that they are of.")
    ] = None,
    voters: Annotated[int, typer.Option(min=12, max=5000, help="Voters of a precinct.")] = 105,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all chance in the plan.")] = 2023,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes; as many as processors.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Play an election night: print, mark, scan, count, sign, compare with the paper.

    Three precincts; some marks are unclear, one sheet is overvoted, one is torn, and the
    hand count has one slip, which the report must find. Exit 1 if anything came out
    otherwise. With --scans the devices count a folder of your own (a folder in it for each
    precinct, or one pile), with the definition in it or given by --election.

    Example: ballotbench demo --out demo-out

    Example: ballotbench demo --scans my-scans --election election.json --paper count.csv
    """
    # All rooms together: --help need not wait for them.
    from console.definitions import load_definition
    from console.demo import night, own_scans, summary

    for name, value in (("--paper", paper), ("--precinct", precinct)):
        if value is not None and scans is None:
            raise typer.BadParameter("goes with --scans", param_hint=name)
    processes = workers or night.usual_workers()
    if scans is not None:
        pile = own_scans.find(scans, election, profile, paper, precinct, _example)
        folder = night.fresh_folder(out)
        with progress() as bars:
            counted = own_scans.play(pile, folder, bars, workers=processes)
        if as_json:
            emit_json(own_scans.document(counted))
        else:
            _say(own_scans.words(counted))
        if counted.findings:
            raise typer.Exit(1)
        return
    definition_file = (election or _example()).absolute()
    folder = night.fresh_folder(out)
    with progress() as bars:
        played = night.play_night(
            definition_file, profile, folder, bars, seed=seed, voters=voters, workers=processes
        )
    if as_json:
        emit_json(summary.document(played))
    else:
        definition = load_definition(definition_file, profile)
        _say(summary.night_words(played, definition.election, folder))
    if not summary.as_planned(played):
        raise typer.Exit(1)


def _say(lines: list[str]) -> None:
    for line in lines:
        stdout.print(line, soft_wrap=True, markup=False, highlight=False)


def _example() -> Path:
    for path in _EXAMPLES:
        if path.is_file():
            return path
    raise ConsoleError("the example election is not installed: give one with --election")
