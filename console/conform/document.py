"""`conform.json`, "ballotbench-conform/1": what a conformance report shows, as values.

Its schema is `console/schemas/conform.schema.json`. The report is made from it alone.
"""

from __future__ import annotations

import statistics
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hardware.conformance import Outcome
from hardware.conformance.probe import Times

FORMAT: Literal["ballotbench-conform/1"] = "ballotbench-conform/1"
Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CheckRecord(_Model):
    """A check by its id and its rule of docs/protocol.md; `told` is a figure or the reason."""

    id: str
    rule: str
    title: str
    state: Literal["passed", "failed", "not_run"]
    told: str = ""


class TimeRecord(_Model):
    """Answers to one kind of request, ms."""

    request: str
    answers: Count
    median_ms: float
    longest_ms: float


class DeckRecord(_Model):
    """The reference deck: its digest, and the findings of its bench test, none if it passed."""

    deck_sha256: str
    sheets: Count
    positions: Count
    errors: Count
    findings: tuple[str, ...]


class ConformFile(_Model):
    """One conformance test."""

    format: Literal["ballotbench-conform/1"] = FORMAT
    created: str
    software: str
    port: str
    model: str
    firmware: str
    versions: tuple[int, ...]
    checks: tuple[CheckRecord, ...]
    times: tuple[TimeRecord, ...]
    deck: DeckRecord | None

    @property
    def failed(self) -> int:
        """Checks failed, the deck among them."""
        bad_deck = self.deck is not None and bool(self.deck.findings)
        return sum(check.state == "failed" for check in self.checks) + bad_deck

    @property
    def not_run(self) -> int:
        """Checks that could not be made."""
        return sum(check.state == "not_run" for check in self.checks)


def check_records(outcomes: tuple[Outcome, ...]) -> tuple[CheckRecord, ...]:
    """Outcomes as records."""
    return tuple(
        CheckRecord(id=o.check.id, rule=o.check.rule, title=o.check.title, state=o.state,
                    told=o.told)
        for o in outcomes
    )  # fmt: skip


def time_records(times: Times) -> tuple[TimeRecord, ...]:
    """Measured times as records."""
    return tuple(
        TimeRecord(
            request=kind.name,
            answers=len(seconds),
            median_ms=round(1000 * statistics.median(seconds), 3),
            longest_ms=round(1000 * max(seconds), 3),
        )
        for kind, seconds in sorted(times.answers.items())
    )
