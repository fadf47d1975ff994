"""Whatever is asked, in whatever order: every sheet is in one place, and moves once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.framing import Frame
from hardware.messages import BlockRequest, Kind, Status
from hardware.simulated.paper import Paper, read_deck
from hardware.simulated.scanner import ScannerLogic

TOKENS = st.sampled_from([bytes([n]) * 16 for n in range(1, 5)])
REQUESTS = st.one_of(
    st.tuples(st.just(Kind.FEED), st.just(b"")),
    st.tuples(st.just(Kind.STATUS), st.just(b"")),
    st.tuples(st.just(Kind.LAST_TOKEN), st.just(b"")),
    st.tuples(st.just(Kind.HELLO), st.binary(min_size=8, max_size=8)),
    st.tuples(st.sampled_from([Kind.ACCEPT, Kind.RETURN]), TOKENS),
    st.tuples(
        st.just(Kind.IMAGE_BLOCK),
        st.builds(BlockRequest, st.integers(0, 3), st.integers(0, 9), st.integers(0, 70_000)).map(
            BlockRequest.pack
        ),
    ),
    st.tuples(st.integers(0, 127), st.binary(max_size=40)),
)


def scanners(refeed: int) -> Iterator[tuple[Paper, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        deck = Path(folder) / "deck"
        deck.mkdir()
        for name in "abc":
            (deck / f"{name}.png").write_bytes(name.encode())
        paper = Paper(Path(folder) / "state", refeed_returned=refeed)
        paper.load(read_deck(deck))
        try:
            yield paper, Path(folder) / "state"
        finally:
            paper.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(REQUESTS, max_size=25), st.integers(0, 2), st.data())
def test_every_sheet_is_in_exactly_one_place(
    requests: list[tuple[int, bytes]], refeed: int, data: st.DataObject
) -> None:
    for paper, _ in scanners(refeed):
        logic = ScannerLogic(paper)
        in_box = 0
        for sequence, (kind, payload) in enumerate(requests):
            request = Frame(int(kind), sequence, payload)
            if data.draw(st.booleans(), label="reboot"):
                logic = ScannerLogic(paper)
            first = logic.answer(request)
            counts = paper.counts()
            assert logic.answer(request) == first  # a repeat on the line
            assert paper.counts() == counts
            assert counts.tray + counts.held + counts.box + len(counts.returned) == 3
            assert counts.held <= 1
            assert 0 <= counts.box - in_box <= 1
            in_box = counts.box
        status = Status.unpack(reply_of(logic, Kind.STATUS, 60_000))
        assert status.box_count == paper.counts().box


def reply_of(logic: ScannerLogic, kind: Kind, sequence: int) -> bytes:
    reply = logic.answer(Frame(kind, sequence))
    assert reply is not None
    return reply.payload


def test_a_reboot_forgets_no_paper() -> None:
    for paper, state in scanners(0):
        logic = ScannerLogic(paper)
        logic.answer(Frame(Kind.FEED, 1))
        logic.answer(Frame(Kind.ACCEPT, 2, b"t" * 16))
        logic.answer(Frame(Kind.FEED, 3))
        again = Paper(state)
        assert again.counts() == paper.counts()
        assert again.last == (b"t" * 16, 1)
        assert [file.name for file in again.held() or ()] == ["b.png"]
        again.close()


def test_frames_that_are_no_requests_get_no_answer() -> None:
    for paper, _ in scanners(0):
        logic = ScannerLogic(paper)
        assert logic.answer(Frame(Kind.STATUS, 1, version=2)) is None
        assert logic.answer(Frame(Kind.STATUS | 0x80, 1)) is None
