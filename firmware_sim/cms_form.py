"""The one form of the detached CMS that a device writes (RFC 5652, DER).

1. One signer, named by its subject key identifier, with ECDSA and SHA-256 (RFC 5753,
   RFC 5754: algorithm parameters absent);
2. signed attributes content-type and message-digest, no others, none unsigned;
3. the device's certificate and, where a region issued it, the region's, in the order of
   their encodings (DER's for a SET); the root is the verifier's, never the package's;
4. a signature in DER whose `s` is in the lower half of the curve's order, so that the
   second valid form (r, n - s) of the same signature is not accepted either; the same of
   the issuers' signatures in the certificates.

OpenSSL does not use every byte of a CMS (version numbers, the name of the content type,
the name of the signature algorithm). This form has the fewest such bytes of those tried
(no algorithm parameters, no issuer name); `take_apart` refuses them all: only three values
are free (certificates, digest, signature), and everything else must be what `assemble` makes
of them.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from firmware_sim.errors import SignatureError, SignatureFault
from firmware_sim.signing import RawSign, in_lower_half, raw_to_der

#: The device's certificate, then the region's if there is one.
Chain = tuple[x509.Certificate, ...]

#: AlgorithmIdentifier of SHA-256 without parameters (RFC 5754, 2): a NULL there would be two
#: more bytes that OpenSSL does not use.
_SHA256 = bytes.fromhex("300b0609608648016503040201")
#: AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758, 3.2).
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
#: Largest CMS looked at, bytes; a real one is 1 to 2 KiB, more where a region's certificate
#: names hundreds of precincts.
MAX_CMS_BYTES = 64 * 1024


def sign_detached(content: bytes, sign: RawSign, chain: Sequence[x509.Certificate]) -> bytes:
    """Sign `content` by `sign`; returns the CMS in DER, in the one form described above.

    `chain` is the signer's certificate, then that of the region that issued it, if one did.
    """
    digest = hashlib.sha256(content).digest()
    signature = raw_to_der(sign(_attributes(_SET, digest)))
    return assemble(tuple(chain), digest, signature)


def _tlv(tag: int, *contents: bytes) -> bytes:
    """One DER value (X.690 8.1, 10.1): tag, length in its shortest form, contents."""
    content = b"".join(contents)
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


#: Tags: SEQUENCE, SET, OCTET STRING, and the context's [0], constructed and primitive.
_SEQUENCE, _SET, _OCTETS, _ZERO, _ZERO_PRIMITIVE = 0x30, 0x31, 0x04, 0xA0, 0x80
#: INTEGER 3, both versions (RFC 5652 5.1, 5.3).
_VERSION = bytes.fromhex("020103")
#: id-data, id-signedData, id-contentType, id-messageDigest (RFC 5652 4, 5.1, 11.1, 11.2).
_DATA = bytes.fromhex("06092a864886f70d010701")
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_DIGESTS = _tlv(_SET, _SHA256)
_CONTENT = _tlv(_SEQUENCE, _DATA)
_CONTENT_TYPE_ATTRIBUTE = _tlv(_SEQUENCE, _CONTENT_TYPE, _tlv(_SET, _DATA))


#: Up to the digest itself: OCTET STRING of 32 bytes in a SET beside its type.
_DIGEST_ATTRIBUTE = bytes.fromhex("302f") + _MESSAGE_DIGEST + bytes.fromhex("31220420")
_BOTH_ATTRIBUTES = _CONTENT_TYPE_ATTRIBUTE + _DIGEST_ATTRIBUTE


def _attributes(tag: int, digest: bytes) -> bytes:
    """The two signed attributes; a SET where they are signed, [0] where they stand.

    Raises:
        ValueError: a digest of another length than SHA-256's.
    """
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError("not a SHA-256 digest")
    return bytes((tag, len(_BOTH_ATTRIBUTES) + len(digest))) + _BOTH_ATTRIBUTES + digest


def signed_attributes(digest: bytes) -> bytes:
    """What is signed over content of this SHA-256 (RFC 5652 5.4). Raises ValueError."""
    return _attributes(_SET, digest)


def assemble(chain: Chain, digest: bytes, signature: bytes) -> bytes:
    """The one allowed CMS of these three values (RFC 5652 5.1, 5.3; version 3 by 5.3).

    Written here byte by byte, and not by a library, as a nation has 50,000 of them to check.
    """
    identifier = chain[0].extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    encoded = [c.public_bytes(serialization.Encoding.DER) for c in chain]
    return whole(encoded, identifier.value.digest, digest, signature)


def whole(
    certificates: Sequence[bytes], subject_key: bytes, digest: bytes, signature: bytes
) -> bytes:
    """As `assemble`, of encoded certificates and the signer's subject key identifier."""
    signer = _tlv(
        _SEQUENCE,
        _VERSION,
        _tlv(_ZERO_PRIMITIVE, subject_key),
        _SHA256,
        _attributes(_ZERO, digest),
        _ECDSA_SHA256,
        _tlv(_OCTETS, signature),
    )
    signed = _tlv(
        _SEQUENCE,
        _VERSION,
        _DIGESTS,
        _CONTENT,
        _tlv(_ZERO, *sorted(certificates)),
        _tlv(_SET, signer),
    )
    return _tlv(_SEQUENCE, _SIGNED_DATA, _tlv(_ZERO, signed))


def take_apart(cms_der: bytes) -> tuple[Chain, bytes, bytes]:
    """Certificates, message digest and signature of a CMS, as claimed; nothing trusted yet.

    What `assemble` makes of the three is what was given, to the last byte.

    Raises:
        SignatureError: *malformed*.
    """
    malformed = SignatureError(
        SignatureFault.MALFORMED,
        "the signature file is damaged: it is not a detached CMS in the one form a device writes",
    )
    if len(cms_der) > MAX_CMS_BYTES:
        raise malformed
    try:
        # Down to the certificates and the signer; what is stepped over is compared below.
        info = parts(cms_der, 0, len(cms_der))[0]
        content = parts(cms_der, *parts(cms_der, *info[1:])[1][1:])[0]
        signed = parts(cms_der, *content[1:])
        encoded = [cms_der[at:end] for at, _, end in parts(cms_der, *signed[3][1:])]
        signer = parts(cms_der, *parts(cms_der, *signed[4][1:])[0][1:])
        identifier, signature = (cms_der[start:end] for _, start, end in (signer[1], signer[5]))
        attribute = parts(cms_der, *parts(cms_der, *signer[3][1:])[1][1:])[1]
        value = parts(cms_der, *attribute[1:])[0]
        digest = cms_der[value[1] : value[2]]
        if len(encoded) not in (1, 2):
            raise malformed
        chain = _signer_first([one_form_certificate(each) for each in encoded], identifier)
        if not chain or not has_one_form(signature):
            raise malformed
        if assemble(chain, digest, signature) != cms_der:
            raise malformed
    except (ValueError, IndexError) as error:
        raise malformed from error
    except (UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise malformed from error
    return chain, digest, signature


def parts(data: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """The DER values one after the other in data[start:end]: where each begins, where its
    contents begin, where it ends. Raises ValueError: they do not fit."""
    found = []
    while start < end:
        size, at = data[start + 1], start + 2
        if size >= 0x80:
            width = size & 0x7F
            if not 1 <= width <= 3:
                raise ValueError("a length that no signature has")
            size, at = int.from_bytes(data[at : at + width]), at + width
        if at + size > end:
            raise ValueError("a value that is cut short")
        found.append((start, at, at + size))
        start = at + size
    return found


@lru_cache(maxsize=1024)  # a region's stands in each package of it
def one_form_certificate(encoded: bytes) -> x509.Certificate:
    """A certificate of an ECDSA P-256 key, signed with ECDSA and SHA-256, in one form only.

    Raises:
        ValueError: anything else.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a certificate that is only tolerated is refused
        try:
            certificate = x509.load_der_x509_certificate(encoded)
            key = certificate.public_key()
        except (x509.InvalidVersion, UnsupportedAlgorithm, Warning) as error:
            raise ValueError("not a certificate that an authority writes") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a certificate of an ECDSA P-256 key")
    # Around the certificate's signature a parser is lenient (unused bits): one form only.
    ending = bytes((0x03, len(certificate.signature) + 1, 0)) + certificate.signature
    whole = certificate.tbs_certificate_bytes + _ECDSA_SHA256 + ending
    if not has_one_form(certificate.signature) or not encoded.endswith(whole):
        raise ValueError("a certificate that is not in its one form")
    return certificate


def _signer_first(certificates: list[x509.Certificate], key_identifier: bytes) -> Chain:
    """The certificates with the one of this subject key identifier first; none if unknown."""
    mine = [
        certificate
        for certificate in certificates
        if certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        == key_identifier
    ]
    if len(mine) != 1:
        return ()
    return (mine[0], *(c for c in certificates if c is not mine[0]))


def has_one_form(signature: bytes) -> bool:
    """Is a signature strict DER and in the lower half? Raises ValueError: it is none."""
    return in_lower_half(signature) and (
        encode_dss_signature(*decode_dss_signature(signature)) == signature
    )


def check_signature(certificate: x509.Certificate, digest: bytes, signature: bytes) -> None:
    """Verify a signature over the attributes of `digest`. Raises SignatureError."""
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101 (checked when taken apart)
    try:
        key.verify(signature, _attributes(_SET, digest), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SignatureError(
            SignatureFault.BAD_SIGNATURE,
            "the signature does not verify with the device's key: it is forged or altered",
        ) from error
