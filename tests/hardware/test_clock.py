"""A time receiver as a process, its sentences, and a clock that is not led astray."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hardware.clock import (
    MAX_SILENT_S,
    SentenceReader,
    SerialClock,
    Timekeeper,
    checksum,
    parse,
)
from hardware.errors import LinkError, ProtocolError
from hardware.simulated.clock import SimulatedClock
from hardware.simulated.control import ControlError
from hardware.simulated.peer import PeerProcess, start_peer

#: Sentences as receivers' manuals print them.
ZDA = b"$GPZDA,160012.71,11,03,2004,-1,00*7D\r\n"
RMC = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sentence(body: bytes) -> bytes:
    return b"$%b*%02X\r\n" % (body, checksum(body))


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to hold")


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[PeerProcess]:
    with start_peer("clock", tmp_path / "clock") as machine:
        yield machine


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        (ZDA, datetime(2004, 3, 11, 16, 0, 12, 710_000, UTC)),
        (RMC, datetime(1994, 3, 23, 12, 35, 19, 0, UTC)),
        (sentence(b"GNZDA,235960,31,12,2026,00,00"), datetime(2027, 1, 1, tzinfo=UTC)),
        (sentence(b"GPZDA,,,,,,"), None),
        (sentence(b"GPRMC,123519,V,,,,,,,230326,,,N"), None),
        (sentence(b"GPGSV,3,1,11,03,03,111,00"), None),
    ],
)
def test_sentences(line: bytes, moment: datetime | None) -> None:
    assert parse(line) == moment


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (ZDA.replace(b"7D", b"7C"), "check sum"),
        (ZDA.replace(b"16", b"17", 1), "check sum"),
        (ZDA[1:], "not in order"),
        (ZDA[:-1], "not in order"),
        (sentence(b"GPZDA,120000,32,01,2026,00,00"), "is none"),
        (sentence(b"GPZDA,1200,01,01,2026,00,00"), "is none"),
        (sentence(b"GPZDA,120000,01,01,9999,00,00"), "is none"),
        (sentence(b"GPZDA,120000,+1,01,2026,00,00"), "is none"),
        (sentence(b"GPZDA," + b"1" * 90), "not in order"),
    ],
)
def test_a_hurt_sentence_is_refused(line: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        parse(line)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=100), st.sampled_from([ZDA, RMC, b"$", b"\n"]))))
@example([ZDA[:20], ZDA])
def test_any_bytes_are_sentences_or_nothing(parts: list[bytes]) -> None:
    reader = SentenceReader()
    for line in reader.feed(b"".join(parts)):
        assert line[:1] == b"$"
        assert line[-1:] == b"\n"
        try:
            parse(line)
        except ProtocolError:
            continue
    assert ZDA in list(reader.feed(b"\n" + ZDA))


def test_a_jump_is_told_and_not_followed() -> None:
    keeper = Timekeeper()
    keeper.take(NOON, 0.0)
    assert keeper.now(0.0) is None  # one sentence alone is not believed
    keeper.take(NOON + timedelta(seconds=1), 1.0)
    assert keeper.now(1.5) == NOON + timedelta(seconds=1.5)
    # A single sentence whose check sum fits by chance.
    keeper.take(NOON - timedelta(days=1), 2.0)
    keeper.take(NOON + timedelta(seconds=3), 3.0)
    assert keeper.wrong(3.0) == ""
    for at_s in (4.0, 5.0):
        keeper.take(NOON + timedelta(hours=1, seconds=at_s), at_s)
    assert keeper.wrong(5.0) == "the receiver's time jumped by +3600 s"
    assert keeper.now(6.0) == NOON + timedelta(seconds=6)
    # Back again: still told, somebody was at the clock.
    keeper.take(NOON + timedelta(seconds=7), 7.0)
    assert "jumped" in keeper.wrong(7.0)


def test_a_long_silence_is_told() -> None:
    keeper = Timekeeper()
    keeper.take(NOON, 0.0)
    keeper.take(NOON, 0.1)
    assert keeper.wrong(MAX_SILENT_S) == ""
    assert "silent for" in keeper.wrong(MAX_SILENT_S + 1)


def test_a_receiver_is_the_clock(receiver: PeerProcess) -> None:
    receiver.do("hurt", sentences=1)
    clock = SerialClock(receiver.url)
    try:
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=30)
        # Its cable is pulled: the time goes on, and the receiver is found again.
        receiver.do("unplug", for_s=0.5)
        sent = receiver.do("info")["sent"]
        until(lambda: receiver.do("info")["sent"] > sent + 1)
        assert clock.wrong == ""
        receiver.do("clock_jump", by_s=-86_400)
        until(lambda: clock.wrong == "the receiver's time jumped by -86400 s")
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=30)
    finally:
        clock.close()


def test_no_receiver_and_one_that_says_nothing(receiver: PeerProcess, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="cannot be opened"):
        SerialClock(str(tmp_path / "none"))
    receiver.do("silent", for_s=60)
    fast = iter(range(0, 600, 3))
    with pytest.raises(LinkError, match=r"gave no time.*baud=9600"):
        SerialClock(receiver.url, steady=lambda: float(next(fast)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), max_size=8))
def test_whatever_the_jumps_it_goes_on_telling_a_time(jumps: list[float]) -> None:
    clock = SimulatedClock(lambda: NOON)
    for number, by_s in enumerate(jumps):
        before = clock.info()["utc"]
        try:
            clock.clock_jump(by_s)
        except ControlError:
            assert clock.info()["utc"] == before
        lines = clock.tick(float(number)).splitlines(keepends=True)
        said = {parse(line) for line in lines}
        assert len(lines) == 2
        assert None not in said
        assert len(said) == 1
