"""The published JSON Schemas of decisions, tables and proofs of equivocation:
`python -m tally.chain.schemas` writes them anew into `tally/schemas`; a test holds them equal
to the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from election.schemas import DIALECT, schema_text
from tally.chain.decision import Decision
from tally.chain.desk import DeskHead
from tally.chain.equivocation import EquivocationNote
from tally.chain.table import TierTable

DIRECTORY = Path(__file__).resolve().parent.parent / "schemas"

_MODELS: dict[str, tuple[type[BaseModel], str]] = {
    "decision": (Decision, "Ballotbench decision on a protocol"),
    "tier-table": (TierTable, "Ballotbench table of a commission"),
    "equivocation": (EquivocationNote, "Ballotbench proof that a signer contradicts itself"),
    "desk": (DeskHead, "Ballotbench desk of a commission"),
}


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema."""
    return {
        f"{name}.schema.json": {"$schema": DIALECT, **model.model_json_schema(), "title": title}
        for name, (model, title) in _MODELS.items()
    }


def write_schemas(directory: Path = DIRECTORY) -> None:
    """Write every schema."""
    for name, schema in schemas().items():
        (directory / name).write_text(schema_text(schema), encoding="utf-8")


if __name__ == "__main__":
    write_schemas()
