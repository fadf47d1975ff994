"""Devices that die in mid-day, with real media and real keys, for tests of the tally.

dead = Dead(world, tmp_path / "one", "dev-p-1")
dead.cast({"list": {"a": 3}})
replacement = dead.replaced_by("dev-p-1b", box=3)
world.package("p-1", {"list": {"a": 5}}, device="dev-p-1b", replacement=replacement)
dead.recovered()      # what the authority makes of the medium
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from firmware_sim.medium import (
    RECOVERY_CERTIFICATE,
    RECOVERY_KEY,
    ContinuousExport,
    RecordForm,
    Replacement,
    Slot,
    create_recovery_key,
    load_recovery_certificate,
    load_recovery_key,
    load_replacement,
    open_slot,
    read_medium,
    recovered_file,
)
from firmware_sim.trust import DeviceSigner, device_paths
from scanner.cvr import CastVoteRecord
from tests.firmware_sim.media import MemoryJournal
from tests.tally.world import NOW, START, World


class Dead:
    """A device of one precinct with its medium; its journal is never asked again."""

    def __init__(
        self,
        world: World,
        folder: Path,
        device: str = "dev-p-1",
        precinct: str = "p-1",
        replaces: Replacement | None = None,
        mode: str = "official",
    ) -> None:
        self.world, self.folder, self.device, self.mode = world, folder, device, mode
        folder.mkdir(parents=True)
        if not device_paths(world.keys, device).certificate.exists():
            world.issue(device, precinct)
        if not (world.keys / RECOVERY_CERTIFICATE).exists():
            create_recovery_key(world.keys, now=START)
        self.form = RecordForm(world.election, world.profile, precinct)
        self.journal = MemoryJournal()
        self.replaces = replaces
        self.export = ContinuousExport(
            folder,
            form=self.form,
            signer=DeviceSigner.load(world.keys, device),
            recovery=load_recovery_certificate(world.keys),
            randomness=secrets.token_bytes,
            replaces=replaces.pairs() if replaces else (),
        )
        self.journal.add(None, "polls_opened")
        self.write("polls_open")

    def write(self, state: str, **more: object) -> None:
        """Go to a state."""
        day = {
            "polls_opened": "2026-03-19T01:00:00Z",
            "polls_closed": None,
            "box_counter": None,
            "returned_by_style": {"list-paper": 1},
            "mode": self.mode,
        }
        self.export.update(self.journal, self.journal.document(state, **{**day, **more}))

    def cast(self, votes: Mapping[str, Mapping[str, int]]) -> list[CastVoteRecord]:
        """Take sheets with these votes."""
        records = self.world.records(votes)
        for record in records:
            self.journal.add(record)
        self.write("polls_open")
        return records

    def replaced_by(self, device: str, box: int | None = None) -> Replacement:
        """What a replacement device takes over now; it is certified."""
        binding = {
            "election_hash": self.world.election.hash,
            "profile_hash": self.world.profile.canonical_hash(),
            "precinct_id": self.form.precinct_id,
            "device_id": device,
        }
        if not device_paths(self.world.keys, device).certificate.exists():
            self.world.issue(device, self.form.precinct_id)
        journal = self.folder.with_name(f"{self.folder.name}-journal-of-{device}")
        found = load_replacement(
            self.folder, journal, self.world.trust(), at=NOW, binding=binding, box_counter=box
        )
        assert found is not None
        return found

    def recovered(self) -> bytes:
        """The `.medium` file of what is on the medium now."""
        return self.open(read_medium(self.folder, self.world.trust(), at=NOW).slot)

    def open(self, slot: Slot) -> bytes:
        """The `.medium` file of a slot."""
        key = load_recovery_key(self.world.keys / RECOVERY_KEY)
        _, content_key = open_slot(slot, key, self.form)
        return recovered_file(slot, content_key)

    def open_all(self, slots: Sequence[Slot]) -> list[tuple[str, bytes]]:
        """Named `.medium` files of slots."""
        return [(f"{s.head.device_id}.medium", self.open(s)) for s in slots]
