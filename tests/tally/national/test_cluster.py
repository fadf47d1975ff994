"""A nation on a real Dask cluster, one worker killed in between: the same bytes."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.batch.executors import cluster_crew
from tally.national.count import NationalCount, Place, count_nation
from tally.national.store import write_store
from tally.simulation.plan import NationPlan
from tally.simulation.write import write_nation
from tests.cluster import cluster_in

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


def stored(found: NationalCount, folder: Path) -> dict[str, bytes]:
    write_store(folder, found.result)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_cluster_that_loses_a_worker_counts_the_same(tmp_path: Path) -> None:
    nation = tmp_path / "nation"
    plan = NationPlan(seed=5, precincts=40, ballots=2000, regions=2, territories=4, districts=2)
    with ThreadPoolExecutor(2) as executor:
        write_nation(plan, nation, executor)
    place = Place.of(
        nation / "election.json",
        nation / "profile.toml",
        nation / "keys",
        datetime(2026, 3, 20, tzinfo=UTC),
    )
    files = [(p.name, str(p)) for p in sorted((nation / "packages").rglob("*.zip"))]
    assert len(files) == 40
    with ThreadPoolExecutor(1) as executor:
        here = stored(count_nation(place, files, executor), tmp_path / "here")
    with cluster_in(tmp_path / "cluster") as (address, workers), cluster_crew(address) as crew:
        left = []

        def kill_one(done: int) -> None:
            # Once, with most chunks still to come and several under way.
            if not left:
                left.append(len(files) - done)
                os.kill(workers[0].pid, signal.SIGKILL)

        found = count_nation(place, files, crew.executor, chunk=2, ahead=6, progress=kill_one)
        assert workers[0].wait(10) == -signal.SIGKILL
        assert workers[1].poll() is None
    assert left == [len(files) - 2]
    assert found.refused == ()
    assert stored(found, tmp_path / "far") == here
