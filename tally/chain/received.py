"""One file that came: what it is, and whether it may be used, by rules in this order.

1. *unreadable*: it cannot be read, or is none of the kinds that the chain knows;
2. *altered*: the zip is not whole, not in its one form, or its parts do not match;
3. *foreign*: of another election, another profile, an unknown precinct, or with figures that
   its papers do not have;
4. *test_mode*: a rehearsal's;
5. *forged*, *expired*, *revoked*, …: a signature that is not accepted;
6. *no_quorum*: too few members of the commission signed; *no_proof*: a proof of equivocation
   whose files do not contradict each other.

A refusal names the file, the precinct (as claimed, where no signature vouches for it) and
the field. Pure: bytes, trust and time come from the caller (NVT-13, SEED-13, SEED-16).
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from election.commissions import Commissions
from election.model import Election
from election.profile import Profile
from firmware_sim.errors import PackageError, SignatureError
from firmware_sim.package import MANIFEST, SIGNATURE, parse_document, read_strict_zip
from firmware_sim.trust import TrustStore
from tally.chain.act import ACT, MAX_BYTES, Act, document_of, read_act, verify_act
from tally.chain.decision import DECISION_FORMAT, Decision, decision_problem
from tally.chain.equivocation import EQUIVOCATION, FIRST, SECOND, Kind, read_equivocation
from tally.chain.errors import ChainError
from tally.chain.figures import ProtocolFigures, figures_of
from tally.chain.table import TierTable, table_problem
from tally.protocol.form import ProtocolError, form_problem
from tally.protocol.sealed import PROTOCOL, read_protocol, verify_protocol


@dataclass(frozen=True, slots=True)
class Rules:
    """What files are checked by; `at` is when certificates must be valid."""

    election: Election
    profile: Profile
    commissions: Commissions
    trust: TrustStore
    at: datetime
    profile_hash: str = field(init=False)
    commissions_hash: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "profile_hash", self.profile.canonical_hash())
        object.__setattr__(self, "commissions_hash", self.commissions.hash)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that is not used. `of` is the precinct or commission that it is of, or claims to
    be of; `reason` one word of the module's rules; `detail` names the field."""

    name: str
    sha256: str
    reason: str
    detail: str
    of: str | None = None

    @property
    def sentence(self) -> str:
        """For people."""
        whose = "" if self.of is None else f" (of {self.of})"
        return f"{self.name}{whose}: refused, {self.reason}: {self.detail}"


@dataclass(frozen=True, slots=True)
class DecisionReceived:
    """A decision that holds by itself, and the figures that it carries, if any."""

    decision: Decision
    digest: str
    sha256: str
    signers: tuple[str, ...]
    corrected: ProtocolFigures | None


@dataclass(frozen=True, slots=True)
class TableReceived:
    """A tier's signed table; whether it is what the protocols give is another question."""

    table: TierTable
    digest: str
    sha256: str
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EquivocationReceived:
    """A proof of equivocation that holds: both files are validly signed and contradict."""

    kind: str
    of: str
    number: int
    digests: tuple[str, str]
    sha256: str
    sentence: str


Received = ProtocolFigures | DecisionReceived | TableReceived | EquivocationReceived


class _RefusedError(Exception):
    def __init__(self, reason: str, detail: str, of: str | None = None) -> None:
        self.reason, self.detail, self.of = reason, detail, of
        super().__init__(detail)


def check_file(data: bytes, name: str, rules: Rules) -> Received | Refusal:
    """Check one file by all rules; never raises for what is in it."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        return _check(data, name, digest, rules, within=False)
    except _RefusedError as error:
        detail = error.detail.removeprefix(f"{name}: ")
        return Refusal(name, digest, error.reason, detail, error.of)


def _check(data: bytes, name: str, sha256: str, rules: Rules, *, within: bool) -> Received:
    names = _first_names(data)
    if MANIFEST in names or SIGNATURE in names:
        raise _RefusedError(
            "unreadable", "is a device's results package, not a protocol: `ballotbench tally`"
        )
    if PROTOCOL in names:
        return _protocol(data, name, sha256, rules)
    if ACT in names:
        return _act(data, name, sha256, rules)
    if EQUIVOCATION in names and not within:
        return _equivocation(data, name, sha256, rules)
    if data[:2] != b"PK":
        raise _RefusedError("unreadable", "is not a zip file")
    try:
        read_strict_zip(data, name)
    except PackageError as error:
        raise _RefusedError("altered", str(error), _claimed(data, rules)) from error
    raise _RefusedError("unreadable", "is neither protocol, decision, table nor proof")


def is_of_the_chain(beginning: bytes) -> bool:
    """Does a file begin as protocols, acts and proofs do, and not as a device's package?"""
    return bool(_first_names(beginning) & {PROTOCOL, ACT, EQUIVOCATION})


def _first_names(data: bytes) -> set[str]:
    """Names of the first two files in a zip: what it wants to be."""
    found, at = set(), 0
    for _ in range(2):
        if data[at : at + 4] != b"PK\x03\x04" or len(data) < at + 30:
            break
        size, length, extra = struct.unpack_from("<I4xHH", data, at + 18)
        found.add(data[at + 30 : at + 30 + length].decode(errors="replace"))
        at += 30 + length + extra + size
    return found


def _protocol(data: bytes, name: str, sha256: str, rules: Rules) -> ProtocolFigures:
    try:
        sealed = read_protocol(data, name)
    except ProtocolError as error:
        raise _RefusedError("altered", str(error), _claimed(data, rules)) from error
    form = sealed.form
    of = form.precinct_id
    if problem := form_problem(form, rules.election):
        raise _RefusedError("foreign", f"{problem[0]}: {problem[1]}", of)
    if form.profile_hash != rules.profile_hash:
        raise _RefusedError("foreign", "profile_hash: was drawn up by another profile", of)
    if form.mode != "official":
        raise _RefusedError("test_mode", "mode: is a rehearsal's", of)
    try:
        quorum = rules.commissions.by_id[of].quorum
        signed = verify_protocol(sealed, rules.trust, at=rules.at, quorum=quorum)
    except SignatureError as error:
        raise _refused_signature(error, of) from error
    except ProtocolError as error:
        why = str(error).removeprefix(f"{name}: ")
        raise _RefusedError("no_quorum", f"signatures: {why}", of) from error
    members = tuple(identity.device_id for identity in signed)
    # The sums name the form's digest, and have been compared with it.
    digest = sealed.sums[:64].decode()
    return figures_of(form, sha256, members, rules.election, rules.profile, digest=digest)


#: Faults of signatures that have another word here.
_WORDS: Mapping[str, str] = {
    "malformed": "altered",
    "bad_signature": "forged",
    "untrusted": "forged",
    "wrong_purpose": "forged",
}


def _refused_signature(error: SignatureError, of: str) -> _RefusedError:
    return _RefusedError(_WORDS.get(error.fault.value, error.fault.value), error.detail, of)


def _act(data: bytes, name: str, sha256: str, rules: Rules) -> DecisionReceived | TableReceived:
    try:
        act = read_act(data, name)
        kind = parse_document(act.content, ACT, where=name, known=True).get("format")
        if kind == DECISION_FORMAT:
            return _decision(document_of(act, Decision), act, sha256, rules)
        return _table(document_of(act, TierTable), act, sha256, rules)
    except (ChainError, PackageError) as error:
        raise _RefusedError("altered", str(error), _claimed(data, rules)) from error


def _decision(decision: Decision, act: Act, sha256: str, rules: Rules) -> DecisionReceived:
    of = decision.precinct_id
    if problem := decision_problem(decision, rules.election, rules.commissions):
        raise _RefusedError("foreign", f"{problem[0]}: {problem[1]}", of)
    signers = _signers(act, decision.commission_id, of, rules)
    corrected = None
    if decision.corrected is not None:
        form = decision.corrected
        corrected = figures_of(form, sha256, signers, rules.election, rules.profile)
    return DecisionReceived(decision, _digest(act), sha256, signers, corrected)


def _table(table: TierTable, act: Act, sha256: str, rules: Rules) -> TableReceived:
    of = table.commission_id
    hashes = rules.profile_hash, rules.commissions, rules.commissions_hash
    if problem := table_problem(table, rules.election, *hashes):
        raise _RefusedError("foreign", f"{problem[0]}: {problem[1]}", of)
    return TableReceived(table, _digest(act), sha256, _signers(act, of, of, rules))


def _digest(act: Act) -> str:
    return hashlib.sha256(act.content).hexdigest()


def _signers(act: Act, commission_id: str, of: str, rules: Rules) -> tuple[str, ...]:
    quorum = rules.commissions.by_id[commission_id].quorum
    try:
        return verify_act(act, commission_id, rules.trust, at=rules.at, quorum=quorum)
    except SignatureError as error:
        raise _refused_signature(error, of) from error
    except ChainError as error:
        raise _RefusedError("no_quorum", str(error), of) from error


def _equivocation(data: bytes, name: str, sha256: str, rules: Rules) -> EquivocationReceived:
    try:
        proof = read_equivocation(data, name)
    except ChainError as error:
        raise _RefusedError("altered", str(error), _claimed(data, rules)) from error
    note = proof.note
    claims = []
    for file, part in ((FIRST, proof.first), (SECOND, proof.second)):
        digest = hashlib.sha256(part).hexdigest()
        try:
            claims.append(claim_of(_check(part, file, digest, rules, within=True)))
        except _RefusedError as error:
            why = f"{file}: {error.reason}: {error.detail.removeprefix(f'{file}: ')}"
            raise _RefusedError("no_proof", why, note.of) from error
    stated = [Claim(note.kind, note.of, note.number, digest) for digest in note.digests]
    if claims != stated:
        raise _RefusedError("no_proof", f"{EQUIVOCATION}: is not what the two files say", note.of)
    if claims[0].digest == claims[1].digest:
        raise _RefusedError("no_proof", "digests: the two files say the same", note.of)
    return EquivocationReceived(
        note.kind, note.of, note.number, note.digests, sha256, proof.sentence
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """What a signed file stands for: there may be only one digest of each kind, owner, number."""

    kind: Kind
    of: str
    number: int
    digest: str


def claim_of(received: Received) -> Claim:
    """The claim that a file makes. Raises TypeError: a proof makes none."""
    if isinstance(received, ProtocolFigures):
        return Claim("protocol", received.precinct_id, received.version, received.digest)
    if isinstance(received, DecisionReceived):
        decision = received.decision
        return Claim("decision", decision.commission_id, decision.number, received.digest)
    if isinstance(received, TableReceived):
        return Claim("table", received.table.commission_id, received.table.number, received.digest)
    raise TypeError("a proof of equivocation makes no claim")


_OF = re.compile(rb'"(?:precinct_id|commission_id|of)": ?"([A-Za-z0-9._:-]{1,64})"')


def _claimed(data: bytes, rules: Rules) -> str | None:
    """Whose an altered file says it is; None where it says nothing that exists."""
    found = {match.decode() for match in _OF.findall(data[:MAX_BYTES])}
    known = sorted(found & set(rules.commissions.by_id))
    precincts = [name for name in known if rules.election.has_precinct(name)]
    return next(iter(precincts or known), None)
