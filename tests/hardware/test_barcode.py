"""A barcode reader as a process; scans, and lines that are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hardware.barcode import (
    MAX_SCAN,
    BadScan,
    BarcodeError,
    BarcodeReader,
    Scan,
    ScanReader,
    parse,
)
from hardware.errors import LinkError
from hardware.simulated.barcode import ENDINGS
from hardware.simulated.peer import start_peer

IIN = "850101300125"
TEXTS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="]"),
                min_size=1, max_size=40)  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("aim", ["", "]C0"])
def test_a_scan_comes_whatever_its_ending(tmp_path: Path, ending: str, aim: str) -> None:
    with start_peer("barcode", tmp_path / "c", "--ending", ending, "--aim", aim) as machine:
        reader = BarcodeReader(machine.url)
        machine.do("scan", text=IIN)
        assert reader.scan(5) == Scan(IIN, aim or None)
        assert reader.scan(0.05) is None
        reader.close()


def test_faults_of_a_reader(tmp_path: Path) -> None:
    with start_peer("barcode", tmp_path / "c") as machine:
        reader = BarcodeReader(machine.url, same_s=60)
        # A trigger that is held is one scan; another code is another.
        machine.do("scan", text=IIN, times=5)
        machine.do("scan", text="AC-1")
        assert [reader.scan(5), reader.scan(5)] == [Scan(IIN), Scan("AC-1")]
        assert reader.scan(0.05) is None
        machine.do("half", text=IIN)
        with pytest.raises(BarcodeError, match=r"byte 6: half a line.*Scan again"):
            reader.scan(5)
        machine.do("hurt", text=IIN)
        with pytest.raises(BarcodeError, match=r"byte 0: 0x80 is no printable"):
            reader.scan(5)
        # The half line never joins the next scan.
        machine.do("scan", text="AC-2")
        assert reader.scan(5) == Scan("AC-2")
        machine.kill()
        with pytest.raises(LinkError, match="broke"):
            reader.scan(5)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"123\r", [Scan("123")]),
        (b"123\r\n456\n", [Scan("123"), Scan("456")]),
        (b"\x02]Q3ABC\x03\r\n", [Scan("ABC", "]Q3")]),
        (b"]C0\r", []),
        (b"\r\r\n", []),
        (b"12", [BadScan("half a line: its ending did not come", 2)]),
        (b"12\x003\r9\r", [BadScan("0x00 is no printable character", 2), Scan("9")]),
        (b"12\x03", [BadScan("an ETX without its STX", 2)]),
        (b"\x02A\rB\x03C\r", [BadScan("0x0D is no printable character", 1), Scan("C")]),
        (b"\x02A\x02B\x03", [BadScan("half a line: its ending did not come", 1), Scan("B")]),
        (b"x" * (MAX_SCAN + 9) + b"\r", [BadScan(f"over {MAX_SCAN} bytes are no scan", MAX_SCAN)]),
    ],
)
def test_lines(data: bytes, found: Sequence[Scan | BadScan]) -> None:
    assert list(parse(data)) == list(found)


def test_the_same_again_later_is_another_scan() -> None:
    reader = ScanReader(same_s=1.0)
    assert list(reader.feed(b"1\r", 0.0)) == [Scan("1")]
    assert list(reader.feed(b"1\r", 0.9)) == []
    assert list(reader.feed(b"1\r", 1.8)) == []  # a trigger that is held
    assert list(reader.feed(b"1\r", 3.0)) == [Scan("1")]


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=6), st.sampled_from([b"\r", b"\n", b"\r\n"]), st.data())
def test_scans_do_not_depend_on_how_their_bytes_come(
    texts: list[str], ending: bytes, data: st.DataObject
) -> None:
    line = b"".join(text.encode() + ending for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(line)), max_size=5)))
    reader = ScanReader(same_s=-1)
    found = []
    for begin, end in zip([0, *cuts], [*cuts, len(line)], strict=True):
        found += list(reader.feed(line[begin:end], 0.0))
    assert found == [Scan(text) for text in texts]


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
@example(b"\x02" * 20)
def test_any_bytes_are_scans_or_refusals(data: bytes) -> None:
    for found in parse(data):
        if isinstance(found, Scan):
            assert found.text.isascii()
            assert found.text.isprintable()
        else:
            assert 0 <= found.byte <= len(data)
