"""Reading a medium: which slot stands, who signed it, and what the authority finds in it.

Rules of `read_medium`:

1. A slot that is cut short, altered or not signed by a device of this authority is told
   (`faults`) and not used.
2. Of the good slots the one with more `writes` stands; after a whole write both are equal.
3. Slots of dead devices that the medium's own device stands in for (`replaced-N.slot`) must
   be those that its head names.

A *recovered file* (`.medium`) is what the authority hands to the tally: one slot and the key
that opens it. The device's signature is over the encrypted body and over the root of the
tree, so the authority cannot alter, add or leave out a record in it, and anyone can check
that without the authority's key:

    0    8    "BBRECOV1"
    8    32   content key of the slot
    40   …    the slot, all of it (`slot`)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from firmware_sim.errors import MediumError, SignatureError
from firmware_sim.medium.body import RecoveredState, open_body
from firmware_sim.medium.records import RecordForm
from firmware_sim.medium.recovery import unseal_key
from firmware_sim.medium.slot import HEADER_BYTES, MAX_BODY_BYTES, MAX_REPLACED, Slot, parse_slot
from firmware_sim.trust import TrustStore

SLOT_NAMES = ("slot-a.bin", "slot-b.bin")
REPLACED_NAMES = tuple(f"replaced-{n}.slot" for n in range(1, MAX_REPLACED + 1))
RECOVERED_MAGIC = b"BBRECOV1"
_KEY_BYTES = 32
_MAX_SLOT_BYTES = HEADER_BYTES + MAX_BODY_BYTES


@dataclass(frozen=True, slots=True)
class MediumReading:
    """What a medium holds: the slot that stands, those of dead devices before it (oldest
    first, as `slot.head.replaces`), and in words what is wrong with the other slot."""

    slot: Slot
    replaced: tuple[Slot, ...]
    faults: tuple[str, ...]


def read_medium(directory: Path, trust: TrustStore, *, at: datetime) -> MediumReading:
    """Read and check a medium without opening it (no key needed).

    Raises:
        MediumError: not a medium, or no slot of it is good; the message says why.
    """
    if not any((directory / name).is_file() for name in SLOT_NAMES):
        raise MediumError(f"{directory}: is not a medium of a device: it has no {SLOT_NAMES[0]}")
    good: list[Slot] = []
    faults = []
    for name in SLOT_NAMES:
        try:
            good.append(checked_slot(_read(directory / name), trust, at=at))
        except MediumError as error:
            faults.append(f"{name}: {error}")
    if not good:
        raise MediumError(f"{directory}: no slot of the medium is good: {'; '.join(faults)}")
    slot = max(good, key=lambda s: s.head.writes)
    if len({(s.head.device_id, s.head.election_hash) for s in good}) > 1:
        raise MediumError(f"{directory}: its two slots are of two devices or elections")
    if len(good) == len(SLOT_NAMES) and len({s.head.writes for s in good}) > 1:
        faults.append(
            f"one slot is {slot.head.writes - min(s.head.writes for s in good)} writes behind: the "
            "device stopped while it wrote; the newer one stands"
        )
    return MediumReading(slot, _read_replaced(directory, slot, trust, at), tuple(faults))


def checked_slot(data: bytes, trust: TrustStore, *, at: datetime) -> Slot:
    """A slot in its one form, signed by the device that it names.

    Raises:
        MediumError: damaged, altered, or the signature is not accepted.
    """
    slot = parse_slot(data)
    try:
        identity, _ = trust.verify_package(slot.head_bytes, slot.cms, slot.mldsa, at=at)
    except SignatureError as error:
        raise MediumError(f"its signature is not accepted: {error.detail}") from error
    if (identity.device_id, identity.precinct_id) != (slot.head.device_id, slot.head.precinct_id):
        raise MediumError(
            f"it names device {slot.head.device_id} of precinct {slot.head.precinct_id}, but "
            f"{identity.device_id} of {identity.precinct_id} signed it"
        )
    return slot


def open_slot(
    slot: Slot, recovery: ec.EllipticCurvePrivateKey, form: RecordForm
) -> tuple[RecoveredState, bytes]:
    """Open a checked slot with the authority's key: its state, and its content key.

    Raises:
        MediumError: sealed to another key, of another election, or not what its head says.
    """
    key = unseal_key(bytes.fromhex(slot.head.sealed_key), recovery)
    return open_body(slot.head, slot.body, key, form), key


def recovered_file(slot: Slot, content_key: bytes) -> bytes:
    """The bytes of a `.medium` file."""
    return RECOVERED_MAGIC + content_key + slot.data


def open_recovered(
    data: bytes, trust: TrustStore, form: RecordForm, *, at: datetime
) -> tuple[Slot, RecoveredState]:
    """Check and open a `.medium` file; needs no secret key.

    Raises:
        MediumError: as `checked_slot` and `open_slot`.
    """
    slot, key = recovered_slot(data, trust, at=at)
    return slot, open_body(slot.head, slot.body, key, form)


def recovered_slot(data: bytes, trust: TrustStore, *, at: datetime) -> tuple[Slot, bytes]:
    """The checked slot of a `.medium` file and its content key, not opened yet."""
    start = len(RECOVERED_MAGIC) + _KEY_BYTES
    if not data.startswith(RECOVERED_MAGIC) or len(data) < start:
        raise MediumError("it is not a recovered medium")
    slot = checked_slot(data[start:], trust, at=at)
    return slot, data[len(RECOVERED_MAGIC) : start]


def _read_replaced(
    directory: Path, slot: Slot, trust: TrustStore, at: datetime
) -> tuple[Slot, ...]:
    found = []
    for name, replaced in zip(REPLACED_NAMES, slot.head.replaces, strict=False):
        try:
            other = checked_slot(_read(directory / name), trust, at=at)
        except MediumError as error:
            raise MediumError(
                f"{directory / name}: the slot of dead device {replaced.device_id}: {error}"
            ) from error
        found.append(other)
    check_replaced(slot, found)
    return tuple(found)


def check_replaced(slot: Slot, found: Sequence[Slot]) -> None:
    """Are these the dead devices' slots that the head of `slot` names? Raises MediumError."""
    named = [(r.device_id, r.slot_sha256) for r in slot.head.replaces]
    if named != [(s.head.device_id, s.digest) for s in found]:
        raise MediumError(
            f"the slots of dead devices are not those that device {slot.head.device_id} took over"
        )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_SLOT_BYTES + 1)
    except FileNotFoundError as error:
        raise MediumError("it is missing") from error
    except OSError as error:
        raise MediumError(f"it cannot be read: {error.strerror}") from error
