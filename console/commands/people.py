"""`ballotbench keys people`: the register of people at the devices (NVT-12)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout
from console.officers import OfficerOption, PinFileOption, first_line, pin_from, present
from firmware_sim.people import MAX_WRONG, PeopleRegister
from firmware_sim.roles import Role

DirectoryArgument = Annotated[Path, typer.Argument(help="Directory of the authority.")]
PersonArgument = Annotated[str, typer.Argument(help="Person's id, e.g. chair-1; not a name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
PassphraseFile = Annotated[
    Path | None, typer.Option(help="File whose first line opens the authority's key.")
]
people_app = typer.Typer(
    help="Who may use the devices: roles, PINs, lockout.", no_args_is_help=True
)


@people_app.command("add")
def add(
    directory: DirectoryArgument,
    person: PersonArgument,
    role: Annotated[Role, typer.Option(help="What the person is at the polling station.")],
    precinct: Annotated[
        str | None, typer.Option(help="The only precinct where the person acts.")
    ] = None,
    pin_file: PinFileOption = None,
    sponsor: Annotated[
        str | None,
        typer.Option(help="Official who hands on the keys of devices issued before."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a person on the list, with a PIN of their own. The first one makes the register.

    Example: ballotbench keys people add keys chair-1 --role chair --precinct precinct-1
    """
    register = PeopleRegister(directory)
    sponsors = present(directory, [sponsor] if sponsor else [], pin_file, precinct=None)
    register.add(
        person,
        role,
        pin_from(pin_file, person, new=True),
        precinct=precinct,
        passphrase=_passphrase(passphrase_file),
        sponsor=sponsors[0] if sponsors else None,
    )
    _say(as_json, {"person": person, "role": role}, f"{person} is in the register as {role}.")


@people_app.command("list")
def list_people(directory: DirectoryArgument, as_json: AsJson = False) -> None:
    """Show everyone, with role, precinct, wrong PINs and locks.

    Example: ballotbench keys people list keys
    """
    register = PeopleRegister.of(directory)
    rows = register.rows() if register is not None else []
    if as_json:
        emit_json(
            {
                "people": [
                    {
                        "person": row.person_id,
                        "role": row.role,
                        "precinct": row.precinct,
                        "locked": row.locked,
                        "wrong": row.wrong,
                        "ever_wrong": row.ever_wrong,
                    }
                    for row in rows
                ]
            }
        )
        return
    for row in rows:
        state = "locked" if row.locked else f"{row.wrong} of {MAX_WRONG} wrong PINs"
        stdout.print(
            f"{row.person_id}  {row.role}  {row.precinct or 'any precinct'}  {state}, "
            f"{row.ever_wrong} ever",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )
    if not rows:
        stdout.print("No register of people: the device is a bench, everyone may do everything.")


@people_app.command("remove")
def remove(
    directory: DirectoryArgument,
    person: PersonArgument,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a person off the list.

    Example: ballotbench keys people remove keys member-3
    """
    PeopleRegister(directory).remove(person, passphrase=_passphrase(passphrase_file))
    _say(as_json, {"person": person, "removed": True}, f"{person} is no longer in the register.")


@people_app.command("unlock")
def unlock(
    directory: DirectoryArgument,
    person: PersonArgument,
    officers: OfficerOption = None,
    pin_file: PinFileOption = None,
    passphrase_file: PassphraseFile = None,
    as_authority: Annotated[
        bool, typer.Option("--authority", help="Unlock by the authority's key, not by officers.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let a person try again who was locked: by a chair and a technician, or the authority.

    Example: ballotbench keys people unlock keys member-1 --officer chair-1 --officer tech-1
    """
    register = PeopleRegister(directory)
    if as_authority:
        register.unlock_by_authority(person, _passphrase(passphrase_file))
    else:
        by = present(directory, officers or [], pin_file, precinct=None)
        register.unlock(person, by=by)
    _say(as_json, {"person": person, "locked": False}, f"{person} may try again.")


@people_app.command("change-pin")
def change_pin(
    directory: DirectoryArgument,
    person: PersonArgument,
    pin_file: PinFileOption = None,
    new_pin_file: Annotated[
        Path | None, typer.Option(help="File of lines ID PIN with the new one, for --pin-file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a PIN, knowing the old one.

    Example: ballotbench keys people change-pin keys chair-1
    """
    old = pin_from(pin_file, person)
    PeopleRegister(directory).change_pin(person, old, pin_from(new_pin_file, person, new=True))
    _say(as_json, {"person": person, "changed": True}, f"{person} has a new PIN.")


def _say(as_json: bool, value: dict[str, object], words: str) -> None:
    if as_json:
        emit_json(value)
    else:
        stdout.print(words, soft_wrap=True, markup=False, highlight=False)


def _passphrase(path: Path | None) -> bytes | None:
    return None if path is None else first_line(path, "--passphrase-file").encode()
