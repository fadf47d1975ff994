"""`ballotbench device identity`: what the software on this machine is, to certify or compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout
from console.files import replace_bytes
from election.definition import load_election
from election.profile import load_profile
from firmware_sim.identity import (
    FirmwareIdentity,
    code_hash_of,
    configured,
    differences,
    identity_at_start,
)
from firmware_sim.package import to_json_bytes
from tally.firmware import certified_value


def identity(
    election: Annotated[
        Path | None,
        typer.Option(help="Election definition: the hash that stands on its zero tapes."),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Profile, if not the election's.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write for `verify --expect`.")
    ] = None,
    expect: Annotated[
        str | None, typer.Option(help="Compare with this certified file or hash; exit 1 if not.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Hash the installed software, its libraries and, with --election, its configuration.

    Example: ballotbench device identity --election election.json --out certified.json
    """
    found = identity_at_start()
    if election is not None:
        definition = load_election(election)
        found = configured(found, definition, load_profile(profile or definition.profile))
    if out is not None:
        replace_bytes(out, to_json_bytes(found.model_dump(mode="json")))
    findings = compared(expect, found) if expect is not None else []
    value = {
        "hash": found.hash,
        "software_hash": found.software_hash,
        "code_hash": code_hash_of(found),
        "files": len(found.files),
        "libraries": len(found.libraries),
        "file": None if out is None else str(out),
        "findings": findings,
    }
    if as_json:
        emit_json(value)
    else:
        words = "with its configuration" if election is not None else "without configuration"
        lines = [f"SHA-256 {found.hash} ({words})"]
        if election is not None:
            lines.append(f"SHA-256 {found.software_hash} (without)")
        lines.append(f"{len(found.files)} files, {len(found.libraries)} libraries")
        lines += [f"Written: {out}"] if out is not None else []
        for line in [*lines, *findings]:
            stdout.print(line, soft_wrap=True, markup=False, highlight=False)
    if findings:
        raise typer.Exit(1)


def compared(expect: str, found: FirmwareIdentity) -> list[str]:
    """Where software differs from the certified one (a file, or a hash), a line each.

    Raises:
        CertifiedValueError: `expect` is neither.
    """
    path = Path(expect)
    certified = certified_value(expect, path.read_bytes() if path.is_file() else None)
    if isinstance(certified, str):
        known = (found.hash, found.software_hash, code_hash_of(found))
        return (
            []
            if certified in known
            else [f"no hash of this software is {certified}; its own is {found.hash}"]
        )
    return differences(certified, found)
