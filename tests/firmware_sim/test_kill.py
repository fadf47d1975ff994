"""The device is killed again and again; paper and records agree every time.

"Exactly once, paper and record": a count is the number of records whose sheet is in the
box, never more. The device is a process of its own; the feeder's state outlives it.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from firmware_sim.day import close_day
from firmware_sim.device import DeviceSetup, OutcomeKind, PrecinctDevice
from firmware_sim.journal import Journal
from hardware.feeder import open_feeder
from hardware.interface import Feeder
from hardware.simulated.process import start_simulated_scanner
from tests.firmware_sim import bench

KILLS = 32
LISTEN = "socket://127.0.0.1:0"
ROOT = Path(__file__).resolve().parents[2]


class Devices:
    """The process that forks a device for each death."""

    def __init__(self, keys: Path) -> None:
        self._mother = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("kill_me.py")), str(keys)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._device = 0

    def start(self, journal: Path, feeder: object) -> None:
        """A new device process."""
        assert self._mother.stdin is not None
        self._mother.stdin.write(f"{journal}\t{feeder}\n".encode())
        self._mother.stdin.flush()
        self._device = int(self._line())

    def wait_for_sheets(self, count: int) -> None:
        """Until it begins its n-th sheet, however slow the machine is."""
        for _ in range(count):
            assert self._line() == b"sheet\n"

    def kill(self) -> None:
        """Kill the device; returns when it is gone. It may have ended by itself."""
        with suppress(ProcessLookupError):
            os.kill(self._device, signal.SIGKILL)
        while self._line() != b"over\n":
            pass

    def _line(self) -> bytes:
        assert self._mother.stdout is not None
        line = self._mother.stdout.readline()
        assert line, "the mother process ended"
        return line

    def __enter__(self) -> Devices:
        return self

    def __exit__(self, *_: object) -> None:
        self._mother.kill()
        self._mother.communicate()


def test_killed_at_random_points(tmp_path: Path) -> None:
    random_points = random.Random(20260319)
    journal, feeder_file, keys = tmp_path / "j.sqlite", tmp_path / "feeder.json", tmp_path / "keys"
    setup = bench.setup(keys)
    feeder = bench.FileFeeder(feeder_file)
    kinds = [bench.GOOD, bench.OTHER, bench.BOTH, bench.OVERVOTED, bench.BLANK, bench.UNREADABLE]
    open_steps = 0
    with Devices(keys) as devices:
        for _ in range(KILLS):
            feeder.change(tray=[random_points.choice(kinds).decode() for _ in range(200)])
            # Killed while it settles sheets, not while it begins.
            devices.start(journal, feeder_file)
            devices.wait_for_sheets(random_points.randint(1, 10))
            time.sleep(random_points.uniform(0, 0.03))
            devices.kill()
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
        close_day(device)
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
    with Devices(keys) as devices:
        for kill in range(9):
            with start_simulated_scanner(
                deck, state=tmp_path / "scanner", listen=LISTEN, noise=0.02, seed=kill
            ) as scanner:
                devices.start(journal, scanner.url)
                devices.wait_for_sheets(random_points.randint(2, 12))
                time.sleep(random_points.uniform(0, 0.02))
                # The device alone, the scanner alone (the device sees the link break), or both.
                victims = [scanner.kill] * (kill % 3 != 0) + [devices.kill] * (kill % 3 != 1)
                random_points.shuffle(victims)
                for cut in victims:
                    cut()
                if devices.kill not in victims:
                    time.sleep(0.1)
                    devices.kill()
            with start_simulated_scanner(
                deck, state=tmp_path / "scanner", listen=LISTEN
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
