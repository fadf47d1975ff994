"""`ballotbench pollbook request`: signed requests to change the list."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from console.files import replace_private
from console.officers import PinFileOption, SignedBy, signing_key
from console.pollbook.locking import Opener, PeopleKeys, unlocked
from console.pollbook.options import (
    AsJson,
    At,
    BookArgument,
    Device,
    Election,
    Iin,
    Keys,
    changed_row,
    moment_of,
    say,
    typed_line,
)
from console.pollbook.options import verify as trusted
from election.definition import load_election
from firmware_sim.pollbook import papers
from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.iin import checked_iin
from firmware_sim.pollbook.signing import sign_document
from firmware_sim.pollbook.voters import FIELDS

app = typer.Typer(help="Signed requests to change the list.", no_args_is_help=True)


@app.command("sign")
def request_sign(
    election: Election,
    out: Annotated[Path, typer.Argument(help="Request to write (JSON).")],
    kind: Annotated[papers.RequestKind, typer.Option(help="What is asked.")],
    iin: Iin,
    ground: Annotated[str, typer.Option(help="Why: document, decision, application.")],
    keys: Keys,
    device: Device,
    precinct: Annotated[str, typer.Option(help="Precinct where the entry is to be.")] = "",
    family_name: Annotated[str, typer.Option(help="As in the document.")] = "",
    given_name: Annotated[str, typer.Option(help="As in the document.")] = "",
    patronymic: Annotated[str, typer.Option(help="As in the document.")] = "",
    birth_date: Annotated[str, typer.Option(help="YYYY-MM-DD.")] = "",
    line: Annotated[int | None, typer.Option(help="exclude: this line of several.")] = None,
    new_iin: Annotated[str | None, typer.Option(help="correct: the right number.")] = None,
    signed_by: SignedBy = None,
    pin_file: PinFileOption = None,
    as_json: AsJson = False,
) -> None:
    """Write a signed request: move, correct, include or exclude.

    Example: ballotbench pollbook request sign election.json move.json --kind move
    --iin 791028302728 --precinct P-102 --family-name Серік --given-name Асқар
    --birth-date 1979-10-28 --ground "registered at a new address" --keys keys --device region-1
    """
    number = checked_iin(typed_line(iin))
    key, _ = signing_key(keys, device, signed_by=signed_by, officer=None, pin_file=pin_file)
    voter = {} if line is None else {"number": str(line)}
    if kind is not papers.RequestKind.EXCLUDE:
        texts = (new_iin or number, family_name, given_name, patronymic, birth_date, precinct)
        voter = dict(zip(FIELDS, texts, strict=True))
    asked = papers.Request(
        secrets.token_hex(16), load_election(election).hash, kind, number, precinct, voter, ground
    )
    replace_private(out, sign_document(asked.to_json(), key.sign).decode())
    value = {"request": str(out), "request_id": asked.request_id}
    say(as_json, value, f"Request to {kind} signed by {device}: {out}")


@app.command("apply")
def request_apply(
    book: BookArgument,
    requests: Annotated[list[Path], typer.Argument(help="Signed requests (JSON).")],
    keys: Keys,
    officer: Opener = None,
    pin_file: PinFileOption = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Apply signed requests; each changed entry is searched for duplicates at once.

    Exit code 1 where a changed entry may be a duplicate.

    Example: ballotbench pollbook request apply p101.book move.json --keys keys
    """
    moment = moment_of(at)
    verify = trusted(keys)
    rows = []
    unlock = unlocked(book, officer=officer, keys=keys, pin_file=pin_file)
    with Book.open(book, unlock) as opened:
        for path in requests:
            changed = opened.apply_request(path.read_bytes(), verify, at=moment)
            rows.append(changed_row(path, changed))
    text = "\n".join(
        f"{row['request']}: "
        + ("applied before" if row["again"] else f"line {row['line']} is {row['status']}")
        + "".join(f"; may be the same as {name}" for name in row["duplicates"])
        for row in rows
    )
    say(as_json, rows, text)
    raise typer.Exit(1 if any(row["duplicates"] for row in rows) else 0)


@app.command("mobile")
def request_mobile(
    book: BookArgument,
    iin: Iin,
    ground: Annotated[str, typer.Option(help="Why the voter cannot come.")],
    keys: PeopleKeys = None,
    officer: Opener = None,
    pin_file: PinFileOption = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """List a voter who asks to vote with the portable box.

    Example: ballotbench pollbook request mobile p101.book --iin - --ground "ill, application 17"
    """
    unlock = unlocked(book, officer=officer, keys=keys, pin_file=pin_file)
    with Book.open(book, unlock) as opened:
        entry = opened.request_mobile(checked_iin(typed_line(iin)), ground=ground, at=moment_of(at))
    say(as_json, {"line": entry.number}, f"Line {entry.number} is listed for the portable box.")
