"""The simulated scanner in its weather, as a process on a pty: each fault, and the way out."""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hardware.errors import FeederError, HardwareError, LinkError, ProtocolError
from hardware.feeder import SerialFeeder
from hardware.interface import PaperPlace
from hardware.link import LinkTiming
from hardware.simulated import SimulatedScanner, start_simulated_scanner
from hardware.simulated.paper import PaperError
from hardware.stream import SerialStream

TIMING = LinkTiming(reply_s=0.3, feed_s=0.3, block_s=0.3, idle_s=0.2, attempts=3, block_bytes=4000)
ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., tuple[SimulatedScanner, SerialFeeder]]


@pytest.fixture
def start(deck: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a scanner with these faults; its driver beside it."""
    open_now: list[Any] = []

    def begin(*faults: str, listen: str = "pty", **more: Any) -> tuple[SimulatedScanner, Any]:
        text = 'format = "ballotbench-faults/1"\nseed = 3\n'
        (tmp_path / "faults.toml").write_text(text + "".join(f"[[fault]]\n{f}\n" for f in faults))
        more.setdefault("faults", tmp_path / "faults.toml")
        scanner = start_simulated_scanner(deck, state=tmp_path / "state", listen=listen, **more)
        feeder = SerialFeeder(lambda: SerialStream(scanner.url), timing=TIMING)
        open_now.extend((feeder.close, scanner.stop))
        return scanner, feeder

    yield begin
    for end in open_now:
        end()


def again(call: Callable[[], Any], seconds: float = 20) -> Any:
    until = time.monotonic() + seconds
    while True:
        try:
            return call()
        except HardwareError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


@pytest.mark.parametrize("listen", ["pty", "socket://127.0.0.1:0", "rfc2217://127.0.0.1:0"])
def test_a_reboot_in_mid_image_costs_no_byte_and_no_sheet(
    start: Start, deck: Path, listen: str
) -> None:
    fault = 'kind = "reboot"\nsheet = 1\npoint = "mid_image"\nfor_s = 0.2'
    scanner, feeder = start(fault, listen=listen)
    with pytest.raises(LinkError):
        feeder.feed()
    sheet = again(feeder.feed)
    assert sheet.images == ((deck / "1.jpg").read_bytes(),)
    assert scanner.paper().held == 1


def test_the_worst_instant_the_confirmation_is_lost(start: Start) -> None:
    scanner, feeder = start('kind = "cable_pulled"\nsheet = 1\npoint = "after_accept"\nfor_s = 0.2')
    feeder.feed()
    token = secrets.token_hex(16)
    with pytest.raises(LinkError):
        feeder.accept(token)
    status = again(feeder.status)
    assert (status.place, status.last_token) == (PaperPlace.IN_BOX, token)
    feeder.accept(token)
    assert scanner.paper().box == 1


@pytest.mark.parametrize(
    ("kind", "word"), [("jam", "jam"), ("double_feed", "double_feed"), ("box_full", "box_full")]
)
def test_paper_faults_are_told_by_their_word_and_end(start: Start, kind: str, word: str) -> None:
    scanner, feeder = start(f'kind = "{kind}"\nsheet = 1\nfor_s = 0.3')
    box_full = kind == "box_full"  # it comes when the sheet should go there
    if box_full:
        feeder.feed()
    with pytest.raises(FeederError, match=word):
        feeder.accept("0" * 32) if box_full else feeder.feed()
    assert feeder.status().fault == word
    again(feeder.feed)
    again(lambda: feeder.accept("1" * 32))
    assert scanner.paper().box == 1


def test_a_sheet_pulled_back_leaves_its_place_unknown_and_is_fed_again(
    start: Start, deck: Path
) -> None:
    scanner, feeder = start('kind = "sheet_pulled"\nsheet = 1')
    feeder.feed()
    with pytest.raises(FeederError, match="holds no sheet"):
        feeder.accept("1" * 32)
    status = feeder.status()
    assert (status.place, status.last_token, status.box_count) == (PaperPlace.UNKNOWN, None, 0)
    assert feeder.feed().images == ((deck / "1.jpg").read_bytes(),)
    feeder.accept("2" * 32)
    assert scanner.paper().box == 1


def test_bad_memory_is_found_by_the_digest(start: Start, deck: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    _, feeder = start('kind = "bad_memory"\nsheet = 1', record=record)
    assert feeder.feed().images == ((deck / "1.jpg").read_bytes(),)
    assert [json.loads(line).get("kind") for line in record.read_text().splitlines()] == [
        None,
        "bad_memory",
    ]


def test_a_wrong_version_is_named_and_ends(start: Start) -> None:
    _, feeder = start('kind = "wrong_version"\nsheet = 1\nfor_s = 0.5')
    with pytest.raises(LinkError):
        feeder.feed()
    with pytest.raises(ProtocolError, match="speaks version 3"):
        again_unless(feeder.status, ProtocolError)
    assert again(feeder.status).firmware == "1.0"


def again_unless(call: Callable[[], Any], stop: type[Exception]) -> Any:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            return call()
        except stop:
            raise
        except HardwareError:
            time.sleep(0.01)
    raise AssertionError("it never came to that")


def test_a_stuck_and_a_half_open_peer_are_waited_out(start: Start) -> None:
    scanner, feeder = start(
        'kind = "stuck_peer"\nsheet = 1\npoint = "fed"\nfor_s = 0.5',
        'kind = "half_open"\nsheet = 1\npoint = "before_accept"\nfor_s = 0.5',
    )
    again(feeder.feed)
    again(lambda: feeder.accept("1" * 32))
    assert scanner.paper().box == 1


def test_a_noisy_day_again_from_its_record(start: Start, deck: Path, tmp_path: Path) -> None:
    """The same frames are hurt in the same way, although sequences and tokens are others."""
    noise = (
        'kind = "bit_flips"\nprobability = 0.05',
        'kind = "duplicate"\nhurt = true\nprobability = 0.3',
        'kind = "sheet_pulled"\nsheet = 2\npoint = "mid_image"',
    )
    right = {hashlib.sha256(path.read_bytes()).digest() for path in deck.iterdir()}

    def day(feeder: SerialFeeder) -> None:
        while (sheet := again(feeder.feed)) is not None:
            assert {hashlib.sha256(image).digest() for image in sheet.images} <= right
            token = secrets.token_hex(16)
            again(lambda token=token: feeder.accept(token))

    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    scanner, feeder = start(*noise, record=first)
    day(feeder)
    assert scanner.paper().box == 4
    feeder.close()
    scanner.stop()
    (tmp_path / "state" / "paper.sqlite").rename(tmp_path / "old")
    scanner, feeder = start(faults=None, replay=first, record=second)
    day(feeder)

    def struck(path: Path) -> list[tuple[Any, ...]]:
        lines = map(json.loads, path.read_text().splitlines()[1:])
        return sorted((n["sheet"], n["at"], n["nth"], n["kind"], n["seed"]) for n in lines)

    assert len(struck(first)) > 10
    # A lost frame is waited for by the clock; all that comes of the same moments is the same.
    assert struck(second) == struck(first)


def test_a_scenario_that_cannot_be_used_is_refused_at_the_start(start: Start) -> None:
    with pytest.raises(PaperError, match="line 5: fault 1: sheet"):
        start('kind = "jam"\nsheet = 0')
    with pytest.raises(PaperError, match="fault 1 \\(printer_out_of_paper\\) is the printer's"):
        start('kind = "printer_out_of_paper"\nsheet = 1')


def test_two_thousand_sheets_in_faulty_weather() -> None:
    """The small soak (`make soak` takes 100,000): each sheet ends once, paper and records
    agree, no wrong image is read."""
    command = [sys.executable, "-m", "tests.hardware.soak", "--sheets", "2000", "--deck", "250"]
    done = subprocess.run([*command, "--lanes", "8"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["accepted"] + figures["returned"] + figures["refused"] == 2000
    assert figures["accepted"] == figures["box"]
    assert figures["wrong_images"] == 0
    assert figures["corrupted_frames"] >= 20_000
    # The weather was what it should be: each kind of trouble came at least once in it.
    assert {"bad_memory", "cable_pulled", "reboot", "jam", "sheet_pulled"} <= set(figures["struck"])
    assert figures["people"]["looked"] >= 1
