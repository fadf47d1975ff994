"""When the lines return: the facts of several pollbooks put together, and what they show.

A book gives `Facts`: sets of immutable facts. Merging is the union of sets, so it does not
matter in which order books come, how they are grouped, or whether one comes twice; a tier can
merge what other tiers merged. `findings` is a pure function of the merged facts:

| kind | two facts that cannot both be right |
|---|---|
| `voter_twice` | one number was given ballots by two books, or twice by copies of one |
| `certificate_twice` | one absentee certificate was used by two books, or copies of one |
| `certificate_unknown` | used, but its home book (which is here) issued none of that number to that voter |
| `voted_despite_certificate` | given a certificate, yet given ballots without it |
| `addition_on_other_list` | an addition who stands on another precinct's list |
| `on_two_lists` | one number, active on two lists (no ballot needed) |
| `may_be_one_person` | two numbers that were both given ballots, names and birth dates alike: to look at |
"""  # noqa: E501

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from firmware_sim.pollbook.book import REGION, Book
from firmware_sim.pollbook.duplicates import Ground, find_duplicates
from firmware_sim.pollbook.errors import BookError
from firmware_sim.pollbook.voters import Voter

FORMAT = "ballotbench-pollbook-facts-2"
#: Without slips.
_FORMER = "ballotbench-pollbook-facts-1"


class Kind(StrEnum):
    """Kinds of findings, gravest first."""

    VOTER_TWICE = "voter_twice"
    CERTIFICATE_TWICE = "certificate_twice"
    CERTIFICATE_UNKNOWN = "certificate_unknown"
    VOTED_DESPITE_CERTIFICATE = "voted_despite_certificate"
    ADDITION_ON_OTHER_LIST = "addition_on_other_list"
    MAY_BE_ONE_PERSON = "may_be_one_person"
    ON_TWO_LISTS = "on_two_lists"


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """`iin` was given ballots by a book, within `hour`; `certificate` empty if none. `slip` is
    the check-in's random id, empty in what former versions wrote."""

    book: str
    precinct: str
    iin: str
    family_name: str
    given_name: str
    patronymic: str
    birth_date: str
    home: str
    entry: int
    channel: str
    certificate: str
    hour: int
    slip: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """A line of a book's list; `gone`: moved or excluded since (which stays true)."""

    book: str
    precinct: str
    iin: str
    entry: int
    name: str
    kind: str
    gone: bool


@dataclass(frozen=True, slots=True, order=True)
class Certified:
    """A book issued certificate `number` to `iin`."""

    book: str
    precinct: str
    iin: str
    number: str


_TYPES: Mapping[str, type] = MappingProxyType({"str": str, "int": int, "bool": bool})
_Row = TypeVar("_Row", Use, Listed, Certified)


def _typed(kind: type[_Row], row: Any) -> _Row:
    """A fact of its file's row. Raises TypeError: another number or kind of fields."""
    made = kind(*row)
    if any(type(getattr(made, f.name)) is not _TYPES[str(f.type)] for f in fields(kind)):
        raise TypeError
    return made


@dataclass(frozen=True, slots=True)
class Facts:
    """What one or more books say, for one election (its hash)."""

    election: str
    books: frozenset[tuple[str, str]]
    uses: frozenset[Use]
    listed: frozenset[Listed]
    certified: frozenset[Certified]

    def merged(self, other: Facts) -> Facts:
        """Both together. Raises BookError: of two elections."""
        if self.election != other.election:
            raise BookError("the pollbooks are of different elections; reconcile one at a time")
        return Facts(
            self.election,
            self.books | other.books,
            self.uses | other.uses,
            self.listed | other.listed,
            self.certified | other.certified,
        )

    def to_json(self) -> dict[str, Any]:
        """JSON types, sorted. It holds numbers and names: write it with mode 0600."""
        return {
            "format": FORMAT,
            "election": self.election,
            "books": sorted(self.books),
            "uses": sorted(map(astuple, self.uses)),
            "listed": sorted(map(astuple, self.listed)),
            "certified": sorted(map(astuple, self.certified)),
        }

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Facts:
        """What `to_json` gave. Raises BookError: anything else."""
        try:
            value = json.loads(data)
            if value["format"] not in (FORMAT, _FORMER):
                raise ValueError
            places = [(b, p) for b, p in value["books"]]
            if not all(type(text) is str for pair in places for text in pair):
                raise TypeError
            facts = cls(
                str(value["election"]),
                frozenset(places),
                frozenset(_typed(Use, row) for row in value["uses"]),
                frozenset(_typed(Listed, row) for row in value["listed"]),
                frozenset(_typed(Certified, row) for row in value["certified"]),
            )
            for use in facts.uses:
                date.fromisoformat(use.birth_date)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BookError(f"{where}: is not a file of pollbook facts") from error
        return facts


@dataclass(frozen=True, slots=True)
class Side:
    """One of the facts of a finding, as an official looks it up."""

    precinct: str
    entry: int
    iin: str
    name: str
    channel: str
    certificate: str
    hour: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What cannot be right, with the facts that say so."""

    kind: Kind
    sides: tuple[Side, ...]


def facts_of(book: Book) -> Facts:
    """The facts of one precinct's book. Raises BookError: a region's list has none."""
    setup = book.setup
    if setup.precinct == REGION:
        raise BookError(f"{book.store.path}: is a region's list; reconcile the precincts' books")
    place = (book.book_id, setup.precinct)
    return Facts(
        setup.election_hash,
        frozenset({place}),
        frozenset(_use(place, iin, fact) for iin, fact in book.roll()),
        frozenset(
            Listed(*place, e.voter.iin, e.number, e.voter.name, e.kind, not e.active)
            for e in book.entries()
        ),
        frozenset(
            Certified(*place, iin, document["number"])
            for iin, document in book.store.all("certificate")
        ),
    )


def merge(many: Iterable[Facts]) -> Facts:
    """All together; at least one. Raises BookError: of different elections, or none."""
    total: Facts | None = None
    for facts in many:
        total = facts if total is None else total.merged(facts)
    if total is None:
        raise BookError("nothing to reconcile: name at least one pollbook")
    return total


def findings(facts: Facts) -> list[Finding]:
    """Everything that cannot be right, gravest kind first."""
    by_iin: defaultdict[str, list[Use]] = defaultdict(list)
    by_certificate: defaultdict[str, list[Use]] = defaultdict(list)
    for use in sorted(facts.uses):
        by_iin[use.iin].append(use)
        if use.certificate:
            by_certificate[use.certificate].append(use)
    gone = {(row.book, row.entry) for row in facts.listed if row.gone}
    active: defaultdict[str, list[Listed]] = defaultdict(list)
    for row in sorted(facts.listed):
        if (row.book, row.entry) not in gone:
            active[row.iin].append(row)
    found = _by_two_books(Kind.VOTER_TWICE, by_iin)
    found += _by_two_books(Kind.CERTIFICATE_TWICE, by_certificate)
    found += _certificates(facts)
    for rows in active.values():
        found += _lists(rows, by_iin)
    found += _alike(sorted(facts.uses))
    order = list(Kind)
    return sorted(
        found, key=lambda f: (order.index(f.kind), [(s.precinct, s.iin) for s in f.sides])
    )


def _by_two_books(kind: Kind, groups: Mapping[str, list[Use]]) -> list[Finding]:
    """Two books, or two copies of one: a book itself gives a number one slip."""
    return [
        Finding(kind, _sides(uses))
        for uses in groups.values()
        if len({(use.book, use.slip) for use in uses}) > 1
    ]


def _certificates(facts: Facts) -> list[Finding]:
    issued = {(row.number, row.iin) for row in facts.certified}
    holders = {row.iin: row for row in sorted(facts.certified)}
    here = {precinct for _, precinct in facts.books}
    found = []
    for use in sorted(facts.uses):
        if use.certificate:
            if use.home in here and (use.certificate, use.iin) not in issued:
                found.append(Finding(Kind.CERTIFICATE_UNKNOWN, _sides([use])))
        elif use.iin in holders:
            row = holders[use.iin]
            home = Side(row.precinct, 0, row.iin, "", "certificate_issued", row.number, None)
            found.append(Finding(Kind.VOTED_DESPITE_CERTIFICATE, (*_sides([use]), home)))
    return found


def _lists(rows: list[Listed], by_iin: Mapping[str, list[Use]]) -> list[Finding]:
    """One number on the lists of several books."""
    if len({row.book for row in rows}) < 2:
        return []
    sides = tuple(
        Side(row.precinct, row.entry, row.iin, row.name, row.kind, "", _hour(row, by_iin))
        for row in rows
    )
    added = any(row.kind == "added" for row in rows)
    return [Finding(Kind.ADDITION_ON_OTHER_LIST if added else Kind.ON_TWO_LISTS, sides)]


def _hour(row: Listed, by_iin: Mapping[str, list[Use]]) -> int | None:
    return next((u.hour for u in by_iin.get(row.iin, ()) if u.book == row.book), None)


def _alike(uses: list[Use]) -> list[Finding]:
    voters = [
        Voter(
            use.iin,
            use.family_name,
            use.given_name,
            use.patronymic,
            date.fromisoformat(use.birth_date),
            use.home,
        )
        for use in uses
    ]
    return [
        Finding(Kind.MAY_BE_ONE_PERSON, _sides([uses[c.first], uses[c.second]]))
        for c in find_duplicates(voters)
        if c.ground is not Ground.SAME_IIN and uses[c.first].iin != uses[c.second].iin
    ]


def _sides(uses: Iterable[Use]) -> tuple[Side, ...]:
    return tuple(
        Side(
            use.precinct,
            use.entry,
            use.iin,
            " ".join(p for p in (use.family_name, use.given_name, use.patronymic) if p),
            use.channel,
            use.certificate,
            use.hour,
        )
        for use in uses
    )


def _use(place: tuple[str, str], iin: str, fact: Mapping[str, Any]) -> Use:
    voter = fact["voter"]
    return Use(
        *place,
        iin,
        voter["family_name"],
        voter["given_name"],
        voter["patronymic"],
        voter["birth_date"],
        voter["precinct"],
        fact["entry"],
        fact["channel"],
        fact["certificate"],
        fact["hour"],
        fact.get("slip", ""),
    )
