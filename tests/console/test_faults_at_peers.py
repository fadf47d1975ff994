"""Faults of a scenario that strike other machines than the scanner, seen from the device (NVT-04).

The scenario is carried out by the simulated scanner's process; printer, supply and clock are
processes of their own, and the device is told by nobody but them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from firmware_sim.errors import StateError
from hardware.errors import HardwareError
from hardware.simulated import SimulatedScanner, start_simulated_scanner
from hardware.simulated.control import ControlClient, ControlError
from hardware.simulated.paper import PaperError
from hardware.simulated.peer import PeerProcess, start_peer
from hardware.simulated.peer_faults import peers_at
from tests.console.test_peripherals import until
from tests.firmware_sim.test_device_steps import Trainer

OPENING = ("self-test", "zero-tape", "sign", "open")
Start = Callable[..., Trainer]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def scanner_under(
    stack: ExitStack, folder: Path, fault: str, peers: Mapping[str, PeerProcess]
) -> SimulatedScanner:
    """A scanner with two sheets that no device accepts, and one fault."""
    (folder / "deck").mkdir()
    for number in (1, 2):
        (folder / "deck" / f"{number}.png").write_bytes(b"no ballot at all")
    scenario = folder / "faults.toml"
    scenario.write_text(f'format = "ballotbench-faults/1"\n[[fault]]\n{fault}\n')
    return stack.enter_context(
        start_simulated_scanner(
            folder / "deck",
            state=folder / "scanner",
            listen="socket://127.0.0.1:0",
            faults=scenario,
            record=folder / "struck.jsonl",
            peers={place: machine.path for place, machine in peers.items()},
        )
    )


def struck(folder: Path) -> list[str]:
    lines = (folder / "struck.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    return [json.loads(line)["kind"] for line in lines]


def stopped(day: Trainer, *options: str) -> str:
    """Why the device takes no more: within the fault's own sheets, or at the next it is told of."""
    for _ in range(2):
        result = day.result("take", *options)
        if result.exit_code:
            assert isinstance(result.exception, HardwareError)
            return str(result.exception)
    raise AssertionError("the fault went unnoticed")


def test_the_printer_runs_out_of_paper_at_a_sheet(stack: ExitStack, tmp_path: Path) -> None:
    roll = stack.enter_context(
        start_peer("printer", tmp_path / "roll", "--tapes", tmp_path / "tapes", "--mm-s", "0")
    )
    fault = 'kind = "printer_out_of_paper"\nsheet = 1'
    day = Trainer(tmp_path, scanner_under(stack, tmp_path, fault, {"printer": roll}))
    at = ("--printer", roll.url)
    for command in (*OPENING, "take"):
        day.does(command, *at)
    assert roll.do("info")["paper_mm"] == 0
    assert struck(tmp_path) == ["printer_out_of_paper"]
    # The slip of the pause cannot be printed: the pause holds, and what is wrong is said.
    paused = day.does("pause", *at)
    assert (paused["state"], list(paused["failures"])) == ("paused", ["printer_out_of_paper"])
    tapes = roll.do("info")["tapes"]
    roll.do("paper", mm=3000)
    resumed = day.does("resume", *at)
    assert (resumed["state"], resumed["failures"]) == ("polls_open", {})
    # The slip that voids what may hang out, and the resumption's own.
    assert roll.do("info")["tapes"] == tapes + 2


def test_the_mains_sag_and_an_old_battery_is_low_at_once(stack: ExitStack, tmp_path: Path) -> None:
    supply = stack.enter_context(start_peer("ups", tmp_path / "ups", "--recharge-s", "1000000"))
    supply.do("battery", percent=15)
    fault = 'kind = "power_sag"\nsheet = 1\nfor_s = 3600'
    day = Trainer(tmp_path, scanner_under(stack, tmp_path, fault, {"power": supply}))
    watched = ("--ups", supply.url)
    for command in OPENING:
        day.does(command, *watched)
    assert "Power is low" in stopped(day, *watched)
    assert struck(tmp_path) == ["power_sag"]
    assert supply.do("info")["mains"] is False
    shown = day.status()
    assert (shown["state"], list(shown["failures"])) == ("paused", ["power_low"])
    assert isinstance(day.result("resume", *watched).exception, StateError)
    supply.do("mains_on")
    assert day.does("resume", *watched)["state"] == "polls_open"


def test_all_power_is_cut_with_a_sheet_between_the_rollers(
    stack: ExitStack, tmp_path: Path
) -> None:
    supply = stack.enter_context(start_peer("ups", tmp_path / "ups", "--recharge-s", "1000000"))
    fault = 'kind = "power_cut"\nsheet = 1\npoint = "mid_image"\nfor_s = 3'
    scanner = scanner_under(stack, tmp_path, fault, {"power": supply})
    day = Trainer(tmp_path, scanner)
    watched = ("--ups", supply.url)
    for command in OPENING:
        day.does(command, *watched)
    cut = day.result("take", *watched, "--json")
    assert struck(tmp_path) == ["power_cut"]
    assert supply.do("info")["percent"] < 1
    until(lambda: supply.do("info")["mains"])
    # Either the device saw it out, or it stopped and says why; no sheet is lost.
    if cut.exit_code:
        assert isinstance(cut.exception, HardwareError)
        day.does("take", *watched)
    paper = scanner.paper()
    assert (paper.box, len(paper.returned)) == (0, 2)
    # Ends with 1 where records, state and box differ.
    assert day.does("close", *watched)["state"] == "polls_closed"


def test_the_clock_is_suddenly_a_day_behind(stack: ExitStack, tmp_path: Path) -> None:
    receiver = stack.enter_context(start_peer("clock", tmp_path / "clock"))
    fault = 'kind = "clock_jump"\nsheet = 1\nby_s = -86400.0'
    day = Trainer(tmp_path, scanner_under(stack, tmp_path, fault, {"clock": receiver}))
    timed = ("--clock", receiver.url)
    for command in OPENING:
        day.does(command, *timed)
    assert "The clock is wrong" in stopped(day, *timed)
    assert receiver.do("info")["jumped_s"] == -86_400
    assert struck(tmp_path) == ["clock_jump"]
    shown = day.status()
    assert (shown["state"], list(shown["failures"])) == ("paused", ["clock_lost"])
    still = day.result("clear", "clock_lost", *timed).exception
    assert isinstance(still, StateError)
    assert "still reported" in str(still)
    receiver.do("clock_jump", by_s=86_400)
    assert day.does("clear", "clock_lost", *timed)["failures"] == {}
    assert day.does("resume", *timed)["state"] == "polls_open"


def test_a_fault_that_nobody_carries_out_is_not_recorded(stack: ExitStack, tmp_path: Path) -> None:
    supply = stack.enter_context(start_peer("ups", tmp_path / "ups", "--recharge-s", "1000000"))
    fault = 'kind = "power_sag"\nsheet = 1'
    scanner = scanner_under(stack, tmp_path, fault, {"power": supply})
    day = Trainer(tmp_path, scanner)
    for command in OPENING:
        day.does(command)
    supply.kill()
    assert isinstance(day.result("take").exception, HardwareError)
    until(lambda: not scanner.running)
    assert struck(tmp_path) == []


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["printer"], "not PLACE=SOCKET"),
        (["box=a.sock"], "not PLACE=SOCKET"),
        (["power=a", "power=b"], "given twice"),
    ],
)
def test_peers_are_named_by_their_place(texts: list[str], words: str) -> None:
    with pytest.raises(HardwareError, match=words):
        peers_at(texts)


def test_a_fault_of_a_machine_that_is_not_given_is_refused(
    stack: ExitStack, tmp_path: Path
) -> None:
    with pytest.raises(PaperError, match=r"clock_jump.*--peer clock=SOCKET"):
        scanner_under(stack, tmp_path, 'kind = "clock_jump"\nsheet = 1\nby_s = 60.0', {})


def test_a_machine_that_has_no_such_fault_refuses_it(stack: ExitStack, tmp_path: Path) -> None:
    supply = stack.enter_context(start_peer("ups", tmp_path / "ups", "--recharge-s", "1000000"))
    with pytest.raises(ControlError, match="no command 'clock_jump'"):
        ControlClient(supply.path).do("clock_jump", by_s=60)
