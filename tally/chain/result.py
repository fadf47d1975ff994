"""The national result from protocols and decisions: the same store as from packages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from election.figures import PAPER_FIGURES
from firmware_sim.eventlog import utc_text
from tally.chain.figures import CONTEST_NAMES, ProtocolFigures
from tally.chain.making import Holdings
from tally.chain.received import Refusal, Rules
from tally.chain.settle import Standing
from tally.chain.work import CHUNK, ChainPlace, chain_rules, check_files
from tally.lots import Lot
from tally.national.store import NationalResult, PrecinctStatus
from tally.totals import ElectionTotals, empty_contest, outcome


@dataclass(frozen=True, slots=True)
class ProtocolCount:
    """The result, every file that is not used, and what a person must see."""

    result: NationalResult
    refused: tuple[Refusal, ...]
    findings: tuple[str, ...]


def count_protocols(
    where: ChainPlace,
    files: Iterable[tuple[str, str]],
    executor: Executor,
    *,
    lot: Lot | None = None,
    chunk: int = CHUNK,
    ahead: int = 8,
    progress: Callable[[int], None] = lambda done: None,
) -> ProtocolCount:
    """Count a nation from signed protocols and decisions alone: (name, path) each.

    Whatever the order, the chunks and the workers, and however often a file is given: the
    same result, byte for byte.
    """
    names: dict[str, str] = {}
    verdicts: dict[str, Any] = {}
    unread: list[Refusal] = []
    for one in check_files(where, files, executor, chunk=chunk, ahead=ahead, progress=progress):
        if not one.sha256:
            if isinstance(one.verdict, Refusal):
                unread.append(one.verdict)
            continue
        if not verdicts:
            chain_rules(where)  # loaded here while the workers are busy
        names[one.sha256] = min(one.name, names.get(one.sha256, one.name))
        verdicts[one.sha256] = one.verdict
    holdings = Holdings.of(verdicts.items())
    rules = chain_rules(where)
    result = national_result(holdings, rules, names, source="protocols", lot=lot)
    refused = [
        Refusal(names[sha256], sha256, verdict.reason, verdict.detail, verdict.of)
        for sha256, verdict in holdings.files.items()
        if isinstance(verdict, Refusal)
    ]
    refused += unread
    findings = [
        f"{claim.of} signed two different {claim.kind}s of number {claim.number}: "
        f"{names[first]} and {names[second]}"
        for claim, first, _, second in holdings.contradictions()
    ]
    return ProtocolCount(
        result, tuple(sorted(refused, key=lambda r: (r.name, r.sha256))), tuple(findings)
    )


def national_result(
    holdings: Holdings,
    rules: Rules,
    names: Mapping[str, str],
    *,
    source: Literal["protocols", "chain"],
    lot: Lot | None = None,
) -> NationalResult:
    """Sums, outcome, control ratios and tables by these files; `names` gives the file's name
    by SHA-256 (its SHA-256 where there is none)."""
    election, profile = rules.election, rules.profile
    standings = [holdings.standing(p.id, rules.commissions) for p in election.precincts]
    counted = [s.counted for s in standings if s.counted is not None]
    contests = {c.id: empty_contest(c) for c in election.contests}
    for one in counted:
        for contest, row in one.contests.items():
            into = contests[contest]
            for name, figure in zip(CONTEST_NAMES, row, strict=True):
                into[name] += figure or 0  # type: ignore[literal-required]
            votes = into["votes"]
            for option, number in one.votes[contest].items():
                votes[option] += number
    missing = tuple(sorted(s.precinct_id for s in standings if s.counted is None))
    elected = outcome(ElectionTotals(contests, {}, {}, {}, missing), election, profile, lot=lot)
    status = Counter(s.status.value for s in standings)
    controls = {
        ratio.id: dict.fromkeys(("holds", "breached", "not_evaluable"), 0)
        for ratio in profile.control_ratios
    }
    for one in counted:
        for ratio_id, numbers in one.ratios.items():
            for word, number in zip(("holds", "breached", "not_evaluable"), numbers, strict=True):
                controls[ratio_id][word] += number
    document = {
        "election_id": election.id,
        "election_hash": election.hash,
        "profile_id": profile.id,
        "profile_hash": rules.profile_hash,
        "source": source,
        "as_of": utc_text(rules.at),
        "precincts": {
            "expected": len(election.precincts),
            **{word.value: status[word.value] for word in PrecinctStatus},
        },
        "contests": contests,
        "outcome": elected.as_json(),
        "controls": controls,
    }
    tables = {
        "precincts": pa.Table.from_pylist([_precinct(s, rules, names) for s in standings]),
        "votes": _votes(counted),
        "contests": _contests(counted),
        "papers": _papers(counted),
        "breaches": pa.Table.from_pylist(
            [
                {
                    "precinct_id": one.precinct_id,
                    "style_id": breach.of,
                    "ratio_id": breach.ratio,
                    "formula": breach.formula,
                    "detail": breach.detail,
                    "left": breach.left,
                    "right": breach.right,
                }
                for one in counted
                for breach in one.breaches
            ]
        ),
    }
    return NationalResult(document, {name: t for name, t in tables.items() if len(t)})


def _precinct(standing: Standing, rules: Rules, names: Mapping[str, str]) -> dict[str, Any]:
    tree, precinct = rules.commissions, rules.election.precinct(standing.precinct_id)
    row: dict[str, Any] = {
        "precinct_id": precinct.id,
        "registered": precinct.registered_voters,
        "territorial_id": tree.above(precinct.id, "territorial"),
        "regional_id": tree.above(precinct.id, "regional"),
        "status": standing.status.value,
        "reason": standing.reason,
        "decisions": len(standing.decisions),
    }
    one = standing.counted
    if one is not None:
        row |= {
            "source": names.get(one.sha256, one.sha256),
            "source_sha256": one.sha256,
            "device_id": one.device_id,
            "created": one.drawn_up,
            "version": one.version,
        }
    return row


def _votes(counted: Sequence[ProtocolFigures]) -> pa.Table:
    rows = [
        (one.precinct_id, contest, option, number)
        for one in counted
        for contest, votes in one.votes.items()
        for option, number in votes.items()
    ]
    return _columns(("precinct_id", "contest_id", "option_id", "votes"), rows)


def _contests(counted: Sequence[ProtocolFigures]) -> pa.Table:
    rows = [
        (one.precinct_id, contest, *row) for one in counted for contest, row in one.contests.items()
    ]
    return _columns(("precinct_id", "contest_id", *CONTEST_NAMES), rows)


def _papers(counted: Sequence[ProtocolFigures]) -> pa.Table:
    rows = [(one.precinct_id, style, *row) for one in counted for style, row in one.papers.items()]
    return _columns(("precinct_id", "style_id", *PAPER_FIGURES), rows)


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table(
        {
            name: pa.array(column, pa.string() if name.endswith("_id") else pa.int64())
            for name, column in zip(names, columns, strict=True)
        }
    )
