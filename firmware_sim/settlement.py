"""How a sheet is settled, as rows of the journal, made ready before they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from firmware_sim.eventlog import Detail, Event, next_event
from firmware_sim.journal_file import Statement
from firmware_sim.journal_rows import WRITE_HEAD, Head, digest_of, dumps, event_row, state_row
from scanner.cvr import CastVoteRecord


@dataclass(frozen=True, slots=True)
class Settlement:
    """What settling a sheet writes: the new state document, and the event that says so."""

    state: Mapping[str, Any]
    at: datetime
    kind: str
    detail: Detail


@dataclass(frozen=True, slots=True)
class Ready:
    """A settlement as statements. They are right as long as the journal's head is `after`."""

    settlement: Settlement
    after: Head
    head: Head
    event: Event
    statements: tuple[Statement, ...]


def make_ready(
    settlement: Settlement,
    record: CastVoteRecord | None,
    *,
    payload: str | None,
    after: Head,
    last: Event | None,
) -> Ready:
    """The statements that settle a sheet.

    Args:
        record: what the sheet becomes; None: it was returned.
        payload: the record's JSON text, if it was made before.
        last: the newest event, that of the head `after`.
    """
    statements: list[Statement] = []
    if record is not None:
        text = payload or dumps(record.to_json())
        row = (record.record_id, text, digest_of("record", text))
        statements.append(("INSERT INTO records VALUES (?, ?, ?)", row))
    event = next_event(last, at=settlement.at, kind=settlement.kind, detail=settlement.detail)
    head = Head(after.number + 1, after.checkpoints, after.settled + 1, event.seq, event.hash)
    statements += [state_row(settlement.state), event_row(event), (WRITE_HEAD, head.row)]
    return Ready(settlement, after, head, event, tuple(statements))
