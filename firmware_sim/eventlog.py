"""The device's event log: lines chained by hash, so that none can be changed or left out.

Each event holds the hash of the one before; its own hash is SHA-256 over the RFC 8785
form of its other fields (NVT-04, NVT-13, NVT-17). Events about sheets say that one was
accepted, returned or refused, never which record it became nor what was on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785

from firmware_sim.errors import FirmwareError

GENESIS = "0" * 64
Detail = Mapping[str, str | int | bool | None]


class EventLogError(FirmwareError):
    """An event log whose chain is broken; names the line."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line: `seq` from 1, `time` ISO 8601 UTC, a stable `kind` word, small `detail`."""

    seq: int
    time: str
    kind: str
    detail: Detail
    prev: str
    hash: str

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types, as written to `log/events.jsonl`."""
        return {**_hashed_fields(self), "hash": self.hash}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The device's signature under its log so far: up to event `seq`, whose hash is `hash`;
    `signature` is 128 hex digits (see `firmware_sim.checkpoints`)."""

    seq: int
    hash: str
    signature: str


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC to the second, e.g. `2026-03-19T07:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def next_event(last: Event | None, *, at: datetime, kind: str, detail: Detail) -> Event:
    """The event that follows `last` (None: the first)."""
    seq, prev = (last.seq + 1, last.hash) if last else (1, GENESIS)
    time, detail = utc_text(at), dict(detail)
    own = _hash(seq, {"seq": seq, "time": time, "kind": kind, "detail": detail, "prev": prev})
    return Event(seq, time, kind, detail, prev, own)


def check_chain(events: Iterable[Event]) -> None:
    """Check numbers and hashes of a whole log.

    Raises:
        EventLogError: naming the first line that does not follow.
    """
    last: Event | None = None
    for event in events:
        expected = (last.seq + 1, last.hash) if last else (1, GENESIS)
        if (event.seq, event.prev) != expected or event.hash != hash_of(event):
            raise EventLogError(
                f"event log: line {expected[0]} was altered or a line is missing before it"
            )
        last = event


def to_lines(events: Iterable[Event]) -> bytes:
    """The log as JSON lines, UTF-8."""
    return b"".join(rfc8785.dumps(event.to_json()) + b"\n" for event in events)


def from_lines(data: bytes) -> list[Event]:
    """The events of a `log/events.jsonl`, chain checked.

    Raises:
        EventLogError: a line that is no event, or a broken chain.
    """
    events = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            fields = json.loads(line)
            event = Event(**fields)
            if not (
                isinstance(event.seq, int)
                and isinstance(event.detail, dict)
                and all(isinstance(v, str) for v in (event.time, event.kind, event.prev))
            ):
                raise TypeError
        except (ValueError, TypeError, RecursionError) as error:
            raise EventLogError(f"event log: line {number} is not an event") from error
        events.append(event)
    check_chain(events)
    return events


def _hashed_fields(event: Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "time": event.time,
        "kind": event.kind,
        "detail": dict(event.detail),
        "prev": event.prev,
    }


def hash_of(event: Event) -> str:
    """SHA-256 of an event's other fields, in RFC 8785 form, 64 hex digits."""
    return _hash(event.seq, _hashed_fields(event))


#: RFC 8785 for what has no float, no number that a float cannot hold, and ASCII names only.
_PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_EXACT = 2**53


def _hash(seq: int, fields: Mapping[str, Any]) -> str:
    try:
        text = _PLAIN.encode(fields).encode() if _is_plain(fields) else rfc8785.dumps(fields)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise EventLogError(f"event log: line {seq} holds what JSON cannot") from error
    return hashlib.sha256(text).hexdigest()


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_EXACT < value < _EXACT)
    return kind is dict and all(
        type(k) is str and k.isascii() and _is_plain(v) for k, v in value.items()
    )
