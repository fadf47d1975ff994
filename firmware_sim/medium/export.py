"""Writes the medium: the whole count, encrypted anew, into two fixed places, every time.

Rules of continuous export (NVT-05):

1. After each settled sheet and each change of state, *all* records are written anew: in
   order of their random ids, each of one size, encrypted under a key drawn for this state
   alone, in both slots. Nothing is appended and nothing is left in place, so what changes
   on the medium is everything, whichever record is new. A scheme that touches the new
   record and a few others at random tells, from which ones were touched, which one is new.
2. Slot A is written through to the disk before slot B is touched: one of them is always
   whole. After a write both hold the same bytes, so no image tells which was first.
3. No time, no order: file times are set to 1980, the names are always the same two.
4. The device writes after its journal has committed and before it takes the next sheet. A
   medium that cannot be written is `MediumError`; the journal has lost nothing, and the
   next `update` writes all again.
5. A medium never goes back: one that holds more records than the journal, or a longer log, or
   a close of the polls that the journal's log does not know, or another device's, is refused.

`writes` numbers the states, `events` is the length of the log: all that grows beside the count.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from firmware_sim import merkle
from firmware_sim.errors import MediumError
from firmware_sim.eventlog import GENESIS, Event
from firmware_sim.medium.body import day_document, encrypt_body, event_row, leaf_hashes
from firmware_sim.medium.join import CLOSED_STATES
from firmware_sim.medium.reading import REPLACED_NAMES, SLOT_NAMES
from firmware_sim.medium.records import ID_BYTES, RecordForm
from firmware_sim.medium.recovery import seal_key
from firmware_sim.medium.slot import Head, Replaced, Slot, build_slot, parse_slot
from firmware_sim.signing import Signer
from scanner.cvr import CastVoteRecord

#: 1980-01-01T00:00:00Z, the earliest that a FAT medium can hold.
_NO_TIME_NS = 315_532_800 * 10**9
_OFFICIAL = "official"


class JournalLike(Protocol):
    """What continuous export reads of a journal."""

    def count(self) -> int:
        """How many records are committed."""
        ...

    def records(self) -> Iterator[CastVoteRecord]:
        """The records in order of their ids."""

    def events(self, after: int = 0) -> list[Event]:
        """The events whose number is greater than `after`."""


class ContinuousExport:
    """A device's medium, held open for the day. Every method may raise `MediumError`.

    Attributes:
        behind: is the journal ahead of the medium? (A write failed; `update` makes it good.)
    """

    def __init__(
        self,
        directory: Path,
        *,
        form: RecordForm,
        signer: Signer,
        recovery: ec.EllipticCurvePublicKey,
        randomness: Callable[[int], bytes],
        replaces: Sequence[tuple[Slot, int | None]] = (),
    ) -> None:
        """Take up the medium in `directory` (an existing folder), or begin an empty one.

        Args:
            signer: signs for the device.
            recovery: the authority's public key (`load_recovery_certificate`).
            randomness: gives n unpredictable bytes.
            replaces: slots of the dead devices that this one stands in for, oldest first,
                each with the count of its box (`join.load_replacement`).
        """
        self._directory = directory
        self._form = form
        self._signer = signer
        self._device_id = signer.identity.device_id
        self._recovery = recovery
        self._randomness = randomness
        self._replaced = tuple(slot for slot, _ in replaces)
        self._replaces = tuple(Replaced(s.head.device_id, s.digest, box) for s, box in replaces)
        self._packed: list[bytes] = []
        self._rows: list[bytes] = []
        self._log_head = GENESIS
        self._closed_before = False
        self._started = False
        self.behind = True
        self._last = self._newest_head()
        if self._last is not None:
            self._check_own(self._last)
            if self._last.replaces != self._replaces:
                # Restarted without --replaces, or with another: the medium knows better.
                self._replaced, self._replaces = self._taken_over(self._last)

    @property
    def directory(self) -> Path:
        """Where the medium is mounted."""
        return self._directory

    def update(
        self,
        journal: JournalLike,
        document: Mapping[str, Any],
        record: CastVoteRecord | None = None,
    ) -> None:
        """Bring the medium to the journal's state, whole, through to the disk.

        Args:
            document: the device's state document as committed.
            record: the record committed since the last call, if that is all that changed;
                otherwise all are read from the journal again.
        """
        self.behind = True
        self._take(journal, record)
        mode = str(document.get("mode", _OFFICIAL))
        if self._last is not None and not self._started:
            self._check_not_back(self._last, mode, str(document["state"]))
        content_key, salt_key = self._randomness(32), self._randomness(32)
        body = encrypt_body(
            content_key,
            salt_key,
            self._packed,
            self._form.record_bytes,
            day_document(document, self._rows, self._log_head),
        )
        head = Head(
            election_hash=self._form.election_hash,
            profile_hash=self._form.profile_hash,
            precinct_id=self._form.precinct_id,
            device_id=self._device_id,
            mode=mode,
            state=str(document["state"]),
            writes=1 if self._last is None else self._last.writes + 1,
            events=len(self._rows),
            count=len(self._packed),
            root=merkle.root_of(leaf_hashes(salt_key, self._packed)).hex(),
            body_sha256=hashlib.sha256(body).hexdigest(),
            sealed_key=seal_key(content_key, self._recovery).hex(),
            replaces=self._replaces,
        )
        encoded = head.encoded()
        signatures = self._signer.sign(encoded), self._signer.sign_post_quantum(encoded)
        slot = build_slot(head, *signatures, body)
        # After a failure all is written again, perhaps to another, empty medium.
        fresh, self._started = not self._started, False
        with self._explained():
            if fresh:
                self._write_replaced()
            for name in SLOT_NAMES:
                _overwrite(self._directory / name, slot)
            if fresh:
                _sync_directory(self._directory)
        self._last, self._started, self.behind = head, True, False

    def close(self) -> None:
        """Forget what is held in memory; the medium is whole after every `update`."""
        self._packed, self._rows, self._started = [], [], False

    # --- inside ----------------------------------------------------------------------

    def _take(self, journal: JournalLike, record: CastVoteRecord | None) -> None:
        """Bring what is held in memory to the journal's state."""
        packed = None if record is None else self._form.pack(record)
        if packed is not None and len(self._packed) + 1 == journal.count():
            at = bisect_left(self._packed, packed[:ID_BYTES])
            if self._packed[at : at + 1] == [packed]:
                raise MediumError("a record was given to the medium twice")
            insort(self._packed, packed)
        elif len(self._packed) != journal.count() or not self._started:
            self._packed = sorted(self._form.pack(r) for r in journal.records())
        news = journal.events(after=len(self._rows))
        self._rows += [event_row(event) for event in news]
        if news:
            self._log_head = news[-1].hash
            self._closed_before |= any(event.kind == "polls_closed" for event in news)

    def _newest_head(self) -> Head | None:
        heads = []
        for name in SLOT_NAMES:
            try:
                heads.append(parse_slot((self._directory / name).read_bytes()).head)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._failed(error) from error
            except MediumError:
                continue  # cut while it was written: the other one stands
        if not self._directory.is_dir():
            raise MediumError(f"{self._directory}: no such folder: put the medium in")
        return max(heads, key=lambda head: head.writes, default=None)

    def _check_own(self, head: Head) -> None:
        mine = (self._form.election_hash, self._form.precinct_id, self._device_id)
        if (head.election_hash, head.precinct_id, head.device_id) != mine:
            raise MediumError(
                f"{self._directory}: is the medium of device {head.device_id}, precinct "
                f"{head.precinct_id}: give an empty one (a dead device's goes to --replaces)"
            )

    def _check_not_back(self, head: Head, mode: str, state: str) -> None:
        # Else results could be looked at, and the journal of before the close put back to
        # vote on. A close that was undone stands in the log of its journal.
        closed = head.state in CLOSED_STATES and state not in CLOSED_STATES
        if head.mode == mode and closed and not self._closed_before:
            raise MediumError(
                f"{self._directory}: the medium's device had closed its polls, the journal knows "
                "of no close: it is an old copy, or not this medium's journal. Stop, keep both, "
                "and let the commission decide"
            )
        if head.mode == mode and head.count > len(self._packed):
            raise MediumError(
                f"{self._directory}: the medium holds {head.count} records, the journal only "
                f"{len(self._packed)}: it is not this medium's journal. Stop, keep both, and let "
                "the commission decide (a replacement device takes over with --replaces)"
            )

        if head.events > len(self._rows):
            raise MediumError(
                f"{self._directory}: the medium knows a log of {head.events} events, the journal "
                f"only {len(self._rows)}: it is an old copy, or not this medium's journal. Stop, "
                "keep both, and let the commission decide"
            )

    def _taken_over(self, head: Head) -> tuple[tuple[Slot, ...], tuple[Replaced, ...]]:
        if self._replaces:
            raise MediumError(
                f"{self._directory}: the medium's device took over from other devices than "
                "--replaces says"
            )
        slots = []
        for name, replaced in zip(REPLACED_NAMES, head.replaces, strict=False):
            try:
                slot = parse_slot((self._directory / name).read_bytes())
            except OSError as error:
                raise self._failed(error) from error
            if slot.digest != replaced.slot_sha256:
                raise MediumError(f"{self._directory / name}: was altered")
            slots.append(slot)
        return tuple(slots), head.replaces

    def _write_replaced(self) -> None:
        for name, slot in zip(REPLACED_NAMES, self._replaced, strict=False):
            _overwrite(self._directory / name, slot.data)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> MediumError:
        return MediumError(
            f"{self._directory}: the medium cannot be written: {error.strerror}. The journal has "
            "lost nothing; put the medium right or another empty one in"
        )


def _overwrite(path: Path, data: bytes) -> None:
    """Write `data` over the same place of the same file, through to the disk."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.ftruncate(handle, len(data))
        os.utime(path, ns=(_NO_TIME_NS, _NO_TIME_NS))
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_directory(path: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
