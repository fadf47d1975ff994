"""The second signature, for the years that records are kept: ML-DSA-65 (FIPS 204).

`SHA256SUMS.mldsa` is PEM text (RFC 7468) in one form only: the signature, the device's
ML-DSA certificate, and its region's where a region issued it. The certificates are X.509
with ML-DSA keys and signatures (RFC 9881) under `authority-mldsa.pem`, a root of its own,
so that nothing in the second chain leans on ECDSA. The signature is the pure one, with a
context string that names its use: one made for another use does not verify.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import mldsa

from firmware_sim.errors import SignatureError, SignatureFault
from firmware_sim.keyfiles import certificate_pem

#: FIPS 204, 5.2: at most 255 bytes.
CONTEXT = b"ballotbench detached signature 1"
#: FIPS 204, table 2.
SIGNATURE_BYTES = 3309
#: Largest file looked at; a real one is about 20 kB.
MAX_BYTES = 256 * 1024

_LABEL = "ML-DSA-65 SIGNATURE"
_CERTIFICATE = "CERTIFICATE"
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 -]+)-----\n([A-Za-z0-9+/=\n]+)-----END \1-----\n")
#: AlgorithmIdentifier of ML-DSA-65, without parameters (RFC 9881, 2).
_ML_DSA_65 = bytes.fromhex("300b0609608648016503040312")

Chain = tuple[x509.Certificate, ...]


def sign_second(content: bytes, key: mldsa.MLDSA65PrivateKey, chain: Chain) -> bytes:
    """`SHA256SUMS.mldsa` over `content`; `chain` is the device's certificate, then its
    region's if it has one."""
    return write(key.sign(content, CONTEXT), chain)


def write(signature: bytes, chain: Chain) -> bytes:
    """The one form of a second signature."""
    return _pem(_LABEL, signature) + certificate_pem(*chain)


def read(data: bytes) -> tuple[Chain, bytes]:
    """Certificates and signature, as claimed; nothing trusted yet.

    Raises:
        SignatureError: *malformed*: not in the one form.
    """
    malformed = SignatureError(
        SignatureFault.MALFORMED, "the ML-DSA signature file is damaged or was altered"
    )
    if len(data) > MAX_BYTES:
        raise malformed
    try:
        blocks = _BLOCK.findall(data.decode("ascii"))
        labels = [label for label, _ in blocks]
        parts = [base64.b64decode(text.replace("\n", ""), validate=True) for _, text in blocks]
        if labels not in ([_LABEL, _CERTIFICATE], [_LABEL, _CERTIFICATE, _CERTIFICATE]):
            raise malformed
        chain = tuple(_certificate(part) for part in parts[1:])
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm) as error:
        raise malformed from error
    if len(parts[0]) != SIGNATURE_BYTES or write(parts[0], chain) != data:
        raise malformed
    return chain, parts[0]


def check(content: bytes, signature: bytes, chain: Chain) -> None:
    """Verify a signature by the key of `chain[0]`. Raises SignatureError: *bad_signature*."""
    key = chain[0].public_key()
    try:
        assert isinstance(key, mldsa.MLDSA65PublicKey)  # noqa: S101 (checked when read)
        key.verify(signature, content, CONTEXT)
    except InvalidSignature as error:
        raise SignatureError(
            SignatureFault.BAD_SIGNATURE,
            "the ML-DSA signature does not verify: it is forged, or the content was altered",
        ) from error


@lru_cache(maxsize=1024)  # a region's stands in each package of it
def _certificate(encoded: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(encoded)
    except x509.InvalidVersion as error:
        raise ValueError("not a certificate") from error
    signature = certificate.signature
    # BIT STRING of 3309 bytes and no unused bits: tag, length in two bytes, 0.
    ending = b"\x03\x82" + (len(signature) + 1).to_bytes(2) + b"\0" + signature
    if not encoded.endswith(certificate.tbs_certificate_bytes + _ML_DSA_65 + ending):
        raise ValueError("a certificate that is not in its one form")
    if not isinstance(certificate.public_key(), mldsa.MLDSA65PublicKey):
        raise ValueError("not a certificate of an ML-DSA-65 key")
    if certificate.public_bytes(serialization.Encoding.DER) != encoded:
        raise ValueError("a certificate that is not in its one form")
    return certificate


def _pem(label: str, data: bytes) -> bytes:
    text = base64.b64encode(data).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()
