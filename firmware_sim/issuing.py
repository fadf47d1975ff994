"""What issuing certificates shares: opening an issuer's keys, its files, its revocation list.

An issuer is an authority or a region, each with an ECDSA key and, where the authority has
one, an ML-DSA key, which issue, and withdraw, the same things side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from firmware_sim.certificates import Issuer, PrivateKey, revocation_list, whole_second
from firmware_sim.chain import load_list, region_of
from firmware_sim.errors import KeyFileError
from firmware_sim.keyfiles import (
    CaPaths,
    authority_paths,
    certificate_pem,
    checked_root,
    load_post_quantum_key,
    load_private_key,
    private_pem,
    region_paths,
    replace_file,
    write_new,
)


@dataclass(frozen=True, slots=True)
class OpenCa:
    """One key of an issuer, opened: what it issues with, its files, and what stands between
    its certificate and a device's root (a region's own; nothing for the authority)."""

    issuer: Issuer
    files: CaPaths
    between: tuple[x509.Certificate, ...]

    def write_list(self, revoked: Mapping[int, datetime], now: datetime) -> None:
        """Replace the revocation list, in one step: half of one would free the withdrawn."""
        number = 1
        if self.files.revoked.exists():
            number += load_list(self.files.revoked, self.issuer.certificate).number
        pem = revocation_list(self.issuer, revoked, number=number, now=now)
        replace_file(self.files.revoked, pem)

    def withdraw(self, certificate: x509.Certificate, now: datetime) -> int:
        """Put a certificate on the list; idempotent. Returns its serial number."""
        revoked = dict(load_list(self.files.revoked, self.issuer.certificate).serials)
        revoked.setdefault(certificate.serial_number, whole_second(now))
        self.write_list(revoked, now)
        return certificate.serial_number


@dataclass(frozen=True, slots=True)
class OpenIssuer:
    """An authority or a region whose keys are open; `second` is its ML-DSA part."""

    first: OpenCa
    second: OpenCa | None
    region_id: str | None


def new_key(*, post_quantum: bool) -> PrivateKey:
    """A fresh key: ML-DSA-65 or ECDSA P-256."""
    if post_quantum:
        return mldsa.MLDSA65PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def write_ca(
    files: CaPaths,
    certificate: x509.Certificate,
    key: PrivateKey,
    passphrase: bytes | None,
    now: datetime,
) -> None:
    """Write an issuer's certificate, key and empty revocation list."""
    write_new(files.key, private_pem(key, passphrase), private=True)
    write_new(files.certificate, certificate_pem(certificate))
    OpenCa(Issuer(certificate, key), files, ()).write_list({}, now)


def open_authority(directory: Path, passphrase: bytes | None) -> OpenIssuer:
    """Open the authority's keys.

    Raises:
        KeyFileError: no authority, or the passphrase is wrong.
    """
    files = authority_paths(directory)
    first = OpenCa(
        Issuer(checked_root(files.certificate), load_private_key(files.key, passphrase)), files, ()
    )
    files = authority_paths(directory, post_quantum=True)
    second = None
    if files.certificate.exists():
        root = checked_root(files.certificate, post_quantum=True)
        second = OpenCa(Issuer(root, load_post_quantum_key(files.key, passphrase)), files, ())
    return OpenIssuer(_matching(first), second and _matching(second), None)


def open_region(directory: Path, region_id: str, passphrase: bytes | None) -> OpenIssuer:
    """Open a region's keys; the authority's own are not needed.

    Raises:
        KeyFileError: no such region, it is revoked, or the passphrase is wrong.
    """
    files = region_paths(directory, region_id)
    above = authority_paths(directory)
    root = checked_root(above.certificate)
    certificate = region_of(files, root)
    if certificate.serial_number in load_list(above.revoked, root).serials:
        raise KeyFileError(f"region {region_id} is revoked: it can issue no more")
    key = load_private_key(files.key, passphrase)
    first = OpenCa(Issuer(certificate, key), files, (certificate,))
    files = region_paths(directory, region_id, post_quantum=True)
    second = None
    if files.certificate.exists():
        root = checked_root(
            authority_paths(directory, post_quantum=True).certificate, post_quantum=True
        )
        certificate = region_of(files, root, post_quantum=True)
        issuer = Issuer(certificate, load_post_quantum_key(files.key, passphrase))
        second = OpenCa(issuer, files, (certificate,))
    return OpenIssuer(_matching(first), second and _matching(second), region_id)


def open_issuer(directory: Path, region_id: str | None, passphrase: bytes | None) -> OpenIssuer:
    """The region's keys, or the authority's where no region is named."""
    if region_id is None:
        return open_authority(directory, passphrase)
    return open_region(directory, region_id, passphrase)


def _matching(opened: OpenCa) -> OpenCa:
    if opened.issuer.key.public_key() != opened.issuer.certificate.public_key():
        raise KeyFileError(f"{opened.files.key}: is not the key of {opened.files.certificate.name}")
    return opened
