"""`ballotbench device dre`: the voter's screen of a precinct, served to the browser beside it."""

from __future__ import annotations

import json
import secrets
import socket
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stderr, stdout
from console.device_bench import DeviceOptions
from console.device_target import check_target, write_package
from console.device_words import begin_mode, described, issued_papers
from console.errors import ConsoleError
from console.officers import OfficerOption, PinFileOption, TokenPinFileOption
from firmware_sim.day import close_day, open_day
from firmware_sim.device import Mode, PrecinctDevice
from firmware_sim.dre import Station
from firmware_sim.dre.station import Informed
from firmware_sim.journal import Journal
from firmware_sim.people import PeopleRegister
from firmware_sim.reading import ScannerSheetReader
from firmware_sim.states import DeviceState

#: The server listens on this machine only.
HOST = "127.0.0.1"


def add(app: typer.Typer) -> None:
    """Register the command on `ballotbench device`."""
    app.command("dre")(dre)


def dre(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    precinct: Annotated[str, typer.Option(help="Precinct the device serves.")],
    journal: Annotated[Path, typer.Option(help="The device's journal; made if not there.")],
    keys: Annotated[Path, typer.Option(help="Directory made by `ballotbench keys`.")],
    device_id: Annotated[str, typer.Option("--device", help="Device id, as issued.")],
    trail: Annotated[Path, typer.Option(help="Folder of the simulated printer of records.")],
    printer: Annotated[str, typer.Option(help="Printer: serial port or file for the tapes.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any.")] = 8484,
    close: Annotated[
        bool, typer.Option("--close", help="No screen: close the polls, print, export.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(help="With --close: results package to write (.zip).")
    ] = None,
    issued: Annotated[
        list[str] | None, typer.Option(help="With --close: ballots activated, STYLE=N.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Write over whatever is at --export.")] = False,
    profile: Annotated[
        str | None, typer.Option(help="A profile other than the definition's: id or TOML file.")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="Official or test day; a new journal is official.")
    ] = None,
    officers: OfficerOption = None,
    pin_file: PinFileOption = None,
    token_pin_file: TokenPinFileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Vote on a screen, with a paper record that the voter accepts or spoils.

    Opens the polls and serves the screen to one browser on this machine, whose address and
    the officers' code it prints. Ctrl-C leaves the polls open; with --close it closes them.

    Example: ballotbench device dre election.json --precinct precinct-1 --journal dre.sqlite
    --keys keys --device dre-001 --trail dre-paper --printer dre-tape.bin
    """
    if close != (export is not None):
        raise typer.BadParameter("--close and --export go together", param_hint="--export")
    options = DeviceOptions(
        election=election,
        precinct=precinct,
        journal=journal,
        keys=keys,
        device_id=device_id,
        scanner="",
        printer=printer,
        profile=profile,
        officers=tuple(officers or ()),
        pin_file=pin_file,
        token_pin_file=token_pin_file,
    )
    handed_out = issued_papers(issued or [])
    slots = options.people()
    people = [slot.person for slot in slots]
    setup = replace(options.setup(slots), kind="dre")
    if export is not None:
        check_target(export, precinct_id=precinct, device_id=device_id, overwrite=overwrite)
    # Drivers and the reader are slow to import; --help need not wait for them.
    from hardware.printer import open_printer
    from hardware.simulated.paper_trail import SimulatedPaperTrail
    from scanner.sheet import SheetReader

    reader = ScannerSheetReader(SheetReader(setup.election, setup.profile))
    peer = SimulatedPaperTrail(trail)
    station = Station(setup, peer, randomness=secrets.token_bytes, monotonic=time.monotonic)
    with Journal(journal) as opened:
        device = PrecinctDevice(
            setup,
            journal=opened,
            feeder=peer,
            reader=station.read_back(reader),
            printer=open_printer(printer),
            clock=lambda: datetime.now(UTC),
            randomness=secrets.token_bytes,
            people_identified=PeopleRegister.of(keys) is not None,
            voter=Informed(),
        )
        begin_mode(device, mode, people)
        if export is not None:
            station.attach(device)
            close_day(device, present=people)
            device.export(
                issued=handed_out, present=people, save=lambda data: write_package(export, data)
            )
            _report(as_json, device, export)
            return
        if not device.state.is_closed and device.state is not DeviceState.POLLS_OPEN:
            if device.state is DeviceState.PAUSED:
                device.resume(present=people)
            else:
                open_day(device, present=people)
        station.attach(device)
        _serve(station, port, as_json=as_json)


def _report(as_json: bool, device: PrecinctDevice, export: Path) -> None:
    shown = described(device)
    if as_json:
        emit_json({"package": str(export), "totals": device.totals(), **shown})
        return
    counters = device.counters
    stdout.print(
        f"{counters['accepted']} records in the box, {counters['returned']} spoiled, "
        f"{counters['refused']} not taken. Signed results: {export}",
        soft_wrap=True,
        markup=False,
    )


def _serve(station: Station, port: int, *, as_json: bool) -> None:
    """Serve until Ctrl-C."""
    try:
        import uvicorn

        from console.dre.app import screen_app
    except ImportError as error:
        raise ConsoleError(
            f"the voter's screen needs {error.name}: pip install 'ballotbench[console]'"
        ) from error
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise ConsoleError(
            f"port {port} cannot be used: {error.strerror}; give another --port"
        ) from error
    key = secrets.token_urlsafe(16)
    pin = f"{secrets.randbelow(10**6):06d}"
    url = f"http://{HOST}:{listening.getsockname()[1]}/?key={key}"
    if as_json:
        sys.stdout.write(json.dumps({"url": url, "officer_code": pin}) + "\n")
        sys.stdout.flush()
    else:
        stdout.print(f"Screen: {url}", markup=False, soft_wrap=True, highlight=False)
        stdout.print(f"Officer code: {pin}", markup=False, highlight=False)
        stderr.print("Ctrl-C ends the screen; the polls stay open.", markup=False)
    config = uvicorn.Config(
        screen_app(station, key=key, pin=pin),
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="on",
    )
    uvicorn.Server(config).run(sockets=[listening])
