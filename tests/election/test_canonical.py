"""The fast canonical form is RFC 8785's, as a library of the RFC writes it."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from election.canonical import canonical_bytes

NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_it_is_the_form_of_the_rfc(value: object) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_letters_of_every_kind_and_what_json_escapes() -> None:
    value = {"b": '"\\\b\f\n\r\t\x00\x1f\x7f\u2028 қазақ 𝄞', "a": [1, -5, True, None]}
    assert canonical_bytes(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_whole_numbers_that_the_rfc_cannot_hold_are_refused() -> None:
    for number in (2**53, -(2**53), 10**30):
        with pytest.raises(rfc8785.CanonicalizationError):
            canonical_bytes({"n": number})
    assert canonical_bytes({"t": "1" * 40}) == rfc8785.dumps({"t": "1" * 40})
