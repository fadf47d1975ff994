"""`ballotbench read` as a user runs it: good scans beside bad ones, on the real command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pyarrow.parquet as pq
import pytest
from PIL import Image

from election.definition import load_election
from election.layout_io import print_ballots
from election.profile import load_profile
from scanner.cvr import validate_report
from tests.console.here import ballotbench_here

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "kz-majilis" / "election.json"
COLUMNS = {"file", "side", "contest_id", "option_id", "score", "class", "x_px", "y_px"}


def ballotbench(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from console.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    election = load_election(EXAMPLE)
    printed = print_ballots(election, load_profile(election.profile), folder / "print")
    page = cv2.imread(str(printed[0].blanks[0]), cv2.IMREAD_GRAYSCALE)
    target = printed[0].layout.pages[0].targets[2]
    ppm = page.shape[1] / 210
    x, y = round(target.x_mm * ppm), round(target.y_mm * ppm)
    cv2.line(page, (x - 14, y - 14), (x + 14, y + 14), 20, 5)
    cv2.line(page, (x + 14, y - 14), (x - 14, y + 14), 20, 5)
    pile = folder / "pile"
    pile.mkdir()
    cv2.imwrite(str(pile / "voted.png"), page)
    (pile / "cut.png").write_bytes((pile / "voted.png").read_bytes()[:9000])
    (pile / "empty.pdf").write_bytes(b"")
    Image.new("1", (20_000, 20_000), 1).save(pile / "bomb.png")
    cv2.imwrite(str(pile / "two-sheets.png"), cv2.vconcat([page, page]))
    return pile


def test_good_scans_are_read_beside_bad_ones(scans: Path, tmp_path: Path) -> None:
    run = ballotbench("read", EXAMPLE, scans, "--out", tmp_path, "--json")
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert json.loads(run.stdout)["records"] == 1
    refused = json.loads((tmp_path / "refused.json").read_text(encoding="utf-8"))
    assert {(item["file"], item["page"], item["reason"]) for item in refused} == {
        ("bomb.png", 1, "too_large"),
        ("cut.png", 1, "unreadable_file"),
        ("empty.pdf", 1, "empty"),
        ("two-sheets.png", 1, "two_sheets"),
    }
    report = json.loads((tmp_path / "cvrs.json").read_text(encoding="utf-8"))
    assert validate_report(report) == []
    marks = pq.read_table(tmp_path / "marks.parquet").to_pylist()
    assert set(marks[0]) >= COLUMNS
    option = load_election(EXAMPLE).contest("party-list").options[2].id
    assert [m["option_id"] for m in marks if m["class"] == "mark"] == [option]
    assert len(marks) == 8


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("read",), 2),
        (("read", "missing.json", "x", "--out", "out"), 1),
        (("read", EXAMPLE, "x", "--out", "out", "--format", "morse"), 2),
    ],
)
def test_wrong_use_ends_in_words(
    arguments: tuple[object, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = ballotbench_here(*arguments)
    assert run.returncode == code
    assert "Traceback" not in run.stderr
    assert run.stderr.strip()
