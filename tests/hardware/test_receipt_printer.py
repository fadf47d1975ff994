"""A receipt printer as a process, and the driver that believes only what it confirms."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hardware.errors import HardwareError, LinkError
from hardware.printer import PrinterError, ReceiptPrinter, open_printer
from hardware.printer_status import PrinterStatus, StatusLine, Trouble, parse
from hardware.simulated.peer import PeerProcess, start_peer
from hardware.simulated.printer import PrinterSettings, SimulatedPrinter
from hardware.tape_format import TAPE_58, TAPE_80
from hardware.tape_image import LINE_DOTS, lines_image

LINES = [f"{n:02} Әә Ғғ Ққ Ңң Өө Ұұ Үү Һһ Іі" for n in range(12)]
#: What `LINES` take, mm.
LINES_MM = 12 * LINE_DOTS / 8


@pytest.fixture
def started(tmp_path: Path) -> Callable[..., PeerProcess]:
    return lambda *options, listen="pty": start_peer(
        "printer", tmp_path / "c", "--tapes", tmp_path / "tapes", "--mm-s", "0", *options,
        listen=listen,
    )  # fmt: skip


def ink(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    with Image.open(path) as image:
        return ~np.asarray(image, dtype=bool)


@pytest.mark.parametrize("kind", ["pty", "socket", "rfc2217", "spy"])
def test_a_tape_is_on_paper_when_print_returns(
    started: Callable[..., PeerProcess], tmp_path: Path, kind: str
) -> None:
    listen = "pty" if kind in ("pty", "spy") else f"{kind}://127.0.0.1:0"
    with started(listen=listen) as machine:
        port = f"spy://{machine.url}?file={tmp_path / 'spy'}" if kind == "spy" else machine.url
        printer = open_printer(port)
        status = printer.status()
        assert status == PrinterStatus(False, False, False, False, False)
        printer.print_lines(LINES)
        assert machine.do("info")["printed_mm"] == LINES_MM
        printer.cut()
        assert machine.do("info")["tapes"] == 1
        printer.close()
    tape = ink(tmp_path / "tapes" / "tape-0001.png")
    wanted = ~np.asarray(lines_image(LINES), dtype=bool)
    assert tape.shape[1] == TAPE_80.dots
    assert (tape[: len(wanted)] == wanted).all()
    assert not tape[len(wanted) :].any()


def test_paper_that_ends_in_the_tape_is_named_and_the_tape_printed_whole_again(
    started: Callable[..., PeerProcess], tmp_path: Path
) -> None:
    with started("--paper-mm", "30") as machine:
        printer = open_printer(machine.url)
        with pytest.raises(PrinterError, match=r"out of paper\. Put in a roll") as failed:
            printer.print_lines(LINES)
        assert failed.value.trouble is Trouble.PAPER_OUT
        assert machine.do("info")["printed_mm"] == 30
        # Asked again with nothing put right: refused before a dot is printed.
        with pytest.raises(PrinterError, match="out of paper"):
            printer.print_lines(LINES)
        machine.do("paper", mm=1000)
        printer.print_lines(LINES)
        printer.cut()
    tape = ink(tmp_path / "tapes" / "tape-0001.png")
    wanted = ~np.asarray(lines_image(LINES), dtype=bool)
    # What the broken job left is above; the whole tape is below it.
    tops = [top for top in range(len(tape) - len(wanted)) if (tape[top] == wanted[0]).all()]
    assert any((tape[top : top + len(wanted)] == wanted).all() for top in tops)


@pytest.mark.parametrize(
    ("command", "argument", "trouble", "words"),
    [
        ("cover", {"is_open": True}, Trouble.COVER_OPEN, "cover open. Close it"),
        ("paper", {"mm": 0}, Trouble.PAPER_OUT, "out of paper"),
    ],
)
def test_trouble_before_printing(
    started: Callable[..., PeerProcess],
    command: str,
    argument: dict[str, object],
    trouble: Trouble,
    words: str,
) -> None:
    with started() as machine:
        machine.do(command, **argument)
        printer = open_printer(machine.url)
        with pytest.raises(PrinterError, match=words) as failed:
            printer.print_lines(LINES)
        assert failed.value.trouble is trouble
        assert machine.do("info")["printed_mm"] == 0


def test_a_knife_that_sticks_is_no_whole_tape(started: Callable[..., PeerProcess]) -> None:
    with started() as machine:
        machine.do("knife", stuck=True)
        printer = open_printer(machine.url)
        printer.print_lines(LINES)
        with pytest.raises(PrinterError, match="cutter") as failed:
            printer.cut()
        assert failed.value.trouble is Trouble.ERROR
        machine.do("knife", stuck=False)
        printer.print_lines(LINES)
        printer.cut()
        assert machine.do("info")["tapes"] == 2


def test_the_end_of_the_roll_is_seen_coming(started: Callable[..., PeerProcess]) -> None:
    with started("--paper-mm", "1500", "--near-end-mm", "1490") as machine:
        printer = open_printer(machine.url)
        status = printer.status()
        assert status is not None
        assert not status.paper_near_end
        printer.print_lines(LINES)
        status = printer.status()
        assert status is not None
        assert status.paper_near_end
        assert status.trouble is None
        printer.cut()


def test_a_killed_printer_is_told(started: Callable[..., PeerProcess]) -> None:
    with started() as machine:
        printer = open_printer(machine.url)
        printer.print_lines(LINES)
        machine.kill()
        with pytest.raises(HardwareError):
            printer.cut()


@pytest.mark.parametrize("kind", ["pty", "socket"])
def test_a_cable_that_is_pulled_is_told_and_its_port_found_again(
    started: Callable[..., PeerProcess], tmp_path: Path, kind: str
) -> None:
    """In the middle of a tape; the same printer object prints the whole when it is back."""
    with started(listen="pty" if kind == "pty" else "socket://127.0.0.1:0") as machine:
        printer = open_printer(machine.url)
        printer.print_lines(LINES[:3])
        machine.do("unplug", for_s=1.0)
        with pytest.raises(HardwareError):
            printer.print_lines(LINES)
        with pytest.raises(HardwareError):
            printer.status()
        # It is back after a second: some twenty tries find no port, then one must do.
        for _ in range(40):
            with suppress(HardwareError):
                printer.print_lines(LINES)
                printer.cut()
                break
            time.sleep(0.05)
        else:
            pytest.fail("it printed nothing any more")
        printer.close()
    tape = ink(tmp_path / "tapes" / "tape-0001.png")
    wanted = ~np.asarray(lines_image(LINES), dtype=bool)
    tops = range(len(tape) - len(wanted) + 1)
    assert any((tape[top : top + len(wanted)] == wanted).all() for top in tops)


def test_a_printer_that_never_answers_is_refused_and_may_be_said_to_be_one_way(
    started: Callable[..., PeerProcess],
) -> None:
    with started() as machine:
        printer = open_printer(machine.url)
        machine.do("stuck", for_s=60)
        with pytest.raises(PrinterError, match=r"does not answer.*\?status=off") as failed:
            printer.print_lines(LINES)
        assert failed.value.trouble is Trouble.NO_ANSWER
        printer.close()
        machine.do("stuck", for_s=0)
        one_way = open_printer(f"{machine.url}?status=off")
        assert one_way.status() is None
        one_way.print_lines(LINES)


def test_a_narrow_roll(tmp_path: Path) -> None:
    options = ("--tapes", tmp_path / "tapes", "--mm-s", "0", "--width", "58mm")
    with start_peer("printer", tmp_path / "c", *options) as machine:
        printer = open_printer(machine.url, TAPE_58)
        printer.print_code("BALLOTBENCH", "A CODE")
        printer.cut()
    assert ink(tmp_path / "tapes" / "tape-0001.png").shape[1] == TAPE_58.dots


# --- without a process: every byte ---------------------------------------------------------


class Wire:
    """A printer's end in this process, with the driver's clock: time passes as it reads."""

    baudrate = 38_400

    def __init__(self, printer: SimulatedPrinter) -> None:
        self.printer, self.now_s, self._answers = printer, 0.0, b""

    def clock(self) -> float:
        return self.now_s

    def write(self, data: bytes) -> None:
        self._answers += self.printer.receive(data, self.now_s)

    def read(self, timeout_s: float) -> bytes:
        if not self._answers:
            self.now_s += max(timeout_s, 0.0)
        self._answers += self.printer.tick(self.now_s)
        data, self._answers = self._answers, b""
        return data

    def close(self) -> None:
        pass


def test_what_a_printer_tells_unasked_is_never_taken_for_an_answer(tmp_path: Path) -> None:
    """Its cover is opened and closed while nothing is printed, and again while it prints."""
    wire, printer = in_process(tmp_path, mm_s=0, tells=True)
    wire.printer.cover(is_open=True)
    told = wire.printer.tick(0.0)
    assert told[0] & 0x93 == 0x10
    # The other three, alone, would pass for the answer that all is on paper.
    assert all(byte & 0x90 == 0 for byte in told[1:])
    wire.printer.cover(is_open=False)
    told += wire.printer.tick(0.0)
    assert len(told) == 8
    for cut in range(len(told) + 1):
        line = StatusLine(wire, "here", wire.clock)
        wire._answers = told[:cut]
        assert line._read(0.1) == b""
        wire._answers = told[cut:] + b"\x00"
        assert line._read(0.1) == b"\x00"
    printer.print_lines(LINES)
    wire.printer.cover(is_open=True)
    with pytest.raises(PrinterError, match="cover open"):
        printer.print_lines(LINES)
    assert wire.printer.info()["printed_mm"] == LINES_MM


def in_process(folder: Path, **settings: float) -> tuple[Wire, ReceiptPrinter]:
    wire = Wire(SimulatedPrinter(PrinterSettings(folder, **settings)))
    return wire, ReceiptPrinter(wire, line=StatusLine(wire, "here", wire.clock))


def test_a_picture_that_holds_the_bytes_of_a_question_confuses_nobody(tmp_path: Path) -> None:
    # 0x10 0x04 0x04 side by side in each row: a real serial printer answers that, too.
    rows = np.zeros((200, TAPE_80.dots), dtype=bool)
    rows[:, [3, 13, 21]] = True
    picture = Image.fromarray(~rows)
    wire, printer = in_process(tmp_path)
    printer._print(picture)
    printer.cut()
    assert (ink(tmp_path / "tape-0001.png")[:200] == rows).all()
    # With its cover open it answers as many, and is still understood.
    wire.printer.cover(is_open=True)
    with pytest.raises(PrinterError, match="cover open"):
        printer._print(picture)


def test_a_slow_printer_is_waited_for(tmp_path: Path) -> None:
    wire, printer = in_process(tmp_path, mm_s=25.0)
    printer.print_lines(LINES)
    printer.cut()
    assert wire.printer.info()["tapes"] == 1
    assert wire.now_s > LINES_MM / 25


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 100), st.floats(0, 1), st.booleans())
def test_wherever_the_paper_ends_the_tape_is_whole_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, paper_mm: float, near: float, tells: bool
) -> None:
    """Also of a printer that tells its changes unasked, in bytes that look like answers."""
    folder = tmp_path_factory.mktemp("tapes")
    wire, printer = in_process(
        folder, paper_mm=paper_mm, near_end_mm=near * paper_mm, mm_s=0, tells=tells
    )
    failed = None
    try:
        printer.print_lines(LINES)
        printer.cut()
    except PrinterError as error:
        failed = error.trouble
    if failed is None:
        wanted = ~np.asarray(lines_image(LINES), dtype=bool)
        assert (ink(folder / "tape-0001.png")[: len(wanted)] == wanted).all()
    else:
        assert failed is Trouble.PAPER_OUT
        assert wire.printer.info()["paper_mm"] == 0


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=6))
def test_any_answer_is_a_status_or_refused_by_its_byte(data: bytes) -> None:
    if len(data) == 4 and all(byte & 0x93 == 0x12 for byte in data):
        status = parse(data)
        ready = data[0] & 0x08 == data[1] & 0x64 == data[2] & 0x6C == data[3] & 0x60 == 0
        assert (status.trouble is None) is ready
    else:
        with pytest.raises(PrinterError, match=r"^(byte [0-3]: 0x|\d bytes are no answer)"):
            parse(data)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_leave_the_simulated_printer_in_order(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    printer = SimulatedPrinter(PrinterSettings(tmp_path_factory.mktemp("tapes"), mm_s=0))
    for part in parts:
        for answer in printer.receive(part, 1.0):
            assert answer & 0x93 == 0x12 or answer & 0x90 == 0
    info = printer.info()
    assert info["waiting_bytes"] <= sum(map(len, parts))
    printer.tear()
    assert printer.info()["waiting_bytes"] == 0


def test_a_file_is_not_asked(tmp_path: Path) -> None:
    assert open_printer(str(tmp_path / "tape.bin")).status() is None
    with pytest.raises(LinkError, match=r"option 'status=on'"):
        open_printer("/dev/ptmx?status=on")
