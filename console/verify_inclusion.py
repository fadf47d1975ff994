"""`ballotbench verify --inclusion`: is the copy in hand in the public log? Offline (NVT-11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from console.common import emit_json, stdout
from firmware_sim.trust import TrustStore
from tally.transparency import (
    ConsistencyProof,
    EquivocationProof,
    InclusionProof,
    LogError,
    check_consistency,
    check_equivocation,
    check_inclusion,
    read_proof,
)


def verify_inclusion(
    proof_file: Path,
    copies: Sequence[Path],
    consistency: Path | None,
    trust: TrustStore,
    at: datetime,
    *,
    json_output: bool,
) -> None:
    """Say what a proof shows of a copy, and whether the log still holds it; exit 1 if not.

    Raises:
        LogError: the proof does not hold, or not for this copy.
    """
    if len(copies) != 1 or not copies[0].is_file():
        raise typer.BadParameter("give the one file that the proof is of", param_hint="PACKAGES")
    where = str(proof_file)
    proof = read_proof(proof_file.read_bytes(), where)
    if not isinstance(proof, InclusionProof):
        raise LogError(f"{where}: format", "is no inclusion proof; give it with --consistency")
    found = check_inclusion(proof, copies[0].read_bytes(), trust, at=at, where=where)
    checkpoint, entry = found.checkpoint, found.entry
    row: dict[str, Any] = {
        "file": str(copies[0]),
        "included": True,
        "log_id": checkpoint.log_id,
        "election_hash": checkpoint.election_hash,
        "index": found.index,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "checkpoint_time": checkpoint.time,
        "entry": entry.as_json(),
        "rewritten": None,
    }
    lines = [
        f"{copies[0]}: is entry {found.index} of log {checkpoint.log_id}: {entry.kind} of "
        f"{entry.of}, accepted {entry.accepted}; signed with {checkpoint.size} entries at "
        f"{checkpoint.time}"
    ]
    if consistency is not None:
        rewritten, words = _since(proof, consistency, trust, at)
        row["rewritten"] = rewritten
        lines.append(words)
    if json_output:
        emit_json(row)
    else:
        for line in lines:
            stdout.print(line, markup=False, highlight=False, soft_wrap=True)
    if row["rewritten"]:
        raise typer.Exit(1)


def _since(proof: InclusionProof, file: Path, trust: TrustStore, at: datetime) -> tuple[bool, str]:
    """Whether a second proof shows that the log was rewritten, in words."""
    where = str(file)
    later = read_proof(file.read_bytes(), where)
    if isinstance(later, InclusionProof):
        raise LogError(f"{where}: format", "is an inclusion proof, not one of consistency")
    if proof.checkpoint.note not in (later.first.note, later.second.note):
        raise LogError(
            f"{where}: first",
            "is not the checkpoint of the inclusion proof: it proves nothing of it",
        )
    if isinstance(later, EquivocationProof):
        words = check_equivocation(later, trust, at=at, where=where)
        return True, f"Finding: the log was rewritten, and it is proved: {words}"
    assert isinstance(later, ConsistencyProof)  # noqa: S101 (the third kind)
    first, second = check_consistency(later, trust, at=at, where=where)
    return False, (
        f"The log of {second.size} entries at {second.time} begins with the same "
        f"{first.size}: nothing was changed or removed"
    )
