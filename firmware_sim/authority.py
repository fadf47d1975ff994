"""The authority: makes its root, certifies devices, withdraws them.

One self-signed root (`authority.pem`) certifies devices directly; withdrawn ones are in a
CRL (`revoked.pem`) that is replaced in one step (NVT-16, NVT-17).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware_sim.errors import KeyFileError
from firmware_sim.keyfiles import (
    AUTHORITY_CERTIFICATE,
    AUTHORITY_KEY,
    DEVICES,
    REVOKED,
    DeviceIdentity,
    DevicePaths,
    checked_root,
    device_paths,
    identity_of,
    is_name,
    load_certificate,
    load_private_key,
    revoked_serials,
    write_new,
)
from firmware_sim.signing import in_lower_half


def create_authority(
    directory: Path,
    *,
    name: str,
    now: datetime,
    valid_days: int,
    passphrase: bytes | None = None,
) -> Path:
    """Make a root key and certificate and an empty CRL in `directory`.

    Writes `authority.pem`, `authority.key` (PKCS #8, mode 0600, encrypted when a
    passphrase is given) and `revoked.pem`. `now` is timezone-aware.

    Returns:
        The path of `authority.pem`.

    Raises:
        KeyFileError: an authority is already there, or the name is empty or too long.
    """
    if not 1 <= len(name.strip()) <= 64:
        raise KeyFileError("an authority's name has 1 to 64 characters; give another --name")
    if (directory / AUTHORITY_KEY).exists() or (directory / AUTHORITY_CERTIFICATE).exists():
        raise KeyFileError(
            f"{directory}: there is an authority already; choose an empty directory "
            "(a second root would orphan every device of the first)"
        )
    directory.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name.strip())])
    start = _whole_second(now)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(_later(start, valid_days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_new(directory / AUTHORITY_KEY, _private_pem(key, passphrase), private=True)
    write_new(
        directory / AUTHORITY_CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM)
    )
    _write_crl(directory, certificate, key, {}, start)
    return directory / AUTHORITY_CERTIFICATE


def issue_device(
    directory: Path,
    device_id: str,
    *,
    precinct_id: str,
    now: datetime,
    valid_days: int,
    passphrase: bytes | None = None,
) -> DevicePaths:
    """Make a device's key and certificate under the authority in `directory`.

    The certificate's common name is the device, its organisational unit the precinct; its
    key may sign, nothing else. `passphrase` opens the authority's key; the device's own key
    is written unencrypted, mode 0600, as a device starts unattended. A device id may be
    issued again only after its former certificate was revoked.

    Raises:
        KeyFileError: no authority, wrong passphrase, unusable id, or the device has a
            certificate that is still good.
    """
    for what, value in (("device", device_id), ("precinct", precinct_id)):
        if not is_name(value):
            raise KeyFileError(
                f"{value!r} cannot be a {what} id: use 1 to 64 letters, digits, '.', '_', ':', '-'"
            )
    root, root_key = _load_authority(directory, passphrase)
    paths = device_paths(directory, device_id)
    if paths.certificate.exists():
        serial = load_certificate(paths.certificate).serial_number
        if serial not in revoked_serials(directory / REVOKED, root):
            raise KeyFileError(
                f"{paths.certificate}: device {device_id} has a certificate that is still good; "
                "revoke it first or choose another device id"
            )
        paths.certificate.unlink()
        paths.key.unlink(missing_ok=True)
    paths.certificate.parent.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    start = _whole_second(now)
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(
            x509.Name(
                [
                    x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, precinct_id),
                    x509.NameAttribute(NameOID.COMMON_NAME, device_id),
                ]
            )
        )
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(min(_later(start, valid_days), root.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
    )
    # A device's certificate travels in its signatures, which have one form only; signing is
    # randomised and hits the lower half every second time.
    certificate = unsigned.sign(root_key, hashes.SHA256())
    while not in_lower_half(certificate.signature):
        certificate = unsigned.sign(root_key, hashes.SHA256())
    write_new(paths.key, _private_pem(key, None), private=True)
    write_new(paths.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    return paths


def revoke(
    directory: Path, device_id: str, now: datetime, *, passphrase: bytes | None = None
) -> int:
    """Put a device's certificate on the CRL; idempotent. Returns its serial number.

    Raises:
        KeyFileError: no authority or no such device.
    """
    root, root_key = _load_authority(directory, passphrase)
    serial = load_certificate(device_paths(directory, device_id).certificate).serial_number
    revoked = dict(revoked_serials(directory / REVOKED, root))
    revoked.setdefault(serial, _whole_second(now))
    _write_crl(directory, root, root_key, revoked, _whole_second(now))
    return serial


def list_devices(directory: Path) -> list[tuple[DeviceIdentity, datetime | None]]:
    """Every device certificate in `directory`, with the time it was revoked or None."""
    root = load_certificate(directory / AUTHORITY_CERTIFICATE)
    revoked = revoked_serials(directory / REVOKED, root)
    rows = []
    for path in sorted((directory / DEVICES).glob("*.pem")):
        identity = identity_of(load_certificate(path))
        rows.append((identity, revoked.get(identity.certificate_serial)))
    return rows


def _load_authority(
    directory: Path, passphrase: bytes | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    root = checked_root(directory / AUTHORITY_CERTIFICATE)
    return root, load_private_key(directory / AUTHORITY_KEY, passphrase)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None) -> bytes:
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )


def _write_crl(
    directory: Path,
    root: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    revoked: Mapping[int, datetime],
    now: datetime,
) -> None:
    # Valid as long as the root: verifiers are offline and renew it by hand (NVT-14).
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(now)
        .next_update(root.not_valid_after_utc)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    for serial, when in sorted(revoked.items()):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
        builder = builder.add_revoked_certificate(entry.build())
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    # A half-written list would unlock every withdrawn device: replace it in one step.
    fresh = directory / f"{REVOKED}.new"
    fresh.unlink(missing_ok=True)
    write_new(fresh, pem)
    fresh.replace(directory / REVOKED)


def _whole_second(moment: datetime) -> datetime:
    """UTC, rounded down: X.509 times have whole seconds and must not lie ahead of the clock."""
    return moment.astimezone(UTC).replace(microsecond=0)


def _later(start: datetime, valid_days: int) -> datetime:
    # 2200 is some 63,000 days away; far larger numbers are beyond what a date can hold.
    if not 1 <= valid_days <= 100_000 or (start + timedelta(days=valid_days)).year > 2200:
        raise KeyFileError(f"{valid_days} days is no validity: give 1 to about 60,000")
    return start + timedelta(days=valid_days)
