"""The rules that a figure is compared with, each with its section.

HAVA, section 301(a)(5), binds scanners to the 2002 Voting System Standards, volume I, 3.2.1.
VVSG 2.0 asks for 10,000,000 positions without an error (1.2-C), misfeeds of at most 1 in 500
(1.2-G), a pencil line that is seen (1.1.6-H), extraneous marks that are not (1.1.6-I), reading
that repeats (1.1.6-K) and thresholds that are reported (1.1.6-G).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from console.bench.document import RuleRecord
from scanner.accuracy import Decision, Observations, Rate, Verdict
from scanner.accuracy.observations import MARK, NO_MARK, NOT_READ
from scanner.accuracy.rates import PositionRates
from scanner.decks.model import LINE
from scanner.reading import Thresholds

#: 2002 Voting System Standards, volume I, 3.2.1: target, in errors a position.
TARGET = 1e-7
#: VVSG 2.0, 1.2-C and 1.2-G.
POSITIONS, MISFEEDS = 10_000_000, 0.002

State = Literal["met", "not_met", "not_enough", "not_tested"]


def rules(
    seen: Observations,
    positions: PositionRates,
    verdict: Verdict,
    misfeed: Rate,
    repeats: tuple[int, int],
    limits: Thresholds,
) -> tuple[RuleRecord, ...]:
    """Every rule with its state; none is called met by too small a test."""
    error = positions.error
    drawn = (seen.mark != "") & (seen.mark != "area") & (seen.truth == NO_MARK)
    read = seen.read != NOT_READ
    line = read & (seen.mark == LINE)
    return (
        _sprt(verdict),
        RuleRecord(
            id="r_target",
            section="2002 VSS, vol. I, 3.2.1",
            state=_bounded(error, TARGET),
            words="v_bound",
            values=_bound(error),
        ),
        RuleRecord(
            id="r_positions",
            section="VVSG 2.0, 1.2-C",
            state=_without_error(error),
            words="v_of",
            values={"k": error.events, "n": error.trials},
        ),
        RuleRecord(
            id="r_misfeed",
            section="VVSG 2.0, 1.2-G",
            state=_bounded(misfeed, MISFEEDS),
            words="v_bound",
            values=_bound(misfeed),
        ),
        _every("r_line", "VVSG 2.0, 1.1.6-H", int((line & (seen.read == MARK)).sum()), line),
        _every(
            "r_extraneous",
            "VVSG 2.0, 1.1.6-I",
            int((read & drawn & (seen.read != MARK)).sum()),
            read & drawn,
        ),
        RuleRecord(
            id="r_repeat",
            section="VVSG 2.0, 1.1.6-K",
            state="not_tested" if not repeats[0] else "not_met" if repeats[1] else "met",
            words="v_of",
            values={"k": repeats[0] - repeats[1], "n": repeats[0]},
        ),
        RuleRecord(
            id="r_thresholds",
            section="VVSG 2.0, 1.1.6-G",
            state="met",
            words="v_thresholds",
            values={"low": f"{limits.marginal:g}", "high": f"{limits.definite:g}"},
        ),
    )


def _sprt(verdict: Verdict) -> RuleRecord:
    states: dict[Decision, State] = {
        Decision.ACCEPT: "met",
        Decision.REJECT: "not_met",
        Decision.CONTINUE: "not_enough",
    }
    decided = verdict.decision is not Decision.CONTINUE
    return RuleRecord(
        id="r_sprt",
        section="HAVA 301(a)(5); 2002 VSS, vol. I, 3.2.1",
        state=states[verdict.decision],
        words=f"v_sprt_{verdict.decision.value}",
        values={
            "n": verdict.decided_after if decided else verdict.positions,
            "errors": verdict.errors,
            "to_go": verdict.to_go,
        },
    )


def _every(
    rule: str, section: str, right: int, of: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> RuleRecord:
    number = int(of.sum())
    return RuleRecord(
        id=rule,
        section=section,
        state="not_tested" if not number else "met" if right == number else "not_met",
        words="v_of",
        values={"k": right, "n": number},
    )


def _bounded(rate: Rate, limit: float) -> State:
    """Met only where even the upper bound is within the limit; failed where the lower is not."""
    if rate.low is None or rate.high is None:
        return "not_tested"
    return "met" if rate.high <= limit else "not_met" if rate.low > limit else "not_enough"


def _without_error(rate: Rate) -> State:
    if not rate.trials:
        return "not_tested"
    return "not_met" if rate.events else "met" if rate.trials >= POSITIONS else "not_enough"


def _bound(rate: Rate) -> dict[str, str | int]:
    high = "–" if rate.high is None else f"{rate.high:.3g}"
    return {"high": high, "k": rate.events, "n": rate.trials}
