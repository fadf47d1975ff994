"""One device of several precincts: certificate, day, medium, screen, secrecy (NVT-04, NVT-05)."""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from election.places import paper_keys
from firmware_sim import trust
from firmware_sim.day import close_day, open_day
from firmware_sim.device import OutcomeKind, PrecinctDevice
from firmware_sim.errors import CountError, KeyFileError, MediumError, StateError
from firmware_sim.journal import Journal
from firmware_sim.medium import RecordForm
from firmware_sim.package import PROTOCOL, TOTALS, read_package
from firmware_sim.people import PeopleError, PeopleRegister
from firmware_sim.reading import ScannerSheetReader
from firmware_sim.roles import Role
from firmware_sim.summary import pack, unpack
from firmware_sim.summary_code import join, open_seal
from firmware_sim.trust import Purpose
from hardware.simulated.paper_trail import SimulatedPaperTrail
from scanner.cvr import new_record
from scanner.sheet import SheetReader
from tests.firmware_sim import bench, dre_bench
from tests.firmware_sim.media import Desk
from tests.firmware_sim.test_secrecy import what_is_left

ONE, TWO = bench.PRECINCT, "precinct-2"
PLACE = f"{ONE}+{TWO}"
A, R, X = OutcomeKind.ACCEPTED, OutcomeKind.RETURNED, OutcomeKind.REFUSED


def single(precinct: str | None, option: str = "option-a") -> bytes:
    """A paper of the style that both precincts hand out."""
    return bench.sheet("single", ("mayor", [option], "valid"), precinct=precinct)


class Room:
    """A device of both precincts with its feeder, printer and journal."""

    def __init__(self, folder: Path) -> None:
        self.setup = bench.setup(folder / "keys", place=PLACE)
        self.feeder = bench.FileFeeder(folder / "feeder.json")
        self.printer = bench.ListPrinter()
        self.journal = Journal(folder / "journal.sqlite")
        self.device = PrecinctDevice(
            self.setup,
            journal=self.journal,
            feeder=self.feeder,
            reader=bench.JsonSheetReader(),
            printer=self.printer,
            clock=bench.clock,
            randomness=secrets.token_bytes,
        )

    def feed(self, *sheets: bytes) -> list[tuple[OutcomeKind, str, str]]:
        self.feeder.load(sheets)
        outcomes = [self.device.process_next() for _ in sheets]
        return [(o.kind, o.reason, o.detail) for o in outcomes]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.journal.close()


# --- the certificate ---------------------------------------------------------------------


def test_a_certificate_names_all_precincts(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    trust.create_authority(keys, name="Root", now=bench.NOW, valid_days=100)
    trust.issue_device(keys, "d", precinct_id="p-9+p-10+p-1", now=bench.NOW, valid_days=9)
    signer = trust.DeviceSigner.load(keys, "d")
    assert signer.identity.precinct_id == "p-1+p-10+p-9"
    content = b"results"
    identity, second = trust.TrustStore.load(keys).verify_package(
        content, signer.sign(content), signer.sign_post_quantum(content), at=bench.NOW
    )
    assert (identity.precinct_id, second) == ("p-1+p-10+p-9", True)


def test_what_cannot_be_certified_is_refused_in_words(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    trust.create_authority(keys, name="Root", now=bench.NOW, valid_days=100)
    trust.add_region(keys, "n", name="N", precincts=["p-1"], now=bench.NOW, valid_days=50)
    for place, more, said in (
        ("p-1+p-1", {}, "named twice"),
        ("p-1+", {}, "precinct id"),
        ("p-1+a/b", {}, "precinct id"),
        ("p-1+p-2", {"purpose": Purpose.POLLBOOK}, "of one precinct"),
        ("p-1+p-2", {"region": "n"}, "for precinct p-2"),
    ):
        with pytest.raises(KeyFileError, match=said):
            trust.issue_device(keys, "d", precinct_id=place, now=bench.NOW, valid_days=9, **more)
    trust.issue_device(keys, "d", precinct_id="p-1", now=bench.NOW, valid_days=9, region="n")


def test_people_of_each_precinct_act_and_hold_the_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    trust.create_authority(keys, name="Root", now=bench.NOW, valid_days=100)
    register = PeopleRegister(keys)
    for number, precinct in enumerate((ONE, TWO, "precinct-3"), start=1):
        register.add(f"chair-{number}", Role.CHAIR, f"secret-{number}", precinct=precinct)
    register.seal_secret(bench.DEVICE, PLACE, b"passphrase")
    for number in (1, 2):
        opened = register.open([(f"chair-{number}", f"secret-{number}")], precinct=PLACE)
        assert register.secret_of(bench.DEVICE, opened) == b"passphrase"
    with pytest.raises(PeopleError, match="not precinct-1, precinct-2"):
        register.open([("chair-3", "secret-3")], precinct=PLACE)


# --- the day -----------------------------------------------------------------------------


def test_whose_sheet_it_is(room: Room) -> None:
    open_day(room.device)
    both_of_two = bench.sheet(
        "both", ("mayor", [], "blank"), ("council", [], "blank"), precinct=TWO
    )
    assert room.feed(single(ONE), single(TWO), bench.BOTH, bench.FOREIGN_STYLE) == [(A, "", "")] * 4
    assert room.feed(single("precinct-9"), single(None), both_of_two) == [
        (
            X,
            "wrong_precinct",
            "the sheet is of precinct precinct-9; this device serves precinct-1, precinct-2",
        ),
        (
            X,
            "no_precinct",
            "the sheet does not say of which precinct it is; style single is used in "
            "precinct-1, precinct-2",
        ),
        (X, "wrong_style", "sheets of style both are not used in precinct-2"),
    ]
    records = sorted((r.precinct_id or "", r.ballot_style_id) for r in room.journal.records())
    assert records == [(ONE, "both"), (ONE, "single"), (TWO, "elsewhere"), (TWO, "single")]


def test_a_second_feed_is_of_the_same_precinct(room: Room) -> None:
    """Papers of one style but of two precincts are two voters'."""
    open_day(room.device)
    over = ("mayor", ["option-a", "option-b"], "overvote")
    one, two = (bench.sheet("single", over, precinct=p) for p in (ONE, TWO))
    kinds = [kind for kind, _, _ in room.feed(one, two, two, one)]
    assert kinds == [R, R, A, R]
    close_day(room.device)
    protocol = read_package(room.device.export(), "p.zip").document(PROTOCOL)
    returned = {
        p: form["by_style"]["single"]["returned"] for p, form in protocol["precincts"].items()
    }
    assert returned == {ONE: 2, TWO: 1}
    assert protocol["by_style"]["single"]["returned"] == 3


def test_tapes_and_package_have_each_precinct_and_all_together(room: Room) -> None:
    open_day(room.device)
    zero = "\n".join(room.printer.tapes[-1])
    assert zero.count("Option a (қаз)") == 2 + 1 + 2  # contests of one, of the other, of both
    room.feed(single(ONE), single(ONE), single(TWO, "option-b"), bench.BOTH)
    with pytest.raises(CountError, match="precinct-1/single"):
        close_day(room.device, issued={"single": 3})
    tape = close_day(room.device, issued={f"{ONE}/single": 3, f"{TWO}/single": 1})
    text = "\n".join(tape.lines)
    assert text.count("ALL PRECINCTS TOGETHER") == 1
    assert text.count("School 1 (қаз)") == 2
    assert text.count("School 2 (қаз)") == 2
    package = read_package(room.device.export(), "p.zip")
    totals, protocol = package.document(TOTALS), package.document(PROTOCOL)
    mayor = {p: own["contests"]["mayor"]["votes"] for p, own in totals["precincts"].items()}
    assert (mayor[ONE]["option-a"], mayor[ONE]["option-c"], mayor[TWO]["option-b"]) == (2, 1, 1)
    assert totals["contests"]["mayor"]["votes"]["option-a"] == 2
    assert totals["contests"]["mayor"]["ballots"] == totals["sheets"] == 4
    assert protocol["by_style"]["single"]["issued"] == 4
    assert protocol["by_style"]["both"]["issued"] is None
    summary = open_seal(join(code.text for code in tape.codes)).summary
    assert summary.precinct_id == PLACE
    assert unpack(pack(summary)) == summary
    assert sum(style.in_box for style in summary.styles) == summary.accepted == 4
    assert len(summary.styles) == len(paper_keys(room.setup.election, PLACE))


def test_a_journal_of_fewer_precincts_is_refused(room: Room) -> None:
    fewer = replace(room.setup, precinct_id=ONE)
    with pytest.raises(StateError, match=f"is for precinct {ONE}, {TWO}, not {ONE}"):
        fewer.check()
    with pytest.raises(StateError, match="belongs to another precinct"):
        fewer.check_binding({**room.setup.fresh_state()})


# --- the medium --------------------------------------------------------------------------


def test_records_of_both_precincts_are_of_one_size_on_the_medium(tmp_path: Path) -> None:
    setup = bench.setup(tmp_path / "keys", place=PLACE)
    form = RecordForm(setup.election, setup.profile, PLACE)
    kinds = [single(ONE), single(TWO), bench.BOTH, bench.FOREIGN_STYLE]
    sheets = [bench.JsonSheetReader().read_images([kind]) for kind in kinds]
    named = [
        replace(sheet, precinct_id=precinct)
        for sheet, precinct in zip(sheets, (ONE, TWO, ONE, TWO), strict=True)
    ]
    records = [new_record(s, setup.election.hash, secrets.token_hex(16)) for s in named]
    packed = [form.pack(record) for record in records]
    assert len({len(data) for data in packed}) == 1
    assert [form.unpack(data) for data in packed] == records
    for wrong in (replace(records[2], precinct_id=TWO), replace(records[0], precinct_id=None)):
        with pytest.raises(MediumError):
            form.pack(wrong)


# --- secrecy -----------------------------------------------------------------------------


def test_two_orders_of_both_precincts_leave_the_same_bytes(tmp_path: Path) -> None:
    """One voter of a small precinct among many of a large one is not told by any order."""
    desk = Desk(tmp_path / "desk", PLACE)
    kinds = [single(ONE)] * 5 + [single(ONE, "option-b"), bench.BOTH, single(TWO)]
    orders = [list(range(24)), list(range(24))[::-1]]
    random.Random(5).shuffle(orders[1])
    one, two = (
        what_is_left(desk, tmp_path / str(n), order, kinds) for n, order in enumerate(orders)
    )
    assert {"closed/journal.sqlite", "closed/package.zip", "closed/medium/slot-a.bin"} <= set(one)
    assert {name for name in one if one[name] != two[name]} == set()


def test_the_log_tells_no_precinct_of_a_sheet(room: Room) -> None:
    open_day(room.device)
    room.feed(single(TWO), single(ONE), bench.BOTH)
    sheets = [e for e in room.journal.events() if e.kind == "sheet_accepted"]
    assert len(sheets) == 3
    assert [dict(event.detail) for event in sheets] == [{}, {}, {}]
    room.device.pause()
    # The slip of a pause counts sheets together: records, and the scanner's box.
    figures = [re.search(r"\.(\d+)$", line) for line in room.printer.tapes[-1]]
    assert [found[1] for found in figures if found] == ["3", "3"]


# --- the screen --------------------------------------------------------------------------


def test_the_screen_offers_the_papers_of_its_precincts(tmp_path: Path) -> None:
    setup = dre_bench.setup(tmp_path / "keys", PLACE)
    reader = ScannerSheetReader(SheetReader(setup.election, setup.profile))
    trail = SimulatedPaperTrail(tmp_path / "trail")
    with Journal(tmp_path / "j.sqlite") as journal:
        screen = dre_bench.station(setup, journal, trail, reader)
        for wrong in ("single", f"{TWO}/both", "precinct-3/single"):
            with pytest.raises(StateError, match="no ballot style"):
                screen.issue_code(wrong)
        for paper in (f"{ONE}/single", f"{TWO}/single", f"{TWO}/single"):
            screen.activate(screen.issue_code(paper))
            screen.voter().choose("mayor", "option-b")
            screen.to_summary()
            screen.print_record()
            if not journal.count():
                screen.spoil()
                screen.print_record()
            screen.accept()
            screen.finish()
        assert sorted(r.precinct_id or "" for r in journal.records()) == [ONE, TWO, TWO]
        assert screen.device.counters["returned"] == 1
        close_day(screen.device)
        protocol = read_package(screen.device.export(), "p.zip").document(PROTOCOL)
        own = protocol["precincts"]
        assert own[ONE]["by_style"]["single"]["returned"] == 1
        assert own[TWO]["by_style"]["single"]["returned"] == 0
        assert own[TWO]["by_style"]["single"]["valid"] == 2
