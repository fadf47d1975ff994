"""The simulated scanner on a port: a pty, a TCP socket, or RFC 2217 over TCP."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import serial
import serial.rfc2217

from hardware.errors import LinkError
from hardware.framing import Frame, FrameReader, encode_frame
from hardware.simulated.scanner import ScannerLogic

_CHUNK = 65_536
#: Telnet's escape byte, doubled where it is data.
_IAC = b"\xff"


class Wire(Protocol):
    """One connection; `read` gives b"" at its end."""

    def read(self) -> bytes:
        """Bytes as they come."""
        ...

    def write(self, data: bytes) -> None:
        """Send all."""
        ...


@dataclass(frozen=True, slots=True)
class Noise:
    """Line noise on what is sent: the share of frames that it hits, and its seed."""

    rate: float
    seed: int

    def line(self) -> Callable[[bytes], bytes]:
        """A function that passes frames on, some of them hurt."""
        # Not for secrets: a seeded fault must come again with the same seed.
        chance = random.Random(self.seed)  # noqa: S311

        def pass_on(data: bytes) -> bytes:
            if chance.random() >= self.rate:
                return data
            hit = chance.randrange(4)
            place = chance.randrange(len(data))
            if hit == 0:
                return b""
            if hit == 1:
                return data[:place] + data[place + 1 :]
            if hit == 2:
                return data + data
            bit = 1 << chance.randrange(8)
            return data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]

        return pass_on


def answer_all(wire: Wire, answer: Callable[[Frame], bytes]) -> None:
    """Answer requests until the connection ends; `answer` gives the bytes to send."""
    reader = FrameReader()
    while data := wire.read():
        for request in reader.feed(data):
            if sent := answer(request):
                wire.write(sent)


def serve(
    listen: str, logic: ScannerLogic, ready: Callable[[str], None], noise: Noise | None = None
) -> None:
    """Serve a scanner until the process ends; see `serve_answers`."""
    pass_on = noise.line() if noise else lambda data: data

    def answer(request: Frame) -> bytes:
        reply = logic.answer(request)
        return b"" if reply is None else pass_on(encode_frame(reply))

    serve_answers(listen, answer, ready)


def serve_answers(
    listen: str, answer: Callable[[Frame], bytes], ready: Callable[[str], None]
) -> None:
    """Answer requests until the process ends; `ready` is given the URL for `open_feeder`.

    Args:
        listen: "pty", "socket://HOST:PORT" or "rfc2217://HOST:PORT"; port 0 takes any free.

    Raises:
        LinkError: the port cannot be had.
    """
    if listen == "pty":
        wire = _PtyWire()
        ready(wire.name)
        answer_all(wire, answer)
        return
    parts = urlsplit(listen)
    wires = {"socket": SocketWire, "rfc2217": Rfc2217Wire}
    try:
        kind, address = wires[parts.scheme], (parts.hostname or "127.0.0.1", parts.port or 0)
        server = socket.create_server(address)
    except (KeyError, ValueError, OSError) as error:
        raise LinkError(
            f"cannot listen on {listen!r}: {error}. Give pty, socket://HOST:PORT or "
            "rfc2217://HOST:PORT with a free port"
        ) from error
    with server:
        host, port = server.getsockname()[:2]
        ready(f"{parts.scheme}://{host}:{port}")
        for connection in _clients(server):
            with connection, contextlib.suppress(OSError):
                answer_all(kind(connection), answer)


def _clients(server: socket.socket) -> Iterator[socket.socket]:
    """One client after the other: a scanner has one cable."""
    while True:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


class _PtyWire:
    """The master side of a pty. Both sides stay open, so that clients may come and go."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.name = os.ttyname(slave)

    def read(self) -> bytes:
        return os.read(self._master, _CHUNK)

    def write(self, data: bytes) -> None:
        # Blocks while nobody reads; the next client drops what is left of an old answer.
        left = memoryview(data)
        while left:
            left = left[os.write(self._master, left) :]


class SocketWire:
    """A TCP connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self) -> bytes:
        """See `Wire.read`."""
        return self._connection.recv(_CHUNK)

    def write(self, data: bytes) -> None:
        """See `Wire.write`."""
        self._connection.sendall(data)


class Rfc2217Wire(SocketWire):
    """The access server's side of RFC 2217; the settings go to a port that is only a loop."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        loop: Any = serial.serial_for_url("loop://")
        # The manager's own answers go out as they are, ours with its escapes.
        raw: Any = SocketWire(connection)
        self._manager = serial.rfc2217.PortManager(loop, raw)

    def read(self) -> bytes:
        while data := super().read():
            plain = b"".join(self._manager.filter(data))
            if plain:
                return plain
        return b""

    def write(self, data: bytes) -> None:
        super().write(data.replace(_IAC, _IAC + _IAC))
