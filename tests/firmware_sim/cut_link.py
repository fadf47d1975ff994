"""A cable that is cut: a pty for the device, a socket to the scanner, frames counted between.

The device opens the port by its path, as a USB adapter is found again under its name: after
each cut the path leads to a new pty and the scanner sees a new connection.
"""

from __future__ import annotations

import os
import random
import select
import socket
import threading
import time
import tty
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_DOWN_S = 0.02


class Cable:
    """Carries bytes until told to part: `cut_at(n)` parts it at the n-th frame from then."""

    def __init__(self, port: Path, chance: random.Random) -> None:
        """`port` is the path that the device opens."""
        self.port = port
        self.scanner_url: str | None = None
        #: Cuts that were really made.
        self.cuts = 0
        self._chance = chance
        self._frames_left: int | None = None
        self._ended = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut_at(self, frames: int) -> None:
        """Part the cable at the `frames`-th frame that passes from now, either way."""
        self._frames_left = frames

    def plug_in(self, scanner_url: str) -> None:
        """Lead to this scanner (`socket://HOST:PORT`) from now on."""
        self.scanner_url = scanner_url
        self._ready.wait(10)

    def close(self) -> None:
        """Pull it out for good."""
        self._ended = True
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ended:
            master, slave = os.openpty()
            tty.setraw(slave)
            fresh = self.port.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(os.ttyname(slave))
            fresh.replace(self.port)
            self._ready.set()
            try:
                self._carry(master)
            finally:
                # First the name: a number that is free again may become another's terminal.
                self.port.unlink(missing_ok=True)
                os.close(slave)
                os.close(master)
            time.sleep(_DOWN_S)

    def _carry(self, master: int) -> None:
        """Until the cut, or the scanner's death."""
        # Nothing is asked of the scanner before the device speaks.
        while not select.select([master], [], [], 0.05)[0]:
            if self._ended:
                return
        if self.scanner_url is None:
            return
        parts = urlsplit(self.scanner_url)
        with suppress(OSError), socket.create_connection((parts.hostname, parts.port)) as scanner:
            scanner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self._ended:
                ends: list[Any] = [master, scanner]
                for end in select.select(ends, [], [], 0.05)[0]:
                    from_device = end is master
                    data = os.read(master, 65536) if from_device else scanner.recv(65536)
                    if not data:
                        return
                    passed, cut = self._pass(data)
                    if from_device:
                        scanner.sendall(passed)
                    else:
                        _write_all(master, passed)
                    if cut:
                        self.cuts += 1
                        return

    def _pass(self, data: bytes) -> tuple[bytes, bool]:
        """What still gets through, and whether the cable parts after it."""
        if self._frames_left is None:
            return data, False
        frames = data.count(0)
        if frames < self._frames_left:
            self._frames_left -= frames
            return data, False
        end = 0
        for _ in range(self._frames_left):
            end = data.index(0, end) + 1
        self._frames_left = None
        start = data.rfind(0, 0, end - 1) + 1
        # Before the frame, within it, or after it.
        return data[: self._chance.choice((start, self._chance.randint(start, end), end))], True


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
