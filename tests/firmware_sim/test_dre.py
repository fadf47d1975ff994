"""A screen device with a paper record: what is counted is what lies in its box (NVT-02,
SEED-24)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.day import close_day
from firmware_sim.device import DeviceSetup
from firmware_sim.dre import Stage, Station
from firmware_sim.errors import StateError
from firmware_sim.journal import Journal
from firmware_sim.package import DEVICE, read_package
from firmware_sim.reading import ScannerSheetReader
from hardware.errors import FeederError
from hardware.interface import PaperPlace
from hardware.simulated.paper_trail import SimulatedPaperTrail
from scanner.sheet import SheetReader
from tests.firmware_sim import cuts, dre_bench, dre_cuts

CUTS = 15


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> DeviceSetup:
    return dre_bench.setup(tmp_path_factory.mktemp("dre") / "keys")


@pytest.fixture(scope="module")
def reader(own: DeviceSetup) -> ScannerSheetReader:
    return ScannerSheetReader(SheetReader(own.election, own.profile))


@pytest.fixture
def trail(tmp_path: Path) -> SimulatedPaperTrail:
    return SimulatedPaperTrail(tmp_path / "trail")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "j.sqlite") as opened:
        yield opened


@pytest.fixture
def clock() -> dre_bench.Clock:
    return dre_bench.Clock()


@pytest.fixture
def screen(
    own: DeviceSetup,
    journal: Journal,
    trail: SimulatedPaperTrail,
    reader: ScannerSheetReader,
    clock: dre_bench.Clock,
) -> Station:
    return dre_bench.station(own, journal, trail, reader, clock)


def at_glass(screen: Station, style: str = "both") -> Station:
    screen.activate(screen.issue_code(style))
    ballot = screen.voter()
    ballot.choose("mayor", "option-b")
    if style == "both":
        ballot.choose("council", "option-a")
    screen.to_summary()
    screen.print_record()
    return screen


def test_a_vote_is_in_the_box_and_in_the_journal_and_in_the_package(
    screen: Station, journal: Journal, trail: SimulatedPaperTrail, reader: ScannerSheetReader
) -> None:
    at_glass(screen)
    assert (screen.stage, journal.count(), len(trail.box())) == (Stage.VERIFY, 0, 0)
    screen.accept()
    assert (screen.stage, journal.count(), len(trail.box())) == (Stage.DONE, 1, 1)
    [record] = journal.records()
    expected = (("mayor", ("option-b",)), ("council", ("option-a",)))
    assert dre_bench.votes_of(record) == expected
    assert dre_bench.paper_votes(trail, reader) == Counter([expected])
    screen.finish()
    close_day(screen.device)
    totals = screen.device.totals()
    assert totals["contests"]["council"]["undervotes"] == 1
    package = read_package(screen.device.export(), "p.zip")
    assert package.document(DEVICE)["device_kind"] == "dre"


def test_a_spoiled_record_is_counted_apart_and_the_ballot_goes_on(
    screen: Station, journal: Journal, trail: SimulatedPaperTrail
) -> None:
    at_glass(screen)
    for spoiled in (1, 2):
        screen.spoil()
        assert (screen.stage, len(trail.spoiled())) == (Stage.SUMMARY, spoiled)
        assert screen.voter().chosen("mayor") == ("option-b",)
        screen.print_record()
    screen.spoil()
    assert screen.stage is Stage.HELP
    screen.helped()
    assert (screen.stage, screen.session) == (Stage.IDLE, None)
    assert journal.count() == 0
    assert screen.device.counters == {
        "sheets_fed": 3,
        "accepted": 0,
        "returned": 3,
        "refused": 0,
    }


def test_an_overvote_cannot_be_made(screen: Station) -> None:
    screen.activate(screen.issue_code("both"))
    ballot = screen.voter()
    ballot.choose("mayor", "option-a")
    ballot.choose("mayor", "option-b")
    assert ballot.chosen("mayor") == ("option-b",)
    ballot.choose("council", "option-a")
    ballot.choose("council", "option-b")
    with pytest.raises(StateError, match="take one back first"):
        ballot.choose("council", "option-c")
    ballot.write("mayor", "write-in-0", "  Әсел   Ұлы ")
    assert (ballot.chosen("mayor"), ballot.written("mayor", "write-in-0")) == (
        ("write-in-0",),
        "Әсел Ұлы",
    )
    ballot.write("mayor", "write-in-0", " ")
    assert ballot.missing("mayor") == 1
    for name in ("a" * 41, "<b>", "a\x00b", "漢字", "Әсел 李"):
        with pytest.raises(StateError, match="written-in name"):
            ballot.write("mayor", "write-in-0", name)
    with pytest.raises(StateError, match="no option"):
        ballot.choose("mayor", "write-in-0")


def test_a_code_works_once_and_wrong_ones_are_borne_a_few_times(screen: Station) -> None:
    code = screen.issue_code("single")
    screen.activate(f" {code[:3]}-{code[3:]}")
    screen.leave()
    for _ in range(5):
        with pytest.raises(StateError):
            screen.activate(code)
    fresh = screen.issue_code("single")
    with pytest.raises(StateError, match="an officer must take the codes back"):
        screen.activate(fresh)
    screen.withdraw_codes()
    screen.activate(screen.issue_code("single"))
    with pytest.raises(StateError, match="not now"):
        screen.activate(screen.issue_code("single"))
    with pytest.raises(StateError, match="no ballot style"):
        screen.issue_code("elsewhere")


def test_paper_that_runs_out_in_mid_print_is_spoiled_and_never_counted(
    screen: Station, journal: Journal, trail: SimulatedPaperTrail
) -> None:
    trail.paper_ends_in_print = True
    at_glass(screen)
    assert screen.stage is Stage.HELP
    trail.set_paper(10)
    screen.helped()
    assert (screen.stage, journal.count(), len(trail.spoiled())) == (Stage.SUMMARY, 0, 1)
    screen.print_record()
    screen.accept()
    assert (screen.stage, journal.count(), len(trail.box())) == (Stage.DONE, 1, 1)
    screen.finish()
    trail.set_paper(0)
    at_glass(screen)
    assert screen.stage is Stage.HELP
    with pytest.raises(FeederError, match="out of paper"):
        trail.print_record(b"")
    trail.set_paper(1)
    screen.helped()
    screen.print_record()
    assert screen.stage is Stage.VERIFY


def test_a_record_that_says_something_else_is_never_accepted(
    screen: Station, journal: Journal, trail: SimulatedPaperTrail
) -> None:
    """The printer gives another voter's record out: the paper is read before it is taken."""
    at_glass(screen)
    other = next(iter(trail._files("held")))[0].read_bytes()
    screen.spoil()
    screen.voter().choose("mayor", "option-c")
    screen.to_summary()
    screen.print_record()
    next(iter(trail._files("held")))[0].write_bytes(other)
    screen.accept()
    assert (screen.stage, journal.count(), len(trail.box())) == (Stage.SUMMARY, 0, 0)
    assert screen.notice is not None
    assert screen.notice.word == "paper_differs"


def test_a_voter_who_leaves_leaves_nothing_or_a_record_to_the_officers(
    screen: Station, journal: Journal, trail: SimulatedPaperTrail, clock: dre_bench.Clock
) -> None:
    screen.activate(screen.issue_code("single"))
    screen.voter().choose("mayor", "option-a")
    clock.now += 160
    screen.tick()
    assert (screen.stage, screen.is_quiet()) == (Stage.VOTING, True)
    clock.now += 60
    screen.tick()
    assert (screen.stage, screen.session) == (Stage.IDLE, None)
    at_glass(screen)
    clock.now += 300
    screen.tick()
    assert screen.stage is Stage.LEFT
    with pytest.raises(StateError, match="not now"):
        screen.accept()
    screen.settle_left()
    assert (screen.stage, journal.count(), len(trail.spoiled())) == (Stage.IDLE, 0, 1)
    kinds = {event.kind for event in journal.events()}
    assert {"ballot_activated", "voter_session_ended", "voter_left_record"} <= kinds


def test_a_profile_may_have_officers_cast_what_a_voter_left(
    own: DeviceSetup,
    tmp_path: Path,
    trail: SimulatedPaperTrail,
    reader: ScannerSheetReader,
    clock: dre_bench.Clock,
) -> None:
    screen_rules = own.profile.screen.model_copy(update={"left_record": "cast"})
    profile = own.profile.model_copy(update={"screen": screen_rules})
    setup = DeviceSetup(own.election, profile, own.precinct_id, own.signer, kind="dre")
    with Journal(tmp_path / "cast.sqlite") as opened:
        screen = dre_bench.station(setup, opened, trail, reader, clock)
        at_glass(screen)
        clock.now += 300
        screen.tick()
        screen.settle_left()
        assert (screen.stage, opened.count(), len(trail.box())) == (Stage.IDLE, 1, 1)


def test_a_left_record_that_is_refused_is_spoiled_and_its_voters_choices_are_not_shown(
    own: DeviceSetup,
    tmp_path: Path,
    trail: SimulatedPaperTrail,
    reader: ScannerSheetReader,
    clock: dre_bench.Clock,
) -> None:
    """The paper does not say what was chosen, and its voter is gone: nobody else may see it."""
    screen_rules = own.profile.screen.model_copy(update={"left_record": "cast"})
    profile = own.profile.model_copy(update={"screen": screen_rules})
    setup = DeviceSetup(own.election, profile, own.precinct_id, own.signer, kind="dre")
    with Journal(tmp_path / "refused.sqlite") as opened:
        screen = dre_bench.station(setup, opened, trail, reader, clock)
        at_glass(screen)
        next(iter(trail._files("held")))[0].write_bytes(b"no picture")
        clock.now += 300
        screen.tick()
        assert screen.stage is Stage.LEFT
        screen.settle_left()
        assert (screen.stage, screen.session, opened.count()) == (Stage.IDLE, None, 0)
        assert (len(trail.box()), len(trail.spoiled())) == (0, 1)
        assert screen.notice is not None
        assert screen.notice.word == "left_refused"
        kinds = [event.kind for event in opened.events()]
        assert "left_record_refused" in kinds
        assert "left_record_cast" not in kinds


def test_a_voter_who_went_away_in_need_of_help_is_not_shown_to_the_officers(
    screen: Station, trail: SimulatedPaperTrail
) -> None:
    trail.set_paper(0)
    at_glass(screen)
    assert screen.stage is Stage.HELP
    with pytest.raises(StateError, match="cannot be closed"):
        screen.close()
    screen.helped(voter_is_gone=True)
    assert (screen.stage, screen.session) == (Stage.IDLE, None)
    screen.close()
    assert screen.device.results_printed


def test_a_record_under_glass_outlives_a_cut_and_its_text_is_what_is_recorded(
    own: DeviceSetup,
    tmp_path: Path,
    trail: SimulatedPaperTrail,
    reader: ScannerSheetReader,
) -> None:
    path = tmp_path / "cut.sqlite"
    with Journal(path) as opened:
        at_glass(dre_bench.station(own, opened, trail, reader))
    with Journal(path) as opened:
        screen = dre_bench.station(own, opened, trail, reader)
        assert screen.stage is Stage.VERIFY
        screen.accept()
        [record] = opened.records()
        assert dict(dre_bench.votes_of(record))["mayor"] == ("option-b",)
        screen.finish()
        at_glass(screen, "single")
    with Journal(path) as opened:
        screen = dre_bench.station(own, opened, trail, reader)
        screen.spoil()
        assert (screen.stage, opened.count()) == (Stage.IDLE, 1)
        assert trail.status().place is PaperPlace.RETURNED


@pytest.mark.skipif(
    not cuts.strace_works(), reason="strace is missing or may not trace: make system-deps"
)
def test_killed_at_its_calls_paper_in_the_box_is_what_is_recorded(tmp_path: Path) -> None:
    """`make soak` makes two hundred cuts; see `tests.firmware_sim.dre_cuts`."""
    figures = dre_cuts.run(tmp_path, CUTS, seed=20260319)
    assert figures.total == CUTS
    # The cuts met what they are for: else the test means little.
    assert figures.open_steps >= 1
    assert figures.held >= 2
    assert figures.records >= 3
