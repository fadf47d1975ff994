"""The made-up nation: its sums are the plan's, its packages are really signed and whole."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from election.commissions import commission_problem, load_commissions
from election.definition import check_election, load_election
from election.profile import load_profile
from firmware_sim.counting import count_records
from firmware_sim.package import to_json_bytes
from firmware_sim.trust import TrustStore
from scanner.columns import cvr_table, records_from_table
from scanner.cvr import cvr_report, validate_report
from tally.batch import verify_packages
from tally.errors import TallyError
from tally.national.columns import count_columns
from tally.simulation.ballots import precinct_table
from tally.simulation.plan import NationPlan, Papers, make_nation
from tally.simulation.report_text import ReportWriter
from tally.simulation.write import write_nation

AT = datetime(2026, 3, 20, tzinfo=UTC)
SMALL = {"precincts": 14, "ballots": 900, "regions": 2, "territories": 4, "districts": 3}


def plan(papers: Papers, seed: int = 5) -> NationPlan:
    return NationPlan(seed=seed, papers=papers, **SMALL)


@pytest.mark.parametrize("papers", ["apart", "together"])
def test_drawn_columns_are_records_and_their_report_is_the_devices(papers: Papers) -> None:
    nation = make_nation(plan(papers))
    assert int(nation.voted.sum()) == 900
    assert (nation.voted >= 1).all()
    assert (nation.registered >= nation.voted).all()
    assert commission_problem(nation.commissions, nation.election) is None
    writer = ReportWriter(nation.election)
    for number in (0, 7, 13):
        precinct = nation.precinct_ids[number]
        table = precinct_table(nation, number)
        records = records_from_table(table)
        assert cvr_table(records).to_pylist() == table.to_pylist()
        assert count_columns(nation.election, table, precinct) == count_records(
            nation.election, records, precinct
        )
        report = cvr_report(
            nation.election, records, device_id="d", created=AT, precinct_id=precinct
        )
        assert writer.write(
            table, precinct_id=precinct, device_id="d", created=AT
        ) == to_json_bytes(report)
    assert validate_report(report) == []


def test_the_same_seed_draws_the_same_votes() -> None:
    one, same = make_nation(plan("apart")), make_nation(plan("apart"))
    other = make_nation(plan("apart", seed=6))
    assert precinct_table(one, 3).equals(precinct_table(same, 3))
    assert not precinct_table(one, 3).equals(precinct_table(other, 3))


@pytest.mark.parametrize("papers", ["apart", "together"])
def test_a_written_nation_verifies_in_full(tmp_path: Path, papers: Papers) -> None:
    folder = tmp_path / "nation"
    with ThreadPoolExecutor(1) as executor:
        truth = json.loads(write_nation(plan(papers), folder, executor).read_text())
        with pytest.raises(TallyError, match="not empty"):
            write_nation(plan(papers), folder, executor)
    election = load_election(folder / "election.json")
    profile = load_profile(folder / "profile.toml")
    check_election(election, profile)
    load_commissions(folder / "commissions.json", election)
    packages = [(p.name, p.read_bytes()) for p in sorted(folder.glob("packages/*/*.zip"))]
    found = verify_packages(packages, election, profile, TrustStore.load(folder / "keys"), at=AT)
    assert [e.detail for e in found.refused] == []
    assert len(found.accepted) == 14
    votes = dict.fromkeys(truth["contests"], 0)
    for package in found.accepted:
        for contest, figures in package.totals["contests"].items():
            votes[contest] += sum(figures["votes"].values())
    assert votes == {c: sum(v.values()) for c, v in truth["contests"].items()}


@pytest.mark.parametrize(
    "wrong",
    [
        {"precincts": 0},
        {"ballots": 13},
        {"ballots": 14 * 2901},
        {"districts": 5},
        {"territories": 15},
    ],
)
def test_impossible_plans_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(TallyError):
        NationPlan(**{**SMALL, **wrong})
