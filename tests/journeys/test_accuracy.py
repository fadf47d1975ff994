"""The harness that measures accuracy, and a run of it small enough for every change.

`make accuracy` is the whole run: ten million positions, and the severe ranges.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scanner.reading import Flag, MarkClass, PageReading
from tools import accuracy
from tools.accuracy_pages import (
    NORMAL_SECTION,
    SECTIONS,
    MadePage,
    ballot,
    compare,
    make_page,
    score_pages,
)
from tools.accuracy_report import MOST_MARGINAL, marginal_rate, markdown, upper_bound

#: Pages of 192 targets, in shares that run side by side: 200,448 positions in all.
SHARES, PAGES_A_SHARE = 4, 261
#: Not seed 1: what the published run has seen is known already.
SEED = 2


@pytest.mark.parametrize("share", range(SHARES))
def test_the_normal_range_is_read_without_a_silent_error(share: int) -> None:
    """VVSG 2.0, 1.1.6-H and -I: reliable marks count, extraneous ones do not."""
    first = share * PAGES_A_SHARE
    tally = score_pages(SEED, "normal", first, first + PAGES_A_SHARE)
    assert tally.silent == []
    assert marginal_rate(tally) <= MOST_MARGINAL
    counts = tally.counts
    assert counts["positions"] == 192 * PAGES_A_SHARE
    assert counts["read"] > 0.97 * counts["positions"]
    assert counts["mark read mark"] > 0.05 * counts["positions"]


@pytest.fixture(scope="module")
def made() -> MadePage:
    return make_page(SEED, NORMAL_SECTION, 1)


@pytest.fixture(scope="module")
def reading(made: MadePage) -> PageReading:
    return ballot("dense").sheets.pages.read(made.scan)


def turned(reading: PageReading, index: int, to: MarkClass) -> PageReading:
    classes = list(reading.classes)
    classes[index] = to
    return replace(reading, classes=tuple(classes))


@pytest.mark.parametrize(
    ("truth", "read"),
    [(MarkClass.MARK, MarkClass.NO_MARK), (MarkClass.NO_MARK, MarkClass.MARK)],
    ids=["missed", "false"],
)
def test_one_wrong_class_is_one_silent_error(
    made: MadePage, reading: PageReading, truth: MarkClass, read: MarkClass
) -> None:
    index = made.truth.index(truth)
    target = made.layout.targets[index]
    wrong = turned(reading, index, read)
    tally = compare(made, wrong, "normal:1")
    assert tally.counts["silent errors"] == 1
    (error,) = tally.silent
    assert (error["page"], error["option"]) == ("normal:1", target.option_id)
    assert (error["truth"], error["read"]) == (truth.value, read.value)

    flag = Flag("fold_over_target", "a fold", target.contest_id)
    flagged = compare(made, replace(wrong, flags=(flag,)), "x")
    assert flagged.silent == []
    assert flagged.counts["wrong but set aside"] == 1
    assert flagged.counts["set aside"] == 16  # the whole contest
    noted = compare(made, replace(wrong, flags=(replace(flag, kind="note"),)), "x")
    assert len(noted.silent) == 1
    page_flag = Flag("streak", "a streak", None)
    assert compare(made, replace(wrong, flags=(page_flag,)), "x").silent == []


def test_a_marginal_neighbour_sets_the_contest_aside(made: MadePage, reading: PageReading) -> None:
    index = made.truth.index(MarkClass.MARK)
    contest = made.layout.targets[index].contest_id
    beside = next(
        i
        for i, t in enumerate(made.layout.targets)
        if t.contest_id == contest and made.truth[i] is MarkClass.NO_MARK
    )
    read = turned(turned(reading, index, MarkClass.NO_MARK), beside, MarkClass.MARGINAL)
    tally = compare(made, read, "x")
    assert tally.silent == []
    assert tally.counts["clear read marginal"] == 1
    assert tally.counts["wrong but set aside"] == 1


def test_a_page_taken_for_another_is_wrong_everywhere(made: MadePage, reading: PageReading) -> None:
    other = next(p for p in ballot("dense").pages if p.page != made.layout.page)
    tally = compare(made, replace(reading, layout=other), "x")
    assert tally.counts["silent errors"] == len(made.truth)


def test_open_marks_have_no_wrong_class_but_silence(made: MadePage, reading: PageReading) -> None:
    index = made.truth.index(MarkClass.MARK)
    truth = list(made.truth)
    truth[index] = MarkClass.MARGINAL
    opened = replace(made, truth=tuple(truth))
    silent = compare(opened, reading, "x")
    assert silent.silent == []
    assert silent.counts["open read silently"] == 1
    seen = compare(opened, turned(reading, index, MarkClass.MARGINAL), "x")
    assert seen.counts["open read silently"] == 0
    assert seen.counts["clear read marginal"] == 0


@pytest.mark.parametrize("name", ["normal", "normal-squares", "defect-double_feed", "mark-through"])
def test_a_page_is_made_by_its_number_alone(name: str) -> None:
    once, again = (make_page(5, SECTIONS[name], 3) for _ in range(2))
    assert np.array_equal(once.scan, again.scan)
    assert once.truth == again.truth
    other = make_page(6, SECTIONS[name], 3)
    assert once.told != other.told


def test_a_run_that_was_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    chunks = [accuracy.Chunk("normal-squares", first, first + 2) for first in (0, 2, 4)]
    whole = accuracy.run(chunks, 3, 1, tmp_path / "whole.jsonl")["normal-squares"]
    lines = (tmp_path / "whole.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    cut = tmp_path / "cut.jsonl"
    cut.write_text(lines[0] + lines[1][:40], encoding="utf-8")
    resumed = accuracy.run(chunks, 3, 2, cut)["normal-squares"]
    assert resumed.counts == whole.counts
    assert next(accuracy.kept_chunks(cut))[0] == chunks[0]
    assert {chunk for chunk, _ in accuracy.kept_chunks(cut)} == set(chunks)


def test_the_plan_makes_enough_positions() -> None:
    chunks = accuracy.plan(10_000_000, 100, 10)
    pages: Counter[str] = Counter()
    for name, first, last in chunks:
        pages[name] += last - first
    assert pages["normal"] * 192 >= 10_000_000
    assert pages["normal-squares"] == 100
    assert {name for name in pages if "normal" not in name} == {
        name for name in SECTIONS if "normal" not in name
    }
    assert len(set(chunks)) == len(chunks)


@pytest.mark.parametrize(
    ("errors", "trials", "bound"),
    # Exact: 1 - 0.05^(1/n) for none; the others from tables of the binomial distribution.
    [(0, 10, 0.25887), (1, 10, 0.39416), (2, 20, 0.28262), (0, 10_000_000, 2.99573e-7)],
)
def test_bounds_are_exact(errors: int, trials: int, bound: float) -> None:
    assert upper_bound(errors, trials) == pytest.approx(bound, rel=1e-4)


def test_the_report_tells_errors_from_none(made: MadePage, reading: PageReading) -> None:
    good = compare(made, reading, "normal:1")
    index = made.truth.index(MarkClass.MARK)
    bad = compare(made, turned(reading, index, MarkClass.NO_MARK), "defect-fold:1")
    page = markdown({"normal": good, "defect-fold": bad}, seed=1, code="x")
    assert "| silent errors | **0** |" in page
    assert "| missed marks / false marks | 0 / 0 |" in page
    (row,) = [line for line in page.splitlines() if line.startswith("| defect: fold |")]
    assert "| **1** |" in row
