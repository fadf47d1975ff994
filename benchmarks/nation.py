"""The national count by size: seconds, memory, and how the time grows with precincts.

    python -m benchmarks.nation [--nation FOLDER] [--sizes 100 1000 10223] [--json FILE]

Nations of each size are made first (`ballotbench simulate nation`: as many ballots a precinct
as in the largest, 12,000,000 over 10,223); one that `--nation` names is used for its own size
and kept, or made there. Then `ballotbench tally --national` counts each, as a process with
workers of its own: every signature and hash, every sum, every control ratio, seats; and its
sums must be what was drawn. The best of `--rounds` counts. Of the largest a website is written
too (`ballotbench publish`), and as many signed protocols are counted without packages. Memory
is the sum of what all its processes share out (PSS), sampled. The exponent is the slope of the
straight line through the logarithms; starting the workers takes the same for any size and
flatters it, so that between the two largest is told too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from console.batch.executors import usable_cores

ROOT = Path(__file__).resolve().parents[1]
SIZES = (100, 320, 1_000, 3_200, 10_223)
LARGEST, BALLOTS = 10_223, 12_000_000
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


class Memory:
    """The largest sum of PSS over a process and all below it, bytes; 0 where unknown."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The peak."""
        self._done.set()
        self._thread.join()
        return self.peak

    def _watch(self) -> None:
        while not self._done.wait(1.0):
            self.peak = max(self.peak, sum(map(_pss, _tree(self._pid))))


def _tree(pid: int) -> list[int]:
    found = [pid]
    for process in found:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def _pss(pid: int) -> int:
    try:
        found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def make(folder: Path, precincts: int, *more: str) -> None:
    """A nation of this size in `folder`, unless one is there."""
    if (folder / "truth.json").exists():
        return
    share = precincts / LARGEST
    counts = {
        "--precincts": precincts,
        "--ballots": round(BALLOTS * share),
        "--regions": max(1, round(20 * share)),
        "--territories": max(1, round(220 * share)),
        "--districts": max(1, round(29 * share)),
    }
    words = [str(word) for pair in counts.items() for word in pair]
    command = [sys.executable, "-m", "console", "simulate", "nation", "--out", str(folder)]
    subprocess.run([*command, *words, *more], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def count(nation: Path, out: Path, *, workers: int) -> dict[str, Any]:
    """One count, checked against what was drawn.

    Raises:
        SystemExit: the sums are not the truth.
    """
    packages = nation / "packages"
    given = packages if packages.exists() else nation / "protocols"
    command = [sys.executable, "-m", "console", "tally", nation / "election.json"]
    command += [given, "--trust", nation / "keys", "--profile"]
    command += [nation / "profile.toml", "--commissions", nation / "commissions.json"]
    command += ["--at", "2026-03-20", "--national", "--workers", str(workers), "--out", out]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*map(str, command), "--json"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    memory = Memory(process.pid)
    said, told = process.communicate()
    seconds = time.perf_counter() - start
    peak = memory.stop()
    if process.returncode:
        raise SystemExit(told.decode())
    truth = json.loads((nation / "truth.json").read_text(encoding="utf-8"))
    counted = {name: one["votes"] for name, one in json.loads(said)["contests"].items()}
    if counted != truth["contests"]:
        raise SystemExit("the count is not what was drawn")
    return {"seconds": seconds, "memory_bytes": peak}


def publish(nation: Path, store: Path, out: Path, *, workers: int) -> dict[str, Any]:
    """A website of the store: seconds, pages, and bytes of the largest page."""
    command = [sys.executable, "-m", "console", "publish", store, nation / "election.json"]
    command += ["--commissions", nation / "commissions.json", "--turnout", nation / "turnout.csv"]
    command += ["--workers", str(workers), "--out", out]
    start = time.perf_counter()
    subprocess.run([*map(str, command), "--json"], cwd=ROOT, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    sizes = [page.stat().st_size for page in out.rglob("*.html")]
    return {"seconds": seconds, "pages": len(sizes), "largest_page": max(sizes)}


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Slope of log(seconds) over log(size): 1 is linear."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main() -> None:
    """The command line."""
    words = argparse.ArgumentParser(prog="python -m benchmarks.nation")
    words.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    words.add_argument("--nation", type=Path, help="Folder of the largest; kept.")
    words.add_argument("--rounds", type=int, default=2)
    words.add_argument("--workers", type=int, default=min(2, usable_cores()))
    words.add_argument("--json", type=Path)
    given = words.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    sizes, rows = sorted(set(given.sizes)), []
    site: dict[str, Any] = {}
    signed: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for size in sizes:
            nation = Path(name) / f"nation-{size}"
            if given.nation is not None and size == sizes[-1]:
                nation = given.nation
            make(nation, size)
            found = [
                count(nation, Path(name) / f"out-{size}-{turn}", workers=given.workers)
                for turn in range(given.rounds)
            ]
            best = min(found, key=lambda one: one["seconds"])
            rows.append({"precincts": size, **best})
            if size == sizes[-1]:
                store, out = Path(name) / f"out-{size}-0", Path(name) / "site"
                site = publish(nation, store, out, workers=given.workers)
                forms = Path(name) / "protocols"
                make(forms, size, "--protocols")
                signed = min(
                    (
                        count(forms, Path(name) / f"forms-{turn}", workers=given.workers)
                        for turn in range(given.rounds)
                    ),
                    key=lambda one: one["seconds"],
                )
            sys.stdout.write(
                f"{size:>6} precincts: {best['seconds']:6.2f} s, "
                f"{1000 * best['seconds'] / size:5.2f} ms each, {best['memory_bytes'] >> 20} MiB\n"
            )
    figures = {
        "workers": given.workers,
        "load_before": load,
        "ballots": BALLOTS if sizes[-1] == LARGEST else None,
        "rows": rows,
        "site": site,
        "protocols": signed,
    }
    if len(rows) > 1:
        seconds = [row["seconds"] for row in rows]
        figures["exponent"] = exponent(sizes, seconds)
        figures["exponent_of_the_last_two"] = exponent(sizes[-2:], seconds[-2:])
        sys.stdout.write(
            f"growth: exponent {figures['exponent']:.3f}; between the two largest "
            f"{figures['exponent_of_the_last_two']:.3f}\n"
        )
    sys.stdout.write(
        f"from signed protocols alone: {signed['seconds']:.2f} s, "
        f"{signed['memory_bytes'] >> 20} MiB\n"
        f"website: {site['pages']} pages in {site['seconds']:.1f} s, the largest "
        f"{site['largest_page']} bytes\n"
    )
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
