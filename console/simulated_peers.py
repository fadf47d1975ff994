"""`ballotbench simulate printer|barcode|ups|clock|mark-sense`, and `control` for their ports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from console.common import emit_json, stdout
from console.errors import ConsoleError

if TYPE_CHECKING:
    from hardware.simulated.peer import PeerLogic

Control = Annotated[
    Path, typer.Option(help="Control port to make (a Unix socket that only you may open).")
]
OwnControl = Annotated[
    Path | None,
    typer.Option("--control", help="Control port to make (a Unix socket that only you may open)."),
]
Peers = Annotated[
    list[str] | None,
    typer.Option(
        "--peer",
        help="PLACE=SOCKET: control port of another machine (printer, power, clock) that "
        "carries out the scenario's faults of that place; once for each.",
    ),
]
Listen = Annotated[
    str, typer.Option(help="pty, pty:LINK, socket://HOST:PORT or rfc2217://HOST:PORT.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the port as JSON.")]


def add(app: typer.Typer) -> None:
    """Register on `ballotbench simulate`."""
    app.command("printer")(printer)
    app.command("barcode")(barcode)
    app.command("ups")(ups)
    app.command("clock")(clock)
    app.command("mark-sense")(mark_sense)
    app.command("control")(control)


def printer(
    tapes: Annotated[Path, typer.Argument(help="Folder for a PNG of each tape.")],
    control: Control,
    listen: Listen = "pty",
    paper_mm: Annotated[float, typer.Option(min=0, max=80_000, help="Paper on the roll.")] = 30_000,
    near_end_mm: Annotated[
        float, typer.Option(min=0, help="The sensor sees the end coming with so much left.")
    ] = 2_000,
    mm_s: Annotated[float, typer.Option(min=0, help="Speed; 0: at once.")] = 150,
    tape_width: Annotated[Literal["80mm", "58mm"], typer.Option(help="Width of the roll.")] = (
        "80mm"
    ),
    as_json: AsJson = False,
) -> None:
    """Serve a receipt printer until it is stopped (Ctrl-C).

    It answers the status questions of ESC/POS and stops without paper or with an open cover.
    Control: paper, run_out, cover, knife, tear, info, unplug, stuck.

    Example: ballotbench simulate printer tapes --control printer.sock --paper-mm 500
    """
    from hardware.simulated.printer import PrinterSettings, SimulatedPrinter
    from hardware.tape_format import TAPES

    settings = PrinterSettings(
        tapes, paper_mm=paper_mm, near_end_mm=near_end_mm, mm_s=mm_s, paper=TAPES[tape_width]
    )
    serve("Printer", SimulatedPrinter(settings), control, listen, as_json=as_json)


def barcode(
    control: Control,
    listen: Listen = "pty",
    ending: Annotated[
        Literal["cr", "lf", "crlf", "stx-etx"], typer.Option(help="What ends a scan.")
    ] = "cr",
    aim: Annotated[str, typer.Option(help="AIM identifier before each code, such as ]C0.")] = "",
    as_json: AsJson = False,
) -> None:
    """Serve a barcode reader in serial mode until it is stopped (Ctrl-C).

    Control: scan (text, times), half, hurt, info, unplug, stuck.

    Example: ballotbench simulate barcode --control barcode.sock --ending crlf
    """
    from hardware.simulated.barcode import BarcodeSettings, SimulatedBarcodeReader

    logic = SimulatedBarcodeReader(BarcodeSettings(ending, aim))
    serve("Barcode reader", logic, control, listen, as_json=as_json)


def ups(
    control: Control,
    listen: Listen = "pty",
    runtime_s: Annotated[
        float, typer.Option(min=1, help="A full battery carries the load for so many seconds.")
    ] = 600,
    recharge_s: Annotated[float, typer.Option(min=1, help="Seconds to a full battery.")] = 3600,
    as_json: AsJson = False,
) -> None:
    """Serve an uninterruptible supply (Megatec's Q1) until it is stopped (Ctrl-C).

    Control: mains_off, mains_on, battery, cut, hurt, info, unplug, stuck.

    Example: ballotbench simulate ups --control ups.sock --runtime-s 120
    """
    from hardware.simulated.ups import SimulatedUps, UpsSettings

    serve("Supply", SimulatedUps(UpsSettings(runtime_s, recharge_s)), control, listen, as_json)


def clock(control: Control, listen: Listen = "pty", as_json: AsJson = False) -> None:
    """Serve a time receiver (NMEA 0183) until it is stopped (Ctrl-C).

    Control: clock_jump (by_s), silent, hurt, info, unplug, stuck.

    Example: ballotbench simulate clock --control clock.sock
    """
    from hardware.simulated.clock import SimulatedClock

    serve("Clock", SimulatedClock(), control, listen, as_json)


def mark_sense(
    deck: Annotated[
        Path, typer.Argument(help="Folder of images, or of a deck: the sheets in the hopper.")
    ],
    control: Control,
    state: Annotated[Path, typer.Option(help="Folder that keeps where each sheet is.")],
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="Mark-sense profile (name or TOML file).")
    ] = "generic-ascii",
    paper: Annotated[
        Literal["A4", "Letter", "Legal"], typer.Option(help="Size of the papers.")
    ] = "A4",
    listen: Listen = "pty",
    sheet_s: Annotated[
        float, typer.Option(min=0, max=60, help="A sheet's way past the heads, seconds.")
    ] = 0.15,
    seed: Annotated[int, typer.Option(min=0, help="Seed of hurt lines.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Serve a mark-sense reader until it is stopped (Ctrl-C).

    It speaks as the profile says, and its heads read the images. Its paper stays where it is
    when the process is killed. Control: jam, double_feed, empty, garble (lines), mishear
    (times), clear, lay_back, info, unplug, stuck.

    Example: ballotbench simulate mark-sense deck --profile sekonic-sr-430 --state reader
    --control reader.sock
    """
    from hardware.marksense import load_profile
    from hardware.simulated.heads import SheetHeads
    from hardware.simulated.marksense import MarkSenseLogic
    from hardware.simulated.paper import read_deck
    from hardware.simulated.stack import Stack

    scans = deck / "scans" if (deck / "deck.json").is_file() else deck
    rules = load_profile(profile)
    heads, sheets = SheetHeads(rules, paper), read_deck(scans)
    stack = Stack(state)
    stack.load(sheets)
    logic = MarkSenseLogic(rules, stack, heads, seed=seed, sheet_s=sheet_s)
    try:
        serve("Mark-sense reader", logic, control, listen, as_json=as_json)
    finally:
        stack.close()


def control(
    port: Annotated[Path, typer.Argument(help="Control port of a simulated machine.")],
    command: Annotated[str, typer.Argument(help="What to do; help lists what it knows.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="NAME=VALUE; numbers, true, false, or text.")
    ] = None,
) -> None:
    """Do something to a simulated machine, as a person would; prints its reply (JSON).

    Example: ballotbench simulate control printer.sock paper mm=200
    """
    from hardware.simulated.control import ControlClient

    emit_json(ControlClient(port).do(command, **dict(map(_argument, arguments or []))))


def serve(
    name: str, logic: PeerLogic, control_port: Path, listen: str, as_json: bool = False
) -> None:
    """Serve a machine in this process; says its port first."""
    from hardware.simulated.peer import run_peer

    def ready(url: str) -> None:
        if as_json:
            emit_json({"url": url, "control": str(control_port)})
        else:
            stdout.print(
                f"{name} at {url}, its control port at {control_port}. Stop it with Ctrl-C.",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )
        # Whoever started us through a pipe waits for this line.
        stdout.file.flush()

    try:
        run_peer(logic, listen=listen, control=control_port, ready=ready)
    except KeyboardInterrupt:
        stdout.print("Stopped.")


def _argument(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier() or name == "do":
        raise ConsoleError(f"{text[:60]!r} is not NAME=VALUE")
    try:
        found = json.loads(value)
    except ValueError:
        return name, value
    # A code's text is digits: it stays text.
    return name, value if name == "text" else found
