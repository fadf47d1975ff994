"""`ballotbench keys`: the authority, its regions, and their devices' certificates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.commands.people import people_app
from console.common import emit_json, stdout
from console.keyring import copy_trust, describe, words
from console.officers import TokenPinFileOption, ask_pin, token_pin
from console.places import PrecinctOption, place_given
from election.places import say_place
from firmware_sim import device_keys, trust
from firmware_sim.medium import RECOVERY_KEY, create_recovery_key

DirectoryArgument = Annotated[Path, typer.Argument(help="Directory of the authority.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File whose first line opens (or protects) the authority's key."),
]

app = typer.Typer(
    help="Make an authority and regions, certify precinct devices, withdraw them.",
    no_args_is_help=True,
)
region_app = typer.Typer(
    help="Regions that certify devices in the authority's name.", no_args_is_help=True
)
app.add_typer(region_app, name="region")
app.add_typer(people_app, name="people")


def register(parent: typer.Typer) -> None:
    """Add `keys` to the command line."""
    parent.add_typer(app, name="keys")


@app.command("init")
def init(
    directory: DirectoryArgument,
    name: Annotated[str, typer.Option(help="Name in the root certificate.")],
    days: Annotated[int, typer.Option(help="Days the root is valid.")] = 3650,
    passphrase_file: PassphraseFile = None,
    post_quantum: Annotated[
        bool, typer.Option(help="Also make an ML-DSA-65 root, for second signatures.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Make root keys and certificates and empty revocation lists.

    Example: ballotbench keys init keys --name "Central commission (test)"
    """
    root = trust.create_authority(
        directory,
        name=name,
        now=datetime.now(UTC),
        valid_days=days,
        passphrase=_passphrase(passphrase_file),
        post_quantum=post_quantum,
    )
    if as_json:
        emit_json({"authority": str(root), "revoked": str(directory / trust.REVOKED)})
        return
    stdout.print(
        f"Authority made: give everyone who verifies what `ballotbench keys trust {directory} "
        f"OUT` puts together ({root} and {directory / trust.REVOKED} among it); "
        f"keep {trust.AUTHORITY_KEY} to yourself.",
        soft_wrap=True,
    )


@app.command("issue")
def issue(
    directory: DirectoryArgument,
    device: Annotated[str, typer.Argument(help="Device id, e.g. scanner-001.")],
    precinct: PrecinctOption,
    days: Annotated[int, typer.Option(help="Days the certificate is valid.")] = 365,
    region: Annotated[
        str | None, typer.Option(help="Region that certifies it; the authority if not given.")
    ] = None,
    purpose: Annotated[
        trust.Purpose, typer.Option("--for", help="What its signatures are for.")
    ] = trust.Purpose.RESULTS,
    token: Annotated[
        str | None, typer.Option(help="Label of the PKCS #11 token that is to hold the key.")
    ] = None,
    token_module: Annotated[
        Path | None, typer.Option(help="The token's PKCS #11 library, e.g. libsofthsm2.so.")
    ] = None,
    token_pin_file: TokenPinFileOption = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a device's keys and certificates.

    Where there is a register of people the keys open by its officials' PINs only. With
    --token the key is made in the token and never leaves it.

    Example: ballotbench keys issue keys scanner-001 --precinct precinct-1

    Example: ballotbench keys issue keys scanner-002 --precinct precinct-2 --region north

    Example: ballotbench keys issue keys scanner-004 --precinct precinct-4 --precinct precinct-5

    Example: ballotbench keys issue keys scanner-003 --precinct precinct-3 --token card-3
    --token-module /usr/lib/softhsm/libsofthsm2.so
    """
    place = place_given(precinct)
    paths = device_keys.issue(
        directory,
        device,
        precinct_id=place,
        now=datetime.now(UTC),
        valid_days=days,
        passphrase=_passphrase(passphrase_file),
        region=region,
        purpose=purpose,
        token=_token(token, token_module, token_pin_file),
    )
    kept = paths.token if token else paths.key
    if as_json:
        emit_json({"certificate": str(paths.certificate), "key": str(kept)})
        return
    stdout.print(
        f"Device {device} certified for {say_place(place)}: {paths.certificate}", soft_wrap=True
    )


@app.command("recovery")
def recovery(
    directory: DirectoryArgument,
    passphrase_file: PassphraseFile = None,
    recovery_passphrase_file: Annotated[
        Path | None, typer.Option(help="File whose first line protects the recovery key.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the key that opens the removable media of dead devices.

    Devices get recovery.pem with the trust folder; recovery.key stays with the authority.

    Example: ballotbench keys recovery keys
    """
    place = create_recovery_key(
        directory,
        now=datetime.now(UTC),
        passphrase=_passphrase(passphrase_file),
        key_passphrase=_passphrase(recovery_passphrase_file),
    )
    if as_json:
        emit_json({"certificate": str(place), "key": str(directory / RECOVERY_KEY)})
        return
    stdout.print(
        f"Recovery key made: give {place} to the devices; keep {RECOVERY_KEY} to yourself, away "
        "from them: it opens what their media hold.",
        soft_wrap=True,
    )


@app.command("revoke")
def revoke(
    directory: DirectoryArgument,
    device: Annotated[str, typer.Argument(help="Device id to withdraw.")],
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a device's certificate on the revocation list.

    Example: ballotbench keys revoke keys scanner-001
    """
    serial = trust.revoke(
        directory, device, datetime.now(UTC), passphrase=_passphrase(passphrase_file)
    )
    if as_json:
        emit_json({"device": device, "serial": f"{serial:x}", "revoked": True})
        return
    stdout.print(
        f"Device {device} is revoked (serial {serial:x}). Hand out "
        f"{directory / trust.REVOKED} anew.",
        soft_wrap=True,
    )


@region_app.command("add")
def region_add(
    directory: DirectoryArgument,
    region: Annotated[str, typer.Argument(help="Region id, e.g. north.")],
    name: Annotated[str, typer.Option(help="Name in the region's certificate.")],
    precinct: Annotated[
        list[str] | None,
        typer.Option(help="A precinct it may certify devices for; may be repeated; else any."),
    ] = None,
    days: Annotated[int, typer.Option(help="Days the certificate is valid.")] = 1825,
    passphrase_file: PassphraseFile = None,
    region_passphrase_file: Annotated[
        Path | None, typer.Option(help="File whose first line will protect the region's keys.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Certify a region, which then certifies devices with keys of its own.

    Example: ballotbench keys region add keys north --name "North region" --precinct p1
    """
    folder = trust.add_region(
        directory,
        region,
        name=name,
        precincts=precinct or [],
        now=datetime.now(UTC),
        valid_days=days,
        passphrase=_passphrase(passphrase_file),
        region_passphrase=_passphrase(region_passphrase_file, "--region-passphrase-file"),
    )
    if as_json:
        emit_json({"region": region, "folder": str(folder)})
        return
    stdout.print(f"Region {region} certified: {folder}", soft_wrap=True)


@region_app.command("revoke")
def region_revoke(
    directory: DirectoryArgument,
    region: Annotated[str, typer.Argument(help="Region id to withdraw.")],
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw a region: nothing that its devices sign is accepted any more.

    Example: ballotbench keys region revoke keys north
    """
    serial = trust.revoke_region(
        directory, region, datetime.now(UTC), passphrase=_passphrase(passphrase_file)
    )
    if as_json:
        emit_json({"region": region, "serial": f"{serial:x}", "revoked": True})
        return
    stdout.print(
        f"Region {region} and all its devices are revoked (serial {serial:x}). Hand out the "
        "trust folder anew.",
        soft_wrap=True,
    )


@app.command("trust")
def trust_folder(
    directory: DirectoryArgument,
    out: Annotated[Path, typer.Argument(help="Folder to make for those who verify.")],
    as_json: AsJson = False,
) -> None:
    """Put together what verifiers need: certificates and revocation lists, no key.

    Example: ballotbench keys trust keys trust
    """
    written = copy_trust(directory, out)
    if as_json:
        emit_json({"folder": str(out), "files": written})
        return
    stdout.print(f"{out}: {', '.join(written)}", soft_wrap=True, markup=False)


@app.command("show")
def show(directory: DirectoryArgument, as_json: AsJson = False) -> None:
    """List the authority, its regions, and every device with its precinct and state.

    Example: ballotbench keys show keys
    """
    value = describe(directory)
    if as_json:
        emit_json(value)
        return
    for line in words(value):
        stdout.print(line, soft_wrap=True, markup=False, highlight=False)


def _passphrase(path: Path | None, option: str = "--passphrase-file") -> bytes | None:
    # From a file, not an argument: arguments are seen by every user of the machine.
    if path is None:
        return None
    lines = path.read_bytes().splitlines()
    if not lines or not lines[0]:
        raise typer.BadParameter(f"{path} is empty", param_hint=option)
    return lines[0]


def _token(
    label: str | None, module: Path | None, pin_file: Path | None
) -> device_keys.TokenPlace | None:
    if label is None and module is None:
        return None
    if label is None or module is None:
        raise typer.BadParameter("give both, or neither", param_hint="--token, --token-module")
    pin = token_pin(pin_file)
    return device_keys.TokenPlace(
        str(module),
        label,
        pin if pin is not None else ask_pin(f"token {label}", option="--token-pin-file"),
    )
