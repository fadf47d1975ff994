"""A whole polling day over ptys: sheets a minute, and where the time of a sheet goes.

    python -m benchmarks.polling_day [--sheets 2000] [--json FILE]

The simulated scanner on a pty feeds a deck of 200-dpi A4 sheets; `ballotbench device
run` takes them, prints its tapes to a second pty, counts, signs and exports. All three are
processes of their own. The images are those of sixteen ballots, drawn by the scanner model, in
turn; the shares are those that the device's own stopwatch tells. `journal` is every durable
commit with its flushes to this machine's disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import tty
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from console.definitions import load_definition
from election.design import design_ballot
from election.raster import render_blank
from election.render import render_pdf
from hardware.simulated.process import start_simulated_scanner
from scanner import synthesis

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "kz-majilis" / "election.json"
KINDS = 16
DPI = 200


def lay_deck(folder: Path, sheets: int, style: str) -> None:
    """One-page ballots with one mark each, sixteen kinds, as files of one name a sheet."""
    loaded = load_definition(EXAMPLE)
    layout = design_ballot(loaded.election, loaded.profile, style)
    page = layout.pages[0]
    blank = render_blank(render_pdf(loaded.election, loaded.profile, layout), DPI)[0]
    rng = np.random.default_rng(1)
    kinds = []
    for k in range(min(KINDS, sheets)):
        target = page.targets[k % len(page.targets)]
        mark = synthesis.TrueMark(
            target.contest_id, target.option_id, synthesis.MarkKind.CROSS, synthesis.BALLPOINT
        )
        scan = synthesis.scan_page(
            synthesis.draw_marks(blank, page, [mark], rng),
            synthesis.ScannerModel(dpi=DPI),
            rng,
            paper_mm=(page.width_mm, page.height_mm),
        )
        kinds.append(synthesis.encode(scan, "jpeg", 85, dpi=DPI))
    folder.mkdir()
    for k, data in enumerate(kinds):
        (folder / f"sheet {k:05}.jpg").write_bytes(data)
    for n in range(len(kinds), sheets):
        os.link(folder / f"sheet {n % len(kinds):05}.jpg", folder / f"sheet {n:05}.jpg")


class PaperRoll:
    """The printer's end of a pty: swallows what is printed, counts its bytes, answers nothing."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.port = f"{os.ttyname(slave)}?status=off"
        self.printed = 0
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while data := os.read(self._master, 65536):
            self.printed += len(data)


def ballotbench(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """One command, which must succeed."""
    command = [sys.executable, "-m", "console", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, **more)


def play(folder: Path, sheets: int) -> dict[str, Any]:
    """The day in `folder`; figures as they go into the JSON."""
    loaded = load_definition(EXAMPLE)
    precinct = loaded.election.precincts[0].id
    style = next(iter(loaded.election.precinct_styles(precinct))).id
    lay_deck(folder / "deck", sheets, style)
    keys = folder / "keys"
    ballotbench("keys", "init", keys, "--name", "Bench root")
    ballotbench("keys", "issue", keys, "scanner-001", "--precinct", precinct)
    roll = PaperRoll()
    with start_simulated_scanner(folder / "deck", state=folder / "scanner") as scanner:
        start = time.perf_counter()
        day = ballotbench(
            "device", "run", EXAMPLE, "--precinct", precinct, "--journal", folder / "day.sqlite",
            "--keys", keys, "--device", "scanner-001", "--scanner", scanner.url,
            "--printer", roll.port, "--export", folder / "results.zip", "--json",
        )  # fmt: skip
        whole = time.perf_counter() - start
        in_box = scanner.paper().box
    told = json.loads(day.stdout)
    seconds = told["seconds"]
    if not told["totals"]["sheets"] == in_box == sheets:
        raise SystemExit(f"{told['totals']['sheets']} of {sheets} sheets were counted")
    busy = seconds["all"]
    return {
        "sheets": sheets,
        "image_bytes": sum(f.stat().st_size for f in (folder / "deck").iterdir()) // sheets,
        "seconds": seconds,
        "command_seconds": round(whole, 1),
        "ms_a_sheet": round(1000 * busy / sheets, 2),
        "sheets_a_minute": round(60 * sheets / busy),
        "share": {part: round(value / busy, 4) for part, value in seconds.items() if part != "all"},
        "printed_bytes": roll.printed,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polling_day")
    parser.add_argument("--sheets", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = play(Path(folder), options.sheets)
    text = json.dumps(found, indent=1)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
