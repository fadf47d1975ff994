"""A national result by area: each commission's and district's sums from its precincts.

Precincts are the only figures; everything above is added up here, so that a sum of a tier
cannot differ from its parts (SEED-06). Arrays over (row, area); no row is held in Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from election.commissions import Commissions
from election.figures import CONTEST_FIGURES as FIGURES
from election.model import Election
from tally.exchange.errors import ExchangeError
from tally.national.store import NationalResult, PrecinctStatus

Ints = npt.NDArray[np.int64]

Kind = Literal["precinct", "territorial", "regional", "central"]
#: Column of the precincts' table that names the area, by kind.
_COLUMN: Final[Mapping[str, str]] = {
    "territorial": "territorial_id",
    "regional": "regional_id",
}
#: The whole country where no tree of commissions names it.
CENTRAL_ID: Final = "central"


@dataclass(frozen=True, slots=True)
class Area:
    """A precinct, or a commission above: `precincts` are rows of the precincts' table."""

    id: str
    kind: Kind
    name: Mapping[str, str]
    precincts: Ints


@dataclass(frozen=True, slots=True)
class Areas:
    """The areas of a result, from the whole country down: `places` by kind are, for each
    precinct, the number of its area of that kind (-1 for none) among `of_kind[kind]`."""

    precinct_ids: tuple[str, ...]
    of_kind: Mapping[Kind, tuple[Area, ...]]
    places: Mapping[Kind, Ints]
    status: tuple[str, ...]

    def counted(self, area: Area) -> int:
        """How many of its precincts need no further count: counted, or set out by decision."""
        done = (PrecinctStatus.COUNTED.value, PrecinctStatus.EXCLUDED.value)
        return sum(self.status[int(row)] in done for row in area.precincts)

    def sums(self, kind: Kind, precincts: Ints, values: Ints) -> tuple[Ints, Ints]:
        """Which areas of `kind` have rows at all (int64[n]) and their sums (int64[n])."""
        place = self.places[kind][precincts]
        here = place >= 0
        total = np.zeros(len(self.of_kind[kind]), dtype=np.int64)
        np.add.at(total, place[here], values[here])
        present = np.unique(place[here])
        return present, total[present]


@dataclass(frozen=True, slots=True)
class Column:
    """A figure by precinct: `precincts` rows of the precincts' table, `values` beside them."""

    precincts: Ints
    values: Ints


def find_areas(
    result: NationalResult, election: Election, commissions: Commissions | None = None
) -> Areas:
    """The areas of a result; names are the commissions' where the tree is given.

    Raises:
        ExchangeError: a precinct of the result is not the election's, or one is lacking.
    """
    table = result.tables["precincts"]
    ids = tuple(table["precinct_id"].to_pylist())
    strange = [p for p in ids if not election.has_precinct(p)]
    if strange:
        raise ExchangeError(
            f"precincts.parquet: precinct {strange[0]} is not in election {election.id}. "
            "Give the definition that was counted"
        )
    if len(ids) != len(election.precincts):
        have = set(ids)
        gone = next(p.id for p in election.precincts if p.id not in have)
        raise ExchangeError(f"precincts.parquet: precinct {gone} has no row. Count again")
    everyone = np.arange(len(ids), dtype=np.int64)
    top = commissions.central if commissions is not None else None
    of_kind: dict[Kind, tuple[Area, ...]] = {
        "central": (
            Area(
                top.id if top else CENTRAL_ID,
                "central",
                top.name if top else election.title,
                everyone,
            ),
        )
    }
    places: dict[Kind, Ints] = {"central": np.zeros(len(ids), dtype=np.int64)}
    for kind in ("regional", "territorial"):
        of_kind[kind], places[kind] = _tier(kind, table[_COLUMN[kind]].to_pylist(), commissions)
    of_kind["precinct"] = tuple(
        Area(p, "precinct", election.precinct(p).name, everyone[i : i + 1])
        for i, p in enumerate(ids)
    )
    places["precinct"] = everyone
    return Areas(ids, of_kind, places, tuple(table["status"].to_pylist()))


def _tier(
    kind: Kind, names: list[str | None], commissions: Commissions | None
) -> tuple[tuple[Area, ...], Ints]:
    order = {name: i for i, name in enumerate(sorted({n for n in names if n is not None}))}
    place = np.array([-1 if n is None else order[n] for n in names], dtype=np.int64)

    def said(name: str) -> Mapping[str, str]:
        known = commissions.by_id.get(name) if commissions is not None else None
        return known.name if known is not None else {"en": name}

    areas = tuple(
        Area(name, kind, said(name), np.flatnonzero(place == i)) for name, i in order.items()
    )
    return areas, place


class Figures:
    """The votes and other figures of a result as arrays by contest.

    Raises:
        ExchangeError: a contest, option or precinct that the election has not, a figure that
            is lacking or negative, or tables whose sums are not those of `result.json`.
    """

    def __init__(self, result: NationalResult, election: Election, areas: Areas) -> None:
        self._rows = {p: i for i, p in enumerate(areas.precinct_ids)}
        self.votes: dict[tuple[str, str], Column] = {}
        self.figures: dict[tuple[str, str], Column] = {}
        counted = np.array([s == PrecinctStatus.COUNTED.value for s in areas.status])
        for (contest, option), column in self._split(
            result, "votes", ("contest_id", "option_id"), "votes"
        ):
            try:
                known = option in election.contest(contest).option_ids()
            except KeyError:
                known = False
            if not known:
                raise ExchangeError(
                    f"votes.parquet: contest {contest}, option {option}: not in election "
                    f"{election.id}. Give the definition that was counted"
                )
            self.votes[contest, option] = column
        for name in FIGURES:
            for (contest,), column in self._split(result, "contests", ("contest_id",), name):
                self.figures[contest, name] = column
        for columns in (self.votes, self.figures):
            for key, column in columns.items():
                if not counted[column.precincts].all():
                    row = int(column.precincts[~counted[column.precincts]][0])
                    raise ExchangeError(
                        f"precinct {areas.precinct_ids[row]}: has figures for {key[0]} but is "
                        f"{areas.status[row]}, not counted. Count again"
                    )
        self._check_sums(result.document, election)

    def _split(
        self, result: NationalResult, table_name: str, keys: tuple[str, ...], value: str
    ) -> list[tuple[tuple[str, ...], Column]]:
        table = result.tables[table_name].select(["precinct_id", *keys, value])
        if not len(table):
            return []
        if table[value].null_count:
            raise ExchangeError(f"{table_name}.parquet: column {value} has an empty cell")
        table = table.sort_by([(k, "ascending") for k in (*keys, "precinct_id")]).combine_chunks()
        codes = table["precinct_id"].combine_chunks().dictionary_encode()
        names = codes.dictionary.to_pylist()
        lacking = [n for n in names if n not in self._rows]
        if lacking:
            raise ExchangeError(
                f"{table_name}.parquet: precinct {lacking[0]} is not in precincts.parquet"
            )
        rows = np.array([self._rows[n] for n in names], dtype=np.int64)
        precincts = rows[codes.indices.to_numpy(zero_copy_only=False)]
        values = table[value].to_numpy().astype(np.int64)
        if (values < 0).any():
            at = int(np.flatnonzero(values < 0)[0])
            raise ExchangeError(
                f"{table_name}.parquet: precinct {table['precinct_id'][at].as_py()}, "
                f"{'/'.join(str(table[k][at].as_py()) for k in keys)}: {value} is negative "
                f"({int(values[at])}). Count again"
            )
        starts = np.ones(len(table), dtype=np.bool_)
        starts[1:] = False
        for key in keys:
            word = table[key].combine_chunks().dictionary_encode()
            code = word.indices.to_numpy(zero_copy_only=False)
            starts[1:] |= code[1:] != code[:-1]
        first = np.flatnonzero(starts)
        ends = np.append(first[1:], len(table))
        labels = table.select(list(keys)).take(first).to_pylist()
        return [
            (tuple(label[k] for k in keys), Column(precincts[a:b], values[a:b]))
            for label, a, b in zip(labels, first.tolist(), ends.tolist(), strict=True)
        ]

    def _check_sums(self, document: Mapping[str, Any], election: Election) -> None:
        """`result.json` says the sums too: what differs is not passed on."""
        stated = document.get("contests", {})
        for contest in election.contests:
            figures = stated.get(contest.id, {})
            found = {
                f"votes of {option}": (
                    self._total(self.votes.get((contest.id, option))),
                    figures.get("votes", {}).get(option, 0),
                )
                for option in contest.option_ids()
            } | {
                name: (self._total(self.figures.get((contest.id, name))), figures.get(name, 0))
                for name in FIGURES
            }
            for name, (table, said) in found.items():
                if table != said:
                    raise ExchangeError(
                        f"result.json: contest {contest.id}, {name}: says {said}, the precincts "
                        f"add up to {table}. Count again"
                    )

    @staticmethod
    def _total(column: Column | None) -> int:
        return 0 if column is None else int(column.values.sum())
