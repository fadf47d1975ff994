"""What watches a device beside scanner and printer: a trainer's file, a supply on a port."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from console.errors import ConsoleError
from firmware_sim.failures import Failure, Sensors
from firmware_sim.probes import PowerProbe, probe_power
from hardware.power import UpsWatch

UpsOption = Annotated[
    str | None,
    typer.Option("--ups", help="Uninterruptible supply that speaks Megatec's Q1: its port or URL."),
]


@dataclass(frozen=True, slots=True)
class Watched:
    """`sensors` for `PrecinctDevice`, None where nothing watches; `ups` where one is watched."""

    sensors: Sensors | None
    ups: UpsWatch | None

    def power(self) -> PowerProbe:
        """Mains and charge: of the supply where there is one, else as the machine knows."""
        if self.ups is None:
            return probe_power()
        # Q1 tells no charge; a low battery is one that holds nothing.
        supply = self.ups.supply
        return PowerProbe(supply.on_mains, 0 if supply.low else None)


@contextmanager
def watching(file: Path | None, ups: str | None) -> Iterator[Watched]:
    """Watch a file of failures and a supply at a port, as far as given.

    Raises:
        LinkError: the supply cannot be reached or does not answer.
    """
    watch = None if ups is None else UpsWatch(ups)
    found: list[Sensors] = [] if file is None else [FileSensors(file)]
    if watch is not None:
        found.append(UpsSensors(watch))
    try:
        yield Watched(AllSensors(found) if found else None, watch)
    finally:
        if watch is not None:
            watch.close()


class UpsSensors:
    """Low power, as a supply tells it."""

    def __init__(self, watch: UpsWatch) -> None:
        self._watch = watch

    def conditions(self) -> Collection[Failure]:
        """See `Sensors.conditions`."""
        return {Failure.POWER_LOW} if self._watch.supply.low else frozenset()


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
