"""Damaged files and odd arrays: a reading or a named refusal. `make fuzz` tries 110,000."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from tools.fuzz import Outcomes, Share, fuzz, plan
from tools.fuzz_cases import mutated_file, random_array, try_array, try_image

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

#: Small enough for every change; not the seed of the whole run.
SEED, IMAGES, ARRAYS = 2, 400, 80
#: Names the file by which the case that hangs says that it does.
ASLEEP = "BALLOTBENCH_TEST_ASLEEP"


def test_damaged_files_are_read_or_refused() -> None:
    words = {number: try_image(SEED, number) for number in range(IMAGES)}
    assert {n: w for n, w in words.items() if w.startswith("FINDING")} == {}
    assert {"read", "refused: unreadable_file", "refused: no_timing_marks"} <= set(words.values())


def test_arrays_of_any_kind_are_read_or_refused() -> None:
    words = {number: try_array(SEED, number) for number in range(ARRAYS)}
    assert {n: w for n, w in words.items() if w.startswith("FINDING")} == {}
    assert len(set(words.values())) >= 3
    arrays = [random_array(SEED, number) for number in range(ARRAYS)]
    assert len({a.dtype for a in arrays}) > 10
    assert {a.ndim for a in arrays} == {0, 1, 2, 3, 4}


def test_a_case_is_made_again_by_its_number() -> None:
    assert mutated_file(3, 5) == mutated_file(3, 5)
    assert len({mutated_file(3, n) for n in range(40)}) > 35
    once, again = random_array(3, 8), random_array(3, 8)
    assert once.dtype == again.dtype
    assert np.array_equal(once, again)


def pretend(kind: str, seed: int, number: int) -> str:
    """Cases that go wrong in every way there is, by their number."""
    if number == 3:
        os.abort()
    if number == 5:
        Path(os.environ[ASLEEP]).touch()
        time.sleep(600)
    if number == 7:
        while time.process_time() < 600:
            if time.process_time() - pretend.begun > 0.4:  # type: ignore[attr-defined]
                return "read"
    pretend.begun = time.process_time()  # type: ignore[attr-defined]
    return "FINDING: ValueError: of no use" if number == 8 else f"{kind} {seed}"


def test_crashes_hangs_and_slow_cases_are_found_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asleep = tmp_path / "asleep"
    monkeypatch.setenv(ASLEEP, str(asleep))
    now = [0.0]

    def told(outcomes: Outcomes) -> None:
        # The clock goes on only while case 5 sleeps, however busy the machine is.
        if asleep.exists() and "image:5" not in outcomes.findings:
            now[0] += 60.0

    found = fuzz(
        [Share("image", 0, 10)],
        *(9, 1, pretend),
        slow_s=0.2,
        hung_s=20.0,
        told=told,
        clock=lambda: now[0],
    )
    assert found.counts.total() == 10
    assert found.findings.keys() == {"image:3", "image:5", "image:7", "image:8"}
    assert found.findings["image:3"] == "the process died (-6)"
    assert found.findings["image:5"] == "no answer after 20 s"
    assert found.findings["image:7"].startswith("took 0.")
    assert found.findings["image:8"] == "ValueError: of no use"


def test_several_workers_share_the_cases() -> None:
    found = fuzz([Share("image", 8, 10), Share("array", 10, 14)], 9, 2, pretend)
    assert found.findings == {"image:8": "ValueError: of no use"}
    assert found.counts["array array 9"] == 4
    assert found.counts.total() == 6


def test_a_crash_in_a_worker_s_first_case_is_found_too() -> None:
    found = fuzz([Share("image", 3, 5)], 9, 1, pretend)
    assert found.findings == {"image:3": "the process died (-6)"}
    assert found.counts["image image 9"] == 1


def test_the_plan_covers_every_case_once() -> None:
    cases = [(s.kind, n) for s in plan(1234, 777) for n in range(s.first, s.last)]
    assert len(cases) == len(set(cases)) == 1234 + 777
