"""What watches a device beside scanner and printer: a trainer's file, a supply, a clock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.errors import ConsoleError
from firmware_sim.failures import Failure, Sensors
from firmware_sim.probes import PowerProbe, probe_power
from hardware.clock import SerialClock
from hardware.power import UpsWatch

UpsOption = Annotated[
    str | None,
    typer.Option("--ups", help="Uninterruptible supply that speaks Megatec's Q1: its port or URL."),
]
ClockOption = Annotated[
    str | None,
    typer.Option(
        "--clock",
        help="Time receiver that speaks NMEA 0183: its port or URL; without: this machine's clock.",
    ),
]


@dataclass(frozen=True, slots=True)
class Watched:
    """`sensors` for `PrecinctDevice`, None where nothing watches; `ups` where one is watched,
    `receiver` where one is the clock."""

    sensors: Sensors | None
    ups: UpsWatch | None
    receiver: SerialClock | None

    def clock(self) -> datetime:
        """The device's time: of the receiver where there is one, else of this machine."""
        return datetime.now(UTC) if self.receiver is None else self.receiver.now()

    def power(self) -> PowerProbe:
        """Mains and charge: of the supply where there is one, else as the machine knows."""
        if self.ups is None:
            return probe_power()
        # Q1 tells no charge; a low battery is one that holds nothing.
        supply = self.ups.supply
        return PowerProbe(supply.on_mains, 0 if supply.low else None)


@contextmanager
def watching(file: Path | None, ups: str | None, clock: str | None = None) -> Iterator[Watched]:
    """Watch a file of failures, a supply and a time receiver at their ports, as far as given.

    Raises:
        LinkError: supply or receiver cannot be reached or do not answer.
    """
    found: list[Sensors] = [] if file is None else [FileSensors(file)]
    watch = receiver = None
    with ExitStack() as stack:
        if ups is not None:
            watch = UpsWatch(ups)
            stack.callback(watch.close)
            found.append(UpsSensors(watch))
        if clock is not None:
            receiver = SerialClock(clock)
            stack.callback(receiver.close)
            found.append(ClockSensors(receiver))
        yield Watched(AllSensors(found) if found else None, watch, receiver)


class UpsSensors:
    """Low power, as a supply tells it."""

    def __init__(self, watch: UpsWatch) -> None:
        self._watch = watch

    def conditions(self) -> Collection[Failure]:
        """See `Sensors.conditions`."""
        return {Failure.POWER_LOW} if self._watch.supply.low else frozenset()


class ClockSensors:
    """A clock that is not to be relied on: it jumped while it was watched, or is silent."""

    def __init__(self, receiver: SerialClock) -> None:
        self._receiver = receiver

    def conditions(self) -> Collection[Failure]:
        """See `Sensors.conditions`."""
        return {Failure.CLOCK_LOST} if self._receiver.wrong else frozenset()


class AllSensors:
    """Several sensors: what any of them says."""

    def __init__(self, sensors: Sequence[Sensors]) -> None:
        self._sensors = tuple(sensors)

    def conditions(self) -> Collection[Failure]:
        """See `Sensors.conditions`."""
        return {failure for one in self._sensors for failure in one.conditions()}


class FileSensors:
    """Sensors whose conditions are lines of a file: a trainer writes `power_low` into it."""

    def __init__(self, path: Path) -> None:
        """`path` may be missing: nothing is wrong then."""
        self._path = path

    def conditions(self) -> Collection[Failure]:
        """The failures named in the file.

        Raises:
            ConsoleError: a line is no failure's name.
        """
        try:
            lines = self._path.read_text(encoding="utf-8").split()
        except FileNotFoundError:
            return frozenset()
        unknown = sorted(set(lines) - set(Failure))
        if unknown:
            raise ConsoleError(
                f"{self._path}: {unknown[0][:40]!r} is no failure; known: {', '.join(Failure)}"
            )
        return frozenset(Failure(line) for line in lines)
