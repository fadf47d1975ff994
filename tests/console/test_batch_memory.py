"""What a batch holds in memory does not grow with its length."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.console.piles import MAJILIS, Pile
from tests.console.test_batch_kill import start, workers

#: The whole of `ballotbench read` with its workers, MiB.
LIMIT_MIB = 400


def peak_mib(pile: Path, out: Path) -> float:
    """The most memory that a batch with one worker held at once, shared pages counted once
    (proportional set size), looked at 20 times a second."""
    peak = 0
    with start(MAJILIS, pile, "--out", out, "--workers", 1) as process:
        while process.poll() is None:
            peak = max(peak, sum(held_kib(pid) for pid in (process.pid, *workers(process.pid))))
            time.sleep(0.05)
    assert process.returncode == 0
    return peak / 1024


def held_kib(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(text.split("Pss:", 1)[1].split(None, 1)[0])


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_ten_times_the_files_need_no_more_memory(tmp_path: Path) -> None:
    few, many = Pile(tmp_path / "few"), Pile(tmp_path / "many")
    few.add_many(20)
    many.add_many(200)
    first, second = (peak_mib(p.folder, tmp_path / f"out-{p.folder.name}") for p in (few, many))
    print(f"peak {first:.0f} MiB for 20 files, {second:.0f} MiB for 200")  # noqa: T201
    assert second < first + 40
    assert second < LIMIT_MIB
