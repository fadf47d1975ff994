"""A device's day on two media, one of which fails; and what the commands say of damage."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import build_app
from firmware_sim.day import close_day, open_day
from firmware_sim.device import OutcomeKind, PrecinctDevice
from firmware_sim.journal import Journal
from firmware_sim.sqlite_pages import PAGE
from tests.firmware_sim import bench, disks


def a_device(folder: Path, journal: Journal, feeder: bench.FileFeeder) -> PrecinctDevice:
    return PrecinctDevice(
        bench.setup(folder / "keys"),
        journal=journal,
        feeder=feeder,
        reader=bench.JsonSheetReader(),
        printer=bench.ListPrinter(),
        clock=bench.clock,
        randomness=secrets.token_bytes,
    )


@pytest.mark.parametrize("small", [0, 1])
def test_the_day_goes_on_when_one_medium_fills_up_and_the_log_says_so(
    tmp_path: Path, small: int
) -> None:
    feeder = bench.FileFeeder(tmp_path / "feeder.json")
    with disks.small_disk("tmpfs", tmp_path, kib=2048) as disk:
        paths = [tmp_path / "j.sqlite", tmp_path / "k.sqlite"]
        paths[small] = disk / "j.sqlite"
        with Journal(*paths) as journal:
            device = a_device(tmp_path, journal, feeder)
            open_day(device)
            feeder.load([bench.GOOD] * 12)
            device.process_next()
            filler = disks.fill(disk)
            while device.process_next().kind is not OutcomeKind.TRAY_EMPTY:
                pass
            assert journal.degraded[0][0] == paths[small]
        filler.unlink()
        # The next start writes the failed medium anew, and the day is closed on both.
        with Journal(*paths) as journal:
            device = a_device(tmp_path, journal, feeder)
            close_day(device)
            device.export(issued={"single": 12, "both": 0})
            kinds = [event.kind for event in journal.events()]
        assert kinds.count("sheet_accepted") == feeder.status().box_count == 12
        assert kinds.index("storage_degraded") < kinds.index("storage_renewed")
        with Journal(paths[0]) as one, Journal(paths[1]) as two:
            assert one.digest() == two.digest()
            assert one.count() == 12


def test_recover_says_what_is_whole_and_what_is_lost(tmp_path: Path) -> None:
    feeder = bench.FileFeeder(tmp_path / "feeder.json")
    path, mirror = tmp_path / "p1.sqlite", tmp_path / "m1.sqlite"
    with Journal(path, mirror) as journal:
        device = a_device(tmp_path, journal, feeder)
        open_day(device)
        feeder.load([bench.GOOD] * 12)
        while device.process_next().kind is not OutcomeKind.TRAY_EMPTY:
            pass
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // PAGE):
        if data[page * PAGE] == 0x0A:  # a leaf of records
            data[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
            break
    path.write_bytes(data)
    app, new = build_app(("device",)), tmp_path / "new.sqlite"
    line = ["device", "recover", str(path), "--out", str(new)]
    alone = CliRunner().invoke(app, [*line, "--json"])
    assert alone.exit_code == 1
    assert "vote records" in json.loads(alone.stdout)["lost"][0]
    assert not new.exists()
    both = CliRunner().invoke(app, [*line, "--mirror", str(mirror)])
    assert (both.exit_code, "Nothing is lost" in both.stdout) == (0, True), both.output
    assert path.read_bytes() == data
    with Journal(new) as journal:
        assert journal.count() == 12
        close_day(a_device(tmp_path, journal, feeder))
