"""Where a simulated machine's line is fastened: a pty under a lasting name, or a TCP port.

Unlike `serve`, a mooring can be let go and taken again, as a cable is pulled and put back
or a machine restarts; the other side then finds it under the same name.
"""

from __future__ import annotations

import os
import select
import socket
import tty
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from hardware.errors import LinkError
from hardware.simulated.serve import Rfc2217Wire, SocketWire

_CHUNK = 65_536
#: Bytes that nobody reads for so long are dropped, as on a line without flow control, s.
_WRITE_S = 1.0


class HungUpError(Exception):
    """The other side closed the line."""


class Mooring(Protocol):
    """One line at a time; `url` is what the device opens."""

    url: str

    def read(self, timeout_s: float) -> bytes:
        """Bytes as they come, b"" where none did in time; HungUpError at the line's end."""
        ...

    def write(self, data: bytes) -> None:
        """Send; what nobody takes is lost. HungUpError at the line's end."""
        ...

    def let_go(self) -> None:
        """Close the line; the next `read` takes a new one."""
        ...

    def close(self) -> None:
        """Close all."""
        ...


class PtyMooring:
    """A pty behind a symbolic link, as a USB adapter is found again under its name."""

    def __init__(self, link: Path) -> None:
        """Fasten at `link`, which is made anew.

        Raises:
            LinkError: the link cannot be made.
        """
        self._link = link.absolute()
        self.url = str(self._link)
        self._ends: tuple[int, int] | None = None
        if link.exists() and not link.is_symlink():
            raise LinkError(f"{link} is there already and is no link to a port: give another name")
        self._open()

    def read(self, timeout_s: float) -> bytes:
        """See `Mooring.read`."""
        master = self._open()
        if not select.select([master], [], [], timeout_s)[0]:
            return b""
        try:
            return os.read(master, _CHUNK)
        except OSError as error:
            self.let_go()
            raise HungUpError from error

    def write(self, data: bytes) -> None:
        """See `Mooring.write`."""
        master = self._open()
        left = memoryview(data)
        while left:
            if not select.select([], [master], [], _WRITE_S)[1]:
                return
            try:
                left = left[os.write(master, left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                self.let_go()
                raise HungUpError from error

    def let_go(self) -> None:
        """See `Mooring.let_go`."""
        if self._ends is None:
            return
        # First the name: a number that is free again may become another's terminal.
        self._link.unlink(missing_ok=True)
        for end in self._ends:
            os.close(end)
        self._ends = None

    def close(self) -> None:
        """See `Mooring.close`."""
        self.let_go()

    def _open(self) -> int:
        if self._ends is None:
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._ends = master, slave
            fresh = self._link.with_name(self._link.name + ".new")
            try:
                fresh.unlink(missing_ok=True)
                fresh.symlink_to(os.ttyname(slave))
                fresh.replace(self._link)
            except OSError as error:
                raise LinkError(f"the port {self._link} cannot be made: {error}") from error
        return self._ends[0]


class TcpMooring:
    """A listening TCP port: `socket://` or `rfc2217://`; one connection at a time."""

    def __init__(self, listen: str) -> None:
        """Listen.

        Raises:
            LinkError: the port cannot be had.
        """
        parts = urlsplit(listen)
        kinds: dict[str, type[SocketWire]] = {"socket": SocketWire, "rfc2217": Rfc2217Wire}
        try:
            self._kind = kinds[parts.scheme]
            self._address = (parts.hostname or "127.0.0.1", parts.port or 0)
            self._server: socket.socket | None = socket.create_server(self._address)
        except (KeyError, ValueError, OSError) as error:
            raise LinkError(
                f"cannot listen on {listen!r}: {error}. Give pty, pty:PATH, socket://HOST:PORT or "
                "rfc2217://HOST:PORT with a free port"
            ) from error
        self._address = self._server.getsockname()[:2]
        self.url = f"{parts.scheme}://{self._address[0]}:{self._address[1]}"
        self._wire: SocketWire | None = None
        self._connection: socket.socket | None = None

    def read(self, timeout_s: float) -> bytes:
        """See `Mooring.read`."""
        if self._server is None:
            self._server = socket.create_server(self._address)
        waiting = self._connection or self._server
        if not select.select([waiting], [], [], timeout_s)[0]:
            return b""
        if self._wire is None or self._connection is None:
            self._connection, _ = self._server.accept()
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._wire = self._kind(self._connection)
            return b""
        try:
            data = self._wire.read()
        except OSError:
            data = b""
        if not data:
            self._hang_up()
            raise HungUpError
        return data

    def write(self, data: bytes) -> None:
        """See `Mooring.write`."""
        if self._wire is None:
            return
        try:
            self._wire.write(data)
        except OSError as error:
            self._hang_up()
            raise HungUpError from error

    def let_go(self) -> None:
        """See `Mooring.let_go`."""
        self._hang_up()
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        """See `Mooring.close`."""
        self.let_go()

    def _hang_up(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
        self._connection = self._wire = None


def moor(listen: str, default_link: Path) -> Mooring:
    """A mooring: "pty" (under `default_link`), "pty:PATH", `socket://…`, `rfc2217://…`.

    Raises:
        LinkError: it cannot be had.
    """
    if listen == "pty":
        return PtyMooring(default_link)
    if listen.startswith("pty:"):
        return PtyMooring(Path(listen.removeprefix("pty:")))
    return TcpMooring(listen)
