"""A whole log checked: every line, every checkpoint, the files it names, what others kept.

Findings are listed, each with its place; one fault hides no other. A line that was changed
is named; where line and leaf hash were changed together, the signed checkpoints tell between
which entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from firmware_sim.trust import TrustStore
from tally.transparency.checkpoint import Checkpoint, SignedCheckpoint, check_checkpoint
from tally.transparency.errors import LogError
from tally.transparency.log import HEAD, Log, read_checkpoint, stored_checkpoints
from tally.transparency.proof import EquivocationProof, prove_consistency


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold, and where: file and line or field."""

    where: str
    what: str

    @classmethod
    def of(cls, error: LogError) -> Finding:
        """The error's content."""
        return cls(error.where, error.what)

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class LogCheck:
    """The outcome: `signed` entries are under a good checkpoint; `equivocations` are proofs
    that the log's keeper signed what contradicts itself, to be published."""

    entries: int
    signed: int
    checkpoints: int
    findings: tuple[Finding, ...]
    equivocations: tuple[EquivocationProof, ...]


def check_log(
    log: Log,
    trust: TrustStore,
    *,
    at: datetime,
    kept: Sequence[tuple[str, SignedCheckpoint]] = (),
    files: Iterable[tuple[str, bytes]] | None = None,
) -> LogCheck:
    """Check a log as of `at`.

    Args:
        kept: checkpoints that others kept: name, content.
        files: everything that is published beside the log: name, bytes. Each must be an
            entry, and each entry's file must be there.
    """
    findings = [Finding(log.where(index), why) for index, why in log.faults]
    good = _own_checkpoints(log, trust, at, findings)
    equivocations: list[EquivocationProof] = []
    newest = good[-1] if good else None
    for name, signed in kept:
        try:
            content = check_checkpoint(signed, trust, at=at, where=name)
            found = _against(log, content, signed, newest, name)
        except LogError as error:
            findings.append(Finding.of(error))
            continue
        if isinstance(found, EquivocationProof):
            equivocations.append(found)
            findings.append(
                Finding(
                    name, "contradicts the log's own checkpoint: the log was rewritten (proved)"
                )
            )
        elif found is not None:
            findings.append(found)
    if files is not None:
        findings += _files(log, files)
    return LogCheck(
        len(log),
        newest[0].size if newest is not None else 0,
        len(good),
        tuple(findings),
        tuple(equivocations),
    )


def _own_checkpoints(
    log: Log, trust: TrustStore, at: datetime, findings: list[Finding]
) -> list[tuple[Checkpoint, SignedCheckpoint]]:
    good: list[tuple[Checkpoint, SignedCheckpoint]] = []
    last_good = 0
    try:
        stored = stored_checkpoints(log.folder)
    except LogError as error:
        findings.append(Finding.of(error))
        return []
    for size, path in stored:
        where = str(path)
        try:
            signed = read_checkpoint(path)
            content = check_checkpoint(signed, trust, at=at, where=where)
            _belongs(log, content, where)
            if content.size != size:
                raise LogError(where, f"is the checkpoint of {content.size} entries: misnamed")
            if content.size > len(log):
                raise LogError(
                    where, f"is of {content.size} entries, the log has {len(log)}: entries are gone"
                )
            if log.root(content.size) != content.root:
                raise LogError(
                    where,
                    f"its signed root is not that of the entries: one of {last_good} to "
                    f"{content.size - 1} was changed, moved, put in or left out",
                )
        except LogError as error:
            findings.append(Finding.of(error))
            continue
        if good and content.time < good[-1][0].time:
            findings.append(Finding(where, "is of an earlier time than the one before it"))
        good.append((content, signed))
        last_good = content.size
    return good


def _belongs(log: Log, content: Checkpoint, where: str) -> None:
    head = log.folder / HEAD
    if content.log_id != log.head.log_id:
        raise LogError(
            where, f"is of log {content.log_id}, but {head} says log_id {log.head.log_id}"
        )
    if content.election_hash != log.head.election_hash:
        raise LogError(where, f"is of another election than {head} says (election_hash)")


def _against(
    log: Log,
    kept: Checkpoint,
    signed: SignedCheckpoint,
    newest: tuple[Checkpoint, SignedCheckpoint] | None,
    name: str,
) -> Finding | EquivocationProof | None:
    """A kept checkpoint against the log: nothing, a finding, or a proof against its keeper."""
    _belongs(log, kept, name)
    if kept.size <= len(log) and log.root(kept.size) == kept.root:
        return None
    if newest is not None and kept.size <= newest[0].size:
        proof = prove_consistency(log, signed, newest[1])
        if isinstance(proof, EquivocationProof):
            return proof
    if kept.size > len(log):
        return Finding(
            name, f"is of {kept.size} entries, the log here has {len(log)}: entries are gone"
        )
    return Finding(
        name,
        f"its {kept.size} entries are not those of the log here, which no newer checkpoint covers",
    )


def _files(log: Log, files: Iterable[tuple[str, bytes]]) -> list[Finding]:
    findings, seen = [], set()
    for name, data in files:
        digest = hashlib.sha256(data).hexdigest()
        seen.add(digest)
        index = log.by_hash.get(digest)
        if index is None:
            findings.append(Finding(name, "is in no entry of the log: altered, or never logged"))
    for index, entry in enumerate(log.entries):
        if entry is not None and entry.sha256 not in seen:
            findings.append(
                Finding(
                    log.where(index),
                    f"the {entry.kind} of {entry.of} ({entry.sha256[:16]}…) is not among the files",
                )
            )
    return findings
