"""Proofs to keep: small JSON files that anyone checks offline, with the authority's root alone.

- *Inclusion* (RFC 9162, 2.1.3): the file in hand is an entry of the log under this signed
  checkpoint.
- *Consistency* (2.1.4): the later checkpoint's log begins with all entries of the earlier one.
- *Equivocation*: the log signed two checkpoints that no one log can have: it was rewritten, or
  shown differently to different people.

An equivocation needs no word of the log's keeper: both checkpoints carry its signature, and
the nodes show which root the later one's first entries really have. Proofs name hashes of
protocols and decisions, which are public; nothing of a vote or a voter is in them (NVT-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from firmware_sim import merkle
from firmware_sim.errors import PackageError
from firmware_sim.package import parse_document
from firmware_sim.trust import TrustStore
from tally.transparency.canonical import Document, Hash, read_document
from tally.transparency.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    check_checkpoint,
    read_note,
)
from tally.transparency.entry import LogEntry
from tally.transparency.errors import LogError, RewrittenError
from tally.transparency.log import Log

#: A tree of 2^40 entries has paths of 40 hashes; consistency paths have one more.
Path_ = Annotated[tuple[Hash, ...], Field(max_length=64)]


class InclusionProof(Document):
    """`entry` is number `index` (from 0) under `checkpoint`; `path` from the leaf upwards."""

    format: Literal["ballotbench-log-inclusion/1"] = "ballotbench-log-inclusion/1"
    checkpoint: SignedCheckpoint
    entry: LogEntry
    index: Annotated[int, Field(ge=0)]
    path: Path_


class ConsistencyProof(Document):
    """`second` begins with `first`; `path` is the RFC's PROOF."""

    format: Literal["ballotbench-log-consistency/1"] = "ballotbench-log-consistency/1"
    first: SignedCheckpoint
    second: SignedCheckpoint
    path: Path_


class EquivocationProof(Document):
    """`first` and `second` contradict each other; `nodes` are the RFC's PROOF in the log of
    `second`, with the first node always there (`merkle.prefix_nodes`)."""

    format: Literal["ballotbench-log-equivocation/1"] = "ballotbench-log-equivocation/1"
    first: SignedCheckpoint
    second: SignedCheckpoint
    nodes: Path_


@dataclass(frozen=True, slots=True)
class Included:
    """What an inclusion proof shows."""

    entry: LogEntry
    index: int
    checkpoint: Checkpoint


def prove_inclusion(log: Log, index: int, checkpoint: SignedCheckpoint) -> InclusionProof:
    """Prove that entry `index` is under a checkpoint of this log.

    Raises:
        LogError: no such entry, or the checkpoint is older than it, or of another log.
    """
    content = _own(log, checkpoint)
    entry = log.entry(index)
    if index >= content.size:
        raise LogError(
            log.where(index),
            f"is newer than the checkpoint of {content.size} entries: make a new checkpoint",
        )
    path = merkle.inclusion_path(log.hashes[: content.size], index)
    return InclusionProof(
        checkpoint=checkpoint, entry=entry, index=index, path=tuple(node.hex() for node in path)
    )


def prove_inclusions(
    log: Log, indices: Sequence[int], checkpoint: SignedCheckpoint
) -> list[InclusionProof]:
    """`prove_inclusion` of many entries, in one pass over the tree."""
    content = _own(log, checkpoint)
    levels = merkle.levels_of(log.hashes[: content.size])
    found = []
    for index in indices:
        entry = log.entry(index)
        if index >= content.size:
            raise LogError(log.where(index), f"is newer than the {content.size} entries signed")
        path = tuple(node.hex() for node in merkle.path_in(levels, index))
        found.append(
            InclusionProof.model_construct(
                checkpoint=checkpoint, entry=entry, index=index, path=path
            )
        )
    return found


def _own(log: Log, checkpoint: SignedCheckpoint) -> Checkpoint:
    content = read_note(checkpoint.note, str(log.folder))
    if (content.log_id, content.election_hash) != (log.head.log_id, log.head.election_hash):
        raise LogError(str(log.folder), f"the checkpoint is of another log, {content.log_id}")
    if content.size > len(log) or log.root(content.size) != content.root:
        raise LogError(
            str(log.folder),
            f"does not hold the {content.size} entries of the checkpoint: rewritten",
        )
    return content


def prove_consistency(
    log: Log, first: SignedCheckpoint, second: SignedCheckpoint
) -> ConsistencyProof | EquivocationProof:
    """Prove that the log still holds what `first` says, up to `second`, its own checkpoint; or
    prove, where it does not, that its keeper signed both.

    `first` may come from anyone who kept it; its signature is looked at by whoever checks.

    Raises:
        LogError: `second` is not of this log, or `first` is of another one, or later.
    """
    later = _own(log, second)
    earlier = read_note(first.note, "the earlier checkpoint")
    if (earlier.log_id, earlier.election_hash) != (later.log_id, later.election_hash):
        raise LogError("the earlier checkpoint: note", f"is of another log, {earlier.log_id}")
    if earlier.size > later.size:
        raise LogError(
            "the earlier checkpoint: note",
            f"has {earlier.size} entries, the log's own {later.size}: entries are missing from "
            "the log, or its newest checkpoint",
        )
    hashes = log.hashes[: later.size]
    if merkle.root_of(hashes[: earlier.size]) == earlier.root:
        path = merkle.consistency_path(hashes, earlier.size) if earlier.size else []
        return ConsistencyProof(first=first, second=second, path=tuple(n.hex() for n in path))
    nodes = merkle.prefix_nodes(hashes, earlier.size) if earlier.size else []
    return EquivocationProof(first=first, second=second, nodes=tuple(n.hex() for n in nodes))


def check_inclusion(
    proof: InclusionProof, copy: bytes | None, trust: TrustStore, *, at: datetime, where: str
) -> Included:
    """Check a proof, and that it is of the file in hand (`copy`; None: of some file).

    Raises:
        LogError: names the field: the signature, the copy, or a path that leads elsewhere.
    """
    content = check_checkpoint(proof.checkpoint, trust, at=at, where=f"{where}: checkpoint")
    if copy is not None and not proof.entry.is_of(copy):
        raise LogError(
            f"{where}: entry.sha256",
            f"is of another file than the copy in hand: the log has "
            f"{proof.entry.sha256[:16]}… of {proof.entry.of} ({proof.entry.size} bytes)",
        )
    path = [bytes.fromhex(node) for node in proof.path]
    root = merkle.root_from_path(proof.entry.leaf_hash(), proof.index, content.size, path)
    if root is None:
        raise LogError(
            f"{where}: path", f"does not fit entry {proof.index} of {content.size} entries"
        )
    if root != content.root:
        raise LogError(
            f"{where}: path", "does not lead to the signed root: this entry is not in the log"
        )
    return Included(proof.entry, proof.index, content)


def check_consistency(
    proof: ConsistencyProof, trust: TrustStore, *, at: datetime, where: str
) -> tuple[Checkpoint, Checkpoint]:
    """Check that the later checkpoint's log begins with the earlier one's; gives both.

    Raises:
        LogError: names the field that does not hold. RewrittenError: two checkpoints of one
            size have different roots.
    """
    first, second = _two(proof, trust, at, where)
    path = [bytes.fromhex(node) for node in proof.path]
    if first.size > second.size:
        raise LogError(f"{where}: first", "has more entries than the second checkpoint")
    if not merkle.is_consistent(first.size, first.root, second.size, second.root, path):
        if first.size == second.size and first.root != second.root:
            raise RewrittenError(where, _contradiction(first, second))
        raise LogError(
            f"{where}: path",
            f"does not show that the log of {second.size} entries begins with the {first.size} "
            "of the earlier checkpoint",
        )
    return first, second


def check_equivocation(
    proof: EquivocationProof, trust: TrustStore, *, at: datetime, where: str
) -> str:
    """Check that two signed checkpoints contradict each other; gives the finding in words.

    Raises:
        LogError: the proof does not hold: nothing is shown against the log.
    """
    first, second = _two(proof, trust, at, where)
    nodes = [bytes.fromhex(node) for node in proof.nodes]
    if first.size == 0:
        if nodes or first.root == merkle.root_of([]):
            raise LogError(f"{where}: nodes", "show no contradiction")
        return _contradiction(first, second)
    if first.size == second.size and nodes == [second.root] and first.root != second.root:
        return _contradiction(first, second)
    roots = merkle.roots_from_nodes(first.size, second.size, nodes)
    if roots is None or roots[1] != second.root:
        raise LogError(f"{where}: nodes", "do not lead to the root of the second checkpoint")
    if roots[0] == first.root:
        raise LogError(f"{where}: nodes", "show no contradiction: the checkpoints agree")
    return _contradiction(first, second)


def _contradiction(first: Checkpoint, second: Checkpoint) -> str:
    return (
        f"log {first.log_id} signed two checkpoints that contradict each other: of {first.size} "
        f"entries at {first.time}, and of {second.size} entries at {second.time}, which do not "
        f"begin with those {first.size}: entries were changed, removed or put in between"
    )


def _two(
    proof: ConsistencyProof | EquivocationProof, trust: TrustStore, at: datetime, where: str
) -> tuple[Checkpoint, Checkpoint]:
    first = check_checkpoint(proof.first, trust, at=at, where=f"{where}: first")
    second = check_checkpoint(proof.second, trust, at=at, where=f"{where}: second")
    if (first.log_id, first.election_hash) != (second.log_id, second.election_hash):
        raise LogError(f"{where}: second", "the two checkpoints are of different logs or elections")
    return first, second


Proof = InclusionProof | ConsistencyProof | EquivocationProof

_MODELS: dict[str, type[InclusionProof] | type[ConsistencyProof] | type[EquivocationProof]] = {
    "ballotbench-log-inclusion/1": InclusionProof,
    "ballotbench-log-consistency/1": ConsistencyProof,
    "ballotbench-log-equivocation/1": EquivocationProof,
}


def read_proof(data: bytes, where: str) -> Proof:
    """A proof of any of the three kinds. Raises LogError."""
    kind = _format(data, where)
    if kind not in _MODELS:
        known = ", ".join(_MODELS)
        raise LogError(f"{where}: format", f"is none of {known}")
    found: Proof = read_document(_MODELS[kind], data, where)
    return found


def _format(data: bytes, where: str) -> str:
    try:
        value: dict[str, Any] = parse_document(data, where, where=where, known=True)
    except PackageError as error:
        raise LogError(where, "is not a proof: not a JSON object") from error
    return str(value.get("format"))
