"""The largest definition that is promised: 5,000 ballot styles, 1,000 contests of 100 options,
votes for up to 50, 10,500 precincts; loaded, counted, published."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from election.definition import load_election
from election.model import Election
from election.profile import load_profile
from firmware_sim.counting import empty_totals
from tally.national.store import NationalResult, PrecinctStatus, read_store, write_store
from tally.publish import site
from tally.publish.site import SitePlace, publish_site
from tally.totals import add_totals, outcome

STYLES, CONTESTS, OPTIONS, PRECINCTS, MOST = 5000, 1000, 100, 10_500, 50


def contests_of(style: int) -> list[int]:
    return [(style + 7 * step) % CONTESTS for step in range(3)]


def definition() -> dict[str, Any]:
    return {
        "format": "ballotbench-election/1",
        "id": "large",
        "title": {"en": "Large election"},
        "date": "2026-03-19",
        "profile": "us-general",
        "languages": ["en"],
        "districts": [{"id": f"D-{d}", "name": {"en": f"District {d}"}} for d in range(CONTESTS)],
        "contests": [
            {
                "id": f"C-{c}",
                "title": {"en": f"Council {c}"},
                "district": f"D-{c}",
                "kind": "candidate",
                "votes_allowed": MOST if c % 10 == 0 else 1,
                "seats": MOST if c % 10 == 0 else 1,
                "options": [
                    {"id": f"o{o}", "name": {"en": f"Candidate {o}"}, "registration_order": o + 1}
                    for o in range(OPTIONS)
                ],
            }
            for c in range(CONTESTS)
        ],
        "precincts": [
            {
                "id": f"P-{p}",
                "name": {"en": f"Precinct {p}"},
                "districts": [f"D-{c}" for c in contests_of(p % STYLES)],
                "registered_voters": 900,
            }
            for p in range(PRECINCTS)
        ],
        "ballot_styles": [
            {
                "id": f"S-{s}",
                "contests": [f"C-{c}" for c in contests_of(s)],
                "precincts": [f"P-{p}" for p in range(s, PRECINCTS, STYLES)],
            }
            for s in range(STYLES)
        ],
    }


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Election]:
    path = tmp_path_factory.mktemp("large") / "election.json"
    path.write_text(json.dumps(definition()), encoding="utf-8")
    return path, load_election(path)


def totals_of(election: Election, precinct: str, sheets: int) -> Any:
    """`sheets` sheets, each with the first `votes_allowed` options of every contest."""
    found = empty_totals(election, precinct)
    found["sheets"] = sheets
    for row in found["styles"].values():
        row["sheets"] = row["valid"] = sheets
    for contest, row in found["contests"].items():
        row["ballots"] = sheets
        for option in election.contest(contest).option_ids()[: election.contest(contest).seats]:
            row["votes"][option] = sheets
    return found


def test_it_is_counted_and_published(large: tuple[Path, Election], tmp_path: Path) -> None:
    path, election = large
    assert len(election.precincts) == PRECINCTS
    assert len(election.precinct_styles("P-10499")) == 1
    # Every precinct of the ten-yearly contest 0, and the last one of all.
    mine = [p.id for p in election.precincts if "D-0" in p.districts] + ["P-10499"]
    given = [totals_of(election, precinct, 3) for precinct in mine]
    summed = add_totals(given, election)
    elected = outcome(summed, election, load_profile("us-general"))
    assert set(elected.winners["C-0"].elected) == {f"o{o}" for o in range(MOST)}
    assert summed.contests["C-0"]["votes"]["o49"] == 3 * (len(mine) - 1)
    assert len(summed.missing) == PRECINCTS - len(mine)
    counts = dict.fromkeys((word.value for word in PrecinctStatus), 0)
    counts |= {"counted": len(mine), "missing": PRECINCTS - len(mine)}
    document = {
        "election_id": election.id,
        "election_hash": election.hash,
        "profile_id": "us-general",
        "profile_hash": "0" * 64,
        "source": "packages",
        "as_of": datetime(2026, 3, 20, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "precincts": {"expected": PRECINCTS, **counts},
        "contests": summed.contests,
        "outcome": elected.as_json(),
        "controls": {},
    }
    figures = ("ballots", "overvotes", "undervotes", "blank", "invalid", "needs_review")
    tables = {
        "precincts": [
            {
                "precinct_id": p.id,
                "status": "counted" if p.id in mine else "missing",
                "registered": p.registered_voters,
            }
            for p in election.precincts
        ],
        "votes": [
            {"precinct_id": t["precinct_id"], "contest_id": c, "option_id": o, "votes": n}
            for t in given
            for c, row in t["contests"].items()
            for o, n in row["votes"].items()
        ],
        "contests": [
            {"precinct_id": t["precinct_id"], "contest_id": c, **{f: row[f] for f in figures}}
            for t in given
            for c, row in t["contests"].items()
        ],
    }
    columns = {name: pa.Table.from_pylist(rows) for name, rows in tables.items()}
    write_store(tmp_path / "store", NationalResult(document, columns))
    assert len(read_store(tmp_path / "store").tables["precincts"]) == PRECINCTS
    place = SitePlace(str(tmp_path / "store"), str(path))
    # The precincts' pages are those of any nation: here one language of what grows with the
    # definition.
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as executor:
        patch.setattr(site, "write_precincts", lambda *args: args[-1] - args[-2])
        patch.setattr(site, "LANGUAGES", ("en",))
        publish_site(place, tmp_path / "site", executor)
    pages = list((tmp_path / "site").rglob("*.html"))
    assert max(page.stat().st_size for page in pages) < 200_000
    text = (tmp_path / "site" / "en" / "contest" / "C-0.html").read_text(encoding="utf-8")
    assert text.count('<strong class="tag">Elected</strong>') == MOST
    assert len(list((tmp_path / "site" / "en" / "contest").glob("C-*.html"))) >= CONTESTS
