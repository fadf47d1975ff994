"""The made-up nation's protocols: forms whose figures agree, signed by a quorum of members.

    maker = ProtocolMaker(nation, profile, keys)
    for made in maker.territory("T-1"):
        made.precinct_id, made.data

Votes are drawn by contest at once, not ballot by ballot, with the tastes and turnout of the
same plan: a nation for the count from protocols alone. Members have fresh keys, certified by
the territory's region and not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec

from election.profile import Profile
from firmware_sim.certificates import Purpose, device_certificate
from firmware_sim.eventlog import utc_text
from firmware_sim.issuing import OpenIssuer, open_region
from firmware_sim.keyfiles import identity_of
from firmware_sim.signing import raw_signer
from firmware_sim.trust import DeviceSigner
from tally.protocol.form import PrecinctForm
from tally.protocol.sealed import write_protocol
from tally.simulation.ballots import tastes_of
from tally.simulation.packages import CLOSED
from tally.simulation.plan import VOID, Nation, contest_ids

#: Share of voters who vote outside the station, with the portable box.
OUTSIDE = 0.02
_BEFORE = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class MadeProtocol:
    """One signed protocol's bytes, and its form."""

    precinct_id: str
    data: bytes
    form: PrecinctForm


class ProtocolMaker:
    """Makes the protocols of one nation; `keys` is its authority's folder."""

    def __init__(self, nation: Nation, profile: Profile, keys: Path) -> None:
        self._nation = nation
        self._keys = keys
        self._profile_hash = profile.canonical_hash()
        self._grounds = [ground.id for ground in profile.invalid_grounds]
        self._number = {p: i for i, p in enumerate(nation.precinct_ids)}

    def territory(self, territory_id: str) -> Iterator[MadeProtocol]:
        """All protocols of a territory, precinct by precinct."""
        issuer = open_region(self._keys, territory_id, None)
        tree = self._nation.commissions
        for precinct_id in tree.precincts_under(territory_id):
            signers = new_members(issuer, precinct_id, tree.by_id[precinct_id].quorum)
            form = self.form(precinct_id)
            yield MadeProtocol(precinct_id, write_protocol(form, signers), form)

    def form(self, precinct_id: str, **changes: Any) -> PrecinctForm:
        """The form of a precinct as the plan draws it; `changes` replace its fields."""
        nation, number = self._nation, self._number[precinct_id]
        plan, election = nation.plan, nation.election
        rng = np.random.default_rng([plan.seed, 5, number])
        voted, registered = int(nation.voted[number]), int(nation.registered[number])
        names = contest_ids(plan, int(nation.district[number]), int(nation.territory[number]))
        apart = plan.papers == "apart"
        contests: dict[str, dict[str, Any]] = {}
        for name in names:
            contest = election.contest(name)
            void = int(rng.binomial(voted, VOID))
            over = int(rng.binomial(void, 0.5))
            tastes = tastes_of(nation, contest, int(nation.region[number]))
            shares = rng.dirichlet(np.maximum(tastes * 60, 0.05))
            votes = rng.multinomial(voted - void, shares)
            contests[name] = {
                "ballots": voted,
                "votes": dict(zip(contest.option_ids(), map(int, votes), strict=True)),
                "overvotes": 0 if apart else over,
                "undervotes": 0 if apart else void - over,
                "blank": 0 if apart else void - over,
                "invalid": void if apart else 0,
                "needs_review": 0,
            }
        papers = {}
        for style in election.precinct_styles(precinct_id):
            invalid = contests[style.contests[0]]["invalid"] if apart else 0
            outside, spoiled = int(rng.binomial(voted, OUTSIDE)), int(rng.binomial(voted, 0.003))
            by_ground = int(rng.binomial(invalid, 0.5))
            papers[style.id] = {
                "registered": registered,
                "added_on_day": 0,
                "certificates_issued": 0,
                "received": registered + 20,
                "signatures": voted,
                "issued": voted,
                "issued_at_station": voted - outside,
                "issued_outside": outside,
                "issued_absentee": 0,
                "spoiled": min(spoiled, 20),
                "cancelled_unused": registered + 20 - voted - min(spoiled, 20),
                "in_station_box": voted - outside,
                "in_portable_box": outside,
                "in_box": voted,
                "valid": voted - invalid,
                "invalid": invalid,
                "needs_review": 0,
                "invalid_grounds": dict(
                    zip(self._grounds[:2], (by_ground, invalid - by_ground), strict=False)
                ),
            }
        return PrecinctForm.model_validate(
            {
                "election_hash": election.hash,
                "profile_hash": self._profile_hash,
                "precinct_id": precinct_id,
                "drawn_up": utc_text(CLOSED + timedelta(hours=3, seconds=number % 7200)),
                "source": {"method": "hand"},
                "papers": papers,
                "contests": contests,
                **changes,
            }
        )


def new_members(
    issuer: OpenIssuer, commission_id: str, number: int, *, prefix: str = "m"
) -> list[DeviceSigner]:
    """Members of a commission with fresh keys, certified by an open region; nothing is
    written."""
    return [_member(issuer, commission_id, f"{prefix}{n}-{commission_id}") for n in range(number)]


def _member(issuer: OpenIssuer, commission_id: str, member_id: str) -> DeviceSigner:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = device_certificate(
        issuer.first.issuer,
        key.public_key(),
        device_id=member_id,
        precinct_id=commission_id,
        region_id=issuer.region_id,
        purpose=Purpose.MEMBER,
        now=CLOSED - _BEFORE,
        valid_days=365,
    )
    chain = (certificate, *issuer.first.between)
    return DeviceSigner(raw_signer(key), chain, identity_of(certificate))
