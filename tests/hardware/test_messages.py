"""Payloads: what is not one is refused in words, never half understood."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import batch_messages, messages
from hardware.errors import ProtocolError
from hardware.interface import BatchState, Capabilities

UNPACKERS: list[Callable[[bytes], object]] = [
    messages.Hello.unpack,
    messages.Status.unpack,
    messages.FeedReply.unpack,
    messages.BlockRequest.unpack,
    messages.LastToken.unpack,
    messages.ErrorReply.unpack,
    messages.Event.unpack,
    messages.unpack_token,
    batch_messages.unpack_capabilities,
    batch_messages.BeginBatch.unpack,
    batch_messages.unpack_batch_id,
    batch_messages.unpack_batch_state,
    batch_messages.NextReply.unpack,
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
    if isinstance(message, Capabilities):
        payload = bytes([payload[0] & 7]) + payload[1:]  # bits that are not known say nothing
    assert packed(message) == payload


def packed(message: object) -> object:
    match message:
        case Capabilities():
            return batch_messages.pack_capabilities(message)
        case BatchState():
            return batch_messages.pack_batch_state(message)
        case str():
            return batch_messages.pack_batch_id(message)
    pack = getattr(message, "pack", None)
    return pack() if pack else message
