"""`python -m hardware.simulated`: a simulated scanner's own process.

One deck is a precinct scanner's tray; with --central each deck is a tray of a central one.

Prints one line of JSON, {"url": …, "pid": …}, when it can be connected to.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from functools import partial
from pathlib import Path

from hardware.errors import HardwareError
from hardware.simulated.central import CentralLogic
from hardware.simulated.paper import Paper, PaperError, read_deck
from hardware.simulated.peer_faults import peers_at
from hardware.simulated.scanner import ScannerLogic
from hardware.simulated.serve import Noise, serve
from hardware.simulated.trays import Trays
from hardware.simulated.weathered import load_weather, run_in_weather


def main(argv: list[str] | None = None) -> int:
    """Serve until killed; 1 where deck, state or port cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m hardware.simulated", description=__doc__)
    parser.add_argument("deck", type=Path, nargs="+")
    parser.add_argument("--central", action="store_true")
    parser.add_argument("--sheets-a-minute", type=float, default=0.0)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--listen", default="pty")
    parser.add_argument("--refeed", type=int, default=0)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=Path)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--control", type=Path)
    parser.add_argument("--until-stdin-ends", action="store_true")
    options = parser.parse_args(argv)
    if options.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        if options.control and options.noise:
            raise PaperError("--noise goes without --control")
        if options.central:
            trays = Trays(options.state)
            trays.lay([read_deck(deck) for deck in options.deck])
            run_in_weather(
                trays,
                load_weather(options.faults, options.replay),
                options.listen,
                options.state,
                _say_ready,
                record=options.record,
                peers=peers_at(options.peer),
                control=options.control,
                logic=partial(CentralLogic, sheets_a_minute=options.sheets_a_minute),
            )
            return 0
        if len(options.deck) > 1:
            raise PaperError("a precinct scanner has one tray: give one deck, or --central")
        paper = Paper(options.state, refeed_returned=options.refeed)
        paper.load(read_deck(options.deck[0]))
        if options.faults or options.replay or options.control:
            run_in_weather(
                paper,
                load_weather(options.faults, options.replay),
                options.listen,
                options.state,
                _say_ready,
                record=options.record,
                peers=peers_at(options.peer),
                control=options.control,
            )
            return 0
        if options.peer:
            raise PaperError("--peer carries out a scenario's faults: give --faults")
        noise = Noise(options.noise, options.seed) if options.noise else None
        serve(options.listen, ScannerLogic(paper), _say_ready, noise)
    except HardwareError as error:
        sys.stderr.write(f"simulated scanner: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _say_ready(url: str) -> None:
    sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


def _end_with_stdin() -> None:
    """Whoever started us holds the other end: when it is gone, however, so are we."""
    # Not sys.stdin: its lock would be held while the program ends by itself.
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
