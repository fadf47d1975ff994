"""Marks to votes: the rules of both profiles, and nothing doubtful decided (NVT-06, SEED-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.layout import Box, Grid, PageLayout, Target
from election.model import Election
from election.profile import load_profile
from scanner.errors import PageRefusedError, RefusalReason
from scanner.interpretation import InterpretationError, interpret
from scanner.reading import (
    ContestReading,
    ContestStatus,
    Flag,
    MarkClass,
    PageReading,
    SheetInterpretation,
)

KZ, US = load_profile("kz-majilis"), load_profile("us-general")
MARK, MARGINAL, NO_MARK = MarkClass.MARK, MarkClass.MARGINAL, MarkClass.NO_MARK
TEXT = {"en": "Name"}


def contest(contest_id: str, options: str, **fields: Any) -> dict[str, Any]:
    choices = [{"id": o, "name": TEXT} for o in options]
    return {
        "id": contest_id,
        "title": TEXT,
        "district": "d",
        "kind": "candidate",
        "options": choices,
        **fields,
    }


ELECTION = Election.model_validate(
    {
        "id": "test",
        "title": TEXT,
        "date": "2026-11-03",
        "profile": "us-general",
        "languages": ["en"],
        "districts": [{"id": "d", "name": TEXT}],
        "precincts": [{"id": p, "name": TEXT, "districts": ["d"]} for p in ("p1", "p2")],
        "contests": [
            contest("council", "abc", votes_allowed=2, seats=2, write_ins=1),
            contest("mayor", "xy"),
            contest("list", "pqr"),
        ],
        "ballot_styles": [
            {"id": "long", "contests": ["council", "mayor"], "precincts": ["p1", "p2"]},
            {"id": "short", "contests": ["list"], "precincts": ["p1"]},
        ],
    }
)
COUNCIL = ("a", "b", "c", "write-in-0")


def page(
    marks: Mapping[tuple[str, str], MarkClass | Sequence[MarkClass]],
    *,
    style: str = "long",
    number: int = 1,
    written: float = 0.0,
    **fields: Any,
) -> PageReading:
    """A page with a target for every (contest, option) named; a list makes several targets."""
    targets, classes = [], []
    for (contest_id, option_id), given_marks in marks.items():
        several = [given_marks] if isinstance(given_marks, MarkClass) else given_marks
        for mark in several:
            area = Box(0, 0, 30, 6) if option_id.startswith("write-in") else None
            targets.append(
                Target(contest_id, option_id, 0, 0, 5, 5, "oval", 6, 3.5, write_in_area=area)
            )
            classes.append(mark)
    layout = PageLayout(
        style, number, "front", 210, 297, Grid(2, 2, 0, 0, 1, 1), (), tuple(targets)
    )
    places = np.zeros(len(targets), np.float32)
    write_ins = [written if t.write_in_area else np.nan for t in targets]
    reading = PageReading(
        layout=layout,
        precinct_id=None,
        ballot_kind="official",
        orientation_deg=0,
        dpi=200.0,
        residual_mm=0.05,
        scores=places,
        classes=tuple(classes),
        x_px=places,
        y_px=places,
        write_in_scores=np.array(write_ins, np.float32),
    )
    return replace(reading, **fields)


def long_page(
    council: Sequence[MarkClass] = (NO_MARK,) * 4, mayor: str = "x", **fields: Any
) -> PageReading:
    marks = {("council", o): m for o, m in zip(COUNCIL, council, strict=True)}
    marks |= {("mayor", o): MARK if o == mayor else NO_MARK for o in "xy"}
    return page(marks, **fields)


def short_page(*classes: MarkClass, **fields: Any) -> PageReading:
    marks = {("list", o): m for o, m in zip("pqr", classes, strict=True)}
    return page(marks, style="short", **fields)


def council_of(sheet: SheetInterpretation) -> ContestReading:
    (reading,) = [c for c in sheet.contests if c.contest_id == "council"]
    return reading


CLASSES = st.sampled_from([MARK, MARGINAL, NO_MARK])


@given(st.lists(CLASSES, min_size=4, max_size=4), st.floats(0, 0.2))
def test_up_to_n_counts_every_vote_once_or_waits(classes: list[MarkClass], ink: float) -> None:
    """Votes, undervotes and overvotes sum to what was allowed, unless a person must look."""
    sheet = interpret([long_page(classes, written=ink)], ELECTION, US)
    reading = council_of(sheet)
    marks, doubts = classes.count(MARK), classes.count(MARGINAL)
    assert reading.marked == tuple(o for o, c in zip(COUNCIL, classes, strict=True) if c == MARK)
    written = np.float32(ink) >= US.marks.write_in and classes[3] is NO_MARK
    if reading.status is ContestStatus.NEEDS_REVIEW:
        assert sheet.needs_review
        assert (reading.votes, reading.undervotes, reading.overvotes) == ((), 0, 0)
        assert (doubts and marks <= 2) or (written and marks < 2)
    else:
        assert len(reading.votes) + reading.undervotes + reading.overvotes == 2
        assert not (doubts and marks <= 2)
    if marks > 2:
        assert (reading.status, reading.votes) == (ContestStatus.OVERVOTE, ())
    assert sheet.needs_review == bool(doubts or written)
    assert sheet.valid


@given(st.lists(CLASSES, min_size=3, max_size=3))
def test_exactly_one_mark_or_an_invalid_ballot_or_a_person(classes: list[MarkClass]) -> None:
    """NVT-06: one mark, and one only, is a vote; what may yet change that waits."""
    sheet = interpret([short_page(*classes)], ELECTION, KZ)
    (reading,) = sheet.contests
    marks, doubts = classes.count(MARK), classes.count(MARGINAL)
    if marks > 1:
        assert (sheet.valid, sheet.invalid_ground) == (False, "more_than_one_mark")
    elif doubts:
        assert sheet.valid
        assert reading.status is ContestStatus.NEEDS_REVIEW
    elif marks == 0:
        assert (sheet.valid, sheet.invalid_ground) == (False, "no_mark")
    else:
        assert (sheet.valid, reading.status) == (True, ContestStatus.VALID)
    assert len(reading.votes) == int(sheet.valid and marks == 1 and not doubts)
    assert sheet.needs_review == bool(doubts)
    assert sheet.invalid_ground in {None, *(ground.id for ground in KZ.invalid_grounds)}


@given(st.lists(CLASSES, min_size=4, max_size=4), st.integers(0, 3))
def test_resolving_a_marginal_mark_never_contradicts_a_decision(
    classes: list[MarkClass], index: int
) -> None:
    """What is decided while a mark is marginal stays so, whichever way a person reads it."""
    classes[index] = MARGINAL
    before = council_of(interpret([long_page(classes)], ELECTION, US))
    if before.status is ContestStatus.NEEDS_REVIEW:
        return
    for resolved in (MARK, NO_MARK):
        changed = [*classes[:index], resolved, *classes[index + 1 :]]
        after = council_of(interpret([long_page(changed)], ELECTION, US))
        assert (after.votes, after.status) == (before.votes, before.status)


@given(st.permutations(range(4)), st.lists(CLASSES, min_size=4, max_size=4))
@settings(max_examples=40)
def test_the_order_of_targets_on_the_page_does_not_matter(
    order: list[int], classes: list[MarkClass]
) -> None:
    straight = {("council", o): m for o, m in zip(COUNCIL, classes, strict=True)}
    keys = list(straight)
    mixed = {keys[i]: straight[keys[i]] for i in order}
    mayor = {("mayor", o): NO_MARK for o in "xy"}
    assert interpret([page(straight | mayor)], ELECTION, US) == interpret(
        [page(mixed | mayor)], ELECTION, US
    )


@pytest.mark.parametrize(
    ("targets", "votes", "marginal"),
    [
        ((MARK, MARK), ("a",), ()),
        ((MARK, NO_MARK), ("a",), ()),
        ((MARGINAL, MARK), ("a",), ()),
        ((NO_MARK, NO_MARK), (), ()),
        ((MARGINAL, NO_MARK), (), ("a",)),
    ],
)
def test_a_candidate_of_two_parties_is_one_vote(
    targets: tuple[MarkClass, ...], votes: tuple[str, ...], marginal: tuple[str, ...]
) -> None:
    marks: dict[tuple[str, str], Any] = {("council", o): NO_MARK for o in COUNCIL}
    marks[("council", "a")] = targets
    marks |= {("mayor", o): NO_MARK for o in "xy"}
    reading = council_of(interpret([page(marks)], ELECTION, US))
    assert (reading.votes, reading.marginal) == (votes, marginal)


@pytest.mark.parametrize(
    ("classes", "status"),
    [
        ((NO_MARK,) * 4, ContestStatus.NEEDS_REVIEW),
        ((MARK, NO_MARK, NO_MARK, NO_MARK), ContestStatus.NEEDS_REVIEW),
        ((MARK, MARK, NO_MARK, NO_MARK), ContestStatus.VALID),
        ((MARK, MARK, MARK, NO_MARK), ContestStatus.OVERVOTE),
    ],
)
def test_a_written_name_beside_an_unmarked_oval_is_flagged(
    classes: tuple[MarkClass, ...], status: ContestStatus
) -> None:
    """It holds the contest only while votes are left; a person sees it in any case."""
    sheet = interpret([long_page(classes, written=0.09)], ELECTION, US)
    (flag,) = sheet.flags
    assert (flag.kind, flag.contest_id, flag.option_id) == (
        "unmarked_write_in",
        "council",
        "write-in-0",
    )
    assert sheet.needs_review
    assert council_of(sheet).status is status


def test_a_marked_write_in_is_a_vote_and_no_flag() -> None:
    sheet = interpret([long_page((NO_MARK, NO_MARK, NO_MARK, MARK), written=0.2)], ELECTION, US)
    assert council_of(sheet).votes == ("write-in-0",)
    assert sheet.flags == ()


def test_pages_flags_are_carried_and_hold_their_contest() -> None:
    streak = Flag("streak", "a dark line crosses the target", "council", "b")
    stain = Flag("stain", "a dark blot at the foot")
    sheet = interpret([long_page(flags=(streak, stain))], ELECTION, US)
    assert sheet.flags == (streak, stain)
    assert sheet.needs_review
    assert council_of(sheet).status is ContestStatus.NEEDS_REVIEW
    assert sheet.contests[1].votes == ("x",)


def test_a_note_asks_nobody() -> None:
    sheet = interpret([long_page(flags=(Flag("note", "read by the edge code"),))], ELECTION, US)
    assert not sheet.needs_review


def test_a_missing_side_is_never_read_as_blank() -> None:
    """Under `exactly_one` it would make a ballot invalid that nobody has looked at."""
    front = page({("council", o): NO_MARK for o in COUNCIL})
    for profile in (US, KZ):
        sheet = interpret([front], ELECTION, profile)
        assert [f.kind for f in sheet.flags] == ["contest_not_read"]
        assert sheet.contests[1].status is ContestStatus.NEEDS_REVIEW
        assert sheet.needs_review


def test_a_contest_over_two_sides_is_put_together() -> None:
    front = page({("council", o): MARK for o in COUNCIL[:2]})
    back = page(
        {("council", o): NO_MARK for o in COUNCIL[2:]} | {("mayor", o): NO_MARK for o in "xy"},
        number=2,
    )
    assert council_of(interpret([back, front], ELECTION, US)).votes == ("a", "b")
    half = interpret([front], ELECTION, US)
    assert {f.kind for f in half.flags} == {"contest_partly_read", "contest_not_read"}
    assert council_of(half).status is ContestStatus.NEEDS_REVIEW


def test_one_bad_contest_voids_an_exactly_one_ballot() -> None:
    sheet = interpret([long_page((MARK, MARK, NO_MARK, NO_MARK))], ELECTION, KZ)
    assert (sheet.valid, sheet.invalid_ground) == (False, "more_than_one_mark")
    assert [c.votes for c in sheet.contests] == [(), ()]


def test_a_doubt_in_one_contest_holds_the_others_where_it_may_void_the_ballot() -> None:
    sheet = interpret([long_page((MARGINAL, NO_MARK, NO_MARK, NO_MARK))], ELECTION, KZ)
    assert sheet.valid
    assert {c.status for c in sheet.contests} == {ContestStatus.NEEDS_REVIEW}
    assert [c.votes for c in sheet.contests] == [(), ()]


def test_precinct_comes_from_whichever_side_names_it() -> None:
    front = page({("council", o): NO_MARK for o in COUNCIL}, precinct_id="p1")
    back = page({("mayor", o): NO_MARK for o in "xy"}, number=2)
    assert interpret([front, back], ELECTION, US).precinct_id == "p1"


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ([long_page(), short_page(MARK, NO_MARK, NO_MARK)], RefusalReason.TWO_SHEETS),
        (
            [long_page(precinct_id="p1"), long_page(number=2, precinct_id="p2")],
            RefusalReason.TWO_SHEETS,
        ),
        (
            [long_page(), long_page(number=2, ballot_kind="test")],
            RefusalReason.TWO_SHEETS,
        ),
        ([long_page(), long_page()], RefusalReason.DUPLICATE_SIDE),
    ],
)
def test_pages_that_cannot_be_one_sheet_are_refused(
    pages: list[PageReading], reason: RefusalReason
) -> None:
    with pytest.raises(PageRefusedError) as caught:
        interpret(pages, ELECTION, US)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ([], "without pages"),
        ([page({}, style="other")], "style 'other' is not in election"),
        ([page({("mayor", "z"): MARK})], "'mayor'/'z'"),
        ([page({("list", "p"): MARK})], "'list'/'p'"),
    ],
)
def test_readings_of_another_election_are_refused(pages: list[PageReading], message: str) -> None:
    with pytest.raises(InterpretationError, match=message):
        interpret(pages, ELECTION, US)
