"""`read --watch` and `bench --watch`: any scanning program drops files into a folder."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from console.watching import gather
from hardware.watched import Find, FoundFile, WatchedFolder
from tests.console.here import ballotbench_here
from tests.console.piles import MAJILIS, page, png, prints, votes
from tests.console.test_deck import EXAMPLES, ballotbench


def ballot(number: int) -> tuple[bytes, str]:
    """A scan like no other, and the option that is voted on it."""
    targets = prints(MAJILIS, 0)[0][0].targets
    gray = page(MAJILIS, 0, 1, number % len(targets))
    gray[0, :8] = [255 * (number >> bit & 1) for bit in range(8)]
    return png(gray), targets[number % len(targets)].option_id


@pytest.fixture
def dropping() -> Callable[[Callable[[], None]], None]:
    """Run a scanning program beside the command."""

    def start(program: Callable[[], None]) -> None:
        threading.Thread(target=program, daemon=True).start()

    return start


def test_what_is_dropped_is_read_once_and_whole(
    tmp_path: Path, dropping: Callable[[Callable[[], None]], None]
) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    files = [ballot(n) for n in range(4)]

    def program() -> None:
        half = len(files[0][0]) // 2
        with (scans / "slow.png").open("wb", buffering=0) as file:
            file.write(files[0][0][:half])
            time.sleep(1.5)  # longer than a file must be still
            file.write(files[0][0][half:])
        (scans / "b.png.part").write_bytes(files[1][0])
        (scans / "b.png.part").rename(scans / "b.png")
        (scans / "c.png").write_bytes(files[2][0])
        (scans / "d.png").write_bytes(files[3][0])

    dropping(program)
    run = ballotbench_here(
        "read", MAJILIS, "--watch", scans, "--until", 4, "--workers", 1, "-o", out
    )
    assert run.returncode == 0, run.stderr
    assert votes(out) == Counter(option for _, option in files)
    assert "waiting for files in" in run.stderr


def test_copies_and_halves_are_named_and_not_read(tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    data, option = ballot(5)
    (scans / "a.png").write_bytes(data)
    (scans / "copy of a.png").write_bytes(data)
    (scans / "half.png").write_bytes(ballot(6)[0][:5000])
    run = ballotbench_here(
        "read", MAJILIS, "--watch", scans, "--idle", 2, "--workers", 1, "-o", out, "--json"
    )
    assert run.returncode == 1
    assert votes(out) == Counter([option])
    assert json.loads(run.stdout)["left_unread"] == 2
    assert "duplicate: copy of a.png has the very bytes of a.png" in run.stderr
    assert "unfinished: half.png is not written to its end" in run.stderr


def test_ctrl_c_ends_the_waiting_and_what_came_is_read(tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    (scans / "a.png").write_bytes(ballot(1)[0])
    command = [sys.executable, "-m", "console", "read", str(MAJILIS), "--watch", str(scans)]
    with subprocess.Popen(
        [*command, "--workers", "1", "-o", str(out)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "waiting for files" in process.stderr.readline()
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait() == 0, said
    assert "what came is read" in said
    assert votes(out) == Counter([ballot(1)[1]])


def test_a_cut_batch_goes_on_with_the_files_that_it_had(tmp_path: Path) -> None:
    """The journal is there, planned: as after a cut in mid-reading."""
    from console.batch import session
    from console.batch.journal import Journal
    from console.definitions import load_definition

    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    out.mkdir()
    for name, number in (("a.png", 1), ("b.png", 2)):
        (scans / name).write_bytes(ballot(number)[0])
    loaded = load_definition(MAJILIS)
    identity = session.identity_of(loaded, loaded.limits(None))
    with Journal(out) as journal:
        session.begin(journal, out, identity, [scans / "a.png", scans / "b.png"])
    (scans / "late.png").write_bytes(ballot(3)[0])
    run = ballotbench_here("read", MAJILIS, "--watch", scans, "--workers", 1, "-o", out)
    assert run.returncode == 1
    assert "going on with the 2 files" in run.stderr
    assert "not of this batch: late.png" in run.stderr
    assert votes(out) == Counter(ballot(n)[1] for n in (1, 2))


def test_a_renamed_file_is_read_under_its_new_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(ballot(1)[0])
    (tmp_path / "b.png").write_bytes(ballot(2)[0])
    now = [0.0]
    told: list[FoundFile] = []

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] == 2.0:
            (tmp_path / "a.png").rename(tmp_path / "z.png")

    with WatchedFolder(tmp_path, register=None, clock=lambda: now[0]) as watched:
        names, left = gather(
            watched, until=None, idle_s=5, tell=told.append, sleep=sleep, clock=lambda: now[0]
        )
    assert names == ("b.png", "z.png")
    assert (left, told) == ((), [])


def test_a_file_changed_after_it_was_taken_is_named_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(ballot(1)[0])
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] == 2.0:
            (tmp_path / "a.png").write_bytes(ballot(2)[0])

    with WatchedFolder(tmp_path, register=None, clock=lambda: now[0]) as watched:
        names, left = gather(
            watched, until=None, idle_s=5, tell=lambda _: None, sleep=sleep, clock=lambda: now[0]
        )
    assert names == ()
    assert [(found.kind, found.name) for found in left] == [(Find.CHANGED, "a.png")]


def test_a_file_that_grows_keeps_the_watch_awake(tmp_path: Path) -> None:
    data = ballot(1)[0]
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] <= 20:
            (tmp_path / "a.png").write_bytes(data[: int(len(data) * now[0] / 20)])

    with WatchedFolder(tmp_path, register=None, clock=lambda: now[0]) as watched:
        names, left = gather(
            watched, until=1, idle_s=3, tell=lambda _: None, sleep=sleep, clock=lambda: now[0]
        )
    assert names == ("a.png",)
    assert left == ()
    assert 20 < now[0] < 26


def test_one_that_stays_unfinished_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(ballot(1)[0][:4000])
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    told: list[FoundFile] = []
    with WatchedFolder(tmp_path, register=None, clock=lambda: now[0]) as watched:
        names, left = gather(
            watched, until=None, idle_s=40, tell=told.append, sleep=sleep, clock=lambda: now[0]
        )
    assert names == ()
    assert [(found.kind, found.name) for found in left] == [(Find.UNFINISHED, "a.png")]
    assert len(told) == 1


def test_a_bench_of_a_program_that_drops_files(
    tmp_path: Path, dropping: Callable[[Callable[[], None]], None]
) -> None:
    deck, scans, out = tmp_path / "deck", tmp_path / "scans", tmp_path / "out"
    run = ballotbench(
        "deck", EXAMPLES / "kz-majilis" / "election.json", "-o", deck, "--no-languages", "--part",
        "overvote",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    truth = json.loads((deck / "deck.json").read_text(encoding="utf-8"))
    images = [deck / sheet["sides"][0]["file"] for sheet in truth["sheets"]]
    scans.mkdir()

    def program() -> None:
        for number, image in enumerate(images):
            (scans / "new.tmp").write_bytes(image.read_bytes())
            (scans / "new.tmp").rename(scans / f"IMG_{number:04}.jpg")

    dropping(program)
    run = ballotbench_here(
        "bench", deck, "--watch", scans, "--until", len(images), "-o", out, "--language", "kk"
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads((out / "bench.json").read_text(encoding="utf-8"))
    assert (found["source"], found["sheets"]["read"]) == ("watch", len(images))
    assert "бақыланатын қалта scans" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ("read", MAJILIS, "-o", "out"),
        ("read", MAJILIS, "scans", "--watch", "scans", "-o", "out"),
        ("read", MAJILIS, "scans", "--until", "3", "-o", "out"),
        ("bench", "deck", "--watch", "scans", "--port", "x", "-o", "out"),
        ("bench", "deck", "--until", "3", "-o", "out"),
    ],
)
def test_wrong_use_is_told(arguments: tuple[str, ...]) -> None:
    assert ballotbench_here(*arguments).returncode == 2


def test_no_folder_is_told_in_one_line(tmp_path: Path) -> None:
    run = ballotbench_here("read", MAJILIS, "--watch", tmp_path / "none", "-o", tmp_path / "out")
    assert run.returncode == 1
    assert "is not a folder" in run.stderr
