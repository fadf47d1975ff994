"""The process that writes a medium is killed at random instants; the medium is whole each time.

A child casts sheet after sheet and says each number before it writes; the parent kills it
with SIGKILL. What is on the medium then is a state that the child had written: the last, or
the one before it.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from firmware_sim.medium import open_slot, read_medium
from tests.firmware_sim import bench
from tests.firmware_sim.media import Desk, MemoryJournal, cast

KILLS = 24
SHEETS = 400


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_while_it_writes(tmp_path: Path) -> None:
    desk, chance = Desk(tmp_path), random.Random(20260319)
    records = [desk.record(chance) for _ in range(SHEETS)]
    counts = set()
    for kill in range(KILLS):
        folder = tmp_path / f"m{kill}"
        folder.mkdir()
        hears, says = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                export, journal = desk.export(folder), MemoryJournal()
                for number, record in enumerate(records, start=1):
                    os.write(says, b"%d\n" % number)
                    cast(export, journal, record)
            finally:
                os._exit(0)
        os.close(says)
        with os.fdopen(hears, "rb") as heard:
            while int(heard.readline()) < 3 + kill:
                pass
            time.sleep(chance.uniform(0, 0.006))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            begun = max(int(line) for line in [b"%d" % (3 + kill), *heard.read().split()])
        reading = read_medium(folder, desk.trust, at=bench.NOW)
        state, _ = open_slot(reading.slot, desk.private, desk.form)
        count = len(state.records)
        assert count in (begun - 1, begun)
        assert {r.record_id for r in state.records} == {r.record_id for r in records[:count]}
        counts.add(count)
    # It was killed at many places, not always at the same one.
    assert len(counts) > KILLS // 2
