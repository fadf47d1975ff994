"""The hardware room's published JSON Schemas (draft 2020-12), generated from the models.

`python -m hardware.schemas` writes them anew beside this file; a test holds them equal to
the models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from election.schemas import DIALECT, schema_text
from hardware.faults.model import Scenario
from hardware.marksense.model import MarkSenseProfile

DIRECTORY = Path(__file__).parent


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema."""
    models: dict[str, tuple[type[BaseModel], str]] = {
        "faults.schema.json": (Scenario, "Ballotbench fault scenario (TOML)"),
        "mark-sense.schema.json": (MarkSenseProfile, "Ballotbench mark-sense profile (TOML)"),
    }
    return {
        name: {"$schema": DIALECT, **model.model_json_schema(), "title": title}
        for name, (model, title) in models.items()
    }


def write_schemas(directory: Path = DIRECTORY) -> None:
    """Write every schema."""
    for name, schema in schemas().items():
        (directory / name).write_text(schema_text(schema), encoding="utf-8")
