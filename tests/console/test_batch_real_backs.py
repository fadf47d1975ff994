"""Backs that name no ballot style are read with the style of the front beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from console.definitions import load_definition
from tests.console.test_batch_sheets import read_batch

SCANS = Path(__file__).resolve().parents[3] / "shared" / "data" / "nh-test-ballot"

pytestmark = pytest.mark.skipif(
    not (SCANS / "truth.json").is_file(), reason="real scans are not beside the project"
)


@pytest.fixture
def two_styles(tmp_path: Path) -> Path:
    """The real definition with a second style, so that a back alone says too little."""
    data = json.loads((SCANS / "election.json").read_text(encoding="utf-8"))
    data["ballotStyles"].append({**data["ballotStyles"][0], "id": "card-number-4"})
    data["gridLayouts"].append({**data["gridLayouts"][0], "ballotStyleId": "card-number-4"})
    path = tmp_path / "election.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("front", "back", "records", "refused"),
    [
        ("a-front.jpeg", "a-back.jpeg", 1, 0),
        ("img7.jpeg", "img8.jpeg", 1, 0),
        ("a-1.jpeg", "a-2.jpeg", 1, 0),
        ("a-2.jpeg", "a-1.jpeg", 1, 0),
        # Not side by side: nobody can say whose back it is.
        ("img8.jpeg", "img7.jpeg", 1, 1),
        ("anna.jpeg", "berta.jpeg", 1, 1),
    ],
)
@pytest.mark.parametrize("chunk", [1, 8])
def test_a_back_takes_the_style_of_its_front(
    front: str, back: str, records: int, refused: int, chunk: int, two_styles: Path, tmp_path: Path
) -> None:
    pile, out = tmp_path / "pile", tmp_path / "out"
    pile.mkdir()
    shutil.copy(SCANS / "scan-marked-front.jpeg", pile / front)
    shutil.copy(SCANS / "scan-marked-back.jpeg", pile / back)
    done = read_batch(load_definition(two_styles), [pile], out, chunk=chunk)
    assert done.counters["records"] == records
    assert done.counters["refused"] == refused
    marks = pq.read_table(out / "marks.parquet").to_pylist()
    assert {m["ballot_style_id"] for m in marks} == {"card-number-3"}
    assert len({m["side"] for m in marks}) == (1 if refused else 2)
