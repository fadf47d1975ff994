"""A day's steps in one go, from wherever the device stands: opening, and closing.

For a day that one command plays, and for tests; each step is the device's own, with its own
rules, so that nothing is allowed here that is not allowed singly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from firmware_sim.device import NOBODY, PrecinctDevice
from firmware_sim.errors import StateError
from firmware_sim.roles import Person
from firmware_sim.states import DeviceState
from firmware_sim.tapes import Tape


def open_day(device: PrecinctDevice, *, present: Sequence[Person] = NOBODY) -> Tape:
    """Configure, self-test, zero tape, signatures, open. Returns the zero tape (empty where
    it had been printed before).

    Raises:
        StateError: the self-test fails (names what), or a step is not allowed.
    """
    tape = Tape(())
    if device.state is DeviceState.UNCONFIGURED:
        device.configure(present=present)
    if device.state is DeviceState.CONFIGURED:
        failed = [c for c in device.self_test(present=present) if not c.passed]
        if failed:
            words = "; ".join(f"{check.name}: {check.detail}" for check in failed)
            raise StateError(f"the self-test fails: {words}. The polls cannot be opened")
    if device.state is DeviceState.SELF_TESTED:
        tape = device.print_zero_tape(present=present)
    if device.state is DeviceState.ZERO_PRINTED:
        device.sign_zero_tape(present=present)
    device.open_polls(present=present)
    return tape


def close_day(
    device: PrecinctDevice,
    *,
    issued: Mapping[str, int] | None = None,
    present: Sequence[Person] = NOBODY,
) -> Tape:
    """Close the polls and print the results tape, which is returned. After a close whose
    tape was not printed it prints the tape. `issued`: papers handed out by ballot style."""
    if device.state is not DeviceState.POLLS_CLOSED:
        device.close_polls(present=present)
    return device.print_results(issued=issued, present=present)
