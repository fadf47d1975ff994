"""`python -m hardware.simulated.peers KIND`: a simulated machine's own process.

Prints one line of JSON, {"url": …, "control": …, "pid": …}, when it can be connected to.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from hardware.errors import HardwareError
from hardware.marksense import load_profile
from hardware.simulated.barcode import ENDINGS, BarcodeSettings, SimulatedBarcodeReader
from hardware.simulated.clock import SimulatedClock
from hardware.simulated.heads import SheetHeads
from hardware.simulated.marksense import SHEET_S, MarkSenseLogic
from hardware.simulated.paper import read_deck
from hardware.simulated.peer import PeerLogic, run_peer
from hardware.simulated.printer import PrinterSettings, SimulatedPrinter
from hardware.simulated.stack import Stack
from hardware.simulated.ups import SimulatedUps, UpsSettings
from hardware.tape_format import TAPES


def _printer(options: argparse.Namespace) -> PeerLogic:
    return SimulatedPrinter(
        PrinterSettings(
            options.tapes,
            paper_mm=options.paper_mm,
            near_end_mm=options.near_end_mm,
            mm_s=options.mm_s,
            paper=TAPES[options.width],
            tells=options.tells,
        )
    )


def _barcode(options: argparse.Namespace) -> PeerLogic:
    return SimulatedBarcodeReader(BarcodeSettings(options.ending, options.aim))


def _ups(options: argparse.Namespace) -> PeerLogic:
    return SimulatedUps(UpsSettings(options.runtime_s, options.recharge_s))


def _clock(options: argparse.Namespace) -> PeerLogic:
    return SimulatedClock()


def _mark_sense(options: argparse.Namespace) -> PeerLogic:
    profile = load_profile(options.profile)
    heads = SheetHeads(profile, options.paper)
    stack = Stack(options.state)
    stack.load(read_deck(options.deck))
    return MarkSenseLogic(profile, stack, heads, seed=options.seed, sheet_s=options.sheet_s)


KINDS: Mapping[str, Callable[[argparse.Namespace], PeerLogic]] = {
    "printer": _printer,
    "barcode": _barcode,
    "ups": _ups,
    "clock": _clock,
    "mark-sense": _mark_sense,
}


def main(argv: list[str] | None = None) -> int:
    """Serve until killed; 1 where a port cannot be had."""
    options = _parser().parse_args(argv)
    if options.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()

    def ready(url: str) -> None:
        said = {"url": url, "control": str(options.control), "pid": os.getpid()}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()

    try:
        run_peer(
            KINDS[options.kind](options),
            listen=options.listen,
            control=options.control,
            ready=ready,
        )
    except HardwareError as error:
        sys.stderr.write(f"simulated {options.kind}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hardware.simulated.peers", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    made = {kind: kinds.add_parser(kind) for kind in KINDS}
    for one in made.values():
        one.add_argument("--control", type=Path, required=True)
        one.add_argument("--listen", default="pty")
        one.add_argument("--until-stdin-ends", action="store_true")
    printer, barcode, ups = made["printer"], made["barcode"], made["ups"]
    printer.add_argument("--tapes", type=Path, required=True)
    printer.add_argument("--paper-mm", type=float, default=30_000.0)
    printer.add_argument("--near-end-mm", type=float, default=2_000.0)
    printer.add_argument("--mm-s", type=float, default=150.0)
    printer.add_argument("--width", choices=sorted(TAPES), default="80mm")
    printer.add_argument("--tells", action="store_true")
    barcode.add_argument("--ending", choices=ENDINGS, default="cr")
    barcode.add_argument("--aim", default="")
    ups.add_argument("--runtime-s", type=float, default=600.0)
    ups.add_argument("--recharge-s", type=float, default=3600.0)
    marks = made["mark-sense"]
    marks.add_argument("--profile", required=True)
    marks.add_argument("--deck", type=Path, required=True)
    marks.add_argument("--state", type=Path, required=True)
    marks.add_argument("--paper", default="A4")
    marks.add_argument("--seed", type=int, default=0)
    marks.add_argument("--sheet-s", type=float, default=SHEET_S)
    return parser


def _end_with_stdin() -> None:
    """Whoever started us holds the other end: when it is gone, however, so are we."""
    # Not sys.stdin: its lock would be held while the program ends by itself.
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
