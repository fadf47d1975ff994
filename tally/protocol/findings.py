"""What anyone sees who checks a form: breaches, lacking figures, skipped steps, settlements.

| kind | severity | what |
|---|---|---|
| incomplete | serious | a figure of the official form is absent |
| breach | serious | a control ratio is broken, with its figures |
| breach_unstated | serious | the breaches stated in the form are not those of its figures |
| other_rules | serious | drawn up by another profile than the one it is checked by |
| step_skipped | minor | a step of the count was skipped, or nobody recorded it |
| not_evaluable | note | a ratio could not be checked |
| settled | note | entries differed, and what the figure was found to be |

Findings do not make a signed protocol void: whether they lead to a recount or a decision is for
the law. Sources: SEED-10, SEED-11, SEED-12, SEED-13.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from election.model import Election
from election.profile import Profile
from tally.figures import say
from tally.protocol.controls import breaches_of, evaluate_protocol
from tally.protocol.form import PrecinctForm, ProtocolError, form_problem
from tally.protocol.lines import FormLine, form_lines

Kind = Literal[
    "incomplete",
    "breach",
    "breach_unstated",
    "other_rules",
    "step_skipped",
    "not_evaluable",
    "settled",
]
Severity = Literal["serious", "minor", "note"]


@dataclass(frozen=True, slots=True)
class ProtocolFinding:
    """Something a person must see; `of` the figure, step, or ratio and paper that it is about."""

    kind: Kind
    severity: Severity
    of: str
    sentence: str

    def as_json(self) -> dict[str, str]:
        """Plain values."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "of": self.of,
            "sentence": self.sentence,
        }


def check_form(
    form: PrecinctForm, election: Election, profile: Profile
) -> tuple[ProtocolFinding, ...]:
    """Every finding on a form, in the order of the table.

    Raises:
        ProtocolError: the form is not of this election.
    """
    problem = form_problem(form, election)
    if problem is not None:
        raise ProtocolError(f"protocol of {form.precinct_id}: {problem[0]}: {problem[1]}")
    return tuple(_findings(form, election, profile))


def _findings(
    form: PrecinctForm, election: Election, profile: Profile
) -> Iterator[ProtocolFinding]:
    controls = evaluate_protocol(form, election, profile)
    for line in missing_lines(form, election, profile):
        yield ProtocolFinding(
            "incomplete", "serious", line.path, f"{line.path} ({say(line.title, '')}) is absent"
        )
    for one in controls:
        if one.status == "breached":
            yield ProtocolFinding("breach", "serious", f"{one.ratio.id}/{one.of}", one.detail)
    if form.profile_hash != profile.canonical_hash():
        words = f"drawn up by other rules than {profile.id} as it is here"
        yield ProtocolFinding("other_rules", "serious", "profile_hash", words)
    elif form.breaches != breaches_of(form, election, profile):
        words = "the breaches that the form states are not those of its figures"
        yield ProtocolFinding("breach_unstated", "serious", "breaches", words)
    titles = {step.id: say(step.title, step.id) for step in profile.protocol.steps}
    recorded = {step.id for step in form.steps}
    for step in form.steps:
        title = titles.get(step.id, step.id)
        if step.state == "skipped":
            words = f"skipped by {', '.join(step.by)}: {title} ({step.reason})"
            yield ProtocolFinding("step_skipped", "minor", step.id, words)
        elif step.state == "unrecorded":
            words = f"nobody recorded that it was done: {title}"
            yield ProtocolFinding("step_skipped", "minor", step.id, words)
    for known in profile.protocol.steps:
        if known.id not in recorded and known.kind != "posting":
            words = f"nobody recorded that it was done: {titles[known.id]}"
            yield ProtocolFinding("step_skipped", "minor", known.id, words)
    for one in controls:
        if one.status == "not_evaluable":
            yield ProtocolFinding("not_evaluable", "note", f"{one.ratio.id}/{one.of}", one.detail)
    for each in form.settled:
        said = ", ".join(f"{entry.by} {entry.value}" for entry in each.entries)
        by = f" by {', '.join(each.by)}" if each.by else ""
        words = f"{each.figure}: {said}; settled{by} as {each.value}: {each.reason}"
        yield ProtocolFinding("settled", "note", each.figure, words)


def missing_lines(form: PrecinctForm, election: Election, profile: Profile) -> tuple[FormLine, ...]:
    """Lines of the official form that have no figure."""
    lines = form_lines(election, profile, form.precinct_id)
    return tuple(line for line in lines if line_value(form, line) is None)


def line_value(form: PrecinctForm, line: FormLine) -> int | None:
    """The figure of a line in a form; None where it is absent."""
    if line.kind == "precinct":
        name = line.path.removeprefix("precinct.")
        values = {paper.figure(name) for paper in form.papers.values()}
        return values.pop() if len(values) == 1 else None
    if line.kind == "votes":
        contest = form.contests[line.of]
        name = line.path.removeprefix(f"contests.{line.of}.")
        if name.startswith("votes."):
            return contest.votes.get(name.removeprefix("votes."))
        value: int | None = getattr(contest, name)
        return value
    paper = form.papers[line.of]
    name = line.path.removeprefix(f"papers.{line.of}.")
    if line.kind == "ground":
        return (paper.invalid_grounds or {}).get(name.removeprefix("invalid_grounds."))
    return paper.figure(name)
