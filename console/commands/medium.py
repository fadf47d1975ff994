"""`ballotbench medium`: the removable medium of a device, dead or alive (NVT-03, NVT-11)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from console.common import emit_json, stderr, stdout
from console.files import replace_text
from console.intake import election_and_rules, moment
from election.model import Election
from election.places import has_place, say_place
from election.profile import Profile
from firmware_sim.errors import MediumError
from firmware_sim.medium import (
    RecordForm,
    Slot,
    load_recovery_key,
    open_recovered,
    open_slot,
    read_medium,
    recovered_file,
)
from firmware_sim.medium.join import slot_name
from firmware_sim.medium.proof import check_inclusion, inclusion_proof
from firmware_sim.medium.reading import checked_slot, recovered_slot
from firmware_sim.package import JOIN, read_package
from firmware_sim.trust import TrustStore

Trust = Annotated[Path, typer.Option(help="Folder of authority.pem and revoked.pem.")]
At = Annotated[str | None, typer.Option(help="Check certificates as of this time.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ElectionFile = Annotated[Path, typer.Option(help="Election definition.")]
ProfileName = Annotated[str | None, typer.Option(help="Profile, if not the election's.")]

app = typer.Typer(
    help="Read a device's removable medium; prove that a record is in a count.",
    no_args_is_help=True,
)


def register(parent: typer.Typer) -> None:
    """Add `medium` to the command line."""
    parent.add_typer(app, name="medium")


@app.command("show")
def show(
    place: Annotated[Path, typer.Argument(help="The medium, a package with a join, or a .medium.")],
    trust: Trust,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Check signatures and say what is counted, without any key; exit 1 on a finding.

    Example: ballotbench medium show /media/usb --trust keys
    """
    slots, faults = _slots(place, TrustStore.load(trust), at)
    _report([_head(slot) for slot in slots], faults, as_json)


@app.command("read")
def read(
    place: Annotated[Path, typer.Argument(help="The medium, or a package with a join.")],
    trust: Trust,
    election: ElectionFile,
    key: Annotated[Path, typer.Option(help="The authority's recovery.key.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the .medium files.")],
    profile: ProfileName = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File whose first line opens the recovery key.")
    ] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Open what a device wrote and check every record; write a .medium file for the tally.

    From a replacement device's package it opens the dead device's part that travels in it.
    A .medium file can be checked by anyone: it holds the device's signature, and the one key
    that opens this one state. Exit 1 on a finding (a damaged slot).

    Example: ballotbench medium read /media/usb --trust keys --key keys/recovery.key
    --election election.json --out recovered
    """
    store = TrustStore.load(trust)
    definition, rules = election_and_rules(election, profile)
    slots, faults = _slots(place, store, at)
    secret = load_recovery_key(key, _passphrase(passphrase_file))
    rows = []
    for slot in slots:
        form = _form(slot, definition, rules)
        state, content_key = open_slot(slot, secret, form)
        path = out / f"{slot.head.device_id}-{slot.head.writes}.medium"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(recovered_file(slot, content_key))
        rows.append({**_head(slot), "events": len(state.events), "file": str(path)})
    _report(rows, faults, as_json)


@app.command("prove")
def prove(
    recovered: Annotated[Path, typer.Argument(help="A .medium file.")],
    record: Annotated[str, typer.Argument(help="Record id, 32 hex digits.")],
    trust: Trust,
    election: ElectionFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="Proof to write (JSON).")],
    profile: ProfileName = None,
    reveal: Annotated[bool, typer.Option(help="Show the record's content too.")] = False,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a record is in the count that a device signed; tells nothing of the others.

    Example: ballotbench medium prove recovered/scanner-001-40.medium 9f…c2 --trust keys
    --election election.json --out proof.json
    """
    store, when = TrustStore.load(trust), moment(at)
    definition, rules = election_and_rules(election, profile)
    data = recovered.read_bytes()
    slot, _ = recovered_slot(data, store, at=when)
    slot, state = open_recovered(data, store, _form(slot, definition, rules), at=when)
    proof = inclusion_proof(state, slot, record, reveal=reveal)
    replace_text(out, json.dumps(proof, indent=2, sort_keys=True) + "\n")
    if as_json:
        emit_json({"proof": str(out), "record_id": record, "count": slot.head.count})
        return
    _say(f"Record {record} is one of {slot.head.count} of {slot.head.device_id}. Proof: {out}")


@app.command("check")
def check(
    proof: Annotated[Path, typer.Argument(help="A proof made by `medium prove`.")],
    trust: Trust,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Check a proof; needs nothing but the authority's certificate.

    Example: ballotbench medium check proof.json --trust keys
    """
    try:
        value = json.loads(proof.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MediumError(f"{proof}: is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MediumError(f"{proof}: is not an inclusion proof")
    found = check_inclusion(value, TrustStore.load(trust), at=moment(at))
    head = found.head
    if as_json:
        row = {"record_id": found.record_id, "device": head.device_id, "count": head.count}
        emit_json({**row, "precinct": head.precinct_id, "shows_content": found.packed is not None})
        return
    _say(
        f"Record {found.record_id} is one of the {head.count} that device {head.device_id} of "
        f"precinct {say_place(head.precinct_id)} signed for."
    )


def _slots(place: Path, store: TrustStore, at: str | None) -> tuple[list[Slot], list[str]]:
    """The slots of a medium, of a package's join, or of one recovered file, oldest first."""
    when = moment(at)
    if place.is_dir():
        reading = read_medium(place, store, at=when)
        return [*reading.replaced, reading.slot], list(reading.faults)
    data = place.read_bytes()
    if data[:2] != b"PK":
        return [recovered_slot(data, store, at=when)[0]], []
    package = read_package(data, place.name)
    if JOIN not in package.files:
        raise MediumError(f"{place}: the package is not of a replacement device: no {JOIN}")
    count = len(package.document(JOIN)["replaces"])
    slots = []
    for number in range(1, count + 1):
        name = slot_name(number)
        if name not in package.files:
            raise MediumError(f"{place}: {name} is missing from the package")
        slots.append(checked_slot(package.files[name], store, at=when))
    return slots, []


def _form(slot: Slot, election: Election, profile: Profile) -> RecordForm:
    if slot.head.election_hash != election.hash or not has_place(election, slot.head.precinct_id):
        raise MediumError(
            f"the medium of device {slot.head.device_id} is of another election "
            f"({slot.head.election_hash[:16]}…, not {election.hash[:16]}…)"
        )
    return RecordForm(election, profile, slot.head.precinct_id)


def _head(slot: Slot) -> dict[str, Any]:
    head = slot.head
    return {
        "device": head.device_id,
        "precinct": head.precinct_id,
        "mode": head.mode,
        "state": head.state,
        "records": head.count,
        "writes": head.writes,
        "root": head.root,
        "stands_in_for": [replaced.device_id for replaced in head.replaces],
    }


def _report(rows: list[dict[str, Any]], faults: list[str], as_json: bool) -> None:
    if as_json:
        emit_json({"states": rows, "findings": faults})
    else:
        for row in rows:
            written = f" Written: {row['file']}" if "file" in row else ""
            _say(
                f"Device {row['device']}, precinct {say_place(row['precinct'])}, {row['mode']}: "
                f"{row['records']} records, {row['state'].replace('_', ' ')}.{written}"
            )
        for fault in faults:
            stderr.print(f"Finding: {fault}", markup=False, highlight=False, soft_wrap=True)
    if faults:
        raise typer.Exit(1)


def _passphrase(path: Path | None) -> bytes | None:
    if path is None:
        return None
    lines = path.read_bytes().splitlines()
    if not lines or not lines[0]:
        raise typer.BadParameter(f"{path} is empty", param_hint="--passphrase-file")
    return lines[0]


def _say(line: str) -> None:
    stdout.print(line, markup=False, highlight=False, soft_wrap=True)
