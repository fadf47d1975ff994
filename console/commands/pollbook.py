"""`ballotbench pollbook`: voter list, check-in, control sums, reconciliation."""

from __future__ import annotations

import json
import secrets
from datetime import date
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from console.common import emit_json, stdout
from console.files import (
    check_free,
    replace_bytes,
    replace_private,
    replace_private_bytes,
    replace_text,
)
from console.officers import PinFileOption, SignedBy, signing_key
from console.pollbook import lock_command, reports, requests
from console.pollbook.certificate_picture import certificate_picture
from console.pollbook.locking import Opener, PeopleKeys, new_lock, unlocked
from console.pollbook.options import (
    AsJson,
    At,
    BookArgument,
    By,
    DeskKeys,
    Device,
    Election,
    Iin,
    Keys,
    addition,
    desk,
    moment_of,
    problem_row,
    say,
    styles_received,
    typed_line,
)
from console.pollbook.options import verify as trusted
from console.pollbook.scanned import Barcode, Wait, papers
from election.definition import load_election
from firmware_sim.pollbook import biometrics, checkin, closing
from firmware_sim.pollbook.book import REGION, Book, Setup
from firmware_sim.pollbook.errors import CheckInRefusedError, VoterListError
from firmware_sim.pollbook.iin import checked_iin
from firmware_sim.pollbook.line import ClaimRegister
from firmware_sim.pollbook.sums import control_sums
from firmware_sim.pollbook.synth import synthesize
from firmware_sim.pollbook.vault import read_header
from firmware_sim.pollbook.voters import read_list, write_list

app = typer.Typer(help="Keep a voter list and check voters in.", no_args_is_help=True)
app.add_typer(requests.app, name="request")
app.command("lock")(lock_command.lock)
reports.register(app)


def register(parent: typer.Typer) -> None:
    """Add `pollbook` to the command line."""
    parent.add_typer(app, name="pollbook")


@app.callback()
def pollbook() -> None:
    """Keep a voter list and check voters in."""


@app.command("synth")
def synth(
    election: Election,
    out: Annotated[Path, typer.Argument(help="Voter list to write (CSV).")],
    voters: Annotated[int, typer.Option(min=1, max=2_000_000, help="Entries.")] = 1000,
    duplicates: Annotated[int, typer.Option(min=0, help="Of them planted duplicates.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same list.")] = 1,
    truth: Annotated[
        Path | None, typer.Option(help="Where to write which entries are duplicates (JSON).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Invent a voter list for training, with planted duplicates and their truth.

    Example: ballotbench pollbook synth election.json list.csv --voters 5000 --duplicates 50
    --truth truth.json
    """
    if duplicates * 2 > voters:
        raise typer.BadParameter("at most half of the entries", param_hint="--duplicates")
    definition = load_election(election)
    made = synthesize(
        voters,
        seed=seed,
        precincts=[precinct.id for precinct in definition.precincts],
        election_day=date.fromisoformat(definition.date),
        duplicates=duplicates,
    )
    replace_private(out, write_list(made.voters))
    planted = [
        {"first": p.first + 1, "second": p.second + 1, "plant": str(p.plant)} for p in made.planted
    ]
    if truth is not None:
        twins = [[a + 1, b + 1] for a, b in made.twins]
        replace_text(truth, json.dumps({"seed": seed, "planted": planted, "twins": twins}) + "\n")
    value = {"list": str(out), "voters": voters, "seed": seed, "planted": len(planted)}
    say(as_json, value, f"{voters} invented voters, {len(planted)} planted twice: {out}")


@app.command("import")
def import_list(
    election: Election,
    voter_list: Annotated[Path, typer.Argument(help="Voter list (CSV, docs/pollbook.md).")],
    book: Annotated[Path, typer.Argument(help="Pollbook to make.")],
    precinct: Annotated[
        str | None, typer.Option(help="Precinct of the book; without it the whole region.")
    ] = None,
    received: Annotated[
        list[str] | None, typer.Option(help="Papers received, STYLE=N; once for each style.")
    ] = None,
    registrar: Annotated[
        list[str] | None, typer.Option(help="Key id whose signed requests change the list.")
    ] = None,
    keys: PeopleKeys = None,
    officer: Annotated[
        list[str] | None,
        typer.Option(help="Whose new PIN opens the book; without: `desk`, or the register's."),
    ] = None,
    pin_file: PinFileOption = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Make an encrypted pollbook of a list. One wrong line, and nothing is taken over.

    Example: ballotbench pollbook import election.json list.csv p101.book --precinct P-101
    --received list=2200 --registrar region-1
    """
    definition = load_election(election)
    known = [p.id for p in definition.precincts]
    if precinct is not None and precinct not in known:
        raise typer.BadParameter(f"is none of {', '.join(known)}", param_hint="--precinct")
    day = date.fromisoformat(definition.date)
    data = voter_list.read_bytes()
    try:
        voters = read_list(data, str(voter_list), election_day=day, precincts=known)
    except VoterListError as error:
        if as_json:
            emit_json({"problems": [problem_row(p) for p in error.problems]})
        else:
            for problem in error.problems:
                stdout.print(str(problem), soft_wrap=True, markup=False)
        raise
    styles = [s.id for s in definition.precinct_styles(precinct)] if precinct else []
    papers_received = styles_received(received or [], styles)
    setup = Setup(
        definition.id,
        definition.hash,
        day,
        precinct or REGION,
        tuple(styles),
        papers_received,
        tuple(registrar or []),
    )
    lock = new_lock(setup.precinct, keys=keys, officers=officer or (), pin_file=pin_file)
    with Book.create(book, setup, voters, lock=lock, source=data, at=moment_of(at)) as opened:
        people = [entry.voter for entry in opened.entries()]
    differs = sum(voter.birth_differs for voter in people)
    value = {"book": str(book), "voters": len(people), "birth_date_differs_from_iin": differs}
    text = f"{len(people)} voters in {book}."
    if differs:
        text += f" {differs} birth dates are not those in the number: no error, but look."
    say(as_json, value, text)


@app.command("certificate")
def certificate(
    book: BookArgument,
    iin: Iin,
    out: Annotated[Path, typer.Option(help="Certificate to write (JSON).")],
    keys: Keys,
    device: Device,
    code: Annotated[
        Path | None, typer.Option(help="Its code to print, for a barcode reader (PNG).")
    ] = None,
    officer: Opener = None,
    signed_by: SignedBy = None,
    pin_file: PinFileOption = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Give out an absentee certificate; asked again, the same one.

    Example: ballotbench pollbook certificate p101.book --iin - --out ac.json --keys keys
    --device pollbook-101
    """
    check_free(out, "--out")
    if code is not None:
        check_free(code, "--code")
    key, here = signing_key(keys, device, signed_by=signed_by, officer=officer, pin_file=pin_file)
    unlock = unlocked(book, officer=officer, keys=keys, pin_file=pin_file, here=here)
    with Book.open(book, unlock) as opened:
        if key.identity.precinct_id != opened.setup.precinct:
            raise typer.BadParameter(
                f"{device} signs for {key.identity.precinct_id}, the list is that of "
                f"{opened.setup.precinct}",
                param_hint="--device",
            )
        data = opened.issue_certificate(checked_iin(typed_line(iin)), key.sign, at=moment_of(at))
    replace_private(out, data.decode())
    if code is not None:
        replace_private_bytes(code, certificate_picture(data))
    number = json.loads(data)["document"]["number"]
    say(as_json, {"certificate": str(out), "number": number}, f"Certificate {number}: {out}")


@app.command("check-in")
def check_in(
    book: BookArgument,
    by: By,
    document: Annotated[
        str | None, typer.Option(help="First line of the card's zone; - reads it from the input.")
    ] = None,
    barcode: Barcode = None,
    scan_wait: Wait = 60.0,
    number: Annotated[str | None, typer.Option(help="Document number, typed.")] = None,
    iin: Annotated[str | None, typer.Option(help="IIN in the document, typed.")] = None,
    biometric: Annotated[
        str, typer.Option(help="Simulated person at the sensor: holder, other or none.")
    ] = "none",
    false_match: Annotated[
        float, typer.Option(help="Stated false-match rate.")
    ] = biometrics.FALSE_MATCH_RATE,
    false_non_match: Annotated[
        float, typer.Option(help="Stated false-non-match rate.")
    ] = biometrics.FALSE_NON_MATCH_RATE,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the simulated match.")] = None,
    fallback: Annotated[
        list[str] | None, typer.Option(help="Official who signs instead; twice.")
    ] = None,
    ground: Annotated[str, typer.Option(help="Why they sign, or why the voter is added.")] = "",
    certificate_file: Annotated[
        Path | None,
        typer.Option(
            "--certificate", help="Absentee certificate (JSON); - scans its code (--barcode)."
        ),
    ] = None,
    keys: DeskKeys = None,
    officer: Opener = None,
    pin_file: PinFileOption = None,
    add: Annotated[
        list[str] | None,
        typer.Option(help="Addition: FIELD=TEXT for family_name, given_name, birth_date …"),
    ] = None,
    mobile: Annotated[bool, typer.Option("--mobile", help="With the portable box.")] = False,
    style: Annotated[list[str] | None, typer.Option(help="Only these ballot styles.")] = None,
    line: Annotated[
        Path | None,
        typer.Option(help="Central register made by `pollbook line`; without it: offline."),
    ] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Check a voter in with two factors and hand out ballots, once.

    Example: ballotbench pollbook check-in p101.book --by member-1:member
    --document - --biometric holder

    Example: ballotbench pollbook check-in p101.book --by member-1:member
    --barcode usb:0c2e:0b61 --biometric holder
    """
    if biometric not in ("holder", "other", "none"):
        raise typer.BadParameter("say holder, other or none", param_hint="--biometric")
    given = papers(document, number, iin, certificate_file, barcode=barcode, wait_s=scan_wait)
    used_seed = secrets.randbits(32) if seed is None else seed
    match = None
    if biometric != "none":
        matcher = biometrics.Matcher(false_match, false_non_match)
        match = matcher.compare(
            genuine=biometric == "holder", random=np.random.default_rng(used_seed)
        )
    moment = moment_of(at)
    member, two, here = desk(
        by, fallback, ground, keys=keys, pin_file=pin_file, precinct=read_header(book).precinct
    )
    unlock = unlocked(book, officer=officer, keys=keys, pin_file=pin_file, here=here)
    with Book.open(book, unlock) as opened:
        visit = checkin.Visit(
            document=given.document,
            match=match,
            by=member,
            at=moment,
            fallback=two,
            styles=None if style is None else tuple(style),
            certificate=given.certificate,
            addition=addition(add, opened.setup.precinct),
            ground=ground,
            mobile=mobile,
        )
        register_ = ClaimRegister(line, election=opened.setup.election_hash) if line else None
        try:
            issued = checkin.check_in(
                opened, visit, verify=trusted(keys) if keys else None, line=register_
            )
        except CheckInRefusedError as refused:
            if as_json:
                emit_json({"refusal": str(refused.refusal), "why": str(refused)})
            raise
    value = {
        "precinct": opened.setup.precinct,
        "line": issued.entry,
        "channel": issued.channel,
        "second_factor": issued.method,
        "styles": list(issued.styles),
        "online": issued.online,
        "warnings": list(issued.warnings),
        "seed": used_seed,
    }
    place = f"{opened.setup.precinct}, line {issued.entry or 'none'}"
    text = f"{issued.name}: hand out {', '.join(issued.styles)} ({place})."
    text += "" if issued.online else " Offline: not compared with other precincts yet."
    say(as_json, value, "\n".join([text, *issued.warnings]))


@app.command("line")
def line_register(
    election: Election,
    file: Annotated[Path, typer.Argument(help="Register to make.")],
    as_json: AsJson = False,
) -> None:
    """Make the simulated central register of an election, once, for every precinct's --line.

    Example: ballotbench pollbook line election.json register.line
    """
    ClaimRegister.create(file, election=load_election(election).hash)
    say(as_json, {"register": str(file)}, f"Central register made: {file}")


@app.command("spoil")
def spoil(
    book: BookArgument,
    iin: Iin,
    style: Annotated[str, typer.Option()],
    by: By,
    keys: DeskKeys = None,
    officer: Opener = None,
    pin_file: PinFileOption = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Take a spoiled ballot back and hand out another.

    Example: ballotbench pollbook spoil p101.book --iin - --style list --by member-1:member
    """
    member, _, here = desk(
        by, None, "", keys=keys, pin_file=pin_file, precinct=read_header(book).precinct
    )
    unlock = unlocked(book, officer=officer, keys=keys, pin_file=pin_file, here=here)
    with Book.open(book, unlock) as opened:
        count = checkin.replace_ballot(
            opened, checked_iin(typed_line(iin)), style, by=member, at=moment_of(at)
        )
    say(as_json, {"style": style, "spoiled": count}, f"Hand out another {style}; spoiled: {count}")


@app.command("close")
def close(
    book: BookArgument,
    out: Annotated[Path, typer.Option(help="Close sheet to write; its signature beside it.")],
    keys: Keys,
    device: Device,
    officer: Opener = None,
    signed_by: SignedBy = None,
    pin_file: PinFileOption = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Close the pollbook and sign its counts for `ballotbench device run --issued-from`.

    Example: ballotbench pollbook close p101.book --out pollbook.json --keys keys
    --device pollbook-101
    """
    # Before anything is closed or issued, whose proof could then not be written.
    for path in (out, closing.signature_path(out)):
        check_free(path, "--out")
    key, here = signing_key(keys, device, signed_by=signed_by, officer=officer, pin_file=pin_file)
    unlock = unlocked(book, officer=officer, keys=keys, pin_file=pin_file, here=here)
    with Book.open(book, unlock) as opened:
        if key.identity.precinct_id != opened.setup.precinct:
            raise typer.BadParameter(
                f"{device} signs for {key.identity.precinct_id}, not {opened.setup.precinct}",
                param_hint="--device",
            )
        sheet = closing.close_book(opened, key.sign, at=moment_of(at))
        sums = control_sums(opened)
    replace_bytes(closing.signature_path(out), sheet.signature)
    replace_bytes(out, sheet.content)
    styles = ", ".join(f"{style} {row['issued']}" for style, row in sums["styles"].items())
    say(as_json, sums, f"Closed: {sums['voters']['voted']} voters; issued {styles}. {out}")
