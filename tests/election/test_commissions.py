"""The tree of commissions (SEED-06): found wrong by name, walked up and down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from election.commissions import (
    CommissionError,
    Commissions,
    flat_commissions,
    load_commissions,
)
from election.definition import load_election
from election.model import Election

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def election() -> Election:
    return load_election(ROOT / "examples" / "kz-majilis" / "election.json")


def tree(election: Election) -> dict[str, Any]:
    def row(name: str, tier: str, parent: str | None) -> dict[str, Any]:
        return {"id": name, "tier": tier, "parent": parent, "name": {"en": name}}

    return {
        "format": "ballotbench-commissions/1",
        "election_hash": election.hash,
        "commissions": [
            row("CEC", "central", None),
            row("R-1", "regional", "CEC"),
            row("T-1", "territorial", "R-1"),
            row("T-2", "territorial", "R-1"),
            row("P-101", "precinct", "T-1"),
            row("P-102", "precinct", "T-1"),
            row("P-201", "precinct", "T-2"),
        ],
    }


def load(tmp_path: Path, value: Any, election: Election) -> Commissions:
    path = tmp_path / "commissions.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return load_commissions(path, election)


def test_ways_up_and_down(tmp_path: Path, election: Election) -> None:
    found = load(tmp_path, tree(election), election)
    assert [c.id for c in found.path("P-201")] == ["P-201", "T-2", "R-1", "CEC"]
    assert found.children("R-1") == ("T-1", "T-2")
    assert found.precincts_under("T-1") == ("P-101", "P-102")
    assert found.precincts_under("CEC") == ("P-101", "P-102", "P-201")
    assert found.above("P-101", "regional") == "R-1"
    assert found.above("R-1", "territorial") is None
    assert found.central.id == "CEC"


def test_without_a_tree_all_precincts_report_to_one(election: Election) -> None:
    found = flat_commissions(election)
    assert found.precincts_under(found.central.id) == ("P-101", "P-102", "P-201")


@pytest.mark.parametrize(
    ("place", "change", "words"),
    [
        (4, {"parent": "T-9"}, "commissions.4.parent: T-9 is no commission"),
        (4, {"id": "P-102"}, "commissions.5.id: P-102 is there twice"),
        (2, {"parent": "T-2"}, "commissions.2.parent: T-2 is not of a higher tier"),
        (1, {"parent": None}, "commissions.1.parent: R-1 reports to nobody"),
        (6, {"id": "P-999"}, "precinct P-201 has no commission"),
        (1, {"quorum": 9}, "commissions.1.quorum: 9 is more than its 7 members"),
        (1, {"tier": "king"}, "commissions.1.tier"),
    ],
)
def test_a_wrong_tree_is_refused_by_field(
    tmp_path: Path, election: Election, place: int, change: dict[str, Any], words: str
) -> None:
    value = tree(election)
    value["commissions"][place].update(change)
    with pytest.raises(CommissionError) as caught:
        load(tmp_path, value, election)
    assert words in str(caught.value)


def test_a_tree_of_another_definition_is_refused(tmp_path: Path, election: Election) -> None:
    with pytest.raises(CommissionError, match="election_hash: is of another definition"):
        load(tmp_path, {**tree(election), "election_hash": "0" * 64}, election)


def test_broken_files_are_refused(tmp_path: Path, election: Election) -> None:
    with pytest.raises(CommissionError, match="cannot be read"):
        load_commissions(tmp_path / "none.json", election)
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(CommissionError, match="is not JSON"):
        load_commissions(tmp_path / "bad.json", election)
