"""Continuous export: after each sheet the whole count goes to a removable medium, so that a
dead device costs nothing (issue of a dead device in mid-day; NVT-03, NVT-05, NVT-11).

In: the records, events and state of a device's journal, and the authority's recovery
certificate. Out: a folder of two slot files that anyone can check by the device's signature
and only the authority can open; from it, a replacement device's join, and recovered records
for the tally. What each module holds:

    records.py    a record as a few bytes of one fixed size
    merkle.py     RFC 9162 hashing: root, inclusion proof
    recovery.py   the authority's recovery key and certificate, HPKE
    slot.py       one slot, byte by byte: signed head and encrypted body
    body.py       what is inside: salt key, records, state and log
    export.py     `ContinuousExport`: writes the slots
    reading.py    a medium or a recovered file read and checked
    proof.py      inclusion proofs
    join.py       a replacement device's `join.json`
"""

from __future__ import annotations

from firmware_sim.medium.body import RecoveredState
from firmware_sim.medium.export import ContinuousExport
from firmware_sim.medium.join import Replacement, load_replacement
from firmware_sim.medium.reading import (
    RECOVERED_MAGIC,
    MediumReading,
    open_recovered,
    open_slot,
    read_medium,
    recovered_file,
)
from firmware_sim.medium.records import RecordForm
from firmware_sim.medium.recovery import (
    RECOVERY_CERTIFICATE,
    RECOVERY_KEY,
    create_recovery_key,
    load_recovery_certificate,
    load_recovery_key,
)
from firmware_sim.medium.slot import Head, Slot

__all__ = [
    "RECOVERED_MAGIC",
    "RECOVERY_CERTIFICATE",
    "RECOVERY_KEY",
    "ContinuousExport",
    "Head",
    "MediumReading",
    "RecordForm",
    "RecoveredState",
    "Replacement",
    "Slot",
    "create_recovery_key",
    "load_recovery_certificate",
    "load_recovery_key",
    "load_replacement",
    "open_recovered",
    "open_slot",
    "read_medium",
    "recovered_file",
]
