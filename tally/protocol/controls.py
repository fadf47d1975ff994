"""Every control ratio of the profile on one protocol: what holds, and each breach (SEED-11).

Ratios of papers are evaluated on each ballot style, ratios of contests on each contest, in the
order of the profile. Nothing is mended, rounded or guessed: a figure that nobody established
makes a ratio *not evaluable*, which is no breach and no proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from election.control_rules import evaluate, holds
from election.figures import CONTEST_FIGURES, PAPER_FIGURES
from election.model import Election
from election.profile import ControlRatio, Profile
from firmware_sim.controls import Status
from tally.figures import say
from tally.protocol.form import Breach, PrecinctForm

#: All figures of a paper at once: a nation has 30,000 of them.
_PAPER_ROW = attrgetter(*PAPER_FIGURES)


@dataclass(frozen=True, slots=True)
class ProtocolControl:
    """One ratio on one paper or contest (`of`): both sides (None where not evaluable), the
    figures that they were made of, and one plain sentence."""

    precinct: str
    of: str
    ratio: ControlRatio
    left: int | None
    right: int | None
    figures: dict[str, int | None]
    status: Status
    detail: str


def evaluate_protocol(
    form: PrecinctForm, election: Election, profile: Profile
) -> tuple[ProtocolControl, ...]:
    """Every ratio on a form of this election (`tally.protocol.form.form_problem` is None)."""
    found = []
    for ratio in profile.control_ratios:
        if ratio.of == "paper":
            found += [
                _evaluate(form.precinct_id, style, ratio, paper_words(form, style, election))
                for style in sorted(form.papers)
            ]
        else:
            found += [
                _evaluate(form.precinct_id, contest, ratio, contest_words(form, contest, election))
                for contest in sorted(form.contests)
            ]
    return tuple(found)


def breaches_of(form: PrecinctForm, election: Election, profile: Profile) -> tuple[Breach, ...]:
    """The breaches that a form of these figures must state."""
    return tuple(
        Breach(ratio=c.ratio.id, of=c.of, left=c.left, right=c.right)
        for c in evaluate_protocol(form, election, profile)
        if c.status == "breached" and c.left is not None and c.right is not None
    )


def paper_words(form: PrecinctForm, style: str, election: Election) -> dict[str, int | None]:
    """What a ratio of a paper may name (`election.control_rules.WORDS`).

    `votes` is None where one of the paper's contests is on another paper of the precinct too:
    its votes cannot be told apart then.
    """
    paper = form.papers[style]
    words: dict[str, int | None] = dict(zip(PAPER_FIGURES, _PAPER_ROW(paper), strict=True))
    mine = set(election.style(style).contests)
    others = [s for s in election.precinct_styles(form.precinct_id) if s.id != style]
    shared = any(mine & set(other.contests) for other in others)
    words["votes"] = None if shared else sum(sum(form.contests[c].votes.values()) for c in mine)
    grounds = paper.invalid_grounds
    words["invalid_by_ground"] = None if grounds is None else sum(grounds.values())
    return words


def contest_words(form: PrecinctForm, contest: str, election: Election) -> dict[str, int | None]:
    """What a ratio of a contest may name."""
    row = form.contests[contest]
    words: dict[str, int | None] = {name: getattr(row, name) for name in CONTEST_FIGURES}
    words["votes"] = sum(row.votes.values())
    words["votes_allowed"] = election.contest(contest).votes_allowed
    carriers = [
        form.papers[style.id]
        for style in election.precinct_styles(form.precinct_id)
        if contest in style.contests
    ]
    for name in ("in_box", "valid"):
        values = [paper.figure(name) for paper in carriers]
        known = [value for value in values if value is not None]
        words[name] = sum(known) if len(known) == len(values) else None
    return words


def _evaluate(
    precinct: str, of: str, ratio: ControlRatio, words: dict[str, int | None]
) -> ProtocolControl:
    left, lacks_left = evaluate(ratio.left, words, ratio.of)
    right, lacks_right = evaluate(ratio.right, words, ratio.of)
    figures = {word: words.get(word) for word in ratio.words()}
    where = f"Precinct {precinct}, {ratio.of} {of}: {say(ratio.title, ratio.id)}: {ratio.formula}"
    status: Status
    if left is None or right is None:
        status = "not_evaluable"
        detail = f"{where} cannot be checked: no figure for {lacks_left or lacks_right}"
    else:
        status = "holds" if holds(left, ratio.relation, right) else "breached"
        verb = "holds" if status == "holds" else f"is broken by {abs(left - right)}"
        values = ", ".join(f"{name} = {value}" for name, value in figures.items())
        detail = f"{where} {verb} ({values})"
    return ProtocolControl(precinct, of, ratio, left, right, figures, status, detail)
