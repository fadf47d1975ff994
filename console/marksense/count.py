"""A stack through a mark-sense reader: each sheet once, whatever happens to line and paper.

A broken link is waited for; a fault of paper, or a sheet whose fate only a person can tell, is
told to the person at the machine, or ends the run where there is none. What was read is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hardware.errors import FeederError, LinkError
from hardware.marksense import MarkReader, MarkSheet, UncertainSheetError

#: How often a lost reader is looked for, s.
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Attendant:
    """Who stands by: `say` tells them, `ask` tells, waits, and says whether they have done it
    (None: nobody is there); `wait_s` how long a lost link is waited for."""

    say: Callable[[str], None]
    ask: Callable[[str], bool] | None
    wait_s: float


def count(
    reader: MarkReader,
    keep: Callable[[MarkSheet], bool],
    attendant: Attendant,
    *,
    most: int | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Feed until the hopper is empty, or `most` sheets came; why it stopped before, else "".

    Args:
        reader: the machine.
        keep: is given every sheet, once, and has kept it when it returns; False: the sheet
            goes to the reject pocket, where the reader has one.
        attendant: the person.
        most: no more sheets than this.
    """
    lost_since: float | None = None
    given = 0
    while most is None or given < most:
        try:
            sheet = reader.feed()
        except LinkError as error:
            if lost_since is None:
                lost_since = clock()
                attendant.say(f"{error}. Waiting for it for {attendant.wait_s:g} s")
            if clock() - lost_since >= attendant.wait_s:
                return str(error)
            sleep(LOOK_S)
            continue
        except FeederError as error:
            if attendant.ask is None or not attendant.ask(str(error)):
                return str(error)
            if isinstance(error, UncertainSheetError):
                reader.settled()
            continue
        finally:
            for event in reader.events():
                if event.kind in ("garbled", "found"):
                    attendant.say(event.detail)
        lost_since = None
        if sheet is None:
            return ""
        away = reader.accept if keep(sheet) else reader.reject
        given += 1
        stopped = _put(away, attendant, sleep, clock)
        if stopped:
            return stopped
    return ""


def _put(
    away: Callable[[], None],
    attendant: Attendant,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> str:
    """The kept sheet to its place; it stays kept whatever becomes of the link."""
    until = clock() + attendant.wait_s
    while True:
        try:
            away()
        except LinkError as error:
            if clock() >= until:
                return str(error)
            sleep(LOOK_S)
            continue
        except FeederError as error:
            return str(error)
        return ""
