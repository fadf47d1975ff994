"""The tree of election commissions: who counts, who sums up, who reports to whom.

One JSON file beside the election definition (`load_commissions`), bound to it by its hash:
precinct → territorial (district, city) → regional → central, four tiers as in SEED-06.
A precinct commission has the id of its precinct. The tree is data: fewer tiers, or more
than one kind of territorial commission, are other files, not other code; what must hold is
that every commission reports to one of a higher tier and all lead to the one central one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from election.canonical import canonical_bytes
from election.definition import MAX_DEFINITION_BYTES, parse_json
from election.errors import DefinitionError, ElectionError
from election.model import Election, Identifier, Text, _Model

FORMAT: Literal["ballotbench-commissions/1"] = "ballotbench-commissions/1"

Tier = Literal["precinct", "territorial", "regional", "central"]
#: From the polling station up.
TIERS: tuple[Tier, ...] = ("precinct", "territorial", "regional", "central")


class CommissionError(ElectionError):
    """A tree of commissions that cannot be used; `where` names the file and field."""


class Commission(_Model):
    """One commission. `parent` is the one it reports to (none for the central one);
    `members` how many it has, `quorum` how many signatures make its act valid."""

    id: Identifier
    tier: Tier
    name: Text
    parent: Identifier | None = None
    members: int = Field(default=7, ge=1, le=99)
    quorum: int = Field(default=5, ge=1, le=99)


class Commissions(_Model):
    """All commissions of one election; `election_hash` is that of its definition."""

    format: Literal["ballotbench-commissions/1"] = FORMAT
    election_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    commissions: tuple[Commission, ...] = Field(min_length=1)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form (RFC 8785), 64 hex digits: which tree this is."""
        value = self.model_dump(mode="json", exclude_none=True)
        return hashlib.sha256(canonical_bytes(value)).hexdigest()

    @cached_property
    def by_id(self) -> dict[str, Commission]:
        """Commission by id."""
        return {c.id: c for c in self.commissions}

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {c.id: [] for c in self.commissions}
        for commission in self.commissions:
            if commission.parent is not None:
                found[commission.parent].append(commission.id)
        return {parent: tuple(sorted(ids)) for parent, ids in found.items()}

    @cached_property
    def central(self) -> Commission:
        """The one without a parent."""
        return next(c for c in self.commissions if c.parent is None)

    def children(self, commission_id: str) -> tuple[str, ...]:
        """Ids of those that report to it, sorted. Raises KeyError."""
        return self._children[commission_id]

    def path(self, commission_id: str) -> tuple[Commission, ...]:
        """From a commission up to the central one, itself first. Raises KeyError."""
        found = [self.by_id[commission_id]]
        while found[-1].parent is not None:
            found.append(self.by_id[found[-1].parent])
        return tuple(found)

    def above(self, commission_id: str, tier: Tier) -> str | None:
        """The id of the commission of `tier` that it lies under (or is), None if none."""
        return next((c.id for c in self.path(commission_id) if c.tier == tier), None)

    def precincts_under(self, commission_id: str) -> tuple[str, ...]:
        """Ids of all precinct commissions below one (or itself), sorted. Raises KeyError."""
        return tuple(sorted(c.id for c in self._below(commission_id) if c.tier == "precinct"))

    def of_tier(self, tier: Tier) -> tuple[Commission, ...]:
        """All of one tier, by id."""
        return tuple(sorted((c for c in self.commissions if c.tier == tier), key=lambda c: c.id))

    def _below(self, commission_id: str) -> Iterator[Commission]:
        waiting = [commission_id]
        while waiting:
            here = waiting.pop()
            yield self.by_id[here]
            waiting.extend(self._children[here])


def load_commissions(path: str | Path, election: Election) -> Commissions:
    """Load a tree and check it against itself and the definition.

    Raises:
        CommissionError: names the file, the field, what is wrong and what to do.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_DEFINITION_BYTES + 1)
    except OSError as error:
        raise CommissionError(
            f"cannot be read: {error.strerror or error}",
            where=str(file),
            advice="Give the path of a file of commissions (JSON)",
        ) from error
    try:
        value = parse_json(data, str(file))
    except DefinitionError as error:
        raise CommissionError(error.what, where=error.where, advice=error.advice) from error
    try:
        tree = Commissions.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise CommissionError(first["msg"], where=f"{file}: {field}") from error
    problem = commission_problem(tree, election)
    if problem is not None:
        raise CommissionError(problem[1], where=f"{file}: {problem[0]}")
    return tree


def commission_problem(tree: Commissions, election: Election) -> tuple[str, str] | None:
    """The first thing wrong with a tree: (field, what); None if it holds."""
    if tree.election_hash != election.hash:
        return "election_hash", f"is of another definition than {election.id}"
    rank = {tier: place for place, tier in enumerate(TIERS)}
    ids: set[str] = set()
    for place, commission in enumerate(tree.commissions):
        if commission.id in ids:
            return f"commissions.{place}.id", f"{commission.id} is there twice"
        ids.add(commission.id)
        if commission.quorum > commission.members:
            return (
                f"commissions.{place}.quorum",
                f"{commission.quorum} is more than its {commission.members} members",
            )
    for place, commission in enumerate(tree.commissions):
        field = f"commissions.{place}.parent"
        if commission.parent is None:
            if commission.tier != "central":
                return field, f"{commission.id} reports to nobody, but is {commission.tier}"
            continue
        if commission.parent not in ids:
            return field, f"{commission.parent} is no commission of this file"
        # A strictly higher tier at every step: so there is no circle either.
        if rank[tree.by_id[commission.parent].tier] <= rank[commission.tier]:
            return field, f"{commission.parent} is not of a higher tier than {commission.id}"
    tops = [c.id for c in tree.commissions if c.tier == "central"]
    if len(tops) != 1:
        return "commissions", f"there must be one central commission, not {len(tops)}"
    precincts = {c.id for c in tree.commissions if c.tier == "precinct"}
    known = {p.id for p in election.precincts}
    if lacking := sorted(known - precincts):
        return "commissions", f"precinct {lacking[0]} has no commission ({len(lacking)} in all)"
    if foreign := sorted(precincts - known):
        return "commissions", f"{foreign[0]} is no precinct of the election"
    return None


def flat_commissions(election: Election, *, members: int = 7, quorum: int = 5) -> Commissions:
    """All precincts right under the central commission: where no tree is given."""
    top = Commission(
        id="CEC", tier="central", name={"en": "Central commission"}, members=members, quorum=quorum
    )
    below = (
        Commission(
            id=p.id, tier="precinct", name=p.name, parent=top.id, members=members, quorum=quorum
        )
        for p in election.precincts
    )
    return Commissions(election_hash=election.hash, commissions=(top, *below))
