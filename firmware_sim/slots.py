"""Key slots: a person's PIN opens a key of the person's own, which opens what was sealed to it.

    PIN --Argon2id--> AES-256-GCM --> the person's X25519 key --> a device's passphrase

Sealing something to a person needs no PIN (HPKE in small: an ephemeral X25519 key,
HKDF-SHA-256, AES-256-GCM); opening it does. A changed PIN wraps the person's key anew and
touches nothing else. Argon2id costs are those of RFC 9106 section 4, second choice
(64 MiB, 3 passes, 4 lanes): about 0.1 s a guess on a laptop, and 64 MiB for each at once.
"""

from __future__ import annotations

import secrets
from itertools import pairwise

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, Field

#: RFC 9106, section 4: the second recommended choice.
PASSES, LANES, MEMORY_KIB = 3, 4, 65_536
#: A PIN is 6 to 64 characters; of digits alone there are a million of six.
MIN_PIN, MAX_PIN = 6, 64

_HEX = r"^([0-9a-f]{2})+$"


class PinError(ValueError):
    """A PIN that cannot be used; says why."""


class Slot(BaseModel):
    """A person's wrapped key, hexadecimal: `salt` of Argon2id, and the key sealed by it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    salt: str = Field(pattern=_HEX, min_length=32, max_length=32)
    wrapped: str = Field(pattern=_HEX, min_length=120, max_length=120)


def check_pin(pin: str) -> None:
    """Is this a PIN that is worth having?

    Raises:
        PinError: too short, too long, one character over and over, or a plain run of digits.
    """
    if not MIN_PIN <= len(pin) <= MAX_PIN:
        raise PinError(f"a PIN has {MIN_PIN} to {MAX_PIN} characters")
    if len(set(pin)) < 3:
        raise PinError("a PIN of one or two characters over and over is guessed first")
    steps = {ord(b) - ord(a) for a, b in pairwise(pin)}
    if steps in ({1}, {-1}):
        raise PinError("a PIN that counts up or down is guessed first")


def new_slot(person_id: str, pin: str) -> tuple[Slot, X25519PublicKey]:
    """A new key for a person, wrapped by the PIN. Raises PinError."""
    check_pin(pin)
    key = X25519PrivateKey.generate()
    return _wrap(person_id, pin, key), key.public_key()


def open_slot(person_id: str, slot: Slot, pin: str) -> X25519PrivateKey | None:
    """The person's key; None: the PIN is wrong (or the slot was altered)."""
    sealed = bytes.fromhex(slot.wrapped)
    try:
        raw = AESGCM(_stretch(pin, bytes.fromhex(slot.salt))).decrypt(
            sealed[:12], sealed[12:], person_id.encode()
        )
    except InvalidTag:
        return None
    return X25519PrivateKey.from_private_bytes(raw)


def rewrap(person_id: str, slot: Slot, old: str, new: str) -> Slot | None:
    """The slot under a new PIN; None: the old one is wrong. Raises PinError."""
    check_pin(new)
    key = open_slot(person_id, slot, old)
    return None if key is None else _wrap(person_id, new, key)


def seal(public: X25519PublicKey, secret: bytes, use: str) -> str:
    """Seal `secret` to a person's key, bound to its `use`; hexadecimal."""
    ephemeral = X25519PrivateKey.generate()
    mine = ephemeral.public_key().public_bytes_raw()
    key = _agree(ephemeral.exchange(public), mine + public.public_bytes_raw())
    # One key, one message: the nonce may be fixed.
    return (mine + AESGCM(key).encrypt(bytes(12), secret, use.encode())).hex()


def unseal(private: X25519PrivateKey, sealed: str, use: str) -> bytes | None:
    """What was sealed; None: not to this key, for another use, or altered."""
    try:
        data = bytes.fromhex(sealed)
        theirs = X25519PublicKey.from_public_bytes(data[:32])
        shared = private.exchange(theirs)
        key = _agree(shared, data[:32] + private.public_key().public_bytes_raw())
        return AESGCM(key).decrypt(bytes(12), data[32:], use.encode())
    except (InvalidTag, ValueError):
        return None


def _wrap(person_id: str, pin: str, key: X25519PrivateKey) -> Slot:
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    sealed = AESGCM(_stretch(pin, salt)).encrypt(nonce, key.private_bytes_raw(), person_id.encode())
    return Slot(salt=salt.hex(), wrapped=(nonce + sealed).hex())


def _stretch(pin: str, salt: bytes) -> bytes:
    return Argon2id(
        salt=salt, length=32, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB
    ).derive(pin.encode())


def _agree(shared: bytes, parties: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"ballotbench key slot 1" + parties).derive(
        shared
    )
