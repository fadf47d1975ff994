"""The one form of the detached CMS that a device writes (RFC 5652, DER).

1. One signer, named by its subject key identifier, with ECDSA and SHA-256 (RFC 5753,
   RFC 5754: algorithm parameters absent);
2. signed attributes content-type and message-digest, no others, none unsigned;
3. one certificate, the device's own: the root is the verifier's, never the package's;
4. a signature in DER whose `s` is in the lower half of the curve's order, so that the
   second valid form (r, n - s) of the same signature is not accepted either; the same of
   the authority's signature in the certificate.

OpenSSL does not use every byte of a CMS (version numbers, the name of the content type,
the name of the signature algorithm). This form has the fewest such bytes of those tried
(no algorithm parameters, no issuer name, no second certificate); `take_apart` and
`assemble` together refuse them all: only three values are free, and everything else must
be what `assemble` makes of them.
"""

from __future__ import annotations

import hashlib
import warnings

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

#: Order n of the P-256 group (FIPS 186-5, SP 800-186 3.2.1.3).
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
#: AlgorithmIdentifier of SHA-256 without parameters (RFC 5754, 2): asn1crypto would add a
#: NULL, two more bytes that OpenSSL does not use.
_SHA256 = bytes.fromhex("300b0609608648016503040201")
#: AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758, 3.2).
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
#: Largest CMS looked at, bytes; a real one is under 1 KiB.
MAX_CMS_BYTES = 64 * 1024


def sign_detached(
    content: bytes, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> bytes:
    """Sign `content`; returns the CMS in DER, in the one form described above."""
    digest = hashlib.sha256(content).digest()
    attributes = _signed_attributes(digest).dump()
    r, s = decode_dss_signature(key.sign(attributes, ec.ECDSA(hashes.SHA256())))
    signature = encode_dss_signature(r, min(s, P256_ORDER - s))
    return assemble(certificate, digest, signature)


def _signed_attributes(digest: bytes) -> cms.CMSAttributes:
    return cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "message_digest", "values": [digest]},
        ]
    )


def assemble(certificate: x509.Certificate, digest: bytes, signature: bytes) -> bytes:
    """The one allowed CMS of these three values (RFC 5652 5.1, 5.3; version 3 by 5.3)."""
    sha256 = algos.DigestAlgorithm.load(_SHA256)
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


def take_apart(cms_der: bytes) -> tuple[x509.Certificate, bytes, bytes]:
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
            encoded = signed["certificates"][0].chosen.dump()
            certificate = x509.load_der_x509_certificate(encoded)
        key = certificate.public_key()
        one_form = _has_one_form(signature) and _has_one_form(certificate.signature)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise malformed from error
    except (UnsupportedAlgorithm, x509.InvalidVersion, Warning) as error:
        raise malformed from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise malformed
    # Around the certificate's signature a parser is lenient (unused bits): one form only.
    ending = bytes((0x03, len(certificate.signature) + 1, 0)) + certificate.signature
    whole = certificate.tbs_certificate_bytes + _ECDSA_SHA256 + ending
    if not one_form or not encoded.endswith(whole):
        raise malformed
    return certificate, digest, signature


def in_lower_half(signature: bytes) -> bool:
    """Is `s` of an ECDSA P-256 signature (DER) at most n / 2?

    (r, s) and (r, n - s) verify alike; only the lower is used here, so that a signature
    cannot be changed into another valid one.
    """
    return 0 < decode_dss_signature(signature)[1] <= P256_ORDER // 2


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
