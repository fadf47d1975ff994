"""The published JSON Schemas of the log's files: `python -m tally.transparency.schemas` writes
them anew into `tally/schemas`; a test holds them equal to the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from election.schemas import DIALECT, schema_text
from tally.transparency.canonical import Document
from tally.transparency.checkpoint import SignedCheckpoint
from tally.transparency.entry import LogEntry
from tally.transparency.log import LogHead
from tally.transparency.proof import ConsistencyProof, EquivocationProof, InclusionProof

DIRECTORY = Path(__file__).resolve().parent.parent / "schemas"

_MODELS: dict[str, tuple[type[Document], str]] = {
    "log": (LogHead, "Ballotbench transparency log"),
    "log-entry": (LogEntry, "Ballotbench entry of a transparency log"),
    "log-checkpoint": (SignedCheckpoint, "Ballotbench signed checkpoint of a transparency log"),
    "log-inclusion": (InclusionProof, "Ballotbench proof that a file is in a transparency log"),
    "log-consistency": (ConsistencyProof, "Ballotbench proof that a log holds what it held"),
    "log-equivocation": (EquivocationProof, "Ballotbench proof that a log was rewritten"),
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
