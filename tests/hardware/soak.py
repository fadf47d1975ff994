"""Sheets through the link in faulty weather, and where each of them ended.

    python -m tests.hardware.soak --sheets 100000 --lanes 12

Each deck is a device, a scanner and a pty (`soak_lane`); several go at once, as most of the
time a device waits for a frame that was lost. It must come out that

- every sheet ended in exactly one of accepted, returned, refused;
- the device's journal agrees with the simulator's own count of its box, vote for vote;
- no image was read that the scanner had not scanned, in so many frames with wrong bytes.

With several lanes on little more than one core 100,000 sheets take about half an hour.
Requirements: NVT-04, NVT-17.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DECK = 2_000
#: A million frames in 100,000 sheets.
FRAMES_A_SHEET = 10
_SUMS = (
    "sheets",
    "accepted",
    "returned",
    "refused",
    "box",
    "images_read",
    "wrong_images",
    "corrupted_frames",
)
_TABLES = ("struck", "people", "device_faults")


def run(
    folder: Path,
    sheets: int,
    lanes: int,
    seed: int,
    tell: Callable[[dict[str, Any]], object] = lambda figures: None,
    deck: int = DECK,
) -> dict[str, Any]:
    """So many sheets in decks; their figures together. `tell` is given them after each deck.

    Raises:
        AssertionError: a deck did not come out right; says with which seed.
    """
    sizes = [deck] * (sheets // deck) + ([sheets % deck] if sheets % deck else [])
    start = time.monotonic()
    total: dict[str, Any] = dict.fromkeys(_SUMS, 0)
    total.update({name: Counter() for name in _TABLES})
    with ThreadPoolExecutor(lanes) as pool:
        waiting = [
            pool.submit(_lane, folder / f"deck-{n}", size, seed + n) for n, size in enumerate(sizes)
        ]
        try:
            for number, lane in enumerate(waiting, 1):
                figures = lane.result()
                for name in _SUMS:
                    total[name] += figures[name]
                for name in _TABLES:
                    total[name].update(figures[name])
                total["decks"] = number
                total["seconds"] = round(time.monotonic() - start)
                tell(total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {**total, **{name: dict(sorted(total[name].items())) for name in _TABLES}}


def _lane(folder: Path, sheets: int, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.hardware.soak_lane", str(folder)]
    command += ["--sheets", str(sheets), "--seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip()[-3000:]
        raise AssertionError(f"the deck of seed {seed} ({sheets} sheets): {said}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.hardware.soak")
    parser.add_argument("--sheets", type=int, default=100_000)
    parser.add_argument("--lanes", type=int, default=12)
    parser.add_argument("--seed", type=int, default=20260319)
    parser.add_argument("--deck", type=int, default=DECK, help="sheets of one deck")
    options = parser.parse_args()

    def tell(total: dict[str, Any]) -> None:
        rate = total["sheets"] / max(1, total["seconds"])
        sys.stderr.write(
            f"{total['sheets']} sheets, {total['corrupted_frames']} frames corrupted, "
            f"{total['wrong_images']} wrong images, {rate:.0f} sheets a second\n"
        )

    with tempfile.TemporaryDirectory() as folder:
        total = run(Path(folder), options.sheets, options.lanes, options.seed, tell, options.deck)
    total["sheets_a_second"] = round(total["sheets"] / max(1, total["seconds"]), 1)
    sys.stdout.write(json.dumps({**total, "seed": options.seed}, indent=2) + "\n")
    if total["corrupted_frames"] < FRAMES_A_SHEET * total["sheets"]:
        sys.exit("too few frames were corrupted for the soak to mean what it says")


if __name__ == "__main__":
    main()
