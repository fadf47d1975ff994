"""`ballotbench simulate central`: a high-speed scanner with batch trays and an imprinter."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout
from console.simulated_peers import OwnControl, Peers


def add(app: typer.Typer) -> None:
    """Register on `ballotbench simulate`."""
    app.command("central")(central)


def central(
    decks: Annotated[
        list[Path],
        typer.Argument(metavar="DECK_FOLDER...", help="Folders of images: a batch tray each."),
    ],
    state: Annotated[
        Path, typer.Option(help="Folder that keeps where each sheet is, and the ink on it.")
    ],
    listen: Annotated[
        str, typer.Option(help="pty, pty:LINK, socket://HOST:PORT or rfc2217://HOST:PORT.")
    ] = "pty",
    sheets_a_minute: Annotated[
        float, typer.Option(min=0, help="Speed of its transport; 0: as fast as it can.")
    ] = 0.0,
    faults: Annotated[
        Path | None, typer.Option(help="Fault scenario (TOML; examples/faults, docs/faults.md).")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="File for what struck (JSON lines), to be repeated.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Record of a run: the same faults at the same places.")
    ] = None,
    peer: Peers = None,
    control: OwnControl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the port as JSON.")] = False,
) -> None:
    """Serve a high-speed central scanner until it is stopped (Ctrl-C).

    Each folder is a tray, fed as one batch in the order of its names. It prints a number on each
    sheet of a batch and has a second pocket for sheets that a person must see. For central
    counts alone: never for the box of a polling station.
    Control: jam, double_feed, box_full, clear, pull, load, unplug, half_open, stuck, reboot, info.

    Example: ballotbench simulate central scans-a scans-b --state central --sheets-a-minute 300
    """
    from hardware.simulated.central import CentralLogic
    from hardware.simulated.paper import read_deck
    from hardware.simulated.peer_faults import peers_at
    from hardware.simulated.trays import Trays
    from hardware.simulated.weathered import load_weather, run_in_weather

    def ready(url: str) -> None:
        waiting = [trays.waiting(tray) for tray in range(1, trays.trays + 1)]
        if as_json:
            emit_json({"url": url, "trays": waiting, "box": trays.counts().box})
        else:
            sheets = ", ".join(f"{n} in tray {tray}" for tray, n in enumerate(waiting, 1))
            stdout.print(
                f"Central scanner at {url}: {sheets}. Stop it with Ctrl-C.",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )
        # Whoever started us through a pipe waits for this line.
        stdout.file.flush()

    if record and not (faults or replay):
        raise typer.BadParameter("there is nothing to record: give --faults", param_hint="--record")
    if peer and not (faults or replay):
        raise typer.BadParameter("it carries out a scenario: give --faults", param_hint="--peer")
    weather = load_weather(faults, replay)
    peers = peers_at(peer or [])
    sheets = [read_deck(deck) for deck in decks]
    trays = Trays(state)
    try:
        trays.lay(sheets)
        logic = partial(CentralLogic, sheets_a_minute=sheets_a_minute)
        run_in_weather(
            trays,
            weather,
            listen,
            state,
            ready,
            record=record,
            peers=peers,
            logic=logic,
            control=control,
        )
    except KeyboardInterrupt:
        stdout.print("Stopped; the paper stays where it is.")
    finally:
        trays.close()
