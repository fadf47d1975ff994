"""`ballotbench protocol draw-up | sign | check | print`: the form as a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from console.common import emit_json, stdout
from console.errors import ConsoleError
from console.intake import election_and_rules, moment
from console.officers import PinFileOption, TokenPinFileOption, present, token_pin
from console.protocol.people import members_of
from console.protocol.printing import print_pdf
from console.protocol.sources import (
    AtOption,
    HandOption,
    PackageOption,
    PollbookOption,
    SourceFiles,
    TrustOption,
    gather,
)
from console.protocol.words import form_as_json, form_in_words
from election.model import Election
from election.profile import Profile
from firmware_sim.keyfiles import replace_file
from tally.protocol.drawing import check_drawn, draw_from_evidence, draw_from_record
from tally.protocol.findings import ProtocolFinding, check_form
from tally.protocol.form import MAX_FORM_BYTES, PrecinctForm, parse_form
from tally.protocol.record import CountRecord
from tally.protocol.sealed import add_signature, is_protocol, read_protocol
from tally.protocol.signing import check_member, check_ready, check_record, sign_protocol

ElectionOption = Annotated[Path, typer.Option(help="Election definition.")]
ProfileOption = Annotated[str | None, typer.Option(help="Profile, if not the election's.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
MAX_FILE_BYTES = 2 * MAX_FORM_BYTES


def draw_up(
    election: Annotated[Path, typer.Argument(help="Election definition.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Form to write (JSON).")],
    record: Annotated[
        Path | None, typer.Option(help="Record of the count, with everything that is in it.")
    ] = None,
    precinct: Annotated[
        str | None, typer.Option(help="Precinct, where there is no record.")
    ] = None,
    package: PackageOption = None,
    pollbook: PollbookOption = None,
    hand: HandOption = None,
    trust: TrustOption = None,
    member: Annotated[
        list[str] | None,
        typer.Option("--member", help="Member present, ID or ID:ROLE, where there is no record."),
    ] = None,
    profile: ProfileOption = None,
    at: AtOption = None,
    as_json: AsJson = False,
) -> None:
    """Draw up the form of a precinct: from the record of its count, or from sources alone.

    Without a record no step of the count is known to have been done, and the form says so. Where
    sources differ the law's precedence decides, and the form says that; where the law is silent
    nothing is drawn up. Every breach of a control ratio is listed, none is mended; exit 1 then.

    Example: ballotbench protocol draw-up election.json --record p1.record --out p1.json

    Example: ballotbench protocol draw-up election.json --precinct p1 --package p1.zip
    --pollbook pollbook.json --trust keys --out p1.json
    """
    definition, rules = election_and_rules(election, profile)
    when = moment(at)
    text = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    sources = SourceFiles(package or (), pollbook, hand, trust)
    if record is not None:
        if precinct or package or pollbook or hand or member:
            raise typer.BadParameter("the record has its sources in it", param_hint="--record")
        form = draw_from_record(CountRecord(record, definition, rules), at=text)
    else:
        if precinct is None:
            raise typer.BadParameter("give it, or a --record", param_hint="--precinct")
        if not definition.has_precinct(precinct):
            raise ConsoleError(f"{precinct!r} is no precinct of {definition.id}")
        evidence = gather(sources, definition, rules, precinct, when)
        members = members_of(member or (), None, precinct)
        form = draw_from_evidence(evidence, definition, rules, precinct, at=text, members=members)
    findings = check_form(form, definition, rules)
    replace_file(out, form.canonical_json())
    _tell(form, findings, definition, rules, as_json, {"form": str(out)})


def sign(
    protocol: Annotated[Path, typer.Argument(help="Form, or a protocol that others signed.")],
    election: ElectionOption,
    member: Annotated[str, typer.Option(help="Member who signs, by id.")],
    keys: Annotated[Path, typer.Option(help="Folder with the member's certificate and key.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Signed protocol to write (zip).")],
    record: Annotated[
        Path | None, typer.Option(help="Record that the form is of: it is closed by this.")
    ] = None,
    pin_file: PinFileOption = None,
    token_pin_file: TokenPinFileOption = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
) -> None:
    """Sign a form as a member of the commission; refused before its last figure.

    The first one signs a form (JSON), the others what that one wrote. Each has a certificate of
    their own: `ballotbench keys issue keys chair-1 --precinct p1 --for member`.

    Example: ballotbench protocol sign p1.json --election election.json --member chair-1
    --keys keys --record p1.record --out p1.protocol.zip
    """
    from firmware_sim.device_keys import load_signer
    from firmware_sim.people import PeopleRegister

    definition, rules = election_and_rules(election, profile)
    data = _read(protocol)
    signed = is_protocol(data)
    form = read_protocol(data, protocol.name).form if signed else parse_form(data, protocol.name)
    check_ready(form, definition, rules)
    check_member(form, member)
    if record is not None:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        check_record(form, CountRecord(record, definition, rules), at=at)
    elif any(file.kind == "record" for file in form.source.files) and not signed:
        raise ConsoleError(f"{protocol.name} was drawn up from a record: give it with --record")
    people = [member] if PeopleRegister.of(keys) is not None else []
    opened = present(keys, people, pin_file, precinct=form.precinct_id)
    signer = load_signer(keys, member, opened=opened, token_pin=token_pin(token_pin_file))
    try:
        if signed:
            made = add_signature(data, signer, protocol.name)
        else:
            made = sign_protocol(form, definition, rules, [signer])
    finally:
        signer.close()
    replace_file(out, made)
    names = sorted(read_protocol(made, out.name).signatures)
    if as_json:
        emit_json({"protocol": str(out), "digest": form.digest, "signed_by": names})
        return
    stdout.print(
        f"{out}: version {form.version} of {form.precinct_id}, signed by {', '.join(names)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def check(
    protocols: Annotated[list[Path], typer.Argument(help="Forms or signed protocols.")],
    election: ElectionOption,
    record: Annotated[
        Path | None, typer.Option(help="Record that the one protocol given was drawn up from.")
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
) -> None:
    """Check figures against the control ratios, and list skipped steps; signatures are not asked.

    `ballotbench verify` proves signatures and quorum too. With --record the form is drawn up again
    from what members keyed in, and must be the same.

    Example: ballotbench protocol check p1.json --election election.json --record p1.record
    """
    definition, rules = election_and_rules(election, profile)
    if record is not None and len(protocols) != 1:
        raise typer.BadParameter("goes with one protocol", param_hint="--record")
    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    for path in protocols:
        form = read_form(path)
        if record is not None:
            check_drawn(form, CountRecord(record, definition, rules))
        findings = check_form(form, definition, rules)
        rows.append({"name": path.name, **form_as_json(form, findings)})
        lines.append(f"{path.name}: precinct {form.precinct_id}, version {form.version}")
        lines += [f"  [{f.severity}] {f.sentence}" for f in findings]
    if as_json:
        emit_json({"protocols": rows})
    else:
        for line in lines:
            stdout.print(line, markup=False, highlight=False, soft_wrap=True)
    if any(f["severity"] != "note" for row in rows for f in row["findings"]):
        raise typer.Exit(1)


def read_form(path: Path) -> PrecinctForm:
    """The form in a file, signed or not; no signature is checked. Raises ProtocolError."""
    data = _read(path)
    if is_protocol(data):
        return read_protocol(data, path.name).form
    return parse_form(data, path.name)


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(MAX_FILE_BYTES + 1)


def _tell(
    form: PrecinctForm,
    findings: tuple[ProtocolFinding, ...],
    election: Election,
    profile: Profile,
    as_json: bool,
    more: dict[str, Any],
) -> None:
    if as_json:
        emit_json({**more, **form_as_json(form, findings)})
    else:
        lines = [f"Protocol of {form.precinct_id}: {more['form']}"]
        lines += form_in_words(form, election, profile)
        lines += [f"[{f.severity}] {f.sentence}" for f in findings]
        for line in lines:
            stdout.print(line, markup=False, highlight=False, soft_wrap=True)
    if any(f.severity == "serious" for f in findings):
        raise typer.Exit(1)


#: In the order of --help, after those on the record.
FORM_COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("draw-up", draw_up),
    ("sign", sign),
    ("check", check),
    ("print", print_pdf),
)
