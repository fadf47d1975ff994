"""A polling day of one device, from wherever it stands to printed results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from firmware_sim.day import close_day, open_day
from firmware_sim.device import DeviceState, OutcomeKind, PrecinctDevice, SheetOutcome
from firmware_sim.errors import HumanStepError
from firmware_sim.roles import Person
from hardware.errors import FeederError

#: A fault is tried again this often, one after the other, before the device stops.
MAX_FAULTS = 5


def play_day(
    device: PrecinctDevice,
    tell: Callable[[SheetOutcome], None],
    *,
    issued: Callable[[], Mapping[str, int]] = dict,
    present: Sequence[Person] = (),
) -> None:
    """Open the polls, take sheets until the tray is empty, close and print the results.

    A device that stopped in mid-day goes on where it was. `tell` hears what became of
    each sheet; `issued` tells, at the close, the papers handed
    out by ballot style; `present` are those who act all day.

    Raises:
        HumanStepError: a person must say where a sheet is.
        FeederError: the scanner's fault does not go away; the polls stay open.
        StateError: the self-test fails, or a step is not allowed.
    """
    if not device.state.has_begun:
        open_day(device, present=present)
    if device.state is DeviceState.PAUSED:
        device.resume(present=present)
    if device.state is DeviceState.POLLS_OPEN:
        take_sheets(device, tell)
        close_day(device, issued=issued(), present=present)
    elif device.state is DeviceState.POLLS_CLOSED:
        close_day(device, issued=issued(), present=present)


def take_sheets(device: PrecinctDevice, tell: Callable[[SheetOutcome], None]) -> None:
    """Take sheets until the tray is empty; raises as `play_day`."""
    faults = 0
    while True:
        try:
            outcome = device.process_next()
        except HumanStepError as step:
            raise HumanStepError(
                step.step, f"{step.question}: run again with --paper and --paper-seen-by NAME"
            ) from step
        if outcome.kind is OutcomeKind.TRAY_EMPTY:
            return
        if device.state is DeviceState.PAUSED:
            raise FeederError(
                f"{outcome.detail}. The polls are paused: put it right, `ballotbench device clear "
                f"{outcome.reason}` if it does not end by itself, and run again"
            )
        if outcome.kind is OutcomeKind.FAULT:
            faults += 1
            if faults >= MAX_FAULTS:
                raise FeederError(
                    f"{outcome.detail}. The polls stay open: put it right and run again"
                )
            continue
        faults = 0
        tell(outcome)
