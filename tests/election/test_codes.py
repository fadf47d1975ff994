"""The page code: what goes in comes out, and nothing damaged comes out as something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from election.codes import (
    CODE_BITS,
    KINDS,
    TEXT_LENGTH,
    PageCode,
    decode_bits,
    decode_text,
    encode_bits,
    encode_text,
    page_code,
)
from election.errors import CodeError
from election.model import Election

codes = st.builds(
    PageCode,
    election_hash10=st.binary(min_size=10, max_size=10),
    style_index=st.integers(0, 2**13 - 1),
    precinct_index=st.integers(0, 2**14 - 1),
    page=st.integers(1, 15),
    kind=st.sampled_from(KINDS),
    languages=st.integers(0, 7),
)


@given(codes)
def test_round_trips(code: PageCode) -> None:
    assert decode_bits(encode_bits(code)) == code
    assert decode_text(encode_text(code)) == code


def test_known_vector() -> None:
    """Worked by hand from the table in the module, so that other readers can be written."""
    code = PageCode(bytes(range(10)), 1, 2, 1, "test", 0b101)
    bits = encode_bits(code)
    assert len(bits) == CODE_BITS == 148
    fields = "0000000000001" + "00000000000010" + "0001" + "01" + "101"
    assert "".join(map(str, bits[80:116])) == fields
    assert bits[:16] == (0,) * 15 + (1,)
    text = encode_text(code)
    assert len(text) == TEXT_LENGTH == 42
    assert text[:34] == "BB1:" + "00010203040506070809" + f"{int(fields + '0000', 2):010X}"


@given(codes, st.data())
def test_any_three_wrong_marks_are_noticed(code: PageCode, data: st.DataObject) -> None:
    """CRC-32 finds every error of up to three bits at this length."""
    bits = list(encode_bits(code))
    for place in data.draw(st.sets(st.integers(0, CODE_BITS - 1), min_size=1, max_size=3)):
        bits[place] ^= 1
    with pytest.raises(CodeError):
        decode_bits(bits)


@given(st.text(max_size=60))
def test_foreign_qr_text_is_refused(text: str) -> None:
    with pytest.raises(CodeError):
        decode_text(text)


@pytest.mark.parametrize("bits", [[], [0] * 147, [1] * 148, [0] * 148])
def test_wrong_bits_are_refused(bits: list[int]) -> None:
    with pytest.raises(CodeError):
        decode_bits(bits)


def test_text_is_upper_case_hex_only() -> None:
    text = encode_text(PageCode(bytes(10), 0, 0, 1, "official", 1))
    for damaged in (text.lower(), text + "0", text[:-1], text[:-1] + "g", "BB2:" + text[4:]):
        with pytest.raises(CodeError):
            decode_text(damaged)


@pytest.mark.parametrize(
    ("field", "value"), [("style_index", 8192), ("precinct_index", -1), ("page", 0), ("page", 16)]
)
def test_a_field_that_does_not_fit_is_named(field: str, value: int) -> None:
    values = {"style_index": 0, "precinct_index": 0, "page": 1, field: value}
    code = PageCode(bytes(10), kind="official", languages=1, **values)
    with pytest.raises(CodeError, match=field.split("_")[0]):
        encode_bits(code)


def test_page_code_of_an_election(kz: Election) -> None:
    code = page_code(kz, "smd-1", 1, "test", "P-102")
    assert code.election_hash10.hex() == kz.hash[:20]
    assert (code.style_index, code.precinct_index, code.languages) == (1, 2, 0b111)
    assert page_code(kz, "list", 1).precinct_index == 0
    with pytest.raises(CodeError, match="no-such"):
        page_code(kz, "list", 1, precinct_id="no-such")
    with pytest.raises(CodeError, match="no-such"):
        page_code(kz, "no-such", 1)
