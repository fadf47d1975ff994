"""A signed summary as QR texts for the tape, and back: pure, no images here.

The *seal* is what is cut into codes:

| field | form |
|---|---|
| summary | 2 bytes of length (big-endian), then `firmware_sim.summary.pack` |
| signature | 64 bytes: ECDSA P-256 with SHA-256 over the summary, r and s of 32 bytes each |
| certificates | 1 byte: how many; each 2 bytes of length, then DER: the device's, then |
| | those between it and the root |

So a verifier needs the authority's root and nothing else (NVT-13). A code's text is
`BBT1/i/n/SET/` and base 45 (RFC 9285) of its part, i from 1: letters and figures of QR's
alphanumeric set, which any phone's reader shows as text. SET is the first eight hex digits
of the SHA-256 of the seal: it tells tapes apart and shows that the parts fit together; the
signature is what proves them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from firmware_sim.cms_form import one_form_certificate
from firmware_sim.errors import FirmwareError, SignatureError, SignatureFault
from firmware_sim.keyfiles import DeviceIdentity
from firmware_sim.signing import RAW_BYTES
from firmware_sim.summary import Summary, SummaryError, pack, unpack
from firmware_sim.trust import TrustStore
from hardware.tape_code import qr_version

PREFIX = "BBT1"
#: Of the codes on a printed protocol (`tally.protocol.codes`), in the same form of texts.
PROTOCOL_PREFIX = "BBP1"
MAX_CODES = 99
MAX_CERTIFICATES = 4
_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_TEXT = re.compile(r"(?:BBT1|BBP1)/([1-9][0-9]?)/([1-9][0-9]?)/([0-9A-F]{8})/([0-9A-Z $%*+\-./:]+)")


class CodeTextError(FirmwareError):
    """QR texts that are not a whole signed summary.

    `fault` is a stable word: "not_ours", "mixed", "incomplete", "altered"; `missing` the
    numbers of the codes that lack, `count` how many there are.
    """

    def __init__(
        self, fault: str, detail: str, *, missing: tuple[int, ...] = (), count: int = 0
    ) -> None:
        self.fault = fault
        self.missing = missing
        self.count = count
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class SealedSummary:
    """A summary with its signature (r and s, 64 bytes) and certificates, device's first.

    `signed` are the very bytes signed; nothing is trusted yet.
    """

    summary: Summary
    signed: bytes
    signature: bytes
    certificates: tuple[x509.Certificate, ...]


def seal(
    summary: Summary,
    sign_raw: Callable[[bytes], bytes],
    certificates: Sequence[x509.Certificate],
) -> bytes:
    """Sign a summary and put it together with the certificates that lead to the root.

    Args:
        sign_raw: ECDSA P-256 with SHA-256 over its argument, r and s, 64 bytes.

    Raises:
        SummaryError: the summary or a certificate does not fit.
    """
    signed = pack(summary)
    signature = sign_raw(signed)
    ders = [c.public_bytes(serialization.Encoding.DER) for c in certificates]
    if len(signature) != RAW_BYTES or not 1 <= len(ders) <= MAX_CERTIFICATES:
        raise SummaryError("a seal needs a signature of 64 bytes and one to four certificates")
    if max(len(signed), *map(len, ders)) > 0xFFFF:
        raise SummaryError("the summary is too long for a tape")
    out = len(signed).to_bytes(2, "big") + signed + signature + bytes((len(ders),))
    return out + b"".join(len(der).to_bytes(2, "big") + der for der in ders)


def open_seal(data: bytes) -> SealedSummary:
    """Take a seal apart; proves nothing (see `check_seal`).

    Raises:
        SummaryError: not a seal in its one form.
    """
    size = int.from_bytes(data[:2], "big")
    signed, rest = data[2 : 2 + size], data[2 + size :]
    signature, rest = rest[:RAW_BYTES], rest[RAW_BYTES:]
    if not rest or not 1 <= rest[0] <= MAX_CERTIFICATES:
        raise SummaryError("the seal is cut short or names no certificate")
    certificates = []
    count, rest = rest[0], rest[1:]
    for _ in range(count):
        size = int.from_bytes(rest[:2], "big")
        der, rest = rest[2 : 2 + size], rest[2 + size :]
        if len(der) != size:
            raise SummaryError("the seal is cut short")
        try:
            certificates.append(one_form_certificate(der))
        except ValueError as error:
            raise SummaryError("a certificate in the seal is damaged") from error
    if rest:
        raise SummaryError("bytes too many at the end of the seal")
    return SealedSummary(unpack(signed), signed, signature, tuple(certificates))


def check_seal(sealed: SealedSummary, trust: TrustStore, *, at: datetime) -> DeviceIdentity:
    """Prove a seal: a device of this authority signed this summary, and for its own precinct.

    Raises:
        SignatureError: with the fault; see `firmware_sim.trust`.
    """
    identity = trust.verify_raw(sealed.signed, sealed.signature, sealed.certificates, at=at)
    named = (sealed.summary.device_id, sealed.summary.precinct_id)
    if named != (identity.device_id, identity.precinct_id):
        raise SignatureError(
            SignatureFault.UNTRUSTED,
            f"the summary names device {named[0]} of {named[1]}, but {identity.device_id} of "
            f"{identity.precinct_id} signed it",
        )
    return identity


# --- texts ------------------------------------------------------------------------------


def split(data: bytes, largest_version: int, prefix: str = PREFIX) -> tuple[str, ...]:
    """The texts of a seal: as few codes as fit QR versions up to `largest_version`.

    The codes are of one length, so one size on paper.

    Raises:
        SummaryError: more codes than can be numbered.
    """
    name = hashlib.sha256(data).hexdigest()[:8].upper()
    for count in range(1, MAX_CODES + 1):
        size = -(-len(data) // count)
        size += size % 2  # two bytes are three characters: no odd byte but the last
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        texts = tuple(
            f"{prefix}/{place}/{len(parts)}/{name}/{base45(part)}"
            for place, part in enumerate(parts, start=1)
        )
        if qr_version(max(map(len, texts))) <= largest_version:
            return texts
    raise SummaryError("the summary is too long for the codes of a tape")


def is_code_text(text: str) -> bool:
    """Is this one code of a tape, or of a protocol?"""
    return _TEXT.fullmatch(text) is not None


def join(texts: Iterable[str], prefix: str = PREFIX) -> bytes:
    """The seal of these texts, in any order, repeated or not.

    Raises:
        CodeTextError: no code of a tape, codes of two tapes, some missing (named), or parts
            that do not fit together.
    """
    parts: dict[str, dict[int, str]] = {}
    counts: dict[str, int] = {}
    for text in texts:
        match = _TEXT.fullmatch(text)
        if match is None or not text.startswith(prefix):
            continue
        place, count, name, body = int(match[1]), int(match[2]), match[3], match[4]
        if place > count or counts.setdefault(name, count) != count:
            raise CodeTextError("altered", f"code {place} of {count} cannot be: it was altered")
        if parts.setdefault(name, {}).setdefault(place, body) != body:
            raise CodeTextError("altered", f"there are two different codes {place} of {count}")
    if not parts:
        raise CodeTextError("not_ours", "no code of a results tape")
    if len(parts) > 1:
        raise CodeTextError(
            "mixed", f"codes of {len(parts)} different tapes ({', '.join(sorted(parts))})"
        )
    ((name, found),) = parts.items()
    count = counts[name]
    missing = tuple(n for n in range(1, count + 1) if n not in found)
    if missing:
        lack = ", ".join(map(str, missing))
        raise CodeTextError(
            "incomplete", f"code {lack} of {count} is missing", missing=missing, count=count
        )
    try:
        data = b"".join(unbase45(found[n]) for n in range(1, count + 1))
    except ValueError as error:
        raise CodeTextError("altered", "a code's text is not base 45: it was altered") from error
    if hashlib.sha256(data).hexdigest()[:8].upper() != name:
        raise CodeTextError("altered", "the codes do not fit together: one was altered")
    return data


def base45(data: bytes) -> str:
    """RFC 9285: two bytes as three characters, an odd last one as two."""
    out = []
    for at in range(0, len(data), 2):
        pair = data[at : at + 2]
        value = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            value, digit = divmod(value, 45)
            out.append(_BASE45[digit])
    return "".join(out)


def unbase45(text: str) -> bytes:
    """The bytes of a base 45 text. Raises ValueError."""
    out = bytearray()
    for at in range(0, len(text), 3):
        digits = text[at : at + 3]
        value = sum(_BASE45.index(c) * 45**n for n, c in enumerate(digits))
        size = len(digits) - 1
        if size < 1 or value >= 256**size:
            raise ValueError("not base 45")
        out += value.to_bytes(size, "big")
    return bytes(out)
