"""Two precincts vote in one room, into one box: the whole day at the command line (NVT-04).

Their device takes the sheets of both and refuses those of a third by name; tape, package,
tally, national result and reconciliation have each precinct by itself.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from console.cli import main
from election.definition import load_election
from election.design import design_ballot
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from hardware.simulated.process import start_simulated_scanner
from scanner import synthesis

ELECTION = Path(__file__).resolve().parents[2] / "examples" / "kz-majilis" / "election.json"
ROOM = ["--precinct", "P-201", "--precinct", "P-101"]
#: Style, precinct printed on it, contest, vote.
SHEETS = [
    ("list", "P-101", "party-list", "amanat"),
    ("list", "P-201", "party-list", "auyl"),
    ("list", "P-101", "party-list", "amanat"),
    ("list", "P-102", "party-list", "amanat"),  # another room's
    ("list", None, "party-list", "amanat"),  # which of the two?
    ("smd-2", None, "smd-2", None),  # only P-201 hands it out
    ("smd-1", "P-101", "smd-1", None),
    ("smd-1", "P-102", "smd-1", None),
]


def ballotbench(*arguments: object, code: int = 0) -> str:
    said, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(errors), pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code == code, errors.getvalue() + said.getvalue()
    return said.getvalue() or errors.getvalue()


@dataclass(frozen=True)
class Room:
    """The played day: its folder and what `device run --json` said."""

    folder: Path
    said: dict[str, Any]

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def package(self) -> Path:
        return self.folder / "room.zip"

    def inside(self, name: str) -> dict[str, Any]:
        with zipfile.ZipFile(self.package) as archive:
            value: dict[str, Any] = json.loads(archive.read(name))
        return value


def feed(folder: Path) -> None:
    """The marked sheets, in order."""
    election = load_election(ELECTION)
    profile = load_profile(election.profile)
    rng = np.random.default_rng(21)
    for number, (style, precinct, contest, vote) in enumerate(SHEETS):
        layout = design_ballot(election, profile, style)
        pdf = render_pdf(election, profile, layout, precinct_id=precinct)
        option = vote or election.contest(contest).options[0].id
        marks = [synthesis.TrueMark(contest, option, synthesis.MarkKind.CROSS)]
        drawn = synthesis.draw_marks(render_blank(pdf, 150)[0], layout.pages[0], marks, rng)
        scanner = synthesis.random_scanner(rng, dpi=150)
        scan = synthesis.scan_page(drawn, scanner, rng, page_dpi=150)
        (folder / f"{number}.jpg").write_bytes(synthesis.encode(scan, "jpeg", 80, dpi=150))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    folder = tmp_path_factory.mktemp("room")
    keys, deck = folder / "keys", folder / "deck"
    deck.mkdir()
    feed(deck)
    ballotbench("keys", "init", keys, "--name", "Test")
    said = ballotbench("keys", "issue", keys, "scanner-1", *ROOM)
    assert "certified for P-101, P-201" in said
    with start_simulated_scanner(
        deck, state=folder / "paper", listen="socket://127.0.0.1:0"
    ) as scanner:
        line = ["device", "run", ELECTION, *ROOM, "--keys", keys, "--device", "scanner-1"]
        line += ["--journal", folder / "j.sqlite", "--scanner", scanner.url]
        line += ["--printer", folder / "tape.bin", "--export", folder / "room.zip"]
        # Told in the form of one precinct it is refused before anything moves.
        refused = ballotbench(*line, "--issued", "list=4", code=2)
        assert "P-101/list" in refused
        line += ["--issued", "P-101/list=2", "--issued", "P-201/list=1"]
        done = json.loads(ballotbench(*line, "--json"))
    return Room(folder, done)


def test_sheets_of_both_are_taken_and_of_no_other(room: Room) -> None:
    assert room.said["counters"]["accepted"] == 5
    assert room.said["sent_back"] == {"wrong_precinct": 2, "no_precinct": 1}
    totals = room.inside("totals.json")
    assert totals == room.said["totals"]
    assert (totals["precinct_id"], totals["sheets"]) == ("P-101+P-201", 5)
    own = totals["precincts"]
    assert {p: part["sheets"] for p, part in own.items()} == {"P-101": 3, "P-201": 2}
    assert own["P-101"]["contests"]["party-list"]["votes"]["amanat"] == 2
    assert own["P-201"]["contests"]["party-list"]["votes"]["auyl"] == 1
    assert totals["contests"]["party-list"]["ballots"] == 3
    assert sorted(own["P-101"]["contests"]) == ["party-list", "smd-1"]
    protocol = room.inside("protocol.json")
    assert protocol["registered_voters"] == 2180 + 1312
    assert protocol["precincts"]["P-101"]["by_style"]["list"]["issued"] == 2
    assert protocol["by_style"]["list"]["issued"] == 3
    assert protocol["box_counter"] == 5
    # Every record names its precinct, also that of the sheet that did not.
    units = [r.get("BallotStyleUnitId") for r in room.inside("cvrs/report.json")["CVR"]]
    assert sorted(units) == ["precinct/P-101"] * 3 + ["precinct/P-201"] * 2


def test_the_tape_proves_each_precinct(room: Room, tmp_path: Path) -> None:
    """Tape, codes and package say the same of each precinct (NVT-11, NVT-13)."""
    png = tmp_path / "tape.png"
    line = ["device", "tape", ELECTION, *ROOM, "--journal", room.folder / "j.sqlite"]
    ballotbench(*line, "--keys", room.keys, "--device", "scanner-1", "--png", png)
    with Image.open(png) as picture:
        assert picture.height > 12_000  # longer than any sheet that is scanned
    trust = ["--trust", room.keys, "--election", ELECTION]
    said = json.loads(ballotbench("verify", "--photo", png, room.package, *trust, "--json"))
    (tape,) = said["tapes"]
    assert (tape["accepted"], tape["precinct"]) == (True, "P-101+P-201")
    assert tape["packages"] == [{"name": "room.zip", "same": True, "differences": []}]
    votes = {
        row["id"]: {v["id"]: v["votes"] for v in row["votes"] if v["votes"]}
        for row in tape["summary"]["contests"]
    }
    assert votes["P-101/party-list"] == {"amanat": 2}
    assert votes["P-201/party-list"] == {"auyl": 1}


def test_the_tally_counts_each_precinct_once(room: Room, tmp_path: Path) -> None:
    trust = ["--trust", room.keys]
    words = ballotbench("verify", room.package, *trust, "--election", ELECTION)
    assert "precinct P-101, P-201" in words
    assert "5 sheets (P-101: 3, P-201: 2)" in words
    ballotbench("verify", room.package, *trust)
    ballotbench("tally", ELECTION, room.package, *trust, "--out", tmp_path / "t")
    with (tmp_path / "t" / "totals.csv").open() as file:
        rows = {tuple(r.values())[:3]: int(r["votes"]) for r in csv.DictReader(file)}
    assert rows["P-101", "party-list", "amanat"] == 2
    assert rows["P-201", "party-list", "auyl"] == 1
    assert rows["P-201", "smd-2", "ballots"] == 1
    assert not [key for key in rows if key[0] == "P-102"]

    nation = json.loads(
        ballotbench(
            *("tally", "--national", ELECTION, room.package, *trust),
            *("--out", tmp_path / "n", "--workers", "1", "--json"),
        )
    )
    assert (nation["precincts"]["counted"], nation["precincts"]["missing"]) == (2, 1)
    assert nation["contests"]["party-list"]["votes"]["amanat"] == 2


def test_paper_is_compared_precinct_by_precinct(room: Room, tmp_path: Path) -> None:
    """One vote moved from one precinct to the other is seen, though together nothing differs."""
    ballotbench("tally", ELECTION, room.package, "--trust", room.keys, "--out", tmp_path / "t")
    text = (tmp_path / "t" / "totals.csv").read_text()
    paper = tmp_path / "paper.csv"
    line = ["reconcile", ELECTION, room.package, "--paper", paper, "--trust", room.keys]
    paper.write_text(text)
    same = json.loads(ballotbench(*line, "--out", tmp_path / "r1", "--json"))
    assert not [f for f in same["findings"] if f["kind"] == "difference"]
    moved = text.replace("P-101,party-list,amanat,2", "P-101,party-list,amanat,1")
    paper.write_text(moved.replace("P-201,party-list,amanat,0", "P-201,party-list,amanat,1"))
    found = json.loads(ballotbench(*line, "--out", tmp_path / "r2", "--json", code=1))
    assert {f["precinct"] for f in found["findings"] if f["kind"] == "difference"} == {
        "P-101",
        "P-201",
    }


def test_each_precinct_draws_up_its_own_protocol(room: Room, tmp_path: Path) -> None:
    line = ["protocol", "draw-up", ELECTION, "--package", room.package, "--trust", room.keys]
    for precinct, votes in (("P-101", {"amanat": 2}), ("P-201", {"auyl": 1})):
        out = tmp_path / f"{precinct}.json"
        # Exit 1: steps of the count that only people can record are missing.
        ballotbench(*line, "--precinct", precinct, "--out", out, code=1)
        form = json.loads(out.read_bytes())
        assert form["precinct_id"] == precinct
        counted = form["contests"]["party-list"]["votes"]
        assert {option: n for option, n in counted.items() if n} == votes
    ballotbench(*line, "--precinct", "P-102", "--out", tmp_path / "none.json", code=1)


def test_a_device_serves_all_precincts_of_its_certificate(room: Room, tmp_path: Path) -> None:
    line = ["device", "run", ELECTION, "--precinct", "P-101", "--keys", room.keys]
    line += ["--device", "scanner-1", "--journal", tmp_path / "j", "--scanner", "loop://"]
    line += ["--printer", tmp_path / "tape", "--export", tmp_path / "p.zip"]
    assert "is for precinct P-101, P-201, not P-101" in ballotbench(*line, code=1)
    wide = [*line, "--precinct", "P-201", "--precinct", "P-102"]
    assert "not P-101, P-102, P-201" in ballotbench(*wide, code=1)
    assert "P-101 is named twice" in ballotbench(*line, "--precinct", "P-101", code=2)


def test_stock_openssl_accepts_the_package(room: Room, tmp_path: Path) -> None:
    """Also under a region that may certify both precincts, and for no other."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    with zipfile.ZipFile(room.package) as archive:
        archive.extractall(tmp_path)
    subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "SHA256SUMS.cms"]
        + ["-content", "SHA256SUMS", "-CAfile", str(room.keys / "authority.pem")]
        + ["-purpose", "any", "-out", os.devnull],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
