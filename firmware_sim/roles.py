"""Who may do what at a device: roles, actions, and the actions that need two people.

A role is what the device knows of a person, and all that its log says of them: never a
name beside a vote (NVT-05). `require` is asked before every action; how people prove who
they are (PIN, key slot, token) is not its business.

Sources: NVT-04 (every transition with who may do it), NVT-12 (official functions are
performed by officials, not by vendor or contractor), NVT-13 (observers read), SEED-14 (no
outsider takes part in the count).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from firmware_sim.errors import FirmwareError


class RoleError(FirmwareError):
    """Those present may not do this; says who may. `action` is what was asked."""

    def __init__(self, message: str, action: Action) -> None:
        self.action = action
        super().__init__(message)


class Role(StrEnum):
    """What a person is at a polling station."""

    CHAIR = "chair"
    SECRETARY = "secretary"
    MEMBER = "member"
    TECHNICIAN = "technician"
    OBSERVER = "observer"


class Action(StrEnum):
    """What people ask of a device."""

    READ = "read"
    CONFIGURE = "configure"
    SELF_TEST = "self_test"
    SET_MODE = "set_mode"
    PRINT_ZERO_TAPE = "print_zero_tape"
    SIGN_ZERO_TAPE = "sign_zero_tape"
    OPEN_POLLS = "open_polls"
    PAUSE = "pause"
    RESUME = "resume"
    TAKE_SHEETS = "take_sheets"
    SETTLE_SHEET = "settle_sheet"
    ACTIVATE_BALLOT = "activate_ballot"
    CAST_LEFT_RECORD = "cast_left_record"
    CLEAR_FAULT = "clear_fault"
    REOPEN_BOX = "reopen_box"
    RENEW_SEAL = "renew_seal"
    RENEW_STORAGE = "renew_storage"
    SET_CLOCK = "set_clock"
    CLOSE_POLLS = "close_polls"
    CLOSE_WITHOUT_SCANNER = "close_without_scanner"
    REOPEN_POLLS = "reopen_polls"
    PRINT_RESULTS = "print_results"
    RERUN_RESULTS = "rerun_results"
    EXPORT = "export"
    SEAL = "seal"


@dataclass(frozen=True, slots=True)
class Rule:
    """One action is allowed to people who fill every place of `places`, each with one of its
    roles; two places are two different people."""

    places: tuple[frozenset[Role], ...]


_CHAIR = frozenset({Role.CHAIR})
_TECHNICIAN = frozenset({Role.TECHNICIAN})
_SECOND = frozenset({Role.SECRETARY, Role.MEMBER})
_OFFICIAL = frozenset({Role.CHAIR, Role.SECRETARY, Role.MEMBER})
_HANDS = _OFFICIAL | _TECHNICIAN

RULES: Mapping[Action, Rule] = MappingProxyType(
    {
        Action.READ: Rule(()),
        Action.CONFIGURE: Rule((_HANDS,)),
        Action.SELF_TEST: Rule((_HANDS,)),
        Action.SET_MODE: Rule((_CHAIR, _TECHNICIAN)),
        Action.PRINT_ZERO_TAPE: Rule((_OFFICIAL,)),
        Action.SIGN_ZERO_TAPE: Rule((_CHAIR, _SECOND)),
        Action.OPEN_POLLS: Rule((_CHAIR, _SECOND)),
        Action.PAUSE: Rule((_OFFICIAL,)),
        Action.RESUME: Rule((_OFFICIAL,)),
        Action.TAKE_SHEETS: Rule(()),
        Action.SETTLE_SHEET: Rule((_OFFICIAL,)),
        Action.ACTIVATE_BALLOT: Rule((_OFFICIAL,)),
        Action.CAST_LEFT_RECORD: Rule((_CHAIR, _SECOND)),
        Action.CLEAR_FAULT: Rule((_HANDS,)),
        Action.REOPEN_BOX: Rule((_CHAIR, _SECOND)),
        Action.RENEW_SEAL: Rule((_CHAIR, _SECOND)),
        Action.RENEW_STORAGE: Rule((_CHAIR, _TECHNICIAN)),
        Action.SET_CLOCK: Rule((_CHAIR, _TECHNICIAN)),
        Action.CLOSE_POLLS: Rule((_CHAIR, _SECOND)),
        Action.CLOSE_WITHOUT_SCANNER: Rule((_CHAIR, _TECHNICIAN)),
        Action.REOPEN_POLLS: Rule((_CHAIR, _TECHNICIAN)),
        Action.PRINT_RESULTS: Rule((_OFFICIAL,)),
        Action.RERUN_RESULTS: Rule((_CHAIR, _SECOND)),
        Action.EXPORT: Rule((_OFFICIAL,)),
        Action.SEAL: Rule((_CHAIR,)),
    }
)


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who has proved who they are: an id of the device's register, and a role."""

    person_id: str
    role: Role


def require(action: Action, present: Sequence[Person]) -> tuple[Role, ...]:
    """Check that those who act together may; returns the roles that filled the places.

    Raises:
        RoleError: a place is not filled, or one person is to fill two.
    """
    people = {person.person_id: person for person in present}
    filled = _fill(RULES[action].places, list(people.values()))
    if filled is None:
        wanted = " and ".join(
            " or ".join(role for role in Role if role in place) for place in RULES[action].places
        )
        here = ", ".join(person.role for person in people.values()) or "nobody"
        raise RoleError(
            f"{action.replace('_', ' ')} needs {wanted}, each identified; here: {here}", action
        )
    return filled


def _fill(places: Sequence[frozenset[Role]], people: Sequence[Person]) -> tuple[Role, ...] | None:
    """Give every place a person of its own, if that can be done."""
    if not places:
        return ()
    for person in people:
        if person.role in places[0]:
            rest = _fill(places[1:], [other for other in people if other is not person])
            if rest is not None:
                return (person.role, *rest)
    return None
