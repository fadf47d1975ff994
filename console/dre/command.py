"""`ballotbench device dre`: the voter's screen of a precinct, served to the browser beside it."""

from __future__ import annotations

import json
import secrets
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from console.common import emit_json, stderr, stdout
from console.device_bench import (
    DeviceOptions,
    SecondJournal,
    StopOnStorageFailure,
)
from console.device_sensors import ClockOption, UpsOption, watching
from console.device_tape import TapeWidth, paper_of
from console.device_target import check_distinct, check_target, write_package
from console.device_words import ISSUED_HELP, begin_mode, described, issued_papers
from console.dre.officers import BenchOfficers, Officers, RegisteredOfficers
from console.errors import ConsoleError
from console.officers import OfficerOption, PinFileOption, TokenPinFileOption
from console.places import PrecinctOption, place_given
from console.removable import Following, open_medium
from firmware_sim.device import Mode, PrecinctDevice
from firmware_sim.dre import Station
from firmware_sim.dre.readback import Informed
from firmware_sim.journal import Journal
from firmware_sim.people import PeopleRegister
from firmware_sim.reading import ScannerSheetReader
from firmware_sim.roles import Person, RoleError
from firmware_sim.states import DeviceState

if TYPE_CHECKING:
    from console.dre.pages import Save  # its templates need the extra `console`

#: The server listens on this machine only.
HOST = "127.0.0.1"


def add(app: typer.Typer) -> None:
    """Register the command on `ballotbench device`."""
    app.command("dre")(dre)


def dre(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    precinct: PrecinctOption,
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
        Path | None,
        typer.Option(help="Results package to write (.zip), on the officers' page or by --close."),
    ] = None,
    issued: Annotated[list[str] | None, typer.Option(help=f"For the export: {ISSUED_HELP}")] = None,
    overwrite: Annotated[bool, typer.Option(help="Write over whatever is at --export.")] = False,
    profile: Annotated[
        str | None, typer.Option(help="A profile other than the definition's: id or TOML file.")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="Official or test day; a new journal is official.")
    ] = None,
    medium: Annotated[
        Path | None, typer.Option(help="Removable medium (folder) that follows each record.")
    ] = None,
    replaces: Annotated[
        Path | None, typer.Option(help="Medium of a dead device that this one stands in for.")
    ] = None,
    replaces_box: Annotated[
        int | None, typer.Option(min=0, help="Records in the dead device's box, by its counter.")
    ] = None,
    sensors: Annotated[
        Path | None, typer.Option(help="File of failures that hold now, one word a line.")
    ] = None,
    ups: UpsOption = None,
    clock: ClockOption = None,
    second_journal: SecondJournal = None,
    stop_on_storage_failure: StopOnStorageFailure = False,
    tape_width: TapeWidth = "80mm",
    officers: OfficerOption = None,
    pin_file: PinFileOption = None,
    token_pin_file: TokenPinFileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Vote on a screen, with a paper record that the voter accepts or spoils.

    Opens the polls and serves the screen to one browser on this machine, whose address it
    prints. Officers act on a page of their own: with their ids and PINs where the keys have a
    register of people, else with the code that is printed. There they close the polls, and export
    and seal where --export says to which file. Ctrl-C leaves the polls open; --close closes and
    exports without a screen. With --medium a dead device costs nothing: another, with an id and
    journal of its own, takes over with --replaces.

    Example: ballotbench device dre election.json --precinct precinct-1 --journal dre.sqlite
    --keys keys --device dre-001 --trail dre-paper --printer dre-tape.bin
    """
    if close and export is None:
        raise typer.BadParameter("--close needs it", param_hint="--export")
    if issued and export is None:
        raise typer.BadParameter("goes with --export", param_hint="--issued")
    check_distinct(
        {
            "ELECTION": election,
            "--journal": journal,
            "--printer": Path(printer),
            "--trail": trail,
            "--export": export,
            "--medium": medium,
            "--replaces": replaces,
            "--second-journal": second_journal,
        }
    )
    place = place_given(precinct)
    options = DeviceOptions(
        election=election,
        precinct=place,
        journal=journal,
        keys=keys,
        device_id=device_id,
        scanner="",
        printer=printer,
        profile=profile,
        medium=medium,
        replaces=replaces,
        replaces_box=replaces_box,
        second_journal=second_journal,
        stop_on_storage_failure=stop_on_storage_failure,
        tape_width=paper_of(tape_width).name,
        officers=tuple(officers or ()),
        pin_file=pin_file,
        token_pin_file=token_pin_file,
    )
    handed_out = issued_papers(issued or [])
    slots = options.people()
    people = [slot.person for slot in slots]
    setup = replace(options.setup(slots), kind="dre")
    if export is not None:
        check_target(export, precinct_id=place, device_id=device_id, overwrite=overwrite)
    # Drivers and the reader are slow to import; --help need not wait for them.
    from hardware.printer import open_printer
    from hardware.simulated.paper_trail import SimulatedPaperTrail
    from hardware.tape_format import TAPES
    from scanner.sheet import SheetReader

    reader = ScannerSheetReader(SheetReader(setup.election, setup.profile))
    peer = SimulatedPaperTrail(trail)
    station = Station(setup, peer, randomness=secrets.token_bytes, monotonic=time.monotonic)
    register = PeopleRegister.of(keys)
    removable = open_medium(setup, keys, medium)
    with (
        Journal(journal, second_journal, stop_on_failure=stop_on_storage_failure) as opened,
        watching(sensors, ups, clock) as watched,
        closing(open_printer(printer, TAPES[options.tape_width])) as tape_printer,
    ):
        if opened.renewed is not None:
            stderr.print(f"Storage written anew: {opened.renewed}", markup=False)
        device = PrecinctDevice(
            setup,
            journal=opened,
            feeder=peer,
            reader=station.read_back(reader),
            printer=tape_printer,
            clock=watched.clock,
            randomness=secrets.token_bytes,
            people_identified=register is not None,
            people_version=0 if register is None else register.version,
            voter=Informed(),
            sensors=watched.sensors,
            power=watched.power,
            medium=removable and Following(removable, opened),
        )
        begin_mode(device, mode, people)
        station.attach(device)

        def save(present: Sequence[Person]) -> Path:
            target = cast(Path, export)
            device.export(
                issued=handed_out or None,
                present=present,
                save=lambda data: write_package(target, data),
            )
            return target

        if close and export is not None:
            if not device.results_printed:
                station.close(present=people)
            save(people)
            _report(as_json, device, export)
            return
        _open(station, people)
        code = None if register is not None else f"{secrets.randbelow(10**6):06d}"
        own: Officers
        if register is not None:
            own = RegisteredOfficers(register, place, device_id, register.version)
        else:
            own = BenchOfficers(code or "")
        given = None if export is None else save
        _serve(station, own, code, port, given, as_json=as_json)


def _open(station: Station, people: Sequence[Person]) -> None:
    """Open the polls, or go on after a pause, if those named may; else officers do on the page."""
    device = station.device
    if device.state.is_closed or device.state is DeviceState.POLLS_OPEN:
        return
    try:
        station.open(present=people)
    except RoleError as error:
        stderr.print(
            f"The polls are not open: {error}. Officers can open them on their page.",
            markup=False,
            soft_wrap=True,
        )


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


def _serve(
    station: Station,
    officers: Officers,
    code: str | None,
    port: int,
    save: Save | None,
    *,
    as_json: bool,
) -> None:
    """Serve until Ctrl-C. `code`: a bench's, for the officers; None: they have PINs."""
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
    url = f"http://{HOST}:{listening.getsockname()[1]}/?key={key}"
    if as_json:
        sys.stdout.write(json.dumps({"url": url, "officer_code": code}) + "\n")
        sys.stdout.flush()
    else:
        stdout.print(f"Screen: {url}", markup=False, soft_wrap=True, highlight=False)
        if code is None:
            stdout.print("Officers act with their ids and PINs, on the officers' page.")
        else:
            stdout.print(f"Officer code: {code}", markup=False, highlight=False)
        stderr.print("Ctrl-C ends the screen; the polls stay open.", markup=False)
    config = uvicorn.Config(
        screen_app(station, officers, key=key, save=save),
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="on",
    )
    uvicorn.Server(config).run(sockets=[listening])
