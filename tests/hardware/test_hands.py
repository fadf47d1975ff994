"""What people do to a simulated scanner by its control port, as the link sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardware.central import open_central
from hardware.errors import HardwareError
from hardware.feeder import open_feeder
from hardware.simulated import SimulatedScanner, start_simulated_scanner
from hardware.simulated.control import ControlClient, ControlError
from hardware.simulated.paper import PaperError
from hardware.simulated.process import start_simulated_central

TOKEN = "0" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deck").mkdir()
    for number in range(3):
        (tmp_path / "deck" / f"{number}.png").write_bytes(b"a sheet " * 5000)
    return tmp_path


@pytest.fixture
def scanner(folder: Path) -> Iterator[SimulatedScanner]:
    with start_simulated_scanner(
        folder / "deck", state=folder / "scanner", control=folder / "hands"
    ) as machine:
        yield machine


@pytest.fixture
def hands(folder: Path, scanner: SimulatedScanner) -> ControlClient:
    return ControlClient(folder / "hands")


def soon(does: Callable[[], object]) -> None:
    """What works again in a moment, as a cable that is put back."""
    for _ in range(200):
        try:
            does()
        except HardwareError:
            time.sleep(0.05)
        else:
            return
    does()


@pytest.mark.parametrize("fault", ["jam", "double_feed", "box_full"])
def test_a_fault_of_the_paper_holds_until_people_clear_it(
    scanner: SimulatedScanner, hands: ControlClient, fault: str
) -> None:
    feeder = open_feeder(scanner.url)
    assert hands.do(fault)["fault"] == fault
    assert feeder.status().fault == fault
    assert hands.do("clear") == {"fault": None, "tray": 3, "held": 0, "box": 0, "returned": 0}
    assert feeder.status().fault is None
    # And by itself, where it is said how long.
    hands.do(fault, for_s=0.3)
    soon(lambda: hands.do("info")["fault"] is None or _not_yet())
    feeder.close()


def _not_yet() -> None:
    raise ControlError("not yet")


def test_a_held_sheet_is_pulled_by_hand(scanner: SimulatedScanner, hands: ControlClient) -> None:
    with pytest.raises(ControlError, match="no sheet is held"):
        hands.do("pull")
    feeder = open_feeder(scanner.url)
    assert feeder.feed() is not None
    assert hands.do("pull")["tray"] == 3
    with pytest.raises(HardwareError):
        feeder.accept(TOKEN)
    assert feeder.feed() is not None
    feeder.accept(TOKEN)
    assert hands.do("info")["box"] == 1
    assert feeder.feed() is not None
    assert hands.do("pull", again=False)["returned"] == 1
    feeder.close()


@pytest.mark.parametrize("command", ["unplug", "reboot", "stuck", "half_open"])
def test_a_line_that_fails_is_back_by_itself_and_no_sheet_is_lost(
    scanner: SimulatedScanner, hands: ControlClient, command: str
) -> None:
    feeder = open_feeder(scanner.url)
    assert feeder.feed() is not None
    hands.do(command, for_s=0.5)
    soon(lambda: feeder.accept(TOKEN))
    assert hands.do("info") == {"fault": None, "tray": 2, "held": 0, "box": 1, "returned": 0}
    feeder.close()


@pytest.mark.parametrize(
    ("command", "fields", "words"),
    [
        ("jam", {"for_s": -1}, "for_s is -1"),
        ("jam", {"for_s": "long"}, "for_s is 'long'"),
        ("pull", {"again": "perhaps"}, "again: "),
        ("half_open", {"direction": "up"}, "direction: "),
        ("explode", {}, "no command 'explode'; known: help, box_full"),
    ],
)
def test_what_cannot_be_done_is_refused(
    scanner: SimulatedScanner,
    hands: ControlClient,
    command: str,
    fields: dict[str, object],
    words: str,
) -> None:
    with pytest.raises(ControlError, match=words):
        hands.do(command, **fields)
    assert hands.do("info")["fault"] is None


def test_a_scanner_that_is_off_does_nothing_that_it_is_asked(
    scanner: SimulatedScanner, hands: ControlClient
) -> None:
    hands.do("reboot", for_s=60)
    with pytest.raises(ControlError, match="off or stuck: nothing was done"):
        ControlClient(hands.path, timeout_s=20).do("jam")
    assert hands.do("info")["fault"] is None


def test_a_central_scanner_has_the_same_hands(folder: Path) -> None:
    with start_simulated_central(
        folder / "deck", state=folder / "central", control=folder / "hands"
    ) as machine:
        hands = ControlClient(folder / "hands")
        central = open_central(machine.url)
        assert hands.do("jam")["fault"] == "jam"
        assert central.status().fault == "jam"
        assert hands.do("clear")["tray"] == 3
        assert central.feed() is not None
        central.close()


def more_paper(folder: Path) -> Path:
    (folder / "more").mkdir()
    for number in range(7, 9):
        (folder / "more" / f"{number}.png").write_bytes(b"another " * 500)
    return folder / "more"


def test_more_paper_is_laid_in_while_it_runs(
    folder: Path, scanner: SimulatedScanner, hands: ControlClient
) -> None:
    more = more_paper(folder)
    assert hands.do("load", deck=str(more))["tray"] == 5
    assert hands.do("load", deck=str(more))["tray"] == 5  # known sheets are where they are
    with pytest.raises(ControlError, match="not a folder"):
        hands.do("load", deck=str(folder / "nowhere"))
    with pytest.raises(ControlError, match="no tray 2: give 1 to 1"):
        hands.do("load", deck=str(more), tray=2)


def test_a_central_scanner_tells_its_trays_batch_and_ink(folder: Path) -> None:
    with start_simulated_central(
        folder / "deck", folder / "deck", state=folder / "central", control=folder / "hands"
    ) as machine:
        hands = ControlClient(folder / "hands")
        central = open_central(machine.url)
        central.begin_batch("A", 2, "{batch}-{position}")
        assert central.next_sheet() is not None
        told = hands.do("info")
        assert (told["trays"], told["ink"], told["batch"]["batch_id"]) == ([3, 2], ["A-1"], "A")
        hands.do("pull")
        assert central.next_sheet() is not None
        assert hands.do("info")["ink"] == ["A-1", "A-2"]
        central.outstack(TOKEN)
        told = hands.do("load", deck=str(more_paper(folder)), tray=2)
        assert (told["trays"], told["outstacked"], told["batch"]["void"]) == ([3, 4], 1, 1)
        central.close()


def test_noise_and_peers_that_would_do_nothing_are_refused(folder: Path) -> None:
    deck, state = folder / "deck", folder / "scanner"
    with pytest.raises(PaperError, match="noise goes without --control"):
        start_simulated_scanner(deck, state=state, control=folder / "c", noise=0.1)
    with pytest.raises(PaperError, match="give --faults"):
        start_simulated_scanner(deck, state=state, peers={"power": folder / "c"})
