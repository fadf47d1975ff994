"""The console's published JSON Schemas (draft 2020-12), generated from the models.

`python -m console.schemas` writes them anew beside this file; a test holds them equal to
the models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from console.bench.document import BenchFile
from console.central.manifest import Manifest
from console.conform.document import ConformFile
from election.schemas import DIALECT, schema_text
from scanner.decks.document import DeckFile

DIRECTORY = Path(__file__).parent


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema."""
    models: dict[str, tuple[type[BaseModel], str]] = {
        "bench.schema.json": (BenchFile, "Ballotbench bench test of a scanner"),
        "conform.schema.json": (ConformFile, "Ballotbench conformance test of a scanner"),
        "deck.schema.json": (DeckFile, "Ballotbench test deck"),
        "manifest.schema.json": (Manifest, "Ballotbench manifest of a central count's paper"),
    }
    found = {}
    for name, (model, title) in models.items():
        schema = {"$schema": DIALECT, **model.model_json_schema(), "title": title}
        schema["required"] = ["format", *schema.get("required", [])]
        found[name] = schema
    return found


def write_schemas(directory: Path = DIRECTORY) -> None:
    """Write every schema."""
    for name, schema in schemas().items():
        (directory / name).write_text(schema_text(schema), encoding="utf-8")
