"""`ballotbench simulate`: machines that are not there, on a port that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from console import simulated_central, simulated_peers
from console.common import emit_json, stdout

if TYPE_CHECKING:
    from tally.simulation.plan import Papers

app = typer.Typer(help="Simulate a device on a port.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add `simulate` to the command line."""
    simulated_peers.add(app)
    simulated_central.add(app)
    parent.add_typer(app, name="simulate")


@app.callback()
def simulate() -> None:
    """Simulate a device on a port."""


@app.command("nation")
def nation(
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder to write to.")],
    precincts: Annotated[int, typer.Option(min=1, help="Polling stations.")] = 10_223,
    ballots: Annotated[int, typer.Option(min=1, help="Voters who took part.")] = 12_000_000,
    regions: Annotated[int, typer.Option(min=1)] = 20,
    territories: Annotated[int, typer.Option(min=1)] = 220,
    districts: Annotated[int, typer.Option(min=1, help="Single-mandate districts.")] = 29,
    papers: Annotated[
        str, typer.Option(help="apart: three papers a voter; together: one sheet.")
    ] = "apart",
    protocols: Annotated[
        bool, typer.Option("--protocols", help="Signed protocols of members, no packages.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")] = 2023,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes; else all cores.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The truth as JSON.")] = False,
) -> None:
    """Make a nation of known truth: definition, commissions, keys, signed packages or protocols.

    Example: ballotbench simulate nation --precincts 100 --ballots 90000 --regions 2
    --territories 5 --districts 3 --out nation
    """
    from console.batch.executors import local_crew, usable_cores
    from console.common import progress
    from tally.errors import TallyError
    from tally.simulation.plan import NationPlan
    from tally.simulation.write import write_nation

    if papers not in ("apart", "together"):
        raise TallyError(f"--papers is apart or together, not {papers[:40]!r}")
    plan = NationPlan(
        seed=seed,
        precincts=precincts,
        ballots=ballots,
        regions=regions,
        territories=territories,
        districts=districts,
        papers=cast("Papers", papers),
    )
    crew = local_crew(workers or usable_cores())
    with crew.executor, progress() as bars:
        what = "protocols" if protocols else "packages"
        task = bars.add_task(f"Making {what}", total=precincts)
        path = write_nation(
            plan,
            out,
            crew.executor,
            protocols=protocols,
            progress=lambda done, of: bars.update(task, completed=done),
        )
    if as_json:
        emit_json(json.loads(path.read_text(encoding="utf-8")))
    else:
        stdout.print(f"Written: {out}; what was drawn is in {path}", markup=False, soft_wrap=True)


@app.command("scanner")
def scanner(
    deck: Annotated[Path, typer.Argument(help="Folder of images: the sheets in the tray.")],
    state: Annotated[Path, typer.Option(help="Folder that keeps where each sheet is.")],
    listen: Annotated[
        str, typer.Option(help="pty, socket://HOST:PORT or rfc2217://HOST:PORT.")
    ] = "pty",
    refeed: Annotated[
        int, typer.Option(min=0, help="A returned sheet is fed again at once, so often.")
    ] = 0,
    noise: Annotated[
        float, typer.Option(min=0, max=1, help="Share of frames hurt on the line.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    faults: Annotated[
        Path | None, typer.Option(help="Fault scenario (TOML; examples/faults, docs/faults.md).")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="File for what struck (JSON lines), to be repeated.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Record of a run: the same faults at the same places.")
    ] = None,
    peer: simulated_peers.Peers = None,
    control: simulated_peers.OwnControl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the port as JSON.")] = False,
) -> None:
    """Serve a sheet-fed precinct scanner until it is stopped (Ctrl-C).

    It feeds the images of a folder in order of their names. Its paper stays where it is
    when the process is killed: started again with the same --state it goes on.
    Control: jam, double_feed, box_full, clear, pull, load, unplug, half_open, stuck, reboot, info.

    Example: ballotbench simulate scanner scans --state scanner --faults examples/faults/line.toml
    """
    from hardware.simulated.paper import Paper, read_deck
    from hardware.simulated.peer_faults import peers_at
    from hardware.simulated.scanner import ScannerLogic
    from hardware.simulated.serve import Noise, serve
    from hardware.simulated.weathered import load_weather, run_in_weather

    def ready(url: str) -> None:
        counts = paper.counts()
        if as_json:
            emit_json({"url": url, "tray": counts.tray, "box": counts.box})
        else:
            stdout.print(
                f"Scanner at {url}: {counts.tray} sheets in the tray, {counts.box} in the box. "
                "Stop it with Ctrl-C.",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )
        # Whoever started us through a pipe waits for this line.
        stdout.file.flush()

    if noise and (faults or replay):
        raise typer.BadParameter("a scenario has its own noise", param_hint="--noise")
    if noise and control:
        raise typer.BadParameter("goes without --control: give --faults", param_hint="--noise")
    if peer and not (faults or replay):
        raise typer.BadParameter("it carries out a scenario: give --faults", param_hint="--peer")
    if record and not (faults or replay):
        raise typer.BadParameter("there is nothing to record: give --faults", param_hint="--record")
    weather = load_weather(faults, replay) if faults or replay or control else None
    peers = peers_at(peer or [])
    sheets = read_deck(deck)
    paper = Paper(state, refeed_returned=refeed)
    try:
        paper.load(sheets)
        if weather is not None:
            run_in_weather(
                paper, weather, listen, state, ready, record=record, peers=peers, control=control
            )
        serve(listen, ScannerLogic(paper), ready, Noise(noise, seed) if noise else None)
    except KeyboardInterrupt:
        stdout.print("Stopped; the paper stays where it is.")
    finally:
        paper.close()
