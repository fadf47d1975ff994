"""Three polling stations at once: a scanner process each, a device each, signed results.

The scanner of each precinct is a process of its own behind a serial line; the device
talks to nothing else. The device runs in a worker process and gives back plain values.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import cv2
from rich.progress import Progress, TaskID

from console.definitions import load_definition
from console.device_target import write_package
from console.polling_day import play_day
from firmware_sim.device import DeviceSetup, OutcomeKind, PrecinctDevice, SheetOutcome
from firmware_sim.journal import Journal
from firmware_sim.reading import ScannerSheetReader
from firmware_sim.trust import DeviceSigner
from hardware.feeder import open_feeder
from hardware.printer import open_printer
from hardware.simulated import SimulatedScanner, start_simulated_scanner
from hardware.tape_image import save_tape_png
from tally.figures import PrecinctTotals

#: The scanners are asked this often how much paper is left, in seconds.
_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Station:
    """One precinct's place: its deck of scans, and the folder for all that it makes.

    `issued` are papers handed out by ballot style, where the commission counted them.
    """

    definition: Path
    profile: str
    precinct_id: str
    device_id: str
    keys: Path
    deck: Path
    folder: Path
    package: Path
    issued: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StationResult:
    """What a precinct's night came to; `sent_back` are (reason, words) in order of feeding."""

    precinct_id: str
    package: Path
    tape: Path
    totals: PrecinctTotals
    counters: Mapping[str, int]
    sent_back: tuple[tuple[str, str], ...]
    returned_names: tuple[str, ...] = ()


def run_stations(
    stations: Sequence[Station],
    executor: Executor,
    bars: Progress,
    *,
    refeed_returned: int,
) -> list[StationResult]:
    """Play every station's polling day, as many at once as the executor has workers.

    Args:
        refeed_returned: how often a voter whose sheet comes back feeds it again at once.

    Raises:
        HardwareError, FirmwareError: a station could not finish; the others are let go on.
    """
    with ExitStack() as stack:
        scanners = [
            stack.enter_context(
                start_simulated_scanner(
                    station.deck,
                    state=station.folder / "scanner",
                    refeed_returned=refeed_returned,
                )
            )
            for station in stations
        ]
        tasks = [
            bars.add_task(f"Counting {station.precinct_id}", total=scanner.paper().tray)
            for station, scanner in zip(stations, scanners, strict=True)
        ]
        futures: list[Future[StationResult]] = [
            executor.submit(run_station, station, scanner.url)
            for station, scanner in zip(stations, scanners, strict=True)
        ]
        while not all(future.done() for future in futures):
            time.sleep(_LOOK_S)
            _show(bars, tasks, scanners)
        _show(bars, tasks, scanners)
        return [
            replace(future.result(), returned_names=scanner.paper().returned)
            for future, scanner in zip(futures, scanners, strict=True)
        ]


def run_station(station: Station, url: str) -> StationResult:
    """One precinct from zero tape to signed package, with the scanner at `url`."""
    cv2.setNumThreads(1)
    definition = load_definition(station.definition, station.profile)
    setup = DeviceSetup(
        definition.election,
        definition.profile,
        station.precinct_id,
        DeviceSigner.load(station.keys, station.device_id),
    )
    tape = station.folder / "tape.bin"
    sent_back: list[tuple[str, str]] = []

    def tell(outcome: SheetOutcome) -> None:
        if outcome.kind is not OutcomeKind.ACCEPTED:
            sent_back.append((outcome.reason, outcome.detail))

    feeder = open_feeder(url)
    try:
        with Journal(station.folder / "journal.sqlite") as journal:
            device = PrecinctDevice(
                setup,
                journal=journal,
                feeder=feeder,
                reader=ScannerSheetReader(definition.reader()),
                printer=open_printer(str(tape)),
                clock=lambda: datetime.now(UTC),
                randomness=secrets.token_bytes,
            )
            play_day(device, tell, issued=lambda: station.issued)
            device.export(issued=station.issued, save=partial(write_package, station.package))
            totals, counters = device.totals(), dict(device.counters)
    finally:
        feeder.close()
    save_tape_png(tape, tape.with_suffix(".png"))
    return StationResult(
        station.precinct_id,
        station.package,
        tape.with_suffix(".png"),
        totals,  # type: ignore[arg-type]
        counters,
        tuple(sent_back),
    )


def _show(bars: Progress, tasks: Iterable[TaskID], scanners: Iterable[SimulatedScanner]) -> None:
    for task, scanner in zip(tasks, scanners, strict=True):
        paper = scanner.paper()
        bars.update(task, completed=paper.box + len(paper.returned))
