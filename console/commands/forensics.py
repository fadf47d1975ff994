"""`ballotbench forensics`: leads for auditors, in pictures and tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.common import emit_json, stdout

if TYPE_CHECKING:
    from tally.forensics.analysis import Analysis
    from tally.forensics.pages import Labels

HELP = """Look at a national result as the field does: leads for auditors, never proof.

Writes forensics.json, and for each language a folder with a PDF and a PNG a page: share against
turnout, whole percentages, last digits, control ratios, with the limits of each. A lead asks
for one thing: to look at the precincts' protocols, logs and paper. See docs/forensics.md.

Example: ballotbench forensics result --election nation/election.json --language kk --out leads
"""


def register(app: typer.Typer) -> None:
    """Add `forensics`."""
    app.command("forensics", help=HELP)(forensics)


def forensics(
    store: Annotated[Path, typer.Argument(help="Folder of a national result.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    election: Annotated[
        Path | None, typer.Option(help="Election definition: names instead of ids.")
    ] = None,
    commissions: Annotated[
        Path | None, typer.Option(help="The tree of commissions: names of regions.")
    ] = None,
    contest: Annotated[
        str | None, typer.Option(help="Contest id; else the one with most ballots.")
    ] = None,
    option: Annotated[
        str | None, typer.Option(help="Option id; else the one with most votes.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="kk, ru or en; may be given more than once.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Draw the pages, not the figures alone.")] = True,
    json_output: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Write figures and pictures; exit 1 where there is a lead."""
    from tally.forensics import analyse, write_pages
    from tally.forensics.words import LANGUAGES
    from tally.national.store import read_store

    languages = [one for one in LANGUAGES if one in (language or ["en"])]
    strange = sorted(set(language or ["en"]) - set(LANGUAGES))
    if strange:
        raise typer.BadParameter(f"{strange[0]} is not kk, ru or en", param_hint="--language")
    analysis = analyse(read_store(store), contest, option)
    document = analysis.as_json()
    out.mkdir(parents=True, exist_ok=True)
    path = out / "forensics.json"
    text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
    written = [path]
    for one in languages if pictures else ():
        labels = _labels(analysis, election, commissions, one)
        written += write_pages(analysis, out / one, labels, one)
    if json_output:
        emit_json(document)
    else:
        _show(analysis, written)
    if analysis.leads or analysis.more_ballots:
        raise typer.Exit(1)


def _labels(
    analysis: Analysis, election: Path | None, commissions: Path | None, language: str
) -> Labels:
    from console.errors import ConsoleError
    from election.commissions import load_commissions
    from election.definition import load_election
    from tally.figures import say
    from tally.forensics.pages import Labels

    contest_id, option_id = analysis.figures.contest_id, analysis.figures.option_id
    if election is None:
        if commissions is not None:
            raise ConsoleError("--commissions needs --election, whose tree it is")
        return Labels(contest_id, option_id)
    definition = load_election(election)
    if definition.hash != analysis.document.get("election_hash"):
        raise ConsoleError(f"{election}: is not the definition that the result was counted by")
    contest = definition.contest(contest_id)
    options = {o.id: o.name for o in contest.options}
    areas = {}
    if commissions is not None:
        tree = load_commissions(commissions, definition)
        areas = {a: say(tree.by_id[a].name, a, language) for a in analysis.areas if a in tree.by_id}
    return Labels(
        say(contest.title, contest_id, language),
        say(options.get(option_id), option_id, language),
        areas,
    )


def _show(analysis: Analysis, written: list[Path]) -> None:
    from tally.forensics.words import NOTICE, TESTS

    def line(text: str) -> None:
        stdout.print(text, markup=False, highlight=False, soft_wrap=True)

    figures = analysis.figures
    line(
        f"{figures.contest_id}, {figures.option_id}: {len(figures.precinct_ids)} precincts looked "
        f"at, {analysis.left_out} left out"
    )
    for outcome in analysis.outcomes:
        chance = "too few numbers" if outcome.chance is None else f"chance {outcome.chance:.6f}"
        word = {True: "LEAD", False: "no lead", None: "not judged"}[outcome.lead]
        line(f"{TESTS[outcome.test]['en']}: {chance}: {word}")
    for precinct in analysis.more_ballots[:20]:
        line(f"More ballots than voters on the list: {precinct}")
    line(f"{len(analysis.corner)} precincts have turnout and share of 95 % and more")
    line(NOTICE["en"])
    line(f"Written: {written[0]}, {len(written) - 1} pictures beside it")
