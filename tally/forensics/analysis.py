"""Everything that is looked at in one contest, as figures; the pictures show just these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tally.forensics import tests
from tally.forensics.figures import ContestFigures, ForensicsError, contest_figures
from tally.forensics.tests import FEWEST_VOTERS, LEVEL, RATE, Outcome
from tally.forensics.words import NOTICE
from tally.national.store import NationalResult

__all__ = ["Analysis", "ForensicsError", "analyse"]

FORMAT: Final = "ballotbench-forensics/1"
#: Turnout and share from which a precinct stands in the upper corner.
CORNER: Final = 0.95
#: Most precincts named in a list.
MOST_NAMED: Final = 200


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found.

    `figures` are precincts of at least `FEWEST_VOTERS` whose ballots are not more than its
    voters; `more_ballots` the ids of those that have more, `corner` of those in the upper
    corner of turnout and share; `breaches` by area and control ratio: precincts that break it,
    and counted precincts by area.
    """

    document: Mapping[str, Any]
    figures: ContestFigures
    outcomes: tuple[Outcome, ...]
    left_out: int
    more_ballots: tuple[str, ...]
    corner: tuple[str, ...]
    areas: tuple[str, ...]
    counted: tuple[int, ...]
    ratios: tuple[str, ...]
    breaches: npt.NDArray[np.int64]

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the tests that give a lead."""
        return tuple(o.test for o in self.outcomes if o.lead)

    def as_json(self) -> dict[str, Any]:
        """Plain values: the same as the pictures show."""
        return {
            "format": FORMAT,
            "notice": dict(NOTICE),
            "election_id": self.document.get("election_id"),
            "election_hash": self.document.get("election_hash"),
            "as_of": self.document.get("as_of"),
            "contest": self.figures.contest_id,
            "option": self.figures.option_id,
            "precincts": {
                "looked_at": len(self.figures.precinct_ids),
                "left_out": self.left_out,
                "fewest_voters": FEWEST_VOTERS,
            },
            "rate": RATE,
            "level": LEVEL,
            "leads": list(self.leads),
            "tests": [outcome.as_json() for outcome in self.outcomes],
            "more_ballots_than_voters": list(self.more_ballots[:MOST_NAMED]),
            "corner": {
                "from": CORNER,
                "number": len(self.corner),
                "precincts": list(self.corner[:MOST_NAMED]),
            },
            "control_ratios": {
                "areas": list(self.areas),
                "counted": list(self.counted),
                "ratios": list(self.ratios),
                "breached": self.breaches.tolist(),
            },
        }


def analyse(
    result: NationalResult, contest_id: str | None = None, option_id: str | None = None
) -> Analysis:
    """Look at one contest of a result; without names, at the one with most ballots and its
    strongest option.

    Raises:
        ForensicsError: nothing counted, or an unknown contest or option.
    """
    every = contest_figures(result, contest_id, option_id)
    known = every.registered > 0
    more = known & (every.ballots > every.registered)
    used = known & ~more & (every.registered >= FEWEST_VOTERS)
    figures = every.take(used)
    corner = (figures.turnout >= CORNER) & (np.nan_to_num(figures.share) >= CORNER)
    whole = tests.whole_percentages
    outcomes = (
        whole("whole_turnout", figures.ballots, figures.registered, 1),
        whole("fives_turnout", figures.ballots, figures.registered, 5),
        whole("whole_share", figures.votes, figures.total, 1),
        whole("fives_share", figures.votes, figures.total, 5),
        tests.last_digits("last_digit_votes", figures.votes),
        tests.last_digits("last_digit_ballots", figures.ballots),
        tests.second_digits("second_digit_votes", figures.votes),
        tests.share_against_turnout("share_turnout", figures),
    )
    areas, counted, ratios, breaches = _breaches(result)
    return Analysis(
        result.document,
        figures,
        outcomes,
        len(every.precinct_ids) - len(figures.precinct_ids),
        tuple(every.precinct_ids[row] for row in np.flatnonzero(more).tolist()),
        tuple(figures.precinct_ids[row] for row in np.flatnonzero(corner).tolist()),
        areas,
        counted,
        ratios,
        breaches,
    )


def _breaches(
    result: NationalResult,
) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...], npt.NDArray[np.int64]]:
    """Precincts that break each ratio by region (or "" without regions)."""
    area_of = {
        row["precinct_id"]: row["regional_id"] or ""
        for row in result.tables["precincts"].to_pylist()
        if row["status"] == "counted"
    }
    number_of = Counter(area_of.values())
    areas = tuple(sorted(number_of, key=_by_number))
    rows = result.tables["breaches"].to_pylist()
    stated = result.document.get("controls") or {}
    ratios = tuple(sorted({*stated, *(row["ratio_id"] for row in rows)}))
    seen = {
        (area_of[row["precinct_id"]], row["ratio_id"], row["precinct_id"])
        for row in rows
        if row["precinct_id"] in area_of
    }
    found = np.zeros((len(areas), len(ratios)), dtype=np.int64)
    for area, ratio, _ in seen:
        found[areas.index(area), ratios.index(ratio)] += 1
    return areas, tuple(number_of[a] for a in areas), ratios, found


def _by_number(name: str) -> tuple[str, int, str]:
    """R-2 before R-10."""
    head = name.rstrip("0123456789")
    return head, int(name[len(head) :] or 0), name
