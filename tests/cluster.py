"""A Dask cluster of real processes on this machine: a scheduler and two workers.

Its user says `pytest.importorskip("distributed")` first: the extra may not be installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

Cluster = tuple[str, list[subprocess.Popen[bytes]]]


def dask(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    log = (folder / f"{arguments[0]}-{len(list(folder.iterdir()))}.log").open("wb")
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )


@contextmanager
def cluster_in(folder: Path) -> Iterator[Cluster]:
    """The scheduler's address, and two workers of one thread each; logs in `folder`."""
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
