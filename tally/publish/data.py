"""What the pages show, worked out once: sums by area, turnout, names; from the store alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from election.commissions import Commissions
from election.figures import CONTEST_FIGURES
from election.model import Election
from tally.exchange.areas import Area, Areas, Figures, Kind, find_areas
from tally.national.store import NationalResult, PrecinctStatus
from tally.publish.errors import PublishError

Ints = npt.NDArray[np.int64]
#: From the country down; a precinct has no area below.
KINDS: Final[tuple[Kind, ...]] = ("central", "regional", "territorial", "precinct")


@dataclass(frozen=True, slots=True)
class ContestSums:
    """One contest in one area: votes by option id, and the figures beside them."""

    votes: Mapping[str, int]
    figures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Turnout:
    """Of the counted precincts of an area: how many are counted, who took part, who could.

    `registered` is None where a counted precinct does not say.
    """

    precincts: int
    counted: int
    took_part: int
    registered: int | None


@dataclass(frozen=True)
class SiteData:
    """A result as areas. Build it with `SiteData.of`."""

    result: NationalResult
    election: Election
    commissions: Commissions | None
    areas: Areas
    figures: Figures

    @classmethod
    def of(
        cls, result: NationalResult, election: Election, commissions: Commissions | None
    ) -> SiteData:
        """The result of this election.

        Raises:
            PublishError: of another election, or two ids that differ only in case.
            ExchangeError: the result contradicts itself or the definition.
        """
        if result.document.get("election_hash") != election.hash:
            raise PublishError(
                f"the result is of another definition than {election.id}: give the one counted"
            )
        areas = find_areas(result, election, commissions)
        data = cls(result, election, commissions, areas, Figures(result, election, areas))
        for what, ids in (
            ("precincts", areas.precinct_ids),
            ("areas", [a.id for kind in KINDS[:3] for a in areas.of_kind[kind]]),
            ("contests", [c.id for c in election.contests]),
        ):
            if len({i.lower() for i in ids}) != len(ids):
                raise PublishError(f"two {what} have ids that differ only in case")
        return data

    @cached_property
    def sums(self) -> Mapping[Kind, Mapping[int, Mapping[str, ContestSums]]]:
        """By kind of area, number of the area and contest; areas without figures are not there."""
        found: dict[Kind, dict[int, dict[str, ContestSums]]] = {}
        for kind in KINDS:
            here = found.setdefault(kind, {})
            for columns, votes in ((self.figures.votes, True), (self.figures.figures, False)):
                for (contest, name), column in columns.items():
                    present, total = self.areas.sums(kind, column.precincts, column.values)
                    for area, value in zip(present.tolist(), total.tolist(), strict=True):
                        contests = here.setdefault(area, {})
                        sums = contests.get(contest)
                        if sums is None:
                            sums = contests[contest] = ContestSums({}, {})
                        part = sums.votes if votes else sums.figures
                        part[name] = value  # type: ignore[index]
        return found

    @cached_property
    def _by_precinct(self) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
        """Took part, registered (-1: not known), and counted, by row of the precincts' table.

        Each voter has every contest's paper or one sheet for all: the contest with most
        ballots in a precinct tells how many came.
        """
        table = self.result.tables["precincts"]
        took_part = np.zeros(len(table), dtype=np.int64)
        for (_, name), column in self.figures.figures.items():
            if name == CONTEST_FIGURES[0]:
                np.maximum.at(took_part, column.precincts, column.values)
        registered = np.array(
            [-1 if n is None else n for n in table["registered"].to_pylist()], dtype=np.int64
        )
        counted = np.array([s == PrecinctStatus.COUNTED.value for s in self.areas.status])
        return took_part, registered, counted

    def turnout(self, area: Area) -> Turnout:
        """Of one area."""
        took_part, registered, counted = self._by_precinct
        rows = area.precincts[counted[area.precincts]]
        known = registered[rows]
        return Turnout(
            precincts=len(area.precincts),
            counted=len(rows),
            took_part=int(took_part[rows].sum()),
            registered=None if (known < 0).any() else int(known.sum()),
        )

    @cached_property
    def tree(self) -> Mapping[tuple[Kind, int], tuple[tuple[Kind, int], ...]]:
        """Which areas lie directly under one: of the next kind that there is, and precincts that
        no smaller area holds."""
        present = [kind for kind in KINDS if self.areas.of_kind[kind]]
        found: dict[tuple[Kind, int], list[tuple[Kind, int]]] = {}
        for place, kind in enumerate(present[1:], 1):
            for number, area in enumerate(self.areas.of_kind[kind]):
                if not len(area.precincts):
                    continue
                row = int(area.precincts[0])
                above = next(
                    (k, int(self.areas.places[k][row]))
                    for k in reversed(present[:place])
                    if self.areas.places[k][row] >= 0
                )
                found.setdefault(above, []).append((kind, number))
        return {key: tuple(children) for key, children in found.items()}

    @cached_property
    def parents(self) -> Mapping[tuple[Kind, int], tuple[Kind, int]]:
        """The area that one lies directly under."""
        return {child: parent for parent, below in self.tree.items() for child in below}

    @cached_property
    def papers(self) -> Mapping[str, list[dict[str, Any]]]:
        """Rows of the papers' table by precinct."""
        return _grouped(self.result.tables["papers"].to_pylist())

    @cached_property
    def breaches(self) -> Mapping[str, list[dict[str, Any]]]:
        """Rows of the breaches' table by precinct."""
        return _grouped(self.result.tables["breaches"].to_pylist())

    @cached_property
    def precinct_rows(self) -> list[dict[str, Any]]:
        """Rows of the precincts' table."""
        rows: list[dict[str, Any]] = self.result.tables["precincts"].to_pylist()
        return rows

    def area(self, key: tuple[Kind, int]) -> Area:
        """An area by kind and number."""
        return self.areas.of_kind[key[0]][key[1]]


def _grouped(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["precinct_id"], []).append(row)
    return found
