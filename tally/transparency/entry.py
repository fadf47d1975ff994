"""What is logged of a file: its hash, what it is, whose it is; never its content.

The leaf of the tree is the entry in its RFC 8785 form (`LogEntry.leaf`); the file itself is
published beside the log, or is a copy that somebody keeps.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import rfc8785
from pydantic import Field

from firmware_sim import merkle
from firmware_sim.eventlog import utc_text
from tally.transparency.canonical import Document, Hash, Moment, Name

ENTRY_FORMAT: Literal["ballotbench-log-entry/1"] = "ballotbench-log-entry/1"


class EntryKind(StrEnum):
    """What the file is."""

    PROTOCOL = "protocol"
    DECISION = "decision"
    TABLE = "table"
    EQUIVOCATION = "equivocation"
    FILE = "file"


class LogEntry(Document):
    """One line of the log: a file of `size` bytes, of commission (or precinct) `of`, accepted at
    `accepted` by the log's clock."""

    format: Literal["ballotbench-log-entry/1"] = ENTRY_FORMAT
    kind: Literal["protocol", "decision", "table", "equivocation", "file"]
    of: Name
    sha256: Hash
    size: Annotated[int, Field(ge=0, le=1 << 40)]
    accepted: Moment

    def leaf(self) -> bytes:
        """What is hashed into the tree."""
        return rfc8785.dumps(self.as_json())

    def leaf_hash(self) -> bytes:
        """The leaf's hash (RFC 9162, 2.1.1)."""
        return merkle.leaf_hash(self.leaf())

    def is_of(self, data: bytes) -> bool:
        """Is this the entry of a file of these bytes?"""
        return (self.size, self.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def entry_of(data: bytes, kind: EntryKind, of: str, *, now: datetime) -> LogEntry:
    """The entry of a file."""
    return LogEntry(
        kind=kind.value,
        of=of,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        accepted=utc_text(now),
    )
