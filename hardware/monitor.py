"""A tap in the line: the device opens our pty, we open the scanner's port, and look on.

A serial line cannot be opened twice, so whoever wants to see must sit in between. Bytes go on
as they come, damaged ones too. Where the scanner's port breaks, the pty is closed, so that the
device sees it as it would without us; then both are opened anew.
"""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hardware.errors import LinkError
from hardware.recording import Seen, Sender, Splitter
from hardware.stream import SerialStream

_RETRY_S, _LOOK_S = 0.2, 0.05
_CHUNK = 65_536


class Monitor:
    """One tap. `run` in a thread or alone; `stop` ends it."""

    def __init__(
        self,
        port: str,
        *,
        seen: Callable[[Seen], None],
        note: Callable[[str], None],
        link: Path | None = None,
        connect: Callable[[str], SerialStream] = SerialStream,
    ) -> None:
        """`seen` gets each frame, `note` what else happens; `link` is a path that always
        leads to the device's side. Nothing is opened yet."""
        self._port, self._seen, self._note, self._link = port, seen, note, link
        self._connect = connect
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._begun = time.monotonic()

    def stop(self) -> None:
        """End `run`."""
        self._over.set()

    def run(self, ready: Callable[[str], None]) -> None:
        """Carry until stopped; `ready` gets the device's port at each connection."""
        told = ""
        while not self._over.is_set():
            try:
                scanner = self._connect(self._port)
            except LinkError as error:
                if str(error) != told:
                    self._note(told := str(error))
                self._over.wait(_RETRY_S)
                continue
            told = ""
            try:
                with self._pty() as (master, name):
                    ready(name)
                    self._carry(master, scanner)
            except (LinkError, OSError) as error:
                self._note(str(error))
            finally:
                scanner.close()

    def _carry(self, master: int, scanner: SerialStream) -> None:
        broken: list[Exception] = []

        def back() -> None:
            try:
                split = Splitter()
                while not (self._over.is_set() or broken):
                    data = scanner.read(_LOOK_S)
                    self._tell("scanner", split.feed(data))
                    _write_all(master, data, lambda: self._over.is_set() or bool(broken))
            except (LinkError, OSError) as error:
                broken.append(error)

        thread = threading.Thread(target=back, daemon=True)
        thread.start()
        try:
            split = Splitter()
            while not (self._over.is_set() or broken):
                if select.select([master], [], [], _LOOK_S)[0]:
                    data = os.read(master, _CHUNK)
                    self._tell("device", split.feed(data))
                    scanner.write(data)
        except (LinkError, OSError) as error:
            broken.append(error)
        finally:
            if not broken and not self._over.is_set():
                broken.append(LinkError("stopped"))  # Ctrl-C: the other thread too
            thread.join()
        if broken and not self._over.is_set():
            raise broken[0]

    def _tell(self, sender: Sender, wires: list[bytes]) -> None:
        with self._lock:
            for wire in wires:
                self._seen(Seen(time.monotonic() - self._begun, sender, wire))

    @contextmanager
    def _pty(self) -> Iterator[tuple[int, str]]:
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        name = os.ttyname(slave)
        try:
            if self._link is not None:
                fresh = self._link.with_name(f".{self._link.name}.new")
                fresh.unlink(missing_ok=True)
                fresh.symlink_to(name)
                fresh.replace(self._link)
                name = str(self._link)
            yield master, name
        finally:
            # First the name: the number that is free again may become another's terminal.
            if self._link is not None:
                with suppress(OSError):
                    self._link.unlink(missing_ok=True)
            os.close(slave)
            os.close(master)


def _write_all(handle: int, data: bytes, over: Callable[[], bool]) -> None:
    """Write while there is room; where nobody reads, wait, but not for ever."""
    left = memoryview(data)
    while left and not over():
        if select.select([], [handle], [], _LOOK_S)[1]:
            left = left[os.write(handle, left) :]
