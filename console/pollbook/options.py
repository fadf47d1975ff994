"""Options of the `pollbook` commands, and what people type made into values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from console.common import emit_json, stdout
from console.officers import present
from firmware_sim.people import OpenSlot, PeopleRegister
from firmware_sim.pollbook import checkin
from firmware_sim.pollbook.book import Book, Changed
from firmware_sim.pollbook.document import IdentityDocument, read_line, typed
from firmware_sim.pollbook.iin import masked
from firmware_sim.pollbook.reconcile import Facts, facts_of
from firmware_sim.pollbook.signing import Verify, verifier
from firmware_sim.pollbook.vault import Unlock
from firmware_sim.pollbook.voters import FIELDS
from firmware_sim.roles import Person, Role
from firmware_sim.trust import TrustStore

BookArgument = Annotated[Path, typer.Argument(help="The pollbook (encrypted file).")]
Election = Annotated[Path, typer.Argument(help="Election definition (JSON).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Keys = Annotated[Path, typer.Option(help="Directory made by `ballotbench keys`.")]
Device = Annotated[str, typer.Option("--device", help="Id of the signing key, as issued.")]
At = Annotated[
    str | None, typer.Option(help="Training: this time (ISO 8601) instead of the clock's.")
]
Iin = Annotated[str, typer.Option(help="Identification number; - reads it from the input.")]
Full = Annotated[bool, typer.Option("--full-iin", help="Whole numbers; else the last four.")]
By = Annotated[str, typer.Option(help="Who hands out: ID:member; ID where there is a register.")]
DeskKeys = Annotated[
    Path | None,
    typer.Option(help="Directory that checks certificates, and people where it registers them."),
]


def say(as_json: bool, value: Any, text: str) -> None:
    """Print the value for machines, or the text for people."""
    if as_json:
        emit_json(value)
    else:
        stdout.print(text, soft_wrap=True, markup=False, highlight=False)


def moment_of(text: str | None) -> datetime:
    """The time given, or the clock's, with its time zone."""
    if text is None:
        return datetime.now().astimezone()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text[:40]!r} is no ISO 8601 time", param_hint="--at") from error
    return moment if moment.tzinfo is not None else moment.astimezone()


def typed_line(text: str) -> str:
    """What was typed, or a line of the input for `-` (arguments are seen by other users)."""
    return typer.get_text_stream("stdin").readline().strip() if text == "-" else text


def shown_document(
    line: str | None, number: str | None, iin: str | None, /
) -> IdentityDocument | None:
    """The identity document as read or typed; None: none was shown."""
    if line is not None:
        return read_line(typed_line(line))
    if number is not None and iin is not None:
        return typed(number, typed_line(iin))
    if number is not None or iin is not None:
        raise typer.BadParameter("--number and --iin belong together", param_hint="--number")
    return None


def person(text: str, option: str) -> Person:
    """A person from ID:ROLE."""
    name, _, role = text.rpartition(":")
    if not name or role not in set(Role):
        raise typer.BadParameter(
            f"{text[:60]!r} is not ID:ROLE ({', '.join(Role)})", param_hint=option
        )
    return Person(name, Role(role))


def desk(
    by: str,
    fallback: list[str] | None,
    ground: str,
    *,
    keys: Path | None,
    pin_file: Path | None,
    precinct: str,
) -> tuple[Person, checkin.Fallback | None, list[OpenSlot]]:
    """Who hands out, the two who sign for a voter, and the keys that their PINs opened.

    Where `keys` has a register of people, each proves who they are by PIN and the register
    says their role (SEED-14: no outsider); else ID:ROLE is taken at its word (a bench).
    """
    named = [by, *(fallback or [])]
    if len(named) not in (1, 3):
        raise typer.BadParameter("two officials sign, give it twice", param_hint="--fallback")
    slots: list[OpenSlot] = []
    if keys is not None and PeopleRegister.of(keys) is not None:
        ids = list(dict.fromkeys(text.partition(":")[0] for text in named))
        slots = present(keys, ids, pin_file, precinct=precinct)
        known = dict(zip(ids, (slot.person for slot in slots), strict=True))
        people = [known[text.partition(":")[0]] for text in named]
    else:
        people = [person(text, "--fallback" if n else "--by") for n, text in enumerate(named)]
    if len(people) == 1:
        return people[0], None, slots
    return people[0], checkin.Fallback((people[1], people[2]), ground), slots


def addition(pairs: list[str] | None, precinct: str) -> dict[str, str] | None:
    """The fields of a voter to be added."""
    if not pairs:
        return None
    fields = dict.fromkeys(FIELDS, "") | {"precinct": precinct}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if name not in FIELDS or name == "iin":
            raise typer.BadParameter(f"{name[:40]!r} is none of the fields", param_hint="--add")
        fields[name] = text
    return fields


def styles_received(values: list[str], known: list[str]) -> dict[str, int]:
    """Papers by style from STYLE=N."""
    figures: dict[str, int] = {}
    for value in values:
        style, _, number = value.rpartition("=")
        if style not in known or not (number.isascii() and number.isdecimal()):
            raise typer.BadParameter(
                f"{value[:60]!r} is not STYLE=N with a style of {', '.join(known) or 'a precinct'}",
                param_hint="--received",
            )
        if len(number) > 6 or style in figures:
            raise typer.BadParameter(
                f"{value[:60]!r}: a million papers, or a style twice", param_hint="--received"
            )
        figures[style] = int(number)
    return figures


def verify(keys: Path) -> Verify:
    """Checks signatures by the certificates in a directory, as of now."""
    return verifier(TrustStore.load(keys), at=datetime.now(UTC))


def problem_row(problem: Any) -> dict[str, Any]:
    """For --json."""
    return {"line": problem.line, "field": problem.field, "problem": problem.problem}


def changed_row(path: Path, changed: Changed) -> dict[str, Any]:
    """For --json."""
    entry = changed.entry
    return {
        "request": str(path),
        "again": changed.again,
        "line": None if entry is None else entry.number,
        "status": None if entry is None else entry.status,
        "duplicates": [f"{v.name} {masked(v.iin)} ({c.ground})" for v, c in changed.duplicates],
    }


def read_facts(path: Path, unlocked: Callable[[Path], Unlock]) -> Facts:
    """The facts of a pollbook, or of a file that `--facts` wrote."""
    with path.open("rb") as stream:
        is_json = stream.read(1) == b"{"
    if is_json:
        return Facts.from_json(path.read_bytes(), str(path))
    with Book.open(path, unlocked(path)) as opened:
        return facts_of(opened)
