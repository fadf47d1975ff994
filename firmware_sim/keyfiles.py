"""Key and certificate files of the authority and its devices: names, reading, writing.

Everything that is wrong with a file is a `KeyFileError` that names it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware_sim.errors import KeyFileError

AUTHORITY_CERTIFICATE = "authority.pem"
AUTHORITY_KEY = "authority.key"
REVOKED = "revoked.pem"
DEVICES = "devices"

#: X.520 upper bound of a common name or organisational unit: 64 characters.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


@dataclass(frozen=True, slots=True)
class DevicePaths:
    """Where a device's certificate and private key were written."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Who signed, from the certificate: ids, serial number, validity (UTC)."""

    device_id: str
    precinct_id: str
    certificate_serial: int
    not_before: datetime
    not_after: datetime


def is_name(value: str) -> bool:
    """Can this be a device or precinct id in a certificate?"""
    return _NAME.fullmatch(value) is not None


def device_paths(directory: Path, device_id: str) -> DevicePaths:
    """Where `issue_device` keeps a device's files.

    Raises:
        KeyFileError: the id is not one that could have been issued.
    """
    if not _NAME.fullmatch(device_id):
        raise KeyFileError(f"{device_id!r} is not a device id")
    base = directory / DEVICES
    return DevicePaths(base / f"{device_id}.pem", base / f"{device_id}.key")


def identity_of(certificate: x509.Certificate) -> DeviceIdentity:
    """What a device's certificate says of it. Raises KeyFileError: not a device's."""
    names = {
        attribute.oid: str(attribute.value)
        for attribute in certificate.subject
        if isinstance(attribute.value, str)
    }
    device = names.get(NameOID.COMMON_NAME, "")
    precinct = names.get(NameOID.ORGANIZATIONAL_UNIT_NAME, "")
    if not _NAME.fullmatch(device) or not _NAME.fullmatch(precinct):
        raise KeyFileError("the certificate names no device and precinct: it is not a device's")
    return DeviceIdentity(
        device_id=device,
        precinct_id=precinct,
        certificate_serial=certificate.serial_number,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def checked_root(path: Path) -> x509.Certificate:
    """Load a root: self-signed, and allowed to certify. Raises KeyFileError."""
    root = load_certificate(path)
    try:
        root.verify_directly_issued_by(root)
        constraints = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise KeyFileError(f"{path}: is not a root certificate") from error
    if not constraints.ca:
        raise KeyFileError(f"{path}: is a device's certificate, not an authority's")
    return root


def load_certificate(path: Path) -> x509.Certificate:
    """Load a PEM certificate of an ECDSA P-256 key. Raises KeyFileError."""
    try:
        certificate = x509.load_pem_x509_certificate(_read(path))
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise KeyFileError(f"{path}: is not a PEM certificate") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError(f"{path}: is not a certificate of an ECDSA P-256 key")
    return certificate


def load_private_key(path: Path, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
    """Load a PEM ECDSA P-256 key. Raises KeyFileError, also for a wrong passphrase."""
    try:
        key = serialization.load_pem_private_key(_read(path), passphrase)
    except TypeError as error:
        need = "needs a passphrase" if passphrase is None else "takes no passphrase"
        raise KeyFileError(f"{path}: the key {need}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path}: is not a private key, or the passphrase is wrong") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError(f"{path}: is not an ECDSA P-256 key")
    return key


def revoked_serials(path: Path, root: x509.Certificate) -> dict[int, datetime]:
    """Serial numbers on a CRL of this root, with the time (UTC). Raises KeyFileError."""
    key = root.public_key()
    try:
        crl = x509.load_pem_x509_crl(_read(path))
        genuine = isinstance(key, ec.EllipticCurvePublicKey) and crl.is_signature_valid(key)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path}: is not a PEM revocation list") from error
    if not genuine or crl.issuer != root.subject:
        raise KeyFileError(f"{path}: is not a revocation list of this authority")
    return {entry.serial_number: entry.revocation_date_utc for entry in crl}


def write_new(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file that must not exist yet, through to the disk; `private`: mode 0600."""
    mode = 0o600 if private else 0o644
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise KeyFileError(f"{path}: no such file; make it with `ballotbench keys`") from error
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror}") from error
