"""The lines of the official form in the order of the count, and values of lines to a form.

A line is one figure that people establish: its `path` is its name in entries, settlements and
messages ("precinct.registered", "papers.list-paper.in_box", "contests.list.votes.a"). What
follows from other lines is no line: papers of a contest are those in the boxes, its void
papers those of its kinds of paper; where every ballot is one vote or void
(`marks.rule` "exactly_one") no vote is lost otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from election.figures import PAPER_FIGURES
from election.model import WRITE_IN_PREFIX, Contest, Election, Text
from election.profile import CountingStep, Profile
from tally.paper import contests_in

#: What a device's count adds of a contest.
DEVICE_EXTRAS = ("ballots", "blank", "invalid", "needs_review")


@dataclass(frozen=True, slots=True)
class FormLine:
    """One figure of the form: `step` in which it is established, `of` the paper, contest or
    precinct, titles by language."""

    path: str
    step: str
    kind: Literal["precinct", "paper", "ground", "votes"]
    of: str
    of_title: Text
    title: Text


def form_lines(election: Election, profile: Profile, precinct_id: str) -> tuple[FormLine, ...]:
    """Every line of a precinct's form, in the order of the profile's steps."""
    return tuple(
        line
        for step in profile.protocol.steps
        for line in _lines_of(step, election, profile, precinct_id)
    )


def _lines_of(
    step: CountingStep, election: Election, profile: Profile, precinct_id: str
) -> Iterator[FormLine]:
    figures = {figure.id: figure for figure in profile.protocol.figures}
    precinct = election.precinct(precinct_id)
    styles = election.precinct_styles(precinct_id)
    for name in step.figures:
        figure = figures[name]
        if figure.of == "precinct":
            path = f"precinct.{name}"
            yield FormLine(path, step.id, "precinct", precinct_id, precinct.name, figure.title)
    for style in styles:
        said = style_title(election, style.id)
        for name in step.figures:
            figure = figures[name]
            if figure.of == "paper":
                path = f"papers.{style.id}.{name}"
                yield FormLine(path, step.id, "paper", style.id, said, figure.title)
        for ground in profile.invalid_grounds if step.grounds else ():
            path = f"papers.{style.id}.invalid_grounds.{ground.id}"
            yield FormLine(path, step.id, "ground", style.id, said, ground.title)
    for contest in contests_in(election, precinct_id) if step.votes else ():
        for path, title in _votes_lines(contest, profile):
            yield FormLine(path, step.id, "votes", contest.id, contest.title, title)


LOST: Mapping[str, Text] = {
    "overvotes": {
        "kk": "Артық белгіден жоғалған дауыстар",
        "ru": "Голоса, потерянные из-за лишних отметок",
        "en": "Votes lost to too many marks",
    },
    "undervotes": {
        "kk": "Берілмеген дауыстар",
        "ru": "Неиспользованные голоса",
        "en": "Votes not given",
    },
}


def _votes_lines(contest: Contest, profile: Profile) -> Iterator[tuple[str, Text]]:
    for option_id in contest.option_ids():
        yield f"contests.{contest.id}.votes.{option_id}", option_title(contest, option_id)
    if profile.marks.rule != "exactly_one":
        for name, title in LOST.items():
            yield f"contests.{contest.id}.{name}", title


def option_title(contest: Contest, option_id: str) -> Text:
    """An option's name, or that of a write-in line."""
    if option_id.startswith(WRITE_IN_PREFIX):
        place = int(option_id.removeprefix(WRITE_IN_PREFIX)) + 1
        words = {"kk": "Жазылған есім", "ru": "Вписанное имя", "en": "Write-in line"}
        return {language: f"{word} {place}" for language, word in words.items()}
    return next(o for o in contest.options if o.id == option_id).name


def style_title(election: Election, style_id: str) -> Text:
    """A paper's name; where it has none, that of its first contest."""
    style = election.style(style_id)
    return style.name or election.contest(style.contests[0]).title


def papers_and_contests(
    values: Mapping[str, int],
    extras: Mapping[str, int],
    election: Election,
    profile: Profile,
    precinct_id: str,
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The form's `papers` and `contests` of lines' values; a line without a value is absent.

    Args:
        values: by path of a line.
        extras: a device's figures that are no lines ("papers.S.returned", "contests.C.blank"),
            where they go with the values.
    """
    of = {figure.id: figure.of for figure in profile.protocol.figures}
    papers: dict[str, dict[str, Any]] = {}
    for style in election.precinct_styles(precinct_id):
        paper: dict[str, Any] = {}
        for name in PAPER_FIGURES:
            whole = of.get(name) == "precinct"
            path = f"precinct.{name}" if whole else f"papers.{style.id}.{name}"
            value = values.get(path, extras.get(path))
            if value is not None:
                paper[name] = value
        start = f"papers.{style.id}.invalid_grounds."
        both = {**extras, **values}
        grounds = {p.removeprefix(start): v for p, v in both.items() if p.startswith(start)}
        if grounds:
            paper["invalid_grounds"] = grounds
        papers[style.id] = paper
    contests = {
        contest.id: _contest(contest, papers, values, extras, election, profile, precinct_id)
        for contest in contests_in(election, precinct_id)
    }
    return papers, contests


def _contest(
    contest: Contest,
    papers: Mapping[str, Mapping[str, Any]],
    values: Mapping[str, int],
    extras: Mapping[str, int],
    election: Election,
    profile: Profile,
    precinct_id: str,
) -> dict[str, Any]:
    start = f"contests.{contest.id}."
    row: dict[str, Any] = {
        "votes": {
            option: values[f"{start}votes.{option}"]
            for option in contest.option_ids()
            if f"{start}votes.{option}" in values
        }
    }
    carriers = [
        papers[style.id]
        for style in election.precinct_styles(precinct_id)
        if contest.id in style.contests
    ]
    for name, figure in (
        ("ballots", "in_box"),
        ("invalid", "invalid"),
        ("needs_review", "needs_review"),
    ):
        known = [paper[figure] for paper in carriers if figure in paper]
        if len(known) == len(carriers):
            row[name] = sum(known)
    row |= {name: extras[f"{start}{name}"] for name in DEVICE_EXTRAS if f"{start}{name}" in extras}
    lost = ("overvotes", "undervotes")
    if profile.marks.rule == "exactly_one":
        row |= dict.fromkeys((*lost, "blank"), 0)
    else:
        row |= {name: values[f"{start}{name}"] for name in lost if f"{start}{name}" in values}
    return row
