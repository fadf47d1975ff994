"""Stacks through simulated mark-sense readers, as processes, to cast vote records."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from console.errors import ConsoleError
from console.marksense.forms import Forms, make_forms
from hardware.errors import LinkError
from hardware.marksense import (
    MarkSenseProfile,
    MarkSheet,
    UncertainSheetError,
    load_profile,
    open_reader,
    parse_profile,
)
from hardware.marksense.loading import BUILT_IN
from hardware.simulated.heads import SheetHeads
from hardware.simulated.peer import PeerProcess, start_peer
from scanner.cvr import validate_report
from scanner.errors import PageRefusedError
from scanner.interpretation import interpret
from scanner.reading import ContestStatus, MarkClass
from tests.console.here import ballotbench_here
from tests.console.piles import GENERAL, MAJILIS, definition, page, png, prints

SEKONIC, GENERIC = "sekonic-sr-430", "generic-ascii"
BOTH = pytest.mark.parametrize("name", [SEKONIC, GENERIC])
#: Options of the lists' paper, by sheet; None: blank.
VOTES = (3, 0, None, 5, 5, 1)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    for number, option in enumerate(VOTES, 1):
        (folder / f"{number}.png").write_bytes(png(page(MAJILIS, 0, 1, option)))
    return folder


def machine(
    folder: Path, scans: Path, name: str, listen: str = "pty", sheet_s: str = "0.05"
) -> PeerProcess:
    return start_peer(
        "mark-sense", folder / "reader", "--profile", name, "--deck", scans,
        "--state", folder / "state", "--sheet-s", sheet_s, listen=listen,
    )  # fmt: skip


def patient(name: str) -> MarkSenseProfile:
    """A profile that waits ten minutes for a sheet."""
    profile = load_profile(name)
    commands = profile.commands.model_copy(update={"feed_s": 600.0})
    return profile.model_copy(update={"commands": commands})


def classes(out: Path) -> dict[int, list[str]]:
    """Options marked on each sheet."""
    marks: dict[int, list[str]] = {}
    for row in pq.read_table(out / "marks.parquet").to_pylist():
        marks.setdefault(row["sheet"], [])
        if row["class"] == "mark":
            marks[row["sheet"]].append(row["option_id"])
    return marks


def expected() -> dict[int, list[str]]:
    targets = prints(MAJILIS, 0)[0][0].targets
    return {n: [] if v is None else [targets[v].option_id] for n, v in enumerate(VOTES, 1)}


@pytest.mark.parametrize(
    ("name", "listen"),
    [
        (GENERIC, "pty"),
        (SEKONIC, "socket://127.0.0.1:0"),
        (GENERIC, "rfc2217://127.0.0.1:0"),
    ],
)
def test_a_stack_is_counted_over_any_port(
    name: str, listen: str, scans: Path, tmp_path: Path
) -> None:
    """NVT-01; a paper in the hopper is in the records once, with the marks that are on it."""
    out = tmp_path / "out"
    with machine(tmp_path, scans, name, listen) as reader:
        done = ballotbench_here(
            "mark-sense", MAJILIS, reader.url, "-p", name, "--style", "list", "-o", out, "--json"
        )
        info = reader.do("info")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout)
    assert (summary["sheets"], summary["records"], summary["refused"]) == (6, 6, 0)
    assert summary["stopped"] == ""
    assert info["stacker"] == 6
    assert classes(out) == expected()
    report = json.loads((out / "cvrs.json").read_text())
    validate_report(report)
    assert len(report["CVR"]) == 6


def test_weather_on_the_line_and_in_the_path_changes_no_record(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with machine(tmp_path, scans, SEKONIC, "socket://127.0.0.1:0", "0.3") as reader:
        command = [
            sys.executable, "-m", "console", "mark-sense", MAJILIS, reader.url, "-p", SEKONIC,
            "--style", "list", "-o", out, "--ask", "--json",
        ]  # fmt: skip
        with subprocess.Popen(
            [*map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stdin is not None
            assert run.stderr is not None
            for stacked, hurt in ((1, "garble"), (2, "jam")):
                while reader.do("info")["stacker"] < stacked:
                    assert run.poll() is None, run.stderr.read()
                    time.sleep(0.01)
                reader.do(hurt, **({"lines": 4} if hurt == "garble" else {}))
            said = ""
            while "Press Enter" not in said:
                line = run.stderr.readline()
                assert line, said
                said += line
            assert "jam: internal jam during card feeding: take the sheet out" in said
            reader.do("clear")
            reader.do("unplug", for_s=0.3)
            run.stdin.write("\n" * 20)
            run.stdin.flush()
            shown, _ = run.communicate(timeout=60)
        assert run.returncode == 0, shown
        assert reader.do("info")["stacker"] == 6
    assert classes(out) == expected()


@BOTH
def test_a_pulled_plug_is_told_at_once_and_loses_no_sheet(
    name: str, scans: Path, tmp_path: Path
) -> None:
    """Found again by itself, no sheet lost. The wait for a sheet is ten minutes: what is told
    at all is told because the line's end is seen."""
    with machine(tmp_path, scans, name) as reader:
        driver = open_reader(reader.url, patient(name))
        lost = 0
        read: list[MarkSheet] = []
        # Before a feed, and while a sheet is under way.
        pulls = {1: 0.0, 3: 0.02, 4: 0.06}
        for _ in range(500):
            hand = None
            if (after := pulls.pop(len(read), None)) is not None:
                hand = threading.Timer(after, partial(reader.do, "unplug", for_s=0.3))
                hand.start()
            try:
                sheet = driver.feed()
            except LinkError:
                lost += 1
                time.sleep(0.05)
                continue
            except UncertainSheetError:
                for _ in range(reader.do("info")["stacker"] - driver.passed):
                    assert reader.do("lay_back")["laid_back"]
                driver.settled()
                continue
            finally:
                if hand is not None:
                    hand.join()
            if sheet is None:
                break
            read.append(sheet)
        driver.close()
        assert len(read) == 6
        assert lost >= 3
    heads = SheetHeads(load_profile(name), "A4")
    truth = [heads([scans / f"{n}.png"]) for n in range(1, 7)]
    for sheet, levels in zip(read, truth, strict=True):
        assert levels is not None
        assert np.array_equal(sheet.levels, levels)


@BOTH
def test_a_killed_reader_is_told_and_its_paper_counted_once(
    name: str, scans: Path, tmp_path: Path
) -> None:
    first = machine(tmp_path, scans, name, f"pty:{tmp_path / 'port'}")
    driver = open_reader(first.url, patient(name))
    assert driver.feed() is not None
    first.kill()
    with pytest.raises(LinkError):
        driver.feed()
    first.stop()
    (tmp_path / "reader").unlink(missing_ok=True)
    passed = 1
    with machine(tmp_path, scans, name, f"pty:{tmp_path / 'port'}") as second:
        for _ in range(50):
            try:
                sheet = driver.feed()
            except UncertainSheetError:
                lie = second.do("info")
                for _ in range(lie["stacker"] + lie["path"] - driver.passed):
                    second.do("lay_back")
                driver.settled()
                continue
            except LinkError:
                time.sleep(0.02)
                continue
            if sheet is None:
                break
            passed += 1
        driver.close()
        assert passed == driver.passed == 6


def test_a_run_that_stopped_goes_on(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with machine(tmp_path, scans, GENERIC) as reader:
        asked = ("mark-sense", MAJILIS, reader.url, "-p", GENERIC, "--style", "list", "-o", out)
        assert ballotbench_here(*asked, "--most", 2).returncode == 0
        with pytest.raises(ConsoleError, match=r"holds 2 sheets of a run before.*--go-on"):
            _run(*asked)
        reader.do("jam")
        stopped = ballotbench_here(*asked, "--go-on", "--no-ask")
        assert stopped.returncode == 1
        assert "stopped before the end: jam: a sheet is stuck" in stopped.stdout
        reader.do("clear")
        assert ballotbench_here(*asked, "--go-on").returncode == 0
        with pytest.raises(ConsoleError, match="of another stack"):
            _run(*asked, "--go-on", "--kind", "test")
    assert classes(out) == expected()
    lines = (out / "sheets.jsonl").read_bytes()
    # Cut off while its last line was written: that sheet was not kept.
    (out / "sheets.jsonl").write_bytes(lines[:-20])
    from console.marksense.kept import kept_sheets

    assert [place for place, _ in kept_sheets(out / "sheets.jsonl")] == [1, 2, 3, 4, 5]


def _run(*arguments: object) -> None:
    """Errors as they are raised, before they are told in words."""
    from console.cli import build_app

    build_app(("mark-sense",))(args=[*map(str, arguments)], standalone_mode=False)


def test_a_deck_is_benched_through_a_mark_sense_reader(tmp_path: Path) -> None:
    """VVSG 2.0, 1.1.6-H: no clear mark lost, none made; a turned sheet is refused, not read."""
    deck, out = tmp_path / "deck", tmp_path / "bench"
    made = ballotbench_here(
        "deck", MAJILIS, "-o", deck, "--part", "blank", "--part", "overvote",
        "--part", "orientation", "--no-languages", "--workers", 1,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with machine(tmp_path, deck / "scans", SEKONIC, "pty", "0.01") as reader:
        done = ballotbench_here(
            "bench", deck, "--mark-sense", reader.url, "--mark-profile", SEKONIC,
            "--language", "en", "--out", out, "--json",
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["source"] == "mark_sense"
    assert found["positions"]["error"]["events"] == 0
    assert found["positions"]["error"]["trials"] > 80
    sheets = found["sheets"]
    assert (sheets["came"], sheets["read"]) == (21, 12)
    assert [finding["kind"] for finding in found["findings"]] == ["f_refused"]


# --- what is refused ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def forms() -> Forms:
    return make_forms(load_profile(SEKONIC), definition(MAJILIS), style="list")


def sheet_of(folder: Path, gray: np.ndarray) -> MarkSheet:
    file = folder / "sheet.png"
    file.write_bytes(png(np.ascontiguousarray(gray)))
    levels = SheetHeads(load_profile(SEKONIC), "A4")([file])
    if levels is None or len(levels) != 48:
        return MarkSheet(np.zeros((0, 15), np.uint8), None, "no timing marks")
    return MarkSheet(levels, None)


@pytest.mark.parametrize(
    ("paper", "reason"),
    [
        ("turned", "code_unreadable: fed the wrong way round"),
        ("other style", "unknown_style: a paper of style smd-1, page 1"),
        ("on its side", "no_timing_marks"),
        ("white", "no_timing_marks"),
        ("stained", "code_unreadable: 1 edge marks are wrong and 0 unclear"),
        ("grey", "code_unreadable: 0 edge marks are wrong and 1 unclear"),
        ("mirrored", "wrong_election"),
    ],
)
def test_what_is_not_surely_this_paper_is_refused(
    paper: str, reason: str, forms: Forms, tmp_path: Path
) -> None:
    gray = page(MAJILIS, 1 if paper == "other style" else 0, 1, 2)
    if paper == "turned":
        gray = cv2.rotate(gray, cv2.ROTATE_180)
    elif paper == "on its side":
        gray = cv2.rotate(gray, cv2.ROTATE_90_CLOCKWISE)
    elif paper == "white":
        gray = np.full_like(gray, 250)
    elif paper == "mirrored":
        gray = gray[:, ::-1]
    sheet = sheet_of(tmp_path, gray)
    if paper in ("stained", "grey"):
        levels = sheet.levels.copy()
        column = int(np.argmin(levels[:, 0]))
        levels[column, 0] = 16 if paper == "stained" else 5
        sheet = MarkSheet(levels, None)
    with pytest.raises(PageRefusedError, match=reason):
        forms.read(sheet)
    assert not forms.fits(sheet)


def test_levels_between_the_thresholds_go_to_a_person(forms: Forms, tmp_path: Path) -> None:
    """SEED-12: nothing doubtful is decided."""
    sheet = sheet_of(tmp_path, page(MAJILIS, 0, 1, 2))
    form = forms.expected[0]
    limits = forms.profile.levels
    for level, seen in ((3, "no_mark"), (4, "marginal"), (6, "marginal"), (7, "mark")):
        levels = sheet.levels.copy()
        levels[form.columns[2], form.lines[2]] = level
        reading = forms.read(MarkSheet(levels, None))
        assert reading.classes[2] is MarkClass(seen)
        assert reading.scores[2] == np.float32(level / limits.most)
        loaded = definition(MAJILIS)
        found = interpret([reading], loaded.election, loaded.profile)
        assert found.needs_review == (seen == "marginal")
        if seen == "marginal":
            assert found.contests[0].status is ContestStatus.NEEDS_REVIEW


def test_papers_that_the_reader_cannot_tell_apart_are_not_expected() -> None:
    profile = load_profile(SEKONIC)
    with pytest.raises(ConsoleError, match=r"differ in 1 of the edge marks.*--style"):
        make_forms(profile, definition(MAJILIS))
    assert len(make_forms(profile, definition(MAJILIS), apart=1).expected) == 3
    with pytest.raises(ConsoleError, match="give one style with --style"):
        make_forms(profile, definition(GENERAL))
    with pytest.raises(ConsoleError, match="this paper has 45: give a copy"):
        make_forms(profile, definition(GENERAL), style="city-letter")
    letter = profile.model_copy(update={"sheet": profile.sheet.model_copy(update={"columns": 45})})
    with pytest.raises(ConsoleError, match="front and back of style 'city-letter' look alike"):
        make_forms(letter, definition(GENERAL), style="city-letter")
    with pytest.raises(ConsoleError, match="no ballot style 'lists'"):
        make_forms(profile, definition(MAJILIS), style="lists")


def test_a_map_without_a_line_at_a_target_names_it() -> None:
    text = (BUILT_IN / f"{SEKONIC}.toml").read_text().replace("30, 31, ", "30, 32, ")
    with pytest.raises(ConsoleError, match=r"no line of the reader sees 'amanat'.*grid column 31"):
        make_forms(parse_profile(text), definition(MAJILIS), style="list")


# --- a form of one's own ------------------------------------------------------------------


def own_profile(*, swap: tuple[str, str] = ("", "")) -> Any:
    head, _ = (BUILT_IN / f"{SEKONIC}.toml").read_text().split("\n[map]\n")
    options = [t.option_id for t in prints(MAJILIS, 0)[0][0].targets]
    cells = "".join(
        f'[[map.cell]]\ncolumn = {5 + 2 * n}\nline = 3\ncontest = "party-list"\noption = "{o}"\n'
        for n, o in enumerate(options)
    )
    guards = "".join(
        f"[[map.guard]]\ncolumn = 1\nline = {line}\ndark = {dark}\n"
        for line, dark in ((1, "true"), (15, "false"))
    )
    text = f'{head}\n[map]\nby = "cells"\nstyle = "list"\n{cells}{guards}'
    return parse_profile(text.replace(*swap, 1) if swap[0] else text)


def test_a_form_of_ones_own_is_read_by_its_cells_and_guards() -> None:
    forms = make_forms(own_profile(), definition(MAJILIS))
    levels = np.zeros((48, 15), np.uint8)
    levels[0, 0], levels[8, 2] = 16, 9
    reading = forms.read(MarkSheet(levels, None))
    loaded = definition(MAJILIS)
    found = interpret([reading], loaded.election, loaded.profile)
    assert found.contests[0].votes == (reading.layout.targets[2].option_id,)
    turned = levels[::-1, ::-1]
    with pytest.raises(PageRefusedError, match=r"guard 1 \(column 1, line 1\) is of level 0"):
        forms.read(MarkSheet(turned, None))
    levels[0, 14] = 4
    with pytest.raises(PageRefusedError, match=r"guard 2 .* must be white"):
        forms.read(MarkSheet(levels, None))


@pytest.mark.parametrize(
    ("swap", "told"),
    [
        (('option = "amanat"', 'option = "nobody"'), "map: cell 1: style 'list' has no option"),
        (('style = "list"', 'style = "lists"'), "map: style: the election has no ballot style"),
        (
            ('[[map.cell]]\ncolumn = 5\nline = 3\ncontest = "party-list"\noption = "amanat"\n', ""),
            "no cell is option 'amanat'",
        ),
    ],
)
def test_a_map_that_does_not_fit_the_election_is_named(swap: tuple[str, str], told: str) -> None:
    with pytest.raises(ConsoleError, match=told):
        make_forms(own_profile(swap=swap), definition(MAJILIS))


def test_the_command_tells_errors_in_words(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = ballotbench_here("mark-sense", MAJILIS, "loop://", "-p", "no-such", "-o", out)
    assert done.returncode == 1
    assert "there is no mark-sense profile" in done.stdout + done.stderr
    gone = ballotbench_here(
        "mark-sense", MAJILIS, tmp_path / "gone", "-p", GENERIC, "--style", "list", "-o", out
    )
    assert gone.returncode == 1
    assert not out.exists()
