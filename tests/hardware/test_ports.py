"""The list of ports, from pyserial's own records."""

from __future__ import annotations

import pytest
from serial.tools.list_ports_common import ListPortInfo

from hardware.errors import LinkError
from hardware.ports import find_port, list_ports


def port(device: str, vid: int | None = None, serial: str | None = None) -> ListPortInfo:
    info = ListPortInfo(device)
    info.vid, info.pid, info.serial_number = vid, (None if vid is None else 0x0042), serial
    return info


def lister() -> list[ListPortInfo]:
    return [
        port("/dev/ttyUSB1", 0x0403, "B"),
        port("/dev/ttyUSB0", 0x0403, "A"),
        port("/dev/ttyS0"),
    ]


def test_ports_are_listed_by_name_with_their_usb_numbers() -> None:
    ports = list_ports(lister)
    assert [p.device for p in ports] == ["/dev/ttyS0", "/dev/ttyUSB0", "/dev/ttyUSB1"]
    assert (ports[0].vid, ports[0].description) == (None, None)  # pyserial's "n/a"
    assert (ports[1].vid, ports[1].pid, ports[1].serial_number) == (0x0403, 0x0042, "A")


def test_the_system_s_own_list_is_taken() -> None:
    assert all(p.device for p in list_ports())


def test_the_wanted_port_is_found_or_the_reason_told() -> None:
    assert find_port(vid=0x0403, serial_number="B", lister=lister).device == "/dev/ttyUSB1"
    with pytest.raises(LinkError, match=r"several .*0403:any: /dev/ttyUSB0, /dev/ttyUSB1"):
        find_port(vid=0x0403, lister=lister)
    with pytest.raises(LinkError, match="no serial port is USB 1234:any; 3 ports"):
        find_port(vid=0x1234, lister=lister)
