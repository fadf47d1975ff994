"""`ballotbench deck`: test decks of known truth, for a scanner to be tried with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from console.common import emit_json, progress, stdout
from election.codes import BallotKind

#: Values of `scanner.decks.Part`, which is slow to import.
PARTS = "cover, blank, overvote, extraneous, line, ladder, orientation, accuracy, faulty"

EXAMPLE = """
Example:

    ballotbench deck examples/kz-majilis/election.json -o deck

    ballotbench deck election.json -o deck --part ladder --dpi 300 --print
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("deck", epilog=EXAMPLE)(deck)


def deck(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the deck; made anew.")],
    profile: Annotated[str | None, typer.Option(help="Profile, if not the election's.")] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this part (may be given several times): {PARTS}. Else all."),
    ] = None,
    passes: Annotated[
        int, typer.Option(min=1, max=1000, help="How often `cover` goes through all targets.")
    ] = 2,
    copies: Annotated[
        int,
        typer.Option(min=1, max=100, help="Scans of each sheet; 2 show whether reading repeats."),
    ] = 1,
    dpi: Annotated[int, typer.Option(min=150, max=400, help="Resolution of the scans.")] = 200,
    form: Annotated[
        Literal["jpeg", "png", "tiff-g4"], typer.Option(help="Form of the scans.")
    ] = "jpeg",
    wear: Annotated[
        Literal["clean", "typical", "worn"], typer.Option(help="State of the simulated scanner.")
    ] = "typical",
    kind: Annotated[
        BallotKind, typer.Option(help="Printed on the papers and in their code.")
    ] = "test",
    languages: Annotated[
        bool,
        typer.Option(help="Also a deck of each paper in each single language, in languages/."),
    ] = True,
    printed: Annotated[
        bool, typer.Option("--print/--no-print", help="Also print.pdf, to feed a real machine.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all chance; recorded.")] = 1,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes; as many as processors.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON.")] = False,
) -> None:
    """Make a test deck: scans of sheets whose every mark is known.

    Every target marked with each kind of pen and mark; blank and overvoted sheets; marks that
    are no votes; ladders of inked area from 0 to 100 %; all four turns; a logic-and-accuracy
    pile in which no two options of a contest have the same total; sheets that must be refused.
    deck.json holds the truth (schema: console/schemas/deck.schema.json).
    """
    # Fonts, PDF and pixels are slow to import; --help need not wait for them.
    from console.deck.pictures import DeckMachine, usual_workers
    from console.deck.write import DeckRequest, make_decks
    from scanner.decks import DeckOptions, Part
    from scanner.decks.document import parts_of

    try:
        chosen = tuple(Part(name) for name in dict.fromkeys(part or list(Part)))
    except ValueError as error:
        raise typer.BadParameter(f"{error}; known: {PARTS}", param_hint="--part") from None
    request = DeckRequest(
        definition=election.absolute(),
        profile=profile,
        seed=seed,
        options=DeckOptions(parts=chosen, passes=passes, copies=copies),
        machine=DeckMachine(dpi, form, wear),
        kind=kind,
        printed=printed,
        languages=languages,
        workers=workers or usual_workers(),
    )
    with progress() as bars:
        tasks = {}

        def done(what: str, n: int, of: int) -> None:
            key = (what, of)
            if key not in tasks:
                tasks[key] = bars.add_task(what, total=of)
            bars.update(tasks[key], completed=n)

        made = make_decks(request, out, done)
    if as_json:
        emit_json(
            {
                "decks": [
                    {
                        "folder": str(one.folder),
                        "election_id": one.deck.election_id,
                        "election_hash": one.deck.election_hash,
                        "sheets": len(one.deck.sheets),
                        "parts": parts_of(one.deck),
                        "positions": sum(len(d.targets) for s in one.deck.sheets for d in s.sides),
                        "print": str(one.printed) if one.printed else None,
                        "seed": one.deck.seed,
                    }
                    for one in made
                ]
            }
        )
        return
    for one in made:
        parts = ", ".join(f"{name} {number}" for name, number in parts_of(one.deck).items())
        stdout.print(
            f"{one.folder}: {len(one.deck.sheets)} sheets ({parts}), seed {one.deck.seed}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
