"""A device dies in mid-day and its journal with it; another goes on; the tally has all sheets.

All by command lines and real processes: the first device is killed with SIGKILL between two
sheets, wherever that comes, and its journal is thrown away (NVT-03, NVT-05).
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from console.cli import main
from election.definition import load_election
from election.design import design_ballot
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from firmware_sim.errors import MediumError
from firmware_sim.medium import RecordForm, open_recovered, read_medium
from firmware_sim.trust import TrustStore
from hardware.simulated.process import start_simulated_scanner
from scanner import synthesis

ELECTION = Path(__file__).resolve().parents[2] / "examples" / "kz-majilis" / "election.json"
PRECINCT = "P-101"
VOTES = ["amanat", "auyl", "amanat", "against-all", "aq-jol", "amanat", "auyl", "respublica"]
LISTEN = "socket://127.0.0.1:0"


def ballotbench(*arguments: object, code: int | None = 0) -> str:
    """A command line in this process: the ones that are killed run in their own."""
    said, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(errors), pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert code is None or stop.value.code == code, errors.getvalue()
    return said.getvalue()


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clearly marked party-list sheets."""
    folder = tmp_path_factory.mktemp("deck")
    election = load_election(ELECTION)
    profile = load_profile(election.profile)
    layout = design_ballot(election, profile, "list")
    blank = render_blank(render_pdf(election, profile, layout), 150)[0]
    rng = np.random.default_rng(12)
    for number, option in enumerate(VOTES):
        mark = synthesis.TrueMark("party-list", option, synthesis.MarkKind.CROSS)
        scan = synthesis.scan_page(
            synthesis.draw_marks(blank, layout.pages[0], [mark], rng),
            synthesis.random_scanner(rng, dpi=150),
            rng,
            page_dpi=150,
        )
        (folder / f"{number}.jpg").write_bytes(synthesis.encode(scan, "jpeg", 80, dpi=150))
    return folder


def device_line(folder: Path, keys: Path, number: int, scanner: str) -> list[Any]:
    """`device run` for the n-th device, everything of its own in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "medium").mkdir(exist_ok=True)
    line: list[Any] = ["device", "run", ELECTION, "--precinct", PRECINCT, "--keys", keys]
    line += ["--device", f"scanner-{number}", "--journal", folder / "journal.sqlite"]
    line += ["--scanner", scanner, "--printer", folder / "tape.bin", "--json"]
    return [*line, "--export", folder / "results.zip", "--medium", folder / "medium"]


def on_medium(folder: Path, keys: Path) -> int:
    """Records on a medium that is being written."""
    try:
        reading = read_medium(folder, TrustStore.load(keys), at=datetime.now(UTC))
    except MediumError:
        return 0
    return reading.slot.head.count


def test_a_dead_device_costs_nothing(deck: Path, tmp_path: Path) -> None:
    keys, one, two = tmp_path / "keys", tmp_path / "one", tmp_path / "two"
    ballotbench("keys", "init", keys, "--name", "Test")
    ballotbench("keys", "recovery", keys)
    for number in (1, 2):
        ballotbench("keys", "issue", keys, f"scanner-{number}", "--precinct", PRECINCT)

    with start_simulated_scanner(deck, state=tmp_path / "paper-1", listen=LISTEN) as scanner:
        victim = subprocess.Popen(
            [sys.executable, "-m", "console", *map(str, device_line(one, keys, 1, scanner.url))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while on_medium(one / "medium", keys) < 3 and time.monotonic() < deadline:
            time.sleep(0.002)
        victim.kill()
        victim.wait()
        in_first_box = scanner.box()
    for left in one.glob("journal.sqlite*"):
        left.unlink()
    recorded = on_medium(one / "medium", keys)
    assert 3 <= recorded < len(VOTES)
    # At most the sheet that fell just before the kill is not on the medium yet.
    assert len(in_first_box) - recorded in (0, 1)

    # People take the other sheets, and the one between the rollers, to the second machine.
    rest = tmp_path / "rest"
    rest.mkdir()
    for sheet in deck.iterdir():
        if sheet.name not in in_first_box:
            shutil.copy(sheet, rest)
    with start_simulated_scanner(rest, state=tmp_path / "paper-2", listen=LISTEN) as scanner:
        line = device_line(two, keys, 2, scanner.url)
        line += ["--replaces", one / "medium", "--replaces-box", len(in_first_box)]
        counted = json.loads(ballotbench(*line, "--issued", f"list={len(VOTES)}"))
    assert counted["totals"]["sheets"] == len(VOTES) - len(in_first_box)

    # The dead medium may be lost now: what it held travels in the second device's package.
    (one / "medium").rename(tmp_path / "lost")
    options = ["--trust", keys, "--out", tmp_path / "totals", "--json"]
    alone = json.loads(ballotbench("tally", ELECTION, two / "results.zip", *options, code=1))
    assert [r["reason"] for r in alone["packages"]["refused"]] == ["incomplete"]
    assert PRECINCT in alone["totals"]["missing_precincts"]
    reading = ["--trust", keys, "--key", keys / "recovery.key", "--election", ELECTION]
    opened = json.loads(
        ballotbench(
            "medium", "read", two / "results.zip", *reading, "--out", tmp_path / "r", "--json"
        )
    )
    assert opened["states"][0]["records"] == recorded

    # Exit 1 only if the kill came between the box and the medium: then the boxes tell it.
    late = len(in_first_box) - recorded
    both = [two / "results.zip", tmp_path / "r"]
    found = json.loads(ballotbench("tally", ELECTION, *both, *options, code=1 if late else 0))
    (package,) = found["packages"]["accepted"]
    assert package["joined"][0]["sheets"] == recorded
    assert bool(package["findings"]) == bool(late)
    party_list = found["totals"]["by_precinct"][PRECINCT]["party-list"]
    assert party_list["ballots"] == len(VOTES) - late
    if not late:
        assert {o: n for o, n in party_list["votes"].items() if n} == {
            option: VOTES.count(option) for option in set(VOTES)
        }
    said = ballotbench("verify", *both, "--trust", keys, "--election", ELECTION, code=None)
    assert f"{len(VOTES) - late} sheets" in said

    # A proof that a record is in the dead device's count, checked with the root alone (NVT-11).
    recovered = next((tmp_path / "r").glob("*.medium"))
    record = _some_record(recovered, keys)
    proof = tmp_path / "proof.json"
    ballotbench(
        *("medium", "prove", recovered, record, "--trust", keys),
        *("--election", ELECTION, "--out", proof),
    )
    shown = json.loads(ballotbench("medium", "check", proof, "--trust", keys, "--json"))
    assert (shown["record_id"], shown["shows_content"]) == (record, False)
    value = json.loads(proof.read_text(encoding="utf-8"))
    value["index"] ^= 1
    proof.write_text(json.dumps(value), encoding="utf-8")
    ballotbench("medium", "check", proof, "--trust", keys, code=1)


def _some_record(recovered: Path, keys: Path) -> str:
    election = load_election(ELECTION)
    form = RecordForm(election, load_profile(election.profile), PRECINCT)
    _, state = open_recovered(
        recovered.read_bytes(), TrustStore.load(keys), form, at=datetime.now(UTC)
    )
    return state.records[0].record_id


@pytest.mark.parametrize("word", ["--medium", "--replaces"])
def test_a_missing_medium_ends_in_one_line(tmp_path: Path, word: str) -> None:
    keys = tmp_path / "keys"
    ballotbench("keys", "init", keys, "--name", "Test")
    ballotbench("keys", "recovery", keys)
    ballotbench("keys", "issue", keys, "scanner-1", "--precinct", PRECINCT)
    line = ["device", "run", ELECTION, "--precinct", PRECINCT, "--keys", keys]
    line += ["--journal", tmp_path / "p.sqlite", "--device", "scanner-1"]
    line += ["--scanner", "socket://127.0.0.1:9", "--printer", tmp_path / "tape.bin"]
    line += ["--export", tmp_path / "p.zip", word, tmp_path / "nowhere"]
    errors = io.StringIO()
    with redirect_stderr(errors), pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in line])
    assert stop.value.code == 1
    assert errors.getvalue().count("\n") == 1
    assert "medium" in errors.getvalue()
    assert not (tmp_path / "p.sqlite").exists()
