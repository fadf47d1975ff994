"""Certificates and revocation lists as this project writes them, ECDSA P-256 or ML-DSA-65.

| certificate | subject | basic constraints | key usage | extended key usage |
|---|---|---|---|---|
| authority | CN | CA, path length 1 | certificates, lists | |
| region | O = region, CN = its name | CA, path length 0 | certificates, lists | region |
| device, member, log | [O,] OU = precinct, CN = id | not a CA | signatures | one of `Purpose` |

A device of a polling place with several precincts (`election.places`) has the first in its subject
and, as subject alternative names, one directory name of the same form for each further one.

A region's certificate has name constraints (RFC 5280 4.2.1.10): the names below it start
with its own O, and with one of its precincts where it was given some. A device's ECDSA
certificate may hold the SHA-256 of its ML-DSA key: a promise of a second signature, and the
tie between the two keys (NVT-16, NVT-17).

The object identifiers are under a UUID's arc (ITU-T X.667), which needs no registration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.x509.oid import NameOID

from election.places import precincts_in
from firmware_sim.errors import KeyFileError
from firmware_sim.signing import in_lower_half

PrivateKey = ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey
PublicKey = ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey

_ARC = "2.25.161162734284505709736210428653326466170"
REGION_USAGE = x509.ObjectIdentifier(f"{_ARC}.1")
_POST_QUANTUM_KEY = x509.ObjectIdentifier(f"{_ARC}.4")
#: DER of an OCTET STRING of 32 bytes: tag and length.
_OCTETS_32 = b"\x04\x20"


class Purpose(StrEnum):
    """What a certificate is for: a device's results or its pollbook, or the acts of a member of
    a commission, where the device's id is the member's and the precinct the commission;
    or the checkpoints of a transparency log of its id."""

    RESULTS = "results"
    POLLBOOK = "pollbook"
    MEMBER = "member"
    LOG = "log"


#: The extended key usage of each purpose.
USAGES = {
    Purpose.RESULTS: x509.ObjectIdentifier(f"{_ARC}.2"),
    Purpose.POLLBOOK: x509.ObjectIdentifier(f"{_ARC}.3"),
    Purpose.MEMBER: x509.ObjectIdentifier(f"{_ARC}.5"),
    Purpose.LOG: x509.ObjectIdentifier(f"{_ARC}.6"),
}


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate that may issue others, and its key."""

    certificate: x509.Certificate
    key: PrivateKey


def key_hash(key: PublicKey) -> bytes:
    """SHA-256 of a public key (SubjectPublicKeyInfo, DER), 32 bytes: what a key is called."""
    encoded = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(encoded).digest()


def root_certificate(
    key: PrivateKey, *, name: str, now: datetime, valid_days: int
) -> x509.Certificate:
    """A self-signed root under which there may be one level of regions."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = whole_second(now)
    builder = _builder(subject, subject, key.public_key(), start, later(start, valid_days))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    return _sign(builder, key)


def region_certificate(
    issuer: Issuer,
    key: PublicKey,
    *,
    region_id: str,
    name: str,
    precincts: Sequence[str],
    now: datetime,
    valid_days: int,
) -> x509.Certificate:
    """A region's certificate: issues devices of its own name and precincts, no more CAs."""
    start, end = _within(issuer, now, valid_days)
    own = x509.NameAttribute(NameOID.ORGANIZATION_NAME, region_id)
    subject = x509.Name([own, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    below = [
        x509.Name([own, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, precinct)])
        for precinct in precincts
    ] or [x509.Name([own])]
    builder = _issued(subject, issuer, key, start, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([REGION_USAGE]), critical=False)
    constraints = x509.NameConstraints([x509.DirectoryName(each) for each in below], None)
    return _sign(builder.add_extension(constraints, critical=True), issuer.key)


def device_certificate(
    issuer: Issuer,
    key: PublicKey,
    *,
    device_id: str,
    precinct_id: str,
    region_id: str | None,
    purpose: Purpose,
    now: datetime,
    valid_days: int,
    post_quantum_key: bytes | None = None,
) -> x509.Certificate:
    """A device's certificate, for a precinct or a place of several (`election.places`);
    `post_quantum_key` is the `key_hash` of its ML-DSA key."""
    start, end = _within(issuer, now, valid_days)
    subject, *further = device_names(device_id, precinct_id, region_id)
    builder = _issued(subject, issuer, key, start, end)
    if further:
        # Directory names, so that a region's name constraints bind them too (RFC 5280 4.2.1.10).
        others = x509.SubjectAlternativeName([x509.DirectoryName(name) for name in further])
        builder = builder.add_extension(others, critical=False)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[purpose]]), critical=False)
    if post_quantum_key is not None:
        promise = x509.UnrecognizedExtension(_POST_QUANTUM_KEY, _OCTETS_32 + post_quantum_key)
        builder = builder.add_extension(promise, critical=False)
    return _sign(builder, issuer.key)


def device_names(device_id: str, place: str, region_id: str | None) -> list[x509.Name]:
    """A device's names, one for each precinct of its place (`election.places`), in order."""
    region = [] if region_id is None else [x509.NameAttribute(NameOID.ORGANIZATION_NAME, region_id)]
    device = x509.NameAttribute(NameOID.COMMON_NAME, device_id)
    return [
        x509.Name([*region, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, each), device])
        for each in precincts_in(place)
    ]


def further_names(certificate: x509.Certificate) -> list[x509.Name]:
    """The names of a device for the further precincts of its polling place.

    Raises:
        ValueError: an alternative name of another kind.
    """
    try:
        others = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    names = [each.value for each in others if isinstance(each, x509.DirectoryName)]
    if len(names) != len(list(others)):
        raise ValueError("the certificate has alternative names that are no device's")
    return names


def purpose_of(certificate: x509.Certificate) -> Purpose | None:
    """What a device's certificate is for; None: for something else.

    A certificate that does not say (of version 0.1) is for results.
    """
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return Purpose.RESULTS
    return next((purpose for purpose, usage in USAGES.items() if list(usages) == [usage]), None)


def promised_key(certificate: x509.Certificate) -> bytes | None:
    """The `key_hash` of the ML-DSA key that a certificate promises; None if it does not.

    Raises:
        ValueError: the promise is not in its one form.
    """
    try:
        extension = certificate.extensions.get_extension_for_oid(_POST_QUANTUM_KEY).value
    except x509.ExtensionNotFound:
        return None
    value = extension.value if isinstance(extension, x509.UnrecognizedExtension) else b""
    if len(value) != 34 or not value.startswith(_OCTETS_32):
        raise ValueError("the certificate's promise of an ML-DSA key is damaged")
    return value[2:]


def revocation_list(
    issuer: Issuer, revoked: Mapping[int, datetime], *, number: int, now: datetime
) -> bytes:
    """A CRL in PEM; `number` rises by one with each, so that an older one can be told."""
    # Valid as long as its issuer: verifiers are offline and renew it by hand (NVT-14).
    start = whole_second(now)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(start)
        .next_update(max(issuer.certificate.not_valid_after_utc, start + timedelta(seconds=1)))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
    )
    for serial, when in sorted(revoked.items()):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
        builder = builder.add_revoked_certificate(entry.build())
    crl = builder.sign(issuer.key, _hash_for(issuer.key))
    return crl.public_bytes(serialization.Encoding.PEM)


def whole_second(moment: datetime) -> datetime:
    """UTC, rounded down: X.509 times have whole seconds and must not lie ahead of the clock."""
    return moment.astimezone(UTC).replace(microsecond=0)


def later(start: datetime, valid_days: int) -> datetime:
    """`start` and so many days. Raises KeyFileError: no validity that a date can hold."""
    # 2200 is some 63,000 days away; far larger numbers are beyond what a date can hold.
    if not 1 <= valid_days <= 100_000 or (start + timedelta(days=valid_days)).year > 2200:
        raise KeyFileError(f"{valid_days} days is no validity: give 1 to about 60,000")
    return start + timedelta(days=valid_days)


def _within(issuer: Issuer, now: datetime, valid_days: int) -> tuple[datetime, datetime]:
    start, last = whole_second(now), issuer.certificate.not_valid_after_utc
    if start >= last:
        raise KeyFileError(
            f"the issuer's certificate expired on {last:%Y-%m-%d %H:%M} UTC: it can issue no more"
        )
    return start, min(later(start, valid_days), last)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _issued(
    subject: x509.Name, issuer: Issuer, key: PublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return _builder(subject, issuer.certificate.subject, key, start, end).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
    )


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    certificate = builder.sign(key, _hash_for(key))
    if isinstance(key, mldsa.MLDSA65PrivateKey):
        return certificate
    # Certificates travel in signatures, which have one form only; signing is randomised and
    # hits the lower half every second time.
    while not in_lower_half(certificate.signature):
        certificate = builder.sign(key, _hash_for(key))
    return certificate


def _hash_for(key: PrivateKey) -> hashes.SHA256 | None:
    return hashes.SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) else None


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
