"""A commission with real keys, and forms for its precinct.

commission = Commission(tmp_path, ("chair-1", "member-2", "member-3"))
data = write_protocol(commission.form(), commission.signers())
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from election.model import Election
from firmware_sim.trust import DeviceSigner, Purpose, TrustStore, create_authority, issue_device
from tally.paper import contests_in
from tally.protocol.form import PrecinctForm, Source
from tests.tally.world import NOW, START, make_election

__all__ = ["NOW", "Commission", "full_form"]

PROFILE_HASH = "ab" * 32


def full_form(election: Election, precinct: str = "p-1", **changes: Any) -> PrecinctForm:
    """A form whose figures all agree: 10 votes a contest for its first option, one invalid."""
    papers = {
        style.id: {
            "registered": 500,
            "added_on_day": 2,
            "certificates_issued": 1,
            "received": 400,
            "signatures": 11,
            "issued": 11,
            "issued_at_station": 8,
            "issued_outside": 2,
            "issued_absentee": 1,
            "spoiled": 3,
            "cancelled_unused": 386,
            "in_station_box": 9,
            "in_portable_box": 2,
            "in_box": 11,
            "valid": 10,
            "invalid": 1,
            "needs_review": 0,
            "invalid_grounds": {"no_mark": 1, "more_than_one_mark": 0},
        }
        for style in election.precinct_styles(precinct)
    }
    contests = {
        contest.id: {
            "ballots": 11,
            "votes": {option: 10 * (i == 0) for i, option in enumerate(contest.option_ids())},
            "overvotes": 0,
            "undervotes": 0,
            "blank": 0,
            "invalid": 1,
            "needs_review": 0,
        }
        for contest in contests_in(election, precinct)
    }
    return PrecinctForm.model_validate(
        {
            "election_hash": election.hash,
            "profile_hash": PROFILE_HASH,
            "precinct_id": precinct,
            "drawn_up": "2026-03-19T18:00:00Z",
            "source": Source(method="hand"),
            "papers": papers,
            "contests": contests,
            **changes,
        }
    )


class Commission:
    """An authority, and the certified members of one precinct commission."""

    def __init__(
        self,
        directory: Path,
        members: tuple[str, ...] = ("chair-1", "member-2", "member-3"),
        precinct: str = "p-1",
    ) -> None:
        self.keys = directory / "keys"
        self.election = make_election()
        self.precinct = precinct
        self.members = members
        create_authority(self.keys, name="Test authority", now=START, valid_days=365)
        for member in members:
            self.issue(member)

    def issue(
        self, member: str, *, precinct: str | None = None, purpose: Purpose = Purpose.MEMBER
    ) -> DeviceSigner:
        """Certify one more person (or thing)."""
        where = precinct or self.precinct
        issue_device(
            self.keys, member, precinct_id=where, now=START, valid_days=60, purpose=purpose
        )
        return DeviceSigner.load(self.keys, member)

    def signers(self, *members: str) -> list[DeviceSigner]:
        """These members, or all."""
        return [DeviceSigner.load(self.keys, member) for member in members or self.members]

    def trust(self) -> TrustStore:
        """The trust folder as it is on disk now."""
        return TrustStore.load(self.keys)

    def form(self, **changes: Any) -> PrecinctForm:
        """A whole form of the precinct."""
        return full_form(self.election, self.precinct, **changes)
