"""One slot of a medium, byte by byte: a head that anyone can check, a body that only the
authority can open. All integers are big-endian.

    0      8      "BBMEDIU1"
    8      4      h, length of the head
    12     4      c, length of the signature
    16     4      m, length of the second signature, 0 where the device has no ML-DSA key
    20     8      b, length of the body
    28     h      head: JSON in RFC 8785 form (`Head`)
    28+h   c      signature: detached CMS (DER) over the head, by the device
    …      m      second signature: ML-DSA-65 with its certificates (`firmware_sim.post_quantum`)
    …             zeros
    32736  32     SHA-256 of all bytes before: tells a slot cut short while it was written
    32768  b      body: AES-256-GCM, nonce of 12 zero bytes (a key is used once), its 16-byte
                  tag last; additional data "ballotbench-medium/2". See `body`

The head names the body by its SHA-256, so that one signature covers both.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from firmware_sim.errors import MediumError

MAGIC = b"BBMEDIU1"
FORMAT = "ballotbench-medium/2"
HEADER_BYTES = 32768
_PREFIX = struct.Struct(">8sIIIQ")
_DIGEST_AT = HEADER_BYTES - 32
#: Largest body looked at, bytes: a million records of list papers.
MAX_BODY_BYTES = 64 * 1024 * 1024
#: How many dead devices one device can stand in for, one after the other.
MAX_REPLACED = 8

_HEX64 = re.compile(r"[0-9a-f]{64}")
_SEALED = re.compile(r"[0-9a-f]{226}")
_WORD = re.compile(r"[a-z_]{1,32}")


@dataclass(frozen=True, slots=True)
class Replaced:
    """A dead device that the medium's own device stands in for.

    `slot_sha256` is of the slot that was taken over; `box_counter` what people read on the
    dead device's box, None if they could not.
    """

    device_id: str
    slot_sha256: str
    box_counter: int | None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "device_id": self.device_id,
            "slot_sha256": self.slot_sha256,
            "box_counter": self.box_counter,
        }


@dataclass(frozen=True, slots=True)
class Head:
    """The signed tree head: how many records, under which root; no time, no order.

    `writes` counts the states written, also those of returned sheets; `events` is how long the
    device's log is, which only grows; `root` is RFC 9162's
    over salted leaves (`body.leaf_hashes`), `body_sha256` of the encrypted body;
    `sealed_key` the content key sealed to the authority (`recovery`).
    """

    election_hash: str
    profile_hash: str
    precinct_id: str
    device_id: str
    mode: str
    state: str
    writes: int
    events: int
    count: int
    root: str
    body_sha256: str
    sealed_key: str
    replaces: tuple[Replaced, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values, with the format."""
        names = [name for name in self.__slots__ if name != "replaces"]
        value: dict[str, Any] = {name: getattr(self, name) for name in names}
        return {
            "format": FORMAT,
            **value,
            "replaces": [replaced.as_json() for replaced in self.replaces],
        }

    def encoded(self) -> bytes:
        """The bytes that are signed."""
        return rfc8785.dumps(self.as_json())


def parse_head(data: bytes) -> Head:
    """A head in its one form.

    Raises:
        MediumError: not one.
    """
    try:
        value = json.loads(data)
        fields = {name: value[name] for name in Head.__slots__ if name != "replaces"}
        rows = value["replaces"]
        replaces = tuple(
            Replaced(row["device_id"], row["slot_sha256"], row["box_counter"]) for row in rows
        )
        head = Head(**fields, replaces=replaces)
        good = head.encoded() == data and _well_formed(head)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        raise MediumError("its head cannot be read") from error
    except rfc8785.CanonicalizationError as error:
        raise MediumError("its head cannot be read") from error
    if not good:
        raise MediumError("its head is not in the one form of a head")
    return head


def _well_formed(head: Head) -> bool:
    hashes = (head.election_hash, head.profile_hash, head.root, head.body_sha256)
    texts = (head.precinct_id, head.device_id, head.mode, head.state)
    numbers = [head.writes, head.events, head.count]
    numbers += [r.box_counter for r in head.replaces if r.box_counter is not None]
    return (
        all(isinstance(text, str) for text in (*hashes, *texts, head.sealed_key))
        and all(_HEX64.fullmatch(h) for h in hashes)
        and all(_HEX64.fullmatch(r.slot_sha256) for r in head.replaces)
        and all(isinstance(r.device_id, str) for r in head.replaces)
        and bool(_WORD.fullmatch(head.mode) and _WORD.fullmatch(head.state))
        and bool(_SEALED.fullmatch(head.sealed_key))
        and all(type(n) is int and 0 <= n < 2**53 for n in numbers)
        and len(head.replaces) <= MAX_REPLACED
    )


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot taken apart; nothing trusted yet. `data` is all of it."""

    data: bytes
    head: Head
    head_bytes: bytes
    cms: bytes
    mldsa: bytes | None
    body: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the whole slot, 64 hex digits."""
        return hashlib.sha256(self.data).hexdigest()


def build_slot(head: Head, cms: bytes, mldsa: bytes | None, body: bytes) -> bytes:
    """The slot of a signed head and its body.

    Raises:
        MediumError: head and signature are larger than the place for them.
    """
    encoded = head.encoded()
    second = mldsa or b""
    lengths = _PREFIX.pack(MAGIC, len(encoded), len(cms), len(second), len(body))
    start = lengths + encoded + cms + second
    if len(start) > _DIGEST_AT:
        raise MediumError("head and signatures are too large for a medium's slot")
    header = start.ljust(_DIGEST_AT, b"\0")
    return header + hashlib.sha256(header).digest() + body


def parse_slot(data: bytes) -> Slot:
    """Take a slot apart, strictly.

    Raises:
        MediumError: cut short, damaged, or not in the one form; the message says what.
    """
    if len(data) < HEADER_BYTES:
        raise MediumError("it is cut short" if data else "it is empty")
    magic, head_length, cms_length, second_length, body_length = _PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise MediumError("it is not a slot of a medium")
    cms_at = _PREFIX.size + head_length
    second_at = cms_at + cms_length
    end = second_at + second_length
    if (
        end > _DIGEST_AT
        or hashlib.sha256(data[:_DIGEST_AT]).digest() != data[_DIGEST_AT:HEADER_BYTES]
    ):
        raise MediumError("its head was cut while it was written, or altered")
    if body_length > MAX_BODY_BYTES or len(data) != HEADER_BYTES + body_length:
        raise MediumError("its length is not what its head says")
    head_bytes = data[_PREFIX.size : cms_at]
    head = parse_head(head_bytes)
    body = data[HEADER_BYTES:]
    if hashlib.sha256(body).hexdigest() != head.body_sha256:
        raise MediumError("its body was cut while it was written, or altered")
    cms, mldsa = data[cms_at:second_at], data[second_at:end] or None
    slot = Slot(data, head, head_bytes, cms, mldsa, body)
    if build_slot(head, cms, mldsa, body) != data:
        raise MediumError("it is not in the one form of a slot")
    return slot


def binding_of(head: Head) -> Mapping[str, str]:
    """What a medium is tied to, as `DeviceSetup.binding`."""
    return {
        "election_hash": head.election_hash,
        "profile_hash": head.profile_hash,
        "precinct_id": head.precinct_id,
        "device_id": head.device_id,
    }
