"""Serial ports of this machine, and the one that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from serial.tools import list_ports as system_ports

from hardware.errors import LinkError

#: What a lister gives: pyserial's `ListPortInfo` objects.
Lister = Callable[[], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class PortInfo:
    """One port. `vid` and `pid` are the USB vendor and product (0–65535), None elsewhere;
    texts are None where the system knows none."""

    device: str
    description: str | None
    manufacturer: str | None
    product: str | None
    vid: int | None
    pid: int | None
    serial_number: str | None
    location: str | None


def list_ports(lister: Lister = system_ports.comports) -> tuple[PortInfo, ...]:
    """The serial ports there are now, in order of their names; `lister` asks the system."""
    found = (
        PortInfo(
            device=port.device,
            description=_text(port.description),
            manufacturer=_text(port.manufacturer),
            product=_text(port.product),
            vid=port.vid,
            pid=port.pid,
            serial_number=_text(port.serial_number),
            location=_text(port.location),
        )
        for port in lister()
    )
    return tuple(sorted(found, key=lambda port: port.device))


def find_port(
    *,
    vid: int | None = None,
    pid: int | None = None,
    serial_number: str | None = None,
    lister: Lister = system_ports.comports,
) -> PortInfo:
    """The one port with this USB vendor, product and serial number, as far as given.

    Raises:
        LinkError: none fits, or several do.
    """
    ports = list_ports(lister)
    fit = [
        port
        for port in ports
        if vid in (None, port.vid)
        and pid in (None, port.pid)
        and serial_number in (None, port.serial_number)
    ]
    if len(fit) == 1:
        return fit[0]
    wanted = f"{_hex(vid)}:{_hex(pid)}" + (f" serial {serial_number}" if serial_number else "")
    if not fit:
        raise LinkError(
            f"no serial port is USB {wanted}; {len(ports)} ports are there. Plug it in, or see "
            "`ballotbench devices`"
        )
    names = ", ".join(port.device for port in fit)
    raise LinkError(f"several serial ports are USB {wanted}: {names}. Give a serial number too")


def _hex(number: int | None) -> str:
    return "any" if number is None else f"{number:04x}"


def _text(value: str | None) -> str | None:
    """pyserial says "n/a" where it knows nothing."""
    return value if value and value != "n/a" else None
