"""The folder of a national result: same rows same bytes, altered files refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tally.national.store import (
    TABLES,
    NationalResult,
    StoreError,
    read_store,
    sorted_table,
    write_store,
)

ROWS = [
    {"precinct_id": f"P-{p}", "contest_id": "list", "option_id": o, "votes": p * 7 + len(o)}
    for p in range(40)
    for o in ("a", "bb", "ccc")
]


def result(rows: list[dict[str, Any]]) -> NationalResult:
    return NationalResult({"election_id": "E"}, {"votes": pa.Table.from_pylist(rows)})


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_order_of_rows_leaves_no_trace(tmp_path: Path) -> None:
    write_store(tmp_path / "a", result(ROWS))
    mixed = ROWS[:]
    random.Random(4).shuffle(mixed)
    write_store(tmp_path / "b", result(mixed))
    assert files(tmp_path / "a") == files(tmp_path / "b")
    read = read_store(tmp_path / "a")
    assert sum(read.tables["votes"]["votes"].to_pylist()) == sum(r["votes"] for r in ROWS)
    assert read.tables["papers"].schema == TABLES["papers"]


def test_a_changed_table_is_refused_by_name(tmp_path: Path) -> None:
    write_store(tmp_path, result(ROWS))
    path = tmp_path / "votes.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"votes\.parquet: was altered"):
        read_store(tmp_path)
    path.unlink()
    with pytest.raises(StoreError, match=r"votes\.parquet: cannot be read"):
        read_store(tmp_path)


def test_rows_that_stand_twice_are_refused() -> None:
    with pytest.raises(StoreError, match="1 rows stand twice"):
        sorted_table("votes", pa.Table.from_pylist([*ROWS, ROWS[3]]))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"precinct_id": None, "contest_id": "c", "option_id": "o"}, "precinct_id has an empty"),
        ({"precinct_id": "p", "contest_id": "c"}, "option_id is missing"),
        ({"precinct_id": "p", "contest_id": "c", "option_id": "o", "x": 1}, "x is not known"),
        ({"precinct_id": "p", "contest_id": "c", "option_id": "o", "votes": "many"}, "votes: "),
        ({"precinct_id": "p", "contest_id": "c", "option_id": "o", "votes": 1.5}, "votes: "),
    ],
)
def test_rows_of_another_form_are_refused(row: dict[str, Any], words: str) -> None:
    with pytest.raises(StoreError, match=words):
        sorted_table("votes", pa.Table.from_pylist([row]))


def test_a_folder_without_its_document_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"result\.json: cannot be read"):
        read_store(tmp_path)
    (tmp_path / "result.json").write_text("[]", encoding="utf-8")
    with pytest.raises(StoreError, match="format: is not"):
        read_store(tmp_path)
