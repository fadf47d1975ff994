"""Which certificates are believed: chains authority → device and authority → region → device.

A `ChainTrust` is one root with the revocation lists under it, for one kind of keys. Stock
`openssl` checks the same by `-CAfile authority.pem`; the names and purposes below are
checked here as well, as not every tool does (RFC 5280 6.1).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from firmware_sim.certificates import REGION_USAGE, PublicKey, Purpose, further_names, key_hash
from firmware_sim.errors import KeyFileError, SignatureError, SignatureFault
from firmware_sim.keyfiles import (
    REGIONS,
    CaPaths,
    DeviceIdentity,
    authority_paths,
    certified_key,
    checked_root,
    identity_of,
    is_name,
    load_chain,
    names_of,
    read_file,
    region_paths,
)

#: The device's certificate, then its region's if there is one.
Chain = tuple[x509.Certificate, ...]

#: Critical extensions that are understood here; any other makes a certificate unusable
#: (RFC 5280 4.2).
_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage, x509.NameConstraints, x509.ExtendedKeyUsage)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A CRL: withdrawn serial numbers with the time, its number, and how long it is good."""

    serials: Mapping[int, datetime]
    number: int
    next_update: datetime | None


@dataclass(frozen=True, slots=True)
class ChainTrust:
    """A root and the revocation lists under it.

    `lists` are by the issuer's `key_hash`; where they are `complete`, a chain with an issuer
    that has none is refused. `issuers` is what `firmware_sim.quick_form` keeps of regions.
    """

    root: x509.Certificate
    lists: Mapping[bytes, RevocationList]
    complete: bool
    issuers: dict[bytes | None, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, directory: Path, *, post_quantum: bool = False) -> ChainTrust:
        """The root of a trust folder, its list, and those of the regions in it.

        Raises:
            KeyFileError: a file is missing, damaged, or not of this authority.
        """
        files = authority_paths(directory, post_quantum=post_quantum)
        root = checked_root(files.certificate, post_quantum=post_quantum)
        lists = {key_hash(certified_key(root)): load_list(files.revoked, root)}
        for folder in sorted((directory / REGIONS).glob("*/")):
            if not is_name(folder.name):
                continue
            region = region_paths(directory, folder.name, post_quantum=post_quantum)
            if post_quantum and not region.certificate.exists():
                continue
            certificate = region_of(region, root, post_quantum=post_quantum)
            lists[key_hash(certified_key(certificate))] = load_list(region.revoked, certificate)
        return cls(root, lists, complete=True)

    def check_issued(self, chain: Chain) -> DeviceIdentity:
        """Whose certificate it is, if this root, or a region of it, issued it to a device.

        Raises:
            SignatureError: *untrusted*.
        """
        try:
            if len(chain) == 1:
                _check_device(chain[0], self.root)
            elif len(chain) == 2:
                check_region(chain[1], self.root)
                _check_device(chain[0], chain[1])
                _check_names(chain[0], chain[1])
            else:
                raise ValueError("a chain has one or two certificates")
            return identity_of(chain[0])
        except (InvalidSignature, KeyFileError, ValueError, TypeError) as error:
            raise _untrusted(str(error)) from error
        except (UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
            raise _untrusted("a certificate is not of the form that it must have") from error

    def check_valid(self, chain: Chain, identity: DeviceIdentity, at: datetime) -> None:
        """Dates and revocation, of every certificate of a chain that was issued here.

        A revoked certificate is refused at any time: the time of signing is the signer's
        own word, so a stolen key could claim an earlier one.

        Raises:
            SignatureError: *expired*, *revoked* or *no_revocation_list*.
        """
        when = at.astimezone(UTC)
        named = [(f"device {identity.device_id}", chain[0])]
        named += [(f"region {identity.region_id}", each) for each in chain[1:]]
        for who, certificate in (*named, ("the authority", self.root)):
            _check_dates(who, certificate, when)
        for (who, certificate), issuer in zip(named, (*chain[1:], self.root), strict=True):
            self._check_not_revoked(who, certificate, issuer, when)

    def _check_not_revoked(
        self, who: str, certificate: x509.Certificate, issuer: x509.Certificate, when: datetime
    ) -> None:
        known = self.lists.get(_name_of_key(issuer))
        if known is None:
            if self.complete:
                raise SignatureError(
                    SignatureFault.NO_REVOCATION_LIST,
                    f"the trust folder has no revocation list of the issuer of {who}: get the "
                    "region's folder (region.pem, revoked.pem) from the authority",
                )
            return
        withdrawn = known.serials.get(certificate.serial_number)
        if withdrawn is not None:
            raise SignatureError(
                SignatureFault.REVOKED,
                f"the certificate of {who} was revoked on {withdrawn:%Y-%m-%d %H:%M} UTC",
            )
        if known.next_update is not None and when > known.next_update:
            raise SignatureError(
                SignatureFault.EXPIRED,
                f"the revocation list that says whether {who} is good was to be renewed on "
                f"{known.next_update:%Y-%m-%d %H:%M} UTC: get the new one",
            )


@lru_cache(maxsize=1024)
def _name_of_key(issuer: x509.Certificate) -> bytes:
    return key_hash(certified_key(issuer))


def check_purpose(identity: DeviceIdentity, purposes: Collection[Purpose]) -> None:
    """Is the certificate for one of these? Raises SignatureError: *wrong_purpose*."""
    if identity.purpose not in purposes:
        what = "something else" if identity.purpose is None else identity.purpose.value
        raise SignatureError(
            SignatureFault.WRONG_PURPOSE,
            f"the certificate of device {identity.device_id} is for {what}, not for "
            f"{' or '.join(sorted(purposes))}",
        )


def region_of(
    files: CaPaths, root: x509.Certificate, *, post_quantum: bool = False
) -> x509.Certificate:
    """Load a region's certificate. Raises KeyFileError: it is not a region of this root."""
    certificate = load_chain(files.certificate, post_quantum=post_quantum)[0]
    try:
        check_region(certificate, root)
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise KeyFileError(f"{files.certificate}: is not a region of this authority") from error
    if (
        names_of(certificate.subject).get(NameOID.ORGANIZATION_NAME)
        != files.certificate.parent.name
    ):
        raise KeyFileError(f"{files.certificate}: is the certificate of another region")
    return certificate


def load_list(path: Path, issuer: x509.Certificate) -> RevocationList:
    """A CRL that `issuer` signed. Raises KeyFileError."""
    try:
        crl = x509.load_pem_x509_crl(read_file(path))
        genuine = _signed_list(crl, certified_key(issuer))
        entries = {entry.serial_number: entry.revocation_date_utc for entry in crl}
        number = next(
            (e.value.crl_number for e in crl.extensions if isinstance(e.value, x509.CRLNumber)), 0
        )
        strange = any(
            e.critical for e in (*crl.extensions, *(x for c in crl for x in c.extensions))
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path}: is not a PEM revocation list") from error
    except (x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise KeyFileError(f"{path}: is not a PEM revocation list") from error
    if not genuine or crl.issuer != issuer.subject:
        raise KeyFileError(f"{path}: is not a revocation list of this authority")
    if strange:
        raise KeyFileError(f"{path}: says something critical that is not understood here")
    return RevocationList(entries, number, crl.next_update_utc)


def _signed_list(crl: x509.CertificateRevocationList, key: PublicKey) -> bool:
    check: Callable[[PublicKey], bool] = crl.is_signature_valid
    return check(key)


@lru_cache(maxsize=1024)  # a nation's packages come from few regions
def check_region(certificate: x509.Certificate, root: x509.Certificate) -> None:
    """Is it a region of this root? Raises InvalidSignature, ValueError, TypeError,
    x509.ExtensionNotFound."""
    certificate.verify_directly_issued_by(root)
    depth = root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    if depth == 0:
        raise ValueError("this authority may have no regions (path length 0)")
    extensions = certificate.extensions
    for extension in extensions:
        _check_understood(extension)
    constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    if not constraints.ca or constraints.path_length != 0 or not usage.key_cert_sign:
        raise ValueError("the certificate between authority and device may not issue any")
    if list(purposes) != [REGION_USAGE]:
        raise ValueError("the certificate between authority and device is not a region's")
    extensions.get_extension_for_class(x509.NameConstraints)


def _check_device(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    _check_issuer(certificate, issuer)
    found = {}
    for extension in certificate.extensions:
        _check_understood(extension)
        found[type(extension.value)] = extension.value
    constraints, usage = found.get(x509.BasicConstraints), found.get(x509.KeyUsage)
    if not isinstance(constraints, x509.BasicConstraints) or not isinstance(usage, x509.KeyUsage):
        raise ValueError("the signer's certificate does not say what it may do")
    if constraints.ca or usage.key_cert_sign or not usage.digital_signature:
        raise ValueError("the signer's certificate is not a device's")


def _check_issuer(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """As `verify_directly_issued_by`, but that an issuer's key is taken out only once.

    Raises InvalidSignature, ValueError, TypeError.
    """
    key = _issuer_key(issuer)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        certificate.verify_directly_issued_by(issuer)
        return
    if certificate.issuer != issuer.subject:
        raise ValueError("the names of issuer and subject differ")
    if certificate.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise ValueError("signed by another algorithm than ECDSA with SHA-256")
    key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))


@lru_cache(maxsize=1024)
def _issuer_key(issuer: x509.Certificate) -> PublicKey:
    return certified_key(issuer)


def _check_names(device: x509.Certificate, region: x509.Certificate) -> None:
    """Each of the device's names starts with one of those that the region may give."""
    allowed, excludes, own = _allowed_names(region)
    subject = device.subject
    names = names_of(subject)
    for name in (subject, *further_names(device)):
        rdns = tuple(name.rdns)
        begins = any(rdns[:length] in allowed for length in range(1, len(rdns) + 1))
        if excludes or not begins:
            raise ValueError(
                f"region {own} may not certify {names.get(NameOID.COMMON_NAME)} for precinct "
                f"{names_of(name).get(NameOID.ORGANIZATIONAL_UNIT_NAME)}"
            )
    if names.get(NameOID.ORGANIZATION_NAME) != own:
        raise ValueError("the device names another region than the one that issued it")


@lru_cache(maxsize=1024)
def _allowed_names(
    region: x509.Certificate,
) -> tuple[frozenset[tuple[x509.RelativeDistinguishedName, ...]], bool, str | None]:
    """Beginnings of the names that a region may give, whether it excludes any, and its own."""
    constraints = region.extensions.get_extension_for_class(x509.NameConstraints).value
    allowed = frozenset(tuple(each.value.rdns) for each in constraints.permitted_subtrees or ())
    own = names_of(region.subject).get(NameOID.ORGANIZATION_NAME)
    return allowed, bool(constraints.excluded_subtrees), own


def _check_understood(extension: x509.Extension[x509.ExtensionType]) -> None:
    if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
        raise ValueError("a certificate says something critical that is not understood here")


def _check_dates(who: str, certificate: x509.Certificate, when: datetime) -> None:
    if when < certificate.not_valid_before_utc:
        raise SignatureError(
            SignatureFault.EXPIRED,
            f"the certificate of {who} is not valid before "
            f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
        )
    if when > certificate.not_valid_after_utc:
        raise SignatureError(
            SignatureFault.EXPIRED,
            f"the certificate of {who} expired on "
            f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
        )


def _untrusted(why: str) -> SignatureError:
    return SignatureError(
        SignatureFault.UNTRUSTED,
        "the signer's certificate was not issued by this authority; "
        f"check that authority.pem is the one of this election{f' ({why})' if why else ''}",
    )
