"""Sheets of many files: every page in one place, no side on another's sheet, any executor."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from console.batch import session
from console.batch.executors import Crew
from console.batch.files import list_scans
from console.batch.journal import Journal
from console.batch.plain import Work
from console.batch.run import Coordinator
from console.batch.work import read_chunk, reader_spec
from console.definitions import Definition
from console.review import REVIEW
from tests.console.piles import (
    GENERAL,
    MAJILIS,
    ROOT,
    Pile,
    blank_page,
    content,
    definition,
    page,
    places,
    png,
    tiff,
    votes,
)


def read(
    path: Path, scans: list[Path], out: Path, crew: Crew | None = None, *, chunk: int = 8
) -> session.Finished:
    """A batch of an example election."""
    return read_batch(definition(path), scans, out, crew, chunk=chunk)


def read_batch(
    loaded: Definition, scans: list[Path], out: Path, crew: Crew | None = None, *, chunk: int = 8
) -> session.Finished:
    """A batch in this process, as `ballotbench read` does it."""
    limits = loaded.limits()
    out.mkdir(parents=True, exist_ok=True)
    files = list_scans(scans).files
    with Journal(out) as journal:
        session.begin(journal, out, session.identity_of(loaded, limits), files)
        Coordinator(
            journal,
            reader_spec(loaded, limits),
            crew or Crew(ThreadPoolExecutor(1), 1),
            out / REVIEW,
            chunk_groups=chunk,
        ).run()
        return session.finish(journal, out, loaded, limits)


def sheets(out: Path) -> list[tuple[str, ...]]:
    """The options marked on each sheet, of `cvrs.json`, sorted."""
    report = json.loads((out / "cvrs.json").read_text(encoding="utf-8"))
    return sorted(
        tuple(
            selection["ContestSelectionId"].split("/", 1)[1]
            for contest in cvr["CVRSnapshot"][1]["CVRContest"]
            for selection in contest["CVRContestSelection"]
        )
        for cvr in report["CVR"]
    )


# --- which pages are one sheet -------------------------------------------------------

FRONT = lambda k=0: page(GENERAL, 0, 1, k)  # noqa: E731 - a table of makers
BACK = lambda k=0: page(GENERAL, 0, 2, k)  # noqa: E731
ONE_SIDED = lambda k=0: page(GENERAL, 1, 1, k)  # noqa: E731
JUNK = lambda _=0: blank_page()[:400, :400]  # noqa: E731
BLANK = lambda _=0: blank_page()  # noqa: E731
KINDS: dict[str, Callable[..., Any]] = {
    "F": FRONT,
    "B": BACK,
    "S": ONE_SIDED,
    "x": JUNK,
    "_": BLANK,
}


@pytest.mark.parametrize(
    ("pages", "records", "blanks", "refused"),
    [
        ("FB", 1, 0, 0),
        ("FBFB", 2, 0, 0),
        ("BF", 1, 0, 0),
        ("BFBF", 2, 0, 0),
        # A page that is lost must not shift the backs after it to other fronts.
        ("xBFB", 2, 0, 1),
        ("FxFB", 2, 0, 1),
        ("BxBF", 2, 0, 1),
        ("S_S_", 2, 2, 0),
        ("_S_S", 2, 2, 0),
        ("SS", 2, 0, 0),
        # A blank where a print is due, and a sheet of two blanks.
        ("F_", 1, 0, 1),
        ("__", 0, 0, 2),
        ("__S_", 1, 1, 2),
    ],
)
def test_pages_of_a_file_are_paired_side_by_side(
    pages: str, records: int, blanks: int, refused: int, tmp_path: Path
) -> None:
    pile = tmp_path / "pile.tif"
    pile.write_bytes(tiff([KINDS[kind](k % 2) for k, kind in enumerate(pages)]))
    done = read(GENERAL, [pile], tmp_path / "out")
    assert done.counters["records"] == records
    assert done.counters["blank_backs"] == blanks
    assert done.counters["refused"] == refused
    assert places(tmp_path / "out") == {(str(pile), n + 1): 1 for n in range(len(pages))}


def test_a_long_file_is_read_in_parts(tmp_path: Path) -> None:
    """More pages than a worker reads at once, each a sheet or half of one."""
    pile = tmp_path / "long.tif"
    pile.write_bytes(tiff([page(GENERAL, 1, 1, k % 2) for k in range(3)] + [FRONT(), BACK()] * 17))
    done = read(GENERAL, [pile], tmp_path / "out")
    assert done.counters["records"] == 3 + 17
    assert places(tmp_path / "out") == {(str(pile), n): 1 for n in range(1, 38)}


@pytest.mark.parametrize(
    ("files", "records"),
    [
        ({"a-back.png": "B", "a-front.png": "F"}, 1),
        ({"a-1.png": "F", "a-2.png": "B"}, 1),
        ({"img_1.png": "F", "img_2.png": "B", "img_3.png": "F", "img_4.png": "B"}, 2),
        # In a series of single files a back before a front is another sheet's.
        ({"img_7.png": "B", "img_8.png": "F", "img_9.png": "B"}, 2),
        ({"img_1.png": "F", "img_3.png": "B"}, 2),
        ({"anna.png": "F", "berta.png": "B"}, 2),
        # Named as one sheet but one side twice: a person must look, it may be one ballot.
        ({"a-front.png": "F", "a-back.png": "F"}, 0),
        ({"s-1.png": "S", "s-2.png": "S"}, 2),
    ],
)
@pytest.mark.parametrize("chunk", [1, 8])
def test_files_are_paired_by_name_and_by_what_they_show(
    files: dict[str, str], records: int, chunk: int, tmp_path: Path
) -> None:
    pile = tmp_path / "pile"
    pile.mkdir()
    for k, (name, kind) in enumerate(files.items()):
        (pile / name).write_bytes(png(KINDS[kind](k % 2)))
    done = read(GENERAL, [pile], tmp_path / "out", chunk=chunk)
    assert done.counters["records"] == records
    assert places(tmp_path / "out") == {(str(pile / name), 1): 1 for name in files}


NAMES = st.sampled_from(["s{n}.png", "q-{n}.png", "w{n}-front.png|w{n}-back.png", "m{n}.tif"])


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(st.tuples(NAMES, st.text("FBSx_", min_size=1, max_size=3)), max_size=4), st.data())
def test_chunks_and_workers_change_nothing_and_no_page_is_lost(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[str, str]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("batch")
    pile = folder / "pile"
    pile.mkdir()
    expected: dict[tuple[str, int], int] = {}
    number = 0
    for form, kinds in plan:
        number += 1
        pages = [KINDS[kind](k % 2) for k, kind in enumerate(kinds)]
        if form.endswith(".tif"):
            path = pile / form.format(n=number)
            path.write_bytes(tiff(pages))
            expected.update({(str(path), n + 1): 1 for n in range(len(pages))})
            continue
        for k, pixels in enumerate(pages):
            names = form.format(n=number + k // 2).split("|")
            path = pile / names[k % len(names)]
            number += len(names) == 1
            path.write_bytes(png(pixels))
            expected[str(path), 1] = 1
    crew = Crew(ThreadPoolExecutor(2), 2)
    chunk = data.draw(st.integers(1, 3))
    read(GENERAL, [pile], folder / "a", chunk=8)
    read(GENERAL, [pile], folder / "b", crew, chunk=chunk)
    assert places(folder / "a") == expected
    assert content(folder / "a") == content(folder / "b")


# --- bad files, lost workers ---------------------------------------------------------


def test_bad_files_in_the_middle_cost_only_themselves(tmp_path: Path) -> None:
    one, two = Pile(tmp_path / "one"), Pile(tmp_path / "коробка 2")
    for name in ("1.png", "с пробелом.png", "two\nlines.png", "\udcff.png"):
        one.add(name, 1)
    two.add("1.png", 3)
    Image.new("1", (20_000, 20_000), 1).save(two.folder / "bomb.png")
    os.mkfifo(two.folder / "pipe.png")
    (two.folder / "loop.png").symlink_to(two.folder / "loop.png")
    (two.folder / "folder.png").mkdir()
    (two.folder / "gone.png").symlink_to(two.folder / "nowhere.png")
    with (two.folder / "huge.png").open("wb") as file:
        file.truncate(2**33)
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    run = subprocess.run(
        [sys.executable, "-m", "console", "read", MAJILIS, one.folder, two.folder,
         one.folder / "1.png", tmp_path / "empty", "--out", out],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert "given twice, read once: 1.png" in run.stderr
    assert "folder without scans: empty" in run.stderr
    assert votes(out) == one.truth + two.truth
    refused = json.loads((out / "refused.json").read_text(encoding="utf-8"))
    assert {item["file"]: item["reason"] for item in refused} == {
        "bomb.png": "too_large",
        "huge.png": "too_large",
        **dict.fromkeys(["folder.png", "gone.png", "loop.png", "pipe.png"], "unreadable_file"),
    }
    rows = pq.read_table(out / "marks.parquet", columns=["file", "path"]).to_pylist()
    assert {row["path"] for row in rows if row["file"] == "1.png"} == {
        str(one.folder / "1.png"),
        str(two.folder / "1.png"),
    }
    # All of these are the same picture: a copied scan would count a ballot twice.
    assert "3 files have the same bytes" in run.stdout.replace("\n", " ")


def test_no_files_are_said_in_words(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "console", "read", MAJILIS, tmp_path, "--out", tmp_path / "out"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "no scans in" in run.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_that_vanishes_is_refused(tmp_path: Path) -> None:
    pile = Pile(tmp_path / "pile")
    pile.add_many(3)
    loaded, out = definition(MAJILIS), tmp_path / "out"
    limits = loaded.limits()
    out.mkdir()
    identity = session.identity_of(loaded, limits)
    with Journal(out) as journal:
        session.begin(journal, out, identity, list_scans([pile.folder]).files)
    (pile.folder / "sheet0001.png").unlink()
    done = read(MAJILIS, [pile.folder], out)
    assert done.counters["records"] == 2
    (refusal,) = json.loads((out / "refused.json").read_text(encoding="utf-8"))
    assert (refusal["file"], refusal["reason"]) == ("sheet0001.png", "unreadable_file")


class Deadly(ProcessPoolExecutor):
    """A real pool in which a file called deadly.png ends the process that reads it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(die_of_it, fn, *args, **kwargs)


def die_of_it(fn: Callable[..., Any], *args: Any) -> Any:
    if fn is read_chunk:
        chunk: list[Work] = args[1]
        if any(file.shown.startswith("deadly") for work in chunk for file in work.files):
            os.kill(os.getpid(), signal.SIGKILL)
    return fn(*args)


def test_a_sheet_that_kills_its_workers_is_refused_by_name(tmp_path: Path) -> None:
    pile = Pile(tmp_path / "pile")
    pile.add_many(12)
    expected = Counter(pile.truth)
    pile.add("deadly.png", 0)
    pools: list[Executor] = []

    def pool() -> Executor:
        pools.append(Deadly(2, mp_context=multiprocessing.get_context("fork")))
        return pools[-1]

    done = read(MAJILIS, [pile.folder], tmp_path / "out", Crew(pool(), 2, renew=pool))
    assert votes(tmp_path / "out") == expected
    assert done.counters["refused"] == 1
    (refusal,) = json.loads((tmp_path / "out" / "refused.json").read_text(encoding="utf-8"))
    assert refusal["file"] == "deadly.png"
    assert "3 times" in refusal["detail"]
    assert len(pools) >= 4
