"""`ballotbench ballots`: print the papers of an election, with their layout files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, progress, stdout
from election.codes import BallotKind
from election.definition import load_election
from election.profile import load_profile

HELP = """Print ballots: for each ballot style a PDF, its layout file, and the blank page.

The layout file has every target's place in mm; the blank page is a picture, for comparison.

Example: ballotbench ballots examples/kz-majilis/election.json -o ballots
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ballots", help=HELP)(ballots)


def ballots(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Directory for the files.")],
    profile: Annotated[
        str | None,
        typer.Option(help="A profile id or TOML file, if not the one the definition names."),
    ] = None,
    kind: Annotated[
        BallotKind, typer.Option(help="Test and sample ballots say so on paper and in the code.")
    ] = "official",
    precinct: Annotated[
        str | None, typer.Option(help="Print for this precinct only, bound to it.")
    ] = None,
    records: Annotated[
        bool,
        typer.Option("--records", help="Also the paper records of a screen device, not filled in."),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="List the files as JSON.")] = False,
) -> None:
    """Print ballots: one PDF and one layout file for each ballot style."""
    # Fonts, PDF and pixels are slow to import; --help need not wait for them.
    from election.layout_io import print_ballots
    from election.paper_record.layout_io import print_records

    definition = load_election(election)
    rules = load_profile(profile or definition.profile)
    with progress() as bars:
        task = bars.add_task(
            "Ballot styles", total=None if precinct else len(definition.ballot_styles)
        )
        printed = print_ballots(
            definition,
            rules,
            out,
            kind=kind,
            precinct_id=precinct,
            done=lambda style_id: bars.advance(task),
        )
        bars.update(task, total=len(printed))
    made = print_records(definition, rules, out, precinct_id=precinct) if records else ()
    if json_:
        emit_json(
            {
                "election_id": definition.id,
                "election_hash": definition.hash,
                "kind": kind,
                "precinct_id": precinct,
                "styles": [
                    {
                        "style_id": style.style_id,
                        "pages": len(style.layout.pages),
                        "targets": sum(len(page.targets) for page in style.layout.pages),
                        "pdf": str(style.pdf),
                        "layout": str(style.layout_file),
                        "blank": [str(path) for path in style.blanks],
                    }
                    for style in printed
                ],
                "records": [
                    {
                        "style_id": record.style_id,
                        "language": record.language,
                        "pdf": str(record.pdf),
                        "layout": str(record.layout_file),
                    }
                    for record in made
                ],
            }
        )
        return
    for style in printed:
        sides = len(style.layout.pages)
        stdout.print(
            f"{style.pdf}  ({sides} side{'s' * (sides > 1)})",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    for record in made:
        stdout.print(str(record.pdf), markup=False, highlight=False, soft_wrap=True)
    stdout.print(f"Election hash {definition.hash}", highlight=False, soft_wrap=True)
