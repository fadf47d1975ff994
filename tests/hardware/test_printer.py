"""Tapes as a printer gets them, and as a person sees them."""

from __future__ import annotations

import os
import threading
import tty
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hardware.errors import HardwareError
from hardware.printer import PrinterError, open_printer
from hardware.tape_image import (
    LINE_DOTS,
    TAPE_CHARACTERS,
    TAPE_DOTS,
    TapeError,
    lines_image,
    read_tape,
    save_tape_png,
)

LINES = ["НӨЛДІК ТАСПА", "Әә Ғғ Ққ Ңң Өө Ұұ Үү Һһ Іі", "Жәшік бос ......................0"]


def ink(image: Image.Image) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    return ~np.asarray(image, dtype=bool)


def test_a_file_gets_what_a_port_gets(tmp_path: Path) -> None:
    target = tmp_path / "tapes" / "tape.bin"
    printer = open_printer(str(target))
    printer.print_lines(LINES)
    printer.cut()
    printer.close()
    expected = target.read_bytes()

    master, slave = os.openpty()
    tty.setraw(slave)
    got = bytearray()
    reader = threading.Thread(target=lambda: read_all(master, got, len(expected)))
    reader.start()
    port = open_printer(f"{os.ttyname(slave)}?status=off")
    port.print_lines(LINES)
    port.cut()
    reader.join(10)
    port.close()
    assert bytes(got) == expected
    os.close(master)
    os.close(slave)


def read_all(master: int, got: bytearray, length: int) -> None:
    while len(got) < length:
        got += os.read(master, 65_536)


def test_the_bytes_give_the_picture_of_the_lines(tmp_path: Path) -> None:
    target = tmp_path / "tape.bin"
    printer = open_printer(str(target))
    for _ in range(2):  # a second tape is added to the first
        printer.print_lines(LINES)
        printer.cut()
    paper = ink(read_tape(target.read_bytes()))
    wanted = ink(lines_image(LINES))
    assert paper.shape[1] == TAPE_DOTS
    assert (paper[: wanted.shape[0]] == wanted).all()
    half = paper.shape[0] // 2
    assert (paper[half : half + wanted.shape[0]] == wanted).all()
    save_tape_png(target, tmp_path / "tape.png")
    with Image.open(tmp_path / "tape.png") as png:
        assert png.size == (TAPE_DOTS, paper.shape[0])


def test_long_tapes_are_whole(tmp_path: Path) -> None:
    lines = [f"{n:03d} {'.' * 30}{n:>8}" for n in range(200)]
    printer = open_printer(str(tmp_path / "tape.bin"))
    printer.print_lines(lines)
    paper = ink(read_tape((tmp_path / "tape.bin").read_bytes()))
    assert (paper[: 200 * LINE_DOTS] == ink(lines_image(lines))).all()


@pytest.mark.parametrize("letter", "ӘәҒғҚқҢңӨөҰұҮүҺһІіЁё№«»–")
def test_each_letter_is_drawn_and_is_no_missing_sign(letter: str) -> None:
    missing = ink(lines_image(["\U0010fffd"]))
    drawn = ink(lines_image([letter]))
    assert drawn.any()
    assert not (drawn == missing).all()


def test_a_full_line_fits_the_paper() -> None:
    dots = ink(lines_image(["W" * TAPE_CHARACTERS]))
    assert not dots[:, :3].any()
    assert not dots[:, -3:].any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_text_prints(lines: list[str]) -> None:
    image = lines_image(lines)
    assert image.size == (TAPE_DOTS, max(1, LINE_DOTS * len(lines)))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_paper_or_a_clear_error(data: bytes) -> None:
    try:
        width = read_tape(data).width
    except TapeError as error:
        width = TAPE_DOTS if str(error).startswith("byte ") else 0
    assert width == TAPE_DOTS


def test_a_full_disk_is_told() -> None:
    printer = open_printer("/dev/full")
    with pytest.raises(PrinterError, match="No space left"):
        printer.print_lines(LINES)


def test_a_folder_is_no_tape(tmp_path: Path) -> None:
    with pytest.raises(PrinterError, match="cannot be written"):
        open_printer(str(tmp_path))


def test_a_printer_that_is_gone_is_told() -> None:
    master, slave = os.openpty()
    printer = open_printer(os.ttyname(slave))
    os.close(master)
    os.close(slave)
    with pytest.raises(HardwareError, match="broke"):
        printer.print_lines(LINES)
