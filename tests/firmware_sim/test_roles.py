"""Roles and two-person actions (NVT-04, NVT-12, NVT-13)."""

from __future__ import annotations

import pytest

from firmware_sim.roles import Action, Person, Role, RoleError, require

CHAIR = Person("a", Role.CHAIR)
SECRETARY = Person("b", Role.SECRETARY)
TECHNICIAN = Person("c", Role.TECHNICIAN)
OBSERVER = Person("d", Role.OBSERVER)


def test_two_people_open_and_close() -> None:
    for action in (Action.OPEN_POLLS, Action.CLOSE_POLLS, Action.REOPEN_BOX, Action.RERUN_RESULTS):
        assert set(require(action, [SECRETARY, CHAIR])) == {Role.CHAIR, Role.SECRETARY}
        for alone in ([CHAIR], [SECRETARY], [CHAIR, CHAIR], [CHAIR, TECHNICIAN], []):
            with pytest.raises(RoleError, match="needs chair and secretary or member"):
                require(action, alone)


def test_one_person_is_never_two() -> None:
    with pytest.raises(RoleError):
        require(Action.REOPEN_POLLS, [Person("x", Role.CHAIR), Person("x", Role.TECHNICIAN)])
    assert require(Action.REOPEN_POLLS, [TECHNICIAN, CHAIR]) == (Role.CHAIR, Role.TECHNICIAN)


def test_an_observer_only_reads() -> None:
    for action in Action:
        if action in (Action.READ, Action.TAKE_SHEETS):
            assert require(action, [OBSERVER]) == ()
        else:
            with pytest.raises(RoleError, match="here: observer"):
                require(action, [OBSERVER])
