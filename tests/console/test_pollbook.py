"""`ballotbench pollbook`: a list, a day and its reconciliation by command (SEED-01 to SEED-05)."""

from __future__ import annotations

import csv
import io
import json
import stat
import subprocess
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import pytest

from console.errors import ConsoleError
from console.pollbook.close_sheet import issued_by_pollbook
from console.pollbook.locking import PIN_VARIABLE
from election.definition import load_election
from firmware_sim.errors import FirmwareError
from firmware_sim.pollbook.document import line_of
from firmware_sim.pollbook.vault import Vault, by_pin
from tests.console.here import ballotbench_here

ROOT = Path(__file__).resolve().parents[2]
ELECTION = ROOT / "examples" / "kz-majilis" / "election.json"
DAY = load_election(ELECTION).date
MORNING = f"{DAY}T09:20:41+05:00"
PIN = "seven grey geese"
BEFORE = "2023-03-01T10:00:00+05:00"


class Desk:
    """A folder with an authority, an invented list and the books of two precincts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        self.ok("keys", "init", self.keys, "--name", "Test")
        for device, place in (("region-1", "region"), ("pb-101", "P-101"), ("pb-102", "P-102")):
            self.ok("keys", "issue", self.keys, device, "--precinct", place)
        self.list = folder / "list.csv"
        self.pollbook(
            "synth",
            ELECTION,
            self.list,
            "--voters",
            300,
            "--duplicates",
            14,
            "--truth",
            folder / "truth.json",
        )
        rows = csv.DictReader(io.StringIO(self.list.read_text(encoding="utf-8")))
        self.voters = list(rows)
        for precinct in ("101", "102"):
            self.pollbook(
                "import",
                ELECTION,
                self.list,
                self.book(precinct),
                "--precinct",
                f"P-{precinct}",
                "--received",
                "list=200",
                "--registrar",
                "region-1",
                "--at",
                BEFORE,
            )

    def book(self, precinct: str) -> Path:
        return self.folder / f"p{precinct}.book"

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return ballotbench_here(*arguments)

    def ok(self, *arguments: object) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def pollbook(self, *arguments: object, code: int = 0) -> Any:
        done = self.run("pollbook", *arguments, "--json")
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    def of(self, precinct: str) -> list[dict[str, str]]:
        """Voters of a precinct whose number stands on the list once."""
        numbers = [v["iin"] for v in self.voters]
        return [
            v
            for v in self.voters
            if v["precinct"] == f"P-{precinct}" and numbers.count(v["iin"]) == 1
        ]

    def check_in(self, precinct: str, iin: str, *more: object, code: int = 0) -> Any:
        return self.pollbook(
            "check-in",
            self.book(precinct),
            "--by",
            "m-1:member",
            "--document",
            line_of("012345678", iin),
            "--biometric",
            "holder",
            "--seed",
            1,
            "--at",
            MORNING,
            *more,
            code=code,
        )


@pytest.fixture(autouse=True, scope="module")
def _own_pin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PIN_VARIABLE, PIN)
        yield


@pytest.fixture(scope="module")
def desk(_own_pin: None, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def test_a_day_by_command(desk: Desk, tmp_path: Path) -> None:
    one, two = desk.of("101"), desk.of("102")
    desk.pollbook(
        "certificate",
        desk.book("101"),
        "--iin",
        one[0]["iin"],
        "--out",
        tmp_path / "ac.json",
        "--keys",
        desk.keys,
        "--device",
        "pb-101",
        "--at",
        BEFORE,
    )
    move = [one[1][f] for f in ("iin", "family_name", "given_name", "patronymic", "birth_date")]
    options = ("--iin", "--family-name", "--given-name", "--patronymic", "--birth-date")
    desk.pollbook(
        "request",
        "sign",
        ELECTION,
        tmp_path / "move.json",
        "--kind",
        "move",
        *[x for pair in zip(options, move, strict=True) for x in pair],
        "--precinct",
        "P-102",
        "--ground",
        "new address",
        "--keys",
        desk.keys,
        "--device",
        "region-1",
    )
    for precinct in ("101", "102"):
        [row] = desk.pollbook(
            "request",
            "apply",
            desk.book(precinct),
            tmp_path / "move.json",
            "--keys",
            desk.keys,
            "--at",
            BEFORE,
        )
        assert row["again"] is False
    assert desk.check_in("101", one[0]["iin"], code=1)["refusal"] == "absentee_certificate_given"
    assert desk.check_in("101", one[1]["iin"], code=1)["refusal"] == "moved_away"
    used = desk.check_in(
        "102", one[0]["iin"], "--certificate", tmp_path / "ac.json", "--keys", desk.keys
    )
    assert (used["channel"], used["online"]) == ("certificate", False)
    assert desk.check_in("101", one[2]["iin"])["styles"] == ["list", "smd-1"]
    assert desk.check_in("101", one[2]["iin"], code=1)["refusal"] == "already_voted"
    other = ("--biometric", "other")
    assert desk.check_in("101", one[3]["iin"], *other, code=1)["refusal"] == "biometric_no_match"
    two_sign = (
        "--biometric",
        "none",
        "--fallback",
        "c-1:chair",
        "--fallback",
        "m-1:member",
        "--ground",
        "worn fingerprints",
    )
    assert desk.check_in("101", one[3]["iin"], *two_sign)["second_factor"] == "two_officials"
    # The same voter goes to the other precinct, whose line is down, as an addition.
    fields = [f"{name}={one[2][name]}" for name in ("family_name", "given_name", "birth_date")]
    added = desk.check_in(
        "102", one[2]["iin"], *[x for f in fields for x in ("--add", f)], "--ground", "lives here"
    )
    assert added["channel"] == "added"
    desk.check_in("102", two[0]["iin"])
    desk.pollbook(
        "spoil",
        desk.book("101"),
        "--iin",
        one[2]["iin"],
        "--style",
        "list",
        "--by",
        "m-1:member",
        "--at",
        MORNING,
    )
    sums = desk.pollbook(
        "close",
        desk.book("101"),
        "--out",
        tmp_path / "pollbook.json",
        "--keys",
        desk.keys,
        "--device",
        "pb-101",
        "--at",
        MORNING,
    )
    assert sums["styles"]["list"]["issued"] == 2
    assert sums["styles"]["list"]["unused"] == 197
    assert json.loads((tmp_path / "pollbook.json").read_bytes()) == sums
    election = load_election(ELECTION)
    door = ([tmp_path / "pollbook.json"], desk.keys, election)
    assert issued_by_pollbook(*door, "P-101") == {"list": 2, "smd-1": 2}
    with pytest.raises(FirmwareError, match="another precinct"):
        issued_by_pollbook(*door, "P-102")
    # Stock OpenSSL checks the sheet as it does a package.
    stock = subprocess.run(
        [
            "openssl",
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "DER",
            "-in",
            "pollbook.json.cms",
            "-content",
            "pollbook.json",
            "-CAfile",
            desk.keys / "authority.pem",
            "-purpose",
            "any",
            "-out",
            "/dev/null",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert stock.returncode == 0, stock.stderr
    page = tmp_path / "double.html"
    facts = tmp_path / "facts.json"
    found = desk.pollbook(
        "reconcile", desk.book("101"), desk.book("102"), "--out", page, "--facts", facts, code=1
    )
    assert found["counts"]["voter_twice"] == 1
    assert found["counts"]["addition_on_other_list"] == 1
    assert stat.S_IMODE(page.stat().st_mode) == stat.S_IMODE(facts.stat().st_mode) == 0o600
    assert one[2]["iin"] not in page.read_text(encoding="utf-8")
    again = desk.pollbook("reconcile", facts, desk.book("102"), desk.book("101"), code=1)
    assert again == found
    public = desk.pollbook("report", desk.book("102"), "--observer", "--out", tmp_path / "o.html")
    assert public["lists"] is None
    assert one[2]["family_name"] not in (tmp_path / "o.html").read_text(encoding="utf-8")

    # A device of both precincts takes a sheet of each, in any order.
    second = tmp_path / "pollbook-102.json"
    own = ("--keys", desk.keys, "--device", "pb-102", "--at", MORNING)
    other = desk.pollbook("close", desk.book("102"), "--out", second, *own)
    first, place = door[0][0], "P-101+P-102"
    issued = issued_by_pollbook([second, first], desk.keys, election, place)
    assert issued == {
        f"P-{precinct}/{style}": row["issued"]
        for precinct, told in (("101", sums), ("102", other))
        for style, row in told["styles"].items()
    }
    for sheets, said in (
        ([first], "the close sheet of precinct P-102 is missing"),
        ([first, second, first], "are both of precinct P-101"),
    ):
        with pytest.raises(ConsoleError, match=said):
            issued_by_pollbook(sheets, desk.keys, election, place)
    with pytest.raises(ConsoleError, match="serves P-101, P-201"):
        issued_by_pollbook([first, second], desk.keys, election, "P-101+P-201")


def test_duplicates_are_listed_with_their_truth(desk: Desk, tmp_path: Path) -> None:
    region = tmp_path / "region.book"
    desk.pollbook("import", ELECTION, desk.list, region)
    found = desk.pollbook("duplicates", region, "--out", tmp_path / "d.html", code=1)
    truth = json.loads((desk.folder / "truth.json").read_text())["planted"]
    pairs = {(p["first"]["line"], p["second"]["line"]) for p in found["pairs"]}
    assert len({(p["first"], p["second"]) for p in truth} & pairs) >= 13
    assert "Дубликаты" not in (page := (tmp_path / "d.html").read_text(encoding="utf-8"))
    assert "Повторы для проверки" in page
    assert "<nobody" not in page


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("import", ELECTION, "LIST", "new.book", "--precinct", "P-9"), 2, "P-101"),
        (("import", ELECTION, ELECTION, "new.book"), 1, "header"),
        (("import", ELECTION, "LIST", "BOOK"), 1, "there is a file already"),
        (("duplicates", "no.book"), 1, "no such pollbook"),
        (("report", ELECTION), 1, "pollbook"),
        (("reconcile", "LIST"), 1, "pollbook"),
        (("check-in", "BOOK", "--by", "x"), 2, "ID:ROLE"),
        (("check-in", "BOOK", "--by", "c:chair", "--at", MORNING), 1, "member"),
        (("check-in", "BOOK", "--by", "m:member", "--at", "noon"), 2, "ISO 8601"),
        (("check-in", "BOOK", "--by", "m:member", "--document", "IDKAZ"), 1, "first line"),
        (("check-in", "BOOK", "--by", "m:member", "--number", "1"), 2, "belong"),
        (("spoil", "BOOK", "--iin", "1", "--style", "list", "--by", "m:member"), 1, "twelve"),
        (("certificate", "BOOK", "--iin", "791028302728", "--out", "x", "--keys", "KEYS",
          "--device", "pb-101"), 2, "P-102"),
        (("synth", ELECTION, "x.csv", "--voters", "5", "--duplicates", "4"), 2, "half"),
    ],
)  # fmt: skip
def test_wrong_use_says_what_to_do(
    desk: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"LIST": desk.list, "BOOK": desk.book("102"), "KEYS": desk.keys}
    done = desk.run("pollbook", *(names.get(str(a), a) for a in arguments))
    assert done.returncode == code
    assert words in " ".join((done.stderr + done.stdout).split())
    assert "Traceback" not in done.stderr


def test_where_people_are_registered_they_prove_who_they_are(desk: Desk, tmp_path: Path) -> None:
    keys, pins = tmp_path / "keys", tmp_path / "pins"
    desk.ok("keys", "init", keys, "--name", "Test")
    pins.write_text("m-1 48151623\nc-1 90210555\no-1 31415926\n", encoding="utf-8")
    for name, role in (("m-1", "member"), ("c-1", "chair"), ("o-1", "observer")):
        desk.ok("keys", "people", "add", keys, name, "--role", role, "--pin-file", pins)
    book = tmp_path / "own.book"
    made = ("import", ELECTION, desk.list, book, "--precinct", "P-101", "--keys", keys)
    assert "registers people" in desk.pollbook(*made, "--officer", "me", code=2)
    desk.pollbook(*made)
    voter = desk.of("101")[5]["iin"]

    def come(by: str, *more: object, code: int = 0) -> str:
        done = desk.run(
            "pollbook",
            "check-in",
            book,
            "--by",
            by,
            "--document",
            line_of("012345678", voter),
            "--at",
            MORNING,
            "--keys",
            keys,
            "--pin-file",
            pins,
            *more,
        )
        assert done.returncode == code, done.stderr
        return done.stderr + done.stdout

    two = ("--fallback", "c-1", "--fallback", "m-1", "--ground", "worn fingerprints")
    assert "a member of the commission" in come("c-1:member", "--biometric", "holder", code=1)
    # The register says the role, whatever is typed; an observer neither signs nor hands out.
    assert "'o-1' cannot open" in come("o-1:member", "--biometric", "holder", "--seed", 1, code=1)
    observer = ("--fallback", "c-1", "--fallback", "o-1:member", "--ground", "worn fingerprints")
    assert "two different officials" in come("m-1", *observer, code=1)
    good, wrong = pins.read_text(encoding="utf-8"), "m-1 1\nc-1 90210555\n"
    pins.write_text(wrong, encoding="utf-8")
    assert "PIN" in come("m-1", *two, code=1)
    pins.write_text(good, encoding="utf-8")
    assert "hand out" in come("m-1", *two)
    # The list opens by the PIN of one of its officials, and nobody else's.
    see = ("report", book, "--keys", keys, "--pin-file", pins)
    assert desk.pollbook(*see, "--officer", "c-1")["sums"]["voters"]["voted"] == 1
    assert "say whose" in desk.pollbook(*see, code=2)
    assert "o-1" in desk.pollbook(*see, "--officer", "o-1", code=1)
    pins.write_text(wrong, encoding="utf-8")
    assert "tries are left" in desk.pollbook(*see, "--officer", "m-1", code=1)
    assert "--keys" in desk.pollbook("report", book, "--officer", "m-1", code=2)


def test_where_people_are_registered_their_pins_sign(desk: Desk, tmp_path: Path) -> None:
    """Keys made under a register are sealed to its officials: no close sheet could be signed."""
    keys, pins = tmp_path / "keys", tmp_path / "pins"
    desk.ok("keys", "init", keys, "--name", "Test")
    pins.write_text("m-1 48151623\nc-1 90210555\nt-1 31415926\n", encoding="utf-8")
    for name, role in (("m-1", "member"), ("c-1", "chair"), ("t-1", "technician")):
        desk.ok("keys", "people", "add", keys, name, "--role", role, "--pin-file", pins)
    for device, place in (("reg-1", "region"), ("pb-1", "P-101")):
        desk.ok("keys", "issue", keys, device, "--precinct", place, "--for", "pollbook")
    own, theirs = tmp_path / "own.book", tmp_path / "theirs.book"
    made = ("--precinct", "P-101", "--registrar", "reg-1", "--at", BEFORE)
    desk.pollbook("import", ELECTION, desk.list, theirs, *made, "--keys", keys)
    desk.pollbook("import", ELECTION, desk.list, own, *made)
    chair = ("--officer", "c-1", "--pin-file", pins)
    voter = desk.of("101")[4]
    gone = (
        "request", "sign", ELECTION, tmp_path / "r.json", "--kind", "exclude", "--iin",
        desk.of("101")[6]["iin"], "--ground", "left the country", "--keys", keys,
        "--device", "reg-1",
    )  # fmt: skip
    assert "--signed-by" in desk.pollbook(*gone, code=2)
    technician = ("--signed-by", "t-1", "--pin-file", pins)
    assert "none of them is here" in desk.pollbook(*gone, *technician, code=1)
    desk.pollbook(*gone, "--signed-by", "m-1", "--pin-file", pins)
    applied = ("request", "apply", theirs, tmp_path / "r.json", "--keys", keys, "--at", BEFORE)
    assert desk.pollbook(*applied, *chair)[0]["status"] == "excluded"
    sign = ("--keys", keys, "--device", "pb-1")
    certificate = ("--iin", voter["iin"], "--out", tmp_path / "ac.json", "--at", BEFORE, *sign)
    desk.pollbook("certificate", theirs, *certificate, *chair)
    close = ("--out", tmp_path / "pb.json", "--at", MORNING, *sign)
    assert desk.pollbook("close", theirs, *close, *chair)["voters"]["absentee_out"] == 1
    # A book with a PIN of its own is opened by that, and its sheet signed by an official.
    pins.write_text(pins.read_text() + f"desk {PIN}\n", encoding="utf-8")
    assert "--signed-by" in desk.pollbook("close", own, *close, code=2)
    sums = desk.pollbook("close", own, *close, "--signed-by", "c-1", "--pin-file", pins)
    assert sums["precinct"] == "P-101"


def test_the_line_by_command(desk: Desk, tmp_path: Path) -> None:
    for precinct in ("101", "102"):
        book = tmp_path / f"p{precinct}.book"
        desk.pollbook("import", ELECTION, desk.list, book, "--precinct", f"P-{precinct}")
    desk = copy(desk)  # the same list and keys, and books that nobody has closed
    desk.folder = tmp_path
    register = tmp_path / "line"
    one, two = desk.of("101")[8]["iin"], desk.of("101")[9]["iin"]
    # A slip in the path: the check-in goes on, says that it is alone, and makes no register.
    alone = desk.check_in("101", one, "--line", tmp_path / "lien")
    assert (alone["online"], (tmp_path / "lien").exists()) == (False, False)
    assert "lien" in alone["warnings"][0]
    assert "made" in desk.ok("pollbook", "line", ELECTION, register)
    assert "already" in desk.run("pollbook", "line", ELECTION, register).stderr
    assert desk.check_in("101", two, "--line", register)["online"] is True
    fields = [x for f in ("family_name", "given_name", "birth_date")
              for x in ("--add", f"{f}={desk.of('101')[9][f]}")]  # fmt: skip
    again = desk.check_in("102", two, *fields, "--ground", "lives here", "--line", register, code=1)
    assert again["refusal"] == "voted_elsewhere"
    wrong = desk.check_in("101", desk.of("101")[10]["iin"], "--line", desk.list, code=1)
    assert "no central register" in " ".join(wrong.split())


def test_a_wrong_pin_is_refused_and_a_former_books_pin_is_given_by_lock(
    desk: Desk, tmp_path: Path
) -> None:
    book, pins, fresh = tmp_path / "b.book", tmp_path / "pins", tmp_path / "fresh"
    pins.write_text("one 48151623\ntwo 90210555\n", encoding="utf-8")
    fresh.write_text("three 31415926\n", encoding="utf-8")
    holders = ("--officer", "one", "--officer", "two", "--pin-file", pins)
    short = tmp_path / "short"
    short.write_text("desk 1\n", encoding="utf-8")
    make = ("import", ELECTION, desk.list, book, "--precinct", "P-101")
    assert "6 to 64 characters" in desk.pollbook(*make, "--pin-file", short, code=1)
    assert not book.exists()
    desk.pollbook(*make, *holders)
    assert desk.voters[0]["family_name"].encode() not in book.read_bytes()
    for name in ("one", "two"):
        see = ("report", book, "--officer", name, "--pin-file", pins)
        assert desk.pollbook(*see)["sums"]["voters"]["registered"] == 98
    # The environment's PIN is another book's.
    assert "the PIN of one is wrong" in desk.pollbook("report", book, code=1)
    assert "opens by the PIN of one, two" in desk.pollbook("report", book, "--officer", "x", code=1)
    old = ("--officer", "two", "--pin-file", pins)
    new = ("--new-officer", "three", "--new-pin-file", fresh)
    assert desk.pollbook("lock", book, *old, *new)["opens"] == ["three"]
    assert "'two' cannot open" in desk.pollbook("report", book, *old, code=1)
    assert desk.pollbook("report", book, "--officer", "three", "--pin-file", fresh)


def test_a_book_of_a_former_version_is_encrypted_by_lock(desk: Desk, tmp_path: Path) -> None:
    book = tmp_path / "former.book"
    vault, data = Vault.open(desk.book("102"), by_pin("desk", PIN))
    vault.close()
    book.write_bytes(data)
    assert f"pollbook lock {book}" in desk.pollbook("report", book, code=1)
    assert desk.pollbook("lock", book) == {
        "book": str(book),
        "was_encrypted": False,
        "opens": ["desk"],
    }
    assert desk.pollbook("report", book) == desk.pollbook("report", desk.book("102"))


def test_every_command_has_an_example() -> None:
    helps = [
        "synth",
        "import",
        "duplicates",
        "certificate",
        "check-in",
        "spoil",
        "close",
        "reconcile",
        "report",
        "request sign",
        "request apply",
        "request mobile",
        "line",
        "lock",
    ]
    for name in helps:
        done = ballotbench_here("pollbook", *name.split(), "--help")
        assert done.returncode == 0
        assert f"Example: ballotbench pollbook {name}" in " ".join(done.stdout.split()), name
        assert "--json" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("duplicates", "BOOK", "--out", "OTHER"),
        ("report", "BOOK", "--out", "BOOK"),
        ("reconcile", "BOOK", "--facts", "BOOK"),
        ("reconcile", "BOOK", "--out", "OTHER"),
        ("close", "BOOK", "--out", "BOOK", "--keys", "KEYS", "--device", "pb-102"),
        ("close", "BOOK", "--out", "OTHER", "--keys", "KEYS", "--device", "pb-102"),
        ("certificate", "BOOK", "--iin", "IIN", "--out", "BOOK", "--keys", "KEYS",
         "--device", "pb-102", "--at", BEFORE),
        ("synth", ELECTION, "BOOK"),
        ("synth", ELECTION, "x.csv", "--truth", "BOOK"),
        ("synth", ELECTION, "KEY"),
    ],
)  # fmt: skip
def test_nothing_is_written_over_a_pollbook_or_a_key(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...]
) -> None:
    """A slip of the hand in --out must not cost the roll of the day."""
    monkeypatch.chdir(tmp_path)
    book, other, key = tmp_path / "a.book", tmp_path / "b.book", tmp_path / "authority.key"
    for path, source in (
        (book, desk.book("102")),
        (other, desk.book("101")),
        (key, desk.keys / "authority.key"),
    ):
        path.write_bytes(source.read_bytes())
    names = {"BOOK": book, "OTHER": other, "KEYS": desk.keys, "KEY": key}
    names["IIN"] = desk.of("102")[5]["iin"]
    before = book.read_bytes(), other.read_bytes(), key.read_bytes()
    done = desk.run("pollbook", *(names.get(str(a), a) for a in arguments))
    assert done.returncode == 1, done.stderr + done.stdout
    assert "give another name" in " ".join(done.stderr.split())
    assert (book.read_bytes(), other.read_bytes(), key.read_bytes()) == before
