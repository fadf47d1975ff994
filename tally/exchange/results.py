"""What was counted from elsewhere, as a national result (source "import")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from election.commissions import Commissions
from election.figures import CONTEST_FIGURES as FIGURES
from election.model import Election
from election.profile import Profile
from tally.exchange.small import whole
from tally.figures import PrecinctTotals
from tally.national.store import NationalResult, PrecinctStatus
from tally.totals import add_totals, outcome

#: Status of a precinct, and why.
State = tuple[PrecinctStatus, str | None]


def result_of(
    totals: Mapping[str, PrecinctTotals],
    election: Election,
    profile: Profile,
    *,
    states: Mapping[str, State],
    sources: Mapping[str, str],
    left_out: Mapping[Any, int],
    as_of: str,
    commissions: Commissions | None = None,
    papers: pa.Table | None = None,
    registered: Mapping[str, int] | None = None,
) -> NationalResult:
    """The result of some precincts' totals.

    Args:
        totals: by precinct; only these are in the sums.
        states: of precincts of which there is more to say than counted, or missing.
        sources: the file or files of a precinct.
        left_out: findings by weight.
        papers: figures of the papers, if they are not to be those of the totals' sheets.
        registered: voters on the list, where others are given than in the definition.
    """
    sums = add_totals(totals.values(), election)
    elected = outcome(sums, election, profile)
    precincts: list[dict[str, Any]] = []
    for precinct in election.precincts:
        here = precinct.id in totals
        status, reason = states.get(
            precinct.id,
            (PrecinctStatus.COUNTED, None) if here else (PrecinctStatus.MISSING, "nothing came"),
        )
        row: dict[str, Any] = {
            "precinct_id": precinct.id,
            "registered": (registered or {}).get(precinct.id, precinct.registered_voters),
            "status": status.value,
            "reason": reason,
            "source": sources.get(precinct.id) if here else None,
        }
        if commissions is not None:
            row["territorial_id"] = commissions.above(precinct.id, "territorial")
            row["regional_id"] = commissions.above(precinct.id, "regional")
        precincts.append(row)
    number_of = Counter(row["status"] for row in precincts)
    document = {
        "election_id": election.id,
        "election_hash": election.hash,
        "profile_id": profile.id,
        "profile_hash": profile.canonical_hash(),
        "source": "import",
        "as_of": as_of,
        "precincts": {
            "expected": len(election.precincts),
            **{word.value: number_of[word.value] for word in PrecinctStatus},
        },
        "contests": sums.contests,
        "outcome": elected.as_json(),
        "controls": {},
        "import": {
            "left_out": left_out.get("record", 0),
            "files_left_out": left_out.get("file", 0),
        },
    }
    tables = {"precincts": pa.Table.from_pylist(precincts), **_tables(totals)}
    if papers is not None:
        tables["papers"] = papers
    return whole(NationalResult(document, tables))


def _tables(totals: Mapping[str, PrecinctTotals]) -> dict[str, pa.Table]:
    contests = [
        (precinct, contest, figures)
        for precinct, one in totals.items()
        for contest, figures in one["contests"].items()
    ]
    if not contests:
        return {}
    votes = [(p, c, o, n) for p, c, f in contests for o, n in f["votes"].items()]
    papers = [(p, s, f) for p, one in totals.items() for s, f in one["styles"].items()]
    return {
        "votes": pa.table(
            {
                "precinct_id": [row[0] for row in votes],
                "contest_id": [row[1] for row in votes],
                "option_id": [row[2] for row in votes],
                "votes": [row[3] for row in votes],
            }
        ),
        "contests": pa.table(
            {
                "precinct_id": [p for p, _, _ in contests],
                "contest_id": [c for _, c, _ in contests],
                **{name: [f[name] for _, _, f in contests] for name in FIGURES},
            }
        ),
        **(
            {
                "papers": pa.table(
                    {
                        "precinct_id": [p for p, _, _ in papers],
                        "style_id": [s for _, s, _ in papers],
                        "in_box": [f["sheets"] for _, _, f in papers],
                        "valid": [f["valid"] for _, _, f in papers],
                        "invalid": [f["invalid"] for _, _, f in papers],
                        "needs_review": [f["needs_review"] for _, _, f in papers],
                    }
                )
            }
            if papers
            else {}
        ),
    }
