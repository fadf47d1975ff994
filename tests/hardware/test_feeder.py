"""The driver against the simulated scanner's process, and against peers that misbehave."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from pathlib import Path

import pytest

from hardware.errors import FeederError, LinkError, ProtocolError
from hardware.feeder import SerialFeeder, open_feeder
from hardware.framing import Frame
from hardware.interface import PaperPlace
from hardware.link import Link, LinkTiming
from hardware.messages import FeedReply, Hello, Kind, SideImage
from hardware.simulated import start_simulated_scanner
from hardware.simulated.paper import PaperError
from hardware.stream import SerialStream
from tests.hardware.conftest import QUICK, Peer, reply


def token() -> str:
    return secrets.token_hex(16)


def greeting(request: Frame, *versions: int) -> bytes:
    return reply(request, Hello(request.payload, versions or (1,), "peer", "1").pack())


@pytest.mark.parametrize("listen", ["pty", "socket://127.0.0.1:0", "rfc2217://127.0.0.1:0"])
def test_sheets_come_whole_over_every_port(deck: Path, tmp_path: Path, listen: str) -> None:
    with start_simulated_scanner(deck, state=tmp_path / "state", listen=listen) as scanner:
        feeder = open_feeder(scanner.url)
        status = feeder.status()
        assert (status.ready, status.sheets_waiting, status.place) == (True, True, PaperPlace.NONE)
        seen = []
        while (sheet := feeder.feed()) is not None:
            assert feeder.feed() == sheet  # asked again while held: the same
            seen.append(sheet.images)
            feeder.accept(token())
        feeder.close()
        assert seen == [
            ((deck / "1.jpg").read_bytes(),),
            (b"front", b"back"),
            (b"\0" * 700,),
            (b"\xff" * 700,),
        ]
        assert scanner.paper().box == 4
        assert scanner.box() == {"1.jpg", "2-front.png", "3.tif", "4.jpg"}


@pytest.mark.parametrize("seed", range(3))
def test_noise_on_the_line_changes_no_image_and_moves_no_sheet_twice(
    deck: Path, tmp_path: Path, seed: int
) -> None:
    patient = LinkTiming(reply_s=0.1, feed_s=0.1, block_s=0.1, attempts=40)
    with start_simulated_scanner(deck, state=tmp_path / "s", noise=0.4, seed=seed) as scanner:
        feeder = SerialFeeder(lambda: SerialStream(scanner.url), timing=patient)
        digests = []
        while (sheet := feeder.feed()) is not None:
            digests.append([hashlib.sha256(image).digest() for image in sheet.images])
            feeder.accept(token())
        feeder.close()
        assert len(digests) == 4
        assert digests[0] == [hashlib.sha256((deck / "1.jpg").read_bytes()).digest()]
        assert scanner.paper().box == 4


def test_a_token_moves_one_sheet_however_often_it_is_told(deck: Path, tmp_path: Path) -> None:
    with start_simulated_scanner(deck, state=tmp_path / "s") as scanner:
        feeder, first = open_feeder(scanner.url), token()
        feeder.feed()
        feeder.accept(first)
        feeder.feed()
        for _ in range(3):
            feeder.accept(first)
        assert scanner.paper().box == 1
        assert scanner.paper().held == 1
        with pytest.raises(ProtocolError, match="accepted"):
            feeder.return_sheet(first)
        assert feeder.status().last_token == first
        feeder.return_sheet(token())
        assert scanner.paper().returned == ("2-front.png",)
        assert feeder.status().place is PaperPlace.RETURNED
        with pytest.raises(FeederError, match="holds no sheet"):
            feeder.accept(token())


def test_a_voter_may_feed_a_returned_sheet_once_more(deck: Path, tmp_path: Path) -> None:
    with start_simulated_scanner(deck, state=tmp_path / "s", refeed_returned=1) as scanner:
        feeder = open_feeder(scanner.url)
        first = feeder.feed()
        feeder.return_sheet(token())
        assert scanner.paper().returned == ()
        assert feeder.feed() == first
        feeder.return_sheet(token())
        assert scanner.paper().returned == ("1.jpg",)
        assert feeder.feed() != first


def test_paper_stays_where_it_is_when_the_scanner_dies(deck: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listen, state = f"socket://127.0.0.1:{port}", tmp_path / "state"
    feeder = SerialFeeder(lambda: SerialStream(listen), timing=QUICK)
    done = token()
    with start_simulated_scanner(deck, state=state, listen=listen) as scanner:
        feeder.feed()
        feeder.accept(done)
        held = feeder.feed()
        scanner.kill()
        with pytest.raises(LinkError):
            feeder.status()
    with start_simulated_scanner(deck, state=state, listen=listen) as scanner:
        status = feeder.status()  # found again by itself
        assert (status.place, status.last_token) == (PaperPlace.HELD, done)
        assert feeder.feed() == held
        paper = scanner.paper()
        assert (paper.tray, paper.held, paper.box, paper.returned) == (2, 1, 1, ())
    feeder.close()


def test_a_fault_is_told_by_its_word_and_goes(deck: Path, tmp_path: Path) -> None:
    with start_simulated_scanner(deck, state=tmp_path / "s") as scanner:
        feeder = open_feeder(scanner.url)
        scanner.set_fault("jam")
        assert feeder.status().fault == "jam"
        assert not feeder.status().ready
        with pytest.raises(FeederError, match="jam"):
            feeder.feed()
        scanner.set_fault(None)
        assert feeder.feed() is not None


def test_an_empty_file_is_still_a_sheet(tmp_path: Path) -> None:
    deck = tmp_path / "deck"
    deck.mkdir()
    (deck / "a.png").touch()
    with start_simulated_scanner(deck, state=tmp_path / "s") as scanner:
        sheet = open_feeder(scanner.url).feed()
        assert sheet is not None
        assert sheet.images == (b"\0",)


@pytest.mark.parametrize(
    ("listen", "empty", "words"),
    [
        ("pty", True, "holds no image"),
        ("carrier-pigeon://x", False, "cannot listen"),
        ("socket://256.0.0.1:1", False, "cannot listen"),
    ],
)
def test_a_scanner_that_cannot_start_says_why(
    deck: Path, tmp_path: Path, listen: str, empty: bool, words: str
) -> None:
    folder = tmp_path / "none" if empty else deck
    folder.mkdir(exist_ok=True)
    with pytest.raises(PaperError, match=words):
        start_simulated_scanner(folder, state=tmp_path / "s", listen=listen)


def test_no_port_and_nobody_there_end_in_words(peer: Peer, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="cannot be opened"):
        open_feeder(str(tmp_path / "no-such-port"))
    silent = peer(lambda request: [])
    feeder = SerialFeeder(lambda: SerialStream(silent), timing=QUICK)
    with pytest.raises(LinkError, match="did not answer HELLO in 3 attempts"):
        feeder.status()


def test_nonsense_ends_in_bounded_time(peer: Peer) -> None:
    port = peer(lambda request: [os.urandom(3000)] * 5)
    feeder = SerialFeeder(lambda: SerialStream(port), timing=QUICK)
    with pytest.raises(LinkError, match="damaged frames were dropped"):
        feeder.status()


def test_another_version_is_refused(peer: Peer) -> None:
    port = peer(lambda request: [greeting(request, 3, 4)])
    with pytest.raises(ProtocolError, match=r"version 3, 4 of the link; this program .* 1, 2\."):
        SerialFeeder(lambda: SerialStream(port), timing=QUICK).status()
    port = peer(lambda request: [reply(request, b"", version=9)])
    with pytest.raises(ProtocolError, match="version 9"):
        SerialFeeder(lambda: SerialStream(port), timing=QUICK).status()


def test_the_device_chooses_the_highest_version_that_both_speak(peer: Peer) -> None:
    """V2: the greeting is always in version 1, the rest in the one chosen."""
    seen: list[tuple[int, int]] = []

    def answer(request: Frame) -> list[bytes]:
        seen.append((request.type, request.version))
        if request.type == Kind.HELLO:
            return [greeting(request, 1, 2, 5)]
        return [reply(request, b"", version=request.version)]

    for speaks, version in [((1,), 1), ((1, 2, 4), 2)]:
        stream = SerialStream(peer(answer))
        link = Link(stream, timing=QUICK, speaks=speaks)
        assert link.hello(b"12345678").versions == (1, 2, 5)
        link.request(Kind.FEED)
        link.hello(b"12345678")
        assert seen == [(Kind.HELLO, 1), (Kind.FEED, version), (Kind.HELLO, 1)]
        seen.clear()
        stream.close()


def test_a_frame_of_another_version_than_chosen_ends_the_talk(peer: Peer) -> None:
    def answer(request: Frame) -> list[bytes]:
        if request.type == Kind.HELLO:
            return [greeting(request, 1, 3)]
        return [reply(request, FeedReply(()).pack(), version=3)]

    feeder = SerialFeeder(lambda: SerialStream(peer(answer)), timing=QUICK)
    with pytest.raises(ProtocolError, match="version 3; version 1 was agreed"):
        feeder.feed()


def test_an_old_greeting_is_not_believed(peer: Peer) -> None:
    stale = Hello(b"\0" * 8, (1,), "peer", "1").pack()
    port = peer(lambda request: [reply(request, stale)])
    with pytest.raises(ProtocolError, match="another greeting"):
        SerialFeeder(lambda: SerialStream(port), timing=QUICK).status()


def test_late_and_foreign_replies_are_dropped(peer: Peer) -> None:
    def answer(request: Frame) -> list[bytes]:
        if request.type == Kind.HELLO:
            return [greeting(request)]
        return [
            reply(request, b"late", sequence=request.sequence ^ 1),
            reply(request, b"other", type=Kind.ACCEPT | 0x80),
            reply(request, FeedReply(()).pack()),
        ]

    feeder = SerialFeeder(lambda: SerialStream(peer(answer)), timing=QUICK)
    assert feeder.feed() is None


def test_an_image_that_is_not_the_announced_one_is_never_taken(peer: Peer) -> None:
    asked = []

    def answer(request: Frame) -> list[bytes]:
        if request.type == Kind.HELLO:
            return [greeting(request)]
        if request.type == Kind.FEED:
            side = SideImage(4, hashlib.sha256(b"good").digest())
            return [reply(request, FeedReply((side,)).pack())]
        asked.append(request)
        return [reply(request, request.payload[:5] + b"evil")]

    feeder = SerialFeeder(lambda: SerialStream(peer(answer)), timing=QUICK)
    with pytest.raises(ProtocolError, match="does not fit the digest"):
        feeder.feed()
    assert len(asked) == 2


def test_a_confirmation_of_something_else_is_no_confirmation(peer: Peer) -> None:
    def answer(request: Frame) -> list[bytes]:
        if request.type == Kind.HELLO:
            return [greeting(request)]
        return [reply(request, b"\x01\x02" + request.payload)]  # RETURNED, not ACCEPTED

    feeder = SerialFeeder(lambda: SerialStream(peer(answer)), timing=QUICK)
    with pytest.raises(ProtocolError, match="confirmed another ACCEPT"):
        feeder.accept(token())
    with pytest.raises(ProtocolError, match="32 hex digits"):
        feeder.accept("not a token")
