"""The transparency log: every accepted protocol and decision, for ever, provable offline.

In: files (their hashes) that a commission accepted, a key to sign with. Out: an append-only
Merkle log (RFC 9162) with signed checkpoints, and small proofs: that a copy is in the log,
that the log still holds what it held, that its keeper signed two histories (SEED-16, NVT-11).
docs/transparency.md says what each proves and what not.
"""

from tally.transparency.check import Finding, LogCheck, check_log
from tally.transparency.checkpoint import Checkpoint, SignedCheckpoint, check_checkpoint
from tally.transparency.entry import EntryKind, LogEntry, entry_of
from tally.transparency.errors import LogError, RewrittenError
from tally.transparency.log import (
    Log,
    LogHead,
    add_checkpoint,
    append,
    create_log,
    read_checkpoint,
    read_log,
    stored_checkpoints,
)
from tally.transparency.proof import (
    ConsistencyProof,
    EquivocationProof,
    Included,
    InclusionProof,
    check_consistency,
    check_equivocation,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
    prove_inclusions,
    read_proof,
)

__all__ = [
    "Checkpoint",
    "ConsistencyProof",
    "EntryKind",
    "EquivocationProof",
    "Finding",
    "Included",
    "InclusionProof",
    "Log",
    "LogCheck",
    "LogEntry",
    "LogError",
    "LogHead",
    "RewrittenError",
    "SignedCheckpoint",
    "add_checkpoint",
    "append",
    "check_checkpoint",
    "check_consistency",
    "check_equivocation",
    "check_inclusion",
    "check_log",
    "create_log",
    "entry_of",
    "prove_consistency",
    "prove_inclusion",
    "prove_inclusions",
    "read_checkpoint",
    "read_log",
    "read_proof",
    "stored_checkpoints",
]
