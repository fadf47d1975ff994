"""NIST Election Results Reporting: valid, its figures the store's, preliminary where it is."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tally.exchange.err import validate_err
from tally.national.store import read_store, write_store
from tests.tally.exchange.conftest import Nation, Run


def exported(run: Run, nation: Nation, store: Path, out: Path, *more: str) -> dict[str, Any]:
    code, said = run(
        "export", nation.definition, store, "--form", "err", "--out", out,
        "--commissions", nation.commissions, *more,
    )  # fmt: skip
    assert code == 0, said
    report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return report


def votes_in(report: dict[str, Any]) -> dict[str, Counter[tuple[str, str]]]:
    """Votes by reporting unit, then contest and option."""
    found: dict[str, Counter[tuple[str, str]]] = {}
    for contest in report["Election"][0]["Contest"]:
        for selection in contest["ContestSelection"]:
            _, contest_id, option = selection["@id"].split("/")
            for count in selection["VoteCounts"]:
                if count["Type"] == "total":
                    found.setdefault(count["GpUnitId"], Counter())[contest_id, option] += count[
                        "Count"
                    ]
    return found


def ids_and_references(value: Any, schema: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Every id that a report defines, and every one that it names."""
    references = {
        name
        for definition in schema["definitions"].values()
        for name, kind in definition.get("properties", {}).items()
        if "refTypes" in kind or "refTypes" in kind.get("items", {})
    }
    defined: set[str] = set()
    named: set[str] = set()

    def walk(here: Any) -> None:
        if isinstance(here, dict):
            for key, inner in here.items():
                if key == "@id":
                    assert inner not in defined
                    defined.add(inner)
                elif key in references:
                    named.update(inner if isinstance(inner, list) else [inner])
                walk(inner)
        elif isinstance(here, list):
            for inner in here:
                walk(inner)

    walk(value)
    return defined, named


def test_valid_and_every_reference_leads_somewhere(
    run: Run, nation: Nation, tmp_path: Path
) -> None:
    from tally.exchange.err import SCHEMA_PATH

    for store in (nation.store, nation.partial):
        report = exported(run, nation, store, tmp_path / "err.json")
        assert validate_err(report) == []
        defined, named = ids_and_references(report, json.loads(SCHEMA_PATH.read_text()))
        assert named - defined == set()


def test_its_figures_are_the_stores_on_every_tier(run: Run, nation: Nation, tmp_path: Path) -> None:
    report = exported(run, nation, nation.store, tmp_path / "err.json")
    result = read_store(nation.store)
    found = votes_in(report)
    place = {
        row["precinct_id"]: ("CEC", row["regional_id"], row["territorial_id"])
        for row in result.tables["precincts"].to_pylist()
    }
    truth: dict[str, Counter[tuple[str, str]]] = {}
    for row in result.tables["votes"].to_pylist():
        above = [f"commission/{c}" for c in place[row["precinct_id"]]]
        for unit in (f"precinct/{row['precinct_id']}", *above):
            truth.setdefault(unit, Counter())[row["contest_id"], row["option_id"]] += row["votes"]
    assert found == truth
    stated = {
        (c, o): v
        for c, figures in result.document["contests"].items()
        for o, v in figures["votes"].items()
    }
    assert found["commission/CEC"] == Counter(stated)
    top = {
        c["OtherType"]: c
        for c in report["Election"][0]["BallotCounts"]
        if c["GpUnitId"] == "commission/CEC"
    }
    for contest, figures in result.document["contests"].items():
        counts = top[f"contest/{contest}"]
        assert counts["BallotsCast"] == figures["ballots"]
        assert counts["BallotsRejected"] == figures["invalid"]
        assert counts["BallotsOutstanding"] == figures["needs_review"]
    seats = {
        s["@id"].split("/")[2]: v["Count"]
        for c in report["Election"][0]["Contest"]
        if c["@id"] == "contest/list"
        for s in c["ContestSelection"]
        for v in s["VoteCounts"]
        if v["Type"] == "seats"
    }
    assert seats == result.document["outcome"]["lists"]["list"]["seats"]


def test_a_precinct_that_is_missing_is_not_processed_and_has_no_zeros(
    run: Run, nation: Nation, tmp_path: Path
) -> None:
    whole = exported(run, nation, nation.store, tmp_path / "whole.json", "--certified")
    assert whole["Status"] == "certified"
    part = exported(run, nation, nation.partial, tmp_path / "part.json")
    assert part["Status"] == "unofficial-partial"
    units = {u["@id"]: u for u in part["GpUnit"]}
    missing = [
        row["precinct_id"]
        for row in read_store(nation.partial).tables["precincts"].to_pylist()
        if row["status"] == "missing"
    ]
    assert len(missing) == 4
    counted = votes_in(part)
    for precinct in missing:
        assert units[f"precinct/{precinct}"]["CountStatus"][0]["Status"] == "not-processed"
        assert f"precinct/{precinct}" not in counted
    assert units["commission/CEC"]["SubUnitsReported"] == 10
    assert units["commission/CEC"]["TotalSubUnits"] == 14
    won = [c for c in part["Election"][0].get("Candidate", ()) if "PostElectionStatus" in c]
    assert won == []
    code, said = run(
        "export", nation.definition, nation.partial, "--form", "err", "--certified",
        "--out", tmp_path / "no.json",
    )  # fmt: skip
    assert code == 1
    assert "4 precincts are not counted" in said
    assert not (tmp_path / "no.json").exists()


def test_the_same_result_gives_the_same_bytes(run: Run, nation: Nation, tmp_path: Path) -> None:
    for name in ("a", "b"):
        exported(run, nation, nation.store, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_small_tally_is_exported_too(run: Run, nation: Nation, tmp_path: Path) -> None:
    code, said = run(
        "tally", nation.definition, *nation.packages(), "--trust", nation.folder / "keys",
        "--profile", nation.folder / "profile.toml", "--out", tmp_path / "totals",
        "--at", "2026-03-20",
    )  # fmt: skip
    assert code == 0, said
    small = exported(run, nation, tmp_path / "totals", tmp_path / "s.json", "--at", "2026-03-20")
    national = exported(run, nation, nation.store, tmp_path / "n.json")
    assert validate_err(small) == []
    assert votes_in(small) == votes_in(national)


def test_wrong_sums_and_another_election_are_refused(
    run: Run, nation: Nation, tmp_path: Path
) -> None:
    result = read_store(nation.store)
    contests = json.loads(json.dumps(result.document["contests"]))
    option = next(iter(result.document["contests"]["list"]["votes"]))
    contests["list"]["votes"][option] += 1
    document = {**result.document, "contests": contests}
    write_store(tmp_path / "wrong", type(result)(document, result.tables))
    arguments = ("--form", "err", "--out", tmp_path / "x.json")
    code, said = run("export", nation.definition, tmp_path / "wrong", *arguments)
    assert code == 1
    assert f"contest list, votes of {option}: says" in said
    other = tmp_path / "other.json"
    other.write_text(
        nation.election.model_copy(update={"id": "other"}).model_dump_json(exclude_none=True)
    )
    code, said = run("export", other, nation.store, *arguments)
    assert code == 1
    assert "election_hash" in said


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables(run: Run, nation: Nation, tmp_path: Path, form: str) -> None:
    import pyarrow.csv as pc_csv

    code, said = run(
        "export", nation.definition, nation.store, "--form", form, "--out", tmp_path, "--json"
    )
    assert code == 0, said
    assert len(json.loads(said)["files"]) == 6
    stored = read_store(nation.store).tables["votes"]
    path = tmp_path / f"votes.{form}"
    table = pc_csv.read_csv(path) if form == "csv" else pq.read_table(path)
    assert table.to_pylist() == stored.to_pylist()
    tiers = tmp_path / f"tiers.{form}"
    sums = (pc_csv.read_csv(tiers) if form == "csv" else pq.read_table(tiers)).to_pylist()
    total = sum(stored["votes"].to_pylist())
    for tier in ("central", "regional", "territorial"):
        assert sum(row["votes"] for row in sums if row["tier"] == tier) == total


def test_a_cell_that_is_a_formula_is_made_harmless(
    run: Run, nation: Nation, tmp_path: Path
) -> None:
    import pyarrow as pa

    result = read_store(nation.store)
    rows = result.tables["precincts"].to_pylist()
    rows[0]["source"] = "=HYPERLINK(1)"
    tables = {**result.tables, "precincts": pa.Table.from_pylist(rows)}
    write_store(tmp_path / "s", type(result)(result.document, tables))
    run("export", nation.definition, tmp_path / "s", "--form", "csv", "--out", tmp_path / "csv")
    assert '"\'=HYPERLINK(1)"' in (tmp_path / "csv" / "precincts.csv").read_text()


def test_an_unfinished_folder_is_refused(run: Run, nation: Nation, tmp_path: Path) -> None:
    shutil.copytree(nation.store, tmp_path / "s")
    (tmp_path / "s" / "result.json").unlink()
    code, said = run(
        "export", nation.definition, tmp_path / "s", "--form", "err", "--out", tmp_path / "x"
    )
    assert code == 1
    assert "totals.json: cannot be read" in said
