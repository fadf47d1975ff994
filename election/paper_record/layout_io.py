"""Layouts of paper records as files: `<style>-record-<language>.layout.json`, beside the
unused print (`.pdf`).

The layout file (format "ballotbench-record-layout/1") holds a `RecordLayout` member for
member, lengths in mm; its schema is `election/schemas/record-layout.schema.json`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from election.errors import LayoutError
from election.model import Election
from election.paper_record.choices import Choices
from election.paper_record.design import (
    RecordLayout,
    RecordPage,
    design_record,
    record_languages,
)
from election.paper_record.render import render_record
from election.profile import Profile

RECORD_FORMAT: Literal["ballotbench-record-layout/1"] = "ballotbench-record-layout/1"

_LAYOUT = TypeAdapter(RecordLayout)


class RecordLayoutFile(BaseModel):
    """The members of a layout file, for its schema and for checking it."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Ballotbench record layout")

    format: Literal["ballotbench-record-layout/1"]
    election_id: str
    election_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    ballot_style_id: str
    style_index: int = Field(ge=0)
    paper: str
    language: str
    pages: tuple[RecordPage, ...] = Field(min_length=1, max_length=2)


@dataclass(frozen=True, slots=True)
class PrintedRecord:
    """The files written for the record of one style in one language."""

    style_id: str
    language: str
    pdf: Path
    layout_file: Path


def dump_record_layout(layout: RecordLayout) -> dict[str, Any]:
    """The layout as a dict of JSON types."""
    data: dict[str, Any] = json.loads(json.dumps({"format": RECORD_FORMAT, **asdict(layout)}))
    return data


def parse_record_layout(data: bytes, where: str) -> RecordLayout:
    """The layout that `dump_record_layout` gave.

    Raises:
        LayoutError: not JSON, or not such a layout; names the field.
    """
    try:
        members = RecordLayoutFile.model_validate_json(data).model_dump(exclude={"format"})
        return _LAYOUT.validate_python(members)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise LayoutError(f"{field}: {first['msg']}", where=where) from error


def print_records(
    election: Election, profile: Profile, out_dir: Path, *, precinct_id: str | None = None
) -> tuple[PrintedRecord, ...]:
    """Write layout and unused print of every record (of one precinct's styles, if given).

    Raises:
        LayoutError: a record does not fit its sheet; nothing is written then.
        OSError: the directory cannot be written.
    """
    styles = election.ballot_styles
    if precinct_id is not None:
        styles = election.precinct_styles(precinct_id)
    layouts = [
        design_record(election, profile, style.id, language)
        for style in styles
        for language in record_languages(election, style.id)
    ]
    out_dir.mkdir(parents=True, exist_ok=True)
    printed = []
    for layout in layouts:
        name = f"{layout.ballot_style_id.replace(':', '_')}-record-{layout.language}"
        pdf, file = out_dir / f"{name}.pdf", out_dir / f"{name}.layout.json"
        pdf.write_bytes(
            render_record(election, profile, layout, Choices({}), precinct_id=precinct_id)
        )
        text = json.dumps(dump_record_layout(layout), ensure_ascii=False, indent=1) + "\n"
        file.write_text(text, encoding="utf-8")
        printed.append(PrintedRecord(layout.ballot_style_id, layout.language, pdf, file))
    return tuple(printed)
