"""A batch on a real Dask cluster: a scheduler and two workers, one killed in mid-batch."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from console.batch.executors import cluster_crew
from console.errors import ConsoleError
from tests.console.piles import MAJILIS, ROOT, Pile, content, votes
from tests.console.test_batch_kill import read, seconds_used, start

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

FILES = 80


def dask(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    log = (folder / f"{arguments[0]}-{len(list(folder.iterdir()))}.log").open("wb")
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The scheduler's address, and two workers of one thread each."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    with ExitStack() as stack:

        def started(*arguments: str) -> subprocess.Popen[bytes]:
            process = stack.enter_context(dask(folder, *arguments))
            stack.callback(process.kill)
            return process

        started("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        address = wait_for(folder / "scheduler-0.log", rb"Scheduler at:\s+(tcp://[\d.:]+)")
        options = (address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        workers = [started("worker", *options) for _ in range(2)]
        for log in ("worker-1.log", "worker-2.log"):
            wait_for(folder / log, rb"Registered to:\s+(\S+)")
        yield address, workers


def wait_for(log: Path, pattern: bytes) -> str:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        found = re.search(pattern, log.read_bytes()) if log.exists() else None
        if found:
            return found[1].decode()
        time.sleep(0.05)
    raise AssertionError(log.read_text(encoding="utf-8", errors="replace"))


def test_a_cluster_that_loses_a_worker_reads_the_same(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
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
