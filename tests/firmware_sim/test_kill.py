"""The device is killed again and again; paper and records agree every time.

"Exactly once, paper and record": a count is the number of records whose sheet is in the
box, never more. The device is a process of its own; the feeder's state outlives it.
"""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from firmware_sim.device import DeviceSetup, OutcomeKind, PrecinctDevice
from firmware_sim.journal import Journal
from tests.firmware_sim import bench

KILLS = 32
ROOT = Path(__file__).resolve().parents[2]


def _run_and_kill(arguments: list[str], after_s: float) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("kill_me.py")), *arguments],
        stdout=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout is not None
        # Killed while it settles sheets, not while Python starts.
        assert process.stdout.readline() == b"running\n"
        time.sleep(after_s)
        process.kill()


def test_killed_at_random_points(tmp_path: Path) -> None:
    random_points = random.Random(20260319)
    journal, feeder_file, keys = tmp_path / "j.sqlite", tmp_path / "feeder.json", tmp_path / "keys"
    setup = bench.setup(keys)
    feeder = bench.FileFeeder(feeder_file)
    kinds = [bench.GOOD, bench.OTHER, bench.BOTH, bench.OVERVOTED, bench.BLANK, bench.UNREADABLE]
    open_steps = 0
    for _ in range(KILLS):
        feeder.change(tray=[random_points.choice(kinds).decode() for _ in range(200)])
        _run_and_kill([str(journal), str(feeder_file), str(keys)], random_points.uniform(0, 0.12))
        with Journal(journal) as opened:
            box = feeder.status().box_count
            open_step = opened.open_intention()
            open_steps += open_step is not None
            # Before recovery the box may hold the one sheet whose step is open.
            assert box - opened.count() in ((0, 1) if open_step else (0,))
            _device(setup, opened, feeder).recover()
            assert opened.open_intention() is None
            assert opened.count() == feeder.status().box_count
    with Journal(journal) as opened:
        # The sheet that the last cut left between the rollers is settled like any other.
        feeder.change(tray=[])
        device = _device(setup, opened, feeder)
        while device.process_next().kind is not OutcomeKind.TRAY_EMPTY:
            pass
        device.close_polls()
        events = Counter(event.kind for event in opened.events())
        assert opened.count() == feeder.status().box_count == events["sheet_accepted"]
        assert opened.count() > KILLS
    # The points must have hit the worst instant for the test to mean anything.
    assert open_steps >= 3


def _device(setup: DeviceSetup, journal: Journal, feeder: bench.FileFeeder) -> PrecinctDevice:
    return PrecinctDevice(
        setup,
        journal=journal,
        feeder=feeder,
        reader=bench.JsonSheetReader(),
        printer=bench.ListPrinter(),
        clock=bench.clock,
        randomness=secrets.token_bytes,
    )
