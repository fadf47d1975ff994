"""A day with real peripherals: simulated machines as processes, the device's command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firmware_sim.errors import StateError
from firmware_sim.tapes import broken_slip
from hardware.errors import HardwareError
from hardware.printer import PrinterError
from hardware.simulated.control import ControlClient
from hardware.simulated.peer import PeerProcess, start_peer
from hardware.tape_format import TAPE_80
from hardware.tape_image import lines_image
from tests.firmware_sim.test_device_steps import Trainer, trainer

__all__ = ["trainer"]


def printer(folder: Path, *options: str) -> PeerProcess:
    return start_peer(
        "printer", folder / "printer", "--tapes", folder / "tapes", "--mm-s", "0", *options
    )


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to hold")


def test_a_tape_that_ran_out_of_paper_is_void_and_printed_whole(trainer: Trainer) -> None:
    """NVT-04: a printer failure is a state, and the zero tape counts when it is on paper."""
    with printer(trainer.folder, "--paper-mm", "60") as machine:
        at = ("--printer", machine.url)
        trainer.does("self-test", *at)
        failed = trainer.result("zero-tape", *at).exception
        assert isinstance(failed, PrinterError)
        assert "out of paper. Put in a roll" in str(failed)
        shown = trainer.status()
        assert shown["state"] == "self_tested"
        assert "Вставьте ленту" in shown["failures"]["printer_out_of_paper"]["ru"]
        assert isinstance(trainer.result("sign", *at).exception, StateError)
        machine.do("paper", mm=3000)
        assert trainer.does("zero-tape", *at)["state"] == "zero_printed"
        assert trainer.status()["failures"] == {}
        assert machine.do("info")["tapes"] == 2
    # The broken part hangs above a slip that voids it; the whole tape is a paper of its own.
    with Image.open(trainer.folder / "tapes" / "tape-0001.png") as image:
        broken = ~np.asarray(image, dtype=bool)
    slip = ~np.asarray(lines_image(broken_slip(("kk", "ru", "en"), TAPE_80).lines), dtype=bool)
    feet = range(60 * 8, len(broken) - len(slip) + 1)
    assert any((broken[top : top + len(slip)] == slip).all() for top in feet)
    with Image.open(trainer.folder / "tapes" / "tape-0002.png") as image:
        assert image.height > 100 * 8


def test_an_open_cover_is_not_called_out_of_paper(trainer: Trainer) -> None:
    with printer(trainer.folder) as machine:
        at = ("--printer", machine.url)
        trainer.does("self-test", *at)
        machine.do("cover", is_open=True)
        assert "has its cover open" in str(trainer.result("zero-tape", *at).exception)
        shown = trainer.status()["failures"]
        assert list(shown) == ["printer_fault"]
        assert "бумаг" not in shown["printer_fault"]["ru"]
        machine.do("cover", is_open=False)
        assert trainer.does("zero-tape", *at)["failures"] == {}


def test_low_power_pauses_the_polls_and_they_go_on_when_it_is_back(trainer: Trainer) -> None:
    """NVT-04, NVT-16: on battery goes on, low pauses, mains let the officers resume."""
    with start_peer("ups", trainer.folder / "ups") as supply:
        watched = ("--ups", supply.url)
        for command in ("self-test", "zero-tape", "sign", "open"):
            trainer.does(command, *watched)
        supply.do("mains_off")
        assert trainer.does("take", *watched)["state"] == "polls_open"
        supply.do("battery", percent=10)
        low = trainer.result("take", *watched)
        assert isinstance(low.exception, HardwareError)
        assert "Power is low" in str(low.exception)
        shown = trainer.status()
        assert (shown["state"], list(shown["failures"])) == ("paused", ["power_low"])
        assert isinstance(trainer.result("resume", *watched).exception, StateError)
        supply.do("mains_on")
        assert trainer.does("resume", *watched)["state"] == "polls_open"
        assert trainer.status()["failures"] == {}
        supply.kill()
    gone = trainer.result("take", "--ups", str(trainer.folder / "ups.port"))
    assert isinstance(gone.exception, HardwareError)


def test_the_readiness_report_asks_the_supply(trainer: Trainer) -> None:
    with start_peer("ups", trainer.folder / "ups") as supply:
        supply.do("battery", percent=10)
        supply.do("mains_off")
        out = trainer.folder / "ready"
        trainer.result("readiness", "--ups", supply.url, "--out", str(out))
        report = json.loads((out / "readiness.json").read_text(encoding="utf-8"))
    [power] = [check for check in report["checks"] if check["name"] == "power"]
    assert power["state"] == "failed"


@pytest.mark.parametrize(
    ("kind", "options", "command", "reply"),
    [
        ("printer", ["tapes"], ["paper", "mm=12.5"], {"paper_mm": 12.5}),
        ("barcode", [], ["scan", "text=850101300125"], {"sent": 1}),
        ("ups", [], ["battery", "percent=40"], {"percent": 40.0}),
        ("clock", [], ["clock_jump", "by_s=-3600"], {"jumped_s": -3600.0}),
    ],
)
def test_machines_and_their_control_on_the_command_line(
    tmp_path: Path, kind: str, options: list[str], command: list[str], reply: dict[str, object]
) -> None:
    line = [sys.executable, "-m", "console", "simulate"]
    sock = tmp_path / "c.sock"
    places = [str(tmp_path / option) for option in options]
    with subprocess.Popen(
        [*line, kind, *places, "--control", str(sock), "--json"], stdout=subprocess.PIPE, text=True
    ) as machine:
        try:
            assert machine.stdout is not None
            until(sock.exists)
            asked = subprocess.run(
                [*line, "control", str(sock), *command], capture_output=True, text=True, timeout=60
            )
            assert asked.returncode == 0, asked.stderr
            assert json.loads(asked.stdout).items() >= reply.items()
            refused = subprocess.run(
                [*line, "control", str(sock), "no_such"], capture_output=True, text=True, timeout=60
            )
            assert refused.returncode == 1
            assert "there is no command" in refused.stderr
            assert "commands" in ControlClient(sock).do("help")
        finally:
            machine.terminate()
