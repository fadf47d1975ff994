"""What is inside a slot's encrypted body, byte by byte, and the tree over it.

All integers are big-endian.

    0    32     salt key, drawn anew for every state
    32   4      n, number of records
    36   4      r, bytes of a record (`records.RecordForm`)
    40   4      s, places for records: a multiple of 256, at least n + 1
    44   4      d, length of the day document
    48   s x r  the n records in order of their ids, then zeros
    …    d      day document: JSON, compressed with zlib (RFC 1950): `state`, the device's
                state document; `events`, its log as lists of time, kind, detail; `log_head`,
                the hash of the last event, from which the whole chain is checked
    …           zeros up to a multiple of 4096

The body's length tells how many records there are, to 256, and how long the log is, to some
hundred lines: no more than the head says in clear, and nothing of a vote. Records are not
compressed, since a length that hangs on votes would tell them.

The tree: leaf i (from 0) is `id || SHA-256(salt || record)`; its salt is bytes 32 i to 32 i + 31
of SHAKE256(salt key). The salt key is fresh in every state. With salts that stay, or none,
whoever keeps the heads of two states and later reads the published records could try which of
them leads from one root to the other, and would know what was cast between: each head must be
a commitment that only its own salt key opens.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from firmware_sim import merkle
from firmware_sim.errors import FirmwareError, MediumError
from firmware_sim.eventlog import GENESIS, Event, next_event
from firmware_sim.medium.records import ID_BYTES, RecordForm
from firmware_sim.medium.slot import FORMAT, Head
from scanner.cvr import CastVoteRecord

_NUMBERS = struct.Struct(">IIII")
_START = 32 + _NUMBERS.size
PLACES_STEP = 256
_GRAIN = 4096
_SALT_BYTES = 32
_AAD = FORMAT.encode()
#: A content key is used for one body only, so its nonce may be constant.
_NONCE = bytes(12)
#: Largest day document after decompression, bytes.
_MAX_DAY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RecoveredState:
    """A state of a device, opened and checked: everything needed to count for it.

    `records` are in order of their ids; `document` is the device's state document, `events`
    its log with the chain checked; `salt_key` opens the tree under `head.root`.
    """

    head: Head
    records: tuple[CastVoteRecord, ...]
    packed: tuple[bytes, ...]
    document: Mapping[str, Any]
    events: tuple[Event, ...]
    salt_key: bytes


def salts(salt_key: bytes, count: int) -> list[bytes]:
    """The salts of the first `count` leaves, 32 bytes each; none can be told from another."""
    stream = hashlib.shake_256(salt_key).digest(_SALT_BYTES * count)
    return [stream[at : at + _SALT_BYTES] for at in range(0, len(stream), _SALT_BYTES)]


def leaf_of(record_id: bytes, salt: bytes, packed: bytes) -> bytes:
    """A leaf of the tree, before hashing."""
    return record_id + hashlib.sha256(salt + packed).digest()


def leaf_hashes(salt_key: bytes, packed: Sequence[bytes]) -> list[bytes]:
    """Leaf hashes of packed records, in their order."""
    drawn = salts(salt_key, len(packed))
    return [
        merkle.leaf_hash(leaf_of(p[:ID_BYTES], salt, p))
        for p, salt in zip(packed, drawn, strict=True)
    ]


def day_document(document: Mapping[str, Any], event_rows: Sequence[bytes], log_head: str) -> bytes:
    """The day document, compressed; `event_rows` are JSON texts of `event_row`."""
    state = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    text = b'{"state":%s,"log_head":"%s","events":[%s]}' % (
        state.encode(),
        log_head.encode(),
        b",".join(event_rows),
    )
    return zlib.compress(text, 1)


def event_row(event: Event) -> bytes:
    """One event as a JSON text; its number and hashes follow from the rows before it."""
    row = [event.time, event.kind, dict(event.detail)]
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def encrypt_body(
    content_key: bytes, salt_key: bytes, packed: Sequence[bytes], record_bytes: int, day: bytes
) -> bytes:
    """The encrypted body of these records (in id order) and this day document."""
    places = (len(packed) // PLACES_STEP + 1) * PLACES_STEP
    plain = b"".join(
        (
            salt_key,
            _NUMBERS.pack(len(packed), record_bytes, places, len(day)),
            b"".join(packed).ljust(places * record_bytes, b"\0"),
            day,
        )
    )
    plain = plain.ljust(-(-len(plain) // _GRAIN) * _GRAIN, b"\0")
    return AESGCM(content_key).encrypt(_NONCE, plain, _AAD)


def decrypt_body(body: bytes, content_key: bytes) -> bytes:
    """The plain body. Raises MediumError: another key, or altered."""
    try:
        return AESGCM(content_key).decrypt(_NONCE, body, _AAD)
    except (InvalidTag, ValueError) as error:
        raise MediumError("its body does not open with this key") from error


def open_body(head: Head, body: bytes, content_key: bytes, form: RecordForm) -> RecoveredState:
    """Decrypt a body and check all of it against its (already verified) head.

    Raises:
        MediumError: another election's, another key's, or not what the head says.
    """
    if (head.election_hash, head.profile_hash) != (form.election_hash, form.profile_hash):
        raise MediumError("it is of another election or counted under other rules")
    if head.precinct_id != form.precinct_id:
        raise MediumError(f"it is of precinct {head.precinct_id}, not {form.precinct_id}")
    plain = decrypt_body(body, content_key)
    salt_key, numbers = plain[:32], plain[32:_START]
    if len(numbers) != _NUMBERS.size:
        raise MediumError("its body is too short")
    count, record_bytes, places, day_length = _NUMBERS.unpack(numbers)
    day_at = _START + places * record_bytes
    if record_bytes != form.record_bytes or count > places or day_at + day_length > len(plain):
        raise MediumError("its body is not of this election's form")
    packed = tuple(
        plain[at : at + record_bytes]
        for at in range(_START, _START + count * record_bytes, record_bytes)
    )
    if any(plain[_START + count * record_bytes : day_at]) or any(plain[day_at + day_length :]):
        raise MediumError("its body holds something where nothing may be")
    ids = [p[:ID_BYTES] for p in packed]
    if any(a >= b for a, b in itertools.pairwise(ids)):
        raise MediumError("its records are not in the order of their ids")
    if count != head.count or merkle.root_of(leaf_hashes(salt_key, packed)).hex() != head.root:
        raise MediumError("its records are not those that its signed head stands for")
    document, events = _read_day(plain[day_at : day_at + day_length])
    if len(events) != head.events:
        raise MediumError("its log is not as long as its signed head says")
    records = tuple(form.unpack(p) for p in packed)
    return RecoveredState(head, records, packed, document, events, salt_key)


def _read_day(data: bytes) -> tuple[Mapping[str, Any], tuple[Event, ...]]:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, _MAX_DAY_BYTES)
        if not unpacker.eof or unpacker.unused_data:
            raise ValueError("cut short")
        value = json.loads(text)
        document, rows, log_head = value["state"], value["events"], value["log_head"]
        last: Event | None = None
        events = []
        for time, kind, detail in rows:
            last = next_event(last, at=datetime.fromisoformat(time), kind=kind, detail=detail)
            events.append(last)
        if not isinstance(document, dict) or (last.hash if last else GENESIS) != log_head:
            raise ValueError("the log does not lead to its last hash")
    except (zlib.error, ValueError, TypeError, KeyError, RecursionError, FirmwareError) as error:
        raise MediumError(f"its day document cannot be read: {error}") from error
    return document, tuple(events)
