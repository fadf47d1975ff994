"""Frames survive the line, and noise never becomes a frame."""

from __future__ import annotations

import os
import pty

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.framing import DELIMITER, MAX_ENCODED, Frame, FrameReader, encode_frame
from hardware.stream import SerialStream
from tests.hardware import fuzz_frames

frames = st.builds(
    Frame,
    type=st.integers(0, 255),
    sequence=st.integers(0, 65_535),
    payload=st.binary(max_size=600),
)


def test_a_frame_on_the_wire() -> None:
    # COBS by its rule; the CRC-32 of 01 05 00 02 61 62 as gzip's trailer has it: 6ea0738a.
    assert encode_frame(Frame(5, 2, b"ab")).hex() == "030105080261626ea0738a00"


@given(st.lists(frames, max_size=5), st.integers(1, 50))
def test_frames_cut_anywhere_come_out_whole(sent: list[Frame], step: int) -> None:
    wire = b"".join(encode_frame(f) for f in sent)
    reader = FrameReader()
    got = [f for i in range(0, len(wire), step) for f in reader.feed(wire[i : i + step])]
    assert got == sent
    assert reader.damaged == 0


@given(st.binary(max_size=300), frames)
def test_a_frame_after_noise_is_found(noise: bytes, sent: Frame) -> None:
    reader = FrameReader()
    assert reader.feed(noise + b"\x00" + encode_frame(sent))[-1] == sent


@given(frames, st.data())
def test_a_flipped_bit_never_gives_a_wrong_frame(sent: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode_frame(sent))
    bit = data.draw(st.integers(0, len(wire) * 8 - 1))
    wire[bit // 8] ^= 1 << (bit % 8)
    assert all(f == sent for f in FrameReader().feed(bytes(wire) + b"\x00"))


def test_a_frame_crosses_a_real_pty() -> None:
    host, device = pty.openpty()
    stream = SerialStream(os.ttyname(device))
    try:
        sent = Frame(1, 7, bytes(range(256)))
        os.write(host, encode_frame(sent))
        reader = FrameReader()
        got: list[Frame] = []
        for _ in range(50):
            got += reader.feed(stream.read(0.1))
            if got:
                break
        assert got == [sent]
        stream.write(encode_frame(sent))
        assert FrameReader().feed(os.read(host, 4096)) == [sent]
    finally:
        stream.close()
        os.close(host)
        os.close(device)


@given(st.lists(st.binary(max_size=400), max_size=30), st.integers(1, 300))
def test_any_bytes_leave_the_reader_bounded_and_alive(pieces: list[bytes], times: int) -> None:
    reader = FrameReader()
    for piece in pieces:
        reader.feed(piece * times)
        assert reader.pending <= MAX_ENCODED
    good = Frame(2, 9)
    assert reader.feed(DELIMITER + encode_frame(good))[-1:] == [good]


def test_hurt_and_random_inputs_are_dropped_in_little_memory() -> None:
    """The small version of `make soak`'s million."""
    result = fuzz_frames.fuzz(4000, seed=11)
    assert fuzz_frames.wrong(result) == []
    assert result.damaged > 1000
    assert result.frames > 20


def test_what_the_fuzz_run_looks_for_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    bad = fuzz_frames.Result(forged=1, most_pending=MAX_ENCODED + 1, peak_bytes=10**9)
    assert len(fuzz_frames.wrong(bad)) == 3
    assert fuzz_frames.main(["--inputs", "50"]) == 0
    assert capsys.readouterr().out.startswith("50 inputs")
