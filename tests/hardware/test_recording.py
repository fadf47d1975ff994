"""A tap in the line, its recording in both forms, and the recording played back."""

from __future__ import annotations

import secrets
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.errors import LinkError, ProtocolError
from hardware.feeder import SerialFeeder, open_feeder
from hardware.framing import MAX_ENCODED, Frame, encode_frame
from hardware.link import LinkTiming
from hardware.messages import Kind
from hardware.monitor import Monitor
from hardware.recording import (
    RecordingError,
    RecordingWriter,
    Seen,
    Splitter,
    describe,
    read_recording,
)
from hardware.replay import Replay
from hardware.simulated import start_simulated_scanner
from hardware.simulated.serve import serve_answers
from hardware.stream import SerialStream

PATIENT = LinkTiming(reply_s=0.2, feed_s=0.2, block_s=0.2, attempts=40)


@contextmanager
def tapped(port: str, seen: Callable[[Seen], None], link: Path) -> Iterator[list[str]]:
    notes: list[str] = []
    ready = threading.Event()
    tap = Monitor(port, seen=seen, note=notes.append, link=link)
    thread = threading.Thread(target=tap.run, args=(lambda name: ready.set(),))
    thread.start()
    assert ready.wait(20)
    try:
        yield notes
    finally:
        tap.stop()
        thread.join()


def two_sheets(feeder: SerialFeeder, tokens: list[str]) -> list[tuple[bytes, ...]]:
    """What a device does with two sheets: one into the box, one back."""
    feeder.status()
    images = []
    for settle in (feeder.accept, feeder.return_sheet):
        sheet = feeder.feed()
        assert sheet is not None
        images.append(sheet.images)
        tokens.append(secrets.token_hex(16))
        settle(tokens[-1])
        assert feeder.status().last_token == tokens[-1]
    feeder.close()
    return images


def keep_asking(feeder: SerialFeeder) -> None:
    """Until the tap has closed the line."""
    while True:
        feeder.status()


@contextmanager
def played(recording: Path) -> Iterator[tuple[str, Replay]]:
    player, urls = Replay(read_recording(recording)), list[str]()
    ready = threading.Event()

    def told(url: str) -> None:
        urls.append(url)
        ready.set()

    listen = "socket://127.0.0.1:0"
    threading.Thread(target=serve_answers, args=(listen, player.answer, told), daemon=True).start()
    assert ready.wait(20)
    yield urls[0], player


@pytest.mark.parametrize("noise", [0.0, 0.4], ids=["clean", "noisy"])
@pytest.mark.parametrize("suffix", ["jsonl", "pcapng"])
def test_what_was_recorded_plays_back_the_same(
    deck: Path, tmp_path: Path, suffix: str, noise: float
) -> None:
    file = tmp_path / f"seen.{suffix}"
    writer, seen = RecordingWriter(file), list[Seen]()

    def keep(frame: Seen) -> None:
        seen.append(frame)
        writer.add(frame)

    link = tmp_path / "port"
    with (
        start_simulated_scanner(deck, state=tmp_path / "s", noise=noise, seed=7) as scanner,
        tapped(scanner.url, keep, link),
    ):
        feeder = SerialFeeder(lambda: SerialStream(str(link)), timing=PATIENT)
        images = two_sheets(feeder, [])
    writer.close()
    names = [describe(frame)["name"] for frame in seen]
    assert {"HELLO", "STATUS reply", "FEED", "IMAGE_BLOCK reply", "ACCEPT", "RETURN"} <= set(names)
    assert ("damaged" in names) == bool(noise)
    back = read_recording(file)
    assert [(f.sender, f.wire) for f in back] == [(f.sender, f.wire) for f in seen]
    with played(file) as (url, player):
        again = SerialFeeder(lambda: SerialStream(url), timing=PATIENT)
        assert two_sheets(again, []) == images
        assert player.over.wait(5)
        assert player.difference is None


def test_the_first_difference_is_named(deck: Path, tmp_path: Path) -> None:
    file = tmp_path / "seen.jsonl"
    writer = RecordingWriter(file)
    link = tmp_path / "port"
    with (
        start_simulated_scanner(deck, state=tmp_path / "s") as scanner,
        tapped(scanner.url, writer.add, link),
    ):
        two_sheets(SerialFeeder(lambda: SerialStream(str(link))), [])
    writer.close()
    with played(file) as (url, player):
        feeder = open_feeder(url)
        feeder.feed()
        with pytest.raises(ProtocolError, match=r"request 6 is RETURN \w+; recorded was ACCEPT"):
            feeder.return_sheet(secrets.token_hex(16))
        assert player.over.is_set()
    with played(file) as (url, player):
        tokens: list[str] = []
        feeder = SerialFeeder(lambda: SerialStream(url))
        two_sheets(feeder, tokens)
        assert player.difference is None
        with pytest.raises(ProtocolError, match=r"HELLO.*the recording ended before it"):
            feeder.status()


def test_a_broken_line_is_passed_on_and_mended(deck: Path, tmp_path: Path) -> None:
    """The device sees the break as without the tap, and finds scanner and tap again."""
    link, state = tmp_path / "port", tmp_path / "s"
    there = tmp_path / "scanner"
    with start_simulated_scanner(deck, state=state) as scanner:
        there.symlink_to(scanner.url)
        with tapped(str(there), lambda frame: None, link) as notes:
            feeder = SerialFeeder(lambda: SerialStream(str(link)), timing=PATIENT)
            first = feeder.feed()
            scanner.kill()
            there.unlink()
            with pytest.raises(LinkError, match="broke"):
                keep_asking(feeder)
            with start_simulated_scanner(deck, state=state) as other:
                there.symlink_to(other.url)
                for _ in range(200):
                    try:
                        assert feeder.feed() == first
                        break
                    except LinkError:
                        threading.Event().wait(0.05)
                else:
                    pytest.fail("not mended")
            feeder.close()
            assert any("broke" in note for note in notes)


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 9))
def test_the_tap_loses_no_byte_between_zeros(parts: list[bytes], step: int) -> None:
    line = b"\0".join(parts) + b"\0"
    split = Splitter()
    got = [wire for i in range(0, len(line), step) for wire in split.feed(line[i : i + step])]
    assert got == [part + b"\0" for part in line.split(b"\0") if part]


def test_endless_noise_is_not_kept() -> None:
    split = Splitter()
    for _ in range(50):
        assert split.feed(b"x" * 10_000) == []
    [wire] = split.feed(b"\0")
    assert len(wire) == MAX_ENCODED + 2


def test_a_pcapng_file_is_as_its_specification_has_it(tmp_path: Path) -> None:
    """draft-ietf-opsawg-pcapng: section, interface of link type 147, enhanced packets."""
    file = tmp_path / "a.pcapng"
    writer = RecordingWriter(file)
    wire = encode_frame(Frame(Kind.STATUS, 5))
    writer.add(Seen(1.5, "device", wire))
    writer.close()
    data, at, kinds = file.read_bytes(), 0, []
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert size % 4 == 0
        assert struct.unpack_from("<I", data, at + size - 4) == (size,)
        kinds.append(kind)
        at += size
    assert kinds == [0x0A0D0D0A, 1, 6]
    assert data[8:12] == bytes.fromhex("4d3c2b1a")
    assert struct.unpack_from("<H", data, 28 + 8) == (147,)
    assert struct.unpack_from("<II", data, 28 + 20 + 12) == (0, 1_500_000)
    assert wire in data


@pytest.mark.parametrize("text", ["", "{}", '{"format": "x"}\n', '{"format": 3', "\0\0"])
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(text)
    with pytest.raises(RecordingError, match="no recording"):
        read_recording(file)
    with pytest.raises(RecordingError, match="there already"):
        RecordingWriter(file)


def test_the_commands(deck: Path, tmp_path: Path) -> None:
    """`monitor` between, then `replay` alone."""
    python, file, link = [sys.executable, "-m", "console"], tmp_path / "r.jsonl", tmp_path / "port"
    with start_simulated_scanner(deck, state=tmp_path / "s") as scanner:
        command = [*python, "monitor", scanner.url, "--save", str(file), "--link", str(link)]
        tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert tap.stderr is not None
        said = tap.stderr.readline() + tap.stderr.readline()
        assert f"Give the device this port: {link}" in said
        two_sheets(SerialFeeder(lambda: SerialStream(str(link))), [])
        tap.send_signal(signal.SIGINT)
        shown, ended = tap.communicate(timeout=30)
        assert tap.returncode == 0
    assert "saved in" in ended
    assert "> ACCEPT" in shown
    assert "place=in_box" in shown
    for device, code in [(two_sheets, 0), (lambda feeder, _: feeder.feed(), 1)]:
        replay = subprocess.Popen([*python, "replay", str(file)], stdout=subprocess.PIPE, text=True)
        assert replay.stdout is not None
        url = replay.stdout.readline().split(" at ")[1].split(": ")[0]
        feeder = SerialFeeder(lambda: SerialStream(url))  # noqa: B023 (used in this turn)
        if code:
            with pytest.raises(ProtocolError, match="request 2 is FEED; recorded was STATUS"):
                device(feeder, [])
        else:
            device(feeder, [])
        said, _ = replay.communicate(timeout=30)
        assert replay.returncode == code
        assert ("Different: request 2" if code else "came as recorded") in said
