"""A supply as a process, asked by Megatec's Q1, and what the device is told of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hardware.errors import LinkError, ProtocolError
from hardware.power import QUERY, Ups, UpsWatch, parse
from hardware.simulated.peer import PeerProcess, start_peer
from hardware.simulated.ups import SimulatedUps, UpsSettings

#: The example of the protocol's own paper, with Q1's eight bits.
GOOD = b"(208.4 140.0 208.4 034 59.9 2.05 35.0 00110000\r"


@pytest.fixture
def supply(tmp_path: Path) -> Iterator[PeerProcess]:
    with start_peer("ups", tmp_path / "ups") as machine:
        yield machine


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread or process must do."""
    for _ in range(1500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to hold")


def test_the_papers_example() -> None:
    seen = parse(GOOD)
    assert (seen.input_v, seen.fault_v, seen.load_percent) == (208.4, 140.0, 34)
    assert (seen.frequency_hz, seen.battery_v, seen.temperature_c) == (59.9, 2.05, 35.0)
    assert (seen.bypass_or_boost, seen.failed) == (True, True)
    assert [seen.utility_failed, seen.battery_low, seen.standby_type, seen.beeper] == [False] * 4


@pytest.mark.parametrize(
    ("hurt", "words"),
    [
        (b"", "byte 0: the start"),
        (b"(208.4 140.0", "byte 12: no space before the output voltage"),
        (GOOD[:-1], "byte 46: the end"),
        (GOOD + b"x", "byte 47: more after"),
        (GOOD.replace(b"034", b"34"), "byte 19: the load"),
        (GOOD.replace(b"00110000", b"00110002"), "byte 38: the status bits"),
        (QUERY, "does not speak Megatec"),
    ],
)
def test_an_answer_that_is_none_is_named_by_its_byte(hurt: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        parse(hurt)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=64))
@example(GOOD.replace(b"35.0", b"--.-"))
def test_any_bytes_are_an_answer_or_refused(data: bytes) -> None:
    words = ""
    try:
        parse(data)
    except ProtocolError as error:
        words = str(error)
    assert words.startswith("byte ") or data[:1] + data[-1:] == b"(\r"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=3))
def test_a_hurt_answer_is_never_taken_for_mains_that_failed(place: int, by: bytes) -> None:
    try:
        seen = parse(GOOD[:place] + by + GOOD[place + 1 :])
    except ProtocolError:
        return
    # What still has the form differs in one field at most; its bits are eight.
    assert seen.utility_failed is (place == 38 and by == b"1")


def test_a_supply_is_asked_and_never_switched(supply: PeerProcess) -> None:
    ups = Ups(supply.url)
    assert not ups.read().utility_failed
    supply.do("hurt", answers=1)
    assert ups.read().input_v == 230.0
    supply.do("hurt", answers=2)
    with pytest.raises(LinkError, match="byte 7: the fault voltage"):
        ups.read()
    supply.do("mains_off")
    assert ups.read().utility_failed
    ups.close()


def test_sag_low_back_and_gone(supply: PeerProcess) -> None:
    watch = UpsWatch(supply.url, poll_s=0.02, max_silent_s=0.5)
    try:
        assert watch.supply.on_mains
        supply.do("mains_off")
        until(lambda: watch.supply.on_mains is False)
        assert not watch.supply.low
        supply.do("battery", percent=15)
        until(lambda: watch.supply.low)
        assert watch.supply.why == "the supply's battery is low"
        supply.do("mains_on")
        until(lambda: watch.supply.on_mains is True)
        assert not watch.supply.low
        # Its cable is pulled and put back: on mains nothing is wrong, but it is said.
        supply.do("unplug", for_s=1.0)
        until(lambda: watch.supply.on_mains is None)
        assert not watch.supply.low
        assert "does not answer" in watch.supply.why
        until(lambda: watch.supply.on_mains is True)
        # Dead on battery: nothing is known, and the last that was known was battery.
        supply.do("battery", percent=100)
        supply.do("mains_off")
        until(lambda: watch.supply.on_mains is False)
        supply.kill()
        until(lambda: watch.supply.low)
        assert watch.supply.on_mains is None
    finally:
        watch.close()


def test_long_on_battery_counts_as_low(supply: PeerProcess) -> None:
    now = [0.0]
    watch = UpsWatch(supply.url, poll_s=0.02, max_silent_s=1e9, clock=lambda: now[0])
    try:
        supply.do("mains_off")
        until(lambda: watch.supply.on_mains is False)
        now[0] = 299.0
        assert not watch.supply.low
        now[0] = 301.0
        until(lambda: watch.supply.why == "on battery for 301 s")
        assert watch.supply.low
    finally:
        watch.close()


def test_no_supply_there(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="cannot be opened"):
        UpsWatch(str(tmp_path / "none"))


def test_a_battery_empties_and_the_supply_is_off() -> None:
    ups = SimulatedUps(UpsSettings(runtime_s=100))
    ups.mains_off()
    assert parse(ups.receive(QUERY, 79.0)).battery_low is False
    assert parse(ups.receive(QUERY, 80.0)).battery_low is True
    assert ups.receive(QUERY, 100.0) == b""
    ups.mains_on()
    assert parse(ups.receive(QUERY, 101.0)).utility_failed is False


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_what_is_not_known_is_sent_back(parts: list[bytes]) -> None:
    ups = SimulatedUps()
    for part in parts:
        ups.receive(part, 1.0)
    answers = ups.receive(b"\r" + QUERY, 1.0).split(b"\r")
    assert answers[-1] == b""
    assert answers[-2].startswith(b"(")
