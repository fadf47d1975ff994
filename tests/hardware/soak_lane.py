"""One deck of the soak: a device and a scanner, each a process, on a pty in faulty weather.

    python -m tests.hardware.soak_lane FOLDER --sheets 2000 --seed 1

The device is the real one (journal on a disk, paper in two phases, the link's driver); only
the reading is cheap and the waits are short. A person is played who empties a full box and
looks where a sheet is. At the end paper and records are compared; figures go out as JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from firmware_sim.device import OutcomeKind, PrecinctDevice
from firmware_sim.errors import HumanStepError, StateError
from firmware_sim.failures import Failure
from firmware_sim.journal import Journal
from hardware.errors import HardwareError
from hardware.feeder import SerialFeeder
from hardware.link import LinkTiming
from hardware.simulated import start_simulated_scanner
from hardware.stream import SerialStream
from tests.firmware_sim import bench
from tests.hardware import soak_bench

SCENARIO = Path(__file__).with_name("soak.toml")
#: Both ends are on this machine; small blocks, so that many frames make one image.
TIMING = LinkTiming(
    reply_s=0.08, feed_s=0.08, block_s=0.08, idle_s=0.08, attempts=8, block_bytes=160
)
PATIENCE_S = 120.0


class SoakError(AssertionError):
    """Paper and records do not agree, or a wrong image was taken."""


class Lane:
    """A deck on its way."""

    def __init__(self, folder: Path, sheets: int, seed: int) -> None:
        folder.mkdir(parents=True)
        self._sheets = sheets
        self._right = soak_bench.lay_deck(folder / "deck", sheets, seed)
        self._record = folder / "record.jsonl"
        faults = folder / "faults.toml"
        text = SCENARIO.read_text(encoding="utf-8")
        faults.write_text(re.sub(r"(?m)^seed = \d+$", f"seed = {seed}", text), encoding="utf-8")
        self._scanner = start_simulated_scanner(
            folder / "deck", state=folder / "scanner", faults=faults, record=self._record
        )
        self._journal = Journal(folder / "journal.sqlite")
        self._seen: Counter[str] = Counter()
        self._people = Counter[str]()
        self._device = PrecinctDevice(
            soak_bench.setup(folder / "keys"),
            journal=self._journal,
            feeder=SerialFeeder(lambda: SerialStream(self._scanner.url), timing=TIMING),
            reader=soak_bench.NumberReader(self._saw),
            printer=bench.ListPrinter(),
            clock=bench.clock,
            randomness=secrets.token_bytes,
        )

    def run(self) -> dict[str, object]:
        """Take the whole deck; its figures."""
        start = time.monotonic()
        patience = Patience()
        while not bench.polls_open(self._device):
            try:
                bench.open_polls(self._device)
            except (HardwareError, StateError):
                patience.wait()
        faults: Counter[str] = Counter()
        patience = Patience()
        while True:
            try:
                outcome = self._device.process_next()
            except HumanStepError:
                self._look()
                continue
            if outcome.kind is OutcomeKind.TRAY_EMPTY:
                break
            if outcome.kind is OutcomeKind.FAULT:
                faults[outcome.reason] += 1
                self._help()
                patience.wait()
            else:
                patience = Patience()
        seconds = time.monotonic() - start
        return {**self._compare(), "device_faults": dict(faults), "seconds": round(seconds, 1)}

    def close(self) -> None:
        """Stop all."""
        self._journal.close()
        self._scanner.stop()

    # --- people ------------------------------------------------------------------------

    def _look(self) -> None:
        """A person looks where the sheet is: in the box, where one more is than recorded."""
        in_box = self._scanner.paper().box > self._device.counters["accepted"]
        try:
            self._device.answer_sheet_place(in_box=in_box, by="a member")
        except (HardwareError, StateError):
            time.sleep(0.01)
        else:
            self._people["looked"] += 1

    def _help(self) -> None:
        """Chair and member empty a full box, and say so once the scanner sees it too."""
        if Failure.BOX_FULL in self._device.failures:
            try:
                self._device.clear_failure(Failure.BOX_FULL)
            except (HardwareError, StateError):
                return
            self._people["emptied"] += 1

    # --- the comparison ----------------------------------------------------------------

    def _saw(self, digest: str) -> None:
        self._seen[digest] += 1

    def _compare(self) -> dict[str, object]:
        scanner, journal = self._scanner, self._journal
        paper, counters = scanner.paper(), self._device.counters
        if journal.open_intention() is not None or paper.held or paper.tray:
            raise SoakError("a step or a sheet is left over at the end of the deck")
        ends = {kind: counters[kind] for kind in ("accepted", "returned", "refused")}
        if sum(ends.values()) != self._sheets or counters["sheets_fed"] != self._sheets:
            raise SoakError(f"{self._sheets} sheets ended {ends}: not each once")
        if ends["accepted"] != paper.box or sum(ends.values()) - paper.box != len(paper.returned):
            raise SoakError(f"the journal says {ends}, the scanner {paper.box} in its box")
        box = Counter(soak_bench.votes_of(_number(name)) for name in scanner.box())
        records = Counter(tuple(sorted(r.contests[0].votes)) for r in journal.records())
        if box != records:
            raise SoakError("the box holds other sheets than are recorded")
        struck, hurt, corrupted = self._struck()
        wrong = set(self._seen) - self._right - hurt
        if wrong:
            raise SoakError(f"{len(wrong)} images were read that no sheet has")
        return {
            "sheets": self._sheets,
            **ends,
            "box": paper.box,
            "images_read": self._seen.total(),
            "wrong_images": len(wrong),
            "corrupted_frames": corrupted,
            "people": dict(self._people),
            "struck": dict(sorted(struck.items())),
        }

    def _struck(self) -> tuple[Counter[str], set[str], int]:
        """What struck, by kind; digests of the scans that were hurt; frames that went on with
        other bytes than they had."""
        lines = self._record.read_text(encoding="utf-8").splitlines()[1:]
        struck = [json.loads(line) for line in lines]
        kinds = Counter(line["kind"] for line in struck)
        scans = {line["sha256"] for line in struck if "sha256" in line}
        return kinds, scans, max(line.get("corrupted", 0) for line in struck)


class Patience:
    """Short waits, and an end to them."""

    def __init__(self) -> None:
        self._until = time.monotonic() + PATIENCE_S

    def wait(self) -> None:
        """A moment; SoakError where it was too many."""
        if time.monotonic() > self._until:
            raise SoakError("the scanner did not come back")
        time.sleep(0.01)


def _number(name: str) -> int:
    return int(name.removesuffix(".png"))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.hardware.soak_lane")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheets", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lane = Lane(options.folder, options.sheets, options.seed)
    try:
        figures = lane.run()
    finally:
        lane.close()
    shutil.rmtree(options.folder)
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
