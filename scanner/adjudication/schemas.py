"""The published JSON Schemas of `queue.json` and of a line of `decisions.jsonl`.

`python -m scanner.adjudication.schemas` writes them anew into `scanner/schemas/`; a test
holds them equal to the models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from scanner.adjudication.ledger import Line
from scanner.adjudication.queue import Queue

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DIRECTORY = Path(__file__).resolve().parent.parent / "schemas"


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema."""
    models: dict[str, tuple[type[BaseModel], str]] = {
        "queue.schema.json": (Queue, "Ballotbench adjudication queue"),
        "decision.schema.json": (Line, "Ballotbench decision: one line of decisions.jsonl"),
    }
    return {
        name: {
            "$schema": DIALECT,
            **model.model_json_schema(mode="serialization"),
            "title": title,
        }
        for name, (model, title) in models.items()
    }


def schema_text(schema: dict[str, Any]) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def write_schemas(directory: Path = DIRECTORY) -> None:
    """Write every schema."""
    for name, schema in schemas().items():
        (directory / name).write_text(schema_text(schema), encoding="utf-8")


if __name__ == "__main__":
    write_schemas()
