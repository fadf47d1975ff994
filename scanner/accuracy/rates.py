"""Counts over observations: errors, confusion, ladder, repeats, stability of thresholds.

An error is *silent*: a clear mark read as none (missed), or a clear empty target read as a
mark (false). A clear target called marginal is set aside for a person: no error, but counted
(the marginal rate is the price of being careful).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scanner.accuracy.intervals import Rate
from scanner.accuracy.observations import (
    MARGINAL,
    MARK,
    NAMES,
    NO_MARK,
    NOT_READ,
    Observations,
)
from scanner.accuracy.sprt import SequentialTest, Verdict


@dataclass(frozen=True, slots=True)
class PositionRates:
    """Over clear targets that were read: `error` is both kinds, `missed` among marks,
    `false` among empty targets, `marginal` among all of them."""

    error: Rate
    missed: Rate
    false: Rate
    marginal: Rate


def position_rates(seen: Observations) -> PositionRates:
    """Rates of silent errors with exact 95 % bounds."""
    judged, missed, false = seen.judged, seen.missed, seen.false_marks
    marks, empty = judged & (seen.truth == MARK), judged & (seen.truth == NO_MARK)
    return PositionRates(
        error=Rate.of(int((missed | false).sum()), int(judged.sum())),
        missed=Rate.of(int(missed.sum()), int(marks.sum())),
        false=Rate.of(int(false.sum()), int(empty.sum())),
        marginal=Rate.of(int((judged & (seen.read == MARGINAL)).sum()), int(judged.sum())),
    )


def sequential(seen: Observations, test: SequentialTest) -> Verdict:
    """Wald's test over the clear targets in the order of reading."""
    judged = seen.judged
    wrong = (seen.missed | seen.false_marks)[judged]
    return test.run(int(judged.sum()), (np.flatnonzero(wrong) + 1).tolist())


@dataclass(frozen=True, slots=True)
class ReadAs:
    """How targets of one group were read."""

    group: tuple[str, ...]
    count: int
    mark: int
    marginal: int
    no_mark: int
    mean_score: float


def confusion(seen: Observations) -> tuple[ReadAs, ...]:
    """Readings by mark kind and pen ("" for an empty target), steps of a ladder left out."""
    chosen = seen.where((seen.read != NOT_READ) & (seen.mark != "area"))
    pairs = sorted(set(zip(chosen.mark.tolist(), chosen.pen.tolist(), strict=True)))
    return tuple(
        _read_as(chosen.where((chosen.mark == mark) & (chosen.pen == pen)), (mark, pen))
        for mark, pen in pairs
    )


def ladder(seen: Observations) -> tuple[ReadAs, ...]:
    """Readings by inked share of the target, per cent, ascending."""
    chosen = seen.where((seen.read != NOT_READ) & (seen.mark == "area"))
    percent = np.round(100 * chosen.share, 3)
    return tuple(
        _read_as(chosen.where(percent == step), (f"{step:g}",)) for step in np.unique(percent)
    )


def _read_as(group: Observations, name: tuple[str, ...]) -> ReadAs:
    mark, marginal, none = (int((group.read == c).sum()) for c in (MARK, MARGINAL, NO_MARK))
    return ReadAs(name, len(group), mark, marginal, none, float(group.score.mean()))


@dataclass(frozen=True, slots=True)
class Stability:
    """Classes that change when both thresholds are multiplied by `factor`; `clear_votes`
    are those that turn from mark to none or back without anyone being asked."""

    factor: float
    changed: Mapping[str, int]
    clear_votes: int


def stability(seen: Observations, low: float, high: float) -> tuple[Stability, ...]:
    """Readings under lower and higher thresholds against those in force."""
    chosen = seen.where(seen.read != NOT_READ)
    found = []
    for factor, other in ((low, chosen.low), (high, chosen.high)):
        pairs = [(a, b) for a in (0, 1, 2) for b in (0, 1, 2) if a != b]
        changed = {
            f"{NAMES[a]}>{NAMES[b]}": int(((chosen.read == a) & (other == b)).sum())
            for a, b in pairs
        }
        jumps = changed["mark>no_mark"] + changed["no_mark>mark"]
        found.append(Stability(factor, {k: n for k, n in changed.items() if n}, jumps))
    return tuple(found)


def repeats(seen: Observations) -> tuple[int, int]:
    """Targets read more than once from the same ink, and how many of them changed between
    vote and no vote (VVSG 2.0, 1.1.6-K; to marginal and back is allowed)."""
    groups: dict[tuple[int, int, float, float], set[int]] = {}
    sheets: dict[tuple[int, int, float, float], int] = {}
    # By place: two targets may carry the same option (a candidate of two parties).
    rows = zip(
        seen.ink.tolist(),
        seen.page.tolist(),
        seen.x_mm.tolist(),
        seen.y_mm.tolist(),
        seen.read.tolist(),
        strict=True,
    )
    for ink, page, x_mm, y_mm, read in rows:
        if read != NOT_READ:
            key = (ink, page, x_mm, y_mm)
            groups.setdefault(key, set()).add(read)
            sheets[key] = sheets.get(key, 0) + 1
    again = [key for key, number in sheets.items() if number > 1]
    return len(again), sum({MARK, NO_MARK} <= groups[key] for key in again)
