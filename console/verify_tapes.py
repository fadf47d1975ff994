"""`ballotbench verify --photo`: results tapes from photographs, beside packages (NVT-13)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from console.common import emit_json, stdout
from console.intake import read_files
from console.tape_photo import (
    PhotoSeen,
    as_json,
    by_tape,
    in_words,
    is_photo,
    read_photos,
    unpack,
)
from console.verify_protocols import (
    ProtocolRules,
    coded_lines,
    coded_row,
    coded_words,
    is_protocol_code,
)
from election.definition import load_election
from election.model import Election
from election.places import say_place
from firmware_sim.errors import FirmwareError
from firmware_sim.summary import Summary
from firmware_sim.trust import TrustStore
from scanner.errors import ScannerError
from tally.firmware import hash_findings
from tally.tape_check import TapeReason, TapeRefusedError, check_tape, differences
from tally.verification import PackageRefusedError, check_origin


def verify_tapes(
    photos: list[Path],
    others: list[Path],
    store: TrustStore,
    at: datetime,
    election: Path | None,
    unpack_to: Path | None,
    expected: str | None,
    json_output: bool,
    rules: ProtocolRules,
    protocols: list[Path],
) -> None:
    """Each tape a row, compared with the packages and the certified software's hash
    (`expected`), each printed protocol with the signed ones; exit 1 unless all are proved and
    agree."""
    packages = [path for path in others if not is_photo(path)]
    if packages and election is None:
        raise typer.BadParameter("comparing needs --election", param_hint="PACKAGES")
    definition = None if election is None else load_election(election)
    seen = read_photos([*photos, *(path for path in others if is_photo(path))])
    rows: list[dict[str, Any]] = []
    for name, texts in by_tape(t for one in seen for t in one.texts).items():
        if is_protocol_code(texts[0]):
            coded = coded_row(texts, rules, definition, protocols, unpack_to)
            if "figures" in coded and rules.configuration is not None:
                coded["words"] = coded_words(coded, *rules.configuration)
            rows.append({"tape": name, **coded})
            continue
        row: dict[str, Any] = {"tape": name, "codes": len(texts), "accepted": False}
        sealed = None
        try:
            proved = check_tape(texts, store, at=at, election=definition)
            sealed = proved.sealed
            row |= {"accepted": True, "precinct": proved.device.precinct_id}
            row["device"] = proved.device.device_id
            ran = (proved.summary.firmware_hash,)
            row["findings"] = hash_findings(proved.device.device_id, ran, expected)
        except TapeRefusedError as error:
            row |= {"reason": error.reason.value, "detail": error.detail}
            sealed = error.sealed
        if sealed is not None:
            known = definition if row.get("reason") != TapeReason.FOREIGN else None
            row["summary"] = as_json(sealed.summary, known)
            row["words"] = in_words(sealed.summary, known)
            if unpack_to is not None:
                unpack(sealed, unpack_to)
        if row["accepted"] and packages and definition is not None and sealed is not None:
            row["packages"] = _compared(sealed.summary, packages, store, at, definition)
        rows.append(row)
    photographs = [{"name": one.name, "codes": len(one.texts), "fault": one.fault} for one in seen]
    if json_output:
        plain = [{key: value for key, value in row.items() if key != "words"} for row in rows]
        emit_json(
            {"tapes": plain, "photographs": photographs, "not_checked": list(store.not_checked)}
        )
    else:
        for line in _tape_lines(rows, seen):
            stdout.print(line, markup=False, highlight=False, soft_wrap=True)
    same = all(p["same"] for row in rows for p in row.get("packages", ()))
    right = all(row["accepted"] and not row["findings"] for row in rows)
    if not rows or not same or not right:
        raise typer.Exit(1)


def _compared(
    tape: Summary, packages: list[Path], store: TrustStore, at: datetime, election: Election
) -> list[dict[str, Any]]:
    files, unreadable = read_files(packages)
    rows = [
        {"name": error.name, "same": False, "differences": [error.detail]} for error in unreadable
    ]
    for name, file in files:
        try:
            package, _ = check_origin(file.read_bytes(), name, store, at=at)
            found = list(differences(tape, package, election))
        except OSError as error:
            found = [f"cannot be read: {error.strerror}"]
        except PackageRefusedError as error:
            found = [f"is refused, {error.reason.value}: {error.detail}"]
        except (FirmwareError, ScannerError) as error:
            found = [str(error)]
        rows.append({"name": name, "same": not found, "differences": found})
    return rows


def _tape_lines(rows: list[dict[str, Any]], seen: list[PhotoSeen]) -> Iterator[str]:
    whole = rows and all(row.get("reason") != TapeReason.INCOMPLETE for row in rows)
    for one in seen:
        if one.fault and not (whole and one.texts):
            yield f"{one.name}: {one.fault}"
    for row in rows:
        if row.get("kind") == "protocol":
            yield from coded_lines(row)
        elif row["accepted"]:
            whose = f"precinct {say_place(row['precinct'])}, device {row['device']}"
            yield f"tape {row['tape']}: proved: {whose}"
        else:
            yield f"tape {row['tape']}: refused, {row['reason']}: {row['detail']}"
        if row.get("reason") == TapeReason.INCOMPLETE:
            yield "  photograph the missing codes too; photographs may be given together"
        yield from (f"  {finding}" for finding in row.get("findings", ()))
        yield from row.get("words", ())
        for package in row.get("packages", ()):
            if package["same"]:
                yield f"{package['name']}: says the same"
            for difference in package["differences"]:
                yield f"{package['name']}: differs: {difference}"
