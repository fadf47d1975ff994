"""Media to test on: a journal in memory, ballots of known kinds, an export with real keys.

desk = Desk(tmp_path)
export = desk.export(folder)
desk.cast(export, journal, number)
"""

from __future__ import annotations

import random
import secrets
from bisect import insort
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from firmware_sim import trust
from firmware_sim.eventlog import Event, next_event
from firmware_sim.medium import (
    RECOVERY_KEY,
    ContinuousExport,
    RecordForm,
    Replacement,
    create_recovery_key,
    load_recovery_certificate,
    load_recovery_key,
    load_replacement,
)
from firmware_sim.signing import Signer
from firmware_sim.trust import TrustStore
from scanner.cvr import CastVoteRecord, new_record
from tests.firmware_sim import bench

KINDS = (bench.GOOD, bench.OTHER, bench.BOTH, bench.BLANK, bench.OVERVOTED, bench.DOUBTFUL)


class MemoryJournal:
    """What continuous export reads of a journal, without a disk."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, CastVoteRecord]] = []
        self.log: list[Event] = []

    def add(self, record: CastVoteRecord | None, kind: str = "sheet_accepted") -> None:
        if record is not None:
            insort(self.kept, (record.record_id, record), key=lambda pair: pair[0])
        last = self.log[-1] if self.log else None
        self.log.append(next_event(last, at=bench.NOW, kind=kind, detail={}))

    def count(self) -> int:
        return len(self.kept)

    def records(self) -> Iterator[CastVoteRecord]:
        return (record for _, record in self.kept)

    def events(self, after: int = 0) -> list[Event]:
        return self.log[after:]

    def document(self, state: str = "polls_open", **more: Any) -> dict[str, Any]:
        return {"state": state, "counters": {"accepted": len(self.kept)}, **more}


class Desk:
    """An authority with a recovery key, devices of one precinct (or place of several), and what
    they are set up for."""

    def __init__(self, folder: Path, place: str = bench.PRECINCT) -> None:
        self.keys = folder / "keys"
        self.setup = bench.setup(self.keys, place=place)
        create_recovery_key(self.keys, now=bench.NOW)
        self.form = RecordForm(self.setup.election, self.setup.profile, place)
        self.public = load_recovery_certificate(self.keys)
        self.private = load_recovery_key(self.keys / RECOVERY_KEY)
        self.trust = TrustStore.load(self.keys)

    def signer(self, device: str = bench.DEVICE) -> trust.DeviceSigner:
        if not trust.device_paths(self.keys, device).certificate.exists():
            trust.issue_device(
                self.keys, device, precinct_id=self.setup.precinct_id, now=bench.NOW, valid_days=365
            )
        return trust.DeviceSigner.load(self.keys, device)

    def export(
        self,
        folder: Path,
        *,
        device: str = bench.DEVICE,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
        signer: Signer | None = None,
        make: bool = True,
        **more: Any,
    ) -> ContinuousExport:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        return ContinuousExport(
            folder,
            form=self.form,
            signer=signer or self.signer(device),
            recovery=self.public,
            randomness=randomness,
            **more,
        )

    def take_over(
        self,
        medium: Path | None,
        journal: Path,
        device: str = "scanner-002",
        box: int | None = None,
    ) -> Replacement | None:
        """What `device`, with its journal at `journal`, replaces."""
        binding = {**self.setup.binding(), "device_id": device}
        return load_replacement(
            medium, journal, self.trust, at=bench.NOW, binding=binding, box_counter=box
        )

    def record(self, chance: random.Random, kind: bytes | None = None) -> CastVoteRecord:
        sheet = bench.JsonSheetReader().read_images([kind or chance.choice(KINDS)])
        return new_record(sheet, self.setup.election.hash, chance.randbytes(16).hex())


def cast(export: ContinuousExport, journal: MemoryJournal, record: CastVoteRecord) -> None:
    """One sheet, as a device does it."""
    journal.add(record)
    export.update(journal, journal.document(), record)
