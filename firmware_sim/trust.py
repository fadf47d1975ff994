"""Keys, certificates and signatures of the precinct devices: ECDSA P-256 and X.509.

One authority (a self-signed root, `authority.pem`) certifies devices directly and lists
withdrawn ones in a CRL (`revoked.pem`). A device signs with a detached CMS (RFC 5652,
DER) that stock `openssl cms -verify` accepts (NVT-13, NVT-16, NVT-17).

The form of the CMS is fixed, so that it has exactly one encoding:

1. one signer, named by its subject key identifier, with ECDSA and SHA-256 (RFC 5753,
   RFC 5754: algorithm parameters absent);
2. signed attributes content-type and message-digest, no others, none unsigned;
3. one certificate, the device's own: the root is the verifier's, never the package's;
4. a signature in DER whose `s` is in the lower half of the curve's order, so that the
   second valid form (r, n - s) of the same signature is not accepted either.

`TrustStore.verify` takes the three free values (certificate, digest, signature) out of a
given CMS, assembles the one allowed encoding from them and compares byte for byte: what
OpenSSL overlooks (version numbers, the names of algorithms it does not use) is refused
here. Rules of trust come after: chain, signature, dates, revocation.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import algos, cms, core  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.x509.oid import NameOID

from firmware_sim.errors import KeyFileError, SignatureError, SignatureFault

AUTHORITY_CERTIFICATE = "authority.pem"
AUTHORITY_KEY = "authority.key"
REVOKED = "revoked.pem"
DEVICES = "devices"

#: Order n of the P-256 group (FIPS 186-5, SP 800-186 3.2.1.3).
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
#: Largest CMS looked at, bytes; a real one is under 1 KiB.
MAX_CMS_BYTES = 64 * 1024

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


# --- the authority -------------------------------------------------------------------


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
    _write_new(directory / AUTHORITY_KEY, _private_pem(key, passphrase), private=True)
    _write_new(
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
        if not _NAME.fullmatch(value):
            raise KeyFileError(
                f"{value!r} cannot be a {what} id: use 1 to 64 letters, digits, '.', '_', ':', '-'"
            )
    root, root_key = _load_authority(directory, passphrase)
    paths = device_paths(directory, device_id)
    if paths.certificate.exists():
        serial = _load_certificate(paths.certificate).serial_number
        if serial not in _revoked_serials(directory / REVOKED, root):
            raise KeyFileError(
                f"{paths.certificate}: device {device_id} has a certificate that is still good; "
                "revoke it first or choose another device id"
            )
        paths.certificate.unlink()
        paths.key.unlink(missing_ok=True)
    paths.certificate.parent.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    start = _whole_second(now)
    certificate = (
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
        .sign(root_key, hashes.SHA256())
    )
    _write_new(paths.key, _private_pem(key, None), private=True)
    _write_new(paths.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    return paths


def revoke(
    directory: Path, device_id: str, now: datetime, *, passphrase: bytes | None = None
) -> int:
    """Put a device's certificate on the CRL; idempotent. Returns its serial number.

    Raises:
        KeyFileError: no authority or no such device.
    """
    root, root_key = _load_authority(directory, passphrase)
    serial = _load_certificate(device_paths(directory, device_id).certificate).serial_number
    revoked = dict(_revoked_serials(directory / REVOKED, root))
    revoked.setdefault(serial, _whole_second(now))
    _write_crl(directory, root, root_key, revoked, _whole_second(now))
    return serial


def device_paths(directory: Path, device_id: str) -> DevicePaths:
    """Where `issue_device` keeps a device's files.

    Raises:
        KeyFileError: the id is not one that could have been issued.
    """
    if not _NAME.fullmatch(device_id):
        raise KeyFileError(f"{device_id!r} is not a device id")
    base = directory / DEVICES
    return DevicePaths(base / f"{device_id}.pem", base / f"{device_id}.key")


def list_devices(directory: Path) -> list[tuple[DeviceIdentity, datetime | None]]:
    """Every device certificate in `directory`, with the time it was revoked or None."""
    root = _load_certificate(directory / AUTHORITY_CERTIFICATE)
    revoked = _revoked_serials(directory / REVOKED, root)
    rows = []
    for path in sorted((directory / DEVICES).glob("*.pem")):
        identity = _identity(_load_certificate(path))
        rows.append((identity, revoked.get(identity.certificate_serial)))
    return rows


# --- signing -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeviceSigner:
    """A device's key and certificate, held together; `sign` makes the detached CMS."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    identity: DeviceIdentity

    @classmethod
    def load(cls, directory: Path, device_id: str) -> DeviceSigner:
        """Load what `issue_device` wrote.

        Raises:
            KeyFileError: a file is missing, unreadable, or the two do not belong together.
        """
        paths = device_paths(directory, device_id)
        certificate = _load_certificate(paths.certificate)
        key = _load_private_key(paths.key, None)
        if key.public_key() != certificate.public_key():
            raise KeyFileError(
                f"{paths.key}: is not the key of {paths.certificate.name}; issue the device anew"
            )
        return cls(key, certificate, _identity(certificate))

    def sign(self, content: bytes) -> bytes:
        """The detached CMS over `content`, DER."""
        return sign_detached(content, self.key, self.certificate)


def sign_detached(
    content: bytes, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> bytes:
    """Sign `content`; returns the CMS in DER, in the one form described above."""
    digest = hashlib.sha256(content).digest()
    attributes = _signed_attributes(digest).dump()
    r, s = decode_dss_signature(key.sign(attributes, ec.ECDSA(hashes.SHA256())))
    signature = encode_dss_signature(r, min(s, P256_ORDER - s))
    return _assemble(certificate, digest, signature)


def _signed_attributes(digest: bytes) -> cms.CMSAttributes:
    return cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "message_digest", "values": [digest]},
        ]
    )


def _assemble(certificate: x509.Certificate, digest: bytes, signature: bytes) -> bytes:
    """The one allowed CMS of these three values (RFC 5652 5.1, 5.3; version 3 by 5.3)."""
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    signer = cms.SignerInfo(
        {
            "version": "v3",
            "sid": cms.SignerIdentifier(
                "subject_key_identifier", core.OctetString(identifier.value.digest)
            ),
            "digest_algorithm": sha256,
            "signed_attrs": _signed_attributes(digest),
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": signature,
        }
    )
    encoded = certificate.public_bytes(serialization.Encoding.DER)
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [sha256],
            "encap_content_info": {"content_type": "data"},
            "certificates": [asn1_x509.Certificate.load(encoded)],
            "signer_infos": [signer],
        }
    )
    der: bytes = cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()
    return der


# --- verifying -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The root and the certificates withdrawn under it: all that a verifier needs."""

    root: x509.Certificate
    revoked: Mapping[int, datetime]

    @classmethod
    def load(cls, place: Path) -> TrustStore:
        """Load from a directory (`authority.pem` and `revoked.pem`, both required) or from a
        root certificate alone (then nothing is known to be revoked).

        Raises:
            KeyFileError: a file is missing, damaged, or not of this authority.
        """
        if not place.is_dir():
            return cls(_checked_root(place), {})
        root = _checked_root(place / AUTHORITY_CERTIFICATE)
        return cls(root, _revoked_serials(place / REVOKED, root))

    def verify(self, content: bytes, cms_der: bytes, *, at: datetime) -> DeviceIdentity:
        """Check a detached CMS over `content` as of `at` (timezone-aware).

        A revoked certificate is refused at any time: the time of signing is the signer's
        own word, so a stolen key could claim an earlier one.

        Raises:
            SignatureError: with the fault; any changed byte of `cms_der` is a fault.
        """
        certificate, digest, signature = _take_apart(cms_der)
        self._check_issued(certificate)
        if _assemble(certificate, digest, signature) != cms_der:
            raise SignatureError(
                SignatureFault.MALFORMED,
                "the signature file is not in the one form a device writes: it was altered",
            )
        if hashlib.sha256(content).digest() != digest:
            raise SignatureError(
                SignatureFault.BAD_SIGNATURE,
                "the signature belongs to other content: what was signed has been altered",
            )
        _check_signature(certificate, digest, signature)
        identity = _identity(certificate)
        when = at.astimezone(UTC)
        if when < identity.not_before:
            raise SignatureError(
                SignatureFault.EXPIRED,
                f"the certificate of device {identity.device_id} is not valid before "
                f"{identity.not_before:%Y-%m-%d %H:%M} UTC",
            )
        if when > identity.not_after:
            raise SignatureError(
                SignatureFault.EXPIRED,
                f"the certificate of device {identity.device_id} expired on "
                f"{identity.not_after:%Y-%m-%d %H:%M} UTC",
            )
        withdrawn = self.revoked.get(identity.certificate_serial)
        if withdrawn is not None:
            raise SignatureError(
                SignatureFault.REVOKED,
                f"the certificate of device {identity.device_id} was revoked on "
                f"{withdrawn:%Y-%m-%d %H:%M} UTC",
            )
        return identity

    def _check_issued(self, certificate: x509.Certificate) -> None:
        untrusted = SignatureError(
            SignatureFault.UNTRUSTED,
            "the signer's certificate was not issued by this authority; "
            "check that authority.pem is the one of this election",
        )
        try:
            certificate.verify_directly_issued_by(self.root)
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
            _identity(certificate)
        except (InvalidSignature, KeyFileError) as error:
            raise untrusted from error
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
            raise untrusted from error
        if constraints.value.ca or not usage.value.digital_signature:
            raise untrusted


def _take_apart(cms_der: bytes) -> tuple[x509.Certificate, bytes, bytes]:
    """Certificate, message digest and signature of a CMS, as claimed; nothing trusted yet."""
    malformed = SignatureError(
        SignatureFault.MALFORMED, "the signature file is damaged: it is not a detached CMS"
    )
    if len(cms_der) > MAX_CMS_BYTES:
        raise malformed
    try:
        info = cms.ContentInfo.load(cms_der, strict=True)
        if info["content_type"].native != "signed_data":
            raise malformed
        signed = info["content"]
        if len(signed["certificates"]) != 1 or len(signed["signer_infos"]) != 1:
            raise malformed
        signer = signed["signer_infos"][0]
        attributes = {a["type"].native: a["values"] for a in signer["signed_attrs"]}
        digest = attributes["message_digest"][0].native
        signature = signer["signature"].native
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a certificate that is only tolerated is refused
            certificate = x509.load_der_x509_certificate(signed["certificates"][0].chosen.dump())
        key = certificate.public_key()
        r, s = decode_dss_signature(signature)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise malformed from error
    except (UnsupportedAlgorithm, x509.InvalidVersion, Warning) as error:
        raise malformed from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise malformed
    # Strict DER and the lower half: a signature has one form only.
    if encode_dss_signature(r, s) != signature or not 0 < s <= P256_ORDER // 2:
        raise malformed
    return certificate, digest, signature


def _check_signature(certificate: x509.Certificate, digest: bytes, signature: bytes) -> None:
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101 (checked when taken apart)
    try:
        key.verify(signature, _signed_attributes(digest).dump(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SignatureError(
            SignatureFault.BAD_SIGNATURE,
            "the signature does not verify with the device's key: it is forged or altered",
        ) from error


# --- files ---------------------------------------------------------------------------


def _identity(certificate: x509.Certificate) -> DeviceIdentity:
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


def _checked_root(path: Path) -> x509.Certificate:
    root = _load_certificate(path)
    try:
        root.verify_directly_issued_by(root)
        constraints = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise KeyFileError(f"{path}: is not a root certificate") from error
    if not constraints.ca:
        raise KeyFileError(f"{path}: is a device's certificate, not an authority's")
    return root


def _load_authority(
    directory: Path, passphrase: bytes | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    root = _checked_root(directory / AUTHORITY_CERTIFICATE)
    return root, _load_private_key(directory / AUTHORITY_KEY, passphrase)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise KeyFileError(f"{path}: no such file; make it with `ballotbench keys`") from error
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror}") from error


def _load_certificate(path: Path) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(_read(path))
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise KeyFileError(f"{path}: is not a PEM certificate") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError(f"{path}: is not a certificate of an ECDSA P-256 key")
    return certificate


def _load_private_key(path: Path, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
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


def _private_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None) -> bytes:
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )


def _revoked_serials(path: Path, root: x509.Certificate) -> dict[int, datetime]:
    key = root.public_key()
    try:
        crl = x509.load_pem_x509_crl(_read(path))
        genuine = isinstance(key, ec.EllipticCurvePublicKey) and crl.is_signature_valid(key)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path}: is not a PEM revocation list") from error
    if not genuine or crl.issuer != root.subject:
        raise KeyFileError(f"{path}: is not a revocation list of this authority")
    return {entry.serial_number: entry.revocation_date_utc for entry in crl}


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
    _write_new(fresh, pem)
    fresh.replace(directory / REVOKED)


def _write_new(path: Path, data: bytes, *, private: bool = False) -> None:
    mode = 0o600 if private else 0o644
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _whole_second(moment: datetime) -> datetime:
    """UTC, rounded down: X.509 times have whole seconds and must not lie ahead of the clock."""
    return moment.astimezone(UTC).replace(microsecond=0)


def _later(start: datetime, valid_days: int) -> datetime:
    try:
        end = start + timedelta(days=valid_days)
    except OverflowError:
        end = start
    if valid_days < 1 or end.year > 2200:
        raise KeyFileError(f"{valid_days} days is no validity: give 1 to about 60,000")
    return end
