"""`ballotbench verify` on protocols: signatures, quorum and figures, from files and from codes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from election.commissions import Commission, Commissions
from election.model import Election
from election.profile import Profile
from firmware_sim.errors import SignatureError
from firmware_sim.summary import SummaryError
from firmware_sim.summary_code import PROTOCOL_PREFIX, CodeTextError
from firmware_sim.trust import TrustStore
from tally.figures import say
from tally.protocol.codes import CodedProtocol, check_codes, files_of, read_codes
from tally.protocol.findings import check_form
from tally.protocol.form import PrecinctForm, ProtocolError, form_problem
from tally.protocol.sealed import MAX_BYTES, PROTOCOL, read_protocol, verify_protocol
from tally.protocol.summary import SUMMARY, figures_of
from tally.verification import REASON_OF_FAULT

#: Where no tree of commissions is given: what a commission's quorum is then (SEED-06).
DEFAULT_QUORUM: int = Commission.model_fields["quorum"].default


@dataclass(frozen=True, slots=True)
class ProtocolRules:
    """What protocols are checked by; without an election signatures and quorum alone."""

    store: TrustStore
    at: datetime
    configuration: tuple[Election, Profile] | None = None
    commissions: Commissions | None = None

    def quorum(self, precinct: str) -> int:
        """How many members' signatures make a protocol of this precinct valid."""
        found = None if self.commissions is None else self.commissions.by_id.get(precinct)
        return DEFAULT_QUORUM if found is None else found.quorum


def apart(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Signed protocols, and everything else; a folder that holds protocols file by file."""
    protocols: list[Path] = []
    others: list[Path] = []
    for path in paths:
        inside = sorted((*path.glob("*.zip"), *path.glob("*.medium"))) if path.is_dir() else [path]
        mine = [file for file in inside if _is_protocol(file)]
        protocols += mine
        others += [file for file in inside if file not in mine] if mine else [path]
    return protocols, others


def _is_protocol(path: Path) -> bool:
    """By the names in the zip; its content is judged when it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return path.name.endswith(".protocol.zip")
    return SUMMARY in names and PROTOCOL in names


def protocol_rows(paths: Sequence[Path], rules: ProtocolRules) -> list[dict[str, Any]]:
    """A row a file; two different protocols of one precinct and version are findings."""
    rows = []
    seen: dict[tuple[str, int], dict[str, Any]] = {}
    for path in paths:
        row = _row(path, rules)
        rows.append(row)
        if not row["accepted"]:
            continue
        first = seen.setdefault((row["precinct"], row["version"]), row)
        if first["protocol"] != row["protocol"]:
            for mine, other in ((row, first), (first, row)):
                mine["findings"].append(
                    f"contradicts {other['name']}: another protocol of {row['precinct']}, version "
                    f"{row['version']}, signed too"
                )
    return rows


def _row(path: Path, rules: ProtocolRules) -> dict[str, Any]:
    row: dict[str, Any] = {"name": path.name, "accepted": False}
    try:
        with path.open("rb") as stream:
            sealed = read_protocol(stream.read(MAX_BYTES + 1), path.name)
    except OSError as error:
        return row | {"reason": "unreadable", "detail": f"cannot be read: {error.strerror}"}
    except ProtocolError as error:
        return row | {"reason": "altered", "detail": str(error).removeprefix(f"{path.name}: ")}
    form = sealed.form
    row |= {"precinct": form.precinct_id, "version": form.version, "protocol": form.digest}
    row |= {"mode": form.mode, "signed_by": sorted(sealed.signatures)}
    try:
        quorum = rules.quorum(form.precinct_id)
        verify_protocol(sealed, rules.store, at=rules.at, quorum=quorum)
    except SignatureError as error:
        return row | {"reason": REASON_OF_FAULT[error.fault].value, "detail": error.detail}
    except ProtocolError as error:
        return row | {"reason": "no_quorum", "detail": str(error).removeprefix(f"{path.name}: ")}
    row |= _judged(form, rules)
    if row["accepted"]:
        there = {member.id for member in form.members if member.present}
        row["findings"] += [
            f"signed by {each}, who is not among the members at the count"
            for each in row["signed_by"]
            if form.members and each not in there
        ]
    return row


def _judged(form: PrecinctForm, rules: ProtocolRules) -> dict[str, Any]:
    """What is said of a form whose signatures are good."""
    if form.mode != "official":
        return {"reason": "test_mode", "detail": "was made in test mode: it is no result"}
    if rules.configuration is None:
        return {"accepted": True, "findings": [], "notes": []}
    election, profile = rules.configuration
    problem = form_problem(form, election)
    if problem is not None:
        return {"reason": "foreign", "detail": f"{problem[0]}: {problem[1]}"}
    findings = check_form(form, election, profile)
    return {
        "accepted": True,
        "findings": [f.sentence for f in findings if f.severity != "note"],
        "notes": [f.sentence for f in findings if f.severity == "note"],
    }


def protocol_line(row: dict[str, Any]) -> str:
    """A row for people."""
    if not row["accepted"]:
        return f"{row['name']}: refused, {row['reason']}: {row['detail']}"
    return (
        f"{row['name']}: accepted: protocol of {row['precinct']}, version {row['version']}, signed "
        f"by {', '.join(row['signed_by'])}"
    )


# --- from printed codes -------------------------------------------------------------------


def is_protocol_code(text: str) -> bool:
    """Is a code text of a printed protocol, not of a tape?"""
    return text.startswith(f"{PROTOCOL_PREFIX}/")


def coded_row(
    texts: Sequence[str],
    rules: ProtocolRules,
    election: Election | None,
    files: Sequence[Path],
    unpack_to: Path | None,
) -> dict[str, Any]:
    """What the codes of one printed protocol prove, compared with signed files."""
    row: dict[str, Any] = {"kind": "protocol", "codes": len(texts), "accepted": False}
    row["findings"] = []
    try:
        coded = read_codes(texts)
    except CodeTextError as error:
        return row | {"reason": error.fault, "detail": str(error)}
    except SummaryError as error:
        return row | {"reason": "altered", "detail": str(error)}
    summary = coded.summary
    row |= {"precinct": summary.precinct_id, "version": summary.version}
    row |= {"protocol": summary.digest, "signed_by": sorted(coded.signatures)}
    try:
        quorum = rules.quorum(summary.precinct_id)
        check_codes(coded, rules.store, at=rules.at, quorum=quorum)
    except SignatureError as error:
        return row | {"reason": REASON_OF_FAULT[error.fault].value, "detail": error.detail}
    except ProtocolError as error:
        return row | {"reason": "no_quorum", "detail": str(error)}
    if summary.mode != "official":
        return row | {"reason": "test_mode", "detail": "was made in test mode: it is no result"}
    if election is not None:
        try:
            row["figures"] = figures_of(summary, election)
        except SummaryError as error:
            return row | {"reason": "foreign", "detail": str(error)}
    row["accepted"] = True
    if summary.breaches:
        row["findings"].append(f"the protocol states {summary.breaches} broken control ratios")
    if summary.not_done:
        row["findings"].append(
            f"{summary.not_done} of {summary.steps} steps of the count were skipped or not recorded"
        )
    if unpack_to is not None:
        _unpack(coded, unpack_to)
    row["packages"] = [_same(summary.digest, path) for path in files]
    return row


def coded_lines(row: dict[str, Any]) -> Iterator[str]:
    """A row for people."""
    if not row["accepted"]:
        yield f"printed protocol {row['tape']}: refused, {row['reason']}: {row['detail']}"
        return
    yield (
        f"printed protocol {row['tape']}: proved: {row['precinct']}, version {row['version']}, "
        f"signed by {', '.join(row['signed_by'])}"
    )
    yield f"  {row['protocol']}"


def coded_words(row: dict[str, Any], election: Election, profile: Profile) -> list[str]:
    """The figures of a proved row as lines."""
    titles = {f.id: say(f.title, f.id) for f in profile.protocol.figures}
    lines = []
    for style, paper in row["figures"]["papers"].items():
        grounds = paper.get("invalid_grounds", {})
        lines.append(f"  {style}")
        lines += [
            f"    {value:>9}  {titles.get(name, name)}"
            for name, value in paper.items()
            if name != "invalid_grounds"
        ]
        lines += [f"    {value:>9}  invalid: {ground}" for ground, value in grounds.items()]
    for contest in row["figures"]["contests"]:
        votes = row["figures"]["contests"][contest]["votes"]
        lines.append(f"  {say(election.contest(contest).title, contest)}")
        lines += [f"    {number:>9}  {option}" for option, number in votes.items()]
    return lines


def _same(digest: str, path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            form = read_protocol(stream.read(MAX_BYTES + 1), path.name).form
    except OSError as error:
        found = [f"cannot be read: {error.strerror}"]
    except ProtocolError as error:
        found = [str(error)]
    else:
        found = [] if form.digest == digest else [f"is another protocol: {form.digest}"]
    return {"name": path.name, "same": not found, "differences": found}


def _unpack(coded: CodedProtocol, folder: Path) -> None:
    for name, content in files_of(coded).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
