"""How officers prove on the screen who they are, before anything is done for them (NVT-12).

Where the keys have a register of people each action takes the ids and PINs of those who act,
as on the other devices: each try is counted, wrong ones lock (`firmware_sim.people`), and two
people act where `firmware_sim.roles` says so. Ids are typed, never listed: a voter alone with
the screen could lock everyone else. On a bench without a register one code does for all.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from firmware_sim.device_keys import check_register
from firmware_sim.people import PeopleError, PeopleRegister
from firmware_sim.roles import Person

#: Wrong codes of a bench after which none is taken until the command is started again.
WRONG_CODES = 10
#: People who may act together.
PLACES = (1, 2)

Form = Mapping[str, list[str]]


class NotProvedError(Exception):
    """Those who act have not proved who they are: a key of `words.toml`; `left`: tries."""

    def __init__(self, key: str, left: int = 0) -> None:
        self.key = key
        self.left = left
        super().__init__(key)

    @property
    def was_tried(self) -> bool:
        """Was it a PIN or code that was refused, and not a form that was filled in badly?"""
        return self.key in ("wrong_pin", "wrong_officer", "locked")


class Officers(Protocol):
    """Who may use the officers' page."""

    @property
    def identified(self) -> bool:
        """Does each prove who they are, by an id and a PIN of their own?"""
        ...

    def prove(self, form: Form) -> Sequence[Person]:
        """Those who act, by what they typed.

        Raises:
            NotProvedError: someone has not proved who they are; nothing may be done.
        """
        ...


@dataclass(slots=True)
class BenchOfficers:
    """One code for all, where there is no register."""

    code: str
    wrong: int = 0
    identified: bool = field(default=False, init=False)

    def prove(self, form: Form) -> Sequence[Person]:
        """See `Officers`."""
        given = form.get("pin", [""])[0]
        if not hmac.compare_digest(given.encode(), self.code.encode()) or self.wrong >= WRONG_CODES:
            self.wrong += 1
            raise NotProvedError("wrong_officer")
        self.wrong = 0
        return ()


@dataclass(frozen=True, slots=True)
class RegisteredOfficers:
    """The people of a precinct, or of a place of several, by the register of its keys. One that is
    put in its place while the screen runs must be of the authority that certified `device_id`, and
    no older than `version`."""

    register: PeopleRegister
    precinct_id: str
    device_id: str
    version: int
    identified: bool = field(default=True, init=False)

    def prove(self, form: Form) -> Sequence[Person]:
        """See `Officers`."""
        given = []
        for place in PLACES:
            person = form.get(f"person{place}", [""])[0].strip()
            pin = form.get(f"pin{place}", [""])[0]
            if bool(person) != bool(pin):
                raise NotProvedError("id_and_pin")
            if person:
                given.append((person, pin))
        if not given:
            raise NotProvedError("id_and_pin")
        check_register(self.register.directory, self.device_id)
        if self.register.version < self.version:
            raise PeopleError("the register of people was put back to an older one")
        try:
            opened = self.register.open(given, precinct=self.precinct_id)
        except PeopleError as error:
            if error.left:
                raise NotProvedError("wrong_pin", error.left) from error
            raise NotProvedError("not_known" if error.left is None else "locked") from error
        return [slot.person for slot in opened]
