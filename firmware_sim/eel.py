"""The event log in NIST's Election Event Logging format: lossless, signed, checkable alone.

Source: NIST SP 1500-101, Election Event Logging Common Data Format, version 1.0, and its
JSON schema (`firmware_sim/schemas/`, file named V1 by NIST). An event of ours becomes:

    Sequence     number            Id           kind word
    TimeStamp    time              Type, Disposition, Severity, Description: of the kind
    Details      detail, RFC 8785  UserId       the roles that acted, where they are said
    Hash         hash of the chain (the hash before it is that of the event before)

The device says in its `Details` (JSON): format, precinct, election hash and the signed
checkpoints; the log in its `Details` (base64) the device's CMS over the RFC 8785 form of
the whole document without that member. So one file proves itself against `authority.pem`,
and nothing in it is free: all but events, checkpoints, signature and a few names follows
from them, and reading makes the document anew and compares (`read_eel`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import rfc8785

from firmware_sim.checkpoints import check_signed, key_of
from firmware_sim.errors import SignatureError
from firmware_sim.eventlog import (
    GENESIS,
    Checkpoint,
    Event,
    EventLogError,
    hash_of,
    utc_text,
)
from firmware_sim.events import describe

SCHEMA_PATH = Path(__file__).with_name("schemas") / "NIST_V1_election_event_logging.json"
FORMAT = "ballotbench-eel/1"
MANUFACTURER = "Ballotbench"
#: A precinct scanner takes single sheets (`EventLogging.DeviceType`).
DEVICE_TYPE = "scan-single"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, slots=True)
class LogOrigin:
    """Whose log it is: ids, election hash, software version; when it was exported (UTC text)."""

    election_id: str
    election_hash: str
    precinct_id: str
    device_id: str
    version: str
    generated: str

    def binding(self) -> Mapping[str, str]:
        """What checkpoints are bound to."""
        return {
            "device_id": self.device_id,
            "election_hash": self.election_hash,
            "precinct_id": self.precinct_id,
        }


@dataclass(frozen=True, slots=True)
class ExportedLog:
    """A log read from its export: whole, chain and checkpoints checked. `signed` are the
    bytes that `cms` is over; whether to trust the signer is for `TrustStore.verify`."""

    origin: LogOrigin
    events: tuple[Event, ...]
    checkpoints: tuple[Checkpoint, ...]
    signed: bytes
    cms: bytes


def eel_file(
    origin: LogOrigin,
    events: Sequence[Event],
    checkpoints: Sequence[Checkpoint],
    sign: Callable[[bytes], bytes],
) -> bytes:
    """The file `log/eel.json`; `sign` makes the device's CMS (`Signer.sign`)."""
    document = _document(origin, events, checkpoints)
    document["Details"] = base64.b64encode(sign(rfc8785.dumps(document))).decode()
    return _to_bytes(document)


def origin_now(
    binding: Mapping[str, str], *, election_id: str, version: str, at: datetime
) -> LogOrigin:
    """The origin of a log exported now, by a device bound as `DeviceSetup.binding` says."""
    return LogOrigin(
        election_id=election_id,
        election_hash=binding["election_hash"],
        precinct_id=binding["precinct_id"],
        device_id=binding["device_id"],
        version=version,
        generated=utc_text(at.astimezone(UTC)),
    )


def validate_eel(document: Any) -> list[str]:
    """Where a document breaks NIST's schema, one line a fault; empty when it is valid."""
    if _validator().is_valid(document):
        return []
    # The whole schema only says that none of its two roots fits; the log's says what and where.
    return [
        f"{_place(error.absolute_path)}: {error.message[:200]}"
        for error in sorted(_of_a_log().iter_errors(document), key=_order)
    ] or ["the document: is not an event log"]


def read_eel(data: bytes) -> ExportedLog:
    """Read an exported log strictly: every line and field accounted for.

    Raises:
        EventLogError: what is wrong, by line and field where that can be told.
    """
    try:
        document = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise EventLogError(f"event log: is not JSON: {error}") from error
    faults = validate_eel(document)
    if faults:
        raise EventLogError(f"event log: {faults[0]} (by NIST's schema)")
    try:
        origin, events, checkpoints = _parts(document)
        again = _document(origin, events, checkpoints)
        signature = document.get("Details")
        cms = base64.b64decode(str(signature), validate=True)
    except (KeyError, IndexError, TypeError, ValueError, binascii.Error) as error:
        if isinstance(error, EventLogError):
            raise
        raise EventLogError(f"event log: is not one that a device exports: {error}") from error
    wrong = _difference(document, {**again, "Details": base64.b64encode(cms).decode()})
    if wrong is not None:
        raise EventLogError(f"event log: {wrong}")
    if _to_bytes(document) != data:
        raise EventLogError("event log: is not in the one form of an export: order, spaces or ends")
    try:
        bad = check_signed(key_of(cms), origin.binding(), events, checkpoints)
    except SignatureError as error:
        raise EventLogError(f"event log: Details: {error.detail}") from error
    if bad is not None:
        raise EventLogError(f"event log: {bad}")
    return ExportedLog(origin, tuple(events), tuple(checkpoints), rfc8785.dumps(again), cms)


# --- writing -----------------------------------------------------------------------------


def _document(
    origin: LogOrigin, events: Sequence[Event], checkpoints: Sequence[Checkpoint]
) -> dict[str, Any]:
    details: dict[str, Any] = {
        "format": FORMAT,
        "precinct_id": origin.precinct_id,
        "election_hash": origin.election_hash,
        "checkpoints": [[c.seq, c.hash, c.signature] for c in checkpoints],
    }
    return {
        "@type": "EventLogging.ElectionEventLog",
        "ElectionId": origin.election_id,
        "GeneratedTime": origin.generated,
        "Device": [
            {
                "@type": "EventLogging.Device",
                "Id": origin.device_id,
                "Type": DEVICE_TYPE,
                "Manufacturer": MANUFACTURER,
                "Model": "firmware_sim",
                "Version": origin.version,
                "HashType": "sha-256",
                "Details": rfc8785.dumps(details).decode(),
                "Event": [_line(event) for event in events],
            }
        ],
    }


def _line(event: Event) -> dict[str, Any]:
    kind = describe(event.kind)
    line = {
        "@type": "EventLogging.Event",
        "Sequence": str(event.seq),
        "TimeStamp": event.time,
        "Id": event.kind,
        "Type": kind.type.value,
        "Disposition": kind.disposition.value,
        "Severity": kind.severity,
        "Description": kind.description,
        "Details": rfc8785.dumps(dict(event.detail)).decode(),
        "Hash": event.hash,
    }
    if isinstance(event.detail.get("by"), str):
        line["UserId"] = str(event.detail["by"])
    return line


def _to_bytes(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    return text.encode() + b"\n"


# --- reading -----------------------------------------------------------------------------


def _parts(document: Mapping[str, Any]) -> tuple[LogOrigin, list[Event], list[Checkpoint]]:
    (device,) = document["Device"]
    details = json.loads(device["Details"], object_pairs_hook=_once)
    origin = LogOrigin(
        election_id=document["ElectionId"],
        election_hash=details["election_hash"],
        precinct_id=details["precinct_id"],
        device_id=device["Id"],
        version=device["Version"],
        generated=document["GeneratedTime"],
    )
    if not _TIME.fullmatch(origin.generated):
        raise ValueError(f"GeneratedTime {origin.generated!r}")
    checkpoints = [Checkpoint(int(seq), str(h), str(s)) for seq, h, s in details["checkpoints"]]
    return origin, _events(device["Event"]), checkpoints


def _events(lines: Sequence[Mapping[str, Any]]) -> list[Event]:
    """The events of a log's lines, chain followed; raises at the first that does not hold."""
    events: list[Event] = []
    for number, line in enumerate(lines, start=1):
        if line["Sequence"] != str(number):
            raise _wrong(
                number,
                "Sequence",
                f"is {line['Sequence'][:20]!r}: a line is missing, added or moved",
            )
        try:
            detail = json.loads(line["Details"], object_pairs_hook=_once)
            one_form = rfc8785.dumps(detail).decode() == line["Details"]
        except (ValueError, KeyError, RecursionError, rfc8785.CanonicalizationError) as error:
            raise _wrong(number, "Details", "cannot be read") from error
        if not isinstance(detail, dict) or not one_form:
            raise _wrong(number, "Details", "is not in its one form")
        if not _TIME.fullmatch(line["TimeStamp"]):
            raise _wrong(number, "TimeStamp", f"is {line['TimeStamp'][:30]!r}")
        before = events[-1].hash if events else GENESIS
        event = Event(number, line["TimeStamp"], line["Id"], detail, before, line.get("Hash", ""))
        events.append(event)
    for place, event in enumerate(events):
        if hash_of(event) != event.hash:
            raise _wrong(*_broken(events, place))
    return events


def _broken(events: Sequence[Event], place: int) -> tuple[int, str, str]:
    """Which field of a line that breaks the chain was altered: its hash, or what it is of.

    The next line's hash was made with the true one; so it tells which of the two is true.
    """
    event = events[place]
    if place + 1 < len(events):
        after = events[place + 1]
        true = Event(after.seq, after.time, after.kind, after.detail, hash_of(event), "")
        if hash_of(true) == after.hash:
            return event.seq, "Hash", "was altered"
        if hash_of(after) == after.hash:
            return event.seq, "TimeStamp, Id or Details", "was altered"
    return event.seq, "Hash", "is not that of its TimeStamp, Id, Details and the line before"


def _wrong(number: int, field: str, what: str) -> EventLogError:
    return EventLogError(f"event log: line {number}: {field}: {what}")


def _difference(given: Any, right: Any, place: str = "") -> str | None:
    """The first place where a document is not what it must be, by name."""
    if isinstance(given, dict) and isinstance(right, dict):
        for name in sorted(set(given) | set(right)):
            inner = f"{place}.{name}" if place else name
            if name not in given or name not in right:
                return f"{_spoken(inner)} is {'missing' if name in right else 'added'}"
            found = _difference(given[name], right[name], inner)
            if found is not None:
                return found
        return None
    if isinstance(given, list) and isinstance(right, list) and len(given) == len(right):
        for number, (one, other) in enumerate(zip(given, right, strict=True), start=1):
            found = _difference(one, other, f"{place} {number}")
            if found is not None:
                return found
        return None
    if type(given) is type(right) and given == right:
        return None
    return f"{_spoken(place)} says {str(given)[:60]!r}, must be {str(right)[:60]!r}"


def _spoken(place: str) -> str:
    return re.sub(r"^Device 1\.Event (\d+)\.", r"line \1: ", place)


def _place(path: Sequence[Any] | Any) -> str:
    parts = list(path)
    if len(parts) > 3 and parts[0] == "Device" and parts[2] == "Event":
        return f"line {parts[3] + 1}: {'/'.join(map(str, parts[4:])) or 'as a whole'}"
    return "/".join(map(str, parts)) or "the document"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return value


def _order(error: jsonschema.ValidationError) -> list[str]:
    return [str(part) for part in error.absolute_path]


@cache
def _validator() -> jsonschema.Draft4Validator:
    return jsonschema.Draft4Validator(json.loads(SCHEMA_PATH.read_text(encoding="utf-8")))


@cache
def _of_a_log() -> jsonschema.Draft4Validator:
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    root = {"$ref": "#/definitions/EventLogging.ElectionEventLog"}
    return jsonschema.Draft4Validator({"definitions": schema["definitions"], "allOf": [root]})
