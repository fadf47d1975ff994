"""Processes that run the device loop until they are killed: see `test_kill.py`.

Usage: python kill_me.py KEYS

For every line `JOURNAL<tab>FEEDER` on its input it forks a process that is the device (one
start of Python for many deaths) and says its number, then "sheet" before each sheet, then
"over" when the process is gone. FEEDER is the file of a `bench.FileFeeder`, or the URL of a
scanner. Nothing is opened before the fork: every device begins with what is on the disk.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from firmware_sim.day import open_day
from firmware_sim.device import DeviceSetup, DeviceState, OutcomeKind, PrecinctDevice
from firmware_sim.journal import Journal
from hardware.feeder import open_feeder
from tests.firmware_sim import bench


def say(word: str) -> None:
    """One line, whole, whoever else writes."""
    os.write(1, f"{word}\n".encode())


def run(setup: DeviceSetup, journal: Path, place: str) -> None:
    """The device, sheet by sheet, until the tray is empty."""
    feeder = open_feeder(place) if "://" in place else bench.FileFeeder(Path(place))
    with Journal(journal) as open_journal:
        device = PrecinctDevice(
            setup,
            journal=open_journal,
            feeder=feeder,
            reader=bench.JsonSheetReader(),
            printer=bench.ListPrinter(),
            clock=bench.clock,
            randomness=secrets.token_bytes,
        )
        if device.state is DeviceState.CONFIGURED:
            open_day(device)
        outcome = None
        while outcome is not OutcomeKind.TRAY_EMPTY:
            say("sheet")
            outcome = device.process_next().kind


def main() -> None:
    setup = bench.setup(Path(sys.argv[1]))
    child = 0
    for line in sys.stdin:
        if child:
            os.waitpid(child, 0)
        journal, place = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                say(str(os.getpid()))
                run(setup, Path(journal), place)
                code = 0
            finally:
                os._exit(code)
        # Not reaped before the next: its number must not become another process's.
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        say("over")


if __name__ == "__main__":
    main()
