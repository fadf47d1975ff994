"""Tables of figures, out and in again; wrong cells named, their precinct not counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tally.national.store import read_store
from tests.tally.exchange.conftest import Nation, Run, findings


@pytest.fixture(scope="module")
def tables(nation: Nation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from election.commissions import load_commissions
    from tally.exchange.tables import write_tables

    folder = tmp_path_factory.mktemp("tables")
    tree = load_commissions(nation.commissions, nation.election)
    for form in ("csv", "parquet"):
        for name, store in (("all", nation.store), ("part", nation.partial)):
            result = read_store(store)
            write_tables(
                result,
                nation.election,
                folder / f"{name}-{form}",
                "csv" if form == "csv" else "parquet",
                commissions=tree,
            )
    return folder


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["all", "part"])
def test_out_and_in_again(
    run: Run, nation: Nation, tables: Path, tmp_path: Path, form: str, name: str
) -> None:
    code, said = run(
        "import", nation.definition, tables / f"{name}-{form}", "--form", "tables",
        "--out", tmp_path, "--commissions", nation.commissions,
    )  # fmt: skip
    assert code == 0, said
    mine = read_store(tmp_path)
    truth = read_store(nation.store if name == "all" else nation.partial)
    for table in ("votes", "contests", "papers"):
        assert mine.tables[table].equals(truth.tables[table])
    assert mine.document["contests"] == truth.document["contests"]
    assert mine.document["precincts"] == truth.document["precincts"]
    assert mine.document["outcome"]["lists"] == truth.document["outcome"]["lists"]


FAULTS = {
    "letters": (",7", ",7a", "is not a whole number of 0 or more"),
    "negative": (",7", ",-7", "is not a whole number of 0 or more"),
    "huge": (",7", f",{'9' * 40}", "is too large"),
    "fraction": (",7", ",7.0", "is not a whole number of 0 or more"),
    "wide digit": (",7", ",٧", "is not a whole number of 0 or more"),
    "empty": (",7", ",", "is not a whole number of 0 or more"),
    "wrong total": (",7", ",8", "are not 1 x ("),
    "option": ('"amanat"', '"amanatt"', "'amanatt' is no option of contest list"),
    "precinct": ('"P-00003"', '"P-99999"', "'P-99999' is not in nation"),
    "contest": ('"P-00003","list"', '"P-00003","lists"', "'lists' is not voted on in P-00003"),
    "cells": (",7", ",7,7", "has 5 cells, the header has 4"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_cell_is_named_and_only_its_precinct_is_not_counted(
    run: Run, nation: Nation, tables: Path, tmp_path: Path, fault: str
) -> None:
    old, new, words = FAULTS[fault]
    folder = tmp_path / "t"
    shutil.copytree(tables / "all-csv", folder)
    path = folder / "votes.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    start = '"P-00003","list"'
    at = next(
        i for i, line in enumerate(lines) if line.startswith(start) and (old == ",7" or old in line)
    )
    head, _, number = lines[at].rpartition(",")
    if old == ",7":
        given = new.removeprefix(",")
        lines[at] = f"{head},{int(number) + 1}" if fault == "wrong total" else f"{head},{given}"
    else:
        lines[at] = lines[at].replace(old, new, 1)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, said = run(
        "import", nation.definition, folder, "--form", "tables", "--out", tmp_path / "in"
    )
    assert code == 1, said
    found = findings(tmp_path / "in")
    assert any(words in f["what"] for f in found), found
    assert all(f["file"] and f["advice"] for f in found)
    if fault not in ("wrong total",):
        assert found[0]["place"] == f"line {at + 1}"
    status = {
        r["precinct_id"]: r["status"]
        for r in read_store(tmp_path / "in").tables["precincts"].to_pylist()
    }
    assert status.pop("P-00003") == "refused"
    assert set(status.values()) == {"counted"}


def test_a_file_cut_short_names_every_precinct_that_is_not_counted(
    run: Run, nation: Nation, tables: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "t"
    shutil.copytree(tables / "all-csv", folder)
    path = folder / "votes.csv"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 - 3])
    code, said = run(
        "import", nation.definition, folder, "--form", "tables", "--out", tmp_path / "in"
    )
    assert code == 1, said
    result = read_store(tmp_path / "in")
    refused = {
        r["precinct_id"] for r in result.tables["precincts"].to_pylist() if r["status"] == "refused"
    }
    assert 5 <= len(refused) < 14
    assert {f["precinct"] for f in findings(tmp_path / "in")} >= refused
    truth = read_store(nation.store).tables["votes"].to_pylist()
    assert result.tables["votes"].to_pylist() == [
        r for r in truth if r["precinct_id"] not in refused
    ]


def test_rows_that_stand_twice(run: Run, nation: Nation, tables: Path, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    shutil.copytree(tables / "all-csv", folder)
    path = folder / "votes.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[1]]) + "\n", encoding="utf-8")
    arguments = ("import", nation.definition, folder, "--form", "tables", "--out", tmp_path / "in")
    assert run(*arguments)[0] == 0
    head, _, number = lines[1].rpartition(",")
    path.write_text("\n".join([*lines, f"{head},{int(number) + 1}"]) + "\n", encoding="utf-8")
    code, said = run(*arguments)
    assert code == 1
    assert "another row says" in said
    assert "13 precincts counted" in said


def test_a_table_that_is_lacking_or_none(
    run: Run, nation: Nation, tables: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "t"
    shutil.copytree(tables / "all-csv", folder)
    arguments = ("import", nation.definition, folder, "--form", "tables", "--out", tmp_path / "in")
    (folder / "votes.csv").write_bytes("құпия".encode("cp1251", "replace") + b"\xff,\n")
    code, said = run(*arguments)
    assert code == 1
    assert "votes.csv: line 1: is not UTF-8 text" in said
    (folder / "votes.csv").write_text("precinct_id,votes\n")
    code, said = run(*arguments)
    assert "0 columns contest_id" in said
    (folder / "votes.csv").unlink()
    code, said = run(*arguments)
    assert code == 1
    assert "has no votes.csv" in said
