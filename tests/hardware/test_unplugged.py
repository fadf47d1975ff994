"""The cable pulled, or the scanner's power cut, in the middle of every command.

No wait of the link is short here: what is reported in time is reported because the line's
end is seen (docs/protocol.md, "Times"), not because a wait ran out.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.errors import LinkError
from hardware.feeder import SerialFeeder
from hardware.interface import PaperPlace
from hardware.link import LinkTiming
from hardware.messages import BlockRequest, FeedReply, Hello, Kind, SideImage
from hardware.simulated import SimulatedScanner, start_simulated_scanner
from hardware.stream import SerialStream
from tests.firmware_sim.cut_link import Cable
from tests.hardware.conftest import Peer, reply

#: Nobody waits for these: a test that did would hang for minutes.
ENDLESS = LinkTiming(reply_s=300, feed_s=300, block_s=300, idle_s=300, attempts=1)
COMMANDS: dict[str, Callable[[SerialFeeder, str], object]] = {
    "STATUS": lambda feeder, token: feeder.status(),
    "FEED": lambda feeder, token: feeder.feed(),
    "IMAGE_BLOCK": lambda feeder, token: feeder.feed(),
    "ACCEPT": lambda feeder, token: feeder.accept(token),
    "RETURN": lambda feeder, token: feeder.return_sheet(token),
}
#: Frames that pass before the command's own: FEED and its answer go before the blocks.
BEFORE = {"IMAGE_BLOCK": 2}


def again(call: Callable[[], object]) -> object:
    """Call until the line is back, as a device does."""
    until = time.monotonic() + 30
    while True:
        try:
            return call()
        except LinkError as error:
            if time.monotonic() > until:
                raise AssertionError(f"the line did not come back: {error}") from error
            threading.Event().wait(0.02)


def settled(scanner: SimulatedScanner) -> tuple[int, int, int, int]:
    paper = scanner.paper()
    return paper.tray, paper.held, paper.box, len(paper.returned)


def finish(feeder: SerialFeeder, command: str, token: str) -> None:
    """What a device does once the line is back: ask where the paper is, end the step."""
    again(lambda: COMMANDS[command](feeder, token))
    if command in ("STATUS", "FEED", "IMAGE_BLOCK"):
        assert again(feeder.feed) is not None
        feeder.accept(token)


@pytest.mark.parametrize("frame", [1, 2], ids=["request", "answer"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_pulled_cable_is_seen_at_once_and_costs_no_sheet(
    deck: Path, tmp_path: Path, command: str, frame: int
) -> None:
    cable = Cable(tmp_path / "port", random.Random(frame))
    state = tmp_path / "state"
    with start_simulated_scanner(deck, state=state, listen="socket://127.0.0.1:0") as scanner:
        cable.plug_in(scanner.url)
        feeder = SerialFeeder(lambda: SerialStream(str(cable.port)), timing=ENDLESS)
        token = secrets.token_hex(16)
        again(feeder.status)
        if command in ("ACCEPT", "RETURN"):
            feeder.feed()
        cable.cut_at(BEFORE.get(command, 0) + frame)
        with pytest.raises(LinkError, match="broke"):
            COMMANDS[command](feeder, token)
        finish(feeder, command, token)
        status = feeder.status()
        assert status.last_token == token
        want = PaperPlace.RETURNED if command == "RETURN" else PaperPlace.IN_BOX
        assert status.place is want
        assert settled(scanner) == ((3, 0, 0, 1) if command == "RETURN" else (3, 0, 1, 0))
        assert cable.cuts == 1
        feeder.close()
    cable.close()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_power_cut_of_the_scanner_is_seen_at_once_and_costs_no_sheet(
    deck: Path, tmp_path: Path, command: str
) -> None:
    """Killed while the command is on its way; the next scanner has the same paper."""
    state, ports, token = tmp_path / "state", list[str](), secrets.token_hex(16)
    feeder = SerialFeeder(lambda: SerialStream(ports[-1]), timing=ENDLESS)
    with start_simulated_scanner(deck, state=state) as scanner:
        ports.append(scanner.url)
        feeder.status()
        if command in ("ACCEPT", "RETURN"):
            feeder.feed()
        scanner.kill()
        with pytest.raises(LinkError, match="broke"):
            COMMANDS[command](feeder, token)
    with start_simulated_scanner(deck, state=state) as scanner:
        ports.append(scanner.url)
        finish(feeder, command, token)
        assert feeder.status().last_token == token
        assert settled(scanner) == ((3, 0, 0, 1) if command == "RETURN" else (3, 0, 1, 0))
        feeder.close()


def test_no_block_that_came_is_fetched_again_after_a_break(peer: Peer) -> None:
    """I6, and its edge: once the sheet is another one, nothing old is used."""
    import hashlib

    images = [bytes(range(250)) * 4, bytes(range(250)) * 3 + b"other"]
    asked: list[BlockRequest] = []
    broken = threading.Event()
    sheet = [0]

    def answer(request: object) -> list[bytes]:
        assert hasattr(request, "type")
        if request.type == Kind.HELLO:
            return [reply(request, Hello(request.payload, (1,), "peer", "1").pack())]
        image = images[sheet[0]]
        if request.type == Kind.FEED:
            side = SideImage(len(image), hashlib.sha256(image).digest())
            return [reply(request, FeedReply((side,)).pack())]
        block = BlockRequest.unpack(request.payload)
        asked.append(block)
        if block.offset >= 400 and not broken.is_set():
            return []
        data = image[block.offset : block.offset + block.length]
        return [reply(request, request.payload[:5] + data)]

    short = LinkTiming(idle_s=0.1, block_s=0.1, attempts=1, block_bytes=200)
    port = peer(answer)
    feeder = SerialFeeder(lambda: SerialStream(port), timing=short)
    with pytest.raises(LinkError, match="did not answer IMAGE_BLOCK"):
        feeder.feed()
    assert [block.offset for block in asked] == [0, 200, 400]
    asked.clear()
    broken.set()
    held = feeder.feed()
    assert held is not None
    assert held.images == (images[0],)
    assert [block.offset for block in asked] == [400, 600, 800]
    asked.clear()
    assert feeder.feed() == held  # asked again while it is held: all of it is here
    assert asked == []
    sheet[0] = 1
    other = feeder.feed()
    assert other is not None
    assert other.images == (images[1],)
    assert [block.offset for block in asked] == [0, 200, 400, 600]
