"""The readiness report before the day: every part tried, dirt on the glass found (NVT-04)."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest

from console.cli import main
from console.readiness_pdf import render_pdf as render_report
from election.codes import BallotKind
from election.definition import load_election
from election.design import design_ballot
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from firmware_sim import trust
from firmware_sim.checks import Check
from firmware_sim.journal import Journal
from firmware_sim.probes import disk_of, file_system_of, probe_health, probe_power, probe_storage
from firmware_sim.readiness import (
    Readiness,
    ReadinessCheck,
    health_line,
    key_that_lasts,
    scan_blanks,
    storage_line,
)
from hardware.interface import PaperPlace
from hardware.simulated import start_simulated_scanner
from hardware.tape_image import read_tape
from scanner import synthesis
from scanner.errors import PageRefusedError, RefusalReason
from scanner.reading import PageReading, Thresholds
from tests.firmware_sim import bench
from tests.firmware_sim.disks import small_disk

ELECTION = Path(__file__).resolve().parents[2] / "examples" / "kz-majilis" / "election.json"


def blanks(
    folder: Path,
    *,
    dirty: bool = False,
    styles: int = 9,
    first: int = 0,
    precinct: str = "P-101",
    kind: BallotKind = "official",
) -> None:
    """A scan of one blank paper of each style of a precinct; `dirty`: a speck at a target."""
    folder.mkdir()
    election = load_election(ELECTION)
    profile = load_profile(election.profile)
    rng = np.random.default_rng(5)
    for style in election.precinct_styles(precinct)[first : first + styles]:
        layout = design_ballot(election, profile, style.id)
        page = render_blank(render_pdf(election, profile, layout, kind=kind), 200)[0].copy()
        if dirty:
            target = layout.pages[0].targets[2]
            x, y = round(target.x_mm / 25.4 * 200), round(target.y_mm / 25.4 * 200)
            page[y - 5 : y + 5, x - 5 : x + 5] = 20
        scan = synthesis.scan_page(page, synthesis.random_scanner(rng, dpi=200), rng, page_dpi=200)
        (folder / f"{style.id}.jpg").write_bytes(synthesis.encode(scan, "jpeg", 85, dpi=200))


def report(folder: Path, deck: Path, *more: str, code: int) -> dict[str, Any]:
    """Run `device readiness` on a simulated scanner with this deck in its tray."""
    keys = folder / "keys"
    if not keys.exists():
        now = datetime.now(UTC)
        trust.create_authority(keys, name="Test", now=now, valid_days=100)
        trust.issue_device(keys, "scanner-1", precinct_id="P-101", now=now, valid_days=50)
    with start_simulated_scanner(deck, state=folder / "scanner") as scanner:
        with pytest.raises(SystemExit) as stop:
            main(
                ["device", "readiness", str(ELECTION), "--precinct", "P-101", "--keys", str(keys)]
                + ["--journal", str(folder / "p.sqlite"), "--device", "scanner-1"]
                + ["--scanner", scanner.url, "--printer", str(folder / "tape.bin")]
                + ["--out", str(folder / "out"), "--json", *more]
            )
        assert scanner.paper().box == 0
    assert stop.value.code == code
    made: dict[str, Any] = json.loads((folder / "out" / "readiness.json").read_text())
    return made


def state(made: dict[str, Any], name: str) -> str:
    return next(check["state"] for check in made["checks"] if check["name"] == name)


def test_a_ready_device(tmp_path: Path) -> None:
    if file_system_of(tmp_path) == "tmpfs":
        pytest.skip("this machine's folder for tests is in memory: no device there is ready")
    blanks(tmp_path / "deck")
    made = report(tmp_path, tmp_path / "deck", code=0)
    assert made["ready"] is True
    assert {check["state"] for check in made["checks"]} <= {"passed", "not_tested"}
    assert {check["name"] for check in made["checks"]} >= {
        "journal", "journal_empty", "scanner", "clock", "key", "box_counter", "blank_scan",
        "streaks_and_dust", "fit", "printer", "storage", "power",
    }  # fmt: skip
    election = load_election(ELECTION)
    styles = {style.id for style in election.precinct_styles("P-101")}
    assert {page["style_id"] for page in made["pages"]} == styles
    for page in made["pages"]:
        assert len(page["scores"]) == len(page["x_mm"]) > 0
        assert max(page["scores"]) < page["marginal"] / 2
    assert made["identity"]["election_hash"] == election.hash
    # The test tape was printed; the event is in the log; nothing else has moved.
    assert read_tape((tmp_path / "tape.bin").read_bytes()).height > 500
    with Journal(tmp_path / "p.sqlite") as journal:
        assert [event.kind for event in journal.events()][-1] == "readiness_passed"
        assert journal.count() == 0
        assert journal.state()["state"] == "configured"
    pages = pypdfium2.PdfDocument(tmp_path / "out" / "readiness.pdf")
    text = "".join(page.get_textpage().get_text_range() for page in pages)
    for words in ("Дайындық туралы есеп", "Отчёт о готовности", "Readiness report", "READY"):
        assert words in " ".join(text.split())


def test_dirt_and_missing_papers_are_named(tmp_path: Path) -> None:
    blanks(tmp_path / "deck", dirty=True, styles=1)
    made = report(tmp_path, tmp_path / "deck", code=1)
    assert made["ready"] is False
    assert state(made, "blank_scan") == "failed"
    (detail,) = [c["detail"] for c in made["checks"] if c["name"] == "blank_scan"]
    assert "no blank paper of style" in detail
    assert "scores 0." in detail
    with Journal(tmp_path / "p.sqlite") as journal:
        last = journal.events()[-1]
    assert last.kind == "readiness_failed"
    assert "blank_scan" in str(last.detail["failed"])


def test_wrong_papers_and_other_software_are_named(tmp_path: Path) -> None:
    """Papers of another precinct, or made for a test, are refused on the day: said before it."""
    blanks(tmp_path / "deck")
    # smd-2 is another district's.
    blanks(tmp_path / "wrong", precinct="P-201", first=1, styles=1, kind="test")
    for path in (tmp_path / "wrong").iterdir():
        path.rename(tmp_path / "deck" / path.name)
    (tmp_path / "second").mkdir()
    made = report(
        tmp_path,
        tmp_path / "deck",
        *("--expect", "ab" * 32, "--second-journal", str(tmp_path / "second" / "p.sqlite")),
        code=1,
    )
    detail = {check["name"]: check["detail"] for check in made["checks"]}
    assert state(made, "blank_scan") == "failed"
    assert "not handed out at P-101" in detail["blank_scan"]
    assert "is a test paper, the device is in official mode" in detail["blank_scan"]
    assert state(made, "expected_software") == "failed"
    assert "ab" * 32 in detail["expected_software"]
    # The second medium is measured like the first.
    assert state(made, "storage_second_journal") in ("passed", "failed")
    assert "GB free" in detail["storage_second_journal"]
    assert {c["state"] for c in made["checks"] if c["name"].startswith("health")} <= {
        "passed", "not_tested"
    }  # fmt: skip


def test_a_key_that_ends_with_the_day_is_not_ready() -> None:
    """It was "passed" the evening before, and the results of the night were expired."""
    now = Check("key", True, "valid until …")
    day = date(2026, 3, 19)
    for until, good in (
        (datetime(2026, 3, 19, 23, 59, tzinfo=UTC), False),
        (datetime(2026, 3, 18, 12, tzinfo=UTC), False),
        (datetime(2026, 3, 20, 0, 1, tzinfo=UTC), True),
    ):
        line = key_that_lasts(now, until, day)
        assert line.passed is good
        assert ("beyond election day" in line.detail) is not good
    assert (
        key_that_lasts(Check("key", False), datetime(2030, 1, 1, tzinfo=UTC), day).passed is False
    )


def test_what_was_not_tried_is_not_ready() -> None:
    """No paper in the tray: the report once said READY."""
    lines = (ReadinessCheck("blank_scan", "not_tested", "no blank paper was in the tray"),)
    made = Readiness("2026-03-19T04:00:00Z", (), lines, ())
    assert made.as_json()["ready"] is False
    assert [line.name for line in made.untried] == ["blank_scan"]
    text = pypdfium2.PdfDocument(render_report(made))[0].get_textpage().get_text_range()
    assert "NOT READY" not in text
    assert "NOT WHOLLY TESTED" in " ".join(text.split())
    # What a machine does not tell, or nobody asked to compare, is no fault of the device.
    lines = tuple(ReadinessCheck(name, "not_tested") for name in ("power", "expected_software"))
    assert Readiness("2026-03-19T04:00:00Z", (), lines, ()).as_json()["ready"] is True


SMART: dict[str, tuple[int, dict[str, Any], str, str]] = {
    "good": (0, {"smart_status": {"passed": True}}, "passed", "passed"),
    "failing": (8, {"smart_status": {"passed": False}}, "failed", "says that it is failing"),
    "pending": (
        0,
        {"smart_status": {"passed": True}, "ata_smart_attributes": {"table": [
            {"id": 5, "raw": {"value": 0}}, {"id": 197, "raw": {"value": 3}}]}},
        "failed",
        "3 sectors that cannot be read",
    ),
    "worn": (
        0,
        {"smart_status": {"passed": True},
         "nvme_smart_health_information_log": {"percentage_used": 101, "critical_warning": 0}},
        "failed",
        "101 % of its life is used",
    ),
    "denied": (2, {"smartctl": {"messages": [{"string": "Permission denied"}]}}, "not_tested",
               "Permission denied"),
    "mute": (4, {}, "not_tested", "does not tell"),
}  # fmt: skip


@pytest.mark.parametrize("case", SMART)
def test_a_disks_health_is_what_the_disk_says(tmp_path: Path, case: str) -> None:
    """By smartctl's JSON (smartmontools 7, `--json`), from a program of that name."""
    code, said, expected, words = SMART[case]
    program = tmp_path / "smartctl"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(said)}\nEND\nexit {code}\n")
    program.chmod(0o755)
    line = health_line("health", probe_health("vda", smartctl=str(program)))
    assert (line.state, words in line.detail) == (expected, True), line.detail


def test_a_card_tells_its_wear_itself(tmp_path: Path) -> None:
    """eMMC: Linux, Documentation/ABI/testing/sysfs-bus-mmc (JEDEC 84-B51, EXT_CSD 267 to 269)."""
    device = tmp_path / "mmcblk0" / "device"
    device.mkdir(parents=True)
    for pre, life, expected in (("0x01", "0x01 0x02", "passed"), ("0x03", "0x0b 0x0b", "failed")):
        (device / "pre_eol_info").write_text(f"{pre}\n")
        (device / "life_time").write_text(f"{life}\n")
        probe = probe_health("mmcblk0", smartctl="/no/smartctl", blocks=tmp_path)
        assert health_line("health", probe).state == expected


def test_a_journal_in_memory_is_not_ready(tmp_path: Path) -> None:
    """The fastest of all, and empty after a cut."""
    with small_disk("tmpfs", tmp_path, kib=16 * 1024) as place:
        line = storage_line(replace(probe_storage(place), free_bytes=10**10))
    assert (line.state, "in memory" in line.detail) == ("failed", True)


def test_a_disk_that_nobody_can_ask_is_not_taken_for_sound(tmp_path: Path) -> None:
    for disk in (None, "vda"):
        line = health_line("health", probe_health(disk, smartctl="/no/smartctl", blocks=tmp_path))
        assert line.state == "not_tested"
        assert line.detail
    assert disk_of(Path("/proc")) is None


def test_an_empty_tray_is_not_taken_for_clean(tmp_path: Path) -> None:
    """Nor is a paper that cannot be read; each is given back under a token of its own."""
    feeder = bench.FileFeeder(tmp_path / "feeder.json")
    limits = Thresholds(0.1, 0.3, 0.05, 0.5, 8.0)

    def read(images: tuple[bytes, ...]) -> tuple[PageReading, ...]:
        raise PageRefusedError(RefusalReason.NO_TIMING_MARKS, "a photo of a cat")

    pages, lines = scan_blanks(feeder, read, limits, {"single"}, secrets.token_bytes)
    assert pages == ()
    assert {line.state for line in lines} == {"not_tested"}
    feeder.load([bench.UNREADABLE, bench.UNREADABLE])
    _, lines = scan_blanks(feeder, read, limits, {"single"}, secrets.token_bytes)
    assert lines[0].state == "failed"
    assert "paper 2: no_timing_marks" in lines[0].detail
    # Nothing was read: nothing is said of streaks and fit ("nothing flagged", 0.00 mm, once).
    assert [line.state for line in lines[1:]] == ["not_tested", "not_tested"]
    assert feeder.status().box_count == 0
    assert feeder.status().place is PaperPlace.RETURNED


def test_power_and_storage_are_measured(tmp_path: Path) -> None:
    probe = probe_storage(tmp_path)
    assert probe.write_mb_s > 0
    assert probe.free_bytes > 0
    assert not list(tmp_path.iterdir())
    assert probe_power(tmp_path).on_mains is None
    for name, files in {
        "AC": {"type": "Mains", "online": "0"},
        "BAT0": {"type": "Battery", "capacity": "73"},
    }.items():
        (tmp_path / name).mkdir()
        for file, word in files.items():
            (tmp_path / name / file).write_text(f"{word}\n")
    assert (probe_power(tmp_path).on_mains, probe_power(tmp_path).charge_percent) == (False, 73)
