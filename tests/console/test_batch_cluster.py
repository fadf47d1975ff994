"""A batch on a real Dask cluster: a scheduler and two workers, one killed in mid-batch."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.batch.executors import cluster_crew
from console.errors import ConsoleError
from tests.cluster import Cluster, cluster_in
from tests.console.piles import MAJILIS, Pile, content, votes
from tests.console.test_batch_kill import read, seconds_used, start

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

FILES = 80


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with cluster_in(tmp_path / "cluster") as started:
        yield started


def test_a_cluster_that_loses_a_worker_reads_the_same(cluster: Cluster, tmp_path: Path) -> None:
    address, workers = cluster
    pile = Pile(tmp_path / "pile")
    pile.add_many(FILES)
    local = read(MAJILIS, pile.folder, "--out", tmp_path / "local")
    assert local.returncode == 0, local.stderr
    idle = seconds_used(workers[0].pid)
    with start(MAJILIS, pile.folder, "--out", tmp_path / "far", "--cluster", address) as process:
        limit = time.monotonic() + 60
        # Once the first worker has built its reader and begun on sheets.
        while (
            process.poll() is None
            and time.monotonic() < limit
            and seconds_used(workers[0].pid) < idle + 0.9
        ):
            time.sleep(0.02)
        assert process.poll() is None
        os.kill(workers[0].pid, signal.SIGKILL)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert votes(tmp_path / "far") == pile.truth
    assert content(tmp_path / "far") == content(tmp_path / "local")


def test_no_cluster_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.batch.executors.CONNECT_S", 1)
    with pytest.raises(ConsoleError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        cluster_crew("tcp://127.0.0.1:9").__enter__()
