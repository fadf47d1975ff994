"""The file of the open intention: found whole, or torn by a cut, or refused.

NVT-04, NVT-05.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.intention import SECTOR, IntentionFile, framed, unframed

#: JSON texts hold no control character.
TEXTS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=3000)


@given(TEXTS, st.integers(0, 3))
def test_what_is_written_is_read(text: str, sectors_behind: int) -> None:
    data = framed(text)
    assert len(data) % SECTOR == 0
    assert unframed(data + bytes(sectors_behind * SECTOR)) == text


@given(TEXTS, st.data())
def test_a_write_or_wipe_that_a_cut_tore_is_no_intention(text: str, draw: st.DataObject) -> None:
    """Whatever sectors did not get to the disk."""
    data = framed(text)
    sectors = len(data) // SECTOR
    missing = draw.draw(st.sets(st.integers(0, sectors - 1), min_size=1))
    torn = bytearray(data)
    for sector in missing:
        torn[sector * SECTOR : (sector + 1) * SECTOR] = bytes(SECTOR)
    assert unframed(bytes(torn)) is None


@given(TEXTS, st.data())
def test_a_changed_byte_is_refused(text: str, draw: st.DataObject) -> None:
    """Also of the length: longer than it is, it would look torn."""
    data = bytearray(framed(text) + bytes(4 * SECTOR))
    places = st.one_of(st.integers(0, 120), st.integers(0, len(data) - 1))
    data[draw.draw(places)] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="open intention"):
        unframed(bytes(data))


@pytest.mark.parametrize("at", range(108))
def test_no_byte_of_the_first_line_can_change(at: int) -> None:
    data = bytearray(framed("x" * 300) + bytes(40 * SECTOR))
    for value in range(256):
        if value != framed("x" * 300)[at]:
            data[at] = value
            with pytest.raises(ValueError, match="open intention"):
                unframed(bytes(data))


def test_the_file_has_its_room_before_it_is_used_and_grows_for_a_large_one(tmp_path: Path) -> None:
    path = tmp_path / "j-intention"
    file = IntentionFile(path)
    assert file.read() is None
    sizes = []
    for text in ("small", "x" * 100_000, "small again"):
        file.write(text)
        assert IntentionFile(path).read() == text
        sizes.append(path.stat().st_size)
        file.wipe()
        assert not any(path.read_bytes())
    assert sizes == [65536, 131072, 131072]
    file.write("open")
    file.close()
    left = IntentionFile(path)
    assert left.read() == "open"
    left.wipe()
    left.close()
    assert not path.exists()
