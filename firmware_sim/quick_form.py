"""The common case of a signature, checked without a library of certificates: ten times a
protocol, fifty thousand times a nation.

Common is: a CMS in the one form (`firmware_sim.cms_form`) by a key whose certificate has
exactly the bytes that `firmware_sim.certificates` writes for one precinct and no second key.
`quick_identity` says who signed only where everything holds; wherever anything is otherwise
or in doubt it says None, and the full check (`firmware_sim.trust`) decides and names the
fault. So it can refuse nothing, and a property test holds that it accepts nothing that the
full check refuses.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware_sim import cms_form
from firmware_sim.certificates import USAGES, Purpose, key_hash
from firmware_sim.chain import ChainTrust, RevocationList, check_region
from firmware_sim.errors import KeyFileError
from firmware_sim.keyfiles import DeviceIdentity, certified_key, is_name, names_of

_ECDSA = ec.ECDSA(hashes.SHA256())
_CURVE = ec.SECP256R1()
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
#: id-ecPublicKey on prime256v1, then a bit string of 65 bytes that starts with 4.
_POINT = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
#: Last byte of the object identifiers of O, OU and CN.
_SUBJECT = (0x0A, 0x0B, 0x03)
#: The extensions up to each of two identifiers of 20 bytes, and what follows them.
_BEFORE_SUBJECT_KEY = bytes.fromhex("a381833081" + "80301d0603551d0e04160414")
_BEFORE_AUTHORITY_KEY = bytes.fromhex("301f0603551d23041830168014")
_USAGE = bytes.fromhex("300c0603551d130101ff04023000300e0603551d0f0101ff040403020780")


def _usage_tail(usage: x509.ObjectIdentifier) -> bytes:
    value = x509.ExtendedKeyUsage([usage]).public_bytes()
    inner = bytes.fromhex("0603551d25") + bytes((0x04, len(value))) + value
    return _USAGE + bytes((0x30, len(inner))) + inner


_PURPOSE_OF = {_usage_tail(usage): purpose for purpose, usage in USAGES.items()}


@dataclass(frozen=True, slots=True)
class Plain:
    """A certificate of the common form, as claimed; `subject_key` is its key's identifier."""

    tbs: bytes
    signature: bytes
    issuer: bytes
    identity: DeviceIdentity
    subject_key: bytes
    point: bytes


@dataclass(frozen=True, slots=True)
class Issuer:
    """The root, or a region of it that holds: its key, name, what it may certify, and when.

    `allowed` are beginnings (O,) or (O, OU) of names; None: any name without O.
    """

    key: ec.EllipticCurvePublicKey
    subject: bytes
    region_id: str | None
    allowed: frozenset[tuple[str, ...]] | None
    serial: int
    not_before: datetime
    not_after: datetime
    listed: RevocationList | None


def quick_identity(
    trust: ChainTrust, content: bytes, cms_der: bytes, at: datetime, purposes: Collection[Purpose]
) -> DeviceIdentity | None:
    """Who signed, where it is the common case and all is well; None: ask the full check."""
    digest = hashlib.sha256(content).digest()
    found = _take_apart(cms_der, digest)
    if found is None:
        return None
    certificates, subject_key, signature = found
    plain, other = None, None
    for encoded in certificates:
        # A region's is known after the first protocol of its part of the land.
        read = None if encoded in trust.issuers else read_plain(encoded)
        if read is not None and read.subject_key == subject_key:
            plain = read
        else:
            other = encoded
    if plain is None or (len(certificates) == 2) != (other is not None):
        return None
    issuer = _issuer(trust, other)
    identity = plain.identity
    if issuer is None or identity.purpose not in purposes:
        return None
    when = at.astimezone(UTC)
    if not _may_certify(issuer, plain) or not _in_force(trust, issuer, identity, when):
        return None
    try:
        issuer.key.verify(plain.signature, plain.tbs, _ECDSA)
        key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, plain.point)
        key.verify(signature, cms_form.signed_attributes(digest), _ECDSA)
    except (InvalidSignature, ValueError):
        return None
    return identity


#: Where certificates begin in a CMS whose outer lengths have two bytes: behind three headers,
#: the type, the version, the digest algorithm and the content type.
_CERTIFICATES = 58
#: From the end of the certificates, signer lengths having one byte: the key's identifier, and
#: the signature behind the digest algorithm, the attributes and the signature's algorithm.
_KEY_AT, _SIGNATURE_AT = 11, 135


def _take_apart(cms_der: bytes, digest: bytes) -> tuple[list[bytes], bytes, bytes] | None:
    """Certificates, subject key identifier and signature of a CMS over `digest`.

    They are taken from where they usually are; that all of it is so says the comparison.
    """
    end = _CERTIFICATES + int.from_bytes(cms_der[_CERTIFICATES - 2 : _CERTIFICATES])
    certificates: list[bytes] = []
    at = _CERTIFICATES
    while at < end and len(certificates) < 3:
        following = at + 4 + int.from_bytes(cms_der[at + 2 : at + 4])
        certificates.append(cms_der[at:following])
        at = following
    subject_key = cms_der[end + _KEY_AT : end + _KEY_AT + 20]
    signature = cms_der[end + _SIGNATURE_AT :]
    try:
        if len(certificates) not in (1, 2) or not cms_form.has_one_form(signature):
            return None
        if cms_form.whole(certificates, subject_key, digest, signature) != cms_der:
            return None
    except ValueError:
        return None
    return certificates, subject_key, signature


def read_plain(encoded: bytes) -> Plain | None:
    """A certificate of exactly the common form; None: another one."""
    length = int.from_bytes(encoded[6:8]) + 8
    tbs, rest = encoded[4:length], encoded[length:]
    signature = rest[15:]
    if (
        encoded[:2] != b"\x30\x82"
        or int.from_bytes(encoded[2:4]) != len(encoded) - 4
        or encoded[4:6] != b"\x30\x82"
        or rest[:15] != _ECDSA_SHA256 + bytes((0x03, len(signature) + 1 & 0xFF, 0))
        or tbs[4:10] != b"\xa0\x03\x02\x01\x02\x02"
    ):
        return None
    try:
        if not cms_form.has_one_form(signature):
            return None
        at = 11 + tbs[10]
        serial = tbs[11:at]
        if not 1 <= len(serial) <= 20 or not 0 < serial[0] < 0x80:
            return None
        if tbs[at : at + 12] != _ECDSA_SHA256:
            return None
        _, _, end = cms_form.parts(tbs, at + 12, len(tbs))[0]
        issuer, at = tbs[at + 12 : end], end
        start, last = _moment(tbs[at + 4 : at + 17]), _moment(tbs[at + 19 : at + 32])
        if tbs[at : at + 4] != b"\x30\x1e\x17\x0d" or tbs[at + 17 : at + 19] != b"\x17\x0d":
            return None
        names, at = _subject(tbs, at + 32)
    except (ValueError, IndexError):
        return None
    point, at = tbs[at + 26 : at + 91], at + 91
    extensions = tbs[at:]
    subject_key = extensions[17:37]
    purpose = _PURPOSE_OF.get(extensions[70:])
    if (
        tbs[at - 91 : at - 64] != _POINT
        or extensions[:17] != _BEFORE_SUBJECT_KEY
        or extensions[37:50] != _BEFORE_AUTHORITY_KEY
        or purpose is None
    ):
        return None
    identity = DeviceIdentity(
        names[-1],
        names[-2],
        int.from_bytes(serial),
        start,
        last,
        names[0] if len(names) == 3 else None,
        purpose,
    )
    return Plain(tbs, signature, issuer, identity, subject_key, point)


@lru_cache(maxsize=4096)  # certificates are issued in batches
def _moment(text: bytes) -> datetime:
    """A UTCTime of whole seconds (RFC 5280 4.1.2.5.1). Raises ValueError."""
    if not text[:12].isdigit() or text[12:] != b"Z" or len(text) != 13:
        raise ValueError("not a UTCTime")
    year, month, day, hour, minute, second = (int(text[n : n + 2]) for n in range(0, 12, 2))
    century = 1900 if year >= 50 else 2000
    return datetime(century + year, month, day, hour, minute, second, tzinfo=UTC)


def _subject(tbs: bytes, at: int) -> tuple[list[str], int]:
    """The texts of [O,] OU, CN, and where the name ends. Raises ValueError: another name."""
    _, start, end = cms_form.parts(tbs, at, len(tbs))[0]
    found: list[tuple[int, str]] = []
    while start < end:
        size = tbs[start + 1]
        head = bytes((0x31, size, 0x30, size - 2, 0x06, 0x03, 0x55, 0x04))
        text = tbs[start + 11 : start + 2 + size]
        if (
            size >= 0x80
            or tbs[start : start + 8] != head
            or tbs[start + 9] != 0x0C
            or tbs[start + 10] != len(text)
            or not _NAME.fullmatch(text)
        ):
            raise ValueError("another name than a certificate's of the common form")
        found.append((tbs[start + 8], text.decode()))
        start += 2 + size
    kinds = tuple(kind for kind, _ in found)
    if start != end or kinds not in (_SUBJECT, _SUBJECT[1:]):
        raise ValueError("another name than a certificate's of the common form")
    return [text for _, text in found], end


def _issuer(trust: ChainTrust, encoded: bytes | None) -> Issuer | None:
    """The root (None), or a region's certificate that holds under it; kept by `trust`."""
    if encoded not in trust.issuers:
        try:
            trust.issuers[encoded] = _load_issuer(trust, encoded)
        except (ValueError, TypeError, KeyFileError, InvalidSignature, UnsupportedAlgorithm):
            return None
        except (x509.ExtensionNotFound, x509.DuplicateExtension):
            return None
    found: Issuer = trust.issuers[encoded]
    return found


def _load_issuer(trust: ChainTrust, encoded: bytes | None) -> Issuer:
    certificate, allowed, region_id = trust.root, None, None
    if encoded is not None:
        certificate = cms_form.one_form_certificate(encoded)
        check_region(certificate, trust.root)
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        if constraints.excluded_subtrees:
            raise ValueError("excludes names")
        beginnings = []
        for each in constraints.permitted_subtrees or ():
            names = [(part.oid, str(part.value)) for part in each.value]
            oids = [oid for oid, _ in names]
            if oids not in (
                [NameOID.ORGANIZATION_NAME],
                [NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME],
            ) or len(names) != len(each.value.rdns):
                raise ValueError("names another kind of devices")
            beginnings.append(tuple(text for _, text in names))
        allowed = frozenset(beginnings)
        region_id = names_of(certificate.subject).get(NameOID.ORGANIZATION_NAME)
        if region_id is None or not is_name(region_id):
            raise ValueError("has no name of a region")
    key = certified_key(certificate)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("signs with another kind of key")
    return Issuer(
        key,
        certificate.subject.public_bytes(),
        region_id,
        allowed,
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        trust.lists.get(key_hash(key)),
    )


def _may_certify(issuer: Issuer, plain: Plain) -> bool:
    """Did this issuer, by its name, certify this name, and may it?"""
    identity = plain.identity
    if plain.issuer != issuer.subject:
        return False
    if issuer.allowed is None:
        # What a root certifies directly has no region's name before it; else: the full check.
        return identity.region_id is None
    own = issuer.region_id
    if own is None or identity.region_id != own:
        return False
    return (own,) in issuer.allowed or (own, identity.precinct_id) in issuer.allowed


def _in_force(trust: ChainTrust, issuer: Issuer, identity: DeviceIdentity, when: datetime) -> bool:
    """Are signer, issuer and root valid then, and neither of the first two withdrawn?"""
    root = _issuer(trust, None)
    if root is None or not identity.not_before <= when <= identity.not_after:
        return False
    if not issuer.not_before <= when <= issuer.not_after:
        return False
    if not root.not_before <= when <= root.not_after:
        return False
    if not _not_revoked(trust, issuer.listed, identity.certificate_serial, when):
        return False
    return issuer.region_id is None or _not_revoked(trust, root.listed, issuer.serial, when)


def _not_revoked(
    trust: ChainTrust, listed: RevocationList | None, serial: int, when: datetime
) -> bool:
    if listed is None:
        return not trust.complete
    if serial in listed.serials:
        return False
    return listed.next_update is None or when <= listed.next_update
