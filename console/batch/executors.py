"""The pools that read: processes of this machine, a Dask cluster, or an executor given.

Processes are spawned, not forked: a worker starts from nothing on every system, and no
lock of the coordinator is copied in a state that nobody releases.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait

from console.errors import ConsoleError

#: How long a cluster's scheduler is waited for.
CONNECT_S = 20


@dataclass(frozen=True, slots=True)
class Crew:
    """An executor and what the coordinator must know of it.

    `parallel` is how many chunks it can read at once; `carry` whether files must be sent
    to it (it may not see our disks); `renew` makes a new executor in place of a broken
    one, None where only its owner can; `alive` tells a lost cluster from a slow one.
    """

    executor: Executor
    parallel: int
    carry: bool = False
    renew: Callable[[], Executor] | None = None
    alive: Callable[[], bool] = lambda: True


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def local_crew(workers: int) -> Crew:
    """A pool of processes on this machine."""

    def pool() -> Executor:
        return ProcessPoolExecutor(
            workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
        )

    return Crew(pool(), workers, renew=pool)


@contextmanager
def cluster_crew(address: str) -> Iterator[Crew]:
    """A Dask cluster by its scheduler's address, through Dask's own executor interface.

    Its workers need this program installed; files are sent to them.

    Raises:
        ConsoleError: Dask is not installed, or no scheduler or no worker answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ConsoleError(
            "--cluster needs Dask, which is not installed: pip install 'ballotbench[cluster]'"
        ) from error
    # A chunk of scans is larger than what Dask takes for a slip.
    warnings.filterwarnings("ignore", message="Sending large graph")
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise ConsoleError(
            f"no Dask scheduler answers at {address} ({' '.join(str(error).split())[:120]})"
        ) from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise ConsoleError(f"the Dask cluster at {address} has no workers; start some first")
        # Not pure: a chunk that failed once must run anew, not be answered from memory.
        yield Crew(
            client.get_executor(pure=False),
            threads,
            carry=True,
            alive=lambda: client.status == "running",
        )


def _begin_worker() -> None:
    """In a new worker: leave Ctrl-C to the coordinator, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
