"""A port as people write it: USB numbers, speeds, flow control, URLs of pyserial."""

from __future__ import annotations

import os
import termios
from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from hardware.address import PortAddress, parse_port
from hardware.errors import LinkError
from hardware.feeder import SerialFeeder, open_feeder
from hardware.link import LinkTiming
from hardware.printer import open_printer
from hardware.simulated import start_simulated_scanner
from hardware.stream import SerialStream


def lister(*devices: str) -> list[ListPortInfo]:
    found = []
    for device in devices:
        info = ListPortInfo(device)
        info.vid, info.pid, info.serial_number = 0x0403, 0x6001, "A5"
        found.append(info)
    return found


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/dev/ttyUSB0", PortAddress("/dev/ttyUSB0")),
        ("COM3?baud=9600", PortAddress("COM3", 9600)),
        ("usb:0403:6001?rtscts=1&baud=921600", PortAddress("usb:0403:6001", 921_600, True)),
        ("socket://127.0.0.1:7001", PortAddress("socket://127.0.0.1:7001")),
        ("spy:///dev/ttyS0?file=a.txt&baud=300", PortAddress("spy:///dev/ttyS0?file=a.txt", 300)),
        ("rfc2217://h:1?rtscts=0&timeout=9", PortAddress("rfc2217://h:1?timeout=9")),
    ],
)
def test_a_port_is_taken_apart(text: str, address: PortAddress) -> None:
    assert parse_port(text) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("COM3?baud=fast", "has the speed 'fast'"),
        ("COM3?baud=0", "has the speed '0'"),
        ("COM3?rtscts=yes", "has the option 'rtscts=yes'"),
        ("socket://h:1?rtscts=2", "has the option 'rtscts=2'"),
        ("/dev/ttyS0?bauds=3", "has the option 'bauds=3'"),
        ("usb:0403", "is not usb:VID:PID"),
        ("usb:0403:600g", "is not usb:VID:PID"),
    ],
)
def test_what_is_no_port_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(LinkError, match=words):
        parse_port(text)


def test_speed_and_flow_control_reach_the_port() -> None:
    master, slave = os.openpty()
    try:
        stream = SerialStream(f"{os.ttyname(slave)}?baud=57600&rtscts=1")
        flags, speed = termios.tcgetattr(slave)[2], termios.tcgetattr(slave)[4]
        assert flags & termios.CRTSCTS
        assert speed == termios.B57600
        assert stream.baudrate == 57_600
        stream.close()
        plain = SerialStream(os.ttyname(slave))
        assert not termios.tcgetattr(slave)[2] & termios.CRTSCTS
        assert termios.tcgetattr(slave)[4] == termios.B115200
        plain.close()
    finally:
        os.close(slave)
        os.close(master)


def test_a_slow_line_has_shorter_blocks_and_longer_waits() -> None:
    assert LinkTiming.at(115_200) == LinkTiming()
    assert LinkTiming.at(921_600) == LinkTiming()
    slow = LinkTiming.at(9_600)
    assert slow.block_bytes == 5_184
    # A longest short reply fits the wait, a block the wait for a block.
    assert slow.reply_s > 1 + 300 * 10 / 9_600 - 0.1
    assert LinkTiming.at(300).block_bytes == 320
    assert LinkTiming.at(300).block_s > 320 * 10 / 300


def test_a_usb_scanner_is_found_again_under_another_name(deck: Path, tmp_path: Path) -> None:
    """Unplugged and plugged in elsewhere: the same numbers, another device."""
    there: list[str] = []
    port = "usb:0403:6001:A5"
    feeder = SerialFeeder(lambda: SerialStream(port, lister=lambda: lister(*there)))
    with pytest.raises(LinkError, match="no serial port is USB 0403:6001 serial A5"):
        feeder.status()
    with start_simulated_scanner(deck, state=tmp_path / "s") as scanner:
        there[:] = [scanner.url]
        first = feeder.feed()
        old, keep = scanner.url, os.open(scanner.url, os.O_RDWR | os.O_NOCTTY)
    there.clear()
    with pytest.raises(LinkError, match="broke"):
        feeder.status()
    with pytest.raises(LinkError, match="no serial port is USB"):
        feeder.status()
    with start_simulated_scanner(deck, state=tmp_path / "s") as scanner:
        assert scanner.url != old  # its old name is still taken
        os.close(keep)
        there[:] = [scanner.url]
        assert feeder.feed() == first
        there.append("/dev/ttyUSB9")
        feeder.close()
        with pytest.raises(LinkError, match="several serial ports are USB 0403:6001"):
            feeder.status()


@pytest.mark.parametrize("kind", ["pty", "spy", "socket", "rfc2217", "fast"])
def test_every_form_of_a_port_leads_to_the_scanner(deck: Path, tmp_path: Path, kind: str) -> None:
    listen = f"{kind}://127.0.0.1:0" if kind in ("socket", "rfc2217") else "pty"
    with start_simulated_scanner(deck, state=tmp_path / "s", listen=listen) as scanner:
        log = tmp_path / "spy.txt"
        port = {
            "spy": f"spy://{scanner.url}?file={log}&baud=9600",
            "fast": f"{scanner.url}?baud=1000000&rtscts=1",
            "rfc2217": f"{scanner.url}?baud=921600",
        }.get(kind, scanner.url)
        feeder = open_feeder(port)
        sheet = feeder.feed()
        feeder.close()
        assert sheet is not None
        assert sheet.images == ((deck / "1.jpg").read_bytes(),)
        assert log.exists() == (kind == "spy")


def test_a_printer_takes_the_same_ports() -> None:
    master, slave = os.openpty()
    try:
        printer = open_printer(f"{os.ttyname(slave)}?baud=19200&status=off")
        printer.cut()
        assert os.read(master, 64)
        assert termios.tcgetattr(slave)[4] == termios.B19200
        printer.close()
    finally:
        os.close(slave)
        os.close(master)
    with pytest.raises(LinkError, match="no serial port is USB 0001:0002"):
        open_printer("usb:0001:0002")
