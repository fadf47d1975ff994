"""Key and certificate files of the authority, regions and devices: names, reading, writing.

    authority.pem   authority.key   revoked.pem           the root; its revocation list
    authority-mldsa.pem   …-mldsa.key   revoked-mldsa.pem   the same for ML-DSA-65
    regions/ID/     region.pem, region.key, revoked.pem, and the three with -mldsa
    devices/ID.pem  the device's certificate, and its region's after it
    devices/ID.key  its key, or ID.p11: which token holds it
    devices/mldsa/  ID.pem and ID.key of its ML-DSA-65 key
    people.json     who may use the keys (`firmware_sim.people`)

Everything that is wrong with a file is a `KeyFileError` that names it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.x509.oid import NameOID

from election.places import place_of
from firmware_sim.certificates import (
    PrivateKey,
    PublicKey,
    Purpose,
    device_names,
    further_names,
    promised_key,
    purpose_of,
)
from firmware_sim.errors import KeyFileError

AUTHORITY_CERTIFICATE = "authority.pem"
AUTHORITY_KEY = "authority.key"
REVOKED = "revoked.pem"
DEVICES = "devices"
REGIONS = "regions"

#: X.520 upper bound of a common name or organisational unit: 64 characters.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")

_Key = TypeVar("_Key", ec.EllipticCurvePrivateKey, mldsa.MLDSA65PrivateKey)


@dataclass(frozen=True, slots=True)
class CaPaths:
    """Where an authority or a region keeps its certificate, key and revocation list."""

    certificate: Path
    key: Path
    revoked: Path


@dataclass(frozen=True, slots=True)
class DevicePaths:
    """Where a device's certificate and private key were written.

    `token` is there in place of `key` where a token holds it; `second` are certificate and
    key of its ML-DSA-65 key.
    """

    certificate: Path
    key: Path
    token: Path
    second: tuple[Path, Path]

    def everything(self) -> tuple[Path, ...]:
        """All files that a device may have."""
        return self.certificate, self.key, self.token, *self.second


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Who signed, from the certificate: ids, serial number, validity (UTC), what it is for.

    `precinct_id` is the precinct, or the place of all its precincts (`election.places`).

    `region_id` is the region that issued it, None for the authority itself; `promised` is
    the SHA-256 of the ML-DSA key that goes with it, None without one.
    """

    device_id: str
    precinct_id: str
    certificate_serial: int
    not_before: datetime
    not_after: datetime
    region_id: str | None = None
    purpose: Purpose | None = Purpose.RESULTS
    promised: bytes | None = None


def is_name(value: str) -> bool:
    """Can this be a device, precinct, region or person's id?"""
    return _NAME.fullmatch(value) is not None


def authority_paths(directory: Path, *, post_quantum: bool = False) -> CaPaths:
    """The authority's files, or those of its ML-DSA key."""
    extra = "-mldsa" if post_quantum else ""
    return CaPaths(
        directory / f"authority{extra}.pem",
        directory / f"authority{extra}.key",
        directory / f"revoked{extra}.pem",
    )


def region_paths(directory: Path, region_id: str, *, post_quantum: bool = False) -> CaPaths:
    """A region's files. Raises KeyFileError: not a region's id."""
    if not is_name(region_id):
        raise KeyFileError(f"{region_id!r} is not a region id")
    extra = "-mldsa" if post_quantum else ""
    base = directory / REGIONS / region_id
    return CaPaths(
        base / f"region{extra}.pem", base / f"region{extra}.key", base / f"revoked{extra}.pem"
    )


def device_paths(directory: Path, device_id: str) -> DevicePaths:
    """Where a device's files are kept.

    Raises:
        KeyFileError: the id is not one that could have been issued.
    """
    if not is_name(device_id):
        raise KeyFileError(f"{device_id!r} is not a device id")
    base = directory / DEVICES
    second = base / "mldsa"
    return DevicePaths(
        base / f"{device_id}.pem",
        base / f"{device_id}.key",
        base / f"{device_id}.p11",
        (second / f"{device_id}.pem", second / f"{device_id}.key"),
    )


def identity_of(certificate: x509.Certificate) -> DeviceIdentity:
    """What a device's certificate says of it. Raises KeyFileError: not a device's."""
    names = names_of(certificate.subject)
    device = names.get(NameOID.COMMON_NAME, "")
    precinct = names.get(NameOID.ORGANIZATIONAL_UNIT_NAME, "")
    region = names.get(NameOID.ORGANIZATION_NAME)
    if not is_name(device) or not is_name(precinct) or not (region is None or is_name(region)):
        raise KeyFileError("the certificate names no device and precinct: it is not a device's")
    try:
        return DeviceIdentity(
            device_id=device,
            precinct_id=_place(certificate, device, precinct, region),
            certificate_serial=certificate.serial_number,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            region_id=region,
            purpose=purpose_of(certificate),
            promised=promised_key(certificate),
        )
    except (ValueError, x509.DuplicateExtension) as error:
        raise KeyFileError(f"the certificate is damaged: {error}") from error


def _place(certificate: x509.Certificate, device: str, first: str, region: str | None) -> str:
    """All precincts that a certificate names, in its one form. Raises ValueError."""
    names = further_names(certificate)
    found = [names_of(name).get(NameOID.ORGANIZATIONAL_UNIT_NAME, "") for name in names]
    if not all(map(is_name, found)):
        raise ValueError("an alternative name is no precinct's")
    place = place_of([first, *found])
    if [certificate.subject, *names] != device_names(device, place, region):
        raise ValueError("its alternative names are not this device's, precinct by precinct")
    return place


def names_of(name: x509.Name) -> dict[x509.ObjectIdentifier, str]:
    """The parts of a name that are text; of several of one kind the last."""
    return {each.oid: each.value for each in name if isinstance(each.value, str)}


def checked_root(path: Path, *, post_quantum: bool = False) -> x509.Certificate:
    """Load a root: self-signed, and allowed to certify. Raises KeyFileError."""
    root = load_chain(path, post_quantum=post_quantum)[0]
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
    return load_chain(path)[0]


def load_chain(path: Path, *, post_quantum: bool = False) -> tuple[x509.Certificate, ...]:
    """Load one or two PEM certificates of ECDSA P-256 keys, or of ML-DSA-65 keys.

    Raises:
        KeyFileError: anything else.
    """
    try:
        certificates = tuple(x509.load_pem_x509_certificates(read_file(path)))
        keys = [certificate.public_key() for certificate in certificates]
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise KeyFileError(f"{path}: is not a PEM certificate") from error
    if len(certificates) > 2:
        raise KeyFileError(f"{path}: holds {len(certificates)} certificates, more than two")
    if not all(is_key(key, post_quantum=post_quantum) for key in keys):
        kind = "an ML-DSA-65" if post_quantum else "an ECDSA P-256"
        raise KeyFileError(f"{path}: is not a certificate of {kind} key")
    return certificates


def is_key(key: object, *, post_quantum: bool) -> bool:
    """Is this a public key of the one kind, or of the other?"""
    if post_quantum:
        return isinstance(key, mldsa.MLDSA65PublicKey)
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def certified_key(certificate: x509.Certificate) -> PublicKey:
    """A certificate's public key. Raises KeyFileError: neither ECDSA P-256 nor ML-DSA-65."""
    key = certificate.public_key()
    if isinstance(key, mldsa.MLDSA65PublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    ):
        return key
    raise KeyFileError("the certificate's key is neither ECDSA P-256 nor ML-DSA-65")


def load_private_key(path: Path, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
    """Load a PEM ECDSA P-256 key. Raises KeyFileError, also for a wrong passphrase."""
    key = _load_key(path, passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError(f"{path}: is not an ECDSA P-256 key")
    return key


def load_post_quantum_key(path: Path, passphrase: bytes | None) -> mldsa.MLDSA65PrivateKey:
    """Load a PEM ML-DSA-65 key. Raises KeyFileError, also for a wrong passphrase."""
    key = _load_key(path, passphrase)
    if not isinstance(key, mldsa.MLDSA65PrivateKey):
        raise KeyFileError(f"{path}: is not an ML-DSA-65 key")
    return key


def _load_key(path: Path, passphrase: bytes | None) -> object:
    try:
        return serialization.load_pem_private_key(read_file(path), passphrase)
    except TypeError as error:
        need = "needs a passphrase" if passphrase is None else "takes no passphrase"
        raise KeyFileError(f"{path}: the key {need}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path}: is not a private key, or the passphrase is wrong") from error


def private_pem(key: PrivateKey, passphrase: bytes | None) -> bytes:
    """PKCS #8 in PEM, encrypted where a passphrase is given."""
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )


def certificate_pem(*certificates: x509.Certificate) -> bytes:
    """Certificates in PEM, one after the other."""
    return b"".join(map(_one_pem, certificates))


@lru_cache(maxsize=1024)
def _one_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def write_new(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file that must not exist yet, through to the disk; `private`: mode 0600."""
    mode = 0o600 if private else 0o644
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file in one step: after a cut it is the old one or the new one, whole."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    write_new(fresh, data, private=private)
    fresh.replace(path)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises KeyFileError: it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise KeyFileError(f"{path}: no such file; make it with `ballotbench keys`") from error
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror}") from error
