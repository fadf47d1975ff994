"""An act of a commission: one JSON document under the signatures of its members.

    act.json               the document in RFC 8785 form
    SHA256SUMS             of it
    signatures/ID.cms      a detached CMS over SHA256SUMS by each member who signed

The zip has the strict form of a results package; what holds for a signed protocol
(`tally.protocol.sealed`) holds here: one bad signature refuses the whole, and stock
`sha256sum` and `openssl cms` check it after unpacking. Decisions and tables are acts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

import rfc8785
from pydantic import BaseModel, ConfigDict, ValidationError

from election.definition import parse_json
from election.errors import DefinitionError
from firmware_sim.errors import FirmwareError, PackageError, SignatureError, SignatureFault
from firmware_sim.package import SUMS, read_strict_zip, strict_zip, sums_of
from firmware_sim.signing import Signer
from firmware_sim.trust import Purpose, TrustStore
from tally.chain.errors import ChainError

ACT = "act.json"
SIGNATURES = "signatures/"
_ENDING = ".cms"
#: Largest act looked at, bytes; the table of a nation's central commission has some 10 MB.
MAX_BYTES = 64 * 2**20

Content = TypeVar("Content", bound="ActDocument")


class ActDocument(BaseModel):
    """Base of what a commission signs; `format` and `commission_id` are in each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def canonical_json(self) -> bytes:
        """RFC 8785 form: what is signed."""
        return rfc8785.dumps(self.model_dump(mode="json", exclude_none=True))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form: by which others name the act."""
        return hashlib.sha256(self.canonical_json()).hexdigest()


@dataclass(frozen=True, slots=True)
class Act:
    """An act as it was read: nothing is trusted yet. `sha256` is of the file."""

    name: str
    content: bytes
    sums: bytes
    signatures: Mapping[str, bytes]
    sha256: str


def write_act(document: ActDocument, commission_id: str, signers: Sequence[Signer]) -> bytes:
    """A document signed by members of a commission.

    Raises:
        ChainError: nobody signs, someone twice, or someone who is no member of it.
    """
    content = {ACT: document.canonical_json()}
    content[SUMS] = sums_of(content)
    signatures: dict[str, bytes] = {}
    for signer in signers:
        member = signer.identity.device_id
        if signer.identity.purpose is not Purpose.MEMBER:
            raise ChainError(
                f"{member} is not certified as a member of a commission: issue the key with "
                "`ballotbench keys issue … --for member`"
            )
        if signer.identity.precinct_id != commission_id:
            raise ChainError(
                f"{member} is a member of {signer.identity.precinct_id}, not of {commission_id}"
            )
        if member in signatures:
            raise ChainError(f"{member} signs twice")
        signatures[member] = signer.sign(content[SUMS])
    if not signatures:
        raise ChainError(f"nobody signs for {commission_id}")
    named = {f"{SIGNATURES}{member}{_ENDING}": cms for member, cms in signatures.items()}
    try:
        return strict_zip({**content, **named})
    except FirmwareError as error:
        raise ChainError(str(error)) from error


def read_act(data: bytes, name: str) -> Act:
    """Read an act strictly; `name` is what messages call it.

    Raises:
        ChainError: too large, not in the one form, or a file in it altered; says which.
    """
    if len(data) > MAX_BYTES:
        raise ChainError(f"{name}: is larger than {MAX_BYTES >> 20} MiB")
    try:
        files = read_strict_zip(data, name)
    except PackageError as error:
        raise ChainError(str(error)) from error
    for required in (ACT, SUMS):
        if required not in files:
            raise ChainError(f"{name}: {required} is missing: this is no act of a commission")
    if files[SUMS] != sums_of({ACT: files[ACT]}):
        raise ChainError(f"{name}: {ACT} does not match {SUMS}: altered after it was signed")
    signatures: dict[str, bytes] = {}
    for file in sorted(set(files) - {ACT, SUMS}):
        member = file.removeprefix(SIGNATURES).removesuffix(_ENDING)
        if file != f"{SIGNATURES}{member}{_ENDING}":
            raise ChainError(f"{name}: holds {file}, which is no part of an act")
        signatures[member] = files[file]
    if not signatures:
        raise ChainError(f"{name}: nobody has signed it")
    return Act(
        name,
        files[ACT],
        files[SUMS],
        MappingProxyType(signatures),
        hashlib.sha256(data).hexdigest(),
    )


def document_of(act: Act, model: type[Content]) -> Content:
    """The document as its model. Raises ChainError: names the field."""
    try:
        parse_json(act.content, act.name)  # strict: no name twice, no NaN
        document = model.model_validate_json(act.content)
    except DefinitionError as error:
        raise ChainError(f"{act.name}: {error.what}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or ACT
        raise ChainError(f"{act.name}: {field}: {first['msg']}") from error
    if document.canonical_json() != act.content:
        raise ChainError(f"{act.name}: {ACT} is not in its canonical form: not written here")
    return document


def verify_act(
    act: Act, commission_id: str, trust: TrustStore, *, at: datetime, quorum: int
) -> tuple[str, ...]:
    """Check every signature as of `at`, and that a quorum of the commission signed (SEED-06).

    Returns:
        Members who signed, by id.

    Raises:
        SignatureError: a signature that is not good, or of another commission.
        ChainError: no quorum.
    """
    for member, cms in sorted(act.signatures.items()):
        try:
            identity = trust.verify(act.sums, cms, at=at, purposes=(Purpose.MEMBER,))
        except SignatureError as error:
            raise SignatureError(error.fault, f"signature of {member}: {error.detail}") from error
        if (identity.device_id, identity.precinct_id) != (member, commission_id):
            raise SignatureError(
                SignatureFault.UNTRUSTED,
                f"signature of {member}: is by {identity.device_id} of {identity.precinct_id}, "
                f"the act is of {commission_id}",
            )
    if len(act.signatures) < quorum:
        raise ChainError(
            f"signatures: {len(act.signatures)} of {quorum} members of {commission_id} have "
            "signed: no quorum"
        )
    return tuple(sorted(act.signatures))
