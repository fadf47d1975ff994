"""The report: one HTML page for people, one JSON file for machines, from the same values.

`report_document` builds the JSON value (schema: `tally/schemas/report.schema.json`),
`render_html` the page from that value alone, so that neither says what the other does
not. The page is whole in itself: no outside link, font, script or picture (NVT-14), and
every text of the input is escaped. Same input, same bytes: no clock is read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from election.model import WRITE_IN_PREFIX, Contest, Election
from election.profile import Profile
from tally.figures import say
from tally.human_error import SIGNIFICANCE
from tally.paper import BALLOTS, INVALID
from tally.reconciliation import Comparison, DifferenceClass, Reconciliation
from tally.seats import decimal_text
from tally.totals import ElectionTotals, Outcome
from tally.verification import PackageRefusedError, Verification, VerifiedPackage

FORMAT = "ballotbench-report/1"
SCHEMA_PATH = Path(__file__).with_name("schemas") / "report.schema.json"
HTML_NAME = "report.html"
JSON_NAME = "report.json"


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where the two files were written."""

    html: Path
    json: Path


def software_version() -> str:
    """The installed version, "unknown" when run from a bare checkout."""
    try:
        return f"ballotbench {metadata.version('ballotbench')}"
    except metadata.PackageNotFoundError:
        return "ballotbench (version unknown)"


def write_report(
    out_dir: Path,
    *,
    election: Election,
    profile: Profile,
    verification: Verification,
    totals: ElectionTotals,
    outcome: Outcome,
    reconciliation: Reconciliation,
    paper_name: str,
    software: str | None = None,
    language: str = "en",
) -> ReportPaths:
    """Write `report.html` and `report.json` into `out_dir` (made if it is not there).

    Raises:
        OSError: the directory cannot be written.
    """
    document = report_document(
        election=election,
        profile=profile,
        verification=verification,
        totals=totals,
        outcome=outcome,
        reconciliation=reconciliation,
        paper_name=paper_name,
        software=software or software_version(),
        language=language,
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = ReportPaths(out_dir / HTML_NAME, out_dir / JSON_NAME)
    text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True)
    paths.json.write_text(text + "\n", encoding="utf-8")
    paths.html.write_text(render_html(document), encoding="utf-8")
    return paths


def report_document(
    *,
    election: Election,
    profile: Profile,
    verification: Verification,
    totals: ElectionTotals,
    outcome: Outcome,
    reconciliation: Reconciliation,
    paper_name: str,
    software: str,
    language: str = "en",
) -> dict[str, Any]:
    """The whole report as one JSON value."""
    findings = [
        {
            "kind": f.kind,
            "severity": f.severity,
            "sentence": f.sentence,
            "precinct": f.precinct,
            "contest": f.contest,
            "option": f.option,
            "size": f.size,
            "consequence": f.consequence,
            "article": f.article,
            "sources": list(f.sources),
        }
        for f in reconciliation.findings
    ]
    return {
        "format": FORMAT,
        "language": language,
        "election": {
            "id": election.id,
            "title": say(election.title, election.id, language),
            "date": election.date,
            "hash": election.hash,
        },
        "profile": {
            "id": profile.id,
            "title": say(profile.title, profile.id, language),
            "hash": profile.canonical_hash(),
            "precedence": profile.reconciliation.precedence,
            "precedence_article": profile.reconciliation.precedence_article,
            "human_error_ppm": profile.reconciliation.human_error_ppm,
            "significance": str(SIGNIFICANCE),
            "silent": list(profile.reconciliation.silent),
        },
        "verdict": _verdict(findings, reconciliation),
        "findings": findings,
        "notes": [*reconciliation.notes, *outcome.notes],
        "names": _names(election, profile, language),
        "contests": [_contest(contest, totals, outcome, language) for contest in election.contests],
        "totals": totals.as_json(),
        "reconciliation": {
            "paper_file": paper_name,
            "compared_precincts": list(reconciliation.compared),
            "not_compared_precincts": list(reconciliation.not_compared),
            "figures_compared": len(reconciliation.comparisons),
            "figures_equal": sum(c.difference == 0 for c in reconciliation.comparisons),
            "by_class": {
                k.value: sum(c.kind is k for c in reconciliation.comparisons)
                for k in DifferenceClass
            },
            "by_precinct": [
                _precinct_balance(p, reconciliation.comparisons) for p in reconciliation.compared
            ],
            "differences": [_comparison(c) for c in reconciliation.differences()],
        },
        "control_ratios": [
            {
                "precinct": c.precinct,
                "style": c.style,
                "ratio": c.ratio,
                "title": c.title,
                "article": c.article,
                "formula": c.formula,
                "left": c.left,
                "right": c.right,
                "figures": c.figures,
                "status": c.status,
                "detail": c.detail,
            }
            for c in reconciliation.controls
        ],
        "packages": {
            "accepted": [_accepted(p) for p in verification.accepted],
            "refused": [_refused(e) for e in verification.refused],
        },
        "software": software,
    }


def _verdict(findings: Sequence[Mapping[str, Any]], result: Reconciliation) -> dict[str, Any]:
    serious = sum(f["severity"] == "serious" for f in findings)
    minor = sum(f["severity"] == "minor" for f in findings)
    differing = [f for f in findings if f["kind"] == "difference"]
    compared = len(result.compared)
    where = f"{compared} precinct{'' if compared == 1 else 's'}"
    if not findings and compared:
        words = f"The electronic and the paper count agree in all {where} compared."
    elif not findings:
        words = "Nothing was compared: no precinct has both a package and a hand count."
    elif differing:
        number = len(differing)
        words = (
            f"The electronic and the paper count differ in {number} "
            f"figure{'' if number == 1 else 's'} that sheets set aside do not explain "
            f"({where} compared)."
        )
    else:
        words = f"The counts agree ({where} compared), but there are findings to look at."
    state = "serious" if serious else "minor" if findings else "clear" if compared else "empty"
    return {"state": state, "words": words, "serious": serious, "minor": minor}


def _names(election: Election, profile: Profile, language: str) -> dict[str, Any]:
    return {
        "precincts": {p.id: say(p.name, p.id, language) for p in election.precincts},
        "districts": {d.id: say(d.name, d.id, language) for d in election.districts},
        "contests": {c.id: say(c.title, c.id, language) for c in election.contests},
        "options": {
            c.id: {
                **{o: _option_name(c, o, language) for o in c.option_ids()},
                INVALID: "Invalid ballots",
                BALLOTS: "All ballots",
            }
            for c in election.contests
        },
        "styles": {s.id: say(s.name, s.id, language) for s in election.ballot_styles},
        "invalid_grounds": {g.id: say(g.title, g.id, language) for g in profile.invalid_grounds},
        "invalid_articles": {g.id: g.article for g in profile.invalid_grounds},
    }


def _option_name(contest: Contest, option_id: str, language: str) -> str:
    if option_id.startswith(WRITE_IN_PREFIX):
        return f"Write-in line {int(option_id.removeprefix(WRITE_IN_PREFIX)) + 1}"
    option = next(o for o in contest.options if o.id == option_id)
    return say(option.name, option_id, language)


def _contest(
    contest: Contest, totals: ElectionTotals, outcome: Outcome, language: str
) -> dict[str, Any]:
    lists = outcome.lists.get(contest.id)
    winners = outcome.as_json()["winners"].get(contest.id)
    return {
        "id": contest.id,
        "title": say(contest.title, contest.id, language),
        "district": contest.district,
        "kind": contest.kind,
        "figures": totals.contests[contest.id],
        "seats": None if lists is None else lists.as_json(),
        "winners": winners,
    }


def _precinct_balance(precinct: str, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    # Sums over votes and invalid ballots; "ballots" would count the same paper twice.
    mine = [c for c in comparisons if c.precinct == precinct and c.option != BALLOTS]
    return {
        "precinct": precinct,
        "electronic_more": sum(max(0, c.difference) for c in mine),
        "paper_more": sum(max(0, -c.difference) for c in mine),
    }


def _comparison(c: Comparison) -> dict[str, Any]:
    return {
        "precinct": c.precinct,
        "contest": c.contest,
        "option": c.option,
        "electronic": c.electronic,
        "paper": c.paper,
        "difference": c.difference,
        "class": c.kind.value,
        "set_aside": c.set_aside,
        "probability": None
        if c.probability is None
        else {
            "at_least": c.probability.differences,
            "ballots": c.probability.ballots,
            "rate_ppm": c.probability.rate_ppm,
            "value": c.probability.decimal(),
            "words": c.probability.words(),
            "exact": c.probability.exact,
        },
        "consequence": c.consequence,
    }


def _accepted(p: VerifiedPackage) -> dict[str, Any]:
    return {
        "name": p.name,
        "sha256": p.digest,
        "package_id": p.package_id,
        "precinct": p.precinct_id,
        "device": p.device_id,
        "export_number": p.export_number,
        "created": p.created,
        "sheets": p.totals["sheets"],
        "joined": [part.as_json() for part in p.joined],
    }


def _refused(e: PackageRefusedError) -> dict[str, Any]:
    return {
        "name": e.name,
        "reason": e.reason.value,
        "detail": e.detail,
        "precinct": e.precinct_id,
        "device": e.device_id,
    }


def render_html(document: Mapping[str, Any]) -> str:
    """The page of a report value. Every text in it is escaped."""
    # Plots are the slow import: whoever needs only the JSON does not pay for it.
    from tally import plots

    names = document["names"]
    drawn: dict[str, Markup] = {}
    for number, contest in enumerate(document["contests"]):
        votes = contest["figures"]["votes"]
        options = names["options"][contest["id"]]
        drawn[f"votes/{contest['id']}"] = Markup(  # noqa: S704 (built and escaped by plots)
            plots.votes_plot(
                [options[o] for o in votes],
                list(votes.values()),
                prefix=f"v{number}",
                title=f"Votes: {contest['title']}",
            )
        )
        if contest["seats"] is not None:
            drawn[f"seats/{contest['id']}"] = Markup(  # noqa: S704
                plots.hemicycle_plot(
                    {options[o]: n for o, n in contest["seats"]["seats"].items()},
                    prefix=f"s{number}",
                    title=f"Seats: {contest['title']}",
                )
            )
    balances = document["reconciliation"]["by_precinct"]
    if balances:
        # A nation's precincts do not fit a plot: those that differ most are drawn.
        most = sorted(balances, key=lambda b: -(b["electronic_more"] + b["paper_more"]))[:40]
        chosen = sorted(most, key=lambda b: str(b["precinct"]))
        drawn["differences"] = Markup(  # noqa: S704
            plots.differences_plot(
                [
                    (
                        f"{b['precinct']} {names['precincts'][b['precinct']]}",
                        b["electronic_more"],
                        b["paper_more"],
                    )
                    for b in chosen
                ],
                prefix="d",
                title="Differences between the electronic and the paper count per precinct",
            )
        )
    environment = Environment(
        loader=PackageLoader("tally"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["decimal"] = _decimal
    page = environment.get_template("report.html.j2")
    return page.render(r=document, names=names, plots=drawn)


def _number(value: int | None) -> str:
    """Digits in groups of three by narrow spaces; a dash where there is no figure."""
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


def _decimal(exact: str) -> str:
    """An exact number as "a" or "a/b" for people: up to four decimal places."""
    whole, _, part = decimal_text(Fraction(exact)).partition(".")
    return f"{whole}.{part.rstrip('0')}".rstrip(".")
