"""The day of a device step by step: `ballotbench device open`, `pause`, `close` and the rest.

Each command opens the device, takes one step, and says where it then stands. All of them
work on the same journal as `device run`, so that a trainer can walk a day by hand and stop
anywhere. A step is a function of the device and the people present; what else it takes is
its own arguments, before those that all steps share.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from console.common import emit_json, stderr, stdout
from console.device_bench import (
    DeviceOptions,
    SecondJournal,
    StopOnStorageFailure,
    open_device,
)
from console.device_sensors import ClockOption, UpsOption
from console.device_tape import TapeWidth, paper_of
from console.device_target import check_distinct, check_target, write_package
from console.device_words import (
    ISSUED_HELP,
    describe,
    described,
    finding_words,
    issued_papers,
    lines_of,
)
from console.errors import ConsoleError
from console.officers import OfficerOption, PinFileOption, TokenPinFileOption
from console.places import PrecinctOption, place_given
from console.polling_day import take_sheets
from console.stopwatch import Stopwatch
from firmware_sim.checks import Check
from firmware_sim.device import DeviceState, Mode, OutcomeKind, PrecinctDevice, SheetOutcome
from firmware_sim.failures import Failure
from firmware_sim.journal import Journal
from firmware_sim.package import to_json_bytes
from firmware_sim.roles import Person

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Issued = Annotated[list[str] | None, typer.Option(help=ISSUED_HELP)]
People = Sequence[Person]

_LINE = (
    "election.json --precinct precinct-1 --journal p1.sqlite --keys keys --device scanner-001 "
    "--scanner socket://127.0.0.1:7001 --printer p1-tape.bin"
)


def add(app: typer.Typer) -> None:
    """Register every step on `ballotbench device`."""
    app.command("status")(status)
    for name, step in _STEPS.items():
        words, _, arguments = inspect.cleandoc(step.__doc__ or "").partition("\n\nArguments: ")
        example = f"Example: ballotbench device {' '.join([name, *arguments.split()])} {_LINE}"
        app.command(name, help=f"{words}\n\n{example}")(_command(step))


def status(
    journal: Annotated[Path, typer.Argument(help="A device's journal; no device may run on it.")],
    as_json: Json = False,
) -> None:
    """Say where a device stands, from its journal alone.

    Example: ballotbench device status p1.sqlite
    """
    if not journal.is_file():
        raise ConsoleError(f"{journal}: no such journal")
    with Journal(journal) as opened:
        document = opened.state()
        sheet_in_doubt = opened.open_intention() is not None
    if not document:
        raise ConsoleError(f"{journal}: is new: no device has been configured with it")
    shown = describe(
        DeviceState(document["state"]),
        Mode(document["mode"]),
        frozenset(Failure(word) for word in document["failures"]),
        document["counters"],
    )
    shown |= {
        "precinct": document["precinct_id"],
        "device": document["device_id"],
        "box_counter": document["box_counter"],
        "sheet_in_doubt": sheet_in_doubt,
    }
    _show(shown, as_json)
    if sheet_in_doubt and not as_json:
        stdout.print("A sheet's step is open: the next command settles it, or asks for a person.")


# --- the steps -----------------------------------------------------------------------------


def _configure(device: PrecinctDevice, people: People) -> None:
    """Tie a new journal to this election, precinct and device (a bench does it by itself)."""
    if device.state is DeviceState.UNCONFIGURED:
        device.configure(present=people)


def _mode(
    device: PrecinctDevice,
    people: People,
    to: Annotated[Mode, typer.Argument(help="official or test.")],
) -> None:
    """Go to test or official mode. Clears every record; official ones must have been exported.

    Arguments: test
    """
    device.set_mode(to, present=people)


def _self_test(device: PrecinctDevice, people: People) -> tuple[Check, ...]:
    """Check journal, scanner, clock, key and failures."""
    return device.self_test(present=people)


def _readiness(
    device: PrecinctDevice,
    people: People,
    options: DeviceOptions,
    out: Annotated[Path, typer.Option("--out", help="Folder for readiness.pdf and .json.")],
    expect: Annotated[
        str | None, typer.Option(help="Certified software: file of `device identity`, or hash.")
    ] = None,
) -> tuple[Check, ...]:
    """Try every part before the day, with blank papers of every style in the tray; write a report.

    Arguments: --out readiness
    """
    from console.firmware import compared
    from console.readiness_pdf import render_pdf
    from scanner.sheet import SheetReader

    software = None if expect is None else compared(expect, device.setup.firmware)

    reader = SheetReader(device.setup.election, device.setup.profile)
    made = device.readiness(
        lambda images: reader.read_images(images).pages,
        reader.pages.thresholds,
        present=people,
        media=options.media(),
        software=software,
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "readiness.json").write_bytes(to_json_bytes(made.as_json()))
    (out / "readiness.pdf").write_bytes(render_pdf(made))
    bad = {check.name for check in (*made.failed, *made.untried)}
    return tuple(Check(c.name, c.name not in bad, c.detail) for c in made.checks)


def _zero_tape(device: PrecinctDevice, people: People) -> None:
    """Print the zero tape, over an empty box and an empty journal."""
    device.print_zero_tape(present=people)


def _sign(device: PrecinctDevice, people: People) -> None:
    """Say that the commission has signed the zero tape."""
    device.sign_zero_tape(present=people)


def _open(device: PrecinctDevice, people: People) -> None:
    """Open the polls; official ones open once."""
    device.open_polls(present=people)


def _take(device: PrecinctDevice, people: People) -> None:
    """Take sheets until the tray is empty."""

    def tell(outcome: SheetOutcome) -> None:
        if outcome.kind is not OutcomeKind.ACCEPTED:
            stderr.print(f"sheet {outcome.kind}: {outcome.detail}", markup=False, soft_wrap=True)

    take_sheets(device, tell)


def _pause(device: PrecinctDevice, people: People) -> None:
    """Pause the polls; prints a slip with the sheets so far."""
    device.pause(present=people)


def _resume(device: PrecinctDevice, people: People) -> None:
    """Go on after a pause; prints a slip with the sheets so far."""
    device.resume(present=people)


def _paper(
    device: PrecinctDevice,
    people: People,
    place: Annotated[str, typer.Argument(help="Where the sheet was found: in-box or outside.")],
    seen_by: Annotated[str, typer.Option("--seen-by", help="Who looked; goes into the log.")],
) -> None:
    """Say where a sheet is that the scanner lost after a cut.

    Arguments: in-box --seen-by NAME
    """
    if place not in ("in-box", "outside"):
        raise typer.BadParameter("say in-box or outside", param_hint="PLACE")
    _somebody(seen_by)
    device.answer_sheet_place(in_box=place == "in-box", by=seen_by, present=people)


def _somebody(name: str) -> None:
    if not name.strip():
        raise typer.BadParameter("say who looked", param_hint="--seen-by")


def _clear(
    device: PrecinctDevice,
    people: People,
    failure: Annotated[Failure, typer.Argument(help="The failure that was put right.")],
) -> None:
    """Say that a failure is put right, where it does not end by itself.

    Arguments: tamper_seal_broken
    """
    device.clear_failure(failure, present=people)


def _box(device: PrecinctDevice, people: People) -> None:
    """The box is opened before witnesses, to make room; the counters stay."""
    device.reopen_box(present=people)


def _close(device: PrecinctDevice, people: People) -> None:
    """Close the polls."""
    device.close_polls(present=people)


def _close_dead(
    device: PrecinctDevice,
    people: People,
    seen_by: Annotated[str, typer.Option("--seen-by", help="Who looked; goes into the log.")],
    box_read: Annotated[
        int | None, typer.Option(min=0, help="Sheets in the box, read from the box's own counter.")
    ] = None,
    box_not_known: Annotated[bool, typer.Option(help="Nobody can read the box.")] = False,
    paper: Annotated[
        str | None, typer.Option(help="Where an open step's sheet was found: in-box or outside.")
    ] = None,
) -> None:
    """Close the polls with a dead scanner (chair and technician); the box is what people say.

    Tape, package and log say that nothing has checked it, and the tally makes it a finding.

    Arguments: --box-read 412 --seen-by NAME
    """
    if (box_read is None) is not box_not_known:
        raise typer.BadParameter("give it or --box-not-known", param_hint="--box-read")
    if paper not in (None, "in-box", "outside"):
        raise typer.BadParameter("say in-box or outside", param_hint="--paper")
    _somebody(seen_by)
    device.close_without_scanner(
        box_counter=box_read,
        said_by=seen_by,
        in_box=None if paper is None else paper == "in-box",
        present=people,
    )


def _reopen(device: PrecinctDevice, people: People) -> None:
    """Undo a close that came too early: to paused, while no results have left."""
    device.reopen_polls(present=people)


def _results(device: PrecinctDevice, people: People, issued: Issued = None) -> None:
    """Print the results tape."""
    device.print_results(issued=_told(issued), present=people)


def _export(
    device: PrecinctDevice,
    people: People,
    export: Annotated[Path, typer.Option("--export", help="Results package to write (.zip).")],
    issued: Issued = None,
    overwrite: Annotated[bool, typer.Option(help="Write over whatever is at --export.")] = False,
) -> None:
    """Write the signed results package.

    Arguments: --export p1.zip
    """
    check_target(
        export,
        precinct_id=device.setup.precinct_id,
        device_id=device.setup.signer.identity.device_id,
        overwrite=overwrite,
    )
    device.export(
        issued=_told(issued),
        present=people,
        save=partial(write_package, export),
    )


def _seal(device: PrecinctDevice, people: People) -> None:
    """Seal the device: from then on it can only be read."""
    device.seal(present=people)


_STEPS: Mapping[str, Callable[..., object]] = {
    "configure": _configure,
    "mode": _mode,
    "self-test": _self_test,
    "readiness": _readiness,
    "zero-tape": _zero_tape,
    "sign": _sign,
    "open": _open,
    "take": _take,
    "pause": _pause,
    "resume": _resume,
    "paper": _paper,
    "clear": _clear,
    "box": _box,
    "close": _close,
    "close-dead": _close_dead,
    "reopen": _reopen,
    "results": _results,
    "export": _export,
    "seal": _seal,
}


#: Steps of a day whose scanner may be dead.
_NO_SCANNER = (_close_dead, _results, _export, _seal)


def _told(issued: list[str] | None) -> dict[str, int] | None:
    """None, where nothing is said: what the tape was printed with stands."""
    return issued_papers(issued) if issued else None


# --- what all steps share ------------------------------------------------------------------


def _shared(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    precinct: PrecinctOption,
    journal: Annotated[Path, typer.Option(help="The device's journal.")],
    keys: Annotated[Path, typer.Option(help="Directory made by `ballotbench keys`.")],
    device_id: Annotated[str, typer.Option("--device", help="Device id, as issued.")],
    scanner: Annotated[str, typer.Option(help="Scanner: serial port or URL.")],
    printer: Annotated[str, typer.Option(help="Printer: serial port or file.")],
    profile: Annotated[str | None, typer.Option(help="Another profile: id or TOML file.")] = None,
    medium: Annotated[Path | None, typer.Option(help="Removable medium (folder).")] = None,
    replaces: Annotated[Path | None, typer.Option(help="Medium of a dead device.")] = None,
    replaces_box: Annotated[int | None, typer.Option(min=0, help="Sheets in its box.")] = None,
    sensors: Annotated[
        Path | None, typer.Option(help="File of failures that hold now, one word a line.")
    ] = None,
    ups: UpsOption = None,
    clock: ClockOption = None,
    officers: OfficerOption = None,
    pin_file: PinFileOption = None,
    token_pin_file: TokenPinFileOption = None,
    ask_voter: Annotated[bool, typer.Option(help="Ask the voter at this terminal.")] = False,
    second_journal: SecondJournal = None,
    stop_on_storage_failure: StopOnStorageFailure = False,
    tape_width: TapeWidth = "80mm",
) -> DeviceOptions:
    """Options of every step, in the order of `DeviceOptions`."""
    given: dict[str, Any] = dict(locals())
    paper_of(tape_width)
    place = place_given(precinct)
    return DeviceOptions(**{**given, "precinct": place, "officers": tuple(officers or ())})


def _command(step: Callable[..., object]) -> Callable[..., None]:
    """The command of a step: its own arguments, then the shared ones."""
    own = [p for p in list(inspect.signature(step).parameters.values())[2:] if p.name != _WHOLE]
    shared = list(inspect.signature(_shared).parameters.values())
    names = {parameter.name for parameter in own}

    def command(**given: Any) -> None:
        as_json = given.pop("as_json")
        mine = {name: given.pop(name) for name in names}
        _run(_shared(**given), partial(step, **mine), as_json)

    hints = get_type_hints(step, include_extras=True)
    hints |= get_type_hints(_shared, include_extras=True)
    hints |= {"as_json": Json, "return": None}
    keyword = inspect.Parameter.KEYWORD_ONLY
    last = inspect.Parameter("as_json", keyword, default=False)
    parameters = [
        parameter.replace(kind=keyword, annotation=hints[parameter.name])
        for parameter in (*own, *shared, last)
    ]
    vars(command)["__signature__"] = inspect.Signature(parameters)
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


#: The name under which a step takes the whole of the shared options, where it needs them.
_WHOLE = "options"


def _run(options: DeviceOptions, step: partial[object], as_json: bool) -> None:
    check_distinct(
        {
            "ELECTION": options.election,
            "--journal": options.journal,
            "--printer": Path(options.printer),
            "--export": step.keywords.get("export"),
            "--medium": options.medium,
            "--replaces": options.replaces,
            "--second-journal": options.second_journal,
        }
    )
    slots = options.people()
    setup = options.setup(slots)
    with open_device(
        options, setup, watch=Stopwatch(), reads=False, without_scanner=step.func in _NO_SCANNER
    ) as device:
        whole = {_WHOLE: options} if _WHOLE in inspect.signature(step.func).parameters else {}
        made = step(device, [slot.person for slot in slots], **whole)
        shown = described(device)
        findings = device.findings() if device.state.has_begun else ()
        totals = device.totals() if findings and device.state.is_closed else None
    checks = made if isinstance(made, tuple) else ()
    failed = [check for check in checks if isinstance(check, Check) and not check.passed]
    if failed:
        shown["failed"] = {check.name: check.detail for check in failed}
    if findings:
        shown["findings"] = list(findings)
    _show(shown, as_json)
    for check in failed:
        stderr.print(f"self-test: {check.name}: {check.detail}", markup=False, soft_wrap=True)
    if findings:
        stderr.print(finding_words(shown, totals), markup=False, soft_wrap=True)
    if failed or findings:
        raise typer.Exit(1)


def _show(shown: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json(dict(shown))
        return
    for line in lines_of(shown):
        stdout.print(line, markup=False, highlight=False, soft_wrap=True)
