"""The four commands on real files: verify, tally, seats, reconcile; and the report they write."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from console.cli import main
from firmware_sim.trust import revoke
from tally.report import SCHEMA_PATH
from tests.tally.test_reconciliation import VOTES
from tests.tally.test_seats import MAJILIS_2023
from tests.tally.world import HOSTILE, NOW, World, paper_rows

AT = NOW.isoformat()


class Desk:
    """An election night as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(folder)
        self.election = folder / "election.json"
        self.election.write_text(self.world.election.model_dump_json(), encoding="utf-8")
        self.packages = []
        for precinct, votes in VOTES.items():
            path = folder / f"{precinct}.zip"
            path.write_bytes(self.world.package(precinct, votes, invalid=2, review=3))
            self.packages.append(str(path))
        self.keys = str(self.world.keys)

    def paper(self, **changes: int) -> str:
        votes = {p: {c: dict(v) for c, v in contests.items()} for p, contests in VOTES.items()}
        votes["p-1"]["list"].update(changes)
        path = self.folder / "count.csv"
        path.write_bytes(paper_rows(votes, self.world.election))
        return str(path)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(str(stop.value.code))


def test_seats_of_2023_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "votes.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("list", "votes"), *MAJILIS_2023.items()])
    assert run("seats", str(table), "--against-all", "248291", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [result["seats"][name] for name in MAJILIS_2023] == [40, 8, 6, 6, 5, 4, 0]
    assert result["voted"] == 6_366_441
    assert run("seats", str(table), "--voted", "6366441") == 0
    assert "86546.6522" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "line 1"),
        ("party,votes\na,1\n", "line 1"),
        ("list,votes\na,x\n", "line 2, column 2"),
        ("list,votes\na,1\na,2\n", "line 3, column 1"),
        ("list,votes,registration_order\na,1,1\nb,2,1\n", "line 3, column 3"),
        ("list,votes\na,1,2\n", "line 2"),
        ('list,votes\n"a,1\n', "line"),
        ("list,votes\n", "no lists"),
    ],
)
def test_bad_vote_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, words: str
) -> None:
    table = tmp_path / "votes.csv"
    table.write_text(content, encoding="utf-8")
    assert run("seats", str(table)) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_an_undecided_tie_is_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "votes.csv"
    table.write_text("list,votes\n[bold]x,50\ny,50\n", encoding="utf-8")
    assert run("seats", str(table), "--seats", "3") == 1
    assert "[bold]x" in capsys.readouterr().out


def test_verify_lists_each_package(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--trust", desk.keys, "--at", AT]
    assert run("verify", *desk.packages, *options) == 0
    assert capsys.readouterr().out.count(": accepted: ") == 3
    bad = desk.folder / "bad.zip"
    bad.write_bytes(Path(desk.packages[0]).read_bytes()[:-1])
    gone = str(desk.folder / "gone.zip")
    revoke(desk.world.keys, "dev-p-3", NOW)
    for extra in ([], ["--election", str(desk.election)]):
        assert run("verify", *desk.packages, str(bad), gone, *options, *extra, "--json") == 1
        said = json.loads(capsys.readouterr().out)
        assert said["accepted"] == 2
        reasons = {p["name"]: p["reason"] for p in said["packages"] if not p["accepted"]}
        assert reasons == {"bad.zip": "altered", "gone.zip": "unreadable", "p-3.zip": "revoked"}


def test_tally_writes_totals_and_seats(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    out = desk.folder / "out"
    options = ["--trust", desk.keys, "--out", str(out), "--at", AT]
    assert run("tally", str(desk.election), *desk.packages, *options) == 0
    totals = json.loads((out / "totals.json").read_text(encoding="utf-8"))["totals"]
    assert totals["contests"]["list"]["votes"] == {"a": 100, "b": 160, "c": 50, "against-all": 5}
    rows = list(csv.DictReader((out / "totals.csv").open(encoding="utf-8")))
    assert {"precinct": "p-2", "contest": "smd", "option": "b", "votes": "49"} in rows
    seats = json.loads((out / "seats.json").read_text(encoding="utf-8"))
    assert sum(seats["lists"]["list"]["seats"].values()) == 9
    assert seats["winners"]["smd"]["elected"] == ["b"]
    first = {p.name: p.read_bytes() for p in out.iterdir()}
    assert run("tally", str(desk.election), *desk.packages[::-1], *options) == 0
    assert {p.name: p.read_bytes() for p in out.iterdir()} == first
    capsys.readouterr()


class Page(HTMLParser):
    """Collects what a browser would fetch, the tags left open, and the ids."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.ids: list[str] = []
        self.scripts = 0
        self.tables = self.captions = self.svgs = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.svgs += tag == "svg"
        for name, value in attrs:
            if name in ("href", "src", "xlink:href", "srcset", "data", "action"):
                self.outside += [] if (value or "").startswith("#") else [value or ""]
            if name == "id":
                self.ids.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def test_reconcile_reports_the_planted_difference(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    out = desk.folder / "report"
    bad = desk.folder / "bad.zip"
    bad.write_bytes(b"PK nonsense")
    arguments = ["reconcile", str(desk.election), *desk.packages, str(bad), "--trust", desk.keys]
    arguments += ["--paper", desk.paper(a=55), "--out", str(out), "--at", AT]
    assert run(*arguments) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Precinct p-1, contest list, option a: electronic 60, paper 55" in said
    assert "5 votes more" in said

    document = json.loads((out / "report.json").read_text(encoding="utf-8"))
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)
    assert document["verdict"]["state"] == "serious"
    finding = document["findings"][0]
    assert [finding[k] for k in ("precinct", "contest", "option", "size")] == [
        "p-1",
        "list",
        "a",
        5,
    ]
    assert document["packages"]["refused"][0]["name"] == "bad.zip"

    html = (out / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    assert page.outside == []
    assert page.scripts == 0
    assert len(page.ids) == len(set(page.ids))
    assert page.tables == page.captions
    assert page.svgs == 4  # votes of two contests, seats of one, differences
    assert '<html lang="en">' in html
    # The hostile name appears as text only; take it away and no address is left.
    assert HOSTILE not in html
    assert not re.search(r"https?://", html.replace("https://evil.example/", ""))
    for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        ET.fromstring(svg)  # noqa: S314 (our own output)
    assert "2026-11" not in html  # no clock leaks into the page
    before = html
    assert run(*arguments) == 1
    assert (out / "report.html").read_text(encoding="utf-8") == before


def test_reconcile_without_findings_is_exit_0(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    out = desk.folder / "report"
    arguments = ["reconcile", str(desk.election), *desk.packages, "--trust", desk.keys]
    arguments += ["--paper", desk.paper(), "--out", str(out), "--at", AT, "--json"]
    assert run(*arguments) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []
    document = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert document["verdict"]["state"] == "clear"


def test_bad_input_is_one_line(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    good = [str(desk.election), *desk.packages]
    out = ["--out", str(desk.folder / "o"), "--at", AT]
    trust = ["--trust", desk.keys]
    paper = ["--paper", desk.paper()]
    gone = str(desk.folder / "gone")
    for arguments in (
        ["reconcile", *good, *out, *trust, "--paper", gone],
        ["reconcile", *good, *out, *paper, "--trust", gone],
        ["reconcile", gone, *good[1:], *out, *paper, *trust],
        ["tally", *good, *out, *trust, "--profile", "atlantis"],
        ["tally", *good, "--out", str(desk.election), *trust],
        ["verify", good[1], *trust, "--at", "yesterday"],
        ["verify", good[1], *trust, "--at", "0001-01-01T00:00+14:00"],
        ["verify", good[1], *trust, "--at", "9999-12-31T23:59-14:00"],
    ):
        assert run(*arguments) == 1, arguments
        lines = capsys.readouterr().err.strip().splitlines()
        assert lines[-1].startswith("ballotbench: ")
        assert "Traceback" not in "".join(lines)
    assert run("tally", good[0], *out, *trust) == 2
    capsys.readouterr()
