"""A batch is killed again and again; in the end every sheet is read once, and none twice."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.console.here import ballotbench_here
from tests.console.piles import MAJILIS, ROOT, Pile, content, places, votes

KILLS = 10
FILES = 120


def start(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "console", "read", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def read(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    with start(*arguments) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    except OSError:
        return []
    return [int(word) for word in text.split()]


def workers(pid: int) -> list[int]:
    """The pool's processes among the children (not Python's resource tracker)."""
    found = []
    for child in children(pid):
        with suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def done(out: Path) -> int:
    """Files done by the journal, as far as it is there."""
    try:
        with closing(sqlite3.connect(out / "batch.sqlite", timeout=5)) as database:
            row = database.execute("SELECT coalesce(sum(done), 0) FROM files").fetchone()
            return int(row[0])
    except sqlite3.OperationalError:
        return 0


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Pile:
    pile = Pile(tmp_path_factory.mktemp("pile"))
    pile.add_many(FILES)
    return pile


@pytest.fixture(scope="module")
def undisturbed(pile: Pile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    run = read(MAJILIS, pile.folder, "--out", out)
    assert run.returncode == 0, run.stderr
    assert votes(out) == pile.truth
    return out


def test_killed_at_random_instants(pile: Pile, undisturbed: Path, tmp_path: Path) -> None:
    instants = random.Random(4)
    in_the_middle = 0
    before = 0
    orphans: list[int] = []
    for _ in range(KILLS):
        with start(MAJILIS, pile.folder, "--out", tmp_path) as process:
            # Mostly while it reads; now and then while it starts or plans.
            if instants.random() < 0.3:
                time.sleep(instants.uniform(0.2, 1.5))
            else:
                wait_for_reading(process, tmp_path)
                time.sleep(instants.uniform(0, 0.3))
            orphans += workers(process.pid) if process.poll() is None else []
            process.kill()
        now = done(tmp_path) if not (tmp_path / "batch.json").exists() else FILES
        assert now >= before
        in_the_middle += 0 < now < FILES
        before = now
    assert in_the_middle >= 3
    run = read(MAJILIS, pile.folder, "--out", tmp_path, "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["records"] == FILES
    assert content(tmp_path) == content(undisturbed)
    assert set(places(tmp_path).values()) == {1}
    assert not (tmp_path / "batch.sqlite").exists()
    wait_gone(orphans)


def wait_for_reading(process: subprocess.Popen[bytes], out: Path) -> None:
    """Until the first outcomes of this run are kept, or it has ended."""

    def written() -> int:
        journal = out / "batch.sqlite-wal"
        return journal.stat().st_mtime_ns if journal.exists() else 0

    limit = time.monotonic() + 30
    while not workers(process.pid) and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    before = written()
    while written() == before and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)


def wait_gone(pids: list[int]) -> None:
    """Workers end by themselves when their coordinator is gone."""
    limit = time.monotonic() + 20
    while time.monotonic() < limit and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.05)
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_a_worker_killed_in_mid_batch_costs_no_ballot(
    pile: Pile, undisturbed: Path, tmp_path: Path
) -> None:
    killed = set()
    with start(MAJILIS, pile.folder, "--out", tmp_path, "--workers", 2) as process:
        limit = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < limit and len(killed) < 2:
            # Only once it has begun to read does a kill cost something.
            if (tmp_path / "batch.sqlite-wal").exists():
                for pid in workers(process.pid):
                    if pid not in killed and seconds_used(pid) > 1:
                        os.kill(pid, signal.SIGKILL)
                        killed.add(pid)
                        break
            time.sleep(0.05)
        _, err = process.communicate(timeout=120)
    assert len(killed) == 2
    assert process.returncode == 0, err
    assert content(tmp_path) == content(undisturbed)


def seconds_used(pid: int) -> float:
    """Processor time of a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_stopped_by_hand_it_says_how_to_go_on(
    pile: Pile, undisturbed: Path, tmp_path: Path
) -> None:
    with start(MAJILIS, pile.folder, "--out", tmp_path) as process:
        wait_for_reading(process, tmp_path)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"run the same command again to go on" in err
    assert b"Traceback" not in err
    assert 0 < done(tmp_path) < FILES
    assert read(MAJILIS, pile.folder, "--out", tmp_path).returncode == 0
    assert content(tmp_path) == content(undisturbed)


def test_a_batch_goes_on_only_with_what_it_was_begun_with(pile: Pile, tmp_path: Path) -> None:
    out = tmp_path / "out"
    few = tmp_path / "few"
    small = Pile(few)
    small.add_many(3)
    assert ballotbench_here("read", MAJILIS, few, "--out", out).returncode == 0
    again = ballotbench_here("read", MAJILIS, few, "--out", out, "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["read_before"] == 3
    limits = tmp_path / "limits.toml"
    limits.write_text("definite = 0.2\n", encoding="utf-8")
    small.add("late.png", 1)
    for arguments, word in (
        ((MAJILIS, few, "--out", out), "other files"),
        ((MAJILIS, few, "--out", out, "--thresholds", limits), "other thresholds"),
        ((ROOT / "examples/us-general/election.json", few, "--out", out), "another election"),
    ):
        run = ballotbench_here("read", *arguments)
        assert run.returncode == 1
        assert word in run.stderr
        assert "--fresh" in run.stderr
        assert "Traceback" not in run.stderr
    fresh = ballotbench_here("read", MAJILIS, few, "--out", out, "--fresh", "--json")
    assert json.loads(fresh.stdout)["records"] == 4
    assert votes(out) == small.truth
