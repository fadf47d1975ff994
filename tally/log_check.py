"""The event log of a package, and one that comes alone: whole, in order, and whose it is.

1. `log/events.jsonl` follows its chain and is in its one form;
2. `log/eel.json` (NIST's format) tells the same events; its fields, checkpoints and own
   signature hold, and that is by the device which signed the package (NVT-17).

What is found is named by line and field where it can be told.
"""

from __future__ import annotations

from datetime import datetime

from firmware_sim.eel import ExportedLog, read_eel
from firmware_sim.errors import FirmwareError, SignatureError
from firmware_sim.eventlog import from_lines, to_lines
from firmware_sim.package import EEL, EVENTS, ResultsPackage
from firmware_sim.trust import DeviceIdentity, TrustStore


def check_log(
    data: bytes, trust: TrustStore, *, at: datetime
) -> tuple[ExportedLog, DeviceIdentity]:
    """Check an exported log by itself: the content of a `log/eel.json`.

    Raises:
        EventLogError: a line was altered, added, moved or left out; says which.
        SignatureError: the log is whole, but its signature is not to be trusted.
    """
    log = read_eel(data)
    device = trust.verify(log.signed, log.cms, at=at)
    if (device.device_id, device.precinct_id) != (log.origin.device_id, log.origin.precinct_id):
        raise FirmwareError(
            f"event log: says it is of device {log.origin.device_id}, precinct "
            f"{log.origin.precinct_id}, but {device.device_id} of {device.precinct_id} signed it"
        )
    return log, device


def log_fault(package: ResultsPackage, trust: TrustStore, *, at: datetime) -> str | None:
    """What is wrong with a package's event log, in words; None where nothing is."""
    try:
        events = from_lines(package.files[EVENTS])
        if to_lines(events) != package.files[EVENTS]:
            return f"{EVENTS} is not in its one form"
    except FirmwareError as error:
        return f"{EVENTS}: {error}"
    if EEL not in package.files:
        return None
    try:
        log, device = check_log(package.files[EEL], trust, at=at)
    except SignatureError as error:
        return f"{EEL}: {error.detail}"
    except FirmwareError as error:
        return f"{EEL}: {error}"
    for number, (one, other) in enumerate(zip(events, log.events, strict=False), start=1):
        if one != other:
            return f"{EVENTS} and {EEL} differ in line {number}"
    if len(events) != len(log.events):
        return f"{EVENTS} has {len(events)} lines, {EEL} {len(log.events)}"
    manifest = package.manifest
    for field, value in (
        ("election_id", log.origin.election_id),
        ("election_hash", log.origin.election_hash),
        ("precinct_id", log.origin.precinct_id),
        ("device_id", device.device_id),
    ):
        if manifest[field] != value:
            return f"{EEL} is of another {field} than the manifest"
    return None
