"""The authority's recovery key: what opens the medium of a dead device, and nobody else does.

`recovery.pem` is a certificate of a P-256 key for key agreement, issued by the root of the
trust folder; devices get it and check it. `recovery.key` stays with the authority. What is
sealed to it follows RFC 9180 (HPKE, base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256,
AES-256-GCM), so that any HPKE library opens it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.x509.oid import NameOID

from firmware_sim.errors import KeyFileError, MediumError
from firmware_sim.keyfiles import (
    AUTHORITY_CERTIFICATE,
    AUTHORITY_KEY,
    checked_root,
    load_certificate,
    load_private_key,
    write_new,
)

RECOVERY_CERTIFICATE = "recovery.pem"
RECOVERY_KEY = "recovery.key"
#: HPKE's `info`: binds what is sealed to this use.
_INFO = b"ballotbench-medium/2"
_COMMON_NAME = "recovery"
#: Encapsulated key (65) + sealed content key (32) + tag (16), bytes.
SEALED_KEY_BYTES = 113


def _suite() -> Suite:
    return Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def create_recovery_key(
    directory: Path,
    *,
    now: datetime,
    passphrase: bytes | None = None,
    key_passphrase: bytes | None = None,
) -> Path:
    """Make `recovery.pem` and `recovery.key` beside the authority in `directory`.

    `passphrase` opens the authority's key, `key_passphrase` protects the new one.

    Returns:
        The path of `recovery.pem`.

    Raises:
        KeyFileError: no authority, wrong passphrase, or a recovery key is there already.
    """
    root = checked_root(directory / AUTHORITY_CERTIFICATE)
    root_key = load_private_key(directory / AUTHORITY_KEY, passphrase)
    place, key_place = directory / RECOVERY_CERTIFICATE, directory / RECOVERY_KEY
    if place.exists() or key_place.exists():
        raise KeyFileError(
            f"{place}: there is a recovery key already; media sealed to it need it: keep it"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _COMMON_NAME)]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC).replace(microsecond=0))
        .not_valid_after(root.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_agreement(), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if key_passphrase:
        protection = serialization.BestAvailableEncryption(key_passphrase)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )
    write_new(key_place, pem, private=True)
    write_new(place, certificate.public_bytes(serialization.Encoding.PEM))
    return place


def load_recovery_certificate(directory: Path) -> ec.EllipticCurvePublicKey:
    """The public key that a device seals to, after checking that the root certified it.

    Raises:
        KeyFileError: missing, damaged, or not certified for recovery by this authority.
    """
    root = checked_root(directory / AUTHORITY_CERTIFICATE)
    path = directory / RECOVERY_CERTIFICATE
    if not path.exists():
        raise KeyFileError(
            f"{path}: no such file; the authority makes it with `ballotbench keys recovery`"
        )
    certificate = load_certificate(path)
    try:
        certificate.verify_directly_issued_by(root)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        genuine = usage.key_agreement and not usage.digital_signature
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        genuine = False
    key = certificate.public_key()
    if not genuine or not isinstance(key, ec.EllipticCurvePublicKey):
        raise KeyFileError(f"{path}: is not this authority's recovery certificate")
    return key


def load_recovery_key(path: Path, passphrase: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """The authority's private recovery key. Raises KeyFileError."""
    return load_private_key(path, passphrase)


def seal_key(content_key: bytes, recovery: ec.EllipticCurvePublicKey) -> bytes:
    """A 32-byte content key sealed to the authority, `SEALED_KEY_BYTES` bytes."""
    return bytes(_suite().encrypt(content_key, recovery, _INFO))


def unseal_key(sealed: bytes, recovery: ec.EllipticCurvePrivateKey) -> bytes:
    """The content key.

    Raises:
        MediumError: sealed to another authority's key, or altered.
    """
    try:
        return bytes(_suite().decrypt(sealed, recovery, _INFO))
    except (InvalidTag, ValueError) as error:
        raise MediumError(
            "this recovery key does not open the medium: it was sealed to another authority's"
        ) from error


def _key_agreement() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=True,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
