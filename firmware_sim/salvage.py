"""What is whole in damaged journals, and exactly what is lost.

Every row of a journal carries its own check sum, so each can be trusted by itself. `salvage`
reads all files given (the journal, its mirror; beside each its write-ahead log and its open
intention) page by page, keeps every row whose check sum holds, and compares with what must be
there: the number of records by the device's state, the events by their numbers. If nothing is
lost, `rebuild` writes a whole journal from it. The files read are never changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.errors import JournalError
from firmware_sim.eventlog import GENESIS, Checkpoint, Event, hash_of
from firmware_sim.intention import IntentionFile, place_of
from firmware_sim.journal import Journal
from firmware_sim.journal_rows import Head, digest_of, dumps, event_of, event_row, open_file
from firmware_sim.sqlite_pages import Row, rows, with_log

#: More than a day's log can have; what claims more is damaged itself.
_MOST_EVENTS = 10**6
_NO_HEAD = Head()


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was read. `records` are payloads by record id, `state` and `intention` documents
    (None: not found, for the intention also: none was open). `lost` says what is not whole,
    a line each; empty: nothing is lost."""

    head: Head
    state: Mapping[str, Any] | None
    intention: Mapping[str, Any] | None
    records: Mapping[str, str]
    events: tuple[Event, ...]
    checkpoints: tuple[Checkpoint, ...]
    lost: tuple[str, ...]


@dataclass
class _Found:
    """The sound rows of one file."""

    head: Head = _NO_HEAD
    #: The last event, by version 2's table of its own.
    last: int = 0
    state: dict[str, Any] | None = None
    intention: dict[str, Any] | None = None


def salvage(paths: Sequence[Path]) -> Salvaged:
    """Read what is whole in these files, which are copies of one journal.

    Raises:
        JournalError: a file cannot be read at all.
    """
    records: dict[str, str] = {}
    events: dict[int, Event] = {}
    checkpoints: dict[int, Checkpoint] = {}
    broken: set[str] = set()
    files = []
    for path in paths:
        found = _Found()
        for row in _rows_of(path):
            _sort(row, found, records, events, checkpoints, broken)
        files.append(found)
        found.intention = found.intention or _intention_of(path)
    newest = max(files, key=lambda found: (found.head.number, found.state is not None))
    state = newest.state or next((f.state for f in files if f.state is not None), None)
    chain, lost = _chain(events, max([0, newest.head.seq, newest.last, *events, *checkpoints]))
    lost += _records_lost(state, records, broken - set(records))
    signed = newest.head.checkpoints
    if len(checkpoints) < signed:
        lost.append(f"{signed - len(checkpoints)} of {signed} checkpoints of the log")
    if newest.head.number == 0:
        lost.append("the number of its transactions")
    return Salvaged(
        newest.head,
        state,
        _open_step(files, newest.head),
        dict(sorted(records.items())),
        chain,
        tuple(checkpoints[seq] for seq in sorted(checkpoints)),
        tuple(lost),
    )


def rebuild(salvaged: Salvaged, place: Path) -> None:
    """Write a whole journal at `place`, which must not exist, from what was read.

    Raises:
        JournalError: something is lost, or the place is taken or cannot be written.
    """
    if salvaged.lost:
        raise JournalError(f"{place}: is not written: lost are {'; '.join(salvaged.lost)}")
    if place.exists():
        raise JournalError(f"{place}: is there already; give another name")
    Journal(place).close()
    file = open_file(place)
    try:
        with file.transaction(wipe=True) as db:
            for table, row in _rows_to_write(salvaged):
                db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
        file.rewrite()
        if salvaged.intention is not None:
            # As the next step of the journal as it now is.
            after = salvaged.events[-1].hash if salvaged.events else GENESIS
            step = {"step": salvaged.head.settled + 1, "after": after}
            file.start_intention(dumps({**salvaged.intention, **step}))
            file.finish_intention()
    finally:
        file.close()
    Journal(place).close()


# --- inside ------------------------------------------------------------------------------


def _rows_of(path: Path) -> Iterable[Row]:
    log = path.with_name(f"{path.name}-wal")
    try:
        data = path.read_bytes()
        return rows(with_log(data, log.read_bytes() if log.exists() else b""))
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror}") from error


def _intention_of(path: Path) -> dict[str, Any] | None:
    """The intention beside a file, open or not; None: there is none that can be read."""
    try:
        text = IntentionFile(place_of(path)).read()
        document = json.loads(text) if text is not None else None
    except OSError as error:
        raise JournalError(f"{place_of(path)}: cannot be read: {error.strerror}") from error
    except ValueError:
        return None
    return document if isinstance(document, dict) and "token" in document else None


def _open_step(files: Sequence[_Found], newest: Head) -> dict[str, Any] | None:
    """The intention that is open by the newest head; a cut may have left it on one of two
    media only. Where no head was found any may be."""
    for found in files:
        step = found.intention
        if step is None:
            continue
        # Version 2 had no numbers: there it is open if it is in the newest file.
        number = step.get("step", 1 if found.head.number == newest.number else 0)
        if newest.number == 0 or number == newest.settled + 1:
            return step
    return None


def _sort(
    row: Row,
    found: _Found,
    records: dict[str, str],
    events: dict[int, Event],
    checkpoints: dict[int, Checkpoint],
    broken: set[str],
) -> None:
    """Put a row where it belongs, if it is one of a journal and its check sum holds."""
    match row.rowid, row.values:
        case None, (str(record_id), str(payload), str(digest)) if len(record_id) == 32:
            if digest == digest_of("record", payload) and _id_of(payload) == record_id:
                records[record_id] = payload
            else:
                broken.add(record_id)
        case 1, (None, str(text), str(digest)) if digest == digest_of("state", text):
            document = json.loads(text)
            if "token" in document:
                found.intention = document
            else:
                found.state = document
        case 1, (None, int(), int(), int(), int(), str(), str(digest)):
            head = Head(*row.values[1:-1])  # type: ignore[arg-type]
            if digest == head.digest and head.number > found.head.number:
                found.head = head
        case 1, (None, int(number), int(signed), str(digest)):  # revision, of version 2
            if digest == digest_of("revision", f"{number} {signed}"):
                found.head = max(found.head, Head(number, signed))
        case 1, (None, int(seq), str(head)) if len(head) == 64:  # log_head, of version 2
            found.last = seq if 0 < seq < _MOST_EVENTS else 0
        case int(seq), (None, str(), str(), str(), str(), str()):
            try:
                event = event_of((seq, *row.values[1:]))
                if hash_of(event) == event.hash:
                    events[seq] = event
            except (ValueError, TypeError):
                return
        case int(seq), (None, str(event_hash), str(signature), str(digest)):
            if digest == digest_of("checkpoint", dumps([seq, event_hash, signature])):
                checkpoints[seq] = Checkpoint(seq, event_hash, signature)


def _id_of(payload: str) -> str | None:
    try:
        value = json.loads(payload)
    except ValueError:
        return None
    return value.get("record_id") if isinstance(value, dict) else None


def _chain(events: Mapping[int, Event], last: int) -> tuple[tuple[Event, ...], list[str]]:
    """The events in order, and which up to `last` are lost or do not follow."""
    missing = [seq for seq in range(1, last + 1) if seq not in events]
    lost = [f"events {_ranges(missing)} of the log"] if missing else []
    before = GENESIS
    for seq in sorted(events):
        if (seq - 1 in events or seq == 1) and events[seq].prev != before:
            lost.append(f"event {seq} does not follow the one before it")
        before = events[seq].hash
    return tuple(events[seq] for seq in sorted(events)), lost


def _records_lost(
    state: Mapping[str, Any] | None, records: Mapping[str, str], broken: set[str]
) -> list[str]:
    lost = [f"record {record_id}: its content" for record_id in sorted(broken)]
    if state is None:
        return [*lost, "the device state (so how many records there must be is not known)"]
    expected = state.get("counters", {}).get("accepted", 0)
    if len(records) < expected:
        lost.append(f"{expected - len(records)} of {expected} vote records")
    elif len(records) > expected:
        lost.append(f"the order of things: {len(records)} vote records, {expected} committed")
    return lost


def _ranges(numbers: Sequence[int]) -> str:
    """ "3, 5 to 9"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in parts)


def _rows_to_write(salvaged: Salvaged) -> Iterable[tuple[str, tuple[Any, ...]]]:
    if salvaged.state is not None:
        text = dumps(salvaged.state)
        yield "state", (1, text, digest_of("state", text))
    for record_id, payload in salvaged.records.items():
        yield "records", (record_id, payload, digest_of("record", payload))
    for event in salvaged.events:
        yield "events", event_row(event)[1]
    for checkpoint in salvaged.checkpoints:
        cells = (checkpoint.seq, checkpoint.hash, checkpoint.signature)
        yield "checkpoints", (*cells, digest_of("checkpoint", dumps(list(cells))))
    head = salvaged.head._replace(checkpoints=len(salvaged.checkpoints))
    for event in salvaged.events[-1:]:
        head = head._replace(seq=event.seq, hash=event.hash)
    yield "head", head.row
