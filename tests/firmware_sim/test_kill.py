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
from hardware.feeder import open_feeder
from hardware.interface import Feeder
from hardware.simulated.process import start_simulated_scanner
from tests.firmware_sim import bench

KILLS = 32
ROOT = Path(__file__).resolve().parents[2]


def _run_and_kill(arguments: list[str], after_sheets: int, after_s: float) -> None:
    """Kill it `after_s` after it began its n-th sheet, however slow the machine is."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("kill_me.py")), *arguments],
        stdout=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout is not None
        # Killed while it settles sheets, not while Python starts.
        for _ in range(after_sheets):
            assert process.stdout.readline() == b"sheet\n"
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
        _run_and_kill(
            [str(journal), str(feeder_file), str(keys)],
            random_points.randint(1, 10),
            random_points.uniform(0, 0.03),
        )
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


def test_device_and_scanner_killed_over_the_link(tmp_path: Path) -> None:
    """The same over the serial link, the scanner a process too, and killed as well: after each
    cut every record is that of a sheet in the box, vote for vote, and none is missing."""
    random_points = random.Random(7)
    deck, journal, keys = tmp_path / "deck", tmp_path / "j.sqlite", tmp_path / "keys"
    deck.mkdir()
    setup = bench.setup(keys)
    # A sheet's picture is its reading (see bench): what is tested is where it went.
    kinds = [bench.GOOD, bench.OTHER, bench.BOTH, bench.BLANK, bench.UNREADABLE]
    for number in range(150):
        kind = kinds[number] if number < len(kinds) else random_points.choice(kinds)
        (deck / f"{number:03}.png").write_bytes(kind)

    def check(feeder: Feeder, names: frozenset[str]) -> int:
        """Settle the open step, then compare the records with the paper in the box."""
        with Journal(journal) as opened:
            _device(setup, opened, feeder).recover()
            recorded = Counter(
                tuple((c.contest_id, c.votes) for c in record.contests)
                for record in opened.records()
            )
        read = bench.JsonSheetReader().read_images
        paper = Counter(
            tuple((c.contest_id, c.votes) for c in read([(deck / name).read_bytes()]).contests)
            for name in names
        )
        assert recorded == paper
        return paper.total()

    in_box = 0
    for kill in range(9):
        with start_simulated_scanner(
            deck, state=tmp_path / "scanner", listen="socket://127.0.0.1:0", noise=0.02, seed=kill
        ) as scanner:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            victims = [scanner.kill] * (kill % 3 != 0)
            with subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("kill_me.py"))]
                + [str(journal), scanner.url, str(keys)],
                stdout=subprocess.PIPE,
                env=environment,
            ) as device:
                assert device.stdout is not None
                for _ in range(random_points.randint(2, 12)):
                    assert device.stdout.readline() == b"sheet\n"
                time.sleep(random_points.uniform(0, 0.02))
                # The device alone, the scanner alone (the device sees the link break), or both.
                victims += [device.kill] * (kill % 3 != 1)
                random_points.shuffle(victims)
                for cut in victims:
                    cut()
                if device.kill not in victims:
                    time.sleep(0.1)
                    device.kill()
        with start_simulated_scanner(
            deck, state=tmp_path / "scanner", listen="socket://127.0.0.1:0"
        ) as scanner:
            feeder = open_feeder(scanner.url)
            now = check(feeder, scanner.box())
            feeder.close()
        assert now >= in_box
        in_box = now
    assert in_box > 9


def _device(setup: DeviceSetup, journal: Journal, feeder: Feeder) -> PrecinctDevice:
    return PrecinctDevice(
        setup,
        journal=journal,
        feeder=feeder,
        reader=bench.JsonSheetReader(),
        printer=bench.ListPrinter(),
        clock=bench.clock,
        randomness=secrets.token_bytes,
    )
