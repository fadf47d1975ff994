"""A transparency log with a certified key, and files to put in it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from firmware_sim.trust import DeviceSigner, Purpose, TrustStore, create_authority, issue_device
from tally.transparency import (
    EntryKind,
    Log,
    SignedCheckpoint,
    add_checkpoint,
    append,
    create_log,
    entry_of,
    read_log,
)
from tests.tally.world import NOW, START

LOG_ID = "central-log"
ELECTION_HASH = "5c" * 32


def copy(number: int) -> bytes:
    """The file of entry `number`."""
    return f"protocol of precinct {number}\n".encode()


class Records:
    """`log` in a folder, its keys beside it."""

    def __init__(self, folder: Path) -> None:
        self.keys = folder / "keys"
        self.folder = folder / "log"
        create_authority(self.keys, name="Test authority", now=START, valid_days=365)
        issue_device(
            self.keys,
            LOG_ID,
            precinct_id="central",
            now=START,
            valid_days=300,
            purpose=Purpose.LOG,
        )
        self.signer = DeviceSigner.load(self.keys, LOG_ID)
        self.trust = TrustStore.load(self.keys)
        create_log(self.folder, LOG_ID, ELECTION_HASH)

    @property
    def log(self) -> Log:
        return read_log(self.folder)

    def add(self, *numbers: int, folder: Path | None = None) -> None:
        """Append files by number."""
        entries = [entry_of(copy(n), EntryKind.PROTOCOL, f"p-{n}", now=NOW) for n in numbers]
        append(folder or self.folder, entries)

    def sign(self, *, minutes: int = 0, folder: Path | None = None) -> SignedCheckpoint:
        """A checkpoint of the log as it is."""
        now = NOW + timedelta(minutes=minutes)
        return add_checkpoint(folder or self.folder, now=now, sign=self.signer.sign)[0]
