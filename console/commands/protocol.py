"""`ballotbench protocol`: the precinct commission's form, from the count to the signatures."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout
from console.errors import ConsoleError
from console.intake import election_and_rules, moment
from console.officers import PinFileOption
from console.protocol.forms import FORM_COMMANDS
from console.protocol.people import members_of, proved
from console.protocol.sources import (
    AtOption,
    HandOption,
    PackageOption,
    PollbookOption,
    SourceFiles,
    TrustOption,
    gather,
)
from console.protocol.words import (
    LANGUAGES,
    in_languages,
    line_to_read,
    state_as_json,
    state_in_words,
)
from tally.protocol.record import CountRecord
from tally.protocol.steps import CountState, StepError

app = typer.Typer(
    help="Draw up, read aloud, sign and print the protocol of a precinct.", no_args_is_help=True
)

RecordArgument = Annotated[Path, typer.Argument(help="Record of the count (`protocol begin`).")]
ElectionOption = Annotated[Path, typer.Option(help="Election definition.")]
ProfileOption = Annotated[str | None, typer.Option(help="Profile, if not the election's.")]
ByOption = Annotated[list[str], typer.Option("--by", help="Member who acts, by id; repeated.")]
KeysOption = Annotated[
    Path | None, typer.Option(help="Folder with the register of people, where PINs are asked.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def register(parent: typer.Typer) -> None:
    """Add `protocol` to the command line."""
    parent.add_typer(app, name="protocol")


def now_text() -> str:
    """The present time as records and forms have it: ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@app.command("begin")
def begin(
    record: Annotated[Path, typer.Argument(help="Record to begin.")],
    election: ElectionOption,
    precinct: Annotated[str, typer.Option(help="Precinct whose count it is.")],
    member: Annotated[
        list[str], typer.Option("--member", help="Member present: ID or ID:ROLE; repeated.")
    ],
    package: PackageOption = None,
    pollbook: PollbookOption = None,
    hand: HandOption = None,
    trust: TrustOption = None,
    keys: KeysOption = None,
    profile: ProfileOption = None,
    at: AtOption = None,
    as_json: AsJson = False,
) -> None:
    """Begin the record of a precinct's count; devices and pollbook are written down as witnesses.

    With --keys that has a register of people every member proves by PIN who acts. Figures are
    keyed in by two members each; where they differ from each other, or from what a device or the
    pollbook says, they are settled in the open.

    Example: ballotbench protocol begin p1.record --election election.json --precinct p1
    --member chair-1:chair --member member-2 --package p1.zip --pollbook pollbook.json --trust keys
    """
    definition, rules = election_and_rules(election, profile)
    if not definition.has_precinct(precinct):
        raise ConsoleError(f"{precinct!r} is no precinct of {definition.id}")
    members = members_of(member, keys, precinct)
    files = SourceFiles(package or (), pollbook, hand, trust)
    # Before the record is there: a source that is refused leaves nothing behind.
    evidence = gather(files, definition, rules, precinct, moment(at))
    identified = _has_register(keys)
    begun = CountRecord.begin(
        record, definition, rules, precinct, members, at=now_text(), identified=identified
    )
    for one in evidence:
        begun.add_evidence(one, at=now_text())
    _show(begun.state(), precinct, as_json)


@app.command("enter")
def enter(
    record: RecordArgument,
    election: ElectionOption,
    by: Annotated[str, typer.Option("--by", help="Member who keys in, by id.")],
    given: Annotated[
        list[str] | None, typer.Option("--set", help="FIGURE=NUMBER in place of asking; repeated.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="CSV with the columns figure,value, in place of asking.")
    ] = None,
    keys: KeysOption = None,
    pin_file: PinFileOption = None,
    profile: ProfileOption = None,
    language: Annotated[str, typer.Option(help="Language of the questions.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Key in figures: those of the step that is due, one by one; an empty answer stops.

    Each figure is on the disk before the next is asked. The other member's numbers are not
    shown.

    Example: ballotbench protocol enter p1.record --election election.json --by member-2
    """
    begun = CountRecord(record, *election_and_rules(election, profile))
    (member,) = proved(begun, [by], keys, pin_file)
    pairs = [_pair(text) for text in given or ()] + ([] if figures is None else _rows(figures))
    state = begun.state()
    for figure, value in pairs:
        state = begun.enter(figure, value, by=member, at=now_text())
    if not pairs:
        state = _ask(begun, member, language)
    _show(state, begun.precinct, as_json)


@app.command("settle")
def settle(
    record: RecordArgument,
    figure: Annotated[str, typer.Argument(help="Figure that differs (`protocol status`).")],
    value: Annotated[int, typer.Argument(help="What it was found to be.")],
    election: ElectionOption,
    reason: Annotated[str, typer.Option(help="How that was found; it stands in the form.")],
    by: ByOption,
    keys: KeysOption = None,
    pin_file: PinFileOption = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
) -> None:
    """Settle a figure on which entries, or entries and a device, differ; two members at least.

    Example: ballotbench protocol settle p1.record papers.list.in_box 412 --election election.json
    --reason "counted again aloud" --by chair-1 --by member-2
    """
    begun = CountRecord(record, *election_and_rules(election, profile))
    people = proved(begun, by, keys, pin_file)
    state = begun.settle(figure, value, reason=reason, by=people, at=now_text())
    _show(state, begun.precinct, as_json)


@app.command("step")
def step(
    record: RecordArgument,
    name: Annotated[str, typer.Argument(help="Step that was done (`protocol status`).")],
    election: ElectionOption,
    by: ByOption,
    keys: KeysOption = None,
    pin_file: PinFileOption = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
) -> None:
    """Two members say that a step without figures was done.

    Example: ballotbench protocol step p1.record choices_announced --election election.json
    --by chair-1 --by member-2
    """
    begun = CountRecord(record, *election_and_rules(election, profile))
    people = proved(begun, by, keys, pin_file)
    _show(begun.step(name, by=people, at=now_text()), begun.precinct, as_json)


@app.command("skip")
def skip(
    record: RecordArgument,
    name: Annotated[str, typer.Argument(help="Step that is skipped.")],
    election: ElectionOption,
    reason: Annotated[str, typer.Option(help="Why; it stands in the protocol for everyone.")],
    by: ByOption,
    keys: KeysOption = None,
    pin_file: PinFileOption = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
) -> None:
    """Skip the step that is due; the signed protocol reports it with reason and names.

    Example: ballotbench protocol skip p1.record choices_announced --election election.json
    --reason "power cut, ballots sealed until morning" --by chair-1 --by member-2
    """
    begun = CountRecord(record, *election_and_rules(election, profile))
    people = proved(begun, by, keys, pin_file)
    _show(begun.skip(name, reason=reason, by=people, at=now_text()), begun.precinct, as_json)


@app.command("read")
def read(
    record: RecordArgument,
    election: ElectionOption,
    by: ByOption,
    languages: Annotated[
        str, typer.Option("--language", help="Languages of the lines, e.g. kk,ru.")
    ] = ",".join(LANGUAGES),
    heard: Annotated[
        bool, typer.Option("--heard", help="All lines were read aloud: do not ask after each.")
    ] = False,
    keys: KeysOption = None,
    pin_file: PinFileOption = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
) -> None:
    """Show the lines of the finished form to be read aloud, each confirmed by Enter.

    Example: ballotbench protocol read p1.record --election election.json --by chair-1
    --language kk,ru
    """
    wanted = languages.split(",")
    begun = CountRecord(record, *election_and_rules(election, profile))
    people = proved(begun, by, keys, pin_file)
    state = begun.state()
    for line in state.lines:
        value = state.value(line.path)
        if value is None:
            raise StepError(f"{line.path} is not established: the form is read when it is complete")
        if state.read.get(line.path) == value:
            continue
        words = line_to_read(line, value, wanted)
        if not heard and _answer(words) is None:
            break
        if heard and not as_json:
            stdout.print(words, markup=False, highlight=False, soft_wrap=True)
        state = begun.read_line(line.path, value, by=people, at=now_text())
    _show(state, begun.precinct, as_json)


@app.command("status")
def status(
    record: RecordArgument,
    election: ElectionOption,
    profile: ProfileOption = None,
    as_json: AsJson = False,
) -> None:
    """Show how far a count has come, what differs, and what is to be done next.

    Example: ballotbench protocol status p1.record --election election.json
    """
    begun = CountRecord(record, *election_and_rules(election, profile))
    _show(begun.state(), begun.precinct, as_json)


# Once, after the commands above, and not in `register`, which may be called again.
for _name, _command in FORM_COMMANDS:
    app.command(_name)(_command)


def _show(state: CountState, precinct: str, as_json: bool) -> None:
    """The state; exit 1 while figures differ."""
    if as_json:
        emit_json(state_as_json(state, precinct))
    else:
        for line in state_in_words(state, precinct):
            stdout.print(line, markup=False, highlight=False, soft_wrap=True)
    if state.differing():
        raise typer.Exit(1)


def _ask(begun: CountRecord, member: str, language: str) -> CountState:
    """Ask for each figure that this member has not keyed in; stops at an empty answer."""
    state = begun.state()
    while waiting := state.open_lines(member):
        line = waiting[0]
        of, title = in_languages(line.of_title, [language]), in_languages(line.title, [language])
        answer = _answer(f"{of}: {title}")
        if not answer:
            break
        try:
            state = begun.enter(line.path, _number(answer, line.path), by=member, at=now_text())
        except ConsoleError as error:
            typer.echo(str(error), err=True)
    return state


def _answer(question: str) -> str | None:
    """What was answered; None at the end of the input."""
    try:
        return str(typer.prompt(question, default="", show_default=False, err=True)).strip()
    except typer.Abort:  # what was keyed in before stays
        return None


def _pair(text: str) -> tuple[str, int]:
    figure, equals, number = text.rpartition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r}: write FIGURE=NUMBER", param_hint="--set")
    return figure.strip(), _number(number.strip(), figure.strip())


def _rows(path: Path) -> list[tuple[str, int]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.reader(stream, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConsoleError(f"{path}: is not CSV in UTF-8: {error}") from error
    if not rows or [cell.strip() for cell in rows[0]] != ["figure", "value"]:
        raise ConsoleError(f"{path}: line 1: the header must be figure,value")
    found: list[tuple[str, int]] = []
    for number, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != 2:
            raise ConsoleError(f"{path}: line {number}: has {len(cells)} cells, must have 2")
        found.append((cells[0].strip(), _number(cells[1].strip(), f"{path}: line {number}")))
    return found


def _number(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ConsoleError(f"{where}: {text[:40]!r} is not a whole number in digits")
    return int(text)


def _has_register(keys: Path | None) -> bool:
    from firmware_sim.people import PeopleRegister

    if keys is None:
        return False
    if PeopleRegister.of(keys) is None:
        raise ConsoleError(f"{keys} has no register of people: leave --keys out, or add people")
    return True
