"""Plans of test decks: what each part promises, for elections of any shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.definition import load_election
from election.design import design_ballot
from election.layout import Grid, PageLayout, Target
from election.model import Contest, Election
from election.profile import Profile, load_profile
from scanner.decks import DeckMark, DeckOptions, DeckPlan, Part, plan_deck
from scanner.decks.document import DeckError, parse_deck
from scanner.decks.ink import ink_page
from scanner.decks.plan import LADDER_PERCENT, ladder_mark
from scanner.decks.truth import OPEN, OVERVOTED, contest_truths, expected_totals
from scanner.reading import MarkClass
from scanner.synthesis import BALLPOINT

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("kz-majilis", "us-general")


def example(name: str) -> tuple[Election, Profile]:
    election = load_election(EXAMPLES / name / "election.json")
    return election, load_profile(election.profile)


@st.composite
def elections(draw: st.DrawFn) -> tuple[Election, Profile]:
    """One or two styles over contests of any size, under either rule."""
    name = draw(st.sampled_from(NAMES))
    base, profile = example(name)
    n_of_m = name == "us-general"
    contests = []
    for number in range(draw(st.integers(1, 4))):
        options = draw(st.integers(1, 12))
        write_ins = draw(st.integers(0, 3)) if n_of_m else 0
        allowed = draw(st.integers(1, options + write_ins)) if n_of_m else 1
        contests.append(
            {
                "id": f"c{number}",
                "title": {"en": "c"},
                "district": base.districts[0].id,
                "kind": "candidate",
                "votes_allowed": allowed,
                "write_ins": write_ins,
                "options": [{"id": f"o{i}", "name": {"en": "o"}} for i in range(options)],
            }
        )
    ids = [c["id"] for c in contests]
    shares = [ids] if n_of_m else [[one] for one in ids]
    if n_of_m and len(ids) > 1:
        shares.append(ids[1:])
    styles = [
        {"id": f"s{i}", "contests": share, "precincts": [base.precincts[0].id]}
        for i, share in enumerate(shares)
    ]
    data = {**base.model_dump(), "contests": contests, "ballot_styles": styles}
    return Election.model_validate(data), profile


def marked(plan: DeckPlan, part: Part) -> set[tuple[str, str, str]]:
    return {
        (sheet.style_id, mark.contest_id, mark.option_id)
        for sheet in plan.sheets
        if sheet.part is part
        for mark in sheet.marks
        if mark.expected is MarkClass.MARK
    }


def every(election: Election) -> set[tuple[str, str, str]]:
    return {
        (style.id, contest.id, option)
        for style in election.ballot_styles
        for contest in election.style_contests(style.id)
        for option in contest.option_ids()
    }


def allowed(contest: Contest, profile: Profile) -> int:
    return 1 if profile.marks.rule == "exactly_one" else contest.votes_allowed


@settings(max_examples=40)
@given(elections(), st.integers(0, 2**32))
def test_every_target_is_marked(made: tuple[Election, Profile], seed: int) -> None:
    election, profile = made
    plan = plan_deck(election, profile, seed)
    for part in (Part.COVER, Part.LINE, Part.ACCURACY):
        assert marked(plan, part) == every(election)
    assert [s.number for s in plan.sheets] == list(range(1, len(plan.sheets) + 1))
    assert plan == plan_deck(election, profile, seed)


@settings(max_examples=40)
@given(elections(), st.integers(0, 2**32))
def test_no_two_options_of_a_contest_have_the_same_total(
    made: tuple[Election, Profile], seed: int
) -> None:
    election, profile = made
    plan = plan_deck(election, profile, seed, DeckOptions(parts=(Part.ACCURACY,)))
    totals = expected_totals(plan, election, profile, Part.ACCURACY)
    on_paper = {c for style in election.ballot_styles for c in style.contests}
    assert set(totals) == on_paper
    for votes in totals.values():
        assert len(set(votes.values())) == len(votes)
        assert min(votes.values()) >= 1
    for style in election.ballot_styles:
        alone = DeckPlan(seed, tuple(s for s in plan.sheets if s.style_id == style.id))
        for contest, votes in expected_totals(alone, election, profile, Part.ACCURACY).items():
            if contest in style.contests:
                assert len(set(votes.values())) == len(votes)


@settings(max_examples=40)
@given(elections(), st.integers(0, 2**32))
def test_overvoted_sheets_are_overvoted(made: tuple[Election, Profile], seed: int) -> None:
    election, profile = made
    plan = plan_deck(election, profile, seed, DeckOptions(parts=(Part.OVERVOTE, Part.BLANK)))
    for sheet in plan.sheets:
        contests = election.style_contests(sheet.style_id)
        truths = {t.contest_id: t for t in contest_truths(sheet, contests, profile)}
        for contest in contests:
            number = len(
                {
                    m.option_id
                    for m in sheet.marks
                    if m.contest_id == contest.id and m.expected is MarkClass.MARK
                }
            )
            if sheet.part is Part.BLANK:
                assert (number, truths[contest.id].outcome) == (0, "blank")
            elif len(contest.option_ids()) > allowed(contest, profile):
                assert number > allowed(contest, profile)
                assert truths[contest.id].outcome == OVERVOTED
            else:
                assert truths[contest.id].outcome == "voted"


@pytest.mark.parametrize("name", NAMES)
def test_ladder_climbs_from_nothing_to_everything(name: str) -> None:
    election, profile = example(name)
    plan = plan_deck(election, profile, 3, DeckOptions(parts=(Part.LADDER,)))
    for style in election.ballot_styles:
        sheets = [s for s in plan.sheets if s.style_id == style.id]
        steps = [{round(100 * (m.area_share or 0)) for m in s.marks} for s in sheets]
        assert steps == [{percent} for percent in LADDER_PERCENT]
    contest = election.contests[0]
    classes = [ladder_mark(contest, "x", percent, BALLPOINT, profile) for percent in LADDER_PERCENT]
    order = [MarkClass.NO_MARK, MarkClass.MARGINAL, MarkClass.MARK]
    ranks = [order.index(mark.expected) for mark in classes]
    assert ranks == sorted(ranks)
    assert (ranks[0], ranks[-1]) == (0, 2)
    assert classes[0].clear
    assert classes[-1].clear
    assert not all(mark.clear for mark in classes)


def test_copies_bear_the_same_ink_and_faulty_sheets_have_none() -> None:
    election, profile = example("kz-majilis")
    plan = plan_deck(election, profile, 1, DeckOptions(parts=(Part.BLANK, Part.FAULTY), copies=3))
    blanks = [s for s in plan.sheets if s.part is Part.BLANK]
    assert [s.repeats for s in blanks[:3]] == [None, 1, 1]
    assert {s.drawn_as for s in blanks[:3]} == {1}
    assert all(s.repeats is None for s in plan.sheets if s.fault)


def test_an_unclear_mark_leaves_its_contest_open() -> None:
    election, profile = example("us-general")
    plan = plan_deck(election, profile, 1, DeckOptions(parts=(Part.LADDER,)))
    step = LADDER_PERCENT.index(6)
    sheet = plan.sheets[step]
    truths = contest_truths(sheet, election.style_contests(sheet.style_id), profile)
    assert {t.outcome for t in truths} == {OPEN}


@pytest.mark.parametrize("shape", ["square", "oval", "circle"])
@pytest.mark.parametrize("percent", [1, 5, 25, 50, 75, 100])
def test_a_measured_mark_covers_its_share(shape: str, percent: int) -> None:
    size = (5.0, 5.0) if shape != "oval" else (6.0, 4.0)
    target = Target("c", "o", 0, 0, 30.0, 20.0, shape, *size)  # type: ignore[arg-type]
    grid = Grid(2, 2, 0, 0, 10, 10)
    layout = PageLayout("s", 1, "front", 60.0, 40.0, grid, (), (target,))
    pen = replace(BALLPOINT, darkness=1.0)
    mark = DeckMark("c", "o", "area", pen, area_share=percent / 100)
    blank = np.full((400, 600), 255, np.uint8)
    ink = 1 - ink_page(blank, layout, [mark], np.random.default_rng(0)) / 255.0
    whole = size[0] * size[1] * (1 if shape == "square" else np.pi / 4) * 100
    assert ink.sum() / whole == pytest.approx(percent / 100, abs=0.004)
    assert blank.min() == 255


def test_the_pencil_line_crosses_the_whole_target() -> None:
    election, profile = example("us-general")
    plan = plan_deck(election, profile, 1, DeckOptions(parts=(Part.LINE,)))
    sheet = plan.sheets[0]
    page = design_ballot(election, profile, sheet.style_id).pages[0]
    blank = np.full((2794, 2159), 255, np.uint8)  # 10 px a mm
    inked = ink_page(blank, page, sheet.marks, np.random.default_rng(0)) < 128
    target = next(
        t
        for t in page.targets
        if (t.contest_id, t.option_id) == (sheet.marks[0].contest_id, sheet.marks[0].option_id)
    )
    x, y = round(target.x_mm * 10), round(target.y_mm * 10)
    half = round(target.width_mm * 5)
    assert inked[y, x - half + 1 : x + half - 1].all()
    assert abs(int(inked[y - 20 : y + 20, x].sum()) - 10) <= 1  # 1 mm thick


@pytest.mark.parametrize("options", [{"passes": 0}, {"copies": 0}, {"ladder_percent": (101,)}])
def test_impossible_wishes_are_refused(options: dict[str, object]) -> None:
    election, profile = example("kz-majilis")
    with pytest.raises(ValueError, match=r"must be|per cent"):
        plan_deck(election, profile, 1, DeckOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "whole file"),
        ('{"format": "ballotbench-deck/2"}', "format"),
        (
            '{"format":"ballotbench-deck/1","election_id":"e","profile":"p","sheets":[{"number":1,'
            '"name":"n","part":"p","style":"s","sides":[{"page":1,"file":"../../etc/passwd"}]}]}',
            "sheets.0.sides.0.file",
        ),
    ],
)
def test_a_bad_deck_file_names_its_field(text: str, field: str) -> None:
    with pytest.raises(DeckError, match=field):
        parse_deck(text.encode())
