"""`ballotbench pollbook`: duplicates, reconciliation and figures, for people to look at."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from console.files import replace_private
from console.officers import PinFileOption
from console.pollbook.locking import Opener, PeopleKeys, unlocked
from console.pollbook.options import AsJson, BookArgument, Full, read_facts, say
from firmware_sim.pollbook import report
from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.duplicates import find_duplicates
from firmware_sim.pollbook.reconcile import findings, merge


def register(app: typer.Typer) -> None:
    """Add `duplicates`, `reconcile` and `report`."""
    app.command("duplicates")(duplicates)
    app.command("reconcile")(reconcile)
    app.command("report")(report_command)


def duplicates(
    book: BookArgument,
    out: Annotated[Path | None, typer.Option(help="Page to write (HTML).")] = None,
    full_iin: Full = False,
    keys: PeopleKeys = None,
    officer: Opener = None,
    pin_file: PinFileOption = None,
    as_json: AsJson = False,
) -> None:
    """List entries that may be one person, for people to review; nobody is taken off.

    Exit code 1 where there are any.

    Example: ballotbench pollbook duplicates p101.book --out duplicates.html
    """
    unlock = unlocked(book, officer=officer, keys=keys, pin_file=pin_file)
    with Book.open(book, unlock) as opened:
        entries = [entry for entry in opened.entries() if entry.active]
    voters = [entry.voter for entry in entries]
    document = report.duplicates_report(voters, find_duplicates(voters), full_iin=full_iin)
    for pair in document["pairs"]:
        for side in (pair["first"], pair["second"]):
            side["line"] = entries[side["line"] - 1].number
    if out is not None:
        replace_private(out, report.page("duplicates", document))
    lines = [
        f"{pair['ground']} {pair['likeness']}: line {pair['first']['line']} "
        f"{pair['first']['name']} / line {pair['second']['line']} {pair['second']['name']}"
        for pair in document["pairs"][:50]
    ]
    more = len(document["pairs"]) - len(lines)
    lines += [f"… and {more} more; --out or --json shows all"] if more else []
    say(as_json, document, "\n".join(lines) or "No duplicates found.")
    raise typer.Exit(1 if document["pairs"] else 0)


def reconcile(
    books: Annotated[list[Path], typer.Argument(help="Pollbooks, or files of --facts.")],
    out: Annotated[Path | None, typer.Option(help="Page to write (HTML).")] = None,
    facts: Annotated[
        Path | None, typer.Option(help="Merged facts to write, for the next tier (personal data).")
    ] = None,
    observer: Annotated[bool, typer.Option("--observer", help="Counts only.")] = False,
    full_iin: Full = False,
    keys: PeopleKeys = None,
    officer: Opener = None,
    pin_file: PinFileOption = None,
    as_json: AsJson = False,
) -> None:
    """Put pollbooks together and list what cannot be right: double voting first.

    Exit code 1 where there is any finding.

    Example: ballotbench pollbook reconcile p101.book p102.book p201.book --out double.html
    """
    unlock = partial(unlocked, officer=officer, keys=keys, pin_file=pin_file)
    merged = merge([read_facts(path, unlock) for path in books])
    found = findings(merged)
    document = report.reconciliation_report(merged, found, official=not observer, full_iin=full_iin)
    if facts is not None:
        replace_private(facts, json.dumps(merged.to_json(), ensure_ascii=False) + "\n")
    if out is not None:
        replace_private(out, report.page("reconciliation", document))
    lines = [f"{kind}: {count}" for kind, count in document["counts"].items()]
    for row in document["findings"] or []:
        sides = "; ".join(
            f"{s['precinct']} line {s['entry'] or '–'} {s['name']} {s['iin']}" for s in row["sides"]
        )
        lines.append(f"  {row['kind']}: {sides}")
    say(as_json, document, "\n".join(lines) or f"{len(merged.uses)} voters, nothing found.")
    raise typer.Exit(1 if found else 0)


def report_command(
    book: BookArgument,
    out: Annotated[Path | None, typer.Option(help="Page to write (HTML).")] = None,
    observer: Annotated[bool, typer.Option("--observer", help="Counts only.")] = False,
    full_iin: Full = False,
    keys: PeopleKeys = None,
    officer: Opener = None,
    pin_file: PinFileOption = None,
    as_json: AsJson = False,
) -> None:
    """Show a pollbook's figures, and for officials what is listed apart.

    Example: ballotbench pollbook report p101.book --out p101.html --observer
    """
    unlock = unlocked(book, officer=officer, keys=keys, pin_file=pin_file)
    with Book.open(book, unlock) as opened:
        document = report.book_report(opened, official=not observer, full_iin=full_iin)
    if out is not None:
        replace_private(out, report.page("book", document))
    voters = document["sums"]["voters"]
    say(as_json, document, "\n".join(f"{name}: {count}" for name, count in voters.items()))
