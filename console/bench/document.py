"""`bench.json`, "ballotbench-bench/1": everything that a bench report shows, as values.

Its schema is `console/schemas/bench.schema.json`. The reports are made from it alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Literal["ballotbench-bench/1"] = "ballotbench-bench/1"
Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RateRecord(_Model):
    """`events` of `trials` with exact 95 % bounds; null without trials."""

    events: Count
    trials: Count
    value: float | None
    low: float | None
    high: float | None


class Finding(_Model):
    """Something a person must look at: `kind` is the key of its words."""

    kind: str
    number: Count
    why: str = ""


class ErrorRecord(_Model):
    """One silent error."""

    sheet: int
    name: str
    contest: str
    option: str
    truth: str
    read: str
    score: float


class RuleRecord(_Model):
    """A rule with its section and what was found; `words` and `values` say it in words."""

    id: str
    section: str
    state: Literal["met", "not_met", "not_enough", "not_tested"]
    words: str
    values: dict[str, str | int] = Field(default_factory=dict)


class ReadAsRecord(_Model):
    """How targets of one kind of mark and pen, or of one step of the ladder, were read."""

    mark: str
    pen: str
    percent: float | None = None
    count: Count
    as_mark: Count
    as_marginal: Count
    as_none: Count
    mean_score: float


class CurveRecord(_Model):
    """Histogram (bins+1 edges), ROC (thresholds falling) and trade-off."""

    edges: tuple[float, ...]
    marks: tuple[int, ...]
    empty: tuple[int, ...]
    unclear: tuple[int, ...]
    roc: tuple[tuple[float, float, float], ...]
    area: float | None
    trade: tuple[tuple[float, float, int, int, int], ...]


class ResidualRecord(_Model):
    """Misplacement, mm: `cells` are x, y, count, dx, dy, mean distance."""

    count: Count
    rms_mm: float
    p95_mm: float
    largest_mm: float
    cells: tuple[tuple[float, float, int, float, float, float], ...]


class StabilityRecord(_Model):
    """Classes that change under thresholds times `factor`: "mark>marginal" and the like."""

    factor: float
    changed: dict[str, int]
    clear_votes: Count


class FaultRecord(_Model):
    """A sheet that had to be refused: "refused", "read" or "missing", and why refused."""

    name: str
    fault: str
    outcome: Literal["refused", "read", "missing"]
    reason: str


class SheetsRecord(_Model):
    """Sheets by what became of them."""

    expected: Count
    came: Count
    read: Count
    refused: Count
    missing: Count
    extra: Count
    multi_feeds: Count
    reasons: dict[str, int]
    refused_good: tuple[str, ...]
    faulty: tuple[FaultRecord, ...]


class TotalRecord(_Model):
    """A logic-and-accuracy total: expected and counted votes of one option."""

    contest: str
    option: str
    expected: Count
    counted: Count


class SpeedRecord(_Model):
    """Times in ms; null where no page was read."""

    pages: Count
    decode_median_ms: float | None
    decode_p95_ms: float | None
    read_median_ms: float | None
    read_p95_ms: float | None
    sheets_per_minute: float | None
    seconds: float


class BenchFile(_Model):
    """One bench test."""

    format: Literal["ballotbench-bench/1"] = FORMAT
    created: str
    software: str
    election_id: str
    election_title: dict[str, str]
    election_hash: str
    profile: str
    deck_sha256: str
    deck_seed: int | None
    source: Literal["deck", "folder", "watch", "port", "sane", "escl", "mark_sense"]
    where: str
    thresholds: dict[str, float]
    findings: tuple[Finding, ...]
    sheets: SheetsRecord
    positions: dict[Literal["error", "missed", "false", "marginal"], RateRecord]
    misfeed: RateRecord
    errors: tuple[ErrorRecord, ...]
    rules: tuple[RuleRecord, ...]
    confusion: tuple[ReadAsRecord, ...]
    ladder: tuple[ReadAsRecord, ...]
    curves: CurveRecord
    residual: ResidualRecord | None
    fit_median_mm: float | None
    fit_largest_mm: float | None
    stability: tuple[StabilityRecord, ...]
    repeats: tuple[int, int]
    totals: tuple[TotalRecord, ...]
    totals_set_aside: Count
    speed: SpeedRecord
