"""The national count: right sums, the same bytes however it is cut, bad packages named."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.cli import main
from election.commissions import load_commissions
from election.definition import load_election
from election.profile import load_profile
from firmware_sim.trust import TrustStore, revoke_region
from tally.batch import verify_packages
from tally.errors import TallyError
from tally.national.count import NationalCount, Place, count_nation, summed
from tally.national.store import read_store, write_store
from tally.simulation.packages import PackageMaker
from tally.simulation.plan import NationPlan, make_nation
from tally.simulation.write import write_nation

AT = datetime(2026, 3, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nation") / "n"
    plan = NationPlan(seed=9, precincts=24, ballots=1500, regions=2, territories=6, districts=3)
    with ThreadPoolExecutor(1) as executor:
        write_nation(plan, folder, executor)
    return folder


def place(folder: Path) -> Place:
    return Place.of(folder / "election.json", folder / "profile.toml", folder / "keys", AT)


def files(folder: Path) -> list[tuple[str, str]]:
    return [(p.name, str(p)) for p in sorted(folder.glob("packages/*/*.zip"))]


def count(
    folder: Path, given: list[tuple[str, str]], *, chunk: int = 7, workers: int = 1
) -> NationalCount:
    with ThreadPoolExecutor(workers) as executor:
        return count_nation(place(folder), given, executor, chunk=chunk)


def stored(found: NationalCount, folder: Path) -> dict[str, bytes]:
    write_store(folder, found.result)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_sums_are_what_was_drawn(nation: Path, tmp_path: Path) -> None:
    found = count(nation, files(nation))
    truth = json.loads((nation / "truth.json").read_text())
    assert found.refused == ()
    document = found.result.document
    assert {c: f["votes"] for c, f in document["contests"].items()} == truth["contests"]
    assert document["precincts"]["counted"] == 24
    assert all(row["breached"] == 0 for row in document["controls"].values())
    write_store(tmp_path, found.result)
    votes = read_store(tmp_path).tables["votes"]
    assert sum(votes["votes"].to_pylist()) == sum(
        sum(v.values()) for v in truth["contests"].values()
    )


def test_order_chunks_and_workers_leave_no_trace(nation: Path, tmp_path: Path) -> None:
    one = stored(count(nation, files(nation)), tmp_path / "a")
    mixed = files(nation)
    random.Random(3).shuffle(mixed)
    assert stored(count(nation, mixed, chunk=1, workers=3), tmp_path / "b") == one
    assert stored(count(nation, mixed, chunk=100), tmp_path / "c") == one


def test_it_counts_what_the_full_check_counts(nation: Path) -> None:
    election = load_election(nation / "election.json")
    profile = load_profile(nation / "profile.toml")
    packages = [(name, Path(path).read_bytes()) for name, path in files(nation)]
    whole = verify_packages(packages, election, profile, TrustStore.load(nation / "keys"), at=AT)
    result = summed(whole.accepted, (), election, profile, at=AT)
    mine = count(nation, files(nation)).result
    assert mine.document == result.document
    assert mine.tables["precincts"].equals(result.tables["precincts"])


def test_bad_packages_are_named_and_the_rest_goes_on(nation: Path, tmp_path: Path) -> None:
    copy = tmp_path / "n"
    shutil.copytree(nation, copy)
    given = files(copy)
    flipped, cut, gone, twice = (Path(path) for _, path in given[:4])
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    cut.write_bytes(cut.read_bytes()[:-200])
    gone.unlink()
    again = copy / "again.zip"
    shutil.copy(twice, again)
    revoke_region(copy / "keys", "T-6", AT)
    found = count(copy, [*given, ("again.zip", str(again))])
    reasons = {one.name: one.reason for one in found.refused}
    assert reasons[flipped.name] == reasons[cut.name] == "altered"
    assert reasons[gone.name] == "unreadable"
    # Of the same bytes under two names one is counted.
    assert sorted(r for n, r in reasons.items() if n in (twice.name, "again.zip")) == ["replayed"]
    revoked = {n for n, r in reasons.items() if r == "revoked"}
    tree = load_commissions(copy / "commissions.json", load_election(copy / "election.json"))
    assert {n.removesuffix(".zip") for n in revoked} == set(tree.precincts_under("T-6"))
    status = found.result.document["precincts"]
    assert status["counted"] + status["missing"] + status["refused"] == 24
    assert status["counted"] == 24 - 3 - len(revoked)
    assert "preliminary" in found.result.document["outcome"]["notes"][0]


def test_a_list_of_the_revoked_that_changed_is_never_checked_by_the_old_one(
    nation: Path, tmp_path: Path
) -> None:
    """A worker may outlive a count, with what it has read."""
    copy = tmp_path / "n"
    shutil.copytree(nation, copy)
    with ThreadPoolExecutor(1) as worker:
        before = place(copy)
        assert count_nation(before, files(copy), worker).refused == ()
        revoke_region(copy / "keys", "T-1", AT)
        now = count_nation(place(copy), files(copy), worker)
        assert {one.reason for one in now.refused} == {"revoked"}
    other = dataclasses.replace(before, at=AT + timedelta(days=1))
    with ThreadPoolExecutor(1) as worker, pytest.raises(TallyError, match="begin again"):
        count_nation(other, files(copy), worker)


def test_two_packages_of_one_precinct_are_contradictory(nation: Path) -> None:
    plan = NationPlan(seed=9, precincts=24, ballots=1500, regions=2, territories=6, districts=3)
    maker = PackageMaker(make_nation(plan), load_profile(nation / "profile.toml"), nation / "keys")
    made = next(maker.territory("T-1"))  # the same votes, signed by another key: a second one
    twin = nation / "twin.zip"
    twin.write_bytes(made.data)
    given = [*files(nation), ("twin.zip", str(twin))]
    found = count(nation, given)
    assert {one.reason for one in found.refused} == {"duplicate_precinct"}
    assert {one.precinct_id for one in found.refused} == {made.precinct_id}
    assert len(found.refused) == 2
    assert found.result.document["precincts"]["contradictory"] == 1
    rows = found.result.tables["precincts"].to_pylist()
    row = next(row for row in rows if row["precinct_id"] == made.precinct_id)
    assert "twin.zip" in row["reason"]


def test_packages_of_another_authority_are_forged(nation: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    plan = NationPlan(seed=9, precincts=24, ballots=1500, regions=2, territories=6, districts=3)
    with ThreadPoolExecutor(1) as executor:
        write_nation(plan, other, executor)
    found = count(nation, [*files(nation)[1:], ("foreign.zip", files(other)[0][1])])
    assert [one.reason for one in found.refused] == ["forged"]
    assert found.result.document["precincts"]["missing"] == 1


def test_by_command(nation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        return int(str(stop.value.code))

    common = (
        "tally", str(nation / "election.json"), str(nation / "packages"),
        "--trust", str(nation / "keys"), "--profile", str(nation / "profile.toml"),
        "--at", "2026-03-20", "--national", "--workers", "1",
    )  # fmt: skip
    out = tmp_path / "out"
    tree = ("--commissions", str(nation / "commissions.json"))
    assert run(*common, *tree, "--out", str(out)) == 0
    assert "24 of 24 precincts counted" in capsys.readouterr().out
    table = read_store(out).tables["precincts"]
    assert table["territorial_id"][0].as_py() == "T-1"
    assert run(*common, "--out", str(out), "--register", str(tmp_path / "r")) == 1
    assert "--register is for" in capsys.readouterr().err
    made = tmp_path / "made"
    small = ("--precincts", "3", "--ballots", "30", "--regions", "1", "--territories", "1",
             "--districts", "1", "--workers", "1")  # fmt: skip
    assert run("simulate", "nation", "--out", str(made), *small, "--json") == 0
    assert sum(json.loads(capsys.readouterr().out)["contests"]["list"].values()) > 20
    assert run("simulate", "nation", "--out", str(made), *small) == 1
    assert "not empty" in capsys.readouterr().err
