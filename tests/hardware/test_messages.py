"""Payloads: what is not one is refused in words, never half understood."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import messages
from hardware.errors import ProtocolError

UNPACKERS: list[Callable[[bytes], object]] = [
    messages.Hello.unpack,
    messages.Status.unpack,
    messages.FeedReply.unpack,
    messages.BlockRequest.unpack,
    messages.LastToken.unpack,
    messages.ErrorReply.unpack,
    messages.Event.unpack,
    messages.unpack_token,
]


@pytest.mark.parametrize("unpack", UNPACKERS)
@given(payload=st.binary(max_size=200))
def test_any_bytes_are_understood_whole_or_refused(
    unpack: Callable[[bytes], object], payload: bytes
) -> None:
    try:
        message = unpack(payload)
    except ProtocolError:
        return
    pack = getattr(message, "pack", None)
    assert (pack() if pack else message) == payload
