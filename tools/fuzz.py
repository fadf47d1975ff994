"""Damaged files and odd arrays through decoding and reading: a reading or a named refusal.

    python -m tools.fuzz                                  # 100,000 files, 10,000 arrays
    python -m tools.fuzz --images 2000 --arrays 500 --seed 7
    python -m tools.fuzz --only image:4711 --save case.bin

Every case runs in a worker process. One that raises anything but a refusal, takes longer
than two seconds of its processor, dies (a crash inside a library) or hangs is a finding,
listed with the number that makes it again. Exit 1 where there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

#: Longest that a case may take, seconds of processor time; and of the clock before it is
#: taken for hung (the machine may be busy).
SLOW_S, HUNG_S = 2.0, 20.0
#: Address space of a worker, bytes: a file that asks for more must not bring a machine down.
MEMORY = 6 << 30

#: One case of a kind ("image", "array"): (kind, seed, number) to its outcome in words.
Try = Callable[[str, int, int], str]


@dataclass(frozen=True, slots=True)
class Share:
    """Cases `first` to `last` - 1 of a kind."""

    kind: str
    first: int
    last: int


@dataclass
class Outcomes:
    """How often what came out, and each finding in words, by case."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)

    def take(self, share: Share, number: int, words: str) -> None:
        """Count one case."""
        if words.startswith("FINDING"):
            self.findings[f"{share.kind}:{number}"] = words.removeprefix("FINDING: ")
            words = "finding"
        self.counts[f"{share.kind} {words}"] += 1


def try_case(kind: str, seed: int, number: int) -> str:
    """A case of this project (imported late: only workers need it)."""
    from tools import fuzz_cases

    return {"image": fuzz_cases.try_image, "array": fuzz_cases.try_array}[kind](seed, number)


def fuzz(
    shares: Sequence[Share],
    seed: int,
    workers: int,
    attempt: Try = try_case,
    *,
    slow_s: float = SLOW_S,
    hung_s: float = HUNG_S,
    told: Callable[[Outcomes], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcomes:
    """Run all cases; a worker that dies or hangs is a finding, and another one goes on.

    `told` hears of every step; `hung_s` is by `clock`.
    """
    left = list(shares)[::-1]
    outcomes = Outcomes()
    crew: list[_Worker] = []
    try:
        while left or crew:
            while left and len(crew) < workers:
                crew.append(_Worker(left.pop(), seed, attempt, slow_s, clock))
            wait([w.pipe for w in crew], timeout=0.5)
            for worker in list(crew):
                rest = worker.hear(outcomes, hung_s)
                if worker.over:
                    crew.remove(worker)
                    if rest is not None:
                        left.append(rest)
            told(outcomes)
    finally:
        for worker in crew:
            worker.stop()
    return outcomes


class _Worker:
    """One process on one share. Its messages: the number it begins, then the outcome."""

    def __init__(
        self, share: Share, seed: int, attempt: Try, slow_s: float, clock: Callable[[], float]
    ) -> None:
        # Not forked: a crash must show in a process that began clean.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe(duplex=False)
        self._share = share
        self._process: BaseProcess = context.Process(
            target=_work, args=(theirs, share, seed, attempt, slow_s), daemon=True
        )
        self._process.start()
        theirs.close()
        self._now: int | None = None
        self._clock = clock
        self._since = clock()
        self.over = False

    def hear(self, outcomes: Outcomes, hung_s: float) -> Share | None:
        """Take what was said; the rest of the share, where the worker is over before it."""
        try:
            while self.pipe.poll():
                message: Any = self.pipe.recv()
                if message is None:
                    self.stop()
                    return None
                number, words = message
                self._since = self._clock()
                self._now = number if words is None else None
                if words is not None:
                    outcomes.take(self._share, number, words)
        except (EOFError, ConnectionResetError):
            self._process.join()
            return self._failed(outcomes, f"the process died ({self._process.exitcode})")
        # Before the first case the process only imports.
        if self._now is not None and self._clock() - self._since > hung_s:
            return self._failed(outcomes, f"no answer after {hung_s:g} s")
        return None

    def _failed(self, outcomes: Outcomes, words: str) -> Share | None:
        self.stop()
        if self._now is None:
            raise RuntimeError(f"a worker on {self._share} could not begin: {words}")
        outcomes.take(self._share, self._now, f"FINDING: {words}")
        if self._now + 1 >= self._share.last:
            return None
        return Share(self._share.kind, self._now + 1, self._share.last)

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.over = True
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _work(pipe: Connection, share: Share, seed: int, attempt: Try, slow_s: float) -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Image libraries complain of damage on stderr, a hundred thousand times.
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    # The first case goes twice: what is loaded once is no case's time, but its crash is.
    pipe.send((share.first, None))
    attempt(share.kind, seed, share.first)
    for number in range(share.first, share.last):
        pipe.send((number, None))
        begun = time.process_time()
        words = attempt(share.kind, seed, number)
        took = time.process_time() - begun
        if took > slow_s and not words.startswith("FINDING"):
            words = f"FINDING: took {took:.1f} s ({words})"
        pipe.send((number, words))
    pipe.send(None)


def plan(images: int, arrays: int, size: int = 500) -> list[Share]:
    """All shares of a run."""
    return [
        Share(kind, first, min(first + size, total))
        for kind, total in (("array", arrays), ("image", images))
        for first in range(0, total, size)
    ]


def _progress(total: int, begun: float) -> Callable[[Outcomes], None]:
    def told(outcomes: Outcomes) -> None:
        done = outcomes.counts.total()
        rate = done / max(time.monotonic() - begun, 1e-6)
        left = (total - done) / max(rate, 1e-6) / 60
        words = f"\r{done:,} of {total:,} cases, {left:.1f} min left, "
        print(f"{words}{len(outcomes.findings)} findings ", end="", file=sys.stderr, flush=True)

    return told


def main(words: list[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parse = argparse.ArgumentParser(
        prog="python -m tools.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parse.add_argument("--images", type=int, default=100_000)
    parse.add_argument("--arrays", type=int, default=10_000)
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parse.add_argument("--json", help="file for the counts and findings")
    parse.add_argument("--only", metavar="KIND:NUMBER", help="one case, in this process")
    parse.add_argument("--save", help="with --only image:…: write the damaged file here")
    args = parse.parse_args(words)
    if args.only:
        return _only(args.only, args.seed, args.save)
    begun = time.monotonic()
    shares = plan(args.images, args.arrays)
    outcomes = fuzz(
        shares, args.seed, args.workers, told=_progress(args.images + args.arrays, begun)
    )
    print(file=sys.stderr)
    for name, count in sorted(outcomes.counts.items()):
        print(f"{count:>9,}  {name}")
    for case, finding in sorted(outcomes.findings.items()):
        print(f"{case}: {finding}")
    if args.json:
        figures = {"seed": args.seed, "counts": outcomes.counts, "findings": outcomes.findings}
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(
        f"{outcomes.counts.total():,} cases in {(time.monotonic() - begun) / 60:.1f} min: "
        f"{len(outcomes.findings)} findings"
    )
    return int(bool(outcomes.findings))


def _only(case: str, seed: int, save: str | None) -> int:
    from tools import fuzz_cases

    kind, _, number = case.partition(":")
    if kind not in ("image", "array") or not number.isdigit():
        raise SystemExit(f"{case}: give image:NUMBER or array:NUMBER")
    if save and kind == "image":
        Path(save).write_bytes(fuzz_cases.mutated_file(seed, int(number)))
    words = try_case(kind, seed, int(number))
    print(words)
    return int(words.startswith("FINDING"))


if __name__ == "__main__":
    sys.exit(main())
