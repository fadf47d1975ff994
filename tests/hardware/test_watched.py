"""A folder into which a scanning program writes: half files, renames, copies, restarts."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hardware.watched import Find, WatchedFolder, WatchError, is_whole

FORMS = ("JPEG", "PNG", "TIFF", "PDF")


def picture(form: str, seed: int = 1) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (60, 80), np.uint8)
    out = io.BytesIO()
    more = {"compression": "tiff_lzw"} if form == "TIFF" else {}
    Image.fromarray(noise).save(out, form, **more)
    return out.getvalue()


class Bench:
    """A folder and a clock that a test turns."""

    def __init__(self, tmp_path: Path) -> None:
        self.scans, self.register = tmp_path / "scans", tmp_path / "state" / "taken.sqlite"
        self.scans.mkdir()
        self.now = 0.0
        self.folder = self.open()

    def open(self) -> WatchedFolder:
        return WatchedFolder(self.scans, register=self.register, clock=lambda: self.now)

    def look(self, after: float = 0.0) -> list[tuple[str, str]]:
        self.now += after
        told = []
        for found in self.folder.look():
            told.append((found.kind.value, found.name))
            if found.kind is Find.TAKEN:
                self.folder.keep(found)
        return told


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_a_half_written_file_waits_for_its_end(bench: Bench, form: str) -> None:
    data, path = picture(form), bench.scans / f"a.{form.lower()}"
    for share in (0.2, 0.6, 0.95):
        path.write_bytes(data[: int(share * len(data))])
        assert bench.look() == []
        # Still for long, yet not whole: a program may pause.
        assert bench.look(after=5) == []
    path.write_bytes(data)
    assert bench.look() == []
    bench.now += 1.1
    (found,) = bench.folder.look()
    assert (found.kind, found.name, found.data) == (Find.TAKEN, path.name, data)
    assert bench.look(after=100) == []


def test_a_file_that_stays_unfinished_is_named_once_and_taken_when_whole(bench: Bench) -> None:
    data, path = picture("JPEG"), bench.scans / "a.jpg"
    path.write_bytes(data[:-200])
    assert bench.look() == []
    assert bench.look(after=31) == [("unfinished", "a.jpg")]
    assert bench.look(after=31) == []
    path.write_bytes(data)
    bench.look()
    assert bench.look(after=2) == [("taken", "a.jpg")]


def test_temporary_names_are_left_until_they_are_renamed(bench: Bench) -> None:
    data = picture("PNG")
    for name in ("scan.png.part", ".scan.png", "~scan.png", "scan.tmp"):
        (bench.scans / name).write_bytes(data)
    (bench.scans / "notes.txt").write_text("not a scan")
    bench.look()
    assert bench.look(after=60) == []
    (bench.scans / "scan.png.part").rename(bench.scans / "scan.png")
    bench.look()
    assert bench.look(after=2) == [("taken", "scan.png")]


def test_a_renamed_or_touched_file_is_not_taken_again(bench: Bench) -> None:
    path = bench.scans / "a.png"
    path.write_bytes(picture("PNG"))
    bench.look()
    assert bench.look(after=2) == [("taken", "a.png")]
    path.rename(bench.scans / "b.png")
    bench.look()
    assert bench.look(after=2) == []
    (bench.scans / "b.png").touch()
    bench.look()
    assert bench.look(after=2) == []


def test_the_same_bytes_under_another_name_are_named_not_counted(bench: Bench) -> None:
    (bench.scans / "a.png").write_bytes(picture("PNG"))
    bench.look()
    bench.look(after=2)
    (bench.scans / "copy of a.png").write_bytes(picture("PNG"))
    bench.look()
    assert bench.look(after=2) == [("duplicate", "copy of a.png")]
    assert bench.look(after=60) == []


def test_a_taken_file_that_changes_is_named(bench: Bench) -> None:
    (bench.scans / "a.png").write_bytes(picture("PNG", 1))
    bench.look()
    bench.look(after=2)
    (bench.scans / "a.png").write_bytes(picture("PNG", 2))
    bench.look()
    assert bench.look(after=2) == [("changed", "a.png")]


def test_after_a_restart_nothing_is_kept_twice_and_nothing_missed(bench: Bench) -> None:
    """Cut at random before and after keeping: every file is kept exactly once."""
    chance = random.Random(5)
    kept: list[str] = []
    handed_again = 0
    handed: set[str] = set()
    for number in range(80):
        if number < 60:
            path = bench.scans / f"{number:03}.jpg"
            path.write_bytes(picture("JPEG", number))
        bench.now += chance.choice((0.2, 0.7, 1.5))
        for found in bench.folder.look():
            assert found.kind is Find.TAKEN
            handed_again += found.name in handed
            handed.add(found.name)
            if cut := chance.random() < 0.3:
                break
            bench.folder.keep(found)
            kept.append(found.name)
            if cut := chance.random() < 0.2:
                break
        else:
            cut = False
        if cut:
            bench.folder.close()
            bench.folder = bench.open()
    for _ in range(2):
        kept += [name for _, name in bench.look(after=2)]
    assert sorted(kept) == [f"{n:03}.jpg" for n in range(60)]
    assert handed_again > 5


@pytest.mark.parametrize("form", FORMS)
def test_no_cut_file_looks_whole(form: str) -> None:
    data = picture(form)
    assert is_whole(data)
    cuts = [n for n in range(len(data)) if is_whole(data[:n])]
    # A PDF or TIFF may end in a byte that says nothing.
    assert all(n >= len(data) - 2 for n in cuts)


def test_a_folder_that_is_not_there_or_goes(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(WatchError, match="is not a folder"):
        WatchedFolder(tmp_path / "none", register=bench.register)
    bench.scans.rmdir()
    with pytest.raises(WatchError, match="cannot be listed"):
        bench.look()
