"""Ballot comparison by the super-simple method (Stark 2010), with Kaplan-Markov P-values.

Kept for comparison with `martingales`. `gamma` > 1 inflates the error bound, so that one
two-vote overstatement does not undo an audit. A margin is diluted: in votes, of all ballots.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from tally.audit.bravo import Contest
from tally.audit.errors import AuditError

#: The field's usual inflation, and its usual guess of errors in a hundred ballots' worth:
#: rates of one-vote and two-vote overstatements and understatements.
GAMMA: Final = 1.03905
ONE_VOTE_RATE, TWO_VOTE_RATE = 0.001, 0.0001


@dataclass(frozen=True, slots=True)
class Errors:
    """Cards whose paper shows less (over) or more (under) for the outcome than their record."""

    over_1: int = 0
    over_2: int = 0
    under_1: int = 0
    under_2: int = 0

    @property
    def cards(self) -> int:
        """All of them."""
        return self.over_1 + self.over_2 + self.under_1 + self.under_2

    def logarithm(self, gamma: float) -> float:
        """What they take from the evidence. Understatements could give, but are given no credit:
        so the P-value is never too small, as the field's tools have it."""
        return _weight(gamma, self.over_1, self.over_2, 0, 0)


def _weight(gamma: float, o1: float, o2: float, u1: float, u2: float) -> float:
    half, whole = 1 / (2 * gamma), 1 / gamma
    return (
        o1 * math.log1p(-half)
        + o2 * math.log1p(-whole)
        + u1 * math.log1p(half)
        + u2 * math.log1p(whole)
    )


def diluted_margin(contest: Contest) -> float:
    """The smallest margin of a winner over a loser, of all ballots."""
    order = contest.ranked
    least = contest.votes[order[contest.winners - 1]] - contest.votes[order[contest.winners]]
    return least / contest.ballots


def risk(contest: Contest, sample_size: int, errors: Errors, gamma: float = GAMMA) -> float:
    """The P-value after `sample_size` cards with these errors; at most 1, and 0 after all cards.

    Raises:
        AuditError: more errors than cards, or a gamma of 1 or less.
    """
    _check(gamma)
    if errors.cards > sample_size:
        raise AuditError(f"sample_size: {errors.cards} errors on {sample_size} cards")
    if sample_size >= contest.ballots:
        return 0.0
    margin = diluted_margin(contest)
    logarithm = sample_size * math.log1p(-margin / (2 * gamma)) - errors.logarithm(gamma)
    return math.exp(min(0.0, logarithm))


def first_size(contest: Contest, risk_limit: float, gamma: float = GAMMA) -> int:
    """Cards to draw at first, where the usual rates of errors are expected.

    One-vote errors among so many cards are rounded up, the others are not.
    """
    _check(gamma)
    margin = diluted_margin(contest)
    weight = _weight(gamma, ONE_VOTE_RATE, TWO_VOTE_RATE, ONE_VOTE_RATE, TWO_VOTE_RATE)
    drift = math.log1p(-margin / (2 * gamma)) - weight
    if drift >= 0:
        return contest.ballots
    alone = math.ceil(math.log(risk_limit) / drift)
    ones, twos = math.ceil(ONE_VOTE_RATE * alone), TWO_VOTE_RATE
    expected = _weight(gamma, ones, twos, ones, twos)
    size = math.ceil(-2 * gamma * (math.log(risk_limit) + expected) / margin)
    return max(size, math.ceil(2 * ones + 2 * twos))


def _check(gamma: float) -> None:
    if not gamma > 1:
        raise AuditError(f"gamma: {gamma} is not above 1")
