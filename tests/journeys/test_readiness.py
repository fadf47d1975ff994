"""The readiness report before the day: every part tried, dirt on the glass found (NVT-04)."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest

from console.cli import main
from election.definition import load_election
from election.design import design_ballot
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from firmware_sim import trust
from firmware_sim.journal import Journal
from firmware_sim.probes import probe_power, probe_storage
from firmware_sim.readiness import scan_blanks
from hardware.interface import PaperPlace
from hardware.simulated import start_simulated_scanner
from hardware.tape_image import read_tape
from scanner import synthesis
from scanner.errors import PageRefusedError, RefusalReason
from scanner.reading import PageReading, Thresholds
from tests.firmware_sim import bench

ELECTION = Path(__file__).resolve().parents[2] / "examples" / "kz-majilis" / "election.json"


def blanks(folder: Path, *, dirty: bool = False, styles: int = 9) -> None:
    """A scan of one blank paper of each style of P-101; `dirty`: a speck at a target."""
    folder.mkdir()
    election = load_election(ELECTION)
    profile = load_profile(election.profile)
    rng = np.random.default_rng(5)
    for style in election.precinct_styles("P-101")[:styles]:
        layout = design_ballot(election, profile, style.id)
        page = render_blank(render_pdf(election, profile, layout), 200)[0].copy()
        if dirty:
            target = layout.pages[0].targets[2]
            x, y = round(target.x_mm / 25.4 * 200), round(target.y_mm / 25.4 * 200)
            page[y - 5 : y + 5, x - 5 : x + 5] = 20
        scan = synthesis.scan_page(page, synthesis.random_scanner(rng, dpi=200), rng, page_dpi=200)
        (folder / f"{style.id}.jpg").write_bytes(synthesis.encode(scan, "jpeg", 85, dpi=200))


def report(folder: Path, deck: Path, *, code: int) -> dict[str, Any]:
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
                + ["--out", str(folder / "out"), "--json"]
            )
        assert scanner.paper().box == 0
    assert stop.value.code == code
    made: dict[str, Any] = json.loads((folder / "out" / "readiness.json").read_text())
    return made


def state(made: dict[str, Any], name: str) -> str:
    return next(check["state"] for check in made["checks"] if check["name"] == name)


def test_a_ready_device(tmp_path: Path) -> None:
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
