"""Quotas among the winners of list seats: whether they are met, and what the law then does.

SEED-07: quotas for women, youth and persons with disabilities at the allocation of seats.
The people of a list stand in the order in which they are to get its seats; a quota is data
of the profile (`election.profile.SeatQuota`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from election.profile import SeatQuota
from tally.errors import SeatError

_COLUMNS = ["list", "name", "groups"]


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a list, with the groups that the file says."""

    name: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class QuotaResult:
    """One list and one quota: `needed` seats (the share, rounded up), `had` by the list's own
    order, `has` afterwards; `seated` who gets the seats, `moved` who gave way to whom."""

    list_name: str
    quota: str
    needed: int
    had: int
    has: int
    seated: tuple[str, ...]
    moved: tuple[tuple[str, str], ...]

    @property
    def met(self) -> bool:
        """Whether the quota is met in the end."""
        return self.has >= self.needed

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "list": self.list_name,
            "quota": self.quota,
            "needed": self.needed,
            "had": self.had,
            "has": self.has,
            "met": self.met,
            "seated": list(self.seated),
            "moved": [list(pair) for pair in self.moved],
        }


def read_members(data: bytes, name: str) -> dict[str, tuple[Member, ...]]:
    """People by list, from CSV with the columns list,name,groups (groups parted by spaces).

    Raises:
        SeatError: naming line and column.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SeatError(f"{name}: is not UTF-8 text. Save it as “CSV UTF-8”") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, list[Member]] = {}
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if header != _COLUMNS:
            raise SeatError(f"{name}: line 1: the header must be {','.join(_COLUMNS)}")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{name}: line {reader.line_num}"
            if len(cells) != len(_COLUMNS):
                raise SeatError(f"{where}: has {len(cells)} cells, must have {len(_COLUMNS)}")
            label, person, groups = (cell.strip() for cell in cells)
            for value, column in ((label, "column 1 (list)"), (person, "column 2 (name)")):
                if not value:
                    raise SeatError(f"{where}, {column}: is empty")
            people = found.setdefault(label, [])
            if any(p.name == person for p in people):
                raise SeatError(f"{where}, column 2 (name): {person[:60]!r} is there twice")
            people.append(Member(person, frozenset(groups.split())))
    except csv.Error as error:
        raise SeatError(f"{name}: line {reader.line_num}: is not CSV: {error}") from error
    return {label: tuple(people) for label, people in found.items()}


def apply_quota(
    list_name: str, members: Sequence[Member], seats: int, quota: SeatQuota
) -> QuotaResult:
    """One list's seats under one quota.

    Raises:
        SeatError: fewer people than seats.
    """
    if len(members) < seats:
        raise SeatError(f"list {list_name} won {seats} seats, but names {len(members)} people")
    groups = set(quota.groups)
    share = Fraction(quota.share_percent) / 100 * seats
    needed = -(-share.numerator // share.denominator)
    seated, waiting = list(members[:seats]), list(members[seats:])
    had = sum(1 for m in seated if m.groups & groups)
    moved: list[tuple[str, str]] = []
    if quota.effect == "replace_last":
        inside = [m for m in waiting if m.groups & groups]
        for place in range(seats - 1, -1, -1):
            if had + len(moved) >= needed or len(moved) == len(inside):
                break
            if not seated[place].groups & groups:
                into = inside[len(moved)]
                moved.append((seated[place].name, into.name))
                seated[place] = into
    has = sum(1 for m in seated if m.groups & groups)
    return QuotaResult(
        list_name, quota.id, needed, had, has, tuple(m.name for m in seated), tuple(moved)
    )


def apply_quotas(
    seats: Mapping[str, int],
    members: Mapping[str, Sequence[Member]],
    quotas: Sequence[SeatQuota],
) -> tuple[QuotaResult, ...]:
    """Every quota on every list that won a seat. Raises SeatError: a list without people."""
    won = {name: number for name, number in seats.items() if number > 0}
    if lacking := [name for name in won if name not in members]:
        raise SeatError(f"list {lacking[0]} won {won[lacking[0]]} seats, but names no people")
    return tuple(
        apply_quota(name, members[name], number, quota)
        for quota in quotas
        for name, number in won.items()
    )
