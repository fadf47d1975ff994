"""Making a tier's table from files: the pure function that anyone can repeat.

    files ─check each─▶ protocols, decisions ─settle each precinct─▶ standings ─add up─▶ table

Integers only; figures that nobody established are counted as unknown, never as zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from election.commissions import Commissions
from election.figures import PAPER_FIGURES
from election.model import Election
from tally.chain.figures import CONTEST_NAMES, ProtocolFigures
from tally.chain.received import (
    Claim,
    DecisionReceived,
    EquivocationReceived,
    Received,
    Refusal,
    Rules,
    TableReceived,
    claim_of,
)
from tally.chain.settle import Standing, settle
from tally.chain.table import ChildRow, ContestSums, PaperSums, PrecinctRow, TierTable
from tally.national.store import PrecinctStatus


@dataclass(frozen=True, slots=True)
class Holdings:
    """All that came, checked: files by kind, and what contradicts what.

    `files` maps SHA-256 to the verdict on that file.
    """

    files: Mapping[str, Received | Refusal]
    protocols: Mapping[str, tuple[ProtocolFigures, ...]] = field(default_factory=dict)
    decisions: Mapping[str, tuple[DecisionReceived, ...]] = field(default_factory=dict)
    refusals: Mapping[str, tuple[Refusal, ...]] = field(default_factory=dict)
    tables: tuple[TableReceived, ...] = ()
    proofs: tuple[EquivocationReceived, ...] = ()

    @classmethod
    def of(cls, checked: Iterable[tuple[str, Received | Refusal]]) -> Holdings:
        """Sort out checked files: (SHA-256, verdict) each, in any order."""
        files = dict(sorted(checked))
        protocols: dict[str, list[ProtocolFigures]] = {}
        decisions: dict[str, list[DecisionReceived]] = {}
        refusals: dict[str, list[Refusal]] = {}
        tables: list[TableReceived] = []
        proofs: list[EquivocationReceived] = []
        for verdict in files.values():
            if isinstance(verdict, ProtocolFigures):
                protocols.setdefault(verdict.precinct_id, []).append(verdict)
            elif isinstance(verdict, DecisionReceived):
                decisions.setdefault(verdict.decision.precinct_id, []).append(verdict)
            elif isinstance(verdict, TableReceived):
                tables.append(verdict)
            elif isinstance(verdict, EquivocationReceived):
                proofs.append(verdict)
            elif verdict.of is not None:
                refusals.setdefault(verdict.of, []).append(verdict)
        return cls(
            files,
            {name: tuple(found) for name, found in protocols.items()},
            {name: tuple(found) for name, found in decisions.items()},
            {name: tuple(found) for name, found in refusals.items()},
            tuple(sorted(tables, key=lambda t: (t.table.commission_id, t.table.number, t.digest))),
            tuple(sorted(proofs, key=lambda p: (p.of, p.kind, p.number, p.sha256))),
        )

    def contradictions(self) -> list[tuple[Claim, str, Claim, str]]:
        """Signed files that cannot both be true: (claim, SHA-256) twice, sorted. Each claim
        of a kind, owner and number is paired with the first one."""
        claims: dict[tuple[str, str, int], dict[str, tuple[Claim, str]]] = {}
        for sha256, verdict in self.files.items():
            if isinstance(verdict, Refusal | EquivocationReceived):
                continue
            claim = claim_of(verdict)
            same = claims.setdefault((claim.kind, claim.of, claim.number), {})
            same.setdefault(claim.digest, (claim, sha256))
        found = []
        for key in sorted(claims):
            by_digest = claims[key]
            if len(by_digest) > 1:
                first, *others = (by_digest[digest] for digest in sorted(by_digest))
                found += [(*first, *other) for other in others]
        return found

    def standing(self, precinct_id: str, commissions: Commissions) -> Standing:
        """How a precinct stands by these files."""
        return settle(
            precinct_id,
            self.protocols.get(precinct_id, ()),
            self.decisions.get(precinct_id, ()),
            self.refusals.get(precinct_id, ()),
            commissions,
        )

    def only(self, digests: Iterable[str]) -> Holdings:
        """These files alone; those that are not here are left out."""
        return Holdings.of((d, self.files[d]) for d in set(digests) if d in self.files)


def make_table(
    holdings: Holdings, commission_id: str, rules: Rules, *, number: int, made: str
) -> TierTable:
    """The table of a commission by all files in hand."""
    commissions, election = rules.commissions, rules.election
    standings = {
        precinct: holdings.standing(precinct, commissions)
        for precinct in commissions.precincts_under(commission_id)
    }
    counted = [s.counted for s in standings.values() if s.counted is not None]
    breaches: Counter[str] = Counter()
    for one in counted:
        breaches.update({ratio: broken for ratio, (_, broken, _) in one.ratios.items() if broken})
    children = []
    for child in commissions.children(commission_id):
        mine = [standings[p] for p in commissions.precincts_under(child)]
        children.append(
            ChildRow(
                id=child,
                precincts=_statuses(mine),
                contests=contest_sums([s.counted for s in mine if s.counted], election),
            )
        )
    return TierTable(
        election_hash=election.hash,
        profile_hash=rules.profile_hash,
        commissions_hash=rules.commissions_hash,
        commission_id=commission_id,
        tier=commissions.by_id[commission_id].tier,
        number=number,
        made=made,
        statuses=_statuses(standings.values()),
        precincts=tuple(_row(standings[precinct]) for precinct in sorted(standings)),
        children=tuple(children),
        contests=contest_sums(counted, election),
        papers=paper_sums(counted),
        breaches=dict(sorted(breaches.items())),
        files=tuple(
            sorted(
                sha256
                for sha256, verdict in holdings.files.items()
                # Proofs follow from the other files: which copies they hold is chance.
                if not isinstance(verdict, EquivocationReceived)
            )
        ),
    )


def _row(standing: Standing) -> PrecinctRow:
    return PrecinctRow(
        id=standing.precinct_id,
        status=standing.status.value,
        protocol=None if standing.counted is None else standing.counted.digest,
        protocols=standing.protocols,
        decisions=standing.decisions,
        void=standing.void,
        reason=standing.reason,
    )


def _statuses(standings: Iterable[Standing]) -> dict[str, int]:
    found = Counter(standing.status.value for standing in standings)
    return {status.value: found[status.value] for status in PrecinctStatus}


def contest_sums(counted: Sequence[ProtocolFigures], election: Election) -> dict[str, ContestSums]:
    """Sums by contest of the protocols that have it; no contest that none has."""
    votes: dict[str, Counter[str]] = {}
    sums: dict[str, Counter[str]] = {}
    unknown: dict[str, Counter[str]] = {}
    for one in counted:
        for contest, row in one.contests.items():
            given = votes.setdefault(contest, Counter())
            for option, number in one.votes[contest].items():
                given[option] += number
            mine, lacks = (
                sums.setdefault(contest, Counter()),
                unknown.setdefault(contest, Counter()),
            )
            for name, figure in zip(CONTEST_NAMES, row, strict=True):
                if figure is None:
                    lacks[name] += 1
                else:
                    mine[name] += figure
    return {
        contest: ContestSums(
            **{name: sums[contest][name] for name in CONTEST_NAMES},
            unknown=dict(sorted(unknown[contest].items())),
            votes={o: votes[contest][o] for o in election.contest(contest).option_ids()},
        )
        for contest in sorted(votes)
    }


def paper_sums(counted: Sequence[ProtocolFigures]) -> dict[str, PaperSums]:
    """Sums by kind of paper of the figures that are known."""
    sums: dict[str, Counter[str]] = {}
    unknown: dict[str, Counter[str]] = {}
    for one in counted:
        for style, row in one.papers.items():
            mine, lacks = sums.setdefault(style, Counter()), unknown.setdefault(style, Counter())
            for name, figure in zip(PAPER_FIGURES, row, strict=True):
                if figure is None:
                    lacks[name] += 1
                else:
                    mine[name] += figure
    return {
        style: PaperSums(
            figures={name: mine[name] for name in PAPER_FIGURES if name in mine},
            unknown=dict(sorted(unknown[style].items())),
        )
        for style, mine in sorted(sums.items())
    }
