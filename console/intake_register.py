"""The register of packages between runs of `tally`: what was taken in before is not new.

A file of JSON (`ballotbench-intake/1`). The very same file given again is the same package,
counted as before (a tally may be repeated, SEED-22); another file with the id or the export
number of one taken in earlier is a replay, or a second truth, and refused (SEED-16).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from console.errors import ConsoleError
from console.intake import read_files
from firmware_sim.keyfiles import replace_file
from tally.verification import PackageRegister, VerifiedPackage


class Entry(BaseModel):
    """A package taken in: its file's SHA-256 and what of it may not come again.

    `ids` are its package id and those of the media joined with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    precinct: str
    device: str
    export_number: int = Field(ge=0)
    ids: tuple[str, ...]
    taken_in: str


class IntakeRegister(BaseModel):
    """The register file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["ballotbench-intake/1"] = "ballotbench-intake/1"
    packages: tuple[Entry, ...] = ()

    @classmethod
    def load(cls, path: Path) -> IntakeRegister:
        """Read the file; an empty register where there is none yet.

        Raises:
            ConsoleError: it is damaged: it is not begun anew, as that would forget everything.
        """
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its start"
            raise ConsoleError(
                f"{path}: is no register of packages, or damaged at {where}; put a copy back"
            ) from error

    def seen(self, paths: Sequence[Path]) -> PackageRegister:
        """What may not come again, for a batch of these files: all but those very files."""
        here = {_digest(file) for _, file in read_files(paths)[0]}
        before = [entry for entry in self.packages if entry.digest not in here]
        return PackageRegister(
            frozenset(each for entry in before for each in entry.ids),
            frozenset((entry.device, entry.export_number) for entry in before),
        )

    def save(self, path: Path, accepted: Iterable[VerifiedPackage], now: datetime) -> None:
        """Write the register with what was accepted, in one step."""
        known = {entry.digest for entry in self.packages}
        # A package of several precincts is one entry; what joined it stands with its first.
        files: dict[str, VerifiedPackage] = {}
        for package in accepted:
            files.setdefault(package.digest, package)
        fresh = [
            Entry(
                name=package.name,
                digest=package.digest,
                precinct=package.place or package.precinct_id,
                device=package.device_id,
                export_number=package.export_number,
                ids=tuple(sorted(PackageRegister().add(package).package_ids)),
                taken_in=now.astimezone(UTC).isoformat(timespec="seconds"),
            )
            for package in files.values()
            if package.digest not in known
        ]
        whole = self.model_copy(update={"packages": (*self.packages, *fresh)})
        text = json.dumps(whole.model_dump(mode="json"), indent=2, ensure_ascii=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode() + b"\n")


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""  # said by the intake itself
