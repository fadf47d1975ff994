"""A polling day at the command line: real processes on a real port, one of them killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from election.definition import load_election
from election.design import design_ballot
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from firmware_sim.pollbook import Book, Setup, check_in, replace_ballot
from firmware_sim.pollbook.closing import close_book, signature_path
from firmware_sim.trust import DeviceSigner
from hardware.simulated.paper import Paper
from hardware.tape_image import read_tape
from scanner import synthesis
from tests.firmware_sim.pollbook_world import LOCK, MEMBER, person, visit

ELECTION = Path(__file__).resolve().parents[2] / "examples" / "kz-majilis" / "election.json"
VOTES = ["amanat", "auyl", "amanat", "against-all", "amanat", "aq-jol"]


def ballotbench(*arguments: object, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "console", *map(str, arguments)], capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six marked party-list sheets, and between them a picture that is none."""
    folder = tmp_path_factory.mktemp("deck")
    election = load_election(ELECTION)
    profile = load_profile(election.profile)
    layout = design_ballot(election, profile, "list")
    blank = render_blank(render_pdf(election, profile, layout), 150)[0]
    rng = np.random.default_rng(11)
    for number, option in enumerate(VOTES):
        mark = synthesis.TrueMark("party-list", option, synthesis.MarkKind.CROSS)
        scan = synthesis.scan_page(
            synthesis.draw_marks(blank, layout.pages[0], [mark], rng),
            synthesis.random_scanner(rng, dpi=150),
            rng,
            page_dpi=150,
        )
        (folder / f"{number}.jpg").write_bytes(synthesis.encode(scan, "jpeg", 80, dpi=150))
    noise = rng.integers(0, 255, (900, 700), np.uint8)
    (folder / "2-cat.png").write_bytes(synthesis.encode(noise, "png"))
    return folder


@pytest.fixture
def scanner(deck: Path, tmp_path: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "simulate", "scanner", str(deck), "--json"]
        + ["--state", str(tmp_path / "scanner"), "--noise", "0.05", "--seed", "3"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    text = ""
    while not text.endswith("}\n"):
        text += process.stdout.readline()
    yield json.loads(text)["url"]
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    process.stdout.close()


def pollbook(folder: Path, keys: Path) -> Path:
    """The close sheet of a desk that gave seven voters a party-list ballot and took one back."""
    election = load_election(ELECTION)
    day = date.fromisoformat(election.date)
    styles = tuple(style.id for style in election.precinct_styles("P-101"))
    setup = Setup(election.id, election.hash, day, "P-101", styles, {"list": 9}, ())
    voters = [person(number, "P-101") for number in range(9)]
    morning = datetime(day.year, day.month, day.day, 9, 20, tzinfo=UTC)
    issue = ["keys", "issue", keys, "pollbook-1", "--precinct", "P-101"]
    ballotbench(*issue, "--for", "pollbook")
    with Book.create(folder / "desk", setup, voters, lock=LOCK, source=b"list", at=morning) as book:
        for voter in voters[:7]:
            check_in(book, visit(voter, at=morning, styles=("list",)))
        replace_ballot(book, voters[0].iin, "list", by=MEMBER, at=morning)
        sheet = close_book(book, DeviceSigner.load(keys, "pollbook-1").sign, at=morning)
    path = folder / "pollbook.json"
    path.write_bytes(sheet.content)
    signature_path(path).write_bytes(sheet.signature)
    return path


def test_a_killed_device_goes_on_and_its_package_is_good(scanner: str, tmp_path: Path) -> None:
    keys, package = tmp_path / "keys", tmp_path / "P-101.zip"
    ballotbench("keys", "init", keys, "--name", "Test")
    ballotbench("keys", "issue", keys, "scanner-1", "--precinct", "P-101")
    command: list[Any] = ["device", "run", ELECTION, "--precinct", "P-101", "--keys", keys]
    command += ["--journal", tmp_path / "p.sqlite", "--device", "scanner-1"]
    command += ["--scanner", scanner, "--printer", tmp_path / "tape.bin", "--export", package]
    command += ["--issued-from", pollbook(tmp_path, keys), "--json"]

    paper = Paper(tmp_path / "scanner")
    victim = subprocess.Popen(
        [sys.executable, "-m", "console", *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while paper.counts().box < 2 and time.monotonic() < deadline:
        time.sleep(0.002)
    victim.kill()
    victim.wait()
    assert 2 <= paper.counts().box < 6
    assert not package.exists()

    # The cut may have left one step open; where only a person can tell, the person tells.
    counts = json.loads(ballotbench(*command))
    assert counts["counters"]["accepted"] == 6
    votes = counts["totals"]["contests"]["party-list"]["votes"]
    assert {option: n for option, n in votes.items() if n} == {
        "amanat": 3,
        "auyl": 1,
        "aq-jol": 1,
        "against-all": 1,
    }
    with zipfile.ZipFile(package) as archive:
        styles = json.loads(archive.read("protocol.json"))
    assert '"issued": 7' in json.dumps(styles)
    assert paper.counts().box == 6
    assert paper.counts().returned == ("2-cat.png",)
    paper.close()

    # Two tapes, the zero tape and the results; each ends in a cut.
    assert read_tape((tmp_path / "tape.bin").read_bytes()).height > 3000
    ballotbench("verify", package, "--election", ELECTION, "--trust", keys)
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(package) as archive:
        archive.extractall(unpacked)
    if shutil.which("openssl") is None or os.name == "nt":
        pytest.skip("openssl is not installed")
    subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=unpacked, check=True, capture_output=True)
    subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "SHA256SUMS.cms"]
        + ["-content", "SHA256SUMS", "-CAfile", str(keys / "authority.pem"), "-purpose", "any"]
        + ["-out", os.devnull],
        cwd=unpacked,
        check=True,
        capture_output=True,
    )


def test_a_port_where_nobody_is_ends_in_one_line(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    ballotbench("keys", "init", keys, "--name", "Test")
    ballotbench("keys", "issue", keys, "scanner-1", "--precinct", "P-101")
    done = subprocess.run(
        [sys.executable, "-m", "console", "device", "run", str(ELECTION), "--precinct", "P-101"]
        + ["--keys", str(keys), "--journal", str(tmp_path / "p.sqlite"), "--device", "scanner-1"]
        + ["--scanner", str(tmp_path / "tty"), "--printer", str(tmp_path / "tape.bin")]
        + ["--export", str(tmp_path / "p.zip")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "cannot be opened" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
