"""`ballotbench protocol` from the count to the signatures, on real files (SEED-10, SEED-13)."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from console.cli import main
from firmware_sim.people import PeopleRegister
from firmware_sim.pollbook.closing import signature_path
from firmware_sim.pollbook.signing import canonical
from firmware_sim.roles import Role
from firmware_sim.trust import DeviceSigner, Purpose, issue_device
from tally.protocol.form import parse_form
from tally.protocol.sealed import read_protocol
from tests.tally.world import NOW, START, World, paper_rows

AT = ("--at", NOW.isoformat())
PRECINCT = "p-3"
VOTES = {PRECINCT: {"list": {"a": 6, "b": 3, "c": 0, "against-all": 1}}}
MEMBERS = ("chair-1", "member-2", "member-3")


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(str(stop.value.code))


def make_night(folder: Path) -> None:
    """A precinct's night as files: package, close sheet, hand count, and members with keys."""
    world = World(folder)
    (folder / "election.json").write_text(world.election.model_dump_json(), encoding="utf-8")
    (folder / "p-3.zip").write_bytes(world.package(PRECINCT, VOTES[PRECINCT], invalid=2))
    counted = {PRECINCT: {"list": {**VOTES[PRECINCT]["list"], "invalid": 2, "ballots": 12}}}
    (folder / "count.csv").write_bytes(paper_rows(counted, world.election))
    papers = {"received": 400, "handed_out": 13, "spoiled": 1, "issued": 12, "voters": 12}
    sheet = {
        "format": "ballotbench-pollbook-1",
        "election": world.election.id,
        "election_hash": world.election.hash,
        "precinct": PRECINCT,
        "closed": True,
        "voters": {
            "registered": 500,
            "added": 2,
            "absentee_out": 1,
            "absentee_in": 0,
            "voted_list": 10,
            "voted_added": 2,
            "voted": 12,
            "mobile_requested": 4,
            "mobile": 3,
        },
        "second_factor": {"biometric": 12, "two_officials": 0},
        "offline": 0,
        "by_hour": {"09": 12},
        "refusals": {},
        "styles": {"list-paper": {**papers, "unused": 387}},
    }
    certify: dict[str, Any] = {"precinct_id": PRECINCT, "now": START, "valid_days": 365}
    issue_device(world.keys, "book-3", **certify, purpose=Purpose.POLLBOOK)
    content = canonical(sheet)
    (folder / "pollbook.json").write_bytes(content)
    signed = DeviceSigner.load(world.keys, "book-3").sign(content)
    signature_path(folder / "pollbook.json").write_bytes(signed)
    for member in MEMBERS:
        issue_device(world.keys, member, **certify, purpose=Purpose.MEMBER)


class Desk:
    """The files of a precinct's night, and the commands on them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.said = ""
        self.keys = folder / "keys"
        self.election = folder / "election.json"
        self.package = folder / "p-3.zip"
        self.pollbook = folder / "pollbook.json"
        self.hand = folder / "count.csv"
        self.record = folder / "p-3.record"
        self.form = folder / "p-3.json"

    def sources(self) -> list[object]:
        return [
            *("--package", self.package, "--pollbook", self.pollbook),
            *("--trust", self.keys, *AT),
        ]

    def protocol(self, command: str, *arguments: object, code: int = 0) -> dict[str, Any]:
        """Run one command with --json; its value."""
        where = () if command == "draw-up" else ("--election", self.election)
        done = run("protocol", command, *arguments, *where, "--json")
        seen = self.capsys.readouterr()
        self.said = seen.err
        assert done == code, seen.err
        value: dict[str, Any] = json.loads(seen.out) if seen.out else {}
        return value

    def refused(self, command: str, *arguments: object) -> str:
        """Run one command that is refused; what it says."""
        self.protocol(command, *arguments, code=1)
        return self.said

    def errors(self) -> str:
        """What was said on stderr."""
        return self.capsys.readouterr().err

    @property
    def truth(self) -> dict[str, int]:
        """What members find: the sources' figures, and those that no source tells."""
        return {
            "precinct.registered": 500,
            "precinct.added_on_day": 2,
            "precinct.certificates_issued": 1,
            **{
                f"papers.list-paper.{name}": value
                for name, value in {
                    "received": 400,
                    "cancelled_unused": 387,
                    "spoiled": 1,
                    "signatures": 12,
                    "issued": 12,
                    "issued_at_station": 9,
                    "issued_outside": 3,
                    "issued_absentee": 0,
                    "in_portable_box": 3,
                    "in_station_box": 9,
                    "in_box": 12,
                    "invalid": 2,
                    "needs_review": 0,
                    "invalid_grounds.no_mark": 2,
                    "invalid_grounds.more_than_one_mark": 0,
                    "valid": 10,
                }.items()
            },
            **{f"contests.list.votes.{o}": n for o, n in VOTES[PRECINCT]["list"].items()},
        }

    def key_in_all(self, *more: object) -> None:
        """Two members key in every figure, step by step."""
        state = self.protocol("status", self.record)
        while (step := state["next_step"]) not in ("read_aloud", None):
            mine = [row["figure"] for row in state["figures"] if row["step"] == step]
            if mine:
                table = self.folder / "figures.csv"
                with table.open("w", encoding="utf-8", newline="") as file:
                    rows = [(figure, self.truth[figure]) for figure in mine]
                    csv.writer(file).writerows([("figure", "value"), *rows])
                for member in MEMBERS[:2]:
                    state = self.protocol(
                        "enter", self.record, "--by", member, "--figures", table, *more
                    )
            else:
                by = ("--by", MEMBERS[0], "--by", MEMBERS[2])
                state = self.protocol("step", self.record, step, *by, *more)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    make_night(folder)
    return folder


@pytest.fixture
def desk(night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    shutil.copytree(night, tmp_path, dirs_exist_ok=True)
    return Desk(tmp_path, capsys)


def members() -> list[str]:
    roles = ("chair", "secretary", "member")
    return [w for m, r in zip(MEMBERS, roles, strict=True) for w in ("--member", f"{m}:{r}")]


def test_a_count_from_its_beginning_to_the_signatures(desk: Desk) -> None:
    begin = ("--precinct", PRECINCT, *members(), *desk.sources(), "--hand", desk.hand)
    state = desk.protocol("begin", desk.record, *begin)
    assert state["next_step"] == "unused_cancelled"
    desk.key_in_all()
    desk.protocol("read", desk.record, "--by", "chair-1", "--heard")
    drawn = desk.protocol("draw-up", desk.election, "--record", desk.record, "--out", desk.form)
    assert drawn["findings"] == []
    form = parse_form(desk.form.read_bytes(), "form")
    assert form.source.method == "device_and_hand"
    assert [f.kind for f in form.source.files] == ["package", "pollbook", "hand_count", "record"]

    signed = desk.folder / "p-3.protocol.zip"
    said = desk.refused("sign", desk.form, *_by(desk, "chair-1"), "--out", signed)
    assert "was drawn up from a record: give it with --record" in said
    first = (*_by(desk, "chair-1"), "--record", desk.record, "--out", signed)
    desk.protocol("sign", desk.form, *first)
    for member in MEMBERS[1:]:
        done = desk.protocol("sign", signed, *_by(desk, member), "--out", signed)
    assert done["signed_by"] == list(MEMBERS)
    assert done["digest"] == drawn["digest"]
    assert read_protocol(signed.read_bytes(), "p").form == form
    checked = desk.protocol("check", signed, "--record", desk.record)
    assert checked["protocols"][0]["findings"] == []
    said = desk.refused("enter", desk.record, "--by", "chair-1", "--set", "precinct.registered=1")
    assert "the protocol is closed for signing" in said
    by = ("--by", MEMBERS[0], "--by", MEMBERS[1])
    assert desk.protocol("step", desk.record, "copy_posted", *by)["next_step"] is None


def _by(desk: Desk, member: str) -> tuple[object, ...]:
    return ("--member", member, "--keys", desk.keys)


def test_a_slip_of_a_member_is_seen_and_settled(desk: Desk) -> None:
    desk.protocol("begin", desk.record, "--precinct", PRECINCT, *members(), *desk.sources())
    for member in MEMBERS[:2]:  # both misread what the pollbook says
        wrong = ("--set", "papers.list-paper.received=401")
        code = 1 if member == MEMBERS[1] else 0
        state = desk.protocol("enter", desk.record, "--by", member, *wrong, code=code)
    (differing,) = state["differing"]
    assert differing["said"] == {"chair-1": 401, "member-2": 401, "pollbook": 400}
    by = ("--by", MEMBERS[0], "--by", MEMBERS[2])
    reason = ("--reason", "the delivery note says 400")
    state = desk.protocol("settle", desk.record, "papers.list-paper.received", 400, *reason, *by)
    assert state["differing"] == []
    out = desk.protocol("status", desk.record)
    row = next(r for r in out["figures"] if r["figure"] == "papers.list-paper.received")
    assert (row["state"], row["value"]) == ("settled", 400)


def test_one_members_numbers_are_not_shown_to_the_other(desk: Desk) -> None:
    desk.protocol("begin", desk.record, "--precinct", PRECINCT, *members())
    desk.protocol(
        "enter", desk.record, "--by", "chair-1", "--set", "papers.list-paper.received=98765"
    )
    assert run("protocol", "status", desk.record, "--election", desk.election) == 0
    words = desk.capsys.readouterr().out
    assert "98765" not in words
    assert "keyed in by chair-1" in words
    assert "98765" not in json.dumps(desk.protocol("status", desk.record))


def test_figures_are_asked_for_one_by_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.protocol("begin", desk.record, "--precinct", PRECINCT, *members())
    monkeypatch.setattr("sys.stdin", io.StringIO("400\n12x\n387\n"))
    state = desk.protocol("enter", desk.record, "--by", "chair-1", "--language", "ru")
    keyed = {r["figure"]: r["keyed_in_by"] for r in state["figures"] if r["keyed_in_by"]}
    assert keyed == {
        "papers.list-paper.received": ["chair-1"],
        "papers.list-paper.cancelled_unused": ["chair-1"],
    }


def test_the_reading_is_line_by_line_in_the_languages_asked_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.protocol("begin", desk.record, "--precinct", PRECINCT, *members())
    said = desk.refused("read", desk.record, "--by", "chair-1")
    assert "is not established: the form is read when it is complete" in said
    desk.key_in_all()
    monkeypatch.setattr("sys.stdin", io.StringIO("\n\n\n"))
    reading = ("protocol", "read", desk.record, "--election", desk.election, "--by", "chair-1")
    assert run(*reading, "--language", "kk,ru") == 0
    lines = desk.capsys.readouterr()
    assert "Комиссия алған бюллетеньдер / Получено бюллетеней комиссией: 400" in lines.err
    state = desk.protocol("status", desk.record)
    assert (state["read"], state["next_step"]) == (3, "read_aloud")  # the input ended there
    state = desk.protocol("read", desk.record, "--by", "chair-1", "--heard")
    assert (state["read"], state["next_step"]) == (23, "copy_posted")


def test_a_form_of_sources_alone_says_that_nobody_recorded_the_count(desk: Desk) -> None:
    sources = ("--precinct", PRECINCT, *desk.sources(), "--hand", desk.hand)
    drawn = desk.protocol("draw-up", desk.election, *sources, "--out", desk.form, code=1)
    kinds = [f["kind"] for f in drawn["findings"]]
    assert kinds.count("step_skipped") == 9
    absent = {f["of"] for f in drawn["findings"] if f["kind"] == "incomplete"}
    # How many lay in which box no device and no list can tell.
    assert absent == {"papers.list-paper.in_portable_box", "papers.list-paper.in_station_box"}
    assert "breach" not in kinds
    said = desk.refused("sign", desk.form, *_by(desk, "chair-1"), "--out", desk.folder / "s.zip")
    assert "is signed only after its last figure" in said
    assert not (desk.folder / "s.zip").exists()


def test_sources_that_differ_are_not_mended(desk: Desk) -> None:
    desk.hand.write_text(desk.hand.read_text().replace("p-3,list,a,6", "p-3,list,a,7"))
    sources = ("--precinct", PRECINCT, *desk.sources(), "--hand", desk.hand)
    said = desk.refused("draw-up", desk.election, *sources, "--out", desk.form)
    assert "the law names no precedence: contests.list.votes.a: device 6, hand_count 7" in said
    assert not desk.form.exists()
    alone = ("--precinct", PRECINCT, "--hand", desk.hand, "--pollbook", desk.pollbook)
    trust = ("--trust", desk.keys, *AT)
    drawn = desk.protocol("draw-up", desk.election, *alone, *trust, "--out", desk.form, code=1)
    # 11 votes and 2 void do not make the 12 that were counted: said with the figures.
    (breach,) = [f for f in drawn["findings"] if f["kind"] == "breach"]
    assert breach["of"] == "contest_votes_account_for_ballots/list"
    assert "is broken by 1 (votes = 11," in breach["sentence"]
    (stated,) = parse_form(desk.form.read_bytes(), "form").breaches
    assert (stated.ratio, stated.of) == ("contest_votes_account_for_ballots", "list")
    assert (stated.left, stated.right) == (13, 12)


def test_signed_sources_are_checked(desk: Desk) -> None:
    alone = ("--precinct", PRECINCT, "--package", desk.package, "--out", desk.form)
    assert "give --trust to check them by" in desk.refused("draw-up", desk.election, *alone)
    desk.pollbook.write_bytes(desk.pollbook.read_bytes().replace(b":400", b":500"))
    sources = ("--precinct", PRECINCT, *desk.sources(), "--out", desk.form)
    assert "its signature is not accepted" in desk.refused("draw-up", desk.election, *sources)
    data = bytearray(desk.package.read_bytes())
    data[len(data) // 2] ^= 1
    desk.package.write_bytes(data)
    begin = ("--precinct", PRECINCT, *members(), *desk.sources())
    assert "is refused: no protocol is drawn up" in desk.refused("begin", desk.record, *begin)
    assert not desk.record.exists()


def test_members_prove_who_they_are(desk: Desk) -> None:
    """With a register of people every act takes a PIN, and a member's key opens by it alone."""
    register = PeopleRegister(desk.keys)
    pins = desk.folder / "pins"
    people = {"ch-1": Role.CHAIR, "mem-2": Role.MEMBER, "obs-3": Role.OBSERVER}
    pins.write_text("".join(f"{person} {person}-9182\n" for person in people), encoding="utf-8")
    for person, role in people.items():
        register.add(person, role, f"{person}-9182", precinct=PRECINCT)
    keys, pin = ("--keys", desk.keys), ("--pin-file", pins)
    begin = ("--precinct", PRECINCT, "--member", "ch-1", *keys)
    said = desk.refused("begin", desk.record, *begin, "--member", "obs-3")
    assert "obs-3 is no chair, secretary or member of p-3" in said
    state = desk.protocol("begin", desk.record, *begin, "--member", "mem-2")
    assert [m["role"] for m in state["members"]] == ["chair", "member"]
    figure = ("--set", "papers.list-paper.received=400")
    enter = ("enter", desk.record, "--by", "mem-2", *figure)
    assert "members prove who they are at this record" in desk.refused(*enter)
    desk.protocol(*enter, *keys, *pin)
    pins.write_text("mem-2 mem-2-0000\n", encoding="utf-8")
    assert "the PIN of mem-2 is wrong" in desk.refused(*enter, *keys, *pin)

    issue = ("keys", "issue", desk.keys, "mem-2", "--precinct", PRECINCT, "--for", "member")
    assert run(*issue) == 0
    assert run("keys", "issue", desk.keys, "x-4", "--precinct", PRECINCT, "--for", "member") == 1
    assert "no chair, secretary or member x-4 of p-3" in desk.errors()
    assert set(register.read().sealed["mem-2"]) == {"mem-2"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("begin", "r", "--precinct", "p-9", "--member", "a", "--member", "b"), 1, "no precinct"),
        (("begin", "r", "--precinct", "p-3", "--member", "a:king"), 1, "'king' is no role"),
        (("begin", "r", "--precinct", "p-3", "--member", "Я"), 1, "cannot be a member's id"),
        (("begin", "r", "--precinct", "p-3", "--member", "a"), 1, "2 different members at least"),
        (("status", "none.record"), 1, "cannot be read"),
        (("check", "none.json"), 1, "No such file"),
        (("enter", "r", "--by", "a", "--set", "x"), 1, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(
    desk: Desk, arguments: tuple[str, ...], code: int, words: str
) -> None:
    command, first, *rest = arguments
    assert run("protocol", command, desk.folder / first, *rest, "--election", desk.election) == code
    assert words in desk.errors()
