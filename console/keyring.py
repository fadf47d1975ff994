"""What `ballotbench keys` shows and hands out of a keys directory; never a key."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes

from console.errors import ConsoleError
from election.places import say_place
from firmware_sim import trust
from firmware_sim.keyfiles import CaPaths, authority_paths, region_paths


def copy_trust(directory: Path, out: Path) -> list[str]:
    """Copy certificates and revocation lists of the authority and its regions to `out`.

    Files that are there are replaced; returns the names of those written.

    Raises:
        KeyFileError: something in the directory is not of this authority.
        ConsoleError: `out` holds keys: it is no folder to hand out.
    """
    if any(out.rglob("*.key")):
        raise ConsoleError(f"{out} holds keys: choose an empty folder to hand out")
    trust.TrustStore.load(directory)  # nothing is handed out that would not be accepted
    sources: list[CaPaths] = []
    for second in (False, True):
        sources.append(authority_paths(directory, post_quantum=second))
        sources += [
            region_paths(directory, row.region_id, post_quantum=second)
            for row in trust.list_regions(directory)
        ]
    written = []
    for files in sources:
        for file in (files.certificate, files.revoked):
            if not file.exists():
                continue
            name = file.relative_to(directory)
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, out / name)
            written.append(name.as_posix())
    return sorted(written)


def describe(directory: Path) -> dict[str, Any]:
    """The authority, its regions and devices, for JSON."""
    store = trust.TrustStore.load(directory)
    second = None if store.second is None else store.second.root
    return {
        "authority": store.root.subject.rfc4514_string(),
        "sha256": store.fingerprint,
        "mldsa_sha256": None if second is None else second.fingerprint(hashes.SHA256()).hex(),
        "valid_until": f"{store.root.not_valid_after_utc:%Y-%m-%d}",
        "regions": [
            {
                "region": row.region_id,
                "name": row.name,
                "precincts": list(row.precincts),
                "valid_until": f"{row.not_after:%Y-%m-%d}",
                "revoked": None if row.revoked is None else f"{row.revoked:%Y-%m-%d}",
            }
            for row in trust.list_regions(directory)
        ],
        "devices": [
            {
                "device": identity.device_id,
                "precinct": identity.precinct_id,
                "region": identity.region_id,
                "for": identity.purpose,
                "second_signature": identity.promised is not None,
                "token": trust.device_paths(directory, identity.device_id).token.exists(),
                "serial": f"{identity.certificate_serial:x}",
                "valid_from": f"{identity.not_before:%Y-%m-%d}",
                "valid_until": f"{identity.not_after:%Y-%m-%d}",
                "revoked": None if revoked is None else f"{revoked:%Y-%m-%d}",
            }
            for identity, revoked in trust.list_devices(directory)
        ],
    }


def words(value: dict[str, Any]) -> list[str]:
    """`describe` in lines for people."""
    lines = [f"{value['authority']}, valid until {value['valid_until']}"]
    lines.append(f"SHA-256 {value['sha256']}")
    if value["mldsa_sha256"]:
        lines.append(f"SHA-256 {value['mldsa_sha256']} (ML-DSA-65 root)")
    for row in value["regions"]:
        below = ", ".join(row["precincts"]) or "any precinct"
        lines.append(f"  region {row['region']} ({row['name']}): {below}, {_state(row)}")
    for row in value["devices"]:
        parts = [row["device"], say_place(row["precinct"]), _state(row)]
        parts += [f"region {row['region']}"] if row["region"] else []
        parts += ["key in a token"] if row["token"] else []
        parts += [f"for {row['for']}"] if row["for"] != "results" else []
        lines.append(f"  {'  '.join(parts)}")
    if not value["devices"]:
        lines.append("  no devices yet: ballotbench keys issue DIR DEVICE --precinct P")
    return lines


def _state(row: dict[str, Any]) -> str:
    return f"revoked {row['revoked']}" if row["revoked"] else f"until {row['valid_until']}"
