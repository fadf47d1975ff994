"""Signed documents of the pollbook: requests, absentee certificates.

A file holds `{"document": {…}, "signature": "…"}`: the signature is over the RFC 8785 form of
the document, base64. How it is made and checked comes from outside: `Sign` and `Verify` are
all that is asked; `verifier` and a `DeviceSigner` of `firmware_sim.trust` are one answer
(ECDSA P-256 in a detached CMS).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import rfc8785

from firmware_sim.errors import SignatureError
from firmware_sim.pollbook.errors import RequestError
from firmware_sim.trust import Purpose, TrustStore

#: A signed document is a page; anything larger is something else.
MAX_DOCUMENT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who signed, as the verifier knows them: an id, and the place they sign for."""

    signer_id: str
    place: str


class Sign(Protocol):
    """Makes a signature over bytes."""

    def __call__(self, content: bytes, /) -> bytes:
        """The signature."""
        ...


class Verify(Protocol):
    """Checks a signature over bytes."""

    def __call__(self, content: bytes, signature: bytes, /) -> Signatory:
        """Who signed. Raises SignatureError: nobody we know, or other content."""
        ...


def verifier(store: TrustStore, *, at: datetime) -> Verify:
    """`Verify` by an authority's certificates, as of `at`.

    A certificate may be for pollbooks alone, or for results as well: one for pollbooks signs
    no results, wherever they are checked.
    """

    def verify(content: bytes, signature: bytes, /) -> Signatory:
        purposes = (Purpose.RESULTS, Purpose.POLLBOOK)
        identity = store.verify(content, signature, at=at, purposes=purposes)
        return Signatory(identity.device_id, identity.precinct_id)

    return verify


def canonical(document: Mapping[str, Any]) -> bytes:
    """The bytes that are signed."""
    return rfc8785.dumps(dict(document))


def sign_document(document: Mapping[str, Any], sign: Sign) -> bytes:
    """The file of a signed document."""
    signature = base64.b64encode(sign(canonical(document))).decode()
    text = json.dumps(
        {"document": document, "signature": signature}, ensure_ascii=False, indent=2, sort_keys=True
    )
    return text.encode() + b"\n"


def open_document(
    data: bytes, verify: Verify, *, fields: Mapping[str, type], what: str
) -> tuple[dict[str, Any], Signatory]:
    """The document of a file, its signature checked, and who signed.

    `fields` are exactly the members it must have, with their JSON type.

    Raises:
        RequestError: too large, another form, or a signature that is not accepted.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise RequestError(f"{what}: is larger than a signed document is")
    try:
        value = json.loads(data)
        document = value["document"]
        signature = base64.b64decode(value["signature"], validate=True)
        if set(value) != {"document", "signature"} or set(document) != set(fields):
            raise TypeError
        if any(type(document[name]) is not kind for name, kind in fields.items()):
            raise TypeError
        content = canonical(document)
    except (
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
        binascii.Error,
        rfc8785.CanonicalizationError,
    ) as error:
        raise RequestError(f"{what}: is not a signed {what} of this software") from error
    try:
        return document, verify(content, signature)
    except SignatureError as error:
        raise RequestError(f"{what}: its signature is not accepted: {error}") from error
