"""Ballot polling by BRAVO (Lindeman, Stark and Yates 2012): risk, and how much to draw.

Kept for comparison with `martingales`, which use a sample better. Shares are exact; logarithms
are of the shares among a winner and a loser.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tally.audit.errors import AuditError

#: Chances of ending in one round for which sizes are told.
QUANTILES: Final = (0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Contest:
    """Reported votes by candidate, of `ballots` cards, `winners` of them elected."""

    votes: Mapping[str, int]
    ballots: int
    winners: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.winners < len(self.votes):
            raise AuditError(f"winners: {self.winners} of {len(self.votes)} candidates")
        if max(self.votes.values()) > self.ballots:
            raise AuditError("votes: a candidate has more votes than there are ballots")

    @property
    def ranked(self) -> list[str]:
        """Candidates, most votes first."""
        return sorted(self.votes, key=lambda name: (-self.votes[name], name))

    def pairs(self) -> list[tuple[str, str]]:
        """Each winner with each loser."""
        order = self.ranked
        return [(w, x) for w in order[: self.winners] for x in order[self.winners :]]

    def share(self, winner: str, loser: str) -> Fraction:
        """The winner's part of the votes of the two. Raises AuditError: neither has any."""
        both = self.votes[winner] + self.votes[loser]
        if not both:
            raise AuditError(f"votes: {winner} and {loser} have none")
        return Fraction(self.votes[winner], both)


def risk(contest: Contest, sample: Mapping[str, int], sample_size: int) -> float:
    """The largest P-value over all pairs, at most 1; 0 after all ballots were looked at.

    Raises:
        AuditError: a sample that names others, or has more votes than it can.
    """
    strange = sorted(set(sample) - set(contest.votes))
    if strange:
        raise AuditError(f"sample: {strange[0]} is no candidate of the contest")
    if sample_size >= contest.ballots:
        return 0.0
    worst = 0.0
    for winner, loser in contest.pairs():
        share = contest.share(winner, loser)
        logarithm = 0.0
        for name, part in ((winner, share), (loser, 1 - share)):
            drawn = sample.get(name, 0)
            if drawn:
                logarithm += drawn * (math.log(2 * part) if part else -math.inf)
        worst = max(worst, math.exp(min(0.0, -logarithm)))
    return worst


def expected_size(contest: Contest, risk_limit: float) -> int:
    """Ballots that are drawn on average (Wald's approximation), if the outcome is as reported.

    Of the winner with fewest votes against the loser with most; all ballots where they are tied.
    """
    winner, loser = contest.ranked[contest.winners - 1], contest.ranked[contest.winners]
    share = contest.share(winner, loser)
    if share == Fraction(1, 2):
        return contest.ballots
    if share == 1:
        # Only the winner's votes are drawn: each doubles the evidence.
        won = contest.votes[winner] / contest.ballots
        return math.ceil(math.log2(1 / risk_limit) / won)
    plus, minus = math.log(2 * share), math.log(2 * (1 - share))
    drift = (contest.votes[winner] * plus + contest.votes[loser] * minus) / contest.ballots
    return math.ceil((math.log(1 / risk_limit) + plus / 2) / drift)


def size_for(contest: Contest, risk_limit: float, chance: float) -> int:
    """Ballots of one round that ends the audit with this chance, if the outcome is as reported.

    The smallest number of votes for the two whose (1 - chance) quantile of the winner's votes
    meets the limit, over their part of all ballots. Lindeman's normal approximation finds where
    to begin; the binomial distribution decides.

    Raises:
        AuditError: not one winner, or a tie.
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise AuditError(
            "sample sizes need the extra `audit`: pip install 'ballotbench[audit]'"
        ) from error
    winner, loser = contest.ranked[0], contest.ranked[1]
    share = contest.share(winner, loser)
    if share == Fraction(1, 2):
        raise AuditError("votes: the contest is tied: look at all ballots")
    both = Fraction(contest.votes[winner] + contest.votes[loser], contest.ballots)
    threshold = math.log(1 / risk_limit)
    plus = math.log(2 * share)
    if share == 1:
        return math.ceil(math.ceil(threshold / plus) / both)
    minus, part = math.log(2 * (1 - share)), float(share)
    z = -float(stats.norm.ppf(chance))
    spread = part * (1 - part)
    reach, slope = threshold / (plus - minus), minus / (plus - minus) + part
    linear = z * z * spread + 2 * reach * slope
    root = math.sqrt(max(0.0, linear * linear - 4 * slope * slope * reach * reach))
    size = math.floor((linear + (root if chance > 0.5 else -root)) / (2 * slope * slope))
    while True:
        won = float(stats.binom.ppf(1 - chance, size, part))
        if won * plus + (size - won) * minus > threshold:
            return math.ceil(size / both)
        size += 1
