"""A verified protocol reduced to its figures: small, plain, quick to send between processes.

Tables of every tier and the national result are made of these alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

from election.control_rules import Scope, evaluate, holds, parse_side
from election.figures import PAPER_FIGURES
from election.model import Election
from election.profile import Profile
from tally.figures import say
from tally.protocol.controls import contest_words, paper_words
from tally.protocol.form import ContestForm, PaperFigures, PrecinctForm

#: What a contest has beside its votes, in the order of `ContestRow`.
CONTEST_NAMES = ("ballots", "overvotes", "undervotes", "blank", "invalid", "needs_review")

_PAPER_ROW: Callable[[PaperFigures], tuple[int | None, ...]] = attrgetter(*PAPER_FIGURES)

#: Figures of a paper, in the order of `PAPER_FIGURES`; None where nobody established one.
PaperRow = tuple[int | None, ...]
#: Figures of a contest, in the order of `CONTEST_NAMES`.
ContestRow = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class BreachRow:
    """A control ratio that is broken: rule, paper or contest, formula, sentence, both sides."""

    ratio: str
    of: str
    formula: str
    detail: str
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class ProtocolFigures:
    """One protocol. `digest` names it, `sha256` is of the file that it came in (of the
    decision's, where a decision carries it); `ratios` counts by ratio id how often it holds,
    is broken, cannot be evaluated."""

    digest: str
    sha256: str
    precinct_id: str
    version: int
    replaces: str | None
    drawn_up: str
    signers: tuple[str, ...]
    device_id: str | None
    skipped: tuple[str, ...]
    papers: Mapping[str, PaperRow]
    contests: Mapping[str, ContestRow]
    votes: Mapping[str, Mapping[str, int]]
    ratios: Mapping[str, tuple[int, int, int]]
    breaches: tuple[BreachRow, ...]


def figures_of(
    form: PrecinctForm,
    sha256: str,
    signers: tuple[str, ...],
    election: Election,
    profile: Profile,
    *,
    digest: str | None = None,
) -> ProtocolFigures:
    """The figures of a form of this election (`form_problem` is None)."""
    ratios, breaches = _controls(form, election, profile)
    devices = sorted({f.device_id for f in form.source.files if f.device_id is not None})
    return ProtocolFigures(
        digest=digest or form.digest,
        sha256=sha256,
        precinct_id=form.precinct_id,
        version=form.version,
        replaces=form.replaces,
        drawn_up=form.drawn_up,
        signers=signers,
        device_id=devices[0] if len(devices) == 1 else None,
        skipped=tuple(step.id for step in form.skipped_steps()),
        papers={style: _PAPER_ROW(paper) for style, paper in form.papers.items()},
        contests={c: _contest_row(row) for c, row in form.contests.items()},
        votes={c: dict(row.votes) for c, row in form.contests.items()},
        ratios=ratios,
        breaches=breaches,
    )


def _contest_row(row: ContestForm) -> ContestRow:
    return (row.ballots, row.overvotes, row.undervotes, row.blank, row.invalid, row.needs_review)


@lru_cache(maxsize=1024)
def _side(text: str, scope: Scope) -> Callable[[dict[str, int | None]], int | None]:
    """`election.control_rules.evaluate` of one side; quicker where it is a sum of figures."""
    names = [
        factors[0]
        for sign, factors in parse_side(text, scope)
        if sign == 1 and len(factors) == 1 and isinstance(factors[0], str)
    ]
    if len(names) != len(parse_side(text, scope)):
        return lambda words: evaluate(text, words, scope)[0]
    if len(names) == 1:
        return itemgetter(names[0])
    values_of: Callable[[Any], tuple[int | None, ...]] = itemgetter(*names)

    def total(words: dict[str, int | None]) -> int | None:
        values = [value for value in values_of(words) if value is not None]
        return sum(values) if len(values) == len(names) else None

    return total


def _controls(
    form: PrecinctForm, election: Election, profile: Profile
) -> tuple[dict[str, tuple[int, int, int]], tuple[BreachRow, ...]]:
    """As `tally.protocol.controls.evaluate_protocol`, in one pass and with sentences for
    breaches only (a test holds the two together)."""
    papers = {style: paper_words(form, style, election) for style in sorted(form.papers)}
    contests = {c: contest_words(form, c, election) for c in sorted(form.contests)}
    ratios: dict[str, tuple[int, int, int]] = {}
    breaches: list[BreachRow] = []
    for ratio in profile.control_ratios:
        good = broken = unknown = 0
        left_of, right_of = _side(ratio.left, ratio.of), _side(ratio.right, ratio.of)
        for of, words in (papers if ratio.of == "paper" else contests).items():
            left, right = left_of(words), right_of(words)
            if left is None or right is None:
                unknown += 1
            elif holds(left, ratio.relation, right):
                good += 1
            else:
                broken += 1
                values = ", ".join(f"{name} = {words.get(name)}" for name in ratio.words())
                detail = (
                    f"Precinct {form.precinct_id}, {ratio.of} {of}: "
                    f"{say(ratio.title, ratio.id)}: {ratio.formula} is broken by "
                    f"{abs(left - right)} ({values})"
                )
                breaches.append(BreachRow(ratio.id, of, ratio.formula, detail, left, right))
        ratios[ratio.id] = (good, broken, unknown)
    return ratios, tuple(breaches)
