"""The signed summary of a protocol as QR texts, and back: pure, no images here.

Whoever holds the printed protocol holds the proof: the codes carry the figures and every
member's signature, and the authority's root is all that is needed to check them (NVT-13,
SEED-13). The members signed `SHA256SUMS` of the file, which names two hashes: the form's is in
the summary, the summary's is computed, so that the signed bytes come out again, and the CMS of
each member, which has one form only (`firmware_sim.cms_form`), with them.

| field | form |
|---|---|
| summary | 2 bytes of length (big-endian), then `tally.protocol.summary.pack` |
| issuers | 1 byte: how many; each 2 bytes of length, then DER of a certificate |
| signatures | 1 byte: how many; each 64 bytes (ECDSA P-256, r and s), 2 bytes of length and the |
| | member's certificate in DER, 1 byte: which issuer it is from, 0 for the root |

A text is `BBP1/i/n/SET/` and base 45, as on a results tape (`firmware_sim.summary_code`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from firmware_sim.cms_form import Chain, assemble, one_form_certificate, take_apart
from firmware_sim.errors import FirmwareError
from firmware_sim.keyfiles import DeviceIdentity, identity_of
from firmware_sim.package import SUMS
from firmware_sim.signing import RAW_BYTES, raw_to_der
from firmware_sim.summary import SummaryError
from firmware_sim.summary_code import PROTOCOL_PREFIX, join, split
from firmware_sim.trust import TrustStore
from tally.protocol.sealed import (
    PROTOCOL,
    SealedProtocol,
    protocol_content,
    verify_signatures,
)
from tally.protocol.summary import SUMMARY, ProtocolSummary, unpack

#: Largest QR version on the printed page: 105 modules, half a millimetre each.
LARGEST_VERSION = 22


@dataclass(frozen=True, slots=True)
class CodedProtocol:
    """What the codes say: the summary, its bytes, what was signed, and each member's CMS.

    Nothing is trusted yet; `check_codes` proves it.
    """

    summary: ProtocolSummary
    packed: bytes
    sums: bytes
    signatures: Mapping[str, bytes]


def code_texts(sealed: SealedProtocol) -> tuple[str, ...]:
    """The texts of a signed protocol's codes.

    Raises:
        SummaryError: more than can be numbered. SignatureError: a signature is damaged.
    """
    packed = protocol_content(sealed.form)[SUMMARY]
    issuers: list[bytes] = []
    signatures = bytearray()
    for cms in (cms for _, cms in sorted(sealed.signatures.items())):
        chain, _, signature = take_apart(cms)
        r, s = decode_dss_signature(signature)
        above = [certificate.public_bytes(Encoding.DER) for certificate in chain[1:]]
        place = 0
        if above:
            if above[0] not in issuers:
                issuers.append(above[0])
            place = issuers.index(above[0]) + 1
        signatures += r.to_bytes(32) + s.to_bytes(32)
        signatures += _sized(chain[0].public_bytes(Encoding.DER)) + bytes((place,))
    if len(issuers) > 255 or len(sealed.signatures) > 255:
        raise SummaryError("more signatures than a protocol's codes can hold")
    data = _sized(packed)
    data += bytes((len(issuers),)) + b"".join(map(_sized, issuers))
    data += bytes((len(sealed.signatures),)) + signatures
    return split(data, LARGEST_VERSION, PROTOCOL_PREFIX)


def read_codes(texts: Iterable[str]) -> CodedProtocol:
    """What the codes of one protocol say, in any order.

    Raises:
        CodeTextError: some are missing, or do not fit together.
        SummaryError: not in the one form.
    """
    reader = _Bytes(join(texts, PROTOCOL_PREFIX))
    packed = reader.sized()
    summary = unpack(packed)
    issuers = [_certificate(reader.sized()) for _ in range(reader.byte())]
    named = ((PROTOCOL, summary.digest), (SUMMARY, hashlib.sha256(packed).hexdigest()))
    sums = "".join(f"{digest}  {name}\n" for name, digest in named).encode()
    signatures: dict[str, bytes] = {}
    for _ in range(reader.byte()):
        raw = reader.take(RAW_BYTES)
        certificate, place = _certificate(reader.sized()), reader.byte()
        if place > len(issuers):
            raise SummaryError("a signature names an issuer that is not there")
        chain: Chain = (certificate, *issuers[place - 1 : place]) if place else (certificate,)
        member, cms = _cms(chain, sums, raw)
        if member in signatures:
            raise SummaryError(f"{member} is among the signatures twice")
        signatures[member] = cms
    if reader.left:
        raise SummaryError("bytes too many at the end of the codes")
    return CodedProtocol(summary, packed, sums, MappingProxyType(signatures))


def check_codes(
    coded: CodedProtocol, trust: TrustStore, *, at: datetime, quorum: int
) -> tuple[DeviceIdentity, ...]:
    """Prove what codes say, as `tally.protocol.sealed.verify_protocol` proves a file.

    Raises:
        ProtocolError: no quorum. SignatureError: a signature that is not good.
    """
    precinct = coded.summary.precinct_id
    where = f"the codes of {precinct}"
    return verify_signatures(
        coded.sums, coded.signatures, precinct, trust, at=at, quorum=quorum, where=where
    )


def files_of(coded: CodedProtocol) -> dict[str, bytes]:
    """What stock tools check: `SHA256SUMS`, `summary.bin`, and each signature."""
    signatures = {f"signatures/{m}.cms": cms for m, cms in coded.signatures.items()}
    return {SUMS: coded.sums, SUMMARY: coded.packed, **signatures}


def _cms(chain: Chain, sums: bytes, raw: bytes) -> tuple[str, bytes]:
    try:
        member = identity_of(chain[0]).device_id
        return member, assemble(chain, hashlib.sha256(sums).digest(), raw_to_der(raw))
    except (FirmwareError, UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise SummaryError("a signature in the codes is damaged") from error
    except (x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise SummaryError("a signature in the codes is damaged") from error


def _certificate(der: bytes) -> x509.Certificate:
    try:
        return one_form_certificate(der)
    except ValueError as error:
        raise SummaryError("a certificate in the codes is damaged") from error


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


class _Bytes:
    """Takes fields off the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise SummaryError("the codes are cut short")
        self._at += size
        return self._data[self._at - size : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def sized(self) -> bytes:
        return self.take(int.from_bytes(self.take(2), "big"))
