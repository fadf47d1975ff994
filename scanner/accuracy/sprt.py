"""Wald's sequential probability ratio test of a position error rate.

A. Wald, *Sequential Tests of Statistical Hypotheses*, Ann. Math. Statist. 16 (1945), as the
2002 Voting System Standards (volume I, 3.2.1; volume II, appendix C) use it and HAVA,
section 301(a)(5), makes it binding: p0 is the target error rate, p1 the largest rate that is
still accepted in the test, alpha and beta the risks of a wrong decision.

After n positions with k errors the log likelihood ratio is
    k ln(p1/p0) + (n - k) ln((1 - p1)/(1 - p0));
accept at or below ln(beta/(1 - alpha)), reject at or above ln((1 - beta)/alpha). The line of
acceptance is crossed at 1,549,703.1 positions without an error; like the standards, the
nearest whole number is taken (1,549,703). One error rejects up to position 26,997.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class Decision(StrEnum):
    """What the test says."""

    ACCEPT = "accept"
    REJECT = "reject"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, after how many positions it fell (all of them while it has not), and
    how many more without an error would accept (0 once decided)."""

    decision: Decision
    positions: int
    errors: int
    decided_after: int
    to_go: int


@dataclass(frozen=True, slots=True)
class SequentialTest:
    """The test's four numbers; the defaults are those of the 2002 standards.

    Raises:
        ValueError: rates that are not 0 < p0 < p1 < 1, or risks that are not under a half.
    """

    p0: float = 1e-7
    p1: float = 2e-6
    alpha: float = 0.05
    beta: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.p0 < self.p1 < 1:
            raise ValueError("0 < p0 < p1 < 1 must hold")
        if not (0 < self.alpha < 0.5 and 0 < self.beta < 0.5):
            raise ValueError("alpha and beta must lie between 0 and a half")

    @property
    def _step(self) -> tuple[float, float]:
        """Fall of the ratio at a right position (positive), rise at an error."""
        right = math.log1p(-self.p0) - math.log1p(-self.p1)
        return right, math.log(self.p1 / self.p0)

    def accept_after(self, errors: int = 0) -> int:
        """How many positions, `errors` of them wrong, it takes at least to accept."""
        right, wrong = self._step
        bound = math.log((1 - self.alpha) / self.beta)
        return errors + round((bound + errors * wrong) / right)

    def reject_before(self, errors: int) -> int:
        """The `errors`-th error rejects if it falls before this many positions; 0: never."""
        right, wrong = self._step
        bound = math.log((1 - self.beta) / self.alpha)
        room = errors * wrong - bound
        return 0 if room < 0 else errors + math.floor(room / right)

    def run(self, positions: int, errors_at: Sequence[int]) -> Verdict:
        """Judge positions read one after the other.

        Args:
            positions: how many were read.
            errors_at: which of them were wrong, counted from 1, ascending.

        Raises:
            ValueError: an error outside the positions, or not in order.
        """
        if any(not 1 <= at <= positions for at in errors_at) or any(
            a >= b for a, b in pairwise(errors_at)
        ):
            raise ValueError("errors must be distinct positions in ascending order")
        total = len(errors_at)
        for seen, at in enumerate([*errors_at, positions + 1]):
            accepted = self.accept_after(seen)
            if accepted < at:
                return Verdict(Decision.ACCEPT, positions, total, accepted, 0)
            if at <= positions and at <= self.reject_before(seen + 1):
                return Verdict(Decision.REJECT, positions, total, at, 0)
        to_go = self.accept_after(total) - positions
        return Verdict(Decision.CONTINUE, positions, total, positions, to_go)
