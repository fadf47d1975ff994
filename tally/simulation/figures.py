"""A made-up nation's figures without its ballots: a national result in a second.

Tastes, sizes and turnout are those of the plan, so the figures spread as counted ones do;
the draws are not the ballots' own. Faults of known size can be planted in a share of the
precincts, for whoever tries a test on them (`tally.forensics`):

- `stuffing`: papers for the strongest list in the names of some who did not vote;
- `round`: turnout and that list's share written to fit a whole percentage;
- `invented`: the list's votes rounded to tens, as tired people do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from election.figures import CONTEST_FIGURES
from election.model import Contest
from tally.simulation.ballots import tastes_of
from tally.simulation.plan import VOID, Nation

Ints = npt.NDArray[np.int64]
Kind = Literal["stuffing", "round", "invented"]
#: Of those who did not vote, the share that stuffing adds, from and to.
_ADDED: Final = (0.3, 0.9)


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault in a `share` of the precincts, of the list contest, for its strongest option."""

    kind: Kind
    share: float


def nation_tables(
    nation: Nation, planted: Planted | None = None
) -> tuple[dict[str, pa.Table], tuple[str, ...]]:
    """The store's tables `precincts`, `votes` and `contests` of the list contest alone, and the
    precincts in which the fault was planted."""
    contest = nation.election.contests[0]
    votes, void = _draw(nation, contest)
    registered = nation.registered.copy()
    touched = np.zeros(len(registered), dtype=np.bool_)
    if planted is not None:
        rng = np.random.default_rng([nation.plan.seed, 6])
        touched = rng.random(len(registered)) < planted.share
        for row in np.flatnonzero(touched).tolist():
            _plant(planted.kind, votes[row], int(void[row]), int(registered[row]), rng)
    ids = nation.precinct_ids
    ballots = votes.sum(axis=1) + void
    options = contest.option_ids()
    zeros = [0] * len(ids)
    figures: dict[str, Any] = dict.fromkeys(CONTEST_FIGURES, zeros)
    figures |= {"ballots": ballots, "invalid": void}
    return {
        "precincts": pa.table(
            {
                "precinct_id": ids,
                "territorial_id": [f"T-{t + 1}" for t in nation.territory.tolist()],
                "regional_id": [f"R-{r + 1}" for r in nation.region.tolist()],
                "status": ["counted"] * len(ids),
                "registered": registered,
            }
        ),
        "votes": pa.table(
            {
                "precinct_id": np.repeat(ids, len(options)),
                "contest_id": [contest.id] * (len(ids) * len(options)),
                "option_id": list(options) * len(ids),
                "votes": votes.ravel(),
            }
        ),
        "contests": pa.table(
            {"precinct_id": ids, "contest_id": [contest.id] * len(ids), **figures}
        ),
    }, tuple(ids[row] for row in np.flatnonzero(touched).tolist())


def _draw(nation: Nation, contest: Contest) -> tuple[Ints, Ints]:
    """Votes int64[precincts, options] and void papers int64[precincts]."""
    by_region = [tastes_of(nation, contest, r) for r in range(nation.plan.regions)]
    votes = np.zeros((len(nation.voted), len(contest.options)), dtype=np.int64)
    void = np.zeros(len(nation.voted), dtype=np.int64)
    rng = np.random.default_rng([nation.plan.seed, 5])
    for row, (voted, region) in enumerate(
        zip(nation.voted.tolist(), nation.region.tolist(), strict=True)
    ):
        void[row] = rng.binomial(voted, VOID)
        mine = rng.dirichlet(np.maximum(by_region[region] * 60, 0.05))
        votes[row] = rng.multinomial(voted - void[row], mine)
    return votes, void


def _plant(kind: Kind, votes: Ints, void: int, registered: int, rng: np.random.Generator) -> None:
    """Change one precinct's votes in place; option 0 is the strongest list."""
    ballots = int(votes.sum()) + void
    if kind == "stuffing":
        votes[0] += int((registered - ballots) * rng.uniform(*_ADDED))
    elif kind == "invented":
        votes[0] = max(10 * round(int(votes[0]) / 10), 0)
    else:
        wanted = min(99, 5 * int(np.ceil(20 * ballots / registered)))
        total = max(round(registered * wanted / 100) - void, int(votes.sum()))
        share = min(95, 5 * int(np.ceil(20 * (votes[0] + 1) / (votes.sum() + 1))))
        rest = votes[1:].copy()
        votes[0] = round(total * share / 100)
        others = total - int(votes[0])
        if rest.sum():
            votes[1:] = rng.multinomial(others, rest / rest.sum())
        else:
            votes[0] = total
