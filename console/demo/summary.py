"""What happened, in plain words and as JSON."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from console.demo.night import Night
from console.demo.plan import Story
from election.model import Election
from tally.figures import say
from tally.reconciliation import Finding


def unexpected(night: Night) -> list[Finding]:
    """Findings other than the planted difference and the law's own gaps.

    The planted one counts as found only with its precinct, contest, option and size.
    """
    planted = night.plan.planted
    rest = [f for f in night.compared.reconciliation.findings if f.kind != "profile_silent"]
    return [
        f
        for f in rest
        if (f.kind, f.precinct, f.contest, f.option, f.size)
        != ("difference", planted.precinct_id, planted.contest_id, planted.option_id, planted.size)
    ]


def found(night: Night) -> Finding | None:
    """The finding that names the planted difference."""
    others = unexpected(night)
    differences = [f for f in night.compared.reconciliation.findings if f.kind == "difference"]
    return next((f for f in differences if f not in others), None)


def as_planned(night: Night) -> bool:
    """Is every figure the plan's, every package good, and the planted slip found alone?"""
    return (
        not night.wrong
        and not night.compared.verification.refused
        and found(night) is not None
        and not unexpected(night)
    )


def night_words(night: Night, election: Election, out: Path) -> list[str]:
    """The summary of a planned night, line by line."""
    plan, stations = night.plan, night.stations
    sheets, precincts = len(plan.sheets), len(plan.precincts)
    accepted = sum(s.counters["accepted"] for s in stations)
    waiting = sum(style["needs_review"] for s in stations for style in s.totals["styles"].values())
    faint = sum(s.story in (Story.FAINT, Story.HESITANT, Story.WRITTEN_IN) for s in plan.sheets)
    lines = [
        f"{sheets} sheets were printed, marked and scanned in {precincts} precincts "
        f"(seed {plan.seed}).",
        f"{accepted} went into the boxes. {_refused(night)}",
        f"{waiting} sheets with an unclear mark are set aside for a person "
        f"({faint} were drawn so).",
    ]
    if night.wrong:
        lines.append("THE COUNT IS NOT WHAT WAS MARKED:")
        lines += [
            f"  {precinct}, {contest}, {figure}: marked {want}, counted {got}"
            for precinct, contest, figure, want, got in night.wrong
        ]
    else:
        lines.append("The electronic count equals what was marked, figure by figure.")
    lines += _packages(len(night.compared.verification.accepted), night.compared)
    lines += _hand_count(night, election)
    return [*lines, *_where(out, night.compared.report.html, stations[0].package.name)]


def _refused(night: Night) -> str:
    refused = [words for s in night.stations for words in s.sent_back]
    if not refused:
        return "None was sent back."
    first = refused[0]
    number = f"{len(refused)} was" if len(refused) == 1 else f"{len(refused)} times one was"
    return (
        f"{number} sent back ({first[0].replace('_', ' ')}: {first[1]}); its voter got a new paper."
    )


def _packages(good: int, compared: Any) -> list[str]:
    lines = [f"{good} signed results packages were verified."]
    lines += [f"  REFUSED: {error}" for error in compared.verification.refused]
    return lines


def _hand_count(night: Night, election: Election) -> list[str]:
    planted = night.plan.planted
    contest = election.contest(planted.contest_id)
    names = {o.id: say(o.name, o.id) for o in contest.options}
    option = names.get(planted.option_id, planted.option_id)
    where = (
        f"precinct {planted.precinct_id}, contest {planted.contest_id}, "
        f"option {planted.option_id} ({option})"
    )
    finding = found(night)
    if finding is None:
        lines = [f"THE PLANTED DIFFERENCE WAS NOT FOUND: {where}, {planted.size} votes."]
    else:
        lines = [
            "In the hand count one slip was planted, and the report finds it: "
            f"{where}, {planted.size} votes fewer on paper.",
        ]
    explained = sum(
        -c.difference
        for c in night.compared.reconciliation.comparisons
        if c.kind.value == "explained_by_review"
    )
    if explained:
        lines.append(
            f"{explained} votes that people see on paper wait on the sheets set aside: explained."
        )
    lines += [f"  ALSO FOUND: {f.sentence}" for f in unexpected(night)]
    return lines


def _where(out: Path, report: Path, package: str) -> list[str]:
    folder = shlex.quote(str(out / "packages" / "checked"))
    return [
        f"Report: {report}",
        f"Everything else is in {out}: ballots, scans, tapes, packages, keys, hand count.",
        "Check a package with stock tools alone:",
        f"  python3 -m zipfile -e {shlex.quote(str(out / 'packages' / package))} {folder}",
        f"  cd {folder} && sha256sum -c SHA256SUMS",
        "  openssl cms -verify -binary -inform DER -in SHA256SUMS.cms -content SHA256SUMS "
        "-CAfile ../../keys/authority.pem -purpose any -out /dev/null",
    ]


def document(night: Night) -> dict[str, Any]:
    """The same for machines."""
    finding = found(night)
    planted = night.plan.planted
    return {
        "seed": night.plan.seed,
        "sheets": len(night.plan.sheets),
        "precincts": {
            s.precinct_id: {
                "counters": dict(s.counters),
                "sent_back": [list(words) for words in s.sent_back],
                "package": str(s.package),
                "tape": str(s.tape),
            }
            for s in night.stations
        },
        "wrong": [list(row) for row in night.wrong],
        "planted": {
            "precinct": planted.precinct_id,
            "contest": planted.contest_id,
            "option": planted.option_id,
            "size": planted.size,
            "found": None if finding is None else finding.sentence,
        },
        "unexpected": [f.sentence for f in unexpected(night)],
        "as_planned": as_planned(night),
        "report": str(night.compared.report.html),
        "report_json": str(night.compared.report.json),
    }
