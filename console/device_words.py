"""What a device's commands say of it: its state, failures and next steps, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from console.errors import ConsoleError
from firmware_sim.device import DeviceState, Mode, PrecinctDevice
from firmware_sim.failures import FAILURES, Failure
from firmware_sim.roles import Action, Person
from firmware_sim.states import STATE_WORDS, steps_from

#: The command of each step, where it is not the step's name with dashes.
COMMANDS: Mapping[Action, str] = {
    Action.PRINT_ZERO_TAPE: "zero-tape",
    Action.SIGN_ZERO_TAPE: "sign",
    Action.OPEN_POLLS: "open",
    Action.CLOSE_POLLS: "close",
    Action.CLOSE_WITHOUT_SCANNER: "close-dead",
    Action.REOPEN_POLLS: "reopen",
    Action.PRINT_RESULTS: "results",
    Action.RERUN_RESULTS: "results",
    Action.SET_MODE: "mode",
}


def described(device: PrecinctDevice) -> dict[str, Any]:
    """State, mode, counters, failures and next steps, as JSON types."""
    shown = describe(device.state, device.mode, device.failures, device.counters)
    return {**shown, "box_counter": device.box_counter}


def describe(
    state: DeviceState, mode: Mode, failures: frozenset[Failure], counters: Mapping[str, int]
) -> dict[str, Any]:
    """The same from a journal's state document."""
    dead = bool(failures & {Failure.SCANNER_DISCONNECTED, Failure.SCANNER_FAULT})
    steps = [
        COMMANDS.get(step, step.replace("_", "-"))
        for step in steps_from(state)
        if dead or step is not Action.CLOSE_WITHOUT_SCANNER
    ]
    if state is DeviceState.POLLS_OPEN:
        steps.insert(0, "take")
    return {
        "state": state.value,
        "words": dict(STATE_WORDS[state]),
        "mode": mode.value,
        "counters": dict(counters),
        "failures": {f.value: dict(FAILURES[f].words) for f in Failure if f in failures},
        "next": list(dict.fromkeys(steps)),
    }


def lines_of(shown: Mapping[str, Any]) -> list[str]:
    """What an officer reads: state and failures in each language, then figures and steps."""
    lines = list(shown["words"].values())
    lines += [text for words in shown["failures"].values() for text in words.values()]
    counters = shown["counters"]
    lines.append(
        f"{shown['mode']} mode; {counters['accepted']} sheets in the box, "
        f"{counters['returned']} times returned, {counters['refused']} times refused"
    )
    lines.append(f"Next: {', '.join(shown['next']) or 'nothing'}")
    return lines


def finding_words(shown: Mapping[str, Any], totals: Mapping[str, Any] | None) -> str:
    """What to do where the device's counts of sheets differ; `totals` None: before the close."""
    if totals is None:
        return (
            f"The counts of sheets differ ({', '.join(shown['findings'])}), see the slip: "
            f"{shown['counters']['accepted']} are recorded. Is this the journal of this box, and "
            "its newest? Let the commission decide before going on."
        )
    box = shown["box_counter"]
    if any(word in shown["findings"] for word in ("box_by_hand", "box_not_known")):
        said = "not known" if box is None else f"{box} by hand"
        return (
            f"The polls were closed with a dead scanner (box: {said}, {totals['sheets']} recorded; "
            "not checked): count the paper in the box by hand."
        )
    if box not in (None, totals["sheets"]):
        return (
            f"The scanner counted {box} sheets into the box, {totals['sheets']} are recorded: "
            "count the paper in the box by hand."
        )
    return (
        f"{shown['counters']['accepted']} sheets were accepted, {totals['sheets']} are counted: "
        "keep the journal as evidence and count the paper by hand."
    )


def begin_mode(device: PrecinctDevice, mode: Mode | None, present: Sequence[Person] = ()) -> None:
    """Have a device that has not begun its day be in `mode`.

    Raises:
        ConsoleError: the day has begun in the other one.
    """
    if mode is None or device.mode is mode:
        return
    if device.state.has_begun:
        raise ConsoleError(
            f"this journal's day is in {device.mode.value} mode: `ballotbench device mode` clears "
            "it for another, or give a new --journal"
        )
    if device.state is DeviceState.UNCONFIGURED:
        device.configure(present=present)
    device.set_mode(mode, present=present)


@contextmanager
def stopped_by_hand(device: PrecinctDevice) -> Iterator[None]:
    """Ctrl-C says where the device stands and how to go on.

    Raises:
        ConsoleError: in place of the interrupt.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        stands = (
            "The polls stay open: nobody has closed them"
            if device.state.may_have_early_count
            else f"As it stands, {STATE_WORDS[device.state]['en']}"
        )
        raise ConsoleError(
            f"stopped by hand. {stands}. Nothing is lost; the same command goes on, "
            "`ballotbench device status` with --journal says where"
        ) from error


ISSUED_HELP = "Papers handed out, STYLE=N (of several precincts PRECINCT/STYLE=N); once for each."


def issued_papers(values: Sequence[str]) -> dict[str, int]:
    """Papers handed out by ballot style (`election.places.paper_key`), from `--issued STYLE=N`.

    Raises:
        BadParameter: another form, a style twice, or a figure that no precinct has.
    """
    figures: dict[str, int] = {}
    for value in values:
        style, _, number = value.rpartition("=")
        if not style or not (number.isascii() and number.isdecimal()):
            raise typer.BadParameter(f"{value[:80]!r} is not STYLE=N", param_hint="--issued")
        if len(number) > 6:
            raise typer.BadParameter(
                f"{value[:80]!r}: no precinct hands out a million papers", param_hint="--issued"
            )
        if style in figures:
            raise typer.BadParameter(f"{style!r} is given twice", param_hint="--issued")
        figures[style] = int(number)
    return figures
