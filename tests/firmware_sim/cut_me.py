"""The device processes that `cuts` kills.

Usage: python -m tests.firmware_sim.cut_me KEYS

For every line `JOURNAL<tab>PORT` on its input it forks a process that is the device (one
start of Python for many deaths) and says its number. The device waits for one more line, so
that a tracer can take hold of it, then takes sheets until the tray is empty, saying "sheet"
before each; faults of link and scanner it waits out. "over" is said when it is gone.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
import traceback
from pathlib import Path

from firmware_sim.device import OutcomeKind, PrecinctDevice
from firmware_sim.errors import StateError
from firmware_sim.journal import Journal
from hardware.errors import HardwareError
from hardware.feeder import SerialFeeder
from hardware.link import LinkTiming
from hardware.stream import SerialStream
from tests.firmware_sim import bench, cut_bench

#: A broken link is silent for less than a second here, not for minutes as at a school.
TIMING = LinkTiming(reply_s=0.4, feed_s=0.6, block_s=0.6, idle_s=0.2, attempts=3)
PATIENCE_S = 20.0


def device_of(keys: Path, journal: Journal, feeder: SerialFeeder) -> PrecinctDevice:
    """The device under test; its memory is all in the journal."""
    return PrecinctDevice(
        cut_bench.setup(keys),
        journal=journal,
        feeder=feeder,
        reader=bench.JsonSheetReader(),
        printer=bench.ListPrinter(),
        clock=bench.clock,
        randomness=secrets.token_bytes,
    )


def feeder_at(port: str) -> SerialFeeder:
    """The driver, with short waits."""
    return SerialFeeder(lambda: SerialStream(port), timing=TIMING)


def until_tray_empty(device: PrecinctDevice, say: bool = True) -> None:
    """Open the polls if that is still to do, and take what lies in the tray."""
    opened_by = time.monotonic() + PATIENCE_S
    while not bench.polls_open(device):
        try:
            bench.open_polls(device)
        except (HardwareError, StateError):  # also: the self-test finds the scanner silent
            _wait(opened_by)
    patience = time.monotonic() + PATIENCE_S
    while True:
        if say:
            _say("sheet")
        outcome = device.process_next().kind
        if outcome is OutcomeKind.TRAY_EMPTY:
            return
        if outcome is OutcomeKind.FAULT:
            _wait(patience)
        else:
            patience = time.monotonic() + PATIENCE_S


def recover(device: PrecinctDevice) -> None:
    """Settle the open step, waiting for the scanner to come back."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            device.recover()
        except HardwareError:
            _wait(until)
        else:
            return


def _wait(until: float) -> None:
    if time.monotonic() > until:
        raise TimeoutError("the scanner did not come back")
    time.sleep(0.01)


def _say(word: str) -> None:
    """One line, whole, whoever else writes."""
    os.write(1, f"{word}\n".encode())


def main() -> None:
    keys = Path(sys.argv[1])
    cut_bench.setup(keys)
    for line in sys.stdin:
        journal, port = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _say(str(os.getpid()))
                # Not sys.stdin: what it read ahead was the mother's.
                os.read(0, 64)
                feeder = feeder_at(port)
                with Journal(Path(journal)) as opened:
                    until_tray_empty(device_of(keys, opened, feeder))
                code = 0
            except Exception:  # noqa: BLE001 (whatever it is, it is told)
                # Said here, as the exit below says nothing: an error of the device's own.
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        _say(f"over {status}")


if __name__ == "__main__":
    main()
