"""New Hampshire sheets of several styles through the command: fronts and backs by name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from election.importers.vxsuite import convert_vxsuite
from scanner import synthesis
from scanner.synthesis import MarkKind, ScannerModel, TrueMark
from scanner.synthesis.files import Format
from tests.scanner.nh_pages import definition, draw_page

ROOT = Path(__file__).resolve().parents[2]
#: File, side, contest, option, class; a candidate of two parties has two rows.
Row = tuple[str, str, str, str, str]


def write_sheets(folder: Path, names: list[tuple[str, str]]) -> Counter[Row]:
    """A sheet of each style in turn, every third target filled, the second upside down."""
    data = definition("legal", (3, 4))
    (folder / "election.json").write_text(json.dumps(data), encoding="utf-8")
    imported = convert_vxsuite(data)
    (folder / "scans").mkdir()
    truth: Counter[Row] = Counter()
    for number, files in enumerate(names):
        rng = np.random.default_rng(number)
        layout = imported.layouts[number % 2]
        for page, name in zip(layout.pages, files, strict=True):
            marks = [
                TrueMark(t.contest_id, t.option_id, MarkKind.FILL, target_index=i)
                for i, t in enumerate(page.targets)
                if i % 3 == number % 3
            ]
            scan = synthesis.scan_page(
                synthesis.draw_marks(draw_page(page, imported), page, marks, rng),
                ScannerModel(orientation_deg=180 * (number % 2)),
                rng,
                page_dpi=300,
            )
            fmt: Format = "tiff" if name.endswith("tif") else "jpeg"
            (folder / "scans" / name).write_bytes(synthesis.encode(scan, fmt))
            classes = synthesis.true_classes(page, marks)
            truth.update(
                (name, page.side, target.contest_id, target.option_id, true.value)
                for target, true in zip(page.targets, classes, strict=True)
            )
    return truth


def read(folder: Path, *scans: Path) -> tuple[Counter[Row], list[dict[str, object]], int]:
    """`ballotbench read` in a process of its own: marks, refusals, exit code."""
    out = folder / "out"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "console", "read", str(folder / "election.json")),
            *(map(str, scans)),
            *("--out", str(out), "--fresh", "--workers", "1"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    rows = Counter(
        (m["file"], m["side"], m["contest_id"], m["option_id"], m["class"])
        for m in pq.read_table(out / "marks.parquet").to_pylist()
    )
    refused = json.loads((out / "refused.json").read_text(encoding="utf-8"))
    return rows, refused, done.returncode


@pytest.mark.parametrize(
    "names",
    [
        [
            ("scan-marked-front.jpeg", "scan-marked-back.jpeg"),
            ("scan-stretch-mid-front.jpeg", "scan-stretch-mid-back.jpeg"),
        ],
        [("a-p1.jpeg", "a-p2.jpeg"), ("b-p1.tif", "b-p2.tif"), ("c-p1.jpeg", "c-p2.jpeg")],
    ],
)
def test_every_oval_of_every_style_is_in_the_marks_table(
    names: list[tuple[str, str]], tmp_path: Path
) -> None:
    truth = write_sheets(tmp_path, names)
    rows, refused, code = read(tmp_path, tmp_path / "scans")
    assert (refused, code) == ([], 0)
    assert rows == truth
    cvrs = json.loads((tmp_path / "out" / "cvrs.json").read_text(encoding="utf-8"))
    assert len(cvrs["CVR"]) == len(names)


def test_sides_given_alone(tmp_path: Path) -> None:
    """A front alone is read; a back alone, where two styles have one, is refused by name."""
    truth = write_sheets(tmp_path, [("x-front.jpeg", "x-back.jpeg")])
    rows, refused, code = read(tmp_path, tmp_path / "scans" / "x-front.jpeg")
    assert (refused, code) == ([], 0)
    assert rows == Counter({row: n for row, n in truth.items() if row[1] == "front"})
    rows, refused, code = read(tmp_path, tmp_path / "scans" / "x-back.jpeg")
    assert (len(rows), code) == (0, 1)
    assert [r["reason"] for r in refused] == ["unknown_style"]
