"""Proof that a record is in the count under a signed head, and nothing else (NVT-11).

A proof shows one record's id, what commits to it, its place in the order of random ids and
the hashes beside it. None of these hangs on when the record was cast or by whom; of the
other records it shows hashes under salts that nobody has. With the record and its salt it
shows one record's content; without them (`reveal=False`) not even that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from firmware_sim import merkle
from firmware_sim.errors import MediumError, SignatureError
from firmware_sim.medium.body import RecoveredState, leaf_hashes, leaf_of, salts
from firmware_sim.medium.records import ID_BYTES
from firmware_sim.medium.slot import Head, Slot, parse_head
from firmware_sim.trust import TrustStore

PROOF_FORMAT = "ballotbench-inclusion/1"


@dataclass(frozen=True, slots=True)
class ProvedRecord:
    """What a proof shows: `packed` is the record's bytes (`records.RecordForm`), None where
    the proof does not show them."""

    head: Head
    record_id: str
    packed: bytes | None


def inclusion_proof(
    state: RecoveredState, slot: Slot, record_id: str, *, reveal: bool
) -> dict[str, Any]:
    """A proof for one record of an opened state, as JSON types.

    Raises:
        MediumError: no such record.
    """
    ids = [packed[:ID_BYTES].hex() for packed in state.packed]
    if record_id not in ids:
        raise MediumError(f"record {record_id[:40]} is not on this medium")
    index = ids.index(record_id)
    packed = state.packed[index]
    salt = salts(state.salt_key, index + 1)[index]
    hashes = leaf_hashes(state.salt_key, state.packed)
    proof: dict[str, Any] = {
        "format": PROOF_FORMAT,
        "head": base64.b64encode(slot.head_bytes).decode(),
        "signature": base64.b64encode(slot.cms).decode(),
        "second_signature": None if slot.mldsa is None else base64.b64encode(slot.mldsa).decode(),
        "record_id": record_id,
        "commitment": leaf_of(packed[:ID_BYTES], salt, packed)[ID_BYTES:].hex(),
        "index": index,
        "path": [step.hex() for step in merkle.inclusion_path(hashes, index)],
    }
    if reveal:
        proof["salt"], proof["record"] = salt.hex(), packed.hex()
    return proof


def check_inclusion(proof: Mapping[str, Any], trust: TrustStore, *, at: datetime) -> ProvedRecord:
    """Check a proof with nothing but the authority's root.

    Raises:
        MediumError: not a proof, a signature that is not accepted, or it does not lead to
            the signed root.
    """
    try:
        if proof["format"] != PROOF_FORMAT:
            raise ValueError("another format")
        head_bytes = base64.b64decode(proof["head"], validate=True)
        cms = base64.b64decode(proof["signature"], validate=True)
        second = proof["second_signature"]
        mldsa = None if second is None else base64.b64decode(second, validate=True)
        record_id = bytes.fromhex(proof["record_id"])
        commitment = bytes.fromhex(proof["commitment"])
        path = [bytes.fromhex(step) for step in proof["path"]]
        index = int(proof["index"])
        shown = "record" in proof
        packed = bytes.fromhex(proof["record"]) if shown else None
        salt = bytes.fromhex(proof["salt"]) if shown else b""
        head = parse_head(head_bytes)
        lengths = {len(commitment), *map(len, path)} | ({len(salt)} if shown else set())
        if len(record_id) != ID_BYTES or lengths != {hashlib.sha256().digest_size}:
            raise ValueError("a value of another length")
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        raise MediumError(f"this is not an inclusion proof: {error}") from error
    try:
        identity, _ = trust.verify_package(head_bytes, cms, mldsa, at=at)
    except SignatureError as error:
        raise MediumError(f"the head's signature is not accepted: {error.detail}") from error
    if identity.device_id != head.device_id:
        raise MediumError("the head was signed by another device than it names")
    if packed is not None and (
        packed[:ID_BYTES] != record_id or hashlib.sha256(salt + packed).digest() != commitment
    ):
        raise MediumError("the record shown is not the one that the proof commits to")
    leaf = merkle.leaf_hash(record_id + commitment)
    if merkle.root_from_path(leaf, index, head.count, path) != bytes.fromhex(head.root):
        raise MediumError("the proof does not lead to the signed root: the record is not in it")
    return ProvedRecord(head, record_id.hex(), packed)
