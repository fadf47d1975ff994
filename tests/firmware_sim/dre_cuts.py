"""Cut the screen device's day again and again, and compare paper with records after each cut.

    python -m tests.firmware_sim.dre_cuts --cuts 200 --seed 1

The device is a process (`dre_bench`), really killed with SIGKILL at its n-th write, page write
or flush to the disk, by the same tracer as `cuts`. Journal and printer's memory are files of
that process: each n is one boundary of a record's way (printed, held, intended, in the box or
spoiled, committed). After each cut every record in the box has its one record in the journal,
but for the one whose step is open; after recovery without exception. At the end they agree
vote for vote, by the text on the paper.

Requirements: NVT-04, NVT-17; "exactly once" of docs/dre.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from firmware_sim.journal import Journal
from firmware_sim.reading import ScannerSheetReader
from hardware.interface import PaperPlace
from hardware.simulated.paper_trail import SimulatedPaperTrail
from scanner.sheet import SheetReader
from tests.firmware_sim import dre_bench
from tests.firmware_sim.cuts import DEVICE_CALLS, CutError, Tracer

ROOT = Path(__file__).resolve().parents[2]
#: The n of the n-th call goes up to here: the start and about two voters.
LIMITS = {"write": 60, "pwrite64": 130, "fdatasync": 70, "fsync": 14}
#: Voters until a device that nothing killed is killed anyway.
REACH = 3
#: A journal and a box are used for so many cuts, then compared vote for vote.
CUTS_A_DAY = 50


@dataclass
class Figures:
    """What was cut so far. `open_steps`: cuts that left a step open; `held`: a record under
    the glass; `records`: in the boxes at the end."""

    cuts: Counter[str] = field(default_factory=Counter)
    open_steps: int = 0
    held: int = 0
    records: int = 0
    spoiled: int = 0

    @property
    def total(self) -> int:
        """All cuts."""
        return sum(self.cuts.values())


class Screens:
    """The mother process of `dre_bench`: forks a screen device for each death."""

    def __init__(self, keys: Path) -> None:
        self._mother = subprocess.Popen(
            [sys.executable, "-m", "tests.firmware_sim.dre_bench", str(keys)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def fork(self, journal: Path, trail: Path, seed: int) -> int:
        """A new device process, waiting for `go`; its number."""
        self._send(f"{journal}\t{trail}\t{seed}")
        return int(self._line())

    def go(self) -> None:
        """Let it begin."""
        self._send("go")

    def wait_for_voters(self, count: int) -> bool:
        """Until it begins its n-th voter; False where it is over before."""
        return all(self._line() != b"over\n" for _ in range(count))

    def wait_until_over(self) -> None:
        """Until it is gone."""
        while self._line() != b"over\n":
            pass

    def close(self) -> None:
        """End the mother."""
        self._mother.kill()
        self._mother.communicate()

    def _send(self, line: str) -> None:
        assert self._mother.stdin is not None
        self._mother.stdin.write(f"{line}\n".encode())
        self._mother.stdin.flush()

    def _line(self) -> bytes:
        assert self._mother.stdout is not None
        line = self._mother.stdout.readline()
        if not line:
            raise RuntimeError("the mother process ended")
        if line == b"failed\n":
            raise CutError("the device ended by itself, not by the cut: see its words above")
        return line


class Day:
    """One journal and one box, cut again and again."""

    def __init__(
        self, folder: Path, keys: Path, screens: Screens, chance: random.Random, figures: Figures
    ) -> None:
        folder.mkdir()
        self._journal, self._folder = folder / "journal.sqlite", folder / "trail"
        self._screens, self._chance, self._figures = screens, chance, figures
        self._setup = dre_bench.setup(keys)
        self._reader = ScannerSheetReader(SheetReader(self._setup.election, self._setup.profile))
        self._trail = SimulatedPaperTrail(self._folder)
        self._box_before: frozenset[tuple[Path, ...]] = frozenset()

    def cut(self) -> None:
        """Kill the device at one of its calls, then compare."""
        call = self._chance.choices(DEVICE_CALLS, (3, 5, 5, 2))[0]
        number = self._chance.randint(1, LIMITS[call])
        pid = self._screens.fork(self._journal, self._folder, self._chance.randrange(10**9))
        tracer = Tracer(pid, call, number)
        self._screens.go()
        if self._screens.wait_for_voters(REACH):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._screens.wait_until_over()
        self._figures.cuts[call if tracer.killed() else "between calls"] += 1
        self._compare(f"killed at {call} {number}")

    def finish(self) -> None:
        """Vote for vote, by the text on the paper."""
        with Journal(self._journal) as journal:
            if not journal.state():
                return
            dre_bench.station(self._setup, journal, self._trail, self._reader)
            recorded = Counter(dre_bench.votes_of(record) for record in journal.records())
        if recorded != dre_bench.paper_votes(self._trail, self._reader):
            raise CutError("at the end the papers in the box do not say what is recorded")
        self._figures.records += recorded.total()
        self._figures.spoiled += len(self._trail.spoiled())
        self._trail.close()

    def _compare(self, where: str) -> None:
        if not self._journal.exists():
            return
        with Journal(self._journal) as journal:
            box = self._trail.box()
            step = journal.open_intention()
            self._figures.open_steps += step is not None
            self._figures.held += self._trail.status().place is PaperPlace.HELD
            more = len(box) - journal.count()
            if more not in ((0, 1) if step is not None and step.record is not None else (0,)):
                raise CutError(f"{where}: {len(box)} papers in the box, {journal.count()} records")
            if not self._box_before <= box:
                raise CutError(f"{where}: a record left the box")
            self._box_before = box
            # The next device recovers by itself; half of the time it is looked at here.
            if self._chance.random() < 0.5 or not journal.state():
                return
            dre_bench.station(self._setup, journal, self._trail, self._reader)
            if journal.open_intention() is not None or journal.count() != len(self._trail.box()):
                raise CutError(f"{where}: after recovery paper and records differ")


def run(folder: Path, cuts: int, seed: int, *, tell: bool = False) -> Figures:
    """Make so many cuts with one seed; the figures.

    Raises:
        CutError: paper and records do not agree.
    """
    chance, figures, keys = random.Random(seed), Figures(), folder / "keys"
    dre_bench.setup(keys)
    screens = Screens(keys)
    try:
        while figures.total < cuts:
            day = Day(folder / f"day-{figures.total}", keys, screens, chance, figures)
            stop_at = min(cuts, figures.total + CUTS_A_DAY)
            while figures.total < stop_at:
                day.cut()
            day.finish()
            if tell:
                sys.stderr.write(f"{figures.total} cuts, {figures.open_steps} open steps\n")
    finally:
        screens.close()
    return figures


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.firmware_sim.dre_cuts")
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20260319)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        figures = run(Path(folder), options.cuts, options.seed, tell=True)
    told = {
        "cuts": figures.total,
        "by_call": dict(sorted(figures.cuts.items())),
        "open_steps": figures.open_steps,
        "records_under_glass": figures.held,
        "records": figures.records,
        "spoiled": figures.spoiled,
        "seed": options.seed,
        "seconds": round(time.monotonic() - start),
        "differences": 0,
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
