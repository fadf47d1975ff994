"""`ballotbench device`: a precinct device's day on one command line."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from console.common import emit_json, progress, stderr, stdout
from console.officers import (
    OfficerOption,
    PinFileOption,
    TokenPinFileOption,
    present,
    token_pin,
)
from console.pollbook.close_sheet import issued_by_pollbook
from console.polling_day import play_day
from console.removable import Following, open_medium, with_replacement
from console.stopwatch import Stopwatch
from election.definition import load_election
from election.profile import load_profile
from firmware_sim.device import DeviceSetup, OutcomeKind, PrecinctDevice, SheetOutcome
from firmware_sim.device_keys import load_signer
from firmware_sim.journal import Journal
from firmware_sim.people import PeopleRegister
from firmware_sim.reading import ScannerSheetReader
from firmware_sim.roles import Person

app = typer.Typer(help="Run a precinct device.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add `device` to the command line."""
    parent.add_typer(app, name="device")


@app.callback()
def device() -> None:
    """Run a precinct device."""


@app.command("run")
def run(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    precinct: Annotated[str, typer.Option(help="Precinct the device serves.")],
    journal: Annotated[Path, typer.Option(help="The device's journal; made if not there.")],
    keys: Annotated[Path, typer.Option(help="Directory made by `ballotbench keys`.")],
    device_id: Annotated[str, typer.Option("--device", help="Device id, as issued.")],
    scanner: Annotated[str, typer.Option(help="Scanner: serial port, socket:// or rfc2217://.")],
    printer: Annotated[str, typer.Option(help="Printer: serial port or file for the tapes.")],
    export: Annotated[Path, typer.Option(help="Results package to write (.zip).")],
    profile: Annotated[
        str | None, typer.Option(help="A profile other than the definition's: id or TOML file.")
    ] = None,
    issued: Annotated[
        list[str] | None, typer.Option(help="Papers handed out, STYLE=N; once for each style.")
    ] = None,
    issued_from: Annotated[
        Path | None,
        typer.Option(help="Instead: the pollbook's signed close sheet, read after the polls."),
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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Open the polls, take sheets until the tray is empty, close, print, export.

    Where the keys have a register of people, those present are named by --officer.
    After a crash the same command line goes on where the device stopped. With --medium a dead
    device costs nothing: another, with an id and journal of its own, takes over with --replaces.

    Example: ballotbench device run election.json --precinct precinct-1 --journal p1.sqlite
    --keys keys --device scanner-001 --scanner socket://127.0.0.1:7001 --printer p1-tape.bin
    --export p1.zip --issued list=412
    """
    _distinct(election, journal, Path(printer), export, medium, replaces)
    handed_out = _issued(issued or [])
    if handed_out and issued_from is not None:
        raise typer.BadParameter("give it or --issued, not both", param_hint="--issued-from")
    in_box = _paper(paper, paper_seen_by)
    definition = load_election(election)
    opened_slots = present(keys, officers or [], pin_file, precinct=precinct)
    people = [slot.person for slot in opened_slots]
    setup = DeviceSetup(
        definition,
        load_profile(profile or definition.profile),
        precinct,
        load_signer(keys, device_id, opened=opened_slots, token_pin=token_pin(token_pin_file)),
    )
    setup = with_replacement(setup, keys, journal, replaces, replaces_box)
    for style_id in set(handed_out) - setup.check():
        raise typer.BadParameter(
            f"precinct {precinct} hands out no style {style_id!r}", param_hint="--issued"
        )
    # Drivers and the reader are slow to import; --help need not wait for them.
    from hardware.feeder import open_feeder
    from hardware.printer import open_printer
    from scanner.sheet import SheetReader

    reader = ScannerSheetReader(SheetReader(definition, setup.profile))
    removable = open_medium(setup, keys, medium)
    watch = Stopwatch()
    feeder = open_feeder(scanner)
    try:
        with Journal(journal) as opened:
            precinct_device = PrecinctDevice(
                setup,
                journal=watch.timed(opened, "journal"),
                feeder=watch.timed(feeder, "link"),
                reader=watch.timed(reader, "reading"),
                printer=watch.timed(open_printer(printer), "printing"),
                clock=lambda: datetime.now(UTC),
                randomness=secrets.token_bytes,
                people_identified=PeopleRegister.of(keys) is not None,
                medium=removable and watch.timed(Following(removable, opened), "medium"),
            )

            def told() -> dict[str, int]:
                # The voter list closes with the polls: its figures are not there before.
                if issued_from is None:
                    return handed_out
                return issued_by_pollbook(issued_from, keys, definition, precinct)

            outcomes = _day(precinct_device, in_box, paper_seen_by, people, told)
            seconds = watch.seconds()
            handed_out = told()
            package = precinct_device.export(issued=handed_out, present=people)
            totals = precinct_device.totals()
    finally:
        feeder.close()
    _write(export, package)
    _report(as_json, export, totals, dict(precinct_device.counters), outcomes, seconds)
    counter = precinct_device.box_counter
    if counter not in (None, totals["sheets"]):
        stderr.print(
            f"The scanner counted {counter} sheets into the box, {totals['sheets']} are "
            "recorded: count the paper in the box by hand.",
            soft_wrap=True,
            markup=False,
        )
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


def _issued(values: list[str]) -> dict[str, int]:
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


def _distinct(
    election: Path,
    journal: Path,
    printer: Path,
    export: Path,
    medium: Path | None,
    replaces: Path | None,
) -> None:
    """Four files, not three: a tape written into the journal would destroy the votes; and a
    medium of its own for each device."""
    given = {"ELECTION": election, "--journal": journal, "--printer": printer, "--export": export}
    folders = {"--medium": medium, "--replaces": replaces}
    given |= {name: path for name, path in folders.items() if path is not None}
    names: dict[Path, str] = {}
    for name, path in given.items():
        first = names.setdefault(path.absolute().resolve(), name)
        if first != name:
            raise typer.BadParameter(f"is the same file as {first}: {path}", param_hint=name)


def _paper(word: str | None, seen_by: str) -> bool | None:
    if word is None:
        return None
    if word not in ("in-box", "outside"):
        raise typer.BadParameter("say in-box or outside", param_hint="--paper")
    if not seen_by.strip():
        raise typer.BadParameter("say who looked", param_hint="--paper-seen-by")
    return word == "in-box"


def _write(path: Path, package: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(package)
    fresh.replace(path)


def _report(
    as_json: bool,
    export: Path,
    totals: dict[str, Any],
    counters: dict[str, int],
    sent_back: dict[str, int],
    seconds: Mapping[str, float],
) -> None:
    if as_json:
        emit_json(
            {
                "package": str(export),
                "totals": totals,
                "counters": counters,
                "sent_back": sent_back,
                "seconds": dict(seconds),
            }
        )
        return
    stdout.print(
        f"{counters['accepted']} sheets in the box, {counters['returned']} times returned, "
        f"{counters['refused']} times refused. Signed results: {export}",
        soft_wrap=True,
        markup=False,
    )
