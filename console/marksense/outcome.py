"""Results of a stack: records, marks, refusals, and what a person should look at."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.batch.outputs import whole_file, write_cvrs, write_list
from console.definitions import Definition
from console.marksense.forms import Forms
from hardware.marksense import MarkSheet
from scanner.cvr import new_record
from scanner.errors import PageRefusedError
from scanner.interpretation import NOTE_KINDS, interpret
from scanner.reading import ContestStatus, PageReading, SheetInterpretation

ROWS_AT_ONCE = 50_000


@dataclass
class Outcome:
    """What a stack came to; `marks` rows of (sheet, reading, levels by target)."""

    records: list[tuple[str, str]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    review: list[dict[str, Any]] = field(default_factory=list)
    marks: list[tuple[int, PageReading]] = field(default_factory=list)


def conclude(sheets: Iterator[tuple[int, MarkSheet]], forms: Forms, rules: Definition) -> Outcome:
    """Every sheet under the profile's rules; `sheets` with their places in the order of feeding."""
    outcome = Outcome()
    election = rules.election
    for place, sheet in sheets:
        try:
            reading = forms.read(sheet)
            found = interpret([reading], election, rules.profile)
        except PageRefusedError as refusal:
            outcome.refused.append(
                {
                    "sheet": place,
                    "number": sheet.number,
                    "reason": refusal.reason.value,
                    "detail": refusal.detail,
                }
            )
            continue
        outcome.marks.append((place, reading))
        record = new_record(found, election.hash, secrets.token_hex(16))
        outcome.records.append((record.record_id, json.dumps(record.to_json())))
        if found.needs_review:
            outcome.review.append(_open(place, sheet, found))
    return outcome


def _open(place: int, sheet: MarkSheet, found: SheetInterpretation) -> dict[str, Any]:
    return {
        "sheet": place,
        "number": sheet.number,
        "contests": [
            {"contest": c.contest_id, "marked": list(c.marked), "marginal": list(c.marginal)}
            for c in found.contests
            if c.status is ContestStatus.NEEDS_REVIEW or c.marginal
        ],
        "flags": [f.detail for f in found.flags if f.kind not in NOTE_KINDS],
    }


def write_outcome(out: Path, outcome: Outcome, forms: Forms, rules: Definition) -> None:
    """`cvrs.json` (NIST Cast Vote Records), `marks.parquet`, `refused.json`, `review.json`."""
    bodies = (body for _, body in sorted(outcome.records))
    write_cvrs(out / "cvrs.json", rules.election, bodies, datetime.now(UTC))
    write_list(out / "refused.json", outcome.refused)
    write_list(out / "review.json", outcome.review)
    _write_marks(out / "marks.parquet", outcome, forms)


def _write_marks(path: Path, outcome: Outcome, forms: Forms) -> None:
    """A row a target, in the order of feeding; `column` and `line` are the reader's, from 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    most = forms.profile.levels.most
    schema = pa.schema(
        [
            ("sheet", pa.int32()),
            ("ballot_style_id", pa.string()),
            ("contest_id", pa.string()),
            ("option_id", pa.string()),
            ("column", pa.int32()),
            ("line", pa.int32()),
            ("level", pa.int32()),
            ("class", pa.string()),
        ]
    )
    with whole_file(path) as file, pq.ParquetWriter(file, schema) as writer:
        rows: dict[str, list[Any]] = {name: [] for name in schema.names}
        for place, reading in outcome.marks:
            form = forms.form_of(reading)
            targets = reading.layout.targets
            rows["sheet"] += [place] * len(targets)
            rows["ballot_style_id"] += [reading.layout.ballot_style_id] * len(targets)
            rows["contest_id"] += [t.contest_id for t in targets]
            rows["option_id"] += [t.option_id for t in targets]
            rows["column"] += (form.columns + 1).tolist()
            rows["line"] += (form.lines + 1).tolist()
            rows["level"] += [round(float(score) * most) for score in reading.scores]
            rows["class"] += [seen.value for seen in reading.classes]
            if len(rows["sheet"]) >= ROWS_AT_ONCE:
                writer.write_table(pa.Table.from_pydict(rows, schema=schema))
                rows = {name: [] for name in schema.names}
        if rows["sheet"]:
            writer.write_table(pa.Table.from_pydict(rows, schema=schema))
