"""The table of a tier: what a commission sums up, signs and sends on (SEED-16, SEED-17).

It is a pure function of the files that it lists, so anyone who has them makes the same bytes
(`tally.chain.making`). It holds no figure of its own: sums by child and in all, and for each
precinct what counts, what else came, and why something does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from election.commissions import Commissions, Tier
from election.model import Election, Identifier
from tally.chain.act import ActDocument
from tally.protocol.form import Digest, Moment

TABLE_FORMAT: Literal["ballotbench-tier-table/1"] = "ballotbench-tier-table/1"

#: Sums of a nation: 12,000,000 voters, some contests.
Sum = Annotated[int, Field(strict=True, ge=0, le=10**12)]
Status = Literal["counted", "missing", "refused", "contradictory", "excluded"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PrecinctRow(_Model):
    """A precinct: `protocol` is the digest of what counts; `protocols`, `decisions` and `void`
    all that came, in force or not."""

    id: Identifier
    status: Status
    protocol: Digest | None = None
    protocols: tuple[Digest, ...] = ()
    decisions: tuple[Digest, ...] = ()
    void: tuple[Digest, ...] = ()
    reason: str | None = None


class ContestSums(_Model):
    """Sums of one contest; `unknown` is in how many counted protocols a figure is not stated."""

    ballots: Sum = 0
    overvotes: Sum = 0
    undervotes: Sum = 0
    blank: Sum = 0
    invalid: Sum = 0
    needs_review: Sum = 0
    unknown: dict[str, Sum] = Field(default_factory=dict)
    votes: dict[Identifier, Sum]


class PaperSums(_Model):
    """Sums of one kind of paper, by figure; `unknown` as in `ContestSums`."""

    figures: dict[str, Sum]
    unknown: dict[str, Sum] = Field(default_factory=dict)


class ChildRow(_Model):
    """One commission right below: how its precincts stand, and their votes."""

    id: Identifier
    precincts: dict[Status, Sum]
    contests: dict[Identifier, ContestSums]


class TierTable(ActDocument):
    """The table number `number` of a commission, as of `made`; see the module.

    `files` are the SHA-256 of all that it was made from and that goes on with it, tables of
    lower commissions and refused files too (not proofs of equivocation: they follow from it).
    """

    format: Literal["ballotbench-tier-table/1"] = TABLE_FORMAT
    election_hash: Digest
    profile_hash: Digest
    commissions_hash: Digest
    commission_id: Identifier
    tier: Tier
    number: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    made: Moment
    statuses: dict[Status, Sum]
    precincts: tuple[PrecinctRow, ...]
    children: tuple[ChildRow, ...]
    contests: dict[Identifier, ContestSums]
    papers: dict[Identifier, PaperSums]
    breaches: dict[Identifier, Sum]
    files: tuple[Digest, ...]

    @property
    def name(self) -> str:
        """For people."""
        return f"table {self.number} of {self.commission_id}"


def table_problem(
    table: TierTable,
    election: Election,
    profile_hash: str,
    commissions: Commissions,
    commissions_hash: str,
) -> tuple[str, str] | None:
    """The first way in which a table is not of this election: (field, what)."""
    if table.election_hash != election.hash:
        return "election_hash", f"is of another election definition than {election.id}"
    if table.profile_hash != profile_hash:
        return "profile_hash", "was made by another profile"
    if table.commissions_hash != commissions_hash:
        return "commissions_hash", "was made by another tree of commissions"
    commission = commissions.by_id.get(table.commission_id)
    if commission is None:
        return "commission_id", f"{table.commission_id} is no commission of this election"
    if commission.tier == "precinct":
        return "commission_id", f"{table.commission_id} is a precinct: it has a protocol, no table"
    if commission.tier != table.tier:
        return "tier", f"{table.commission_id} is {commission.tier}, not {table.tier}"
    return None


def differences(signed: TierTable, made: TierTable) -> list[tuple[str, str, str]]:
    """Where a signed table is not what its files give: (field, signed, made anew), in order.

    Fields name the precinct, child or contest: `contests.list.votes.a`.
    """
    one, other = dict(_leaves(_named(signed))), dict(_leaves(_named(made)))
    return [
        (field, _shown(one.get(field)), _shown(other.get(field)))
        for field in sorted({*one, *other})
        if one.get(field) != other.get(field)
    ]


def _named(table: TierTable) -> dict[str, Any]:
    value = table.model_dump(mode="json", exclude_none=True)
    for name in ("precincts", "children"):
        value[name] = {row["id"]: row for row in value[name]}
    value["files"] = dict.fromkeys(value["files"], "listed")
    return value


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}" if path else name)
    else:
        yield path, value


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)[:80]
