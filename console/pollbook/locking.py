"""Whose PIN opens a pollbook: at the command line, by prompt, file or environment.

A book is encrypted for the officials of the register of people (`--keys` with people in it), or,
without a register, for PINs of its own: each has an id, `desk` where nobody gives another.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from console.officers import ask_pin, pins_of, present
from firmware_sim.people import OpenSlot, PeopleRegister
from firmware_sim.pollbook.book import REGION
from firmware_sim.pollbook.vault import Lock, Unlock, by_key, by_pin, read_header

#: Where a book's own PIN may be given, for a desk that is opened once for a day of commands.
PIN_VARIABLE = "BALLOTBENCH_BOOK_PIN"
#: The id of a book's own PIN where nobody gives another.
DESK = "desk"

Opener = Annotated[
    str | None,
    typer.Option("--officer", help="Whose PIN opens the book, by id; without: its own (`desk`)."),
]
PeopleKeys = Annotated[
    Path | None, typer.Option("--keys", help="Directory with the register of people, if any.")
]


def new_lock(
    precinct: str, *, keys: Path | None, officers: Sequence[str], pin_file: Path | None
) -> Lock:
    """For whom a book is to be locked: the register's officials, or `officers` with new PINs.

    Raises:
        ConsoleError: no PIN for one of them.
        PeopleError: the register has no official of this precinct.
    """
    register = None if keys is None else PeopleRegister.of(keys)
    if register is not None:
        if officers:
            raise typer.BadParameter(
                f"{keys} registers people: the book is locked for its officials; leave it out",
                param_hint="--officer",
            )
        return Lock(officials=register.officials(precinct))
    names = officers or (DESK,)
    return Lock(pins={name: _own_pin(name, pin_file, new=True) for name in names})


def unlocked(
    book: Path,
    *,
    officer: str | None = None,
    keys: Path | None = None,
    pin_file: Path | None = None,
    here: Sequence[OpenSlot] = (),
) -> Unlock:
    """How the book opens: by someone already here, else by `officer`'s PIN.

    Raises:
        BookError: no book of ours, or those here hold no key of it.
        ConsoleError, PeopleError: no PIN, or not that person's.
    """
    header = read_header(book)
    own = [holder.id for holder in header.holders if holder.slot is not None]
    for slot in here:
        if officer == slot.person.person_id and officer not in own:
            header.holder(officer)
            return by_key(officer, slot.key)
    if officer is None:
        for slot in here:
            if slot.person.person_id in {h.id for h in header.holders} - set(own):
                return by_key(slot.person.person_id, slot.key)
        if not own and here:
            header.holder(here[0].person.person_id)
        if not own:
            names = ", ".join(holder.id for holder in header.holders)
            raise typer.BadParameter(
                f"{book} opens by the PIN of one of {names}: say whose", param_hint="--officer"
            )
        officer = own[0]
    if header.holder(officer).slot is not None:
        return by_pin(officer, _own_pin(officer, pin_file))
    if keys is None:
        raise typer.BadParameter(
            f"{officer} opens {book} by the register of people: give its directory",
            param_hint="--keys",
        )
    precinct = None if header.precinct == REGION else header.precinct
    [slot] = present(keys, [officer], pin_file, precinct=precinct)
    return by_key(officer, slot.key)


def _own_pin(officer: str, pin_file: Path | None, *, new: bool = False) -> str:
    pins = {} if pin_file is None else pins_of(pin_file)
    given = pins.get(officer) or os.environ.get(PIN_VARIABLE)
    if given:
        return given
    ways = f"--pin-file with a line `{officer} PIN`, or set {PIN_VARIABLE}"
    return ask_pin(f"{officer} (pollbook)", new=new, option=ways)
