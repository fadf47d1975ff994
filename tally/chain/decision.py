"""A formal decision on one precinct's protocol: the only way in which a result changes.

It is numbered, reasoned and signed by the quorum of the commission that takes it: that of the
precinct or one above it. It says by their digests which protocols and earlier decisions it
sets aside, and which protocol counts instead, or that none does. It overwrites nothing:
whatever it sets aside stays in the files, in the log and in the tables (SEED-16, NVT-09,
NVT-15).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from election.commissions import TIERS, Commissions
from election.model import Election, Identifier
from tally.chain.act import ActDocument
from tally.protocol.form import Digest, Moment, PrecinctForm, Words, form_problem

DECISION_FORMAT: Literal["ballotbench-decision/1"] = "ballotbench-decision/1"


class Decision(ActDocument):
    """One decision.

    `number` counts from 1 in each commission. `outcome` "adopt": the protocol `adopts`
    counts, be it one that has come or `corrected`, which the decision carries itself (after
    a recount at a higher commission); "exclude": none does, the precinct is out of the sums.
    `sets_aside` names protocols and decisions by digest. `ground` cites the law.
    """

    format: Literal["ballotbench-decision/1"] = DECISION_FORMAT
    election_hash: Digest
    commission_id: Identifier
    number: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    precinct_id: Identifier
    taken: Moment
    outcome: Literal["adopt", "exclude"]
    adopts: Digest | None = None
    sets_aside: tuple[Digest, ...] = ()
    reason: Words
    ground: Words | None = None
    corrected: PrecinctForm | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if (self.outcome == "adopt") != (self.adopts is not None):
            raise ValueError("adopts: is given where the outcome is adopt, and only there")
        if self.adopts in self.sets_aside:
            raise ValueError("sets_aside: holds the protocol that is adopted")
        if list(self.sets_aside) != sorted(set(self.sets_aside)):
            raise ValueError("sets_aside: is not sorted, or names one twice")
        if self.corrected is not None and self.corrected.digest != self.adopts:
            raise ValueError("corrected: is another protocol than the one that is adopted")
        return self

    @property
    def name(self) -> str:
        """For people: commission and number."""
        return f"decision {self.number} of {self.commission_id}"


def decision_problem(
    decision: Decision, election: Election, commissions: Commissions
) -> tuple[str, str] | None:
    """The first way in which a decision is not of this election: (field, what)."""
    if decision.election_hash != election.hash:
        return "election_hash", f"is of another election definition than {election.id}"
    if decision.commission_id not in commissions.by_id:
        return "commission_id", f"{decision.commission_id} is no commission of this election"
    if not election.has_precinct(decision.precinct_id):
        return "precinct_id", f"{decision.precinct_id} is no precinct of {election.id}"
    if decision.commission_id not in {c.id for c in commissions.path(decision.precinct_id)}:
        return (
            "commission_id",
            f"{decision.commission_id} is not above {decision.precinct_id}: it cannot decide on it",
        )
    form = decision.corrected
    if form is not None:
        if form.precinct_id != decision.precinct_id:
            return "corrected.precinct_id", f"is {form.precinct_id}, not {decision.precinct_id}"
        if problem := form_problem(form, election):
            return f"corrected.{problem[0]}", problem[1]
        if form.replaces not in decision.sets_aside:
            return "corrected.replaces", "is not among what the decision sets aside"
    return None


def rank(commission_id: str, commissions: Commissions) -> int:
    """How high a commission is: 0 for a precinct's."""
    return TIERS.index(commissions.by_id[commission_id].tier)
