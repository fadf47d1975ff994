"""A desk killed with SIGKILL at any instant: nobody gets ballots twice, nobody is lost."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.sums import control_sums
from tests.firmware_sim import pollbook_kill_me
from tests.firmware_sim.pollbook_world import UNLOCK, book, person

ROOT = Path(__file__).resolve().parents[2]
VOTERS = 120
KILLS = 8


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", pollbook_kill_me.__name__, str(path), str(VOTERS)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_desk_goes_on_without_a_voter_twice_or_lost(tmp_path: Path) -> None:
    rng = random.Random(7)
    path = tmp_path / "desk.book"
    # Every fifth voter is on no list and comes as an addition.
    book(path, [person(n) for n in range(VOTERS) if n % 5]).store.close()
    said: list[str] = []
    killed = 0
    for round_ in range(KILLS + 1):
        desk = start(path)
        assert desk.stdout is not None
        lines = iter(desk.stdout.readline, "")
        assert next(lines) == "open\n"
        if round_ < KILLS:
            # Killed somewhere inside a check-in, some of them further on.
            said += [next(lines, "over\n").strip() for _ in range(rng.randrange(1, 9))]
            time.sleep(rng.random() * 0.02)
            desk.kill()
        said += [line.strip() for line in lines]
        killed += desk.wait() == -9
        desk.stdout.close()
    issued = Counter(word.split()[0] for word in said if word.endswith("issued"))
    assert killed >= KILLS // 2  # a quick machine may be through before the last ones
    assert said[-1] == "over"
    # Nobody was told twice that they may have their ballots.
    assert max(issued.values()) == 1
    with Book.open(path, UNLOCK) as opened:
        roll = dict(opened.roll())
        sums = control_sums(opened)
        entries = Counter(entry.voter.iin for entry in opened.entries())
    everyone = {person(n).iin for n in range(VOTERS)}
    # Nobody who was told is missing; at the end everyone has voted once, on one line.
    assert {person(int(n)).iin for n in issued} <= set(roll) == everyone
    assert set(entries.values()) == {1}
    assert sums["voters"]["voted"] == VOTERS
    assert sums["voters"]["added"] == sums["voters"]["voted_added"] == VOTERS // 5
    # A replacement that was announced is in the sums.
    told = sum(word.endswith("replaced") for word in said)
    assert told <= sums["styles"]["list"]["spoiled"] <= -(-VOTERS // 7)
    assert sums["styles"]["list"]["issued"] == VOTERS
