"""Electronic against paper: every planted difference is named (NVT-08, NVT-09, NVT-10, SEED-11)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from election.profile import Profile, load_profile
from firmware_sim.package import to_json_bytes
from tally.batch import verify_packages
from tally.paper import read_paper_count
from tally.reconciliation import DifferenceClass, Reconciliation, reconcile
from tests.tally.world import NOW, World, paper_rows

VOTES: dict[str, dict[str, dict[str, int]]] = {
    "p-1": {"list": {"a": 60, "b": 40, "c": 20, "against-all": 5}, "smd": {"a": 50, "b": 70}},
    "p-2": {"list": {"a": 10, "b": 90, "c": 0}, "smd": {"a": 50, "b": 49}},
    "p-3": {"list": {"a": 30, "b": 30, "c": 30}},
}


class Night:
    """Verified packages of VOTES, with chosen sheets set aside in p-1."""

    def __init__(self, directory: Path, review: int = 0, **package: Any) -> None:
        self.world = World(directory)
        files = [
            (f"{p}.zip", self.world.package(p, v, review=review if p == "p-1" else 0, **package))
            for p, v in VOTES.items()
        ]
        self.packages = verify_packages(
            files, self.world.election, self.world.profile, self.world.trust(), at=NOW
        )
        assert not self.packages.refused

    def against(self, paper: dict[str, Any], profile: Profile | None = None) -> Reconciliation:
        rows = paper_rows(paper, self.world.election)
        return reconcile(
            {p.precinct_id: p.totals for p in self.packages.accepted},
            read_paper_count(rows, "count.csv", self.world.election),
            {p.precinct_id: p.protocol for p in self.packages.accepted},
            self.world.election,
            profile or self.world.profile,
        )


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night(tmp_path_factory.mktemp("doubtful"), review=4)


def changed(precinct: str, contest: str, **votes: int) -> dict[str, Any]:
    copy = {p: {c: dict(v) for c, v in contests.items()} for p, contests in VOTES.items()}
    for option, number in votes.items():
        copy[precinct][contest][option] = number
    return copy


def test_equal_counts_leave_no_finding(night: Night) -> None:
    result = night.against(VOTES)
    assert result.findings == ()
    assert {c.kind for c in result.comparisons} == {DifferenceClass.EQUAL}
    assert result.compared == ("p-1", "p-2", "p-3")


@given(st.sampled_from([(p, c) for p in VOTES for c in VOTES[p]]), st.integers(-10, 40))
def test_a_planted_difference_is_named(night: Night, place: tuple[str, str], size: int) -> None:
    precinct, contest = place
    number = VOTES[precinct][contest]["a"] + size
    result = night.against(changed(precinct, contest, a=number))
    named = [f for f in result.findings if f.kind == "difference"]
    if size == 0:
        assert named == []
        return
    assert [(f.precinct, f.contest, f.option, f.size) for f in named] == [
        (precinct, contest, "a", abs(size))
    ]
    for word in (precinct, contest, "option a", f"{abs(size)} vote"):
        assert word in named[0].sentence
    assert result.differences()[0].difference == -size


def test_sizes_and_classes_follow_the_stated_rate(night: Night) -> None:
    slip = night.against(changed("p-1", "list", a=59)).differences()[0]
    assert slip.kind is DifferenceClass.HUMAN_ERROR  # one slip in 125 at 1000 ppm: 11.8 %
    assert slip.probability is not None
    assert slip.probability.words() == "11.76 %"
    assert "recorded" in slip.consequence
    planted = night.against(changed("p-1", "list", a=57)).differences()[0]
    assert planted.kind is DifferenceClass.UNEXPLAINED
    assert "recount" in planted.consequence


def test_silence_of_the_law_is_a_finding_once_it_is_asked(night: Night) -> None:
    result = night.against(changed("p-1", "list", a=57))
    silent = [f for f in result.findings if f.kind == "profile_silent"]
    assert any("NVT-10" in f.sources for f in silent)
    assert any("NVT-09" in f.sources for f in silent)
    told = night.against(changed("p-1", "list", a=57), load_profile("us-general"))
    assert not [f for f in told.findings if f.kind == "profile_silent"]


def test_sheets_set_aside_explain_only_what_they_can(doubtful: Night) -> None:
    fits = doubtful.against(changed("p-1", "list", a=62, b=41, invalid=1))
    assert {c.kind for c in fits.differences()} == {DifferenceClass.EXPLAINED_BY_REVIEW}
    assert fits.findings == ()
    assert "explained by sheets set aside" in fits.notes[0]
    too_many = doubtful.against(changed("p-1", "list", a=65))
    assert too_many.differences()[0].kind is DifferenceClass.UNEXPLAINED
    fewer = doubtful.against(changed("p-1", "list", a=56))
    assert fewer.differences()[0].kind is DifferenceClass.UNEXPLAINED
    elsewhere = doubtful.against(changed("p-2", "list", a=12))
    assert elsewhere.differences()[0].kind is DifferenceClass.UNEXPLAINED


def test_a_hand_count_that_contradicts_itself(night: Night) -> None:
    result = night.against(changed("p-3", "list", invalid=0, ballots=95))
    kinds = {f.kind for f in result.findings}
    assert "paper_arithmetic" in kinds
    finding = next(f for f in result.findings if f.kind == "paper_arithmetic")
    assert (finding.precinct, finding.contest, finding.size) == ("p-3", "list", 5)


def test_a_sample_of_precincts_is_lawful_and_said(night: Night) -> None:
    result = night.against({"p-2": VOTES["p-2"]})
    assert result.compared == ("p-2",)
    assert result.not_compared == ("p-1", "p-3")
    assert result.findings == ()
    assert any("p-1, p-3" in note for note in result.notes)


def test_a_precinct_counted_by_hand_without_a_package(night: Night) -> None:
    figures = {p.precinct_id: p for p in night.packages.accepted}
    count = read_paper_count(paper_rows(VOTES, night.world.election), "c", night.world.election)
    result = reconcile(
        {"p-1": figures["p-1"].totals},
        count,
        {"p-1": figures["p-1"].protocol},
        night.world.election,
        night.world.profile,
    )
    assert [f.precinct for f in result.findings] == ["p-2", "p-3"]


def _box_counter(number: int | None) -> Callable[[dict[str, bytes]], None]:
    def edit(files: dict[str, bytes]) -> None:
        protocol = json.loads(files["protocol.json"])
        assert protocol["precinct_id"] in VOTES
        counter = None if number is None else number + (protocol["precinct_id"] == "p-1")
        files["protocol.json"] = to_json_bytes({**protocol, "box_counter": counter})

    return edit


def test_the_scanners_own_count_of_the_box_is_compared(tmp_path: Path) -> None:
    """SEED-11, NVT-09: votes that agree with the hand count of a stuffed box are no proof."""
    sheets = {p.precinct_id: p.totals["sheets"] for p in Night(tmp_path / "0").packages.accepted}
    found = Night(tmp_path / "1", edit=_box_counter(sheets["p-1"])).against(VOTES).findings
    mine = [f for f in found if f.precinct == "p-1"]
    assert [(f.kind, f.severity, f.size) for f in mine] == [("box_counter", "serious", 1)]
    assert f"counted {sheets['p-1'] + 1} sheets into the box" in mine[0].sentence
    assert "1 without a record" in mine[0].sentence
    assert {f.kind for f in found} == {"box_counter"}
    assert Night(tmp_path / "2", edit=_box_counter(None)).against(VOTES).findings == ()


def test_more_in_the_box_than_issued_is_found(tmp_path: Path) -> None:
    night = Night(tmp_path, issued={"list-paper": 100})
    result = night.against(VOTES)
    broken = [f for f in result.findings if f.kind == "control_ratio"]
    assert [(f.precinct, f.size) for f in broken] == [("p-1", 25)]
    assert "in_box = 125" in broken[0].sentence
    assert "issued = 100" in broken[0].sentence
    assert broken[0].sources == ("SEED-11",)
    open_ones = [c for c in result.controls if c.status == "not_evaluable"]
    assert {c.style for c in open_ones} == {"smd-paper"}
    assert all("issued" in c.detail for c in open_ones)
