"""Peers on real ptys, and decks of small files."""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardware.framing import Frame, FrameReader, encode_frame
from hardware.link import LinkTiming

#: Short waits: the peers here are on this machine.
QUICK = LinkTiming(reply_s=0.15, feed_s=0.15, block_s=0.15, attempts=3)
Peer = Callable[[Callable[[Frame], list[bytes]]], str]


@pytest.fixture
def deck(tmp_path: Path) -> Path:
    """Four sheets, the second of two sides; one image is longer than a block."""
    folder = tmp_path / "deck"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(bytes(range(256)) * 300)
    (folder / "2-back.png").write_bytes(b"back")
    (folder / "2-front.png").write_bytes(b"front")
    (folder / "3.tif").write_bytes(b"\0" * 700)
    (folder / "4.jpg").write_bytes(b"\xff" * 700)
    return folder


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Start a scripted peer behind a pty: `peer(answer)` gives the port's name.

    `answer` turns each request into the bytes to be sent.
    """
    masters: list[int] = []
    threads: list[threading.Thread] = []
    over = threading.Event()

    def start(answer: Callable[[Frame], list[bytes]]) -> str:
        master, slave = os.openpty()
        masters.append(master)
        tty.setraw(slave)

        def run() -> None:
            reader = FrameReader()
            while not over.is_set():
                try:
                    if not select.select([master], [], [], 0.05)[0]:
                        continue
                    for request in reader.feed(os.read(master, 65_536)):
                        for data in answer(request):
                            os.write(master, data)
                except OSError:
                    return

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return os.ttyname(slave)

    yield start
    # A peer that still read would answer the next test, whose port may get the same number.
    over.set()
    for thread in threads:
        thread.join()
    for master in masters:
        os.close(master)


def reply(request: Frame, payload: bytes, **changed: int) -> bytes:
    """The bytes of a reply; `type`, `sequence`, `version` may be made wrong."""
    values = {"type": request.type | 0x80, "sequence": request.sequence, "version": 1} | changed
    return encode_frame(
        Frame(values["type"], values["sequence"], payload, version=values["version"])
    )
