"""The ledger: decisions and undos as lines of JSON, each chained to the one before.

A line is `{"entry", "prev", "seq", "sha256"}` in RFC 8785 form, `sha256` being the hash of
the line without it; `prev` of the first line is the queue's `genesis`. A changed, removed,
inserted or moved line breaks the chain; a `Head` (number of lines and the last hash, kept in
`decisions.head`, and to be noted on paper) shows lines cut from the end.

Bytes in, entries out: whoever holds the file writes it (`console.decisions`). Source of
the append-only rule: SEED-13, SEED-16.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from scanner.adjudication.errors import LedgerError
from scanner.adjudication.queue import RecordId, Sha256
from scanner.adjudication.verdict import Verdict

MAX_REASON = 1000

EntryId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Why = Annotated[str, StringConstraints(min_length=1, max_length=MAX_REASON)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Decision(_Model):
    """One person's verdicts on contests of one item. `at` is UTC; `id` is drawn at random."""

    kind: Literal["decision"] = "decision"
    id: EntryId
    at: Moment
    by: Name
    reason: Why
    item: RecordId
    item_sha256: Sha256
    verdicts: tuple[Verdict, ...] = Field(min_length=1)


class Undo(_Model):
    """A person takes back a decision of their own; the decision's line stays."""

    kind: Literal["undo"] = "undo"
    id: EntryId
    at: Moment
    by: Name
    reason: Why
    undoes: EntryId


Entry = Annotated[Decision | Undo, Field(discriminator="kind")]
_ENTRY: TypeAdapter[Decision | Undo] = TypeAdapter(Entry)


class Line(_Model):
    """One line of `decisions.jsonl`; its JSON Schema is `decision.schema.json`."""

    seq: int = Field(ge=1)
    prev: Sha256
    entry: Entry
    sha256: Sha256


class Head(_Model):
    """How long a ledger is and the hash of its last line (of its genesis when empty)."""

    count: int = Field(ge=0)
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class Ledger:
    """Entries whose chain holds, and its head."""

    genesis: str
    entries: tuple[Decision | Undo, ...] = ()
    last: str = ""

    @property
    def head(self) -> Head:
        """Its length and last hash."""
        return Head(count=len(self.entries), sha256=self.last or self.genesis)

    def append(self, entry: Decision | Undo) -> tuple[Ledger, bytes]:
        """The ledger with one more entry, and the line (with its newline) to be written."""
        body: dict[str, Any] = {
            "seq": len(self.entries) + 1,
            "prev": self.head.sha256,
            "entry": entry.model_dump(mode="json"),
        }
        digest = hashlib.sha256(rfc8785.dumps(body)).hexdigest()
        line = rfc8785.dumps({**body, "sha256": digest}) + b"\n"
        return Ledger(self.genesis, (*self.entries, entry), digest), line

    @classmethod
    def read(cls, data: bytes, genesis: str, head: Head | None = None) -> Ledger:
        """The ledger of a file's bytes, every line of it checked.

        Args:
            data: the whole file; every line ends in a newline.
            genesis: what the first line has to follow (`Queue.genesis`).
            head: the last head known. The ledger may be longer (a line was written, then
                the power went before its head was), never shorter or another.

        Raises:
            LedgerError: a line was changed, cut, removed, inserted or moved.
        """
        entries: list[Decision | Undo] = []
        last = genesis
        reached = head is None or head.count == 0
        if head is not None and head.count == 0 and head.sha256 != genesis:
            raise LedgerError("decisions.head belongs to another election or other rules")
        *lines, rest = data.split(b"\n")
        if rest:
            raise LedgerError(f"decisions line {len(lines) + 1} is cut short")
        for number, raw in enumerate(lines, start=1):
            last, entry = _link(raw, number, last)
            entries.append(entry)
            if head is not None and number == head.count:
                if last != head.sha256:
                    raise LedgerError(f"decisions line {number} is not the one acknowledged")
                reached = True
        if not reached and head is not None:
            raise LedgerError(
                f"{len(entries)} decisions, but {head.count} were acknowledged: lines are missing "
                "at the end. Bring the file back from a copy"
            )
        return cls(genesis, tuple(entries), last if entries else "")


def _link(raw: bytes, number: int, prev: str) -> tuple[str, Decision | Undo]:
    """One line checked against the hash of the one before it."""
    where = f"decisions line {number}"
    try:
        fields: Any = json.loads(raw)
        line = Line.model_validate(fields)
        body = {key: value for key, value in fields.items() if key != "sha256"}
        # Every byte counts: the same content written otherwise is a changed line too.
        same = rfc8785.dumps(fields) == raw
        digest = hashlib.sha256(rfc8785.dumps(body)).hexdigest()
    except (ValueError, ValidationError, RecursionError) as error:
        raise LedgerError(f"{where} is not a decision. Bring the file back from a copy") from error
    if line.seq != number or line.prev != prev:
        raise LedgerError(
            f"{where} does not follow the line before it: a line was changed, removed, inserted "
            "or moved, or the file belongs to another election"
        )
    if not same or line.sha256 != digest:
        raise LedgerError(f"{where} was changed after it was written. Bring the file back")
    return digest, line.entry
