"""Measure how truly pages are read: millions of target positions, made, scanned and read.

    python -m tools.accuracy                          # the whole run, all cores; resumes
    python -m tools.accuracy --positions 200000 --severe-pages 0 --docs ""
    python -m tools.accuracy --show defect-fold:12 fold.png

The result depends on the seed alone, not on the number of workers or on interruptions: a
finished chunk of pages is a line in `.accuracy/`, and a run begun again with the same code
and seed goes on after the last one. Exit 1 where the normal range holds a silent error or
too many marginal readings (REQUIREMENTS, "Accuracy"; VVSG 2.0, 1.1.6-H and 1.1.6-I).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from tools.accuracy_pages import (
    NORMAL_SECTION,
    SECTIONS,
    SEVERE_SECTIONS,
    SQUARES_SECTION,
    Tally,
    make_page,
    score_pages,
)
from tools.accuracy_report import MOST_MARGINAL, marginal_rate, markdown
from tools.dense_ballot import TARGETS_A_PAGE

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".accuracy"
#: What the bound of the acceptance test needs, clear positions that were read, and the share
#: made beyond it for open marks and refused pages.
POSITIONS, SPARE = 10_000_000, 0.02
CHUNK_PAGES = 64
SQUARE_PAGES = 4_000
SEVERE_PAGES = 150


class Chunk(NamedTuple):
    """Pages `first` to `last` - 1 of a section: what one worker does in one go."""

    section: str
    first: int
    last: int


def plan(positions: int, square_pages: int, severe_pages: int) -> list[Chunk]:
    """All chunks of a run, in order."""
    pages = math.ceil(positions * (1 + SPARE) / TARGETS_A_PAGE)
    wanted = [(NORMAL_SECTION.name, pages), (SQUARES_SECTION.name, square_pages)]
    wanted += [(section.name, severe_pages) for section in SEVERE_SECTIONS]
    return [
        Chunk(name, first, min(first + CHUNK_PAGES, total))
        for name, total in wanted
        for first in range(0, total, CHUNK_PAGES)
    ]


def fingerprint() -> str:
    """The code that makes and reads pages, and the libraries it stands on: 16 hex digits."""
    digest = hashlib.sha256(f"{np.__version__} {cv2.__version__}".encode())
    files = [
        *sorted((ROOT / "election").rglob("*.py")),
        *sorted((ROOT / "election").rglob("*.toml")),
        *sorted((ROOT / "scanner").rglob("*.py")),
        ROOT / "tools" / "accuracy_pages.py",
        ROOT / "tools" / "dense_ballot.py",
    ]
    for file in files:
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def run(chunks: list[Chunk], seed: int, workers: int, kept: Path) -> dict[str, Tally]:
    """Score all chunks, those found in `kept` excepted; tallies by section.

    Raises:
        BrokenProcessPool: a worker was killed; what was finished is kept.
    """
    done = dict(kept_chunks(kept))
    left = [chunk for chunk in chunks if chunk not in done]
    kept.parent.mkdir(parents=True, exist_ok=True)
    begun, pages = time.monotonic(), 0
    # Not forked: a fork would share the parent's threads and locks in unknown states.
    context = multiprocessing.get_context("spawn")
    with (
        kept.open("a", encoding="utf-8") as sink,
        ProcessPoolExecutor(workers, mp_context=context) as pool,
    ):
        sink.write("\n" if kept.stat().st_size else "")  # after a line that a kill cut off
        futures = {pool.submit(score_pages, seed, *chunk): chunk for chunk in left}
        try:
            for future in as_completed(futures):
                chunk, tally = futures[future], future.result()
                done[chunk] = tally
                line = {"chunk": chunk, "counts": tally.counts, "silent": tally.silent}
                sink.write(json.dumps(line) + "\n")
                sink.flush()
                pages += chunk.last - chunk.first
                _progress(pages, left, begun, done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if left:
        print(file=sys.stderr)
    tallies: dict[str, Tally] = {}
    for chunk in chunks:  # in the plan's order, whoever finished first
        tallies.setdefault(chunk.section, Tally()).add(done[chunk])
    return tallies


def kept_chunks(file: Path) -> Iterator[tuple[Chunk, Tally]]:
    """Chunks of an earlier run; a line cut off by a kill is left out."""
    if not file.exists():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            found = json.loads(line)
        except json.JSONDecodeError:
            continue
        if not isinstance(found, dict) or not {"chunk", "counts", "silent"} <= found.keys():
            continue
        tally = Tally(silent=found["silent"])
        tally.counts.update(found["counts"])
        yield Chunk(*found["chunk"]), tally


def _progress(pages: int, left: list[Chunk], begun: float, done: dict[Chunk, Tally]) -> None:
    total = sum(c.last - c.first for c in left)
    rate = pages / max(time.monotonic() - begun, 1e-6)
    silent = sum(t.counts["silent errors"] for c, t in done.items() if c.section == "normal")
    print(
        f"\r{pages:,} of {total:,} pages, {rate:.1f} a second, "
        f"{(total - pages) / rate / 60:.1f} min left, {silent} silent errors in the normal range ",
        end="",
        file=sys.stderr,
        flush=True,
    )


def show(where: str, seed: int, file: Path) -> None:
    """Write the scan of one page, and its truth beside it as JSON."""
    name, _, number = where.partition(":")
    if name not in SECTIONS or not number.isdigit():
        raise SystemExit(f"{where}: give SECTION:PAGE; sections: {', '.join(SECTIONS)}")
    made = make_page(seed, SECTIONS[name], int(number))
    if not cv2.imwrite(str(file), made.scan):
        raise SystemExit(f"{file}: cannot be written")
    truth = {
        f"{t.contest_id}/{t.option_id}": c.value
        for t, c in zip(made.layout.targets, made.truth, strict=True)
    }
    marks = [
        f"{m.contest_id}/{m.option_id}: {m.kind.value}, {m.pen.kind.value}" for m in made.marks
    ]
    told = {"way": made.told, "marks": marks, "truth": truth}
    file.with_suffix(".json").write_text(json.dumps(told, indent=1), encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parse = argparse.ArgumentParser(
        prog="python -m tools.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parse.add_argument("--positions", type=int, default=POSITIONS, help="in the normal range")
    parse.add_argument("--square-pages", type=int, default=SQUARE_PAGES, help="Kazakh papers")
    parse.add_argument("--severe-pages", type=int, default=SEVERE_PAGES, help="of each defect")
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parse.add_argument("--docs", default="docs/accuracy.md", help='table to write, "" for none')
    parse.add_argument("--json", default=".accuracy/latest.json", help="figures to write")
    parse.add_argument("--pictures", help="folder for the scans with a silent error")
    parse.add_argument("--fresh", action="store_true", help="forget an earlier run's pages")
    parse.add_argument("--show", nargs=2, metavar=("SECTION:PAGE", "PNG"), help="one page only")
    return parse


def main(words: list[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    args = parser().parse_args(words)
    if args.show:
        show(args.show[0], args.seed, Path(args.show[1]))
        return 0
    code = fingerprint()
    kept = KEPT / f"{code}-{args.seed}.jsonl"
    if args.fresh:
        kept.unlink(missing_ok=True)
    chunks = plan(args.positions, args.square_pages, args.severe_pages)
    begun = time.monotonic()
    try:
        tallies = run(chunks, args.seed, args.workers, kept)
    except (KeyboardInterrupt, BrokenProcessPool):
        print(f"\nStopped. The same command goes on from {kept}.", file=sys.stderr)
        return 1
    minutes = (time.monotonic() - begun) / 60
    silent = [error for tally in tallies.values() for error in tally.silent]
    figures = {
        "seed": args.seed,
        "code": code,
        "minutes": round(minutes, 1),
        "sections": {name: dict(sorted(t.counts.items())) for name, t in tallies.items()},
        "silent": silent,
    }
    target = ROOT / args.json
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    page = markdown(tallies, seed=args.seed, code=code)
    if args.docs:
        (ROOT / args.docs).write_text(page, encoding="utf-8")
    print(page)
    if args.pictures:
        _pictures(silent, args.seed, Path(args.pictures))
    normal = [tallies[s.name] for s in (NORMAL_SECTION, SQUARES_SECTION) if s.name in tallies]
    errors = sum(tally.counts["silent errors"] for tally in normal)
    return int(errors > 0 or any(marginal_rate(t) > MOST_MARGINAL for t in normal))


def _pictures(silent: list[dict[str, object]], seed: int, folder: Path) -> None:
    """The scan of every page with a silent error, once."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in sorted({str(error["page"]) for error in silent}):
        show(page, seed, folder / f"{page.replace(':', '-')}.png")


if __name__ == "__main__":
    sys.exit(main())
