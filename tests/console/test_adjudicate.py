"""`ballotbench adjudicate` as people use it: read a pile, look, decide, undo, apply, and a kill.

SEED-12, NVT-06: who decided what and why is kept, and nothing of it is lost.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from console.cli import main
from console.decisions import DecisionFile
from election.definition import load_election
from election.layout_io import print_ballots
from election.profile import load_profile
from scanner.adjudication import Standing
from scanner.cvr import validate_report
from scanner.synthesis import (
    BALLPOINT,
    MarkKind,
    ScannerModel,
    TrueMark,
    draw_marks,
    encode,
    scan_page,
)

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "us-general" / "election.json"
STYLE = "city-letter"
FILL = MarkKind.FILL
#: One sheet each: name, turn of the scan, marks.
PILE = (
    ("clear", 0, [("president", "quincy-adler", FILL), ("measure-1", "yes", FILL)]),
    ("doubt", 90, [("us-senator", "nakamura", MarkKind.MARGINAL), ("sheriff", "stone", FILL)]),
    ("over", 180, [("sheriff", "maddox", FILL), ("sheriff", "stone", FILL)]),
    ("written", 270, [("governor", "write-in-0", MarkKind.WRITE_IN)]),
)


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def ballotbench(*arguments: object) -> Done:
    """The whole command line in this process: starting one each time would take a minute."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return Done(int(stop.value.code or 0), out.getvalue(), err.getvalue())


def adjudicate(word: str, *arguments: object, code: int = 0) -> dict[str, Any]:
    done = ballotbench("adjudicate", word, *arguments, "--json")
    assert done.returncode == code, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `ballotbench read` wrote of the pile."""
    folder = tmp_path_factory.mktemp("batch")
    election = load_election(EXAMPLE)
    printed = next(
        p
        for p in print_ballots(election, load_profile(election.profile), folder / "print")
        if p.layout.ballot_style_id == STYLE
    )
    pile = folder / "pile"
    pile.mkdir()
    for seed, (name, turn, marks) in enumerate(PILE):
        rng = np.random.default_rng(seed)
        for blank, page in zip(printed.blanks, printed.layout.pages, strict=True):
            here = {target.contest_id for target in page.targets}
            drawn = [
                TrueMark(c, o, kind, BALLPOINT, area_share=0.15 if kind == "marginal" else None)
                for c, o, kind in marks
                if c in here
            ]
            paper = cv2.imread(str(blank), cv2.IMREAD_GRAYSCALE)
            ink = draw_marks(np.asarray(paper, np.uint8), page, drawn, rng)
            model = replace(ScannerModel(), orientation_deg=turn, skew_deg=0.8)
            scan = scan_page(ink, model, rng, paper_mm=(page.width_mm, page.height_mm))
            (pile / f"{name}-{page.side}.png").write_bytes(encode(scan, "png", dpi=200))
    # A wide band between the thresholds, so that the dash is marginal on any reader.
    limits = folder / "limits.toml"
    limits.write_text("marginal = 0.04\ndefinite = 0.4\n", encoding="utf-8")
    out = folder / "out"
    done = ballotbench("read", EXAMPLE, pile, "--out", out, "--thresholds", limits, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records"] == len(PILE)
    return out


@pytest.fixture
def folder(batch: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may decide on."""
    return Path(shutil.copytree(batch, tmp_path / "out"))


def listed(folder: Path, *arguments: object) -> dict[str, dict[str, Any]]:
    rows = adjudicate("list", folder, *arguments)["items"]
    return {row["contest"]: row for row in rows}


def test_a_pile_from_scan_to_sums(folder: Path) -> None:
    before = (folder / "cvrs.json").read_bytes()
    rows = listed(folder)
    assert {c: row["must_decide"] for c, row in rows.items()} == {
        "us-senator": True,
        "governor": True,
        "sheriff": False,
    }
    assert [r["kind"] for r in rows["us-senator"]["reasons"]] == ["marginal_mark"]
    assert [r["kind"] for r in rows["governor"]["reasons"]] == ["unmarked_write_in", "write_in"]
    assert [r["kind"] for r in rows["sheriff"]["reasons"]] == ["overvote"]

    item = rows["governor"]["item"]
    shown = adjudicate("show", folder, item[:8])
    (governor,) = shown["contests"]
    line = next(t for t in governor["targets"] if t["option_id"] == "write-in-0")
    assert line["written"] is True
    for crop in (governor["crop"], line["target_crop"], line["write_in_crop"]):
        assert cv2.imread(str(folder / crop["path"]), cv2.IMREAD_GRAYSCALE) is not None

    first = adjudicate("apply", folder, code=1)
    assert {row["contest"] for row in first["unsettled"]} == {"us-senator", "governor"}
    assert (first["adjudicated"], first["set_aside"]) == (0, 2)

    by = ("--by", "Ann Lee", "--reason", "as I see it")
    adjudicate(
        "decide", folder, item[:8], *by, "--votes", "write-in-0", "--write-in", "write-in-0=Jo Park"
    )
    kept = adjudicate("decide", folder, rows["us-senator"]["item"][:8], *by, "--blank")
    adjudicate("undo", folder, kept["decision"][:6], *by)
    adjudicate("decide", folder, rows["us-senator"]["item"][:8], *by, "--votes", "nakamura")
    last = adjudicate("decide", folder, rows["sheriff"]["item"][:8], *by, "--as-read")
    assert listed(folder) == {}

    summary = adjudicate("apply", folder, "--head", last["head"]["sha256"])
    assert (summary["adjudicated"], summary["set_aside"]) == (3, 0)
    assert summary["contests"]["governor"]["write_in_names"] == {"Jo Park": 1}
    assert summary["contests"]["us-senator"]["votes"]["nakamura"] == 1
    assert summary["contests"]["sheriff"]["votes"]["stone"] == 1
    assert summary["contests"]["sheriff"]["overvotes"] == 1
    report = json.loads((folder / "adjudicated" / "cvrs.json").read_text(encoding="utf-8"))
    assert validate_report(report) == []
    (written,) = [
        position["CVRWriteIn"]
        for cvr in report["CVR"]
        for contest in cvr["CVRSnapshot"][0]["CVRContest"]
        for selection in contest["CVRContestSelection"]
        for position in selection["SelectionPosition"]
        if "CVRWriteIn" in position
    ]
    picture = folder / written["WriteInImage"]["Location"].removeprefix("file:")
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    assert written["Text"] == "Jo Park"
    assert written["WriteInImage"]["Hash"]["Value"] == digest
    assert (folder / "cvrs.json").read_bytes() == before
    assert adjudicate("stats", folder)["contests"]["settled"] == 3
    for word in ("list", "stats", "apply"):
        assert ballotbench("adjudicate", word, folder).stdout.strip()
    script = [sys.executable, "-m", "console", "adjudicate", "apply", str(folder)]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "3 of 4 records adjudicated, 0 still set aside" in done.stdout


def test_a_blind_second_opinion_shows_nothing_of_the_first(folder: Path) -> None:
    queue = json.loads((folder / "queue.json").read_text(encoding="utf-8"))
    queue["profile"]["adjudication"]["people"] = 2
    (folder / "queue.json").write_text(json.dumps(queue), encoding="utf-8")
    item = listed(folder)["us-senator"]["item"]
    adjudicate(
        "decide", folder, item, "--votes", "nakamura", "--by", "Ann Lee", "--reason", "sure of it"
    )
    assert "us-senator" not in listed(folder, "--for", "ann lee")
    assert "us-senator" in listed(folder, "--for", "Bo Day")
    for arguments in (
        ("list", folder),
        ("show", folder, item, "--by", "Bo Day"),
        ("stats", folder),
    ):
        done = ballotbench("adjudicate", *arguments)
        assert "Ann Lee" not in done.stdout
        assert "us-senator: nakamura" not in done.stdout
    own = adjudicate("show", folder, item, "--by", "Ann Lee")["contests"][0]["own"]
    assert own["verdict"] == "us-senator: nakamura"
    adjudicate("decide", folder, item, "--blank", "--by", "Bo Day", "--reason", "a slip of the pen")
    row = listed(folder)["us-senator"]
    assert (row["standing"], len(row["verdicts"])) == ("disputed", 2)
    assert adjudicate("apply", folder, code=1)["adjudicated"] == 0


def test_what_was_tampered_with_is_refused(folder: Path) -> None:
    item = listed(folder)["sheriff"]["item"]
    by = ("--by", "Ann Lee", "--reason", "clear")
    adjudicate("decide", folder, item, *by, "--overvote")
    ledger = folder / "decisions.jsonl"
    good = ledger.read_bytes()
    ledger.write_bytes(good.replace(b"clear", b"other"))
    done = ballotbench("adjudicate", "apply", folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "decisions line 1 was changed" in done.stderr
    ledger.write_bytes(b"")
    assert "lines are missing at the end" in ballotbench("adjudicate", "list", folder).stderr
    ledger.write_bytes(good)
    crop = next((folder / "review").glob("*/*senator.png"))
    crop.write_bytes(crop.read_bytes()[:-1])
    done = ballotbench("adjudicate", "show", folder, listed(folder)["us-senator"]["item"])
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not the picture" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--votes", "maddox,stone"), 1, "a voter has 1"),
        (("--votes", "nobody"), 1, "no option 'nobody'"),
        (("--invalid", "ugly"), 1, "has no invalid ballots"),
        (("--votes", "stone", "--blank"), 2, "exactly one of"),
        ((), 2, "exactly one of"),
        (("--votes", "stone", "--write-in", "x"), 2, "is not LINE=NAME"),
        (("--votes", "stone", "--contest", "governor"), 1, "is not in question"),
    ],
)
def test_unlawful_and_wrong_use_end_in_words(
    batch: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    rows = json.loads((batch / "queue.json").read_text(encoding="utf-8"))["items"]
    item = next(r["id"] for r in rows if r["contests"][0]["contest_id"] == "sheriff")
    done = ballotbench(
        "adjudicate", "decide", batch, item, "--by", "Ann", "--reason", "r", *arguments
    )
    assert done.returncode == code
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert not (batch / "decisions.jsonl").exists()


def test_people_at_several_desks_write_one_chain(folder: Path) -> None:
    said = {"sheriff": "--as-read", "governor": "--overvote", "us-senator": "--blank"}
    rows = listed(folder)
    desks = [
        subprocess.Popen(
            [sys.executable, "-m", "console", "adjudicate", "decide", str(folder)]
            + [rows[contest]["item"], "--by", f"At {contest}", "--reason", "seen", verdict],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        for contest, verdict in said.items()
    ]
    assert [desk.wait() for desk in desks] == [0, 0, 0]
    ledger, _ = DecisionFile(folder).load()
    assert ledger.head.count == 3


DECIDE_FOR_EVER = """
import itertools, os, sys
from pathlib import Path
from console.cli import main
from console.decisions import DecisionFile
from scanner.adjudication import Verdict

file = DecisionFile(Path(sys.argv[1]))
item = next(i for i in file.queue.items if i.contests[0].contest_id == "sheriff")
verdict = Verdict(contest_id="sheriff", kind="overvote")
for n in itertools.count():
    said = dict(by="Ann", reason="r" * 900, at="2026-11-04T08:00:00Z")
    with file.turn() as turn:
        decision = turn.proceedings.prepare(
            item, [verdict], entry_id=os.urandom(8).hex(), **said
        )
        turn.keep(decision)
    print(decision.id, flush=True)
    with file.turn() as turn:
        undo = turn.proceedings.prepare_undo(decision.id, entry_id=os.urandom(8).hex(), **said)
        turn.keep(undo)
    print(undo.id, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 2, 7, 16])
def test_a_kill_in_the_middle_loses_no_acknowledged_decision(folder: Path, lines: int) -> None:
    """A real process, really killed, while it writes one line after the other."""
    with subprocess.Popen(
        [sys.executable, "-c", DECIDE_FOR_EVER, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().split()
    ledger, _ = DecisionFile(folder).load()
    kept = [entry.id for entry in ledger.entries]
    assert kept[: len(acknowledged)] == acknowledged
    assert len(kept) - len(acknowledged) <= 1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_torn_line_is_set_aside_and_the_next_one_kept(folder: Path, share: float) -> None:
    """What a kill leaves between two bytes of a line: cut where it was never acknowledged."""
    item = listed(folder)["sheriff"]["item"]
    by = ("--by", "Ann Lee", "--reason", "clear")
    kept = adjudicate("decide", folder, item, *by, "--overvote")
    path = folder / "decisions.jsonl"
    whole = path.read_bytes()
    torn = whole[: int(len(whole) * share)]
    path.write_bytes(whole + torn)
    adjudicate("undo", folder, kept["decision"], *by)
    assert path.read_bytes().startswith(whole)
    assert path.read_bytes().count(b"\n") == 2
    if torn:
        assert (folder / "decisions.torn").read_bytes() == torn + b"\n"
    _, proceedings = DecisionFile(folder).load()
    assert proceedings.standing(item, "sheriff").standing is Standing.OPEN
