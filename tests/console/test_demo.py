"""The demo as a user runs it: a small planned night, and a folder of one's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.definitions import load_definition
from console.demo.pictures import MACHINES, PictureJob, draw
from console.demo.plan import LEAST_VOTERS, Story, plan_night
from console.demo.truth import hand_count_csv, true_figures
from scanner.synthesis import encode_document
from tally.paper import read_paper_count
from tests.console.here import ballotbench_here

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KZ = EXAMPLES / "kz-majilis" / "election.json"
US = EXAMPLES / "us-general" / "election.json"


def demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "console", "demo", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(("election", "sheets", "precincts"), [(KZ, 73, 3), (US, 25, 2)])
def test_the_count_is_what_was_marked_and_the_slip_is_found(
    election: Path, sheets: int, precincts: int, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = demo("--out", out, "--voters", LEAST_VOTERS, "--election", election)
    assert done.returncode == 0, done.stdout + done.stderr
    started = f"{sheets} sheets were printed, marked and scanned in {precincts} precincts"
    assert done.stdout.startswith(started)
    assert "The electronic count equals what was marked, figure by figure." in done.stdout

    truth = json.loads((out / "truth.json").read_text(encoding="utf-8"))
    report = json.loads((out / "report" / "report.json").read_text(encoding="utf-8"))
    planted = truth["planted"]
    [finding] = [f for f in report["findings"] if f["kind"] == "difference"]
    assert {key: finding[key] for key in planted} == planted
    for name in ("precinct", "contest", "option"):
        assert planted[name] in finding["sentence"]
    page = (out / "report" / "report.html").read_text(encoding="utf-8")
    assert planted["precinct"] in page
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?https?:", page)
    assert len(list((out / "packages").glob("*.zip"))) == precincts
    assert len(list(out.glob("precincts/*/tape.png"))) == precincts


def test_a_folder_of_one_s_own_with_good_and_bad_scans(tmp_path: Path) -> None:
    definition = load_definition(KZ)
    plan = plan_night(definition.election, definition.profile, seed=4, voters=LEAST_VOTERS)
    mine = tmp_path / "mine"
    mine.mkdir()
    plain = [s for s in plan.pile("P-201") if s.story is Story.PLAIN]
    lists = [s for s in plain if s.style_id == "list"][:3]
    candidates = [s for s in plain if s.style_id == "smd-2"][:3]
    draw(PictureJob(KZ, "kz-majilis", 4, MACHINES[0], tuple(lists + candidates), mine))
    # Two of the sheets in one longer file; a photo, a cut-off file and an empty one beside them.
    pages = []
    for sheet in lists[1:]:
        path = mine / f"{sheet.name}.jpg"
        pages.append(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        path.unlink()
    (mine / "both.tif").write_bytes(encode_document(pages, "tiff", dpi=200))
    noise = np.random.default_rng(1).integers(0, 255, (900, 700), np.uint8)
    cv2.imwrite(str(mine / "cat.png"), noise)
    whole = (mine / f"{candidates[0].name}.jpg").read_bytes()
    (mine / "cut.jpg").write_bytes(whole[: len(whole) // 3])
    (mine / "empty.pdf").touch()

    done = demo("--scans", mine, "--out", tmp_path / "out", "--json")
    assert done.returncode == 1, done.stderr
    seen = json.loads(done.stdout)
    assert seen["precincts"]["P-201"]["counters"]["accepted"] == 6
    votes = seen["precincts"]["P-201"]["totals"]["contests"]["party-list"]["votes"]
    assert {o: n for o, n in votes.items() if n} == _votes(lists)
    assert {name.split("-", 1)[1] for name, _ in seen["not_counted"]} == {"cat", "cut", "empty"}
    assert all(why for _, why in seen["not_counted"])
    assert Path(seen["report"]).is_file()


def _votes(sheets: object) -> dict[str, int]:
    votes: dict[str, int] = {}
    for sheet in sheets:  # type: ignore[attr-defined]
        for _, options in sheet.meant:
            for option in options:
                votes[option] = votes.get(option, 0) + 1
    return votes


def test_another_s_folder_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    done = ballotbench_here("demo", "--out", tmp_path, "--voters", LEAST_VOTERS)
    assert done.returncode == 1
    assert "no demo made it" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--scans", "no-such-folder"], 1, "is not a folder of scans"),
        (["--scans", EXAMPLES / "kz-majilis"], 1, "holds no scans"),
        (["--paper", "x.csv"], 2, "goes with --scans"),
        (["--voters", "3"], 2, "greater than or equal to 12"),
        (["--election", "nowhere.json"], 1, "nowhere.json"),
    ],
)
def test_wrong_use_ends_in_words(
    arguments: list[object], code: int, words: str, tmp_path: Path
) -> None:
    done = ballotbench_here("demo", *arguments, "--out", tmp_path / "out")
    assert done.returncode == code
    assert words in done.stderr


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(LEAST_VOTERS, 60), st.sampled_from([KZ, US]))
def test_every_plan_has_its_stories_and_one_slip(seed: int, voters: int, path: Path) -> None:
    definition = load_definition(path)
    election, profile = definition.election, definition.profile
    plan = plan_night(election, profile, seed=seed, voters=voters)
    assert plan == plan_night(election, profile, seed=seed, voters=voters)
    stories = [sheet.story for sheet in plan.sheets]
    assert stories.count(Story.OVERVOTE) == stories.count(Story.TORN) == 1
    true = true_figures(plan, election, profile)
    count = read_paper_count(hand_count_csv(plan, election, profile).encode(), "count", election)
    planted = plan.planted
    waiting = true[planted.precinct_id][planted.contest_id]["needs_review"]
    assert waiting == 0
    for precinct, contests in true.items():
        for contest_id, row in contests.items():
            seen = 0
            for option, votes in row["votes"].items():
                by_hand = count.get(precinct, contest_id, option)
                assert by_hand is not None
                at_slip = (precinct, contest_id, option) == (
                    planted.precinct_id,
                    planted.contest_id,
                    planted.option_id,
                )
                missing = planted.size if at_slip else 0
                assert by_hand + missing >= votes
                seen += by_hand + missing - votes
            # What people see more is on the sheets set aside, and on nothing else.
            assert seen <= row["needs_review"] * election.contest(contest_id).votes_allowed
