"""The published JSON Schemas (draft 2020-12), generated from the models.

`python -m election.schemas` writes them anew beside this file; a test holds them equal to
the models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from election.commissions import Commissions
from election.layout_io import LayoutFile
from election.model import Election
from election.paper_record.layout_io import RecordLayoutFile
from election.profile import Profile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DIRECTORY = Path(__file__).parent


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema."""
    models: dict[str, tuple[type[BaseModel], str]] = {
        "election.schema.json": (Election, "Ballotbench election definition"),
        "commissions.schema.json": (Commissions, "Ballotbench tree of election commissions"),
        "profile.schema.json": (Profile, "Ballotbench jurisdiction profile"),
        "layout.schema.json": (LayoutFile, "Ballotbench ballot layout"),
        "record-layout.schema.json": (RecordLayoutFile, "Ballotbench paper record layout"),
    }
    return {
        name: {"$schema": DIALECT, **model.model_json_schema(), "title": title}
        for name, (model, title) in models.items()
    }


def schema_text(schema: dict[str, Any]) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def write_schemas(directory: Path = DIRECTORY) -> tuple[Path, ...]:
    """Write every schema; returns the paths."""
    paths: list[Path] = []
    for name, schema in schemas().items():
        paths.append(directory / name)
        paths[-1].write_text(schema_text(schema), encoding="utf-8")
    return tuple(paths)
