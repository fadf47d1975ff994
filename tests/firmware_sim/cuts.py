"""Cut the device's day again and again, and compare paper with records after each cut.

    python -m tests.firmware_sim.cuts --cuts 2000 --seed 1

Three things are cut, for real:

- the device: a process, killed with SIGKILL at its n-th write, page write or flush to the
  disk (strace's injection: before the kernel does it), so at every boundary of a frame on
  the port and of a page of the journal in turn;
- the scanner: likewise, its own process;
- the cable: a pty that is closed before, within or after a frame.

After each: every sheet in the box has its one record, vote for vote (no two sheets of a deck
have the same votes), but for the one sheet whose step is open; after recovery without
exception. At the end of a deck every sheet is where it belongs, and once.

Requirements: NVT-04, NVT-17; "exactly once" of docs/architecture.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from firmware_sim.journal import Journal
from hardware.simulated.process import SimulatedScanner, start_simulated_scanner
from tests.firmware_sim import cut_bench, cut_me
from tests.firmware_sim.cut_link import Cable

ROOT = Path(__file__).resolve().parents[2]
#: Calls of the device that leave something behind, and of the scanner.
DEVICE_CALLS = ("write", "pwrite64", "fdatasync", "fsync")
SCANNER_CALLS = ("sendto", "pwrite64", "fdatasync")
#: Sheets of one deck, and the most cuts that it is used for.
DECK = 240
CUTS_A_DECK = 60
#: The device is cut within so many sheets.
REACH = 5


class CutError(AssertionError):
    """Paper and records do not agree; says where and with which seed."""


@dataclass
class Figures:
    """What was cut so far. `open_steps`: cuts that left a step open, the ones that matter."""

    cuts: Counter[str] = field(default_factory=Counter)
    open_steps: int = 0
    sheets: int = 0

    @property
    def total(self) -> int:
        """All cuts."""
        return sum(self.cuts.values())


def strace_works() -> bool:
    """May this machine's user trace and inject? (Debian package strace.)"""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-qq", "-e", "inject=getppid:signal=KILL", "-e", "trace=getppid"]
    run = subprocess.run(
        [*command, sys.executable, "-c", "import os; os.getppid()"], capture_output=True
    )
    return run.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)


class Tracer:
    """strace on a process: kills it at the n-th call of one name."""

    def __init__(self, pid: int, call: str, number: int) -> None:
        self._strace = subprocess.Popen(
            ["strace", "-f", "-p", str(pid), "-e", f"trace={call}"]
            + ["-e", f"inject={call}:signal=KILL:when={number}"],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        # It says "Process N attached" when it has hold of it.
        line = self._stderr.readline()
        if b"attached" not in line:
            raise RuntimeError(f"strace did not attach: {line!r}")

    @property
    def _stderr(self) -> IO[bytes]:
        assert self._strace.stderr is not None
        return self._strace.stderr

    def killed(self) -> bool:
        """Did the process die of it? Waits for the process to be gone."""
        said = self._stderr.read()
        self._strace.wait()
        return b"killed by SIGKILL" in said

    def let_go(self) -> None:
        """Detach."""
        self._strace.terminate()
        self._stderr.read()
        self._strace.wait()


class Devices:
    """The mother process of `cut_me`: forks a device for each death."""

    def __init__(self, keys: Path) -> None:
        self._mother = subprocess.Popen(
            [sys.executable, "-m", "tests.firmware_sim.cut_me", str(keys)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )

    def fork(self, journal: Path, port: Path) -> int:
        """A new device process, waiting for `go`; its number."""
        self._send(f"{journal}\t{port}")
        return int(self._line())

    def go(self) -> None:
        """Let it begin."""
        self._send("go")

    def wait_for_sheets(self, count: int) -> bool:
        """Until it begins its n-th sheet; False where it is over before."""
        for _ in range(count):
            line = self._line()
            if line.startswith(b"over"):
                self._status = int(line.split()[1])
                return False
        return True

    def wait_until_over(self) -> int:
        """Until it is gone; how it ended, as `os.wait` says."""
        while not (line := self._line()).startswith(b"over"):
            pass
        return int(line.split()[1])

    @property
    def status(self) -> int:
        """How the device ended that was over before its n-th sheet."""
        return self._status

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
        return line


class Deck:
    """One deck through one device and one scanner, cut as often as there are sheets for it."""

    def __init__(
        self, folder: Path, keys: Path, devices: Devices, chance: random.Random, figures: Figures
    ) -> None:
        folder.mkdir()
        self._chance, self._figures, self._devices, self._keys = chance, figures, devices, keys
        self._deck, self._state = folder / "deck", folder / "scanner"
        self._journal = folder / "journal.sqlite"
        cut_bench.lay_deck(self._deck, DECK)
        self._cable = Cable(folder / "port", chance)
        self._scanner = self._start_scanner()
        self._box_before: frozenset[str] = frozenset()

    def close(self) -> None:
        """Stop cable and scanner."""
        self._cable.close()
        self._scanner.stop()

    @property
    def sheets_left(self) -> int:
        """In the tray."""
        return self._scanner.paper().tray

    def cut_device(self) -> None:
        """Kill the device at one of its calls."""
        call = self._chance.choices(DEVICE_CALLS, (5, 5, 3, 2))[0]
        number = self._chance.randint(1, LIMITS["device"][call])
        pid = self._devices.fork(self._journal, self._cable.port)
        tracer = Tracer(pid, call, number)
        self._devices.go()
        status = self._over(REACH + 3, pid)
        killed = tracer.killed()
        if not killed:
            self._well(status)
            return
        self._figures.cuts[f"device at {call}"] += 1
        self._compare(f"the device killed at {call} {number}")

    def cut_cable(self) -> None:
        """Part the cable; the device finds the scanner again by itself."""
        before = self._cable.cuts
        pid = self._devices.fork(self._journal, self._cable.port)
        frames = self._chance.randint(1, 40)
        self._cable.cut_at(frames)
        self._devices.go()
        self._over(REACH + 3, pid)
        if self._cable.cuts > before:
            self._figures.cuts["cable"] += 1
        self._compare(f"the cable cut at frame {frames}")

    def cut_scanner(self) -> None:
        """Kill the scanner at one of its calls; it is switched on again."""
        call = self._chance.choice(SCANNER_CALLS)
        number = self._chance.randint(1, LIMITS["scanner"][call])
        pid = self._devices.fork(self._journal, self._cable.port)
        tracer = Tracer(self._scanner.pid, call, number)
        self._devices.go()
        died = _wait_dead(self._scanner, 3.0)
        if died:
            tracer.killed()
            self._figures.cuts[f"scanner at {call}"] += 1
        else:
            tracer.let_go()
        if died:
            self._scanner.stop()
            self._scanner = self._start_scanner()
        self._over(REACH, pid)
        self._compare(f"the scanner killed at {call} {number}")

    def finish(self) -> None:
        """Take what is left without a cut; every sheet must be where it belongs, once."""
        self._devices.fork(self._journal, self._cable.port)
        self._devices.go()
        self._well(self._devices.wait_until_over())
        self._compare("the end of the deck", settle=True)
        expected = sorted((v for n in range(DECK) if (v := cut_bench.votes_of(n))), key=repr)
        box = cut_bench.votes_in_box(self._scanner.box())
        if box != expected:
            raise CutError("at the end of the deck the box does not hold what it should")
        if self._scanner.paper().held or self._scanner.paper().tray:
            raise CutError("at the end of the deck sheets are left in the scanner")
        self._figures.sheets += DECK

    def _start_scanner(self) -> SimulatedScanner:
        scanner = start_simulated_scanner(
            self._deck, state=self._state, listen="socket://127.0.0.1:0"
        )
        self._cable.plug_in(scanner.url)
        return scanner

    def _over(self, sheets: int, pid: int) -> int:
        """Let the device take some sheets, then kill it if nothing else has."""
        if not self._devices.wait_for_sheets(sheets):
            return self._devices.status
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return self._devices.wait_until_over()

    def _well(self, status: int) -> None:
        if status not in (0, signal.SIGKILL):
            raise CutError(f"the device ended with status {status}, not by the cut")

    def _compare(self, where: str, *, settle: bool | None = None) -> None:
        """Paper against records, before recovery and (settle, or half the time) after it."""
        if not self._journal.exists():
            return
        settle = self._chance.random() < 0.5 if settle is None else settle
        with Journal(self._journal) as journal:
            names = self._scanner.box()
            box = Counter(cut_bench.votes_in_box(names))
            records = Counter(cut_bench.votes_recorded(journal.records()))
            step = journal.open_intention()
            self._figures.open_steps += step is not None
            more = box - records
            if records - box:
                raise CutError(f"{where}: records without a sheet: {records - box}")
            open_votes = (
                Counter(cut_bench.votes_recorded([step.record]))
                if step is not None and step.record is not None
                else Counter()
            )
            if more and more != open_votes:
                raise CutError(f"{where}: sheets without a record: {more}")
            if not self._box_before <= names:
                raise CutError(f"{where}: a sheet left the box")
            self._box_before = names
            if not settle or not journal.state():
                return
            feeder = cut_me.feeder_at(str(self._cable.port))
            try:
                cut_me.recover(cut_me.device_of(self._keys, journal, feeder))
            finally:
                feeder.close()
            if journal.open_intention() is not None:
                raise CutError(f"{where}: a step is open after recovery")
            if cut_bench.votes_recorded(journal.records()) != cut_bench.votes_in_box(
                self._scanner.box()
            ):
                raise CutError(f"{where}: after recovery paper and records differ")


def _wait_dead(scanner: SimulatedScanner, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not scanner.running:
            return True
        time.sleep(0.005)
    return False


#: The n of the n-th call goes up to here: about `REACH` sheets and the start.
LIMITS = {
    "device": {"write": 60, "pwrite64": 120, "fdatasync": 40, "fsync": 12},
    "scanner": {"sendto": 30, "pwrite64": 60, "fdatasync": 25},
}


def run(folder: Path, cuts: int, seed: int, *, tell: bool = False) -> Figures:
    """Make so many cuts with one seed; the figures.

    Raises:
        CutError: paper and records do not agree.
    """
    chance = random.Random(seed)
    figures = Figures()
    keys = folder / "keys"
    cut_bench.setup(keys)
    devices = Devices(keys)
    number = 0
    try:
        while figures.total < cuts:
            deck = Deck(folder / f"deck-{number}", keys, devices, chance, figures)
            number += 1
            stop_at = min(cuts, figures.total + CUTS_A_DECK)
            try:
                while figures.total < stop_at and deck.sheets_left > REACH + 3:
                    chance.choices(
                        (deck.cut_device, deck.cut_cable, deck.cut_scanner), (60, 25, 15)
                    )[0]()
                deck.finish()
            finally:
                deck.close()
            if tell:
                sys.stderr.write(f"{figures.total} cuts, {figures.open_steps} open steps\n")
            shutil.rmtree(folder / f"deck-{number - 1}")
    finally:
        devices.close()
    return figures


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.firmware_sim.cuts")
    parser.add_argument("--cuts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=20260319)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        figures = run(Path(folder), options.cuts, options.seed, tell=True)
    told = {
        "cuts": figures.total,
        "by_kind": dict(sorted(figures.cuts.items())),
        "open_steps": figures.open_steps,
        "sheets": figures.sheets,
        "seed": options.seed,
        "seconds": round(time.monotonic() - start),
        "differences": 0,
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
