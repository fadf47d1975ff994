"""Offline pollbooks put together: double voting is found, however they are merged (SEED-05)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.checkin import check_in
from firmware_sim.pollbook.errors import BookError
from firmware_sim.pollbook.reconcile import (
    Certified,
    Facts,
    Kind,
    Listed,
    Use,
    facts_of,
    findings,
    merge,
)
from firmware_sim.pollbook.report import page, reconciliation_report
from tests.firmware_sim.pollbook_world import (
    BEFORE,
    ELECTION,
    MORNING,
    UNLOCK,
    Keys,
    book,
    people,
    person,
    visit,
)

# --- merging is a union ------------------------------------------------------------------

books = st.sampled_from([("b1", "P-1"), ("b2", "P-2"), ("b3", "P-3")])
numbers = st.sampled_from([person(n).iin for n in range(4)])
uses = st.builds(
    lambda place, iin, channel, certificate, hour, slip: Use(
        *place, iin, "Серік", "Асқар", "", "1979-10-28", "P-1", 1, channel, certificate, hour, slip
    ),
    books,
    numbers,
    st.sampled_from(["list", "added", "certificate"]),
    st.sampled_from(["", "111", "222"]),
    st.integers(7, 19),
    st.sampled_from(["", "0a", "0b"]),
)
listed = st.builds(
    lambda place, iin, entry, kind, gone: Listed(*place, iin, entry, "Серік Асқар", kind, gone),
    books,
    numbers,
    st.integers(1, 3),
    st.sampled_from(["list", "added"]),
    st.booleans(),
)
certified = st.builds(
    lambda place, iin, number: Certified(*place, iin, number),
    books,
    numbers,
    st.sampled_from(["111", "222"]),
)
facts = st.builds(
    Facts,
    st.just(ELECTION),
    st.frozensets(books, max_size=3),
    st.frozensets(uses, max_size=6),
    st.frozensets(listed, max_size=6),
    st.frozensets(certified, max_size=3),
)


@given(facts, facts, facts)
def test_merging_is_idempotent_commutative_associative(a: Facts, b: Facts, c: Facts) -> None:
    assert a.merged(a) == a
    assert a.merged(b) == b.merged(a)
    assert a.merged(b).merged(c) == a.merged(b.merged(c))
    assert findings(a.merged(b)) == findings(b.merged(a).merged(a))


@given(facts, facts)
def test_what_two_books_show_is_not_lost_by_a_third(a: Facts, b: Facts) -> None:
    def twice(f: Facts) -> set[str]:
        return {side.iin for x in findings(f) if x.kind is Kind.VOTER_TWICE for side in x.sides}

    assert twice(a) <= twice(a.merged(b))


@given(facts)
def test_facts_survive_their_file(a: Facts) -> None:
    assert Facts.from_json(json.dumps(a.to_json()).encode(), "facts") == a


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format":"ballotbench-pollbook-facts-1"}'])
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(BookError, match="is not a file of pollbook facts"):
        Facts.from_json(data, "x.json")


# --- three precincts, a day without a line ------------------------------------------------


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> list[Facts]:
    """Three precincts, each alone, with one planted case of every kind."""
    folder = tmp_path_factory.mktemp("day")
    keys = Keys.make(folder / "keys")
    twice, absent, moved = person(1), person(2), person(60, "P-2")
    namesake = replace(person(3), iin=person(120).iin, precinct="P-3")
    lists = {
        "P-1": [*people(10), replace(moved, precinct="P-1")],
        "P-2": [*people(10, "P-2", start=50), moved, replace(twice, precinct="P-2")],
        "P-3": [*people(10, "P-3", start=100), namesake],
    }
    opened = {p: book(folder / p, voters, p) for p, voters in lists.items()}
    one, two, three = opened.values()
    certificate = one.issue_certificate(absent.iin, keys.signer("book-1").sign, at=BEFORE)
    unissued = two.issue_certificate(person(50).iin, keys.signer("book-2").sign, at=BEFORE)

    def come(where: Book, voter: object, **more: object) -> None:
        check_in(where, visit(voter, **more), verify=keys.verify)  # type: ignore[arg-type]

    come(one, twice)
    come(two, replace(twice, precinct="P-2"), at=MORNING + timedelta(hours=2))
    come(two, absent, certificate=certificate)
    come(three, absent, certificate=certificate)
    come(one, person(3))
    come(three, namesake)
    come(
        three, person(51, "P-2"), addition=person(51, "P-2").to_json(), ground="says he lives here"
    )
    come(three, person(50), certificate=unissued)
    come(one, person(7))
    made = [facts_of(each) for each in opened.values()]
    for each in opened.values():
        each.store.close()
    # The home book forgets a certificate that was used: as if it had been forged by its key.
    made[1] = replace(made[1], certified=frozenset())
    return made


def test_every_planted_case_is_found_and_nothing_else(day: list[Facts]) -> None:
    found = findings(merge(day))
    kinds = [(f.kind, tuple(sorted(s.precinct for s in f.sides))) for f in found]
    assert kinds == [
        (Kind.VOTER_TWICE, ("P-1", "P-2")),
        (Kind.VOTER_TWICE, ("P-2", "P-3")),
        (Kind.CERTIFICATE_TWICE, ("P-2", "P-3")),
        (Kind.CERTIFICATE_UNKNOWN, ("P-3",)),
        (Kind.ADDITION_ON_OTHER_LIST, ("P-2", "P-3")),
        (Kind.MAY_BE_ONE_PERSON, ("P-1", "P-3")),
        (Kind.ON_TWO_LISTS, ("P-1", "P-2")),
        (Kind.ON_TWO_LISTS, ("P-1", "P-2")),
    ]
    hours = {s.hour for s in found[0].sides}
    assert hours == {9, 11}


def test_any_order_and_grouping_of_books_finds_the_same(day: list[Facts]) -> None:
    expected = findings(merge(day))
    for a, b, c in permutations(day):
        assert findings(merge([a, b, c, a])) == expected
        assert findings(a.merged(b.merged(c))) == expected


def test_voting_at_home_after_a_certificate_was_given_is_found(day: list[Facts]) -> None:
    # The device's own check refuses it; a book without that check still is found out.
    merged = merge(day)
    holder = next(iter(merged.certified))
    use = Use(holder.book, "P-1", holder.iin, "А", "Б", "", "1962-03-16", "P-1", 3, "list", "", 12)
    found = findings(replace(merged, uses=merged.uses | {use}))
    assert Kind.VOTED_DESPITE_CERTIFICATE in {f.kind for f in found}


def test_two_elections_are_not_mixed(day: list[Facts]) -> None:
    with pytest.raises(BookError, match="different elections"):
        merge([*day, replace(day[0], election="f" * 64)])


def test_the_report_names_sides_for_officials_and_counts_for_observers(day: list[Facts]) -> None:
    merged = merge(day)
    found = findings(merged)
    seen = page("reconciliation", reconciliation_report(merged, found, official=True))
    for words in ("Один номер получил бюллетени дважды", "Бір адам болуы мүмкін", person(1).name):
        assert words in seen
    assert person(1).iin not in seen
    public = page("reconciliation", reconciliation_report(merged, found, official=False))
    assert "One number was given ballots twice" in public
    assert person(1).name not in public
    assert person(1).iin[-4:] not in public


# --- one book, copied --------------------------------------------------------------------


@pytest.mark.parametrize("later", [timedelta(0), timedelta(hours=2)])
def test_a_voter_at_two_copies_of_one_book_is_found(tmp_path: Path, later: timedelta) -> None:
    """A second desk by a copied file, or a backup put back: nothing else tells the two apart."""
    book(tmp_path / "one", people(10)).store.close()
    (tmp_path / "copy").write_bytes((tmp_path / "one").read_bytes())
    made = []
    for name, at in (("one", MORNING), ("copy", MORNING + later)):
        with Book.open(tmp_path / name, UNLOCK) as desk:
            check_in(desk, visit(person(1), at=at))
            made.append(facts_of(desk))
    # The same book read twice is no finding; two that differ are.
    assert findings(merge([made[0], made[0]])) == []
    [found] = findings(merge(made))
    assert (found.kind, len(found.sides)) == (Kind.VOTER_TWICE, 2)
    assert findings(merge(Facts.from_json(json.dumps(f.to_json()).encode(), "f") for f in made))


@pytest.mark.parametrize("kind", ["uses", "listed", "certified", "books"])
@pytest.mark.parametrize("wrong", [None, True, 7, 1.5, "", [], {}])
def test_facts_with_a_field_of_another_kind_are_refused(
    day: list[Facts], kind: str, wrong: object
) -> None:
    """They went in alone, and ended in a traceback beside another book's."""
    fine = merge(day).to_json()
    for place, field in enumerate(fine[kind][0]):
        if type(field) is type(wrong):
            continue
        changed = json.loads(json.dumps(fine))
        changed[kind][0][place] = wrong
        with pytest.raises(BookError, match="is not a file of pollbook facts"):
            Facts.from_json(json.dumps(changed).encode(), "x.json")


def test_facts_of_the_former_form_are_read(tmp_path: Path) -> None:
    with book(tmp_path / "one", people(3)) as desk:
        check_in(desk, visit(person(1)))
        value = facts_of(desk).to_json()
    value |= {"format": "ballotbench-pollbook-facts-1", "uses": [r[:-1] for r in value["uses"]]}
    [use] = Facts.from_json(json.dumps(value).encode(), "former").uses
    assert (use.iin, use.slip) == (person(1).iin, "")
