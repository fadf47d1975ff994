"""A small election night with really made, really signed packages.

    world = World(tmp_path)
    data = world.package("p-1", {"list": {"a": 12, "b": 7}}, invalid=2, review=1)
    verify_packages([("p1.zip", data)], world.election, world.profile, world.trust(), at=NOW)

Ids are drawn from a counter, not at random, so that a failing test fails again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from election.model import Election
from election.profile import Profile, load_profile
from firmware_sim.export import ExportFigures, package_files
from firmware_sim.medium import Replacement
from firmware_sim.package import build_package
from firmware_sim.trust import (
    DeviceSigner,
    TrustStore,
    create_authority,
    issue_device,
)
from scanner.cvr import CastVoteRecord, new_record
from scanner.reading import ContestReading, ContestStatus, SheetInterpretation
from tally.paper import contests_in

NOW = datetime(2026, 3, 19, 18, 0, tzinfo=UTC)
START = datetime(2026, 3, 1, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script> & $\\frac$ https://evil.example/'


def text(english: str) -> dict[str, str]:
    """The same text in three languages."""
    return {"kk": f"{english} қ", "ru": f"{english} р", "en": english}


def make_election(**changes: Any) -> Election:
    """Three precincts, a list contest everywhere, a single-mandate contest in two."""
    options = [
        {"id": o, "name": text(n), "registration_order": i}
        for i, (o, n) in enumerate([("a", "Alpha"), ("b", HOSTILE), ("c", "Gamma")], 1)
    ]
    against = {"id": "against-all", "name": text("Against all"), "kind": "against_all"}
    precincts = ("p-1", "p-2", "p-3")
    data: dict[str, Any] = {
        "id": "night",
        "title": text("Test night"),
        "date": "2026-03-19",
        "profile": "kz-majilis",
        "languages": ["kk", "ru", "en"],
        "districts": [{"id": d, "name": text(d)} for d in ("land", "d-1")],
        "precincts": [
            {
                "id": p,
                "name": text(f"School {p}"),
                "districts": ["land"] if p == "p-3" else ["land", "d-1"],
                "registered_voters": 500,
            }
            for p in precincts
        ],
        "contests": [
            {
                "id": "list",
                "title": text("Lists"),
                "district": "land",
                "kind": "party_list",
                "seats": 9,
                "options": [*options, against],
            },
            {
                "id": "smd",
                "title": text("District one"),
                "district": "d-1",
                "kind": "candidate",
                "options": [*options[:2], against],
            },
        ],
        "ballot_styles": [
            {"id": "list-paper", "contests": ["list"], "precincts": list(precincts)},
            {"id": "smd-paper", "contests": ["smd"], "precincts": ["p-1", "p-2"]},
        ],
    }
    return Election.model_validate(data | changes)


def _sheet(contest: str, status: ContestStatus, option: str | None = None) -> SheetInterpretation:
    valid = status in (ContestStatus.VALID, ContestStatus.NEEDS_REVIEW)
    marks = (option,) if option else ()
    reading = ContestReading(
        contest_id=contest,
        marked=marks if status is ContestStatus.VALID else (),
        marginal=("a",) if status is ContestStatus.NEEDS_REVIEW else (),
        votes=marks,
        status=status,
        undervotes=0,
        overvotes=0,
    )
    return SheetInterpretation(
        ballot_style_id=f"{contest}-paper",
        precinct_id=None,
        contests=(reading,),
        valid=valid,
        invalid_ground=None if valid else "no_mark",
        needs_review=status is ContestStatus.NEEDS_REVIEW,
        flags=(),
    )


class World:
    """An authority, one device a precinct, and packages on demand."""

    def __init__(self, directory: Path, *, profile: Profile | None = None) -> None:
        self.keys = directory / "keys"
        self.election = make_election()
        self.profile = profile or load_profile("kz-majilis")
        create_authority(self.keys, name="Test authority", now=START, valid_days=365)
        self.devices = {p.id: f"dev-{p.id}" for p in self.election.precincts}
        for precinct, device in self.devices.items():
            self.issue(device, precinct)
        self._drawn = 0

    def issue(self, device: str, precinct: str, *, valid_days: int = 60) -> None:
        """Certify a device."""
        issue_device(self.keys, device, precinct_id=precinct, now=START, valid_days=valid_days)

    def trust(self) -> TrustStore:
        """The trust store as it is on disk now."""
        return TrustStore.load(self.keys)

    def draw(self) -> str:
        """The next id, 32 hex digits."""
        self._drawn += 1
        return hashlib.sha256(f"draw {self._drawn}".encode()).hexdigest()[:32]

    def records(
        self, votes: Mapping[str, Mapping[str, int]], *, invalid: int = 0, review: int = 0
    ) -> list[CastVoteRecord]:
        """Records of votes by contest and option; `invalid`, `review` sheets of "list"."""
        sheets = [
            _sheet(contest, ContestStatus.VALID, option)
            for contest, options in votes.items()
            for option, number in options.items()
            for _ in range(number)
        ]
        sheets += [_sheet("list", ContestStatus.BLANK)] * invalid
        sheets += [_sheet("list", ContestStatus.NEEDS_REVIEW)] * review
        return [new_record(s, self.election.hash, self.draw()) for s in sheets]

    def package(
        self,
        precinct: str,
        votes: Mapping[str, Mapping[str, int]],
        *,
        invalid: int = 0,
        review: int = 0,
        issued: Mapping[str, int] | None = None,
        device: str | None = None,
        package_id: str | None = None,
        export_number: int = 1,
        election: Election | None = None,
        keys: Path | None = None,
        edit: Callable[[dict[str, bytes]], None] | None = None,
        box_counter: int | None = None,
        replacement: Replacement | None = None,
        records: list[CastVoteRecord] | None = None,
    ) -> bytes:
        """A signed package; `edit` changes its files before they are summed and signed."""
        device_id = device or self.devices[precinct]
        figures = ExportFigures(
            precinct_id=precinct,
            device_id=device_id,
            package_id=package_id or self.draw(),
            export_number=export_number,
            created=NOW,
            polls_opened="2026-03-19T02:00:00Z",
            polls_closed="2026-03-19T15:00:00Z",
            counters=dict.fromkeys(("sheets_fed", "accepted", "returned", "refused"), 0),
            returned_by_style={},
            issued=issued or {},
            box_counter=box_counter,
        )
        definition = election or self.election
        if records is None:
            records = self.records(votes, invalid=invalid, review=review)
        if election is not None:
            records = []
        extra = replacement.package_files(precinct, device_id) if replacement else {}
        files = package_files(definition, self.profile, figures, records, [], extra=extra)
        if edit is not None:
            edit(files)
        signer = DeviceSigner.load(keys or self.keys, device_id)
        return build_package(files, signer.sign, signer.sign_post_quantum)


def paper_rows(votes: Mapping[str, Mapping[str, Mapping[str, int]]], election: Election) -> bytes:
    """A hand count file of votes by precinct, contest and option, zeros filled in."""
    lines = ["precinct,contest,option,votes"]
    for precinct, contests in votes.items():
        for contest in contests_in(election, precinct):
            given = contests.get(contest.id, {})
            lines += [
                f"{precinct},{contest.id},{o},{given.get(o, 0)}" for o in contest.option_ids()
            ]
            lines += [
                f"{precinct},{contest.id},{o},{given[o]}"
                for o in ("invalid", "ballots")
                if o in given
            ]
    return ("\n".join(lines) + "\n").encode()
