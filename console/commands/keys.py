"""`ballotbench keys`: the authority and its devices' certificates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from console.common import emit_json, stdout
from firmware_sim import trust
from firmware_sim.medium import RECOVERY_KEY, create_recovery_key

DirectoryArgument = Annotated[Path, typer.Argument(help="Directory of the authority.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File whose first line opens (or protects) the authority's key."),
]

app = typer.Typer(
    help="Make an authority, certify precinct devices, withdraw them.", no_args_is_help=True
)


def register(parent: typer.Typer) -> None:
    """Add `keys` to the command line."""
    parent.add_typer(app, name="keys")


@app.command("init")
def init(
    directory: DirectoryArgument,
    name: Annotated[str, typer.Option(help="Name in the root certificate.")],
    days: Annotated[int, typer.Option(help="Days the root is valid.")] = 3650,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a root key and certificate and an empty revocation list.

    Example: ballotbench keys init keys --name "Central commission (test)"
    """
    root = trust.create_authority(
        directory,
        name=name,
        now=datetime.now(UTC),
        valid_days=days,
        passphrase=_passphrase(passphrase_file),
    )
    if as_json:
        emit_json({"authority": str(root), "revoked": str(directory / trust.REVOKED)})
        return
    stdout.print(
        f"Authority made: give {root} and {directory / trust.REVOKED} to everyone who verifies; "
        f"keep {trust.AUTHORITY_KEY} to yourself.",
        soft_wrap=True,
    )


@app.command("issue")
def issue(
    directory: DirectoryArgument,
    device: Annotated[str, typer.Argument(help="Device id, e.g. scanner-001.")],
    precinct: Annotated[str, typer.Option(help="Precinct the device serves.")],
    days: Annotated[int, typer.Option(help="Days the certificate is valid.")] = 365,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a device's key and certificate.

    Example: ballotbench keys issue keys scanner-001 --precinct precinct-1
    """
    paths = trust.issue_device(
        directory,
        device,
        precinct_id=precinct,
        now=datetime.now(UTC),
        valid_days=days,
        passphrase=_passphrase(passphrase_file),
    )
    if as_json:
        emit_json({"certificate": str(paths.certificate), "key": str(paths.key)})
        return
    stdout.print(f"Device {device} certified for {precinct}: {paths.certificate}", soft_wrap=True)


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


@app.command("show")
def show(directory: DirectoryArgument, as_json: AsJson = False) -> None:
    """List the authority and every device with its precinct, validity and state.

    Example: ballotbench keys show keys
    """
    store = trust.TrustStore.load(directory)
    devices = trust.list_devices(directory)
    root = store.root
    value: dict[str, Any] = {
        "authority": root.subject.rfc4514_string(),
        "sha256": store.fingerprint,
        "valid_until": f"{root.not_valid_after_utc:%Y-%m-%d}",
        "devices": [
            {
                "device": identity.device_id,
                "precinct": identity.precinct_id,
                "serial": f"{identity.certificate_serial:x}",
                "valid_from": f"{identity.not_before:%Y-%m-%d}",
                "valid_until": f"{identity.not_after:%Y-%m-%d}",
                "revoked": None if revoked is None else f"{revoked:%Y-%m-%d}",
            }
            for identity, revoked in devices
        ],
    }
    if as_json:
        emit_json(value)
        return
    stdout.print(f"{value['authority']}, valid until {value['valid_until']}", soft_wrap=True)
    stdout.print(f"SHA-256 {value['sha256']}", soft_wrap=True)
    for row in value["devices"]:
        state = f"revoked {row['revoked']}" if row["revoked"] else f"until {row['valid_until']}"
        stdout.print(f"  {row['device']}  {row['precinct']}  {state}", soft_wrap=True)
    if not devices:
        stdout.print("  no devices yet: ballotbench keys issue DIR DEVICE --precinct P")


def _passphrase(path: Path | None) -> bytes | None:
    # From a file, not an argument: arguments are seen by every user of the machine.
    if path is None:
        return None
    lines = path.read_bytes().splitlines()
    if not lines or not lines[0]:
        raise typer.BadParameter(f"{path} is empty", param_hint="--passphrase-file")
    return lines[0]
