"""Keys, certificates and signatures of the precinct devices: ECDSA P-256, ML-DSA-65, X.509.

The doors of the whole: an authority (`create_authority`, `add_region`, `issue_device`,
`revoke`, …), a device's signer (`DeviceSigner`), and what a verifier needs (`TrustStore`).
Signatures are detached CMS that stock `openssl cms -verify` accepts
(`firmware_sim.cms_form`), with a second one for the years that records are kept
(`firmware_sim.post_quantum`) (NVT-13, NVT-16, NVT-17).

Rules of `TrustStore.verify`, in this order:

1. *malformed*: the CMS is not in the one form a device writes;
2. *untrusted*: its certificate was not issued to a device by this root or a region of it;
3. *bad_signature*: it is over other content, or not made with the device's key;
4. *wrong_purpose*: the certificate is for something else;
5. *expired*: a certificate of the chain is not valid at the time asked about;
6. *revoked*: one is on its issuer's list; *no_revocation_list*: the issuer's list is not there.

`verify_package` adds the second signature, by the same rules under a root of its own, and
*downgraded*: it is missing though the device's certificate promises it (also where there is no
root to check it by), or though `require_post_quantum` is set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from firmware_sim import post_quantum
from firmware_sim.authority import (
    add_region,
    create_authority,
    issue_device,
    list_devices,
    list_regions,
    revoke,
    revoke_region,
)
from firmware_sim.certificates import Purpose, key_hash
from firmware_sim.chain import Chain, ChainTrust, check_purpose
from firmware_sim.cms_form import check_signature, sign_detached, take_apart
from firmware_sim.errors import KeyFileError, SignatureError, SignatureFault
from firmware_sim.keyfiles import (
    AUTHORITY_CERTIFICATE,
    AUTHORITY_KEY,
    REVOKED,
    DeviceIdentity,
    DevicePaths,
    authority_paths,
    certified_key,
    checked_root,
    device_paths,
    identity_of,
    load_chain,
    load_post_quantum_key,
    load_private_key,
)
from firmware_sim.quick_form import quick_identity
from firmware_sim.signing import RawSign, Signer, raw_signer, refuse_cms_content, verify_raw

__all__ = [
    "AUTHORITY_CERTIFICATE",
    "AUTHORITY_KEY",
    "REVOKED",
    "DeviceIdentity",
    "DevicePaths",
    "DeviceSigner",
    "Purpose",
    "Signer",
    "TrustStore",
    "add_region",
    "create_authority",
    "device_paths",
    "issue_device",
    "list_devices",
    "list_regions",
    "revoke",
    "revoke_region",
    "sign_detached",
    "verify_raw",
]


@dataclass(frozen=True, slots=True)
class SecondKey:
    """A device's ML-DSA-65 key and its chain; always in memory: no token holds such keys."""

    key: mldsa.MLDSA65PrivateKey
    chain: Chain


@dataclass(frozen=True, slots=True)
class DeviceSigner:
    """A `Signer`: certificates, and whatever signs with the key of the first of them.

    `release` ends the use of a token (see `close`); nothing where the key is in memory.
    """

    raw: RawSign
    chain: Chain
    identity: DeviceIdentity
    second: SecondKey | None = None
    release: Callable[[], None] | None = None

    @classmethod
    def load(
        cls, directory: Path, device_id: str, *, passphrase: bytes | None = None
    ) -> DeviceSigner:
        """Load what `issue_device` wrote; `passphrase` opens the keys, if they are protected.

        Raises:
            KeyFileError: a file is missing, unreadable, or the two do not belong together.
        """
        paths = device_paths(directory, device_id)
        chain = load_chain(paths.certificate)
        identity = identity_of(chain[0])
        key = load_private_key(paths.key, passphrase)
        if key.public_key() != chain[0].public_key():
            raise KeyFileError(
                f"{paths.key}: is not the key of {paths.certificate.name}; issue the device anew"
            )
        return cls(raw_signer(key), chain, identity, load_second(paths, identity, passphrase))

    def close(self) -> None:
        """Log out of the token that holds the key, if one does."""
        if self.release is not None:
            self.release()

    @property
    def certificate(self) -> x509.Certificate:
        """The device's own certificate."""
        return self.chain[0]

    def sign(self, content: bytes) -> bytes:
        """The detached CMS over `content`, DER."""
        return sign_detached(content, self.raw, self.chain)

    def sign_raw(self, content: bytes) -> bytes:
        """64 bytes `r || s` over SHA-256 of `content` (see `firmware_sim.signing`)."""
        return self.raw(refuse_cms_content(content))

    def sign_post_quantum(self, content: bytes) -> bytes | None:
        """The detached ML-DSA-65 signature; None where the device has no such key."""
        if self.second is None:
            return None
        return post_quantum.sign_second(content, self.second.key, self.second.chain)


def load_second(
    paths: DevicePaths, identity: DeviceIdentity, passphrase: bytes | None
) -> SecondKey | None:
    """The ML-DSA key that the device's certificate promises; None where it promises none.

    Raises:
        KeyFileError: it is missing, or not the one that was promised.
    """
    if identity.promised is None:
        return None
    certificate, file = paths.second
    chain = load_chain(certificate, post_quantum=True)
    key = load_post_quantum_key(file, passphrase)
    if not key_hash(key.public_key()) == key_hash(certified_key(chain[0])) == identity.promised:
        raise KeyFileError(f"{file}: is not the ML-DSA key that {paths.certificate.name} promises")
    return SecondKey(key, chain)


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The roots and what is withdrawn under them: all that a verifier needs.

    `second` is the ML-DSA root's part, None where the folder has none. With
    `require_post_quantum` a device without a second signature is refused even if its
    certificate promises none: for the day when ECDSA certificates can be forged.
    """

    first: ChainTrust
    second: ChainTrust | None = None
    require_post_quantum: bool = False

    @property
    def root(self) -> x509.Certificate:
        """The ECDSA root certificate."""
        return self.first.root

    @property
    def not_checked(self) -> tuple[str, ...]:
        """What this folder gives nobody the means to check: "revocation", "second_signature"."""
        return (
            *(() if self.first.complete else ("revocation",)),
            *(() if self.second is not None else ("second_signature",)),
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the root certificate, 64 hex digits: to compare with the published one."""
        return self.root.fingerprint(hashes.SHA256()).hex()

    @classmethod
    def load(cls, place: Path) -> TrustStore:
        """Load from a directory (`authority.pem` and `revoked.pem`, both required; the folders
        of the regions; the ML-DSA root and its list, where it has one) or from a root
        certificate alone (then nothing is known to be revoked, and no second signature is
        checked).

        Raises:
            KeyFileError: a file is missing, damaged, or not of this authority.
        """
        if not place.is_dir():
            return cls(ChainTrust(checked_root(place), {}, complete=False))
        first = ChainTrust.load(place)
        if not authority_paths(place, post_quantum=True).certificate.exists():
            return cls(first)
        return cls(first, ChainTrust.load(place, post_quantum=True))

    def verify(
        self,
        content: bytes,
        cms_der: bytes,
        *,
        at: datetime,
        purposes: Collection[Purpose] = (Purpose.RESULTS,),
    ) -> DeviceIdentity:
        """Check a detached CMS over `content` as of `at` (timezone-aware), by a device that is
        certified for one of `purposes`.

        Raises:
            SignatureError: with the fault; any changed byte of `cms_der` is a fault.
        """
        quick = quick_identity(self.first, content, cms_der, at, purposes)
        return quick or self.verify_fully(content, cms_der, at=at, purposes=purposes)

    def verify_fully(
        self,
        content: bytes,
        cms_der: bytes,
        *,
        at: datetime,
        purposes: Collection[Purpose] = (Purpose.RESULTS,),
    ) -> DeviceIdentity:
        """As `verify`, never by the quick way of the common case."""
        chain, digest, signature = take_apart(cms_der)
        identity = self.first.check_issued(chain)
        if hashlib.sha256(content).digest() != digest:
            raise SignatureError(
                SignatureFault.BAD_SIGNATURE,
                "the signature belongs to other content: what was signed has been altered",
            )
        check_signature(chain[0], digest, signature)
        check_purpose(identity, purposes)
        self.first.check_valid(chain, identity, at)
        return identity

    def verify_raw(
        self,
        content: bytes,
        raw: bytes,
        chain: Chain,
        *,
        at: datetime,
        purposes: Collection[Purpose] = (Purpose.RESULTS,),
    ) -> DeviceIdentity:
        """Check what `Signer.sign_raw` made, whose `chain` came with it.

        Raises:
            SignatureError: with the fault, as `verify`.
        """
        identity = self.first.check_issued(chain)
        key = certified_key(chain[0])
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise SignatureError(SignatureFault.MALFORMED, "the signer's key is not ECDSA P-256")
        verify_raw(key, content, raw)
        check_purpose(identity, purposes)
        self.first.check_valid(chain, identity, at)
        return identity

    def verify_package(
        self, content: bytes, cms_der: bytes, mldsa_pem: bytes | None, *, at: datetime
    ) -> tuple[DeviceIdentity, bool]:
        """Check both signatures over a package's check sums.

        Returns:
            Who signed, and whether a second signature was checked (False: none was promised,
            or there is no ML-DSA root to check it by).

        Raises:
            SignatureError: as `verify`, of either; *downgraded*: the second one is missing.
        """
        identity = self.verify(content, cms_der, at=at)
        return identity, self.verify_second(content, mldsa_pem, identity, at=at)

    def verify_second(
        self, content: bytes, mldsa_pem: bytes | None, identity: DeviceIdentity, *, at: datetime
    ) -> bool:
        """Check the second signature of a device whose first one is accepted; see
        `verify_package`."""
        if self.second is None and self.require_post_quantum:
            raise SignatureError(
                SignatureFault.DOWNGRADED,
                "a second signature is required, but the trust folder has no "
                "authority-mldsa.pem to check one by",
            )
        if mldsa_pem is None:
            if identity.promised is None and not self.require_post_quantum:
                return False
            why = "promises" if identity.promised is not None else "does not even promise"
            raise SignatureError(
                SignatureFault.DOWNGRADED,
                "the second signature, SHA256SUMS.mldsa, is missing: the certificate of device "
                f"{identity.device_id} {why} one",
            )
        if self.second is None:
            return False
        chain, signature = post_quantum.read(mldsa_pem)
        other = self.second.check_issued(chain)
        if identity.promised is None or key_hash(certified_key(chain[0])) != identity.promised:
            raise SignatureError(
                SignatureFault.UNTRUSTED,
                "the second signature is by another ML-DSA key than the one that the certificate "
                f"of device {identity.device_id} promises",
            )
        if _who(other) != _who(identity):
            raise SignatureError(
                SignatureFault.UNTRUSTED, "the two signatures are of different devices"
            )
        post_quantum.check(content, signature, chain)
        self.second.check_valid(chain, other, at)
        return True

    def check_certificate(
        self, chain: Chain, *, at: datetime, purposes: Collection[Purpose] = (Purpose.RESULTS,)
    ) -> tuple[DeviceIdentity, ec.EllipticCurvePublicKey]:
        """A device's certificate on its own, for signatures that are not a CMS (`verify_raw`):
        who it is, and its key.

        Raises:
            SignatureError: with the fault.
        """
        identity = self.first.check_issued(chain)
        check_purpose(identity, purposes)
        self.first.check_valid(chain, identity, at)
        key = certified_key(chain[0])
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise SignatureError(SignatureFault.MALFORMED, "is not an ECDSA certificate")
        return identity, key


def _who(identity: DeviceIdentity) -> tuple[str, str, str | None, Purpose | None]:
    return identity.device_id, identity.precinct_id, identity.region_id, identity.purpose
