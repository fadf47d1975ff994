"""The published JSON Schema of the form: `python -m tally.protocol.schemas` writes it anew into
`tally/schemas`; a test holds it equal to the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from election.schemas import DIALECT, schema_text
from tally.protocol.form import PrecinctForm

DIRECTORY = Path(__file__).resolve().parent.parent / "schemas"


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema."""
    schema = PrecinctForm.model_json_schema()
    return {
        "precinct-protocol.schema.json": {
            "$schema": DIALECT,
            **schema,
            "title": "Ballotbench protocol of a precinct",
            "required": ["format", *schema["required"]],
        }
    }


def write_schemas(directory: Path = DIRECTORY) -> None:
    """Write every schema."""
    for name, schema in schemas().items():
        (directory / name).write_text(schema_text(schema), encoding="utf-8")


if __name__ == "__main__":
    write_schemas()
