"""`ballotbench verify`: are these results packages what they claim to be? (NVT-13)"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from console.common import emit_json, stdout
from console.intake import (
    RequirePostQuantum,
    election_and_rules,
    moment,
    read_files,
    take_in,
    trust_store,
)
from console.verify_inclusion import verify_inclusion
from console.verify_protocols import ProtocolRules, apart, protocol_line, protocol_rows
from console.verify_tapes import verify_tapes
from election.commissions import Commissions, load_commissions
from election.model import Election
from election.places import say_place
from election.profile import Profile
from firmware_sim.errors import FirmwareError, SignatureError
from firmware_sim.medium import RECOVERED_MAGIC, Head
from firmware_sim.package import DEVICE, read_package
from firmware_sim.trust import TrustStore
from tally.batch import check_medium
from tally.firmware import (
    Certified,
    certified_value,
    expected_hash,
    firmware_findings,
    hash_findings,
    recovered_findings,
    software_in,
)
from tally.log_check import check_log
from tally.verification import (
    REASON_OF_FAULT,
    PackageRefusedError,
    RefusalReason,
    VerifiedPackage,
    check_origin,
)

HELP = """Verify results packages: whole, signed by a trusted device, and adding up.

Without --election only wholeness and signature are checked. With --expect the software that
counted is compared with the certified one (`ballotbench device identity`), file by file.

With --photo it proves results tapes from photographs of their codes (JPEG, PNG, TIFF, PDF, or the
codes' text in a .txt), in any order; more photographs may follow, and packages to compare with,
which then need --election.

With --inclusion PROOF it proves, offline, that the one file given (a signed protocol, a decision)
is in the public log of the election; with --consistency also that the log still holds it, or that
it was rewritten.

Signed protocols of precincts (`ballotbench protocol`) are taken among the packages, or as
photographs of their printed codes: every member's signature, the quorum (of --commissions, else 5),
and with --election every control ratio and the steps of the count that were skipped.

With --log an event log that was exported (log/eel.json of a package) is checked alone.

Example: ballotbench verify out/p1.zip out/p2.zip --trust keys --election election.json

Example: ballotbench verify --photo a.jpg b.jpg p1.zip --trust keys --election election.json

Example: ballotbench verify p1.protocol.zip --trust keys --election election.json
--commissions commissions.json

Example: ballotbench verify --inclusion p1.proof.json p1.protocol.zip --trust keys
"""


def register(app: typer.Typer) -> None:
    """Add `verify`."""
    app.command("verify", help=HELP)(verify)


def verify(
    trust: Annotated[Path, typer.Option(help="Folder of authority.pem and revoked.pem.")],
    packages: Annotated[
        list[Path] | None, typer.Argument(help="Package files, or folders of them.")
    ] = None,
    photo: Annotated[
        list[Path] | None, typer.Option(help="Photograph of a results tape's codes.")
    ] = None,
    unpack_to: Annotated[
        Path | None,
        typer.Option("--unpack", help="Folder for a tape's summary, signature, certificates."),
    ] = None,
    inclusion: Annotated[
        Path | None, typer.Option(help="Proof that the file is in the public log.")
    ] = None,
    consistency: Annotated[
        Path | None,
        typer.Option(help="Proof that the log still holds what --inclusion says, or does not."),
    ] = None,
    log: Annotated[
        list[Path] | None, typer.Option(help="Check this exported event log alone.")
    ] = None,
    election: Annotated[
        Path | None, typer.Option(help="Election definition: check the content too.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Profile, if not the election's.")] = None,
    commissions: Annotated[
        Path | None, typer.Option(help="The tree of commissions: whose quorum a protocol needs.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Check certificates as of this time.")] = None,
    require_post_quantum: RequirePostQuantum = False,
    expect: Annotated[
        str | None, typer.Option(help="Certified software: file of `device identity`, or hash.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """One line a package; exit 1 if any is refused."""
    store = trust_store(trust, require_post_quantum=require_post_quantum)
    when = moment(at)
    if inclusion is not None:
        elsewhere = (photo, log, election, profile, unpack_to, expect, commissions)
        if require_post_quantum or any(given is not None for given in elsewhere):
            raise typer.BadParameter(
                "goes with a file, --consistency and --at alone: it looks at the log, not into the "
                "file. Check that by a command of its own",
                param_hint="--inclusion",
            )
        verify_inclusion(
            inclusion, packages or [], consistency, store, when, json_output=json_output
        )
        return
    if consistency is not None:
        raise typer.BadParameter("goes with --inclusion", param_hint="--consistency")
    if unpack_to is not None and not photo:
        raise typer.BadParameter("goes with --photo", param_hint="--unpack")
    if profile is not None and election is None:
        raise typer.BadParameter("goes with --election", param_hint="--profile")
    if photo and log:
        raise typer.BadParameter("give it or --log, not both", param_hint="--photo")
    certified = None if expect is None else certified_value(expect, _content(expect))
    configuration = None if election is None else election_and_rules(election, profile)
    if photo or log:
        if require_post_quantum:
            raise typer.BadParameter(
                "tapes and logs have no second signature: require it of the package",
                param_hint="--require-post-quantum",
            )
        expected = expected_hash(certified, configuration)
    protocols, packages = apart(packages or [])
    if protocols and require_post_quantum:
        raise typer.BadParameter(
            "signed protocols have no second signature: check them by a command of their own",
            param_hint="--require-post-quantum",
        )
    if expect is not None and protocols and not (packages or photo):
        raise typer.BadParameter(
            "a signed protocol says nothing of software: give the package too",
            param_hint="--expect",
        )
    rules_of = ProtocolRules(store, when, configuration, _tree(commissions, configuration))
    if photo:
        verify_tapes(
            photo,
            packages,
            store,
            when,
            election,
            unpack_to,
            expected,
            json_output,
            rules_of,
            protocols,
        )
        return
    paths = dict(read_files(packages)[0])
    if bool(packages or protocols) == bool(log):
        raise typer.BadParameter(
            "give packages, or exported logs with --log", param_hint="PACKAGES"
        )
    rows: list[dict[str, Any]]
    if log:
        rows = [_log_row(path, store, when, expected) for path in log]
    elif not packages:
        rows = []
    elif configuration is None:
        rows = _origins(packages, store, when)
    else:
        definition, rules = configuration
        result = take_in(packages, definition, rules, store, when)
        rows = [_refused(error) for error in result.refused]
        rows += _accepted(result.accepted)
    for row in rows:
        if row["accepted"] and "state" in row and certified is not None:
            row["findings"] = ["which software it ran is told by its log: give --election too"]
        elif row["accepted"] and row["name"] in paths and "state" not in row:
            _add_software(row, paths[row["name"]], certified, configuration)
    forms = protocol_rows(protocols, rules_of)
    both = [*rows, *forms]
    bad = sum(not row["accepted"] for row in both)
    if json_output:
        document = {"packages": rows, "accepted": len(both) - bad, "refused": bad}
        document |= {"not_checked": list(store.not_checked)}
        emit_json(document | ({"protocols": forms} if protocols else {}))
    else:
        said = [(_line(row), row) for row in rows] + [(protocol_line(row), row) for row in forms]
        for words, row in said:
            more = (*row.get("findings", ()), *row.get("notes", ()))
            for line in (words, *(f"  {each}" for each in more)):
                stdout.print(line, markup=False, highlight=False, soft_wrap=True)
    found = any(row.get("findings") for row in both)
    if bad or found:
        raise typer.Exit(1)


def _tree(
    commissions: Path | None, configuration: tuple[Election, Profile] | None
) -> Commissions | None:
    if commissions is None:
        return None
    if configuration is None:
        raise typer.BadParameter("needs --election", param_hint="--commissions")
    return load_commissions(commissions, configuration[0])


def _accepted(packages: Iterable[VerifiedPackage]) -> list[dict[str, Any]]:
    """One row a file; one of several precincts says how many sheets each has."""
    rows: dict[str, dict[str, Any]] = {}
    for p in packages:
        row = rows.setdefault(
            p.digest,
            {
                "name": p.name,
                "accepted": True,
                "package_id": p.package_id,
                "precinct": p.place or p.precinct_id,
                "device": p.device_id,
                "export_number": p.export_number,
                "sheets": 0,
                "joined": [],
                "findings": [],
                "software": list(p.software),
            },
        )
        row["sheets"] += p.totals["sheets"]
        row["joined"] += [part.as_json() for part in p.joined]
        row["findings"] += [finding.sentence for finding in p.findings]
        if p.place is not None:
            row.setdefault("precincts", {})[p.precinct_id] = p.totals["sheets"]
    return list(rows.values())


def _log_row(path: Path, store: TrustStore, at: datetime, expected: str | None) -> dict[str, Any]:
    try:
        log, device = check_log(path.read_bytes(), store, at=at)
    except OSError as error:
        detail = f"cannot be read: {error.strerror}"
        return _refused(PackageRefusedError(path.name, RefusalReason.UNREADABLE, detail))
    except SignatureError as error:
        return _refused(PackageRefusedError(path.name, REASON_OF_FAULT[error.fault], error.detail))
    except FirmwareError as error:
        return _refused(PackageRefusedError(path.name, RefusalReason.ALTERED, str(error)))
    return {
        "name": path.name,
        "accepted": True,
        "precinct": device.precinct_id,
        "device": device.device_id,
        "events": len(log.events),
        "checkpoints": len(log.checkpoints),
        "findings": hash_findings(device.device_id, software_in(log.events), expected),
    }


def _content(expect: str) -> bytes | None:
    path = Path(expect)
    return path.read_bytes() if path.is_file() else None


def _add_software(
    row: dict[str, Any],
    path: Path,
    certified: Certified | None,
    configuration: tuple[Election, Profile] | None,
) -> None:
    """Add to an accepted package's row what is to be said of its software."""
    said: list[str] = row.setdefault("findings", [])
    software = row.pop("software", ())
    data = path.read_bytes()
    if data.startswith(RECOVERED_MAGIC):
        # Known by its medium alone: the log on it tells the software.
        row["software_hash"] = software[0] if software else None
        expected = expected_hash(certified, configuration)
        said += recovered_findings(row["device"], software, None, expected)
    else:
        package = read_package(data, row["name"])
        row["software_hash"] = package.document(DEVICE).get("firmware_hash")
        row["second_signature"] = package.mldsa is not None
        said += firmware_findings(package, certified)
    for part in row.get("joined", ()):
        found = part["software"], row["software_hash"], certified
        said += recovered_findings(part["device"], *found)


def _origins(packages: list[Path], store: TrustStore, at: datetime) -> list[dict[str, Any]]:
    files, unreadable = read_files(packages)
    rows = [_refused(error) for error in unreadable]
    seen: dict[str, str] = {}
    for name, file in files:
        try:
            try:
                data = file.read_bytes()
            except OSError as error:
                why = f"cannot be read: {error.strerror}"
                raise PackageRefusedError(name, RefusalReason.UNREADABLE, why) from error
            if data.startswith(RECOVERED_MAGIC):
                rows.append(_medium_row(name, check_medium(data, name, store, at=at)[0].head))
                continue
            package, device = check_origin(data, name, store, at=at)
            package_id = str(package.manifest["package_id"])
            if package_id in seen:
                why = f"package {package_id} is there already as {seen[package_id]}"
                raise PackageRefusedError(
                    name, RefusalReason.REPLAYED, why, device_id=device.device_id
                )
            # Wholly other papers may carry a precinct's name: the certificate has the last word.
            if package.manifest["precinct_id"] != device.precinct_id:
                why = f"claims another precinct than its device's, {say_place(device.precinct_id)}"
                raise PackageRefusedError(
                    name, RefusalReason.FOREIGN, why, device_id=device.device_id
                )
        except PackageRefusedError as error:
            rows.append(_refused(error))
            continue
        seen[package_id] = name
        rows.append(
            {
                "name": name,
                "accepted": True,
                "package_id": package_id,
                "precinct": device.precinct_id,
                "device": device.device_id,
                "export_number": package.manifest["export_number"],
                "mode": package.manifest["mode"],
            }
        )
    return rows


def _medium_row(name: str, head: Head) -> dict[str, Any]:
    return {
        "name": name,
        "accepted": True,
        "precinct": head.precinct_id,
        "device": head.device_id,
        "sheets": head.count,
        "state": head.state,
        "mode": head.mode,
    }


def _refused(error: PackageRefusedError) -> dict[str, Any]:
    return {
        "name": error.name,
        "accepted": False,
        "reason": error.reason.value,
        "detail": error.detail,
        "precinct": error.precinct_id,
        "device": error.device_id,
    }


def _line(row: dict[str, Any]) -> str:
    if not row["accepted"]:
        return f"{row['name']}: refused, {row['reason']}: {row['detail']}"
    if "events" in row:
        return (
            f"{row['name']}: whole: precinct {say_place(row['precinct'])}, device {row['device']}, "
            f"{row['events']} events, {row['checkpoints']} signed checkpoints"
        )
    sheets = f", {row['sheets']} sheets" if "sheets" in row else ""
    if "precincts" in row:
        sheets += f" ({', '.join(f'{name}: {n}' for name, n in row['precincts'].items())})"
    if row.get("mode", "official") != "official":
        sheets += f", {row['mode']} mode: no results"
    what = f"export {row['export_number']}" if "export_number" in row else "recovered from a medium"
    return (
        f"{row['name']}: accepted: precinct {say_place(row['precinct'])}, device {row['device']}, "
        f"{what}{sheets}"
    )
