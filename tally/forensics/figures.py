"""One contest of a national result as arrays by precinct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tally.errors import TallyError
from tally.national.store import NationalResult, PrecinctStatus

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class ForensicsError(TallyError):
    """A result, contest or option that cannot be looked at so; says what is there."""


@dataclass(frozen=True, slots=True)
class ContestFigures:
    """Counted precincts of one contest, in the order of their ids; int64[n] each.

    `registered` is 0 where nobody said; `total` are all votes of the contest, `votes` those
    of `option`; `region` numbers into `regions` (its name "" where there is none).
    """

    contest_id: str
    option_id: str
    precinct_ids: tuple[str, ...]
    regions: tuple[str, ...]
    region: Ints
    registered: Ints
    ballots: Ints
    total: Ints
    votes: Ints

    @property
    def turnout(self) -> Reals:
        """Ballots by registered voters, NaN where these are 0."""
        return _ratio(self.ballots, self.registered)

    @property
    def share(self) -> Reals:
        """The option's votes by all votes, NaN where there are none."""
        return _ratio(self.votes, self.total)

    def take(self, rows: Bools) -> ContestFigures:
        """Only some precincts."""
        kept = np.flatnonzero(rows)
        return ContestFigures(
            self.contest_id,
            self.option_id,
            tuple(self.precinct_ids[row] for row in kept.tolist()),
            self.regions,
            self.region[kept],
            self.registered[kept],
            self.ballots[kept],
            self.total[kept],
            self.votes[kept],
        )


def contest_figures(
    result: NationalResult, contest_id: str | None = None, option_id: str | None = None
) -> ContestFigures:
    """The figures of a contest; without a name, of the one with most ballots, and of its
    option with most votes.

    Raises:
        ForensicsError: no counted precinct, or an unknown contest or option.
    """
    contests = result.document.get("contests") or {}
    contest = contest_id or max(
        contests, key=lambda c: (contests[c].get("ballots", 0), c), default=None
    )
    if contest is None or contest not in contests:
        known = ", ".join(sorted(contests)[:10])
        raise ForensicsError(f"contest {contest_id!r} is not in the result; it has: {known}")
    votes_of: dict[str, int] = contests[contest].get("votes", {})
    option = option_id or max(votes_of, key=lambda o: (votes_of[o], o), default=None)
    if option is None or option not in votes_of:
        raise ForensicsError(
            f"option {option_id!r} is not in contest {contest}; it has: {', '.join(votes_of)}"
        )
    rows = _precincts(result)
    ballots = _by_precinct(result, "contests", contest, "ballots")
    found = [p for p in rows if p in ballots]
    if not found:
        raise ForensicsError(f"no counted precinct has contest {contest}")
    total = dict.fromkeys(found, 0)
    mine = dict.fromkeys(found, 0)
    table = result.tables["votes"]
    for precinct, c, o, votes in zip(
        *(table[n].to_pylist() for n in ("precinct_id", "contest_id", "option_id", "votes")),
        strict=True,
    ):
        if c == contest and precinct in total:
            total[precinct] += votes
            if o == option:
                mine[precinct] = votes
    regions = tuple(sorted({rows[p]["regional_id"] or "" for p in found}))
    order = {name: number for number, name in enumerate(regions)}

    def ints(values: Any) -> Ints:
        return np.array(list(values), dtype=np.int64)

    return ContestFigures(
        contest,
        option,
        tuple(found),
        regions,
        ints(order[rows[p]["regional_id"] or ""] for p in found),
        ints(rows[p]["registered"] or 0 for p in found),
        ints(ballots[p] for p in found),
        ints(total.values()),
        ints(mine.values()),
    )


def _precincts(result: NationalResult) -> dict[str, dict[str, Any]]:
    return {
        row["precinct_id"]: row
        for row in result.tables["precincts"].to_pylist()
        if row["status"] == PrecinctStatus.COUNTED.value
    }


def _by_precinct(result: NationalResult, name: str, contest: str, column: str) -> dict[str, int]:
    table = result.tables[name]
    return {
        precinct: value or 0
        for precinct, c, value in zip(
            *(table[n].to_pylist() for n in ("precinct_id", "contest_id", column)), strict=True
        )
        if c == contest
    }


def _ratio(part: Ints, whole: Ints) -> Reals:
    found = np.full(len(part), np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found
