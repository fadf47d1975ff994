"""The ballots of one made-up precinct, drawn as columns.

Each precinct has a stream of chance of its own, named by the plan's seed and the precinct's
number: its ballots are the same whoever draws them, alone or among ten thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from election.model import Contest
from scanner.columns import SCHEMA
from scanner.reading import ContestStatus
from tally.simulation.plan import PARTIES, REVIEW, VOID, Nation, contest_ids

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

_VALID, _BLANK, _OVER, _REVIEW = range(4)
_STATUS = (
    ContestStatus.VALID,
    ContestStatus.BLANK,
    ContestStatus.OVERVOTE,
    ContestStatus.NEEDS_REVIEW,
)
_GROUNDS = ("no_mark", "more_than_one_mark")


@dataclass(frozen=True, slots=True)
class Marks:
    """What voters did in one contest: `kind` int64[ballots] of `_STATUS`, `choice` and
    `second` option places (second only where there are two marks)."""

    contest: Contest
    kind: Ints
    choice: Ints
    second: Ints


def precinct_table(nation: Nation, number: int) -> pa.Table:
    """All records of precinct `number` (from 0), in `scanner.columns.SCHEMA`."""
    plan = nation.plan
    rng = np.random.default_rng([plan.seed, 2, number])
    ballots = int(nation.voted[number])
    contests = contest_ids(plan, int(nation.district[number]), int(nation.territory[number]))
    marks = [_draw(nation, number, nation.election.contest(c), ballots, rng) for c in contests]
    if plan.papers == "together":
        groups = [(f"sheet-{nation.territory[number] + 1}", marks)]
    else:
        groups = [(one.contest.id, [one]) for one in marks]
    parts = [
        _rows(nation, number, style, group, ballots, rng, whole=plan.papers == "apart")
        for style, group in groups
    ]
    table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    # Record ids are random, so this is the order that tells nothing (NVT-05). The sort is
    # stable only by a second key: rows of a record stay in printed order.
    order = np.argsort(np.array(table["record_id"].to_pylist(), dtype="S32"), kind="stable")
    return table.take(pa.array(order)).combine_chunks().cast(SCHEMA)


def _draw(
    nation: Nation, number: int, contest: Contest, ballots: int, rng: np.random.Generator
) -> Marks:
    options = len(contest.options)
    tastes = tastes_of(nation, contest, int(nation.region[number]))
    mine = rng.dirichlet(np.maximum(tastes * 60, 0.05))
    choice = rng.choice(options, size=ballots, p=mine)
    second = (choice + 1 + rng.integers(0, options - 1, ballots)) % options
    chance = rng.random(ballots)
    kind = np.full(ballots, _VALID)
    kind[chance < VOID] = _BLANK
    kind[chance < VOID / 2] = _OVER
    kind[chance > 1 - REVIEW] = _REVIEW
    return Marks(contest, kind, choice, second)


def tastes_of(nation: Nation, contest: Contest, region: int) -> Reals:
    """Shares by option: of the nation for lists, tilted by region; drawn for candidates."""
    if contest.kind == "party_list":
        base = np.array([share for _, _, share in PARTIES] + [0.0])
        base[-1] = max(1.0 - base.sum(), 0.02)
        tilt = np.random.default_rng([nation.plan.seed, 3, region]).normal(0, 0.25, len(base))
        shares = base * np.exp(tilt)
    else:
        own = np.random.default_rng([nation.plan.seed, 4, *contest.id.encode()])
        shares = own.gamma(0.9, size=len(contest.options)) + 0.02
        shares[-1] = 0.05 * shares[:-1].sum()
    found: Reals = shares / shares.sum()
    return found


def _rows(
    nation: Nation,
    number: int,
    style: str,
    marks: list[Marks],
    ballots: int,
    rng: np.random.Generator,
    *,
    whole: bool,
) -> pa.Table:
    """Rows of one kind of paper; `whole`: a void contest makes the paper void."""
    ids = np.frombuffer(rng.bytes(16 * ballots).hex().encode(), dtype="S32").astype(str)
    review = np.zeros(ballots, dtype=np.bool_)
    ground = np.full(ballots, -1)
    for one in marks:
        review |= one.kind == _REVIEW
        if whole:
            ground[one.kind == _BLANK] = 0
            ground[one.kind == _OVER] = 1
    # A row a contest, and a second one where two options are marked.
    record = np.concatenate(
        [np.repeat(np.arange(ballots), np.where(one.kind == _OVER, 2, 1)) for one in marks]
    )
    place = np.concatenate(
        [np.full(ballots + (m.kind == _OVER).sum(), i) for i, m in enumerate(marks)]
    )
    kinds = np.concatenate(
        [m.kind[np.repeat(np.arange(ballots), np.where(m.kind == _OVER, 2, 1))] for m in marks]
    )
    again = np.concatenate([_second_rows(m.kind) for m in marks])
    words: list[str] = []
    option = []
    for one in marks:
        names = one.contest.option_ids()
        rows = np.repeat(np.arange(ballots), np.where(one.kind == _OVER, 2, 1))
        low, high = np.minimum(one.choice, one.second), np.maximum(one.choice, one.second)
        first = np.where(one.kind == _OVER, low, one.choice)[rows]
        own = np.where(_second_rows(one.kind), high[rows], first) + len(words)
        own[one.kind[rows] == _BLANK] = -1
        option.append(own)
        words += names
    codes = np.concatenate(option)
    order = np.lexsort((again, place, record))
    record, place, kinds = record[order], place[order], kinds[order]
    codes, again = codes[order], again[order]
    nobody = codes < 0
    indication = np.where(nobody, -1, np.where(kinds == _REVIEW, 1, 0))
    same = np.zeros(len(record), dtype=np.int64)
    return pa.table(
        {
            "record_id": pa.array(ids[record].tolist(), pa.string()),
            "election_hash": _words(same, [nation.election.hash]),
            "ballot_style_id": _words(same, [style]),
            "precinct_id": _words(same, [nation.precinct_ids[number]]),
            "valid": pa.array(ground[record] < 0),
            "invalid_ground": _words(ground[record], _GROUNDS),
            "needs_review": pa.array(review[record]),
            "contest_id": _words(place, [one.contest.id for one in marks]),
            "status": _words(kinds, [status.value for status in _STATUS]),
            "undervotes": pa.array((kinds == _BLANK).astype(np.int32)),
            "overvotes": pa.array((kinds == _OVER).astype(np.int32)),
            "first": pa.array(~again),
            "option_id": _words(codes, words),
            "indication": _words(indication, ("mark", "marginal")),
            "votes": pa.array((kinds == _VALID).astype(np.int32)),
        }
    ).cast(SCHEMA)


def _second_rows(kind: Ints) -> npt.NDArray[np.bool_]:
    """Which rows of a contest are the second of a ballot with two marks."""
    counts = np.where(kind == _OVER, 2, 1)
    found = np.zeros(int(counts.sum()), dtype=np.bool_)
    found[np.cumsum(counts)[kind == _OVER] - 1] = True
    return found


def _words(codes: npt.NDArray[np.int64], words: list[str] | tuple[str, ...]) -> pa.Array:
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(words), pa.string()))
