"""How people prove who they are on a command line: by prompt or file, never as arguments.

Arguments are seen by every user of the machine, and stay in the shell's history.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from console.errors import ConsoleError
from firmware_sim.device_keys import load_signer
from firmware_sim.people import OpenSlot, PeopleRegister
from firmware_sim.trust import DeviceSigner

#: Where a token's PIN may be given, for devices that nobody sits at.
TOKEN_PIN_VARIABLE = "BALLOTBENCH_TOKEN_PIN"  # noqa: S105 (a variable's name)

OfficerOption = Annotated[
    list[str] | None,
    typer.Option("--officer", help="Person who is present, by id; repeated. Asks for the PIN."),
]
PinFileOption = Annotated[
    Path | None, typer.Option("--pin-file", help="File of lines ID PIN, in place of asking.")
]
TokenPinFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-pin-file",
        help=f"File whose first line is the token's PIN; or set {TOKEN_PIN_VARIABLE}.",
    ),
]

SignedBy = Annotated[
    str | None,
    typer.Option(help="Official whose PIN opens the signing key, where people are registered."),
]


def present(
    keys: Path, officers: Sequence[str], pin_file: Path | None, *, precinct: str | None
) -> list[OpenSlot]:
    """Those named by --officer, their PINs checked.

    Raises:
        ConsoleError: there is no register of people, or no PIN for one of them.
        PeopleError: someone is unknown or locked, or a PIN is wrong.
    """
    register = PeopleRegister.of(keys)
    if register is None:
        if officers:
            raise ConsoleError(
                f"{keys} has no register of people: `ballotbench keys people add` makes one, or "
                "leave --officer out"
            )
        return []
    pins = pins_of(pin_file) if pin_file is not None else None
    credentials = [(person, _pin_of(person, pins, pin_file)) for person in officers]
    return register.open(credentials, precinct=precinct)


def ask_pin(person: str, *, new: bool = False, option: str = "--pin-file") -> str:
    """Ask at the terminal, without showing it; a new one twice."""
    if not sys.stdin.isatty():
        raise ConsoleError(f"no terminal to ask {person} for a PIN: give {option}")
    word = "New PIN" if new else "PIN"
    pin: str = typer.prompt(
        f"{word} of {person}", hide_input=True, confirmation_prompt=new, err=True
    )
    return pin


def first_line(path: Path, option: str) -> str:
    """The first line of a file of one secret. Raises BadParameter: it is empty."""
    lines = _text(path).splitlines()
    if not lines or not lines[0].strip():
        raise typer.BadParameter(f"{path} is empty", param_hint=option)
    return lines[0].strip()


def token_pin(file: Path | None) -> str | None:
    """The token's PIN from a file or the environment; None where neither gives one."""
    if file is not None:
        return first_line(file, "--token-pin-file")
    return os.environ.get(TOKEN_PIN_VARIABLE) or None


def pin_from(file: Path | None, person: str, *, new: bool = False) -> str:
    """One person's PIN: from their line of a file, or asked for."""
    return _pin_of(person, pins_of(file) if file is not None else None, file, new=new)


def _pin_of(
    person: str, pins: dict[str, str] | None, file: Path | None, *, new: bool = False
) -> str:
    if pins is None:
        return ask_pin(person, new=new)
    if person not in pins:
        raise ConsoleError(f"{file}: has no line for {person}")
    return pins[person]


def _text(path: Path) -> str:
    """A small text file, with or without the mark that Windows editors put first."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConsoleError(f"{path}: is not text in UTF-8: save it anew as UTF-8") from error


def pins_of(path: Path) -> dict[str, str]:
    """Person to PIN, from a file of lines ID PIN. Raises ConsoleError: it is not one."""
    pins: dict[str, str] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        person, _, pin = line.strip().partition(" ")
        if not pin.strip() or person in pins:
            raise ConsoleError(f"{path}, line {number}: write ID PIN, each person once")
        pins[person] = pin.strip()
    return pins


def signing_key(
    keys: Path, device: str, *, signed_by: str | None, officer: str | None, pin_file: Path | None
) -> tuple[DeviceSigner, list[OpenSlot]]:
    """A key that signs papers, and the official whose PIN opened it, where the
    directory has a register of people: `signed_by`, else `officer` if registered.

    Raises:
        BadParameter: nobody is named.
        ConsoleError, PeopleError, KeyFileError: no PIN, or not one that opens the key.
    """
    register = PeopleRegister.of(keys)
    slots: list[OpenSlot] = []
    if register is not None:
        known = {row.person_id for row in register.rows()}
        who = signed_by or (officer if officer in known else None)
        if who is None:
            raise typer.BadParameter(
                f"the key of {device} opens by the PIN of an official of {keys}: say whose",
                param_hint="--signed-by",
            )
        slots = present(keys, [who], pin_file, precinct=None)
    return load_signer(keys, device, opened=slots, token_pin=token_pin(None)), slots
