"""The exported event log: NIST's form, nothing lost, every edit found and named (NVT-17)."""

from __future__ import annotations

import copy
import itertools
import json
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import build_app
from firmware_sim.checkpoints import EVERY
from firmware_sim.day import close_day, open_day
from firmware_sim.device import PrecinctDevice
from firmware_sim.eel import read_eel, validate_eel
from firmware_sim.errors import JournalError
from firmware_sim.eventlog import EventLogError, from_lines
from firmware_sim.journal import Journal
from firmware_sim.journal_rows import digest_of, dumps
from firmware_sim.package import EEL, EVENTS, ResultsPackage, build_package, read_package
from firmware_sim.trust import TrustStore
from tally.log_check import check_log
from tally.verification import PackageRefusedError, check_origin
from tests.firmware_sim import bench


def a_day(folder: Path, sheets: int = 5) -> bytes:
    """A device's whole day in `folder`; its package."""
    feeder = bench.FileFeeder(folder / "feeder.json")
    with Journal(folder / "j.sqlite") as journal:
        device = start(folder, journal, feeder)
        open_day(device)
        feeder.load([bench.GOOD] * sheets)
        while device.process_next().kind != "tray_empty":
            pass
        close_day(device)
        return device.export(issued={"single": sheets, "both": 0})


def start(folder: Path, journal: Journal, feeder: bench.FileFeeder) -> PrecinctDevice:
    return PrecinctDevice(
        bench.setup(folder / "keys"),
        journal=journal,
        feeder=feeder,
        reader=bench.JsonSheetReader(),
        printer=bench.ListPrinter(),
        clock=bench.clock,
        randomness=secrets.token_bytes,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("day")


@pytest.fixture(scope="module")
def package(folder: Path) -> ResultsPackage:
    return read_package(a_day(folder), "p.zip")


def test_the_log_is_nist_s_and_loses_nothing(package: ResultsPackage, folder: Path) -> None:
    data = package.files[EEL]
    document = json.loads(data)
    assert validate_eel(document) == []
    log, device = check_log(data, TrustStore.load(folder / "keys"), at=bench.NOW)
    assert list(log.events) == from_lines(package.files[EVENTS])
    assert device.device_id == bench.DEVICE
    # The last step before the export is signed, so nothing can be cut off.
    assert log.checkpoints[-1].seq == len(log.events)
    del document["Device"][0]["Event"][2]["Disposition"]
    assert validate_eel(document)[0].startswith("line 3: ")


def _lines(edit: Callable[[list[dict[str, Any]]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda document: edit(document["Device"][0]["Event"])


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (_lines(lambda lines: lines.pop(3)), "line 4: Sequence"),
        (_lines(lambda lines: lines.insert(3, lines[3])), "line 5: Sequence"),
        (_lines(lambda lines: lines.reverse()), "line 1: Sequence"),
        (_lines(lambda lines: lines.pop()), "missing at the end"),
        (_lines(lambda lines: lines[4].update(TimeStamp="2026-03-19T04:00:01Z")), "line 5: Time"),
        (_lines(lambda lines: lines[4].update(Hash="0" * 64)), "line 5: Hash"),
        (_lines(lambda lines: lines[4].update(Severity="error")), "line 5: Severity"),
        (_lines(lambda lines: lines[4].update(Type="x")), "line 5: Type"),
        (_lines(lambda lines: lines[4].update(UserId="chair")), "line 5: UserId"),
        (_lines(lambda lines: lines[0].update(Details="{}")), "line 1: TimeStamp, Id or Details"),
        (_lines(lambda lines: lines[-1].update(Id="sealed")), "Hash"),
        (lambda document: document.update(GeneratedTime="2027-01-01T00:00:00Z"), "signature"),
        (lambda document: document["Device"][0].update(Id="scanner-002"), "signature"),
        (lambda document: document["Device"][0].pop("Model"), "Model"),
        (lambda document: document.update(Details="AAAA"), "Details"),
    ],
)
def test_every_edit_of_the_export_is_named(
    package: ResultsPackage, folder: Path, edit: Callable[[dict[str, Any]], Any], named: str
) -> None:
    document = json.loads(package.files[EEL])
    before = copy.deepcopy(document)
    edit(document)
    assert document != before
    text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    with pytest.raises(Exception, match=named):
        check_log(text.encode(), TrustStore.load(folder / "keys"), at=bench.NOW)


def test_the_command_checks_a_log_alone(
    package: ResultsPackage, folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "eel.json"
    line = ["verify", "--trust", str(folder / "keys"), "--at", "2026-03-20T00:00:00Z"]
    place.write_bytes(package.files[EEL])
    good = CliRunner().invoke(build_app(("verify",)), [*line, "--log", str(place)])
    assert (good.exit_code, "signed checkpoints" in good.stdout) == (0, True), good.output
    place.write_bytes(package.files[EEL].replace(b"polls_opened", b"polls_paused", 1))
    bad = CliRunner().invoke(build_app(("verify",)), [*line, "--log", str(place)])
    assert bad.exit_code == 1
    assert "line" in bad.stdout
    assert CliRunner().invoke(build_app(("verify",)), line).exit_code == 2


def test_a_signed_package_with_a_false_log_is_refused(
    package: ResultsPackage, folder: Path
) -> None:
    """Should ever a device sign a log that does not hold, the package is not taken in."""
    signer, trust = bench.setup(folder / "keys").signer, TrustStore.load(folder / "keys")
    lines = package.files[EVENTS].splitlines(keepends=True)
    for changed in (b"".join(lines[:-1]), b"".join(lines[:2] + lines[3:])):
        data = build_package(
            {**package.files, EVENTS: changed}, signer.sign, signer.sign_post_quantum
        )
        with pytest.raises(PackageRefusedError, match=r"inconsistent.*line"):
            check_origin(data, "p.zip", trust, at=bench.NOW)


def test_checkpoints_come_with_steps_and_every_so_many_sheets(tmp_path: Path) -> None:
    a_day(tmp_path, sheets=EVERY + 10)
    with Journal(tmp_path / "j.sqlite") as journal:
        events, signed = journal.events(), [c.seq for c in journal.checkpoints()]
    steps = {e.seq for e in events if e.kind not in ("sheet_accepted", "polls_opened")}
    assert steps <= set(signed)
    assert max(b - a for a, b in itertools.pairwise(signed)) == EVERY


def test_a_log_made_anew_without_the_key_is_found_at_the_next_start(tmp_path: Path) -> None:
    """Who may write the journal can make a chain and check sums, but no signature."""
    a_day(tmp_path)
    path = tmp_path / "j.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("UPDATE checkpoints SET signature = replace(signature, '1', '2')")
        for row in db.execute("SELECT seq, hash, signature FROM checkpoints").fetchall():
            digest = digest_of("checkpoint", dumps(list(row)))
            db.execute("UPDATE checkpoints SET digest = ? WHERE seq = ?", (digest, row[0]))
    db.close()
    with Journal(path) as journal, pytest.raises(JournalError, match="checkpoint of event 1 does"):
        start(tmp_path, journal, bench.FileFeeder(tmp_path / "feeder.json"))


def test_what_is_no_log_is_refused_in_words() -> None:
    for data in (b"", b"[]", b"{}", b"\xff", b'{"@type": "EventLogging.ElectionEventLog"}'):
        with pytest.raises(EventLogError):
            read_eel(data)
