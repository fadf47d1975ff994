"""All checks on one scanner, each from a fresh connection and with no sheet held."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from hardware.conformance.checks import CHECKS, Check
from hardware.conformance.probe import FailedError, NotRunError, Probe
from hardware.errors import LinkError, ProtocolError

State = Literal["passed", "failed", "not_run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a check; `told` says how it failed, why it was not run, or a figure."""

    check: Check
    state: State
    told: str


def run_checks(
    probe: Probe,
    checks: Iterable[Check] = CHECKS,
    done: Callable[[Outcome], None] = lambda _: None,
) -> tuple[Outcome, ...]:
    """Make the checks in order; `done` after each.

    Raises:
        LinkError: the port cannot be opened, or nothing answers there.
    """
    outcomes = []
    try:
        probe.reopen()
    except FailedError as error:
        raise LinkError(f"no scanner to test: {error}. Check cable, port and speed") from error
    for check in checks:
        state, told = _one(probe, check)
        outcomes.append(Outcome(check, state, told))
        done(outcomes[-1])
        with suppress(LinkError, ProtocolError, FailedError):
            probe.let_go()
    probe.close()
    return tuple(outcomes)


def _one(probe: Probe, check: Check) -> tuple[State, str]:
    try:
        probe.reopen()
        return "passed", check.make(probe) or ""
    except NotRunError as error:
        return "not_run", str(error)
    except (FailedError, LinkError) as error:
        return "failed", str(error)
