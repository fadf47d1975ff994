"""`ballotbench device`: a precinct device's day on one command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from console import device_steps
from console.common import emit_json, progress, stderr, stdout
from console.device_bench import (
    DeviceOptions,
    SecondJournal,
    StopOnStorageFailure,
    open_device,
)
from console.device_recover import recover
from console.device_sensors import ClockOption, UpsOption
from console.device_tape import TapeWidth, paper_of, tape
from console.device_target import check_distinct, check_target, write_package
from console.device_words import (
    ISSUED_HELP,
    begin_mode,
    described,
    finding_words,
    issued_papers,
    stopped_by_hand,
)
from console.dre import command as screen
from console.firmware import identity
from console.officers import OfficerOption, PinFileOption, TokenPinFileOption
from console.places import PrecinctOption, place_given
from console.pollbook.close_sheet import issued_by_pollbook, sheet_files
from console.polling_day import play_day
from console.stopwatch import Stopwatch
from election.places import say_place
from firmware_sim.device import Mode, OutcomeKind, PrecinctDevice, SheetOutcome
from firmware_sim.roles import Person

app = typer.Typer(help="Run a precinct device.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add `device` to the command line."""
    device_steps.add(app)
    screen.add(app)
    parent.add_typer(app, name="device")


app.command("identity")(identity)
app.command("recover")(recover)
app.command("tape")(tape)


@app.callback()
def device() -> None:
    """Run a precinct device."""


@app.command("run")
def run(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    precinct: PrecinctOption,
    journal: Annotated[Path, typer.Option(help="The device's journal; made if not there.")],
    keys: Annotated[Path, typer.Option(help="Directory made by `ballotbench keys`.")],
    device_id: Annotated[str, typer.Option("--device", help="Device id, as issued.")],
    scanner: Annotated[str, typer.Option(help="Scanner: a device, usb:VID:PID or a URL.")],
    printer: Annotated[str, typer.Option(help="Printer: serial port or file for the tapes.")],
    export: Annotated[Path, typer.Option(help="Results package to write (.zip).")],
    profile: Annotated[
        str | None, typer.Option(help="A profile other than the definition's: id or TOML file.")
    ] = None,
    issued: Annotated[list[str] | None, typer.Option(help=ISSUED_HELP)] = None,
    issued_from: Annotated[
        list[Path] | None,
        typer.Option(
            help="Instead: the pollbook's signed close sheet, read after the polls; one a precinct."
        ),
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option(help="After a cut, where a person found the sheet: in-box or outside."),
    ] = None,
    paper_seen_by: Annotated[str, typer.Option(help="Who looked; goes into the log.")] = "",
    medium: Annotated[
        Path | None, typer.Option(help="Removable medium (folder) that follows each sheet.")
    ] = None,
    replaces: Annotated[
        Path | None, typer.Option(help="Medium of a dead device that this one stands in for.")
    ] = None,
    replaces_box: Annotated[
        int | None, typer.Option(min=0, help="Sheets in the dead device's box, by its counter.")
    ] = None,
    officers: OfficerOption = None,
    pin_file: PinFileOption = None,
    token_pin_file: TokenPinFileOption = None,
    mode: Annotated[
        Mode | None, typer.Option(help="Official or test day; a new journal is official.")
    ] = None,
    ask_voter: Annotated[
        bool, typer.Option(help="Ask at this terminal: take a sheet back, or cast it so?")
    ] = False,
    sensors: Annotated[
        Path | None, typer.Option(help="File of failures that hold now, one word a line.")
    ] = None,
    ups: UpsOption = None,
    clock: ClockOption = None,
    tape_width: TapeWidth = "80mm",
    seal: Annotated[bool, typer.Option(help="Seal the device after the export.")] = False,
    second_journal: SecondJournal = None,
    stop_on_storage_failure: StopOnStorageFailure = False,
    overwrite: Annotated[bool, typer.Option(help="Write over whatever is at --export.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Self-test, zero tape, open, take sheets until the tray is empty, close, print, export.

    Where the keys have a register of people, those present are named by --officer.
    For one step at a time: `ballotbench device --help`. Ctrl-C leaves the polls open.
    After a crash the same command line goes on where the device stopped. With --medium a dead
    device costs nothing: another, with an id and journal of its own, takes over with --replaces.

    A polling place of several precincts names each of them by --precinct, and what was issued
    as PRECINCT/STYLE=N.

    Example: ballotbench device run election.json --precinct precinct-1 --journal p1.sqlite
    --keys keys --device scanner-001 --scanner socket://127.0.0.1:7001 --printer p1-tape.bin
    --export p1.zip --issued list=412
    """
    check_distinct(
        {
            "ELECTION": election,
            "--journal": journal,
            "--printer": Path(printer),
            "--export": export,
            "--medium": medium,
            "--replaces": replaces,
            "--second-journal": second_journal,
            **sheet_files(issued_from or []),
        }
    )
    handed_out = issued_papers(issued or [])
    if handed_out and issued_from:
        raise typer.BadParameter("give it or --issued, not both", param_hint="--issued-from")
    in_box = _paper(paper, paper_seen_by)
    place = place_given(precinct)
    options = DeviceOptions(
        election=election,
        precinct=place,
        journal=journal,
        keys=keys,
        device_id=device_id,
        scanner=scanner,
        printer=printer,
        profile=profile,
        medium=medium,
        replaces=replaces,
        replaces_box=replaces_box,
        sensors=sensors,
        ask_voter=ask_voter,
        officers=tuple(officers or ()),
        pin_file=pin_file,
        token_pin_file=token_pin_file,
        second_journal=second_journal,
        stop_on_storage_failure=stop_on_storage_failure,
        tape_width=paper_of(tape_width).name,
        ups=ups,
        clock=clock,
    )
    slots = options.people()
    people = [slot.person for slot in slots]
    setup = options.setup(slots)
    for style_id in set(handed_out) - setup.check():
        raise typer.BadParameter(
            f"precinct {say_place(place)} hands out no style {style_id!r}; it has "
            f"{', '.join(sorted(setup.check()))}",
            param_hint="--issued",
        )
    check_target(export, precinct_id=place, device_id=device_id, overwrite=overwrite)
    watch = Stopwatch()

    def told() -> dict[str, int]:
        # The voter list closes with the polls: its figures are not there before.
        if not issued_from:
            return handed_out
        return issued_by_pollbook(issued_from, keys, setup.election, place)

    with open_device(options, setup, watch=watch, reads=True) as precinct_device:
        begin_mode(precinct_device, mode, people)
        with stopped_by_hand(precinct_device):
            outcomes = _day(precinct_device, in_box, paper_seen_by, people, told)
        seconds = watch.seconds()
        precinct_device.export(
            issued=told(),
            present=people,
            save=lambda package: write_package(export, package),
        )
        if seal:
            precinct_device.seal(present=people)
        totals, findings = precinct_device.totals(), precinct_device.findings()
        shown = described(precinct_device)
    _report(as_json, export, totals, {**shown, "findings": list(findings)}, outcomes, seconds)
    if findings:
        stderr.print(finding_words(shown, totals), soft_wrap=True, markup=False)
        raise typer.Exit(1)


def _day(
    device: PrecinctDevice,
    in_box: bool | None,
    seen_by: str,
    people: Sequence[Person] = (),
    issued: Callable[[], Mapping[str, int]] = dict,
) -> dict[str, int]:
    """The day with a progress bar; counts sheets sent back by reason."""
    if in_box is not None:
        device.answer_sheet_place(in_box=in_box, by=seen_by, present=people)
    sent_back: Counter[str] = Counter()
    with progress() as bars:
        task = bars.add_task("Sheets", total=None)

        def tell(outcome: SheetOutcome) -> None:
            if outcome.kind is not OutcomeKind.ACCEPTED:
                sent_back[outcome.reason] += 1
                stderr.print(
                    f"sheet {outcome.kind}: {outcome.detail}", soft_wrap=True, markup=False
                )
            bars.advance(task)

        play_day(device, tell, issued=issued, present=people)
    return dict(sent_back)


def _paper(word: str | None, seen_by: str) -> bool | None:
    if word is None:
        return None
    if word not in ("in-box", "outside"):
        raise typer.BadParameter("say in-box or outside", param_hint="--paper")
    if not seen_by.strip():
        raise typer.BadParameter("say who looked", param_hint="--paper-seen-by")
    return word == "in-box"


def _report(
    as_json: bool,
    export: Path,
    totals: dict[str, Any],
    shown: Mapping[str, Any],
    sent_back: dict[str, int],
    seconds: Mapping[str, float],
) -> None:
    if as_json:
        emit_json(
            {
                "package": str(export),
                **shown,
                "totals": totals,
                "sent_back": sent_back,
                "seconds": dict(seconds),
            }
        )
        return
    counters = shown["counters"]
    test = "" if shown["mode"] == Mode.OFFICIAL else " Test mode: these are no results."
    stdout.print(
        f"{counters['accepted']} sheets in the box, {counters['returned']} times returned, "
        f"{counters['refused']} times refused. Signed results: {export}.{test}",
        soft_wrap=True,
        markup=False,
    )
