"""What a device is set up for, and what that ties its journal to.

A journal belongs to one election definition, one profile, one precinct (or one place of
several, `election.places`) and one device: another of any of them is refused, as its votes
would be counted by other rules (NVT-04).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from election.model import Election
from election.places import paper_keys, precincts_in, say_place
from election.profile import Profile
from firmware_sim.errors import StateError
from firmware_sim.identity import FirmwareIdentity, firmware_of
from firmware_sim.medium.join import Replacement
from firmware_sim.signing import Signer
from firmware_sim.states import DeviceState, Mode

#: Form of the state document; another is another software's.
STATE_FORMAT = 2


#: What a device is: a scanner unit, or a screen with a paper record (NVT-02).
DeviceKind = Literal["scanner", "dre"]


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """Election, rules, precinct and key of one device; for a replacement device the dead ones
    that it stands in for. `precinct_id` may be a place of several."""

    election: Election
    profile: Profile
    precinct_id: str
    signer: Signer
    replacement: Replacement | None = None
    kind: DeviceKind = "scanner"

    #: Software and configuration as of the start of the program.
    firmware: FirmwareIdentity = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Take the software's identity now: this is where a device starts."""
        object.__setattr__(self, "firmware", firmware_of(self.election, self.profile))

    def check(self) -> frozenset[str]:
        """Check the parts against each other; returns the papers of the device, as
        `election.places.paper_key` calls them: the ballot style ids where it has one precinct.

        Raises:
            StateError: the precinct is not in the election, or the key is another's.
            MediumError: the medium of the device replaced is another's.
        """
        signer = self.signer.identity
        known = {precinct.id for precinct in self.election.precincts}
        for precinct in precincts_in(self.precinct_id):
            if precinct not in known:
                raise StateError(
                    f"precinct {precinct!r} is not in election {self.election.id}; "
                    f"it has {', '.join(sorted(known)[:12])}"
                )
        if signer.precinct_id != self.precinct_id:
            raise StateError(
                f"the key of device {signer.device_id} is for precinct "
                f"{say_place(signer.precinct_id)}, not {say_place(self.precinct_id)}"
            )
        if self.replacement is not None:
            self.replacement.check(self.binding())
        return frozenset(paper_keys(self.election, self.precinct_id))

    @property
    def papers(self) -> dict[str, tuple[str, ...]]:
        """The ballot style ids of each precinct."""
        return {
            precinct: tuple(style.id for style in self.election.precinct_styles(precinct))
            for precinct in precincts_in(self.precinct_id)
        }

    def check_mode(self, mode: Mode) -> None:
        """Raises MediumError: the device replaced worked in the other mode."""
        if self.replacement is not None:
            self.replacement.check_mode(mode.value)

    def said(self) -> dict[str, str | int]:
        """What the log says at configuration: the binding, and who is replaced at what count."""
        rows = self.replacement.rows() if self.replacement else []
        last: dict[str, str | int] = {}
        if rows:
            last = {
                "replaces": rows[-1]["device_id"],
                "replaced_count": rows[-1]["count"],
                "replaced_root": rows[-1]["root"],
            }
        return {**self.binding(), **last}

    def binding(self) -> dict[str, str]:
        """What a journal is tied to."""
        return {
            "election_hash": self.election.hash,
            "profile_hash": self.profile.canonical_hash(),
            "precinct_id": self.precinct_id,
            "device_id": self.signer.identity.device_id,
        }

    def check_binding(self, document: Mapping[str, Any]) -> None:
        """Check a journal's state document against this set-up.

        Raises:
            StateError: it belongs to another election, profile, precinct or device, or was
                written by another version of the device.
        """
        for name, value in self.binding().items():
            if document.get(name) != value:
                raise StateError(
                    f"the journal belongs to another {name.split('_')[0]} "
                    f"({document.get(name)}, not {value}); give a new --journal"
                )
        rows = self.replacement.rows() if self.replacement else []
        if document.get("replaces", []) != rows:
            raise StateError(
                "which device this one replaces was decided when it was configured, and cannot be "
                "changed: give the same --replaces, or a new --journal before the polls open"
            )
        if document.get("format") != STATE_FORMAT:
            raise StateError(
                "the journal was written by another version of the device: go on with that one, "
                "or give a new --journal"
            )

    def fresh_state(self, mode: Mode = Mode.OFFICIAL) -> dict[str, Any]:
        """The state document of a device that has seen nothing and is not yet configured."""
        return {
            **self.binding(),
            "format": STATE_FORMAT,
            "state": DeviceState.UNCONFIGURED.value,
            "mode": mode.value,
            "failures": [],
            "clock": None,
            "polls_opened": None,
            "polls_closed": None,
            "official_opened": False,
            "closings": 0,
            "box_counter": None,
            "box_counter_by": None,
            "export_number": 0,
            "pending_export": None,
            "issued": {},
            "seal": None,
            "counters": {"sheets_fed": 0, "accepted": 0, "returned": 0, "refused": 0},
            "returned_by_style": {},
            "replaces": self.replacement.rows() if self.replacement else [],
        }
