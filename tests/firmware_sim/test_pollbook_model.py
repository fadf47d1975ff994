"""Random days at a desk against a model: whatever happens, the control sums hold."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from firmware_sim.pollbook.biometrics import MAX_TRIES
from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.checkin import check_in, replace_ballot
from firmware_sim.pollbook.errors import CheckInRefusedError, Refusal, RequestError
from firmware_sim.pollbook.sums import control_sums
from tests.firmware_sim.pollbook_world import (
    BEFORE,
    MEMBER,
    MISS,
    MORNING,
    STYLES,
    UNLOCK,
    book,
    people,
    person,
    visit,
)

LISTED, STRANGERS, PAPERS = 6, 3, 7
voters = st.integers(0, LISTED + STRANGERS - 1)
styles = st.sampled_from(STYLES)


class Desk(RuleBasedStateMachine):
    """One precinct's day; the model is who has which papers, and who has a certificate."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "book"
        self.book = book(self.path, people(LISTED), received=dict.fromkeys(STYLES, PAPERS))
        # (voter, style): spoiled so far; present once a paper was given.
        self.given: dict[tuple[int, str], int] = {}
        self.certified: set[int] = set()
        self.failed: Counter[int] = Counter()

    def teardown(self) -> None:
        self.book.store.close()
        self.folder.cleanup()

    def papers(self, style: str) -> int:
        return sum(1 + spoiled for (_, s), spoiled in self.given.items() if s == style)

    def voted(self) -> set[int]:
        return {voter for voter, _ in self.given}

    def no_right(self, number: int, *, add: bool) -> Refusal | None:
        """Why this voter gets no ballot, whatever they show."""
        if number in self.voted():
            return Refusal.ALREADY_VOTED
        if number in self.certified:
            return Refusal.ABSENTEE_GIVEN
        return Refusal.NOT_ON_LIST if number >= LISTED and not add else None

    @rule(number=voters, add=st.booleans(), wanted=st.sampled_from([STYLES, STYLES[:1]]))
    def come(self, number: int, add: bool, wanted: tuple[str, ...]) -> None:
        voter = person(number)
        refusal = self.no_right(number, add=add)
        if refusal is None and self.failed[number] >= MAX_TRIES:
            refusal = Refusal.NO_SECOND_FACTOR
        if refusal is None and any(self.papers(style) >= PAPERS for style in wanted):
            refusal = Refusal.NO_PAPER
        asked = visit(
            voter, styles=wanted, addition=voter.to_json() if add else None, ground="new address"
        )
        if refusal is None:
            issued = check_in(self.book, asked)
            assert issued.channel == ("list" if number < LISTED else "added")
            self.given |= {(number, style): 0 for style in wanted}
            return
        with pytest.raises(CheckInRefusedError) as caught:
            check_in(self.book, asked)
        assert caught.value.refusal is refusal

    @rule(number=st.integers(0, LISTED - 1))
    def come_without_a_match(self, number: int) -> None:
        refusal = self.no_right(number, add=False)
        with pytest.raises(CheckInRefusedError) as caught:
            check_in(self.book, visit(person(number), match=MISS))
        if refusal is None and self.failed[number] < MAX_TRIES:
            self.failed[number] += 1
            refusal = Refusal.BIOMETRIC
        assert caught.value.refusal is (refusal or Refusal.NO_SECOND_FACTOR)

    @rule(number=voters, style=styles)
    def spoil(self, number: int, style: str) -> None:
        def replace() -> int:
            return replace_ballot(self.book, person(number).iin, style, by=MEMBER, at=MORNING)

        if (number, style) not in self.given:
            with pytest.raises(RequestError):
                replace()
        elif self.papers(style) == PAPERS:
            with pytest.raises(CheckInRefusedError, match="handed out"):
                replace()
        else:
            self.given[number, style] += 1
            assert replace() == self.given[number, style]

    @rule(number=st.integers(0, LISTED - 1))
    def give_certificate(self, number: int) -> None:
        if number not in self.voted():
            self.book.issue_certificate(person(number).iin, lambda _content: b"", at=BEFORE)
            self.certified.add(number)

    @rule()
    def stop_and_start(self) -> None:
        self.book.store.close()
        self.book = Book.open(self.path, UNLOCK)

    @invariant()
    def sums_hold(self) -> None:
        sums = control_sums(self.book)
        people_ = sums["voters"]
        assert people_["voted"] == len(self.voted())
        assert people_["voted"] == (
            people_["voted_list"] + people_["voted_added"] + people_["absentee_in"]
        )
        assert people_["added"] == people_["voted_added"]
        assert people_["registered"] == LISTED
        assert people_["absentee_out"] == len(self.certified)
        assert people_["voted_list"] <= people_["registered"] - people_["absentee_out"]
        for style, row in sums["styles"].items():
            spoiled = sum(n for (_, s), n in self.given.items() if s == style)
            assert row["handed_out"] == self.papers(style) <= PAPERS
            assert row["issued"] == row["voters"] == self.papers(style) - spoiled
            assert row["received"] == row["issued"] + row["spoiled"] + row["unused"]


Desk.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
TestDesk = Desk.TestCase
