"""A small land: twelve precincts, four territories, two regions, one centre; all can sign.

    land = Land(tmp_path)
    data = land.protocol("P-00001")
    desk = land.desk("T-1")
    land.receive(desk, data)

Keys are made once a member and kept in memory; the folder holds the authority and its regions.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from election.profile import load_profile
from firmware_sim.issuing import open_authority, open_region
from firmware_sim.trust import DeviceSigner, TrustStore, add_region, create_authority
from tally.chain import Arrival, Desk, Holdings, Rules, create_desk, receive
from tally.chain.act import ActDocument, write_act
from tally.chain.decision import Decision
from tally.chain.making import make_table
from tally.chain.work import check_one
from tally.protocol.form import PrecinctForm
from tally.protocol.sealed import write_protocol
from tally.simulation.plan import NationPlan, make_nation
from tally.simulation.protocols import ProtocolMaker, new_members
from tally.simulation.write import write_files

NOW = datetime(2026, 3, 20, 6, 0, tzinfo=UTC)
ISSUED = datetime(2026, 3, 1, tzinfo=UTC)
PLAN = NationPlan(seed=6, precincts=12, ballots=900, regions=2, territories=4, districts=2)


class Land:
    """See the module. `p` are the precincts' ids in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nation = make_nation(PLAN)
        self.election = self.nation.election
        self.tree = self.nation.commissions
        self.keys = folder / "keys"
        folder.mkdir(parents=True, exist_ok=True)
        write_files(self.nation, folder)
        self.profile = load_profile(folder / "profile.toml")
        create_authority(self.keys, name="Land", now=ISSUED, valid_days=3650, post_quantum=False)
        for territory in self.tree.of_tier("territorial"):
            add_region(
                self.keys,
                territory.id,
                name=territory.id,
                precincts=self.tree.precincts_under(territory.id),
                now=ISSUED,
                valid_days=3650,
            )
        self._maker = ProtocolMaker(self.nation, self.profile, self.keys)
        self._members: dict[str, list[DeviceSigner]] = {}
        self.p = self.nation.precinct_ids

    @cached_property
    def trust(self) -> TrustStore:
        return TrustStore.load(self.keys)

    @property
    def rules(self) -> Rules:
        return Rules(self.election, self.profile, self.tree, self.trust, NOW)

    def members(self, commission: str, number: int | None = None) -> list[DeviceSigner]:
        """The quorum of a commission, or so many of its seven members."""
        if commission not in self._members:
            above = self.tree.above(commission, "territorial")
            precinct = self.tree.by_id[commission].tier == "precinct" and above is not None
            issuer = (
                open_region(self.keys, above, None)
                if precinct and above is not None
                else open_authority(self.keys, None)
            )
            self._members[commission] = new_members(issuer, commission, 7)
        quorum = self.tree.by_id[commission].quorum
        return self._members[commission][: quorum if number is None else number]

    def form(self, precinct: str, **changes: Any) -> PrecinctForm:
        return self._maker.form(precinct, **changes)

    def moved(self, precinct: str, votes: int = 1) -> PrecinctForm:
        """The form with votes moved from the largest list to another one."""
        form = self.form(precinct)
        given = dict(form.contests["list"].votes)
        first = max(given, key=lambda option: given[option])
        second = next(option for option in given if option != first)
        votes = min(votes, given[first])
        given[first], given[second] = given[first] - votes, given[second] + votes
        contests = {k: v.model_dump() for k, v in form.contests.items()}
        contests["list"]["votes"] = given
        return self.form(precinct, contests=contests)

    def protocol(
        self, precinct: str, form: PrecinctForm | None = None, *, members: int | None = None
    ) -> bytes:
        return write_protocol(form or self.form(precinct), self.members(precinct, members))

    def protocols(self) -> dict[str, bytes]:
        return {precinct: self.protocol(precinct) for precinct in self.p}

    def act(self, document: ActDocument, commission: str, *, members: int | None = None) -> bytes:
        return write_act(document, commission, self.members(commission, members))

    def decision(self, commission: str, precinct: str, **fields: Any) -> bytes:
        return self.act(self.decided(commission, precinct, **fields), commission)

    def decided(self, commission: str, precinct: str, **fields: Any) -> Decision:
        return Decision.model_validate(
            {
                "election_hash": self.election.hash,
                "commission_id": commission,
                "number": 1,
                "precinct_id": precinct,
                "taken": "2026-03-20T05:00:00Z",
                "outcome": "adopt" if fields.get("adopts") else "exclude",
                "reason": "Recounted by hand before all observers",
                **fields,
            }
        )

    def holdings(self, *files: bytes) -> Holdings:
        checked = [check_one(data, "x", self.rules) for data in files]
        return Holdings.of((one.sha256, one.verdict) for one in checked)

    def table(self, commission: str, *files: bytes, number: int = 1) -> bytes:
        made = "2026-03-20T05:30:00Z"
        held = self.holdings(*files)
        return self.act(
            make_table(held, commission, self.rules, number=number, made=made), commission
        )

    def desk(self, commission: str, name: str | None = None, **more: Any) -> Desk:
        return create_desk(
            self.folder / "desks" / (name or commission),
            commission,
            election=self.folder / "election.json",
            profile=self.folder / "profile.toml",
            commissions=self.folder / "commissions.json",
            log_id=f"{commission}-log",
            **more,
        )

    def receive(self, desk: Desk, *files: bytes, now: datetime = NOW) -> list[Arrival]:
        named = [(f"{number}.zip", data) for number, data in enumerate(files)]
        return receive(desk, named, self.rules, now=now)
