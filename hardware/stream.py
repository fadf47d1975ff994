"""Bytes to and from a port: a thin layer over pyserial that never blocks for long.

A port is written as in `hardware.address`: a device (`/dev/ttyUSB0`, `COM3`), a pty,
`usb:VID:PID:SERIAL`, or any URL of pyserial, with `?baud=…&rtscts=1` where it needs them.
"""

from __future__ import annotations

import io
import os
import select
from collections.abc import Mapping
from typing import Any, Protocol

import serial

from hardware.address import parse_port
from hardware.errors import LinkError
from hardware.ports import Lister

#: Ports without a file to wait on (rfc2217) are asked this often, in seconds.
_SLICE_S = 0.02

_CHUNK = 65_536

#: Speed of the scanner link where a port says no other, baud.
DEFAULT_BAUD = 115_200


class ByteStream(Protocol):
    """What the link needs of a port; `baudrate` is its speed."""

    baudrate: int

    def write(self, data: bytes) -> None:
        """Send all of `data`; raises LinkError."""
        ...

    def read(self, timeout_s: float) -> bytes:
        """Bytes as soon as there are any; b"" when none came in time; raises LinkError."""
        ...

    def close(self) -> None:
        """Release the port; never raises."""
        ...


class SerialStream:
    """A port opened through pyserial."""

    def __init__(
        self,
        port: str,
        *,
        baudrate: int = DEFAULT_BAUD,
        write_timeout_s: float = 5.0,
        lister: Lister | None = None,
        framing: Mapping[str, Any] | None = None,
    ) -> None:
        """Open the port for this program alone and drop what lay unread in it.

        Args:
            port: see `hardware.address`.
            baudrate: the speed where the port says none.
            write_timeout_s: a write that cannot go out breaks the link after so long.
            lister: asks the system for its USB ports.
            framing: pyserial's `bytesize`, `parity`, `stopbits`, `rtscts`, `xonxoff` where they
                are not 8-N-1 without flow control; the port's own `rtscts=1` goes before.

        Raises:
            LinkError: there is no such port, or it cannot be opened.
        """
        address = parse_port(port)
        self.url = url = address.url(lister)
        self.baudrate = address.baudrate or baudrate
        try:
            self._port = serial.serial_for_url(
                url,
                baudrate=self.baudrate,
                **{**(framing or {}), **({"rtscts": True} if address.rtscts else {})},
                timeout=_SLICE_S,
                exclusive=True,
                do_not_open=True,
            )
            self._port.open()
            self._fd = self._file()
            if self._fd is not None:
                self._port.timeout = 0
                # Not known to rfc2217; there the operating system's own limit holds.
                self._port.write_timeout = write_timeout_s
            # Of a port that is a file and no more, the bytes are taken without pyserial's own
            # waiting; spy:// wants to see them, a socket is no file everywhere.
            self._plain = os.name == "posix" and type(self._port) is serial.Serial
            self._port.reset_input_buffer()
        # TypeError, AttributeError: how pyserial takes a URL without a port number.
        except (OSError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
            raise LinkError(f"the port {url} cannot be opened: {error}") from error

    def write(self, data: bytes) -> None:
        """See `ByteStream.write`."""
        try:
            self._port.write(data)
        except (OSError, TypeError, AttributeError) as error:
            raise self._broken(error) from error

    def read(self, timeout_s: float) -> bytes:
        """See `ByteStream.read`."""
        try:
            if self._fd is not None:
                if not select.select([self._fd], [], [], max(timeout_s, 0.0))[0]:
                    return b""
                if not self._plain:
                    return bytes(self._port.read(_CHUNK))
                try:
                    data = os.read(self._fd, _CHUNK)
                except BlockingIOError:  # flushed since by the other side
                    return b""
                if not data:
                    raise OSError("the port says that there is something to read, and gives none")
                return data
            left_s = max(timeout_s, 0.0)
            while True:
                first = bytes(self._port.read(max(1, self._port.in_waiting)))
                left_s -= _SLICE_S
                if first or left_s <= 0:
                    return first
        # TypeError, AttributeError: pyserial's reading of a port closed under it.
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """See `ByteStream.close`."""
        try:
            self._port.close()
        except (OSError, TypeError, AttributeError):
            return

    def _file(self) -> int | None:
        try:
            return int(self._port.fileno())
        except (io.UnsupportedOperation, AttributeError):
            return None

    def _broken(self, error: Exception) -> LinkError:
        return LinkError(
            f"the link to {self.url} broke: {error}. Check the cable and that the machine is on"
        )


class ReopenedStream:
    """A port that broke is opened anew by its next use; the break itself is an error, once.

    For machines whose whole job is begun again after an error, as a tape is.
    """

    def __init__(self, port: str, *, baudrate: int = DEFAULT_BAUD) -> None:
        """Open the port, as `SerialStream`.

        Raises:
            LinkError: it cannot be opened.
        """
        self._port, self._speed = port, baudrate
        self._stream: SerialStream | None = SerialStream(port, baudrate=baudrate)
        self.baudrate, self.url = self._stream.baudrate, self._stream.url

    def write(self, data: bytes) -> None:
        """See `ByteStream.write`."""
        try:
            self._opened().write(data)
        except LinkError:
            self.close()
            raise

    def read(self, timeout_s: float) -> bytes:
        """See `ByteStream.read`."""
        try:
            return self._opened().read(timeout_s)
        except LinkError:
            self.close()
            raise

    def close(self) -> None:
        """See `ByteStream.close`."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _opened(self) -> SerialStream:
        if self._stream is None:
            self._stream = SerialStream(self._port, baudrate=self._speed)
        return self._stream
