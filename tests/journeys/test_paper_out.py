"""A device's day whose printer runs out of paper in the zero tape (NVT-01, NVT-04).

Everything is a process: the device, the scanner, the printer with its roll; the officer's hands
are `simulate control`. What is compared is what came out of the printer, dot by dot.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from console.device_bench import DeviceOptions
from firmware_sim.counting import count_records
from firmware_sim.eventlog import utc_text
from firmware_sim.journal import Journal
from firmware_sim.setup import DeviceSetup
from firmware_sim.states import Mode
from firmware_sim.tapes import TapeHead, broken_slip, zero_tape
from hardware.simulated import start_simulated_scanner
from hardware.simulated.peer import start_peer
from hardware.tape_format import DOTS_PER_MM, TAPE_80
from hardware.tape_image import lines_image
from tests.console.here import ballotbench_here

ELECTION = Path(__file__).resolve().parents[2] / "examples" / "kz-majilis" / "election.json"
#: The roll ends in the middle of the zero tape, and of what was sent at once.
ROLL_MM = 157
Ink = np.ndarray[tuple[int, int], np.dtype[np.bool_]]


def ballotbench(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "console", *map(str, arguments)], capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    return done


def ink(path: Path) -> Ink:
    with Image.open(path) as image:
        return ~np.asarray(image, dtype=bool)


def drawn(lines: tuple[str, ...]) -> Ink:
    return ~np.asarray(lines_image(lines), dtype=bool)


def whole_zero_tape(setup: DeviceSetup, journal: Path, matches: Callable[[Ink], bool]) -> bool:
    """Does the printed tape match the zero tape of the device? Its time is that of its event,
    or a second or two before it."""
    with Journal(journal) as opened:
        events = [event for event in opened.events() if event.kind == "zero_tape_printed"]
    assert len(events) == 1
    head = TapeHead(
        setup.election,
        precinct_id=setup.precinct_id,
        device_id=setup.signer.identity.device_id,
        code_hash=setup.firmware.hash,
        mode=Mode.OFFICIAL.value,
        people_identified=False,
        paper=TAPE_80,
    )
    totals = count_records(setup.election, [], setup.precinct_id)
    printed = datetime.fromisoformat(events[0].time).astimezone(UTC)
    return any(
        matches(drawn(zero_tape(head, totals, time=utc_text(printed - timedelta(seconds=s))).lines))
        for s in range(120)
    )


def test_the_day_goes_on_with_a_whole_zero_tape(tmp_path: Path) -> None:
    keys, package = tmp_path / "keys", tmp_path / "P-101.zip"
    ballotbench_here("keys", "init", keys, "--name", "Test")
    ballotbench_here("keys", "issue", keys, "scanner-1", "--precinct", "P-101")
    (tmp_path / "deck").mkdir()
    (tmp_path / "deck" / "letter.png").write_bytes(b"no ballot at all")
    journal, tapes = tmp_path / "p.sqlite", tmp_path / "tapes"
    with (
        start_simulated_scanner(tmp_path / "deck", state=tmp_path / "scanner") as scanner,
        start_peer(
            "printer",
            tmp_path / "printer",
            "--tapes",
            tapes,
            "--paper-mm",
            str(ROLL_MM),
            "--mm-s",
            "0",
        ) as roll,
    ):
        run = (
            "device", "run", ELECTION, "--precinct", "P-101", "--journal", journal,
            "--keys", keys, "--device", "scanner-1", "--scanner", scanner.url,
            "--printer", roll.url, "--export", package, "--json",
        )  # fmt: skip

        def status() -> dict[str, Any]:
            shown: dict[str, Any] = json.loads(
                ballotbench_here("device", "status", journal, "--json").stdout
            )
            return shown

        stopped = ballotbench(*run)
        assert stopped.returncode == 1
        shown = status()
        assert shown["state"] == "self_tested"
        assert "is out of paper. Put in a roll" in " ".join(stopped.stderr.split())
        assert list(shown["failures"]) == ["printer_out_of_paper"]
        words = shown["failures"]["printer_out_of_paper"]
        assert words["kk"].startswith("Принтерде қағаз бітті")
        assert words["ru"].startswith("В принтере кончилась бумага")
        assert words["en"].startswith("The printer is out of paper")
        assert roll.do("info")["printed_mm"] == ROLL_MM
        # Nothing was put right: refused again, not a dot more on paper, no polls.
        assert ballotbench(*run).returncode == 1
        assert roll.do("info")["printed_mm"] == ROLL_MM
        assert status()["state"] == "self_tested"
        assert not package.exists()

        refilled = ballotbench("simulate", "control", roll.path, "paper", "mm=30000")
        assert json.loads(refilled.stdout)["paper_mm"] == 30_000
        done = ballotbench(*run)
        assert done.returncode == 0, done.stderr
        assert package.exists()
        assert status()["failures"] == {}
        # The slip with what hung out above it, the zero tape, the results tape.
        assert roll.do("info")["tapes"] == 3

    setup = DeviceOptions(
        ELECTION, "P-101", journal, keys, "scanner-1", scanner=scanner.url, printer=""
    ).setup([])
    broken, zero = ink(tapes / "tape-0001.png"), ink(tapes / "tape-0002.png")
    assert whole_zero_tape(
        setup,
        journal,
        lambda tape: len(zero) >= len(tape) and bool((zero[: len(tape)] == tape).all()),
    )
    slip = drawn(broken_slip(("kk", "ru", "en"), TAPE_80).lines)
    # The first tape is broken off, without its end, and above the slip.
    assert len(zero) > ROLL_MM * DOTS_PER_MM
    places = range(ROLL_MM * DOTS_PER_MM, len(broken) - len(slip) + 1)
    assert any((broken[top : top + len(slip)] == slip).all() for top in places)
