"""Drawing up from sources alone: what prevails, what is known, what is not (NVT-10, SEED-10)."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from election.profile import Profile, load_profile
from firmware_sim.pollbook.sheet import PollbookSheet
from tally.paper import read_paper_count
from tally.protocol.drawing import DisagreementError, draw_from_evidence
from tally.protocol.evidence import Evidence, disagreements, from_hand_count, from_pollbook
from tally.protocol.findings import missing_lines
from tally.protocol.form import ProtocolError
from tests.tally.world import make_election, paper_rows

ELECTION = make_election()
PROFILE = load_profile("kz-majilis")
AT = "2026-03-19T19:00:00Z"
VOTES = {f"contests.list.votes.{o}": n for o, n in zip("abc", (5, 3, 1), strict=True)}
VOTES["contests.list.votes.against-all"] = 1
COUNTED = {
    **VOTES,
    "papers.list-paper.in_box": 12,
    "papers.list-paper.valid": 10,
    "papers.list-paper.invalid": 2,
    "papers.list-paper.needs_review": 0,
}
EXTRAS = {"papers.list-paper.returned": 4, "papers.list-paper.invalid_grounds.unstated": 2}


def by_law(precedence: Literal["paper", "electronic", "silent"]) -> Profile:
    rules = PROFILE.reconciliation.model_copy(
        update={"precedence": precedence, "precedence_article": "art. 7"}
    )
    return PROFILE.model_copy(update={"reconciliation": rules})


@pytest.mark.parametrize(("precedence", "value"), [("paper", 6), ("electronic", 5)])
def test_the_law_says_which_count_prevails_and_the_form_says_so(
    precedence: Literal["paper", "electronic"], value: int
) -> None:
    device = Evidence("device", (), COUNTED, EXTRAS)
    hand = Evidence("hand_count", (), {**VOTES, "contests.list.votes.a": 6})
    form = draw_from_evidence([device, hand], ELECTION, by_law(precedence), "p-3", at=AT)
    assert form.contests["list"].votes["a"] == value
    (settled,) = form.settled
    assert [(e.by, e.value) for e in settled.entries] == [("device", 5), ("hand_count", 6)]
    assert settled.by == ()
    assert settled.reason == f"the {precedence} count prevails (art. 7)"
    assert form.source.method == "device_and_hand"
    assert bool(form.breaches) == (precedence == "paper")


def test_where_the_law_is_silent_every_difference_is_listed() -> None:
    device = Evidence("device", (), COUNTED, EXTRAS)
    hand = Evidence("hand_count", (), {p: n + 1 for p, n in VOTES.items()})
    with pytest.raises(DisagreementError) as caught:
        draw_from_evidence([device, hand], ELECTION, PROFILE, "p-3", at=AT)
    assert [d.path for d in caught.value.found] == sorted(VOTES)


def test_no_precedence_helps_where_neither_count_is_one_of_the_two() -> None:
    device = Evidence("device", (), {**COUNTED, "papers.list-paper.issued": 12}, EXTRAS)
    pollbook = Evidence("pollbook", (), {"papers.list-paper.issued": 13})
    with pytest.raises(DisagreementError, match="device 12, pollbook 13"):
        draw_from_evidence([device, pollbook], ELECTION, by_law("paper"), "p-3", at=AT)


def test_a_device_tells_what_is_no_line_of_the_form_too() -> None:
    form = draw_from_evidence(
        [Evidence("device", (), COUNTED, EXTRAS)], ELECTION, PROFILE, "p-3", at=AT
    )
    paper = form.papers["list-paper"]
    assert (paper.returned, paper.issued, paper.invalid_grounds) == (4, None, {"unstated": 2})
    assert form.contests["list"].ballots == 12
    lacking = {line.path for line in missing_lines(form, ELECTION, PROFILE)}
    assert "precinct.registered" in lacking
    assert "papers.list-paper.in_box" not in lacking


def test_a_form_without_votes_is_none() -> None:
    with pytest.raises(ProtocolError, match=r"contests\.list\.votes\.a is not established"):
        draw_from_evidence([], ELECTION, PROFILE, "p-3", at=AT)
    ballots = {p: n for p, n in COUNTED.items() if not p.endswith("in_box")}
    with pytest.raises(ProtocolError, match=r"contests\.list\.ballots is not established"):
        draw_from_evidence([Evidence("device", (), ballots)], ELECTION, PROFILE, "p-3", at=AT)


def sheet(**voters: int) -> PollbookSheet:
    people: dict[str, Any] = {
        "registered": 500,
        "added": 2,
        "absentee_out": 1,
        "absentee_in": 0,
        "voted_list": 12,
        "voted_added": 0,
        "voted": 12,
        "mobile_requested": 4,
        "mobile": 3,
        **voters,
    }
    papers = {"received": 400, "handed_out": 13, "spoiled": 1, "issued": 12, "voters": 12}
    return PollbookSheet.model_validate(
        {
            "format": "ballotbench-pollbook-1",
            "election": ELECTION.id,
            "election_hash": ELECTION.hash,
            "precinct": "p-3",
            "closed": True,
            "voters": people,
            "second_factor": {"biometric": people["voted"], "two_officials": 0},
            "offline": 0,
            "by_hour": {"09": people["voted"]},
            "refusals": {},
            "styles": {"list-paper": {**papers, "unused": 387}},
        }
    )


ISSUED = ("issued_at_station", "issued_outside", "issued_absentee")


@pytest.mark.parametrize(
    ("voters", "expected"),
    [
        ({}, (9, 3, 0)),
        ({"absentee_in": 2, "voted_list": 10, "mobile": 0}, (10, 0, 2)),
        # A holder of a certificate may have voted outside: who of the two, the sheet does not say.
        ({"absentee_in": 2, "voted_list": 10}, (None, None, None)),
        # Somebody got no such paper: who, the sheet does not say.
        ({"voted_list": 13, "voted": 13}, (None, None, None)),
    ],
)
def test_the_pollbook_tells_no_more_than_it_knows(
    voters: dict[str, int], expected: tuple[int | None, ...]
) -> None:
    said = from_pollbook(sheet(**voters), "ab" * 32, ELECTION, PROFILE, "p-3").figures
    assert tuple(said.get(f"papers.list-paper.{name}") for name in ISSUED) == expected
    assert said["papers.list-paper.received"] == 400
    assert said["papers.list-paper.signatures"] == 12
    assert said["precinct.registered"] == 500


def test_a_hand_count_tells_of_papers_that_carry_one_contest() -> None:
    rows = {"p-1": {"list": {"a": 4, "invalid": 1, "ballots": 5}, "smd": {"a": 2}}}
    count = read_paper_count(paper_rows(rows, ELECTION), "count.csv", ELECTION)
    said = from_hand_count(count, "ab" * 32, ELECTION, PROFILE, "p-1").figures
    assert said["papers.list-paper.in_box"] == 5
    assert said["papers.list-paper.invalid"] == 1
    assert said["papers.list-paper.valid"] == 4
    assert said["papers.list-paper.needs_review"] == 0
    assert "papers.smd-paper.in_box" not in said
    with pytest.raises(ProtocolError, match=r"count\.csv: p-3 was not counted by hand"):
        from_hand_count(count, "ab" * 32, ELECTION, PROFILE, "p-3")


def test_sources_that_say_the_same_do_not_differ() -> None:
    device = Evidence("device", (), COUNTED, EXTRAS)
    hand = Evidence("hand_count", (), VOTES)
    assert disagreements([device, hand]) == ()
