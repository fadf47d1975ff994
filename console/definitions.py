"""An election definition of whichever form, and the sheet reader that fits it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from election.definition import load_election
from election.importers.vxsuite import VxElection, import_vxsuite, looks_like_vxsuite
from election.model import Election
from election.profile import Profile, load_profile
from scanner.reader import default_thresholds
from scanner.reading import Thresholds
from scanner.sheet import SheetReader
from scanner.thresholds import load_thresholds

Form = Literal["auto", "ballotbench", "vxsuite"]


@dataclass(frozen=True, slots=True)
class Definition:
    """An election, its rules, and the foreign definition that it came from, if any."""

    election: Election
    profile: Profile
    vxsuite: VxElection | None = None

    def limits(self, thresholds: Path | None = None) -> Thresholds:
        """The profile's limits, with those that a thresholds file sets."""
        limits = default_thresholds(self.profile)
        return limits if thresholds is None else load_thresholds(thresholds, limits)

    def reader(self, thresholds: Path | None = None) -> SheetReader:
        """A reader of this election's sheets, under a thresholds file's limits if given."""
        return self.reader_within(self.limits(thresholds))

    def reader_within(self, limits: Thresholds) -> SheetReader:
        """A reader of this election's sheets under these limits."""
        if self.vxsuite is not None:
            return SheetReader.for_vxsuite(self.vxsuite, self.profile, limits)
        return SheetReader(self.election, self.profile, thresholds=limits)


def load_definition(path: Path, profile: str | None = None, form: Form = "auto") -> Definition:
    """Load a definition of our own form or of VxSuite's, told apart by content for "auto".

    Raises:
        ElectionError: the file is neither, or the profile (id or TOML file) is none.
    """
    if form == "vxsuite" or (form == "auto" and _is_vxsuite(path)):
        imported = import_vxsuite(path)
        rules = load_profile(profile or imported.election.profile)
        return Definition(imported.election, rules, imported)
    own = load_election(path)
    return Definition(own, load_profile(profile or own.profile))


def _is_vxsuite(path: Path) -> bool:
    try:
        return looks_like_vxsuite(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return False
