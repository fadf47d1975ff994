"""Signed checkpoints of a device's event log: from each on, nothing before it can be changed.

A hash chain alone can be made anew by whoever may write the journal. A checkpoint is the
device's own signature over the chain so far (a raw P-256 signature, `firmware_sim.signing`).
It is made when the device takes up its journal, with every step of the day and every failure
(so before each tape and export), and after every `EVERY` events of sheets. What came after
the last one is protected by the chain alone; the export signs all of it (NVT-04, NVT-17).

Signed is, in RFC 8785 form:
    {"device_id", "election_hash", "format", "hash", "number", "precinct_id", "seq"}
`number` counts a log's checkpoints from 1, so that none can be left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec

from firmware_sim.cms_form import take_apart
from firmware_sim.errors import JournalError, SignatureError
from firmware_sim.eventlog import Checkpoint, Event
from firmware_sim.journal import Journal
from firmware_sim.signing import Signer, verify_raw

FORMAT = "ballotbench-log-checkpoint/1"
#: Events between two checkpoints when only sheets are taken.
EVERY = 100
_BINDING = ("device_id", "election_hash", "precinct_id")


def statement(binding: Mapping[str, str], number: int, seq: int, event_hash: str) -> bytes:
    """What a checkpoint signs; `binding` is of `DeviceSetup.binding`, other keys ignored."""
    return rfc8785.dumps(
        {
            "format": FORMAT,
            **{name: binding[name] for name in _BINDING},
            "number": number,
            "seq": seq,
            "hash": event_hash,
        }
    )


def sign_checkpoint(
    signer: Signer, binding: Mapping[str, str], number: int, last: Event
) -> Checkpoint:
    """The checkpoint, the `number`th, of a log whose last event is `last`."""
    signature = signer.sign_raw(statement(binding, number, last.seq, last.hash))
    return Checkpoint(last.seq, last.hash, signature.hex())


def check_signed(
    key: ec.EllipticCurvePublicKey,
    binding: Mapping[str, str],
    events: Sequence[Event],
    checkpoints: Sequence[Checkpoint],
) -> str | None:
    """What is wrong with a log's checkpoints, in words; None where nothing is.

    `events` are the whole log, its chain checked.
    """
    last = 0
    for number, checkpoint in enumerate(checkpoints, start=1):
        name = f"the checkpoint of event {checkpoint.seq}"
        if checkpoint.seq <= last:
            return f"{name} is out of order or there twice"
        last = checkpoint.seq
        if last > len(events):
            return f"events {len(events) + 1} to {last}, which were signed, are missing at the end"
        if events[last - 1].hash != checkpoint.hash:
            return f"{name} is of another event than stands there"
        try:
            raw = bytes.fromhex(checkpoint.signature)
            verify_raw(key, statement(binding, number, last, checkpoint.hash), raw)
        except (ValueError, SignatureError):
            return f"the signature of {name} does not verify, or one before it is missing"
        if raw.hex() != checkpoint.signature:
            return f"the signature of {name} is not in its one form"
    return None


def key_of(cms_der: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a CMS's signer; whether it is to be trusted is for `TrustStore.verify`.

    Raises:
        SignatureError: *malformed*.
    """
    key = take_apart(cms_der)[0][0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101 (checked when taken apart)
    return key


class LogSigner:
    """Makes one device's checkpoints, and checks those that its journal holds."""

    def __init__(self, journal: Journal, signer: Signer, binding: Mapping[str, str]) -> None:
        """Check what is there.

        Raises:
            JournalError: a checkpoint that this device's key did not make.
        """
        self._journal = journal
        self._signer = signer
        self._binding = binding
        checkpoints = journal.checkpoints()
        self._count = len(checkpoints)
        self._last = checkpoints[-1].seq if checkpoints else 0
        if not checkpoints:
            return
        wrong = check_signed(
            key_of(signer.sign(b"whose key is it")), binding, journal.events(), checkpoints
        )
        if wrong is not None:
            raise JournalError(
                f"{journal.path}: the event log was altered: {wrong}. Keep the file as evidence; "
                "go on with the second storage or a replacement device"
            )

    def follow(self, *, now: bool) -> None:
        """Sign what is not signed yet; unless `now`, only if it is `EVERY` events or more."""
        last = self._journal.last_event()
        if last is None or last.seq == self._last or (not now and last.seq - self._last < EVERY):
            return
        number = self._count + 1
        self._journal.add_checkpoint(sign_checkpoint(self._signer, self._binding, number, last))
        self._count, self._last = number, last.seq
