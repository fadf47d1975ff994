"""The coordinator: hands chunks to an executor, keeps outcomes, survives lost workers.

Rules:

1. At most `AHEAD` chunks a worker are out at once, so memory does not grow with the batch.
2. An outcome is kept once no neighbour can change it. Where a chunk ends with a front and
   the next begins with a back, the two files are read once more, together.
3. When a pool breaks, nothing that it had in hand is lost: those groups are read again one
   at a time, so that a group which ends its worker is found. After `STRIKES` times alone it
   is refused by name; the rest goes on.
4. What the output says does not depend on chunks, workers or the order of arrival.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED as FIRST
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass, replace
from pathlib import Path

from console.batch.executors import Crew
from console.batch.journal import Journal
from console.batch.plain import FileRef, Outcome, Refusal, Work
from console.batch.work import file_bytes, read_chunk, warm_up
from console.errors import ConsoleError
from scanner.errors import PageRefusedError, RefusalReason

#: Chunks a worker: one that it reads, one that waits for it.
AHEAD = 3
#: Groups, and bytes of files, in a chunk.
CHUNK_GROUPS = 8
CHUNK_BYTES = 8 * 2**20
#: Outcomes are kept when so many bytes wait, or the oldest waits so long.
KEEP_BYTES = 16 * 2**20
KEEP_S = 0.5
#: Files flushed to the disk side by side.
FLUSHES = 8
#: How often a group may end its worker, alone, before it is refused.
STRIKES = 3
#: How long the rest of a broken pool is waited for, and a cluster that does not answer.
BROKEN_S = 60.0
LOST_S = 60.0


@dataclass(frozen=True, slots=True)
class _Task:
    """Groups read in one go. `edges`: whether its ends may yet pair with a neighbour's."""

    work: tuple[Work, ...]
    edges: bool = True

    def key(self) -> tuple[int, ...]:
        return tuple(work.number for work in self.work)

    def singles(self) -> list[_Task]:
        if not self.edges:
            return [self]
        return [_Task((work,)) for work in self.work]


class Coordinator:
    """Reads what a journal still has pending. `run` once."""

    def __init__(
        self,
        journal: Journal,
        spec: bytes,
        crew: Crew,
        review: Path,
        done: Callable[[int], None] = lambda _: None,
        *,
        chunk_groups: int = CHUNK_GROUPS,
    ) -> None:
        self._chunk_groups = chunk_groups
        self._journal, self._spec, self._crew, self._review = journal, spec, crew, review
        self._done = done
        self._executor: Executor = crew.executor
        self._flying: dict[Future[list[Outcome]], _Task] = {}
        self._next: deque[_Task] = deque()
        self._suspects: deque[_Task] = deque()
        self._strikes: dict[tuple[int, ...], int] = {}
        #: By the number of the later group: what waits at a chunk's end for the other side.
        self._edges: dict[int, tuple[Work, Outcome] | None] = {}
        self._ready: list[Outcome] = []
        self._ready_bytes = 0
        self._kept_at = time.monotonic()
        self._heard_at = time.monotonic()

    def run(self) -> None:
        """Read everything; returns when all of it is in the journal.

        Raises:
            ConsoleError: workers cannot be had; what was read is kept.
        """
        try:
            self._run()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Drop what is still in hand; an executor that is not ours to renew stays open."""
        for future in self._flying:
            future.cancel()
        if self._crew.renew is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        chunks = self._chunks()
        while True:
            lost = self._fill(chunks)
            if not self._flying and not lost:
                break
            finished, _ = wait(self._flying, timeout=KEEP_S, return_when=FIRST)
            for future in finished:
                lost += self._take(future)
            if lost:
                self._recover(lost)
            self._keep(now=False)
            self._listen(bool(finished))
        self._keep(now=True)
        if self._edges:
            raise AssertionError("a chunk's end was never settled")

    # --- handing out ----------------------------------------------------------------

    def _chunks(self) -> Iterator[_Task]:
        files, done = self._journal.count()
        # A small batch is shared out evenly rather than in whole chunks.
        most = max(1, min(self._chunk_groups, (files - done) // (self._crew.parallel * 4)))
        chunk: list[Work] = []
        size = 0
        for work, size_bytes in self._journal.pending():
            if chunk and (len(chunk) >= most or size + size_bytes > CHUNK_BYTES):
                yield _Task(tuple(chunk))
                chunk, size = [], 0
            chunk.append(work)
            size += size_bytes
        if chunk:
            yield _Task(tuple(chunk))

    def _fill(self, chunks: Iterator[_Task]) -> list[_Task]:
        """Submit what may be submitted; returns tasks that a broken pool did not take."""
        while True:
            if self._suspects:
                if self._flying:
                    return []
                task = self._suspects.popleft()
            else:
                if len(self._flying) >= AHEAD * self._crew.parallel:
                    return []
                found = self._next.popleft() if self._next else next(chunks, None)
                if found is None:
                    return []
                task = found
            try:
                future = self._executor.submit(read_chunk, self._spec, self._loaded(task))
            except BrokenExecutor:
                return [task]
            self._flying[future] = task

    def _loaded(self, task: _Task) -> list[Work]:
        if not self._crew.carry:
            return list(task.work)
        return [replace(w, files=tuple(_with_bytes(f) for f in w.files)) for w in task.work]

    # --- taking in ------------------------------------------------------------------

    def _take(self, future: Future[list[Outcome]]) -> list[_Task]:
        """Take one finished chunk in; returns it where its worker was lost."""
        task = self._flying.pop(future)
        try:
            outcomes = future.result()
        except BrokenExecutor:
            return [task]
        except CancelledError as error:
            raise self._gone("the executor dropped a chunk") from error
        except Exception as error:
            if type(error).__name__ != "KilledWorker":
                words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                raise self._gone(words) from error
            # Dask has tried it on several workers already.
            singles = task.singles()
            if len(singles) == 1:
                self._refuse(task)
            else:
                self._suspects.extend(singles)
            return []
        self._arrived(task, outcomes)
        return []

    def _arrived(self, task: _Task, outcomes: Sequence[Outcome]) -> None:
        first, last = task.work[0], task.work[-1]
        kept = list(outcomes)
        if task.edges and first.follows:
            loose = kept[0] if kept[0].loose_back else None
            self._edge(first.number, None if loose is None else (first, loose), late=True)
            kept = [o for o in kept if o is not loose]
        if task.edges and last.followed:
            front = kept[-1] if kept and kept[-1].open_front else None
            self._edge(last.number + 1, None if front is None else (last, front), late=False)
            kept = [o for o in kept if o is not front]
        for outcome in kept:
            self._accept(outcome, task)

    def _edge(self, number: int, side: tuple[Work, Outcome] | None, *, late: bool) -> None:
        """One side of the edge before group `number`; the second side decides (rule 2)."""
        if number not in self._edges:
            self._edges[number] = side
            return
        other = self._edges.pop(number)
        if side is not None and other is not None:
            before, after = (other[0], side[0]) if late else (side[0], other[0])
            pair = replace(before, followed=True), replace(after, follows=True)
            self._next.append(_Task(pair, edges=False))
            return
        for each in (side, other):
            if each is not None:
                self._accept(each[1], _Task((each[0],), edges=False))

    def _accept(self, outcome: Outcome, task: _Task) -> None:
        self._ready.append(outcome)
        self._ready_bytes += outcome.size
        if outcome.next_page is not None:
            (work,) = (w for w in task.work if w.number == outcome.numbers[0])
            file = replace(work.files[0], first_page=outcome.next_page)
            self._next.append(_Task((replace(work, files=(file,)),), edges=False))

    def _keep(self, *, now: bool) -> None:
        """Put what is ready into the journal, its pictures first."""
        due = time.monotonic() - self._kept_at > KEEP_S or self._ready_bytes > KEEP_BYTES
        if not self._ready or not (now or due):
            return
        items = [item for outcome in self._ready for item in outcome.review]
        _write_durably([(self._review / name, data) for i in items for name, data in i.files])
        self._journal.keep(self._ready)
        self._done(sum(len(o.files) for o in self._ready if o.next_page is None))
        self._ready, self._ready_bytes, self._kept_at = [], 0, time.monotonic()

    # --- losses ---------------------------------------------------------------------

    def _recover(self, lost: list[_Task]) -> None:
        """A new pool in place of a broken one; what it had in hand is under suspicion."""
        for future in list(self._flying):
            try:
                future.result(timeout=BROKEN_S)
            except BrokenExecutor:
                lost.append(self._flying.pop(future))
            except (CancelledError, TimeoutError):
                lost.append(self._flying.pop(future))
            else:
                self._take(future)
        self._keep(now=True)
        if self._crew.renew is None:
            raise self._gone("the executor's workers were lost")
        lost.sort(key=_Task.key)
        alone = len(lost) == 1 and len(lost[0].singles()) == 1
        if alone:
            key = lost[0].key()
            self._strikes[key] = self._strikes.get(key, 0) + 1
            if self._strikes[key] >= STRIKES:
                self._refuse(lost.pop())
        self._suspects.extendleft(reversed([s for task in lost for s in task.singles()]))
        for _ in range(STRIKES):
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = self._crew.renew()
            try:
                # A pool that cannot start at all must not be laid at the sheets' door.
                self._executor.submit(warm_up, self._spec).result()
            except BrokenExecutor:
                continue
            return
        raise self._gone("worker processes end as soon as they start")

    def _refuse(self, task: _Task) -> None:
        outcomes = []
        for work in task.work:
            outcome = Outcome((work.number,), tuple(f.index for f in work.files))
            outcome.refused.extend(
                Refusal(
                    f.index,
                    f.first_page + 1,
                    RefusalReason.UNREADABLE_FILE.value,
                    f"{f.shown}: reading it ended the worker process {STRIKES} times. "
                    "Keep the image and report this",
                )
                for f in work.files
            )
            outcomes.append(outcome)
        self._arrived(task, outcomes)

    def _listen(self, heard: bool) -> None:
        now = time.monotonic()
        if heard or self._crew.alive():
            self._heard_at = now
        elif now - self._heard_at > LOST_S:
            raise self._gone("the cluster does not answer")

    def _gone(self, why: str) -> ConsoleError:
        self._keep(now=True)
        return ConsoleError(
            f"reading stopped: {why}. What was read is kept; run the same command again to go on"
        )


def _with_bytes(file: FileRef) -> FileRef:
    try:
        return replace(file, data=file_bytes(file.path, file.shown))
    except PageRefusedError:
        # The worker looks for itself, and refuses it in the same words.
        return file


def _write_durably(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write files; returns when all of them are on the disk."""
    if not files:
        return
    for path, data in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    # The disk takes many at once together; one after the other keeps the workers waiting.
    with ThreadPoolExecutor(FLUSHES) as pool:
        list(pool.map(_flush, [path for path, _ in files]))


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
