"""A process that runs the device loop until it is killed: see `test_kill.py`.

Usage: python kill_me.py JOURNAL FEEDER KEYS
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from firmware_sim.device import DeviceState, OutcomeKind, PrecinctDevice
from firmware_sim.journal import Journal
from tests.firmware_sim import bench


def main() -> None:
    journal, feeder, keys = (Path(argument) for argument in sys.argv[1:])
    with Journal(journal) as open_journal:
        device = PrecinctDevice(
            bench.setup(keys),
            journal=open_journal,
            feeder=bench.FileFeeder(feeder),
            reader=bench.JsonSheetReader(),
            printer=bench.ListPrinter(),
            clock=bench.clock,
            randomness=secrets.token_bytes,
        )
        if device.state is DeviceState.CONFIGURED:
            device.open_polls()
        sys.stdout.write("running\n")
        sys.stdout.flush()
        while device.process_next().kind is not OutcomeKind.TRAY_EMPTY:
            pass


if __name__ == "__main__":
    main()
