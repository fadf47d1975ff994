"""Keys, certificates and signatures of the precinct devices: ECDSA P-256 and X.509.

The doors of the whole: an authority (`create_authority`, `issue_device`, `revoke`,
`list_devices`), a device's signer (`DeviceSigner`), and what a verifier needs
(`TrustStore`). Signatures are detached CMS that stock `openssl cms -verify` accepts; their
form is in `firmware_sim.cms_form` (NVT-13, NVT-16, NVT-17).

Rules of `TrustStore.verify`, in this order:

1. *malformed*: the CMS is not in the one form a device writes;
2. *untrusted*: its certificate was not issued to a device by this root;
3. *bad_signature*: it is over other content, or not made with the device's key;
4. *expired*: the certificate is not valid at the time asked about;
5. *revoked*: the certificate is on the authority's list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from firmware_sim.authority import create_authority, issue_device, list_devices, revoke
from firmware_sim.cms_form import assemble, check_signature, sign_detached, take_apart
from firmware_sim.errors import KeyFileError, SignatureError, SignatureFault
from firmware_sim.keyfiles import (
    AUTHORITY_CERTIFICATE,
    AUTHORITY_KEY,
    REVOKED,
    DeviceIdentity,
    DevicePaths,
    checked_root,
    device_paths,
    identity_of,
    load_certificate,
    load_private_key,
    revoked_serials,
)
from firmware_sim.signing import Signer, raw_signer, refuse_cms_content, verify_raw

__all__ = [
    "AUTHORITY_CERTIFICATE",
    "AUTHORITY_KEY",
    "REVOKED",
    "DeviceIdentity",
    "DevicePaths",
    "DeviceSigner",
    "Signer",
    "TrustStore",
    "create_authority",
    "device_paths",
    "issue_device",
    "list_devices",
    "revoke",
    "sign_detached",
    "verify_raw",
]


@dataclass(frozen=True, slots=True)
class DeviceSigner:
    """A `Signer` whose key is in memory, from the file that `issue_device` wrote."""

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
        certificate = load_certificate(paths.certificate)
        key = load_private_key(paths.key, None)
        if key.public_key() != certificate.public_key():
            raise KeyFileError(
                f"{paths.key}: is not the key of {paths.certificate.name}; issue the device anew"
            )
        return cls(key, certificate, identity_of(certificate))

    def sign(self, content: bytes) -> bytes:
        """The detached CMS over `content`, DER."""
        return sign_detached(content, raw_signer(self.key), (self.certificate,))

    def sign_raw(self, content: bytes) -> bytes:
        """64 bytes `r || s` over SHA-256 of `content` (see `firmware_sim.signing`)."""
        return raw_signer(self.key)(refuse_cms_content(content))

    def sign_post_quantum(self, content: bytes) -> bytes | None:
        """None: this device has no ML-DSA key."""
        return None


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The root and the certificates withdrawn under it: all that a verifier needs."""

    root: x509.Certificate
    revoked: Mapping[int, datetime]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the root certificate, 64 hex digits: to compare with the published one."""
        return self.root.fingerprint(hashes.SHA256()).hex()

    @classmethod
    def load(cls, place: Path) -> TrustStore:
        """Load from a directory (`authority.pem` and `revoked.pem`, both required) or from a
        root certificate alone (then nothing is known to be revoked).

        Raises:
            KeyFileError: a file is missing, damaged, or not of this authority.
        """
        if not place.is_dir():
            return cls(checked_root(place), {})
        root = checked_root(place / AUTHORITY_CERTIFICATE)
        return cls(root, revoked_serials(place / REVOKED, root))

    def verify(self, content: bytes, cms_der: bytes, *, at: datetime) -> DeviceIdentity:
        """Check a detached CMS over `content` as of `at` (timezone-aware).

        A revoked certificate is refused at any time: the time of signing is the signer's
        own word, so a stolen key could claim an earlier one.

        Raises:
            SignatureError: with the fault; any changed byte of `cms_der` is a fault.
        """
        chain, digest, signature = take_apart(cms_der)
        certificate = chain[0]
        self._check_issued(certificate)
        if len(chain) != 1 or assemble(chain, digest, signature) != cms_der:
            raise SignatureError(
                SignatureFault.MALFORMED,
                "the signature file is not in the one form a device writes: it was altered",
            )
        if hashlib.sha256(content).digest() != digest:
            raise SignatureError(
                SignatureFault.BAD_SIGNATURE,
                "the signature belongs to other content: what was signed has been altered",
            )
        check_signature(certificate, digest, signature)
        identity = identity_of(certificate)
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
            identity_of(certificate)
        except (InvalidSignature, KeyFileError) as error:
            raise untrusted from error
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
            raise untrusted from error
        if constraints.value.ca or not usage.value.digital_signature:
            raise untrusted
