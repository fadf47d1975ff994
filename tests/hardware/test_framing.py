"""Frames survive the line, and noise never becomes a frame."""

from __future__ import annotations

import os
import pty

from hypothesis import given
from hypothesis import strategies as st

from hardware.framing import Frame, FrameReader, encode_frame
from hardware.stream import SerialStream

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
