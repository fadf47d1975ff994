"""The signed protocol: one zip with the form, its summary, and the members' signatures.

    protocol.json          the form in canonical JSON (`PrecinctForm.canonical_json`)
    summary.bin            its figures as on the printed codes (`tally.protocol.summary`)
    SHA256SUMS             of these two
    signatures/ID.cms      a detached CMS over SHA256SUMS by each member who signed

The zip is in the strict form of a results package (`firmware_sim.package.strict_zip`): same
content, same bytes; a changed byte anywhere is refused. Stock tools check it after unpacking:

    sha256sum -c SHA256SUMS
    openssl cms -verify -binary -inform DER -in signatures/chair-1.cms -content SHA256SUMS \
        -CAfile authority.pem -purpose any -out /dev/null

Rules of `verify_protocol`: every signature in the file is good, by a person whom the
authority certified as member (`Purpose.MEMBER`) of this precinct's commission, under the
member's own name; and they are a quorum. One bad signature refuses the file: what was
tampered with is not counted by what is left (SEED-13).

`read_protocol` establishes that a file is whole, not who signed it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from firmware_sim.errors import FirmwareError, PackageError, SignatureError, SignatureFault
from firmware_sim.keyfiles import DeviceIdentity
from firmware_sim.package import SUMS, read_strict_zip, strict_zip, sums_of
from firmware_sim.signing import Signer
from firmware_sim.summary import SummaryError
from firmware_sim.trust import Purpose, TrustStore
from tally.protocol.form import MAX_FORM_BYTES, PrecinctForm, ProtocolError, parse_canonical
from tally.protocol.summary import SUMMARY, pack, summarise

PROTOCOL = "protocol.json"
SIGNATURES = "signatures/"
_ENDING = ".cms"
#: Ending of the file's name, as written by the commands.
SUFFIX = ".protocol.zip"
#: Largest file looked at, bytes.
MAX_BYTES = MAX_FORM_BYTES + 4 * 2**20


@dataclass(frozen=True, slots=True)
class SealedProtocol:
    """A whole file: the form, what is signed, and each member's CMS by the member's id.

    `sha256` is of the file's bytes; which protocol it is says `form.digest`, the same for two
    copies that differ in their signatures only.
    """

    name: str
    form: PrecinctForm
    sums: bytes
    signatures: Mapping[str, bytes]
    sha256: str


def write_protocol(form: PrecinctForm, signers: Sequence[Signer]) -> bytes:
    """A form signed by these members.

    Whether the form is complete is not asked here: `tally.protocol.signing.sign_protocol` is
    the door for people.

    Raises:
        ProtocolError: no signer, two of one name, or one of another commission or purpose.
    """
    if not signers:
        raise ProtocolError(f"the protocol of {form.precinct_id}: nobody signs it")
    content = protocol_content(form)
    signatures: dict[str, bytes] = {}
    for signer in signers:
        member = _check_signer(form, signer)
        if member in signatures:
            raise ProtocolError(f"{member} signs twice")
        signatures[member] = signer.sign(content[SUMS])
    return _seal(content, signatures)


def add_signature(data: bytes, signer: Signer, name: str) -> bytes:
    """The file with one more member's signature; its content is the same.

    Raises:
        ProtocolError: as `read_protocol` and `write_protocol`, or the member has signed.
    """
    sealed = read_protocol(data, name)
    member = _check_signer(sealed.form, signer)
    if member in sealed.signatures:
        raise ProtocolError(f"{name}: {member} has signed it already")
    signatures = {**sealed.signatures, member: signer.sign(sealed.sums)}
    return _seal(protocol_content(sealed.form), signatures)


def protocol_content(form: PrecinctForm) -> dict[str, bytes]:
    """What is signed: `protocol.json`, `summary.bin`, and `SHA256SUMS` of them.

    Raises:
        ProtocolError: a figure or id that does not fit a summary.
    """
    protocol = form.canonical_json()
    digest = hashlib.sha256(protocol).hexdigest()
    try:
        files = {PROTOCOL: protocol, SUMMARY: pack(summarise(form, digest))}
    except SummaryError as error:
        raise ProtocolError(f"the protocol of {form.precinct_id}: {error}") from error
    return {**files, SUMS: sums_of(files)}


def read_protocol(data: bytes, name: str) -> SealedProtocol:
    """Read a signed protocol strictly; `name` is what messages call it (its file name).

    Raises:
        ProtocolError: too large, not a zip in the one form, a file missing, altered or too
            many, or a form that is not canonical; the message says which.
    """
    if len(data) > MAX_BYTES:
        raise ProtocolError(f"{name}: is larger than {MAX_BYTES // 2**20} MiB: no protocol")
    try:
        files = read_strict_zip(data, name)
    except PackageError as error:
        raise ProtocolError(str(error)) from error
    for required in (PROTOCOL, SUMMARY, SUMS):
        if required not in files:
            raise ProtocolError(f"{name}: {required} is missing: this is no signed protocol")
    form = parse_canonical(files[PROTOCOL], f"{name}: {PROTOCOL}")
    content = protocol_content(form)
    for file, expected in content.items():
        if files[file] != expected:
            raise ProtocolError(
                f"{name}: {file} does not match the form: it was altered, or not written here"
            )
    signatures: dict[str, bytes] = {}
    for file in sorted(set(files) - set(content)):
        member = file.removeprefix(SIGNATURES).removesuffix(_ENDING)
        if file != f"{SIGNATURES}{member}{_ENDING}":
            raise ProtocolError(f"{name}: holds {file}, which is no part of a protocol")
        signatures[member] = files[file]
    if not signatures:
        raise ProtocolError(f"{name}: nobody has signed it")
    return SealedProtocol(
        name, form, files[SUMS], MappingProxyType(signatures), hashlib.sha256(data).hexdigest()
    )


def is_protocol(data: bytes) -> bool:
    """Does a file have the names of a signed protocol? For commands that take other files too;
    proves nothing."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return False
    return PROTOCOL in names and SUMMARY in names


def verify_protocol(
    sealed: SealedProtocol, trust: TrustStore, *, at: datetime, quorum: int
) -> tuple[DeviceIdentity, ...]:
    """Check every signature as of `at` (timezone-aware) and the quorum (SEED-06, SEED-13).

    Returns:
        Who signed, by member's id: `device_id` is the member, `precinct_id` the commission.

    Raises:
        ProtocolError: fewer than `quorum` members.
        SignatureError: a signature that is not good, or not of a member of this commission.
    """
    return verify_signatures(
        sealed.sums,
        sealed.signatures,
        sealed.form.precinct_id,
        trust,
        at=at,
        quorum=quorum,
        where=sealed.name,
    )


def verify_signatures(
    sums: bytes,
    signatures: Mapping[str, bytes],
    precinct: str,
    trust: TrustStore,
    *,
    at: datetime,
    quorum: int,
    where: str,
) -> tuple[DeviceIdentity, ...]:
    """`verify_protocol` on the parts of a protocol, from a file or from printed codes.

    Args:
        signatures: each member's CMS over `sums`; `where` is what messages call them.
    """
    signed = []
    for member, cms in sorted(signatures.items()):
        try:
            identity = trust.verify(sums, cms, at=at, purposes=(Purpose.MEMBER,))
        except SignatureError as error:
            raise SignatureError(error.fault, f"signature of {member}: {error.detail}") from error
        if (identity.device_id, identity.precinct_id) != (member, precinct):
            raise SignatureError(
                SignatureFault.UNTRUSTED,
                f"the signature under {member} is by {identity.device_id} of "
                f"{identity.precinct_id}, the protocol is of {precinct}",
            )
        signed.append(identity)
    if len(signed) < quorum:
        raise ProtocolError(f"{where}: {len(signed)} of {quorum} members have signed: no quorum")
    return tuple(signed)


def _check_signer(form: PrecinctForm, signer: Signer) -> str:
    identity = signer.identity
    if identity.purpose is not Purpose.MEMBER:
        raise ProtocolError(
            f"{identity.device_id} is not certified as a member of a commission: issue the key "
            "with `ballotbench keys issue … --for member`"
        )
    if identity.precinct_id != form.precinct_id:
        raise ProtocolError(
            f"{identity.device_id} is a member of {identity.precinct_id}, the protocol is of "
            f"{form.precinct_id}"
        )
    return identity.device_id


def _seal(content: Mapping[str, bytes], signatures: Mapping[str, bytes]) -> bytes:
    named = {f"{SIGNATURES}{member}{_ENDING}": cms for member, cms in signatures.items()}
    try:
        return strict_zip({**content, **named})
    except FirmwareError as error:
        raise ProtocolError(str(error)) from error
