"""Sheets a minute through the simulated central scanner, over a pty, numbers in ink and all.

    python -m benchmarks.central [--sheets 120] [--json FILE]

*scanner*: `next_sheet` and `accept` of `hardware.central`, images fetched and checked. *kept*: as
`read --port --no-outstack` does it, each sheet durable before it moves. *chosen*: with every sheet
read first, so that those in question go into their own pocket, as `read --port` does it. An A4 side
at 200 dpi in grey, JPEG, on the paper of `benchmarks.polling_day`.
"""

from __future__ import annotations

import argparse
import json
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.polling_day import EXAMPLE, lay_deck
from console.central import BatchPlan, Capture
from console.central.scan import Chooser
from console.definitions import load_definition
from hardware.central import CentralScanner, open_central
from hardware.imprint import USUAL_FORMAT
from hardware.simulated import start_simulated_central

PLAN = BatchPlan("A", 1, USUAL_FORMAT)


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.central", description=__doc__)
    parser.add_argument("--sheets", type=int, default=120)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    definition = load_definition(EXAMPLE)
    reader = definition.reader_within(definition.limits())
    style = definition.election.ballot_styles[0].id

    def bare(scanner: CentralScanner, _: Path) -> None:
        scanner.begin_batch(PLAN.batch_id, PLAN.tray, PLAN.imprint_format)
        while scanner.next_sheet() is not None:
            scanner.accept(secrets.token_hex(16))
        scanner.end_batch(PLAN.batch_id)

    def kept(scanner: CentralScanner, out: Path) -> None:
        with closing(Capture(scanner, out)) as capture:
            capture.run([PLAN])

    def chosen(scanner: CentralScanner, out: Path) -> None:
        with closing(Capture(scanner, out, decide=Chooser(reader))) as capture:
            capture.run([PLAN])

    ways: dict[str, Callable[[CentralScanner, Path], None]] = {
        "scanner": bare, "kept": kept, "chosen": chosen,
    }  # fmt: skip
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        lay_deck(Path(folder) / "deck", options.sheets, style)
        for name, way in ways.items():
            state = Path(folder) / name
            with (
                start_simulated_central(Path(folder) / "deck", state=state) as machine,
                closing(open_central(machine.url)) as scanner,
            ):
                start = time.perf_counter()
                way(scanner, state / "out")
                found[name] = round(60 * options.sheets / (time.perf_counter() - start))
                print(f"{name}: {found[name]} sheets a minute")
    if options.json:
        options.json.write_text(json.dumps({"sheets_a_minute": found}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
