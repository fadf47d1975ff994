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
(no algorithm parameters, no issuer name); `take_apart` and `assemble` together refuse them
all: only three values are free (certificates, digest, signature), and everything else must
be what `assemble` makes of them.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from functools import lru_cache

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

from firmware_sim.errors import SignatureError, SignatureFault
from firmware_sim.signing import RawSign, in_lower_half, raw_to_der

#: The device's certificate, then the region's if there is one.
Chain = tuple[x509.Certificate, ...]

#: AlgorithmIdentifier of SHA-256 without parameters (RFC 5754, 2): asn1crypto would add a
#: NULL, two more bytes that OpenSSL does not use.
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
    signature = raw_to_der(sign(_signed_attributes(digest).dump()))
    return assemble(tuple(chain), digest, signature)


def _signed_attributes(digest: bytes) -> cms.CMSAttributes:
    return cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "message_digest", "values": [digest]},
        ]
    )


def assemble(chain: Chain, digest: bytes, signature: bytes) -> bytes:
    """The one allowed CMS of these three values (RFC 5652 5.1, 5.3; version 3 by 5.3)."""
    sha256 = algos.DigestAlgorithm.load(_SHA256)
    identifier = chain[0].extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
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
    certificates = sorted(c.public_bytes(serialization.Encoding.DER) for c in chain)
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [sha256],
            "encap_content_info": {"content_type": "data"},
            "certificates": [asn1_x509.Certificate.load(encoded) for encoded in certificates],
            "signer_infos": [signer],
        }
    )
    der: bytes = cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()
    return der


def take_apart(cms_der: bytes) -> tuple[Chain, bytes, bytes]:
    """Certificates, message digest and signature of a CMS, as claimed; nothing trusted yet.

    Raises:
        SignatureError: *malformed*.
    """
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
        if len(signed["certificates"]) not in (1, 2) or len(signed["signer_infos"]) != 1:
            raise malformed
        signer = signed["signer_infos"][0]
        attributes = {a["type"].native: a["values"] for a in signer["signed_attrs"]}
        digest = attributes["message_digest"][0].native
        signature = signer["signature"].native
        chain = _signer_first(
            [one_form_certificate(c.chosen.dump()) for c in signed["certificates"]],
            signer["sid"].chosen.native,
        )
        if not chain or not _has_one_form(signature):
            raise malformed
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise malformed from error
    except (UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise malformed from error
    return chain, digest, signature


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
    if not _has_one_form(certificate.signature) or not encoded.endswith(whole):
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


def _has_one_form(signature: bytes) -> bool:
    """Strict DER and in the lower half. Raises ValueError: not a signature."""
    return in_lower_half(signature) and (
        encode_dss_signature(*decode_dss_signature(signature)) == signature
    )


def check_signature(certificate: x509.Certificate, digest: bytes, signature: bytes) -> None:
    """Verify a signature over the attributes of `digest`. Raises SignatureError."""
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101 (checked when taken apart)
    try:
        key.verify(signature, _signed_attributes(digest).dump(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SignatureError(
            SignatureFault.BAD_SIGNATURE,
            "the signature does not verify with the device's key: it is forged or altered",
        ) from error
