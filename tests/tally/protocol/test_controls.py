"""Control ratios on a form: none broken where figures agree, every breach listed (SEED-11)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.profile import load_profile
from tally.protocol.controls import breaches_of, evaluate_protocol
from tally.protocol.form import PrecinctForm
from tests.tally.protocol.commission import full_form
from tests.tally.world import make_election

ELECTION = make_election()
PROFILE = load_profile("kz-majilis")

number = st.integers(0, 5000)


@st.composite
def agreeing(draw: st.DrawFn) -> PrecinctForm:
    """A form of precinct p-3 in which people and papers were told apart without a slip."""
    votes = {option: draw(number) for option in ("a", "b", "c", "against-all")}
    grounds = {"no_mark": draw(number), "more_than_one_mark": draw(number)}
    valid, invalid = sum(votes.values()), sum(grounds.values())
    in_box = valid + invalid
    portable = draw(st.integers(0, in_box))
    absentee = draw(st.integers(0, in_box - portable))
    kept, outside_kept = draw(number), draw(number)  # papers that never went into a box
    station = in_box - portable - absentee + kept
    outside = portable + outside_kept
    issued = station + outside + absentee
    certificates = draw(number)
    spoiled, unused = draw(number), draw(number)
    paper = {
        "registered": station + outside + certificates + draw(number),
        "added_on_day": draw(number),
        "certificates_issued": certificates,
        "received": issued + spoiled + unused,
        "signatures": issued,
        "issued": issued,
        "issued_at_station": station,
        "issued_outside": outside,
        "issued_absentee": absentee,
        "spoiled": spoiled,
        "cancelled_unused": unused,
        "in_station_box": in_box - portable,
        "in_portable_box": portable,
        "in_box": in_box,
        "valid": valid,
        "invalid": invalid,
        "needs_review": 0,
        "invalid_grounds": grounds,
    }
    contest = {
        "ballots": in_box,
        "votes": votes,
        "overvotes": 0,
        "undervotes": 0,
        "blank": 0,
        "invalid": invalid,
    }
    return full_form(ELECTION, "p-3", papers={"list-paper": paper}, contests={"list": contest})


def changed(form: PrecinctForm, path: tuple[str, ...], by: int) -> PrecinctForm:
    value: Any = form.model_dump(mode="json", exclude_none=True)
    place = value
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] += by
    return PrecinctForm.model_validate(value)


@settings(deadline=None)
@given(agreeing())
def test_figures_that_agree_break_nothing(form: PrecinctForm) -> None:
    controls = evaluate_protocol(form, ELECTION, PROFILE)
    assert [c.detail for c in controls if c.status != "holds"] == []
    assert len(controls) == len(PROFILE.control_ratios)


PAPER = ("papers", "list-paper")
#: Figure → the equations of the profile in which it stands.
IN_EQUATIONS = {
    (*PAPER, "received"): {"received_all_accounted_for"},
    (*PAPER, "cancelled_unused"): {"received_all_accounted_for"},
    (*PAPER, "spoiled"): {"received_all_accounted_for"},
    (*PAPER, "signatures"): {"issued_equals_signatures"},
    (*PAPER, "issued_outside"): {"issued_by_kind"},
    (*PAPER, "in_portable_box"): {"box_by_kind"},
    (*PAPER, "in_box"): {"box_equals_valid_plus_invalid", "box_by_kind", "contest_equals_box"},
    (*PAPER, "valid"): {"box_equals_valid_plus_invalid", "votes_equal_valid"},
    (*PAPER, "invalid"): {"box_equals_valid_plus_invalid", "invalid_by_stated_ground"},
    (*PAPER, "invalid_grounds", "no_mark"): {"invalid_by_stated_ground"},
    ("contests", "list", "ballots"): {"contest_equals_box", "contest_votes_account_for_ballots"},
    ("contests", "list", "votes", "a"): {
        "votes_equal_valid",
        "contest_votes_account_for_ballots",
    },
}


@settings(deadline=None)
@given(
    form=agreeing(),
    path=st.sampled_from(sorted(IN_EQUATIONS)),
    by=st.integers(1, 100),
)
def test_one_wrong_figure_breaks_its_equations_by_as_much(
    form: PrecinctForm, path: tuple[str, ...], by: int
) -> None:
    wrong = changed(form, path, by)
    controls = {c.ratio.id: c for c in evaluate_protocol(wrong, ELECTION, PROFILE)}
    for ratio in IN_EQUATIONS[path]:
        one = controls[ratio]
        assert one.status == "breached"
        assert one.left is not None
        assert one.right is not None
        assert abs(one.left - one.right) == by
        assert f"is broken by {by} (" in one.detail
    equations = {c.ratio.id for c in controls.values() if c.ratio.relation == "=="}
    stated = {b.ratio for b in breaches_of(wrong, ELECTION, PROFILE)}
    assert stated & equations == IN_EQUATIONS[path]


@pytest.mark.parametrize(
    ("path", "ratio"),
    [
        ((*PAPER, "in_box"), "box_not_over_issued"),
        ((*PAPER, "in_portable_box"), "portable_not_over_issued_outside"),
        ((*PAPER, "in_station_box"), "station_not_over_issued_there"),
        ((*PAPER, "issued"), "issued_not_over_voters"),
        ((*PAPER, "certificates_issued"), "issued_not_over_voters"),
    ],
)
def test_more_than_can_be_is_listed(path: tuple[str, ...], ratio: str) -> None:
    form = changed(full_form(ELECTION, "p-3"), path, 600)
    found = [b for b in breaches_of(form, ELECTION, PROFILE) if b.ratio == ratio]
    assert [b.of for b in found] == ["list-paper"]


def test_a_figure_that_nobody_established_is_no_breach_and_no_proof() -> None:
    form = full_form(ELECTION, "p-3")
    unknown = form.papers["list-paper"].model_copy(update={"signatures": None})
    form = form.model_copy(update={"papers": {"list-paper": unknown}})
    controls = {c.ratio.id: c for c in evaluate_protocol(form, ELECTION, PROFILE)}
    one = controls["issued_equals_signatures"]
    assert (one.status, one.left, one.right) == ("not_evaluable", 11, None)
    assert one.detail.endswith("cannot be checked: no figure for signatures")
    assert breaches_of(form, ELECTION, PROFILE) == ()


def test_votes_of_a_contest_on_two_papers_are_not_told_apart() -> None:
    """A paper's votes are not known then; the contest's own ratios still hold."""
    both = [*ELECTION.model_dump()["ballot_styles"]]
    both.append({"id": "second", "contests": ["list"], "precincts": ["p-3"]})
    election = make_election(ballot_styles=both)
    form = full_form(election, "p-3")
    status = {(c.ratio.id, c.of): c.status for c in evaluate_protocol(form, election, PROFILE)}
    assert status["votes_equal_valid", "list-paper"] == "not_evaluable"
    assert status["contest_equals_box", "list"] == "breached"  # 11 counted, 11 + 11 in the box
    assert status["contest_votes_account_for_ballots", "list"] == "holds"
