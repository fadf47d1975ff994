"""Real scans with truth read by eye: right, or flagged; never wrong."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from election.importers.vxsuite import decode_back, decode_front, import_vxsuite
from election.profile import load_profile
from scanner.errors import PageRefusedError, RefusalReason
from scanner.reader import PageReader, default_thresholds
from scanner.reading import MarkClass

SCANS = Path(__file__).resolve().parents[3] / "shared" / "data" / "nh-test-ballot"

pytestmark = pytest.mark.skipif(
    not (SCANS / "truth.json").is_file(), reason="real scans are not beside the project"
)


@pytest.fixture(scope="module")
def reader() -> PageReader:
    imported = import_vxsuite(SCANS / "election.json")
    return PageReader.for_vxsuite(imported, default_thresholds(load_profile("us-general")))


def truth() -> list[dict[str, object]]:
    if not (SCANS / "truth.json").is_file():
        return []
    return list(json.loads((SCANS / "truth.json").read_text())["scans"])


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("scan", truth(), ids=lambda s: str(s["file"]))
def test_every_mark_is_right_or_flagged(
    reader: PageReader, scan: dict[str, object], turn: int
) -> None:
    gray = cv2.imread(str(SCANS / str(scan["file"])), cv2.IMREAD_GRAYSCALE)
    reading = reader.read(np.ascontiguousarray(np.rot90(gray, turn)))
    assert reading.layout.side == scan["side"]
    marked = {(m["column"], m["row"]) for m in scan["marked"]}  # type: ignore[attr-defined]
    wrong = [
        (target.option_id, seen)
        for target, seen in zip(reading.layout.targets, reading.classes, strict=True)
        if seen is not MarkClass.MARGINAL
        and (seen is MarkClass.MARK) != ((target.column, target.row) in marked)
    ]
    assert wrong == []
    assert MarkClass.MARGINAL not in reading.classes


def test_bottom_rows_decode() -> None:
    front = decode_front([int(b) for b in "10000000000000011000000011100010"])
    back = decode_back([int(b) for b in "01111011110001100010110011101100"])
    assert front is not None
    assert front.card_number == 3
    assert back is not None
    assert (back.day, back.month, back.year, back.type_letter) == (12, 7, 22, "G")


def test_a_foreign_card_is_refused(tmp_path: Path) -> None:
    data = (SCANS / "election.json").read_text().replace("card-number-3", "card-number-4")
    (tmp_path / "election.json").write_text(data)
    imported = import_vxsuite(tmp_path / "election.json")
    other = PageReader.for_vxsuite(imported, default_thresholds(load_profile("us-general")))
    gray = cv2.imread(str(SCANS / "scan-marked-front.jpeg"), cv2.IMREAD_GRAYSCALE)
    with pytest.raises(PageRefusedError) as refused:
        other.read(gray)
    assert refused.value.reason is RefusalReason.UNKNOWN_STYLE
