"""Duplicate search over a voter list: exact on the IIN, fuzzy on name and birth date.

The result is a list for people to review; nothing is ever removed by it (SEED-02). Pairs are
compared only inside blocks, so that the work grows with the list and not with its square:

1. *same IIN*: a pair whatever the names (the key must be unique);
2. *same birth date*: names compared, each part and the whole (spelling, script, order of
   family and given name, a family name changed by marriage);
3. *same name*, birth dates one slip apart (a digit, two neighbours swapped, day and month
   swapped).

Names are compared by their keys (`names`) with the normalised indel similarity of RapidFuzz,
0 to 100. Twins share birth date, family name and patronymic: so the given name alone must be
alike too. Two people who truly share name and birth date do exist (McDonald and Levitt, 2008,
"Seeing double voting"): in a large list some pairs are chance, and the reviewer says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz
from rapidfuzz.process import cpdist

from firmware_sim.pollbook.names import key, patronymic_key
from firmware_sim.pollbook.voters import Voter

#: Likeness (0 to 100) below which a name part is another name. Between Айдар and Айдос
#: (60) and a name with one letter of six wrong (83).
PART_ALIKE = 72.0
#: Likeness of the whole from which a pair with the same birth date goes on the list.
WHOLE_ALIKE = 84.0
#: Likeness of patronymics, where both are written, below which the fathers are two.
PATRONYMIC_ALIKE = 66.0
#: A changed family name: given name and patronymic must be this alike.
REST_ALIKE = 92.0
_WEIGHTS = (0.45, 0.40, 0.15)


class Ground(StrEnum):
    """Why a pair is on the list."""

    SAME_IIN = "same_iin"
    NAME_AND_BIRTH_DATE = "name_and_birth_date"
    FAMILY_NAME_CHANGED = "family_name_changed"
    BIRTH_DATE_SLIP = "birth_date_slip"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two places of the list (indices, first < second) that may be one person; `likeness` of
    their names, 0 to 100."""

    first: int
    second: int
    ground: Ground
    likeness: int


def find_duplicates(voters: Sequence[Voter]) -> list[Candidate]:
    """Every candidate pair, each once with its strongest ground, likeliest first."""
    parts = _name_parts(voters)
    found: dict[tuple[int, int], Candidate] = {}

    def add(pairs: NDArray[np.int64], grounds: Iterable[Ground], scores: Iterable[float]) -> None:
        for (a, b), ground, score in zip(pairs.tolist(), grounds, scores, strict=True):
            found.setdefault((a, b), Candidate(a, b, ground, round(score)))

    same_iin = _pairs(_blocks(v.iin for v in voters))
    add(same_iin, [Ground.SAME_IIN] * len(same_iin), parts.whole(same_iin))

    same_day = _pairs(_blocks(v.birth_date for v in voters))
    alike, changed, score = parts.compare(same_day)
    add(same_day[alike], [Ground.NAME_AND_BIRTH_DATE] * int(alike.sum()), score[alike])
    add(same_day[changed], [Ground.FAMILY_NAME_CHANGED] * int(changed.sum()), score[changed])

    same_name = _pairs(_blocks(parts.full))
    same_name = same_name[parts.not_another_father(same_name)]
    slips = np.array(
        [_one_slip(voters[a].birth_date, voters[b].birth_date) for a, b in same_name.tolist()],
        dtype=bool,
    )
    slipped = same_name[slips]
    add(slipped, [Ground.BIRTH_DATE_SLIP] * len(slipped), parts.whole(slipped))
    order = list(Ground)
    return sorted(
        found.values(), key=lambda c: (order.index(c.ground), -c.likeness, c.first, c.second)
    )


def duplicates_of(voter: Voter, others: Sequence[Voter]) -> list[tuple[Voter, Candidate]]:
    """Who among `others` may be this voter: run on every change of an entry (SEED-02)."""
    found = find_duplicates([voter, *others])
    return [(others[c.second - 1], c) for c in found if c.first == 0]


@dataclass(frozen=True, slots=True)
class _Parts:
    family: list[str]
    given: list[str]
    patronymic: list[str]
    full: list[str]

    def whole(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        return _alike(self.full, self.full, pairs)

    def not_another_father(self, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`bool[n]`: patronymics alike, or one of the two is not written."""
        alike = _alike(self.patronymic, self.patronymic, pairs) >= PATRONYMIC_ALIKE
        return np.asarray(alike | self._silent(pairs))

    def _silent(self, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
        # One of the two without a patronymic says nothing for or against.
        return np.array(
            [not self.patronymic[a] or not self.patronymic[b] for a, b in pairs.tolist()],
            dtype=bool,
        )

    def compare(
        self, pairs: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
        """For each pair: are the names alike, is only the family name another, the score."""
        family = _alike(self.family, self.family, pairs)
        given = _alike(self.given, self.given, pairs)
        crossed = np.minimum(
            _alike(self.family, self.given, pairs), _alike(self.given, self.family, pairs)
        )
        swapped = (crossed >= PART_ALIKE) & (crossed > np.minimum(family, given))
        family, given = np.where(swapped, crossed, family), np.where(swapped, crossed, given)
        patronymic = _alike(self.patronymic, self.patronymic, pairs)
        silent = self._silent(pairs)
        w_family, w_given, w_patronymic = _WEIGHTS
        known = w_family * family + w_given * given
        score = np.where(silent, known / (w_family + w_given), known + w_patronymic * patronymic)
        parts = (np.minimum(family, given) >= PART_ALIKE) & (
            silent | (patronymic >= PATRONYMIC_ALIKE)
        )
        alike = parts & (score >= WHOLE_ALIKE)
        rest = (given >= REST_ALIKE) & (patronymic >= REST_ALIKE) & ~silent
        return alike, rest & ~alike, score


def _name_parts(voters: Sequence[Voter]) -> _Parts:
    family = [key(v.family_name) for v in voters]
    given = [key(v.given_name) for v in voters]
    patronymic = [patronymic_key(v.patronymic) if v.patronymic else "" for v in voters]
    full = [f"{f} {g}" for f, g in zip(family, given, strict=True)]
    return _Parts(family, given, patronymic, full)


def _blocks(keys: Iterable[object]) -> Iterator[list[int]]:
    members: defaultdict[object, list[int]] = defaultdict(list)
    for index, value in enumerate(keys):
        members[value].append(index)
    return (block for block in members.values() if len(block) > 1)


def _pairs(blocks: Iterable[list[int]]) -> NDArray[np.int64]:
    """All pairs inside the blocks, `int64[n, 2]`, the smaller index first."""
    pairs = [pair for block in blocks for pair in combinations(block, 2)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _alike(left: list[str], right: list[str], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """`float64[n]`: the likeness of left[a] and right[b] for each pair (a, b)."""
    if not len(pairs):
        return np.zeros(0)
    return np.asarray(
        cpdist(
            [left[a] for a in pairs[:, 0].tolist()],
            [right[b] for b in pairs[:, 1].tolist()],
            scorer=fuzz.ratio,
        ),
        dtype=np.float64,
    )


def _one_slip(a: date, b: date) -> bool:
    """Are the two dates one typing slip apart?"""
    x, y = f"{a:%Y%m%d}", f"{b:%Y%m%d}"
    if x[:4] == y[:4] and x[4:6] == y[6:] and x[6:] == y[4:6]:
        return x != y
    wrong = [i for i in range(8) if x[i] != y[i]]
    if len(wrong) == 1:
        return True
    return (
        len(wrong) == 2
        and wrong[1] == wrong[0] + 1
        and (x[wrong[0]], x[wrong[1]]) == (y[wrong[1]], y[wrong[0]])
    )
