"""A process that runs the device loop until it is killed: see `test_kill.py`.

Usage: python kill_me.py JOURNAL FEEDER KEYS

FEEDER is the file of a `bench.FileFeeder`, or the URL of a scanner. Before each sheet it
says "sheet".
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from firmware_sim.device import DeviceState, OutcomeKind, PrecinctDevice
from firmware_sim.journal import Journal
from hardware.feeder import open_feeder
from tests.firmware_sim import bench


def main() -> None:
    journal, keys, place = Path(sys.argv[1]), Path(sys.argv[3]), sys.argv[2]
    feeder = open_feeder(place) if "://" in place else bench.FileFeeder(Path(place))
    with Journal(journal) as open_journal:
        device = PrecinctDevice(
            bench.setup(keys),
            journal=open_journal,
            feeder=feeder,
            reader=bench.JsonSheetReader(),
            printer=bench.ListPrinter(),
            clock=bench.clock,
            randomness=secrets.token_bytes,
        )
        if device.state is DeviceState.CONFIGURED:
            device.open_polls()
        outcome = None
        while outcome is not OutcomeKind.TRAY_EMPTY:
            sys.stdout.write("sheet\n")
            sys.stdout.flush()
            outcome = device.process_next().kind


if __name__ == "__main__":
    main()
