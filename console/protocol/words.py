"""A count and its form as lines for people: what to do next, what to read aloud."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from election.figures import PAPER_FIGURES
from election.model import Election
from election.profile import Profile
from tally.figures import say
from tally.protocol.findings import ProtocolFinding
from tally.protocol.form import PrecinctForm
from tally.protocol.lines import FormLine
from tally.protocol.steps import CountState

LANGUAGES = ("kk", "ru", "en")


def in_languages(text: dict[str, str], languages: Sequence[str]) -> str:
    """A text in each language once, joined by " / "."""
    return " / ".join(dict.fromkeys(say(text, "", language) for language in languages))


def line_to_read(line: FormLine, value: int, languages: Sequence[str]) -> str:
    """The line for the reading: what of what, and the number in groups of three."""
    number = f"{value:,}".replace(",", "\u202f")
    of = in_languages(line.of_title, languages)
    return f"{of}: {in_languages(line.title, languages)}: {number}"


def state_as_json(state: CountState, precinct: str) -> dict[str, Any]:
    """A count for machines; what one member keyed in alone is not in it."""
    now = state.next_step()
    done = {
        step.id: "skipped"
        if step.id in state.skipped
        else "done"
        if state.step_done(step)
        else "open"
        for step in state.rules.steps
    }
    return {
        "precinct": precinct,
        "members": [member.model_dump(mode="json") for member in state.members],
        "next_step": None if now is None else now.id,
        "steps": done,
        "figures": [
            {
                "figure": line.path,
                "step": line.step,
                "state": state.line_state(line.path),
                "value": state.value(line.path),
                "keyed_in_by": sorted(state.entries.get(line.path, {})),
            }
            for line in state.lines
        ],
        "differing": [_differing(state, line) for line in state.differing()],
        "read": len([p for p, n in state.read.items() if state.value(p) == n]),
        "closed": state.closed,
    }


def _differing(state: CountState, line: FormLine) -> dict[str, Any]:
    said = {**state.entries.get(line.path, {}), **state.evidence.get(line.path, {})}
    return {"figure": line.path, "said": said}


def state_in_words(state: CountState, precinct: str) -> Iterator[str]:
    """A count for people: steps, what differs, and what comes next."""
    yield f"Precinct {precinct}: {len(state.values())} of {len(state.lines)} figures established"
    for step in state.rules.steps:
        mark = " "
        if step.id in state.skipped:
            mark = "-"
        elif state.step_done(step):
            mark = "x"
        reason = f" (skipped: {state.skipped[step.id].reason})" if mark == "-" else ""
        yield f"[{mark}] {step.id}: {say(step.title, step.id)}{reason}"
    for line in state.differing():
        said = _differing(state, line)["said"]
        words = ", ".join(f"{who} {value}" for who, value in said.items())
        yield f"differs: {line.path}: {words}: settle it (`ballotbench protocol settle`)"
    now = state.next_step()
    if state.closed is not None:
        yield f"Closed for signing: {state.closed}"
    elif now is None:
        yield "All steps are done or skipped: draw up and sign"
    else:
        yield f"Next: {now.id}: {say(now.title, now.id)}"
        for line in state.open_lines():
            who = ", ".join(sorted(state.entries.get(line.path, {}))) or "nobody"
            yield f"  {line.path} ({say(line.title, '')}): keyed in by {who}"


def form_as_json(form: PrecinctForm, findings: Sequence[ProtocolFinding]) -> dict[str, Any]:
    """What is said of a form beside its own content."""
    return {
        "precinct": form.precinct_id,
        "version": form.version,
        "digest": form.digest,
        "mode": form.mode,
        "findings": [finding.as_json() for finding in findings],
    }


def form_in_words(form: PrecinctForm, election: Election, profile: Profile) -> Iterator[str]:
    """The figures of a form, a line each paper and contest."""
    titles = {figure.id: say(figure.title, figure.id) for figure in profile.protocol.figures}
    for style in election.precinct_styles(form.precinct_id):
        paper = form.papers[style.id]
        yield f"  {style.id}"
        for name in PAPER_FIGURES:
            value = paper.figure(name)
            if value is not None:
                yield f"    {value:>9}  {titles.get(name, name)}"
        for ground, number in sorted((paper.invalid_grounds or {}).items()):
            yield f"    {number:>9}  invalid: {ground}"
    for contest_id, contest in sorted(form.contests.items()):
        yield f"  {contest_id}"
        for option, votes in contest.votes.items():
            yield f"    {votes:>9}  {option}"
