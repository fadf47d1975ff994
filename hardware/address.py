"""A port as people write it, the same in every command.

    /dev/ttyUSB0              a device (COM3 on Windows), a pty
    usb:0403:6001             the USB port with this vendor and product (VID:PID, hexadecimal)
    usb:0403:6001:A50285BI    and with this serial number
    socket://HOST:PORT        and every other URL of pyserial: rfc2217://, spy://, loop://

each with `?baud=N` and `&rtscts=1` behind it where the port is not at the usual settings.
pyserial's own options (`spy:///dev/ttyS0?file=log.txt&baud=9600`) stand beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from serial.tools.list_ports import comports

from hardware.errors import LinkError
from hardware.ports import Lister, find_port

_USB = re.compile(r"usb:([0-9a-f]{1,4}):([0-9a-f]{1,4})(?::(.+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PortAddress:
    """`name` is a device, a URL of pyserial, or `usb:…`; `baudrate` None: the usual one;
    `rtscts`: the lines RTS and CTS say when the other side may send."""

    name: str
    baudrate: int | None = None
    rtscts: bool = False

    def url(self, lister: Lister | None = None) -> str:
        """What pyserial takes; a USB port is looked for now, as it may have moved.

        Raises:
            LinkError: no such USB port, or several.
        """
        found = _USB.fullmatch(self.name)
        if found is None:
            return self.name
        return find_port(
            vid=int(found[1], 16),
            pid=int(found[2], 16),
            serial_number=found[3],
            lister=lister or comports,
        ).device

    @property
    def usb(self) -> bool:
        """Is it a USB port by its numbers?"""
        return _USB.fullmatch(self.name) is not None


def parse_port(text: str) -> PortAddress:
    """Take a port apart.

    Raises:
        LinkError: not in a form of this module's docstring.
    """
    name, _, query = text.partition("?")
    ours: dict[str, Any] = {}
    others: list[str] = []
    for option in filter(None, query.split("&")):
        key, _, value = option.partition("=")
        if key == "baud":
            ours["baudrate"] = _number(text, value)
        elif key == "rtscts" and value in ("0", "1"):
            ours["rtscts"] = value == "1"
        elif "://" in name and key != "rtscts":
            others.append(option)
        else:
            raise LinkError(
                f"the port {text} has the option {option!r}: give ?baud=NUMBER, ?rtscts=1, or "
                "both with & between them"
            )
    if name.lower().startswith("usb:") and not _USB.fullmatch(name):
        raise LinkError(
            f"the port {text} is not usb:VID:PID or usb:VID:PID:SERIAL with two hexadecimal "
            "numbers, as `ballotbench devices` shows them"
        )
    return PortAddress(name + ("?" + "&".join(others) if others else ""), **ours)


def _number(text: str, value: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", value):
        raise LinkError(f"the port {text} has the speed {value!r}: give a number, such as 115200")
    return int(value)
