"""Who signs for a device, wherever its key is kept: one protocol, and raw ECDSA signatures.

A `Signer` is all that a device is given of its keys (NVT-16): its identity, and three ways
to sign. The key itself may be in a file or in a token that never lets it out; code that
holds a `Signer` cannot tell.

A raw signature is ECDSA on P-256 with SHA-256 in the form of IEEE 1363 (`r || s`, 32 bytes
each, big-endian), `s` in the lower half of the curve's order so that it has one form only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from firmware_sim.errors import SignatureError, SignatureFault

if TYPE_CHECKING:  # certificates are signed by what is here
    from firmware_sim.keyfiles import DeviceIdentity

#: Order n of the P-256 group (FIPS 186-5, SP 800-186 3.2.1.3).
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
RAW_BYTES = 64

#: Hashes with SHA-256 and signs: content to 64 bytes `r || s`.
RawSign = Callable[[bytes], bytes]

#: First byte of a DER SET, which is what a CMS signature is over (RFC 5652 5.4).
_DER_SET = b"\x31"


class Signer(Protocol):
    """What a device signs with."""

    @property
    def identity(self) -> DeviceIdentity:
        """Whose key it is, from its certificate."""

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Its certificate, then those between it and the root's (which is not in it)."""

    def sign(self, content: bytes) -> bytes:
        """The detached CMS over `content`, DER, with the certificates up to the root's."""

    def sign_raw(self, content: bytes) -> bytes:
        """64 bytes `r || s` over SHA-256 of `content`.

        Raises:
            ValueError: `content` could pass for the inside of a CMS (starts with 0x31).
        """

    def sign_post_quantum(self, content: bytes) -> bytes | None:
        """The detached ML-DSA-65 signature with its chain; None where the device has no
        such key."""


def raw_signer(key: ec.EllipticCurvePrivateKey) -> RawSign:
    """Raw signatures by a key in memory."""

    def sign(content: bytes) -> bytes:
        return lower_half(_to_raw(key.sign(content, ec.ECDSA(hashes.SHA256()))))

    return sign


def refuse_cms_content(content: bytes) -> bytes:
    """`content`, if a signature over it can never be taken for that of a CMS."""
    if content.startswith(_DER_SET):
        raise ValueError("raw signatures are not made over what could be the inside of a CMS")
    return content


def lower_half(raw: bytes) -> bytes:
    """(r, s) or (r, n - s), whichever has its `s` in the lower half."""
    r, s = raw[:32], int.from_bytes(raw[32:])
    return r + min(s, P256_ORDER - s).to_bytes(32)


def raw_to_der(raw: bytes) -> bytes:
    """`r || s` as the DER that certificates and CMS hold (RFC 3279 2.2.3)."""
    if len(raw) != RAW_BYTES:
        raise ValueError(f"a raw P-256 signature has {RAW_BYTES} bytes, not {len(raw)}")
    return encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))


def in_lower_half(signature: bytes) -> bool:
    """Is `s` of an ECDSA P-256 signature (DER) at most n / 2?

    (r, s) and (r, n - s) verify alike; only the lower is used here, so that a signature
    cannot be changed into another valid one.
    """
    return 0 < decode_dss_signature(signature)[1] <= P256_ORDER // 2


def verify_raw(key: ec.EllipticCurvePublicKey, content: bytes, raw: bytes) -> None:
    """Check what `Signer.sign_raw` made.

    Raises:
        SignatureError: *malformed* (not 64 bytes, or the second form of a signature) or
            *bad_signature*.
    """
    if len(raw) != RAW_BYTES or not in_lower_half(raw_to_der(raw)):
        raise SignatureError(SignatureFault.MALFORMED, "is not a signature that a device makes")
    try:
        key.verify(raw_to_der(raw), content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SignatureError(
            SignatureFault.BAD_SIGNATURE,
            "the signature does not verify with the device's key: it is forged or altered",
        ) from error


def _to_raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32) + s.to_bytes(32)
