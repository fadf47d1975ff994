"""The published JSON Schemas of this room (draft 2020-12).

Those of the package are written by hand and hold every package to them; what is named here is
generated from the models: `python -m firmware_sim.schemas` writes it anew beside this file, and a
test holds it equal to the models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from election.schemas import DIALECT, schema_text
from firmware_sim.pollbook.sheet import PollbookSheet

DIRECTORY = Path(__file__).parent


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema."""
    models = {"pollbook.schema.json": (PollbookSheet, "Ballotbench close sheet of a pollbook")}
    return {
        name: {"$schema": DIALECT, **model.model_json_schema(), "title": title}
        for name, (model, title) in models.items()
    }


def write_schemas(directory: Path = DIRECTORY) -> None:
    """Write every schema."""
    for name, schema in schemas().items():
        (directory / name).write_text(schema_text(schema), encoding="utf-8")
