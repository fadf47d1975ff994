"""A nation counted from signed protocols alone: right sums, the same bytes, nothing dropped."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.cli import main
from tally.chain.result import ProtocolCount, count_protocols
from tally.chain.work import ChainPlace
from tally.errors import TallyError
from tally.national.count import Place
from tally.national.store import read_store, write_store
from tally.simulation.plan import NationPlan
from tally.simulation.write import write_nation
from tests.tally.chain.land import Land

AT = datetime(2026, 3, 20, tzinfo=UTC)
PLAN = NationPlan(seed=11, precincts=20, ballots=1500, regions=2, territories=5, districts=2)


@pytest.fixture(scope="module", params=["apart", "together"])
def nation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nation") / "n"
    plan = dataclasses.replace(PLAN, papers=request.param)
    with ThreadPoolExecutor(1) as executor:
        write_nation(plan, folder, executor, protocols=True)
    return folder


def place(folder: Path) -> ChainPlace:
    rules = folder / "election.json", folder / "profile.toml", folder / "keys"
    return ChainPlace.of(Place.of(*rules, AT), folder / "commissions.json")


def files(folder: Path) -> list[tuple[str, str]]:
    return [(p.name, str(p)) for p in sorted(folder.rglob("protocols/*/*.zip"))]


def count(
    folder: Path, given: list[tuple[str, str]], *, chunk: int = 7, workers: int = 1
) -> ProtocolCount:
    with ThreadPoolExecutor(workers) as executor:
        return count_protocols(place(folder), given, executor, chunk=chunk)


def stored(found: ProtocolCount, folder: Path) -> dict[str, bytes]:
    write_store(folder, found.result)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_sums_are_what_was_drawn(nation: Path, tmp_path: Path) -> None:
    found = count(nation, files(nation))
    assert found.refused == ()
    truth = json.loads((nation / "truth.json").read_text(encoding="utf-8"))
    document = found.result.document
    assert {c: f["votes"] for c, f in document["contests"].items()} == truth["contests"]
    assert document["precincts"]["counted"] == 20
    assert all(states["breached"] == 0 for states in document["controls"].values())
    assert document["controls"]["issued_equals_signatures"]["holds"] >= 20
    write_store(tmp_path / "store", found.result)
    read = read_store(tmp_path / "store")
    assert read.document["source"] == "protocols"
    assert sum(read.tables["votes"]["votes"].to_pylist()) == sum(
        sum(votes.values()) for votes in truth["contests"].values()
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_order_chunks_workers_and_repetition_leave_no_trace(
    nation: Path, tmp_path: Path, seed: int
) -> None:
    given = files(nation)
    whole = stored(count(nation, given), tmp_path / "one")
    chance = random.Random(seed)
    mixed = given + chance.sample(given, 5)
    chance.shuffle(mixed)
    again = count(nation, mixed, chunk=chance.randint(1, 9), workers=3)
    assert stored(again, tmp_path / "two") == whole


def test_what_is_not_counted_is_named_with_its_precinct(nation: Path, tmp_path: Path) -> None:
    given = files(nation)
    bad = tmp_path / "bad.zip"
    data = bytearray(Path(given[0][1]).read_bytes())
    data[len(data) // 3] ^= 1
    bad.write_bytes(data)
    found = count(nation, [("bad.zip", str(bad)), *given[2:], ("gone.zip", str(tmp_path / "gone"))])
    words = {one.name: one for one in found.refused}
    assert words["bad.zip"].of == "P-00001"
    assert words["gone.zip"].reason == "unreadable"
    numbers = found.result.document["precincts"]
    assert (numbers["counted"], numbers["refused"], numbers["missing"]) == (18, 1, 1)
    rows = {row["precinct_id"]: row for row in found.result.tables["precincts"].to_pylist()}
    assert rows["P-00001"]["status"] == "refused"
    assert rows["P-00002"]["reason"] == "nothing came"


def test_a_worker_with_another_tree_refuses(nation: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(nation, copy)
    where = place(copy)
    tree = copy / "commissions.json"
    tree.write_text(tree.read_text(encoding="utf-8").replace('"quorum":5', '"quorum":1'), "utf-8")
    with ThreadPoolExecutor(1) as executor, pytest.raises(TallyError, match="is not what it was"):
        count_protocols(where, files(copy), executor)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(str(stop.value.code))


def test_decisions_count_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protocols, a contradiction and the decision on it, in one folder, in processes."""
    land = Land(tmp_path)
    folder, p = tmp_path / "published", land.p[0]
    folder.mkdir()
    for precinct, data in land.protocols().items():
        (folder / f"{precinct}.zip").write_bytes(data)
    (folder / "second.zip").write_bytes(land.protocol(p, land.moved(p)))
    arguments = (
        "tally",
        str(tmp_path / "election.json"),
        str(folder),
        "--national",
        "--trust",
        str(land.keys),
        "--profile",
        str(tmp_path / "profile.toml"),
        "--commissions",
        str(tmp_path / "commissions.json"),
        "--workers",
        "1",
        "--at",
        AT.isoformat(),
        "--json",
        "-o",
        str(tmp_path / "out"),
    )
    assert run(*arguments) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["precincts"]["contradictory"] == 1
    assert f"{p} signed two different protocols" in shown["findings"][0]
    aside = [land.form(p).digest]
    act = land.decision("CEC", p, adopts=land.moved(p).digest, sets_aside=aside)
    (folder / "decision.zip").write_bytes(act)
    assert run(*arguments) == 1  # still said: both were signed
    shown = json.loads(capsys.readouterr().out)
    assert shown["precincts"]["counted"] == 12
    rows = read_store(tmp_path / "out").tables["precincts"].to_pylist()
    row = next(row for row in rows if row["precinct_id"] == p)
    assert (row["decisions"], row["source"]) == (1, "second.zip")
    assert "Recounted by hand" in row["reason"]
