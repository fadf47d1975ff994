"""Members at the record of a count: who they are, and that they are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from console.errors import ConsoleError
from console.officers import present
from firmware_sim.people import KEY_HOLDERS, PeopleRegister
from tally.protocol.form import MemberRecord
from tally.protocol.record import CountRecord

_ROLES = get_args(MemberRecord.model_fields["role"].annotation)


def members_of(texts: Sequence[str], keys: Path | None, precinct: str) -> list[MemberRecord]:
    """Members named as ID or ID:ROLE; roles are the register's where there is one.

    Raises:
        ConsoleError: a role that is none, or a person who is no member of this commission.
    """
    register = None if keys is None else PeopleRegister.of(keys)
    known = {} if register is None else {row.person_id: row for row in register.rows()}
    members = []
    for text in texts:
        name, _, role = text.partition(":")
        if register is not None:
            row = known.get(name)
            if row is None or row.role not in KEY_HOLDERS or row.precinct not in (None, precinct):
                raise ConsoleError(
                    f"{name} is no chair, secretary or member of {precinct} in the register of "
                    f"{keys}: others take no part in the count"
                )
            role = role or row.role.value
            if role != row.role.value:
                raise ConsoleError(f"{name} is {row.role.value} in the register, not {role}")
        role = role or "member"
        if role not in _ROLES:
            raise ConsoleError(f"{text!r}: {role!r} is no role; give {', '.join(_ROLES)}")
        try:
            members.append(MemberRecord.model_validate({"id": name, "role": role}))
        except ValidationError as error:
            raise ConsoleError(
                f"{name!r} cannot be a member's id: use 1 to 60 letters, digits, '.', '_', '-'"
            ) from error
    return members


def proved(
    record: CountRecord, by: Sequence[str], keys: Path | None, pin_file: Path | None
) -> list[str]:
    """Those named, their PINs checked where the record was begun with a register.

    Raises:
        ConsoleError: the record asks for PINs and no keys folder was given.
        PeopleError: someone is unknown or locked, or a PIN is wrong.
    """
    if not record.state().identified:
        return list(by)
    if keys is None:
        raise ConsoleError("members prove who they are at this record: give --keys")
    opened = present(keys, by, pin_file, precinct=record.precinct)
    if len(opened) != len(by):
        raise ConsoleError(f"{keys} has no register of people: give the folder that has it")
    return [slot.person.person_id for slot in opened]
