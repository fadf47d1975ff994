"""The rules of the working day, each shown once (NVT-04, NVT-12, SEED-11).

Random sequences of the same are in `test_day_model.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware_sim.day import close_day, open_day
from firmware_sim.device import DeviceState, Mode, OutcomeKind, PrecinctDevice
from firmware_sim.errors import StateError
from firmware_sim.failures import FAILURES, Failure
from firmware_sim.journal import Journal
from firmware_sim.judgement import question
from firmware_sim.package import read_package
from firmware_sim.roles import RULES, Action, Person, Role, RoleError
from firmware_sim.states import STATE_WORDS, steps_from
from firmware_sim.voter import GROUND_WORDS, Question, VoterChoice
from hardware.errors import LinkError
from scanner.interpretation import UNMARKED_WRITE_IN
from scanner.reading import Flag
from tally.batch import verify_packages
from tally.verification import RefusalReason
from tests.firmware_sim import bench
from tests.firmware_sim.test_device import Precinct
from tools import device_chart

A, R, X = OutcomeKind.ACCEPTED, OutcomeKind.RETURNED, OutcomeKind.REFUSED
CHAIR, MEMBER = Person("1", Role.CHAIR), Person("2", Role.MEMBER)
TECHNICIAN = Person("3", Role.TECHNICIAN)
ALL = (CHAIR, MEMBER, TECHNICIAN)


@pytest.fixture
def precinct(tmp_path: Path) -> Iterator[Precinct]:
    precinct = Precinct(tmp_path, "us-general")
    yield precinct
    precinct.journal.close()


def with_parts(precinct: Precinct, **parts: Any) -> PrecinctDevice:
    """The precinct's device made anew, with more given to it."""
    given = {"clock": bench.clock, "setup": precinct.setup, **parts}
    precinct.device = PrecinctDevice(
        given.pop("setup"),
        journal=precinct.journal,
        feeder=precinct.feeder,
        reader=bench.JsonSheetReader(),
        printer=precinct.printer,
        randomness=secrets.token_bytes,
        **given,
    )
    return precinct.device


def kinds(precinct: Precinct) -> list[str]:
    return [event.kind for event in precinct.journal.events()]


def of_kind(sheet: bytes, kind: str) -> bytes:
    return sheet.replace(b'"official"', f'"{kind}"'.encode())


# --- modes -----------------------------------------------------------------------------


def test_sheets_of_the_other_mode_are_refused(precinct: Precinct) -> None:
    open_day(precinct.device)
    sheets = [of_kind(bench.GOOD, kind) for kind in ("test", "sample", "official")]
    assert precinct.feed(*sheets) == [(X, "wrong_mode"), (X, "wrong_mode"), (A, "")]


def test_a_test_day_leaves_nothing_and_is_no_result(precinct: Precinct, tmp_path: Path) -> None:
    device = precinct.device
    device.set_mode(Mode.TEST)
    zero = open_day(device)
    assert "TEST: NOT A RESULT" in "\n".join(zero.lines)
    assert precinct.feed(of_kind(bench.GOOD, "test")) == [(A, "")]
    close_day(device)
    data = device.export()
    assert read_package(data, "p").manifest["mode"] == "test"
    trust = bench.trust.TrustStore.load(tmp_path / "keys")
    setup = precinct.setup
    found = verify_packages([("p", data)], setup.election, setup.profile, trust, at=bench.NOW)
    assert [error.reason for error in found.refused] == [RefusalReason.TEST_MODE]
    device.set_mode(Mode.OFFICIAL)
    assert precinct.journal.count() == 0
    assert device.counters["sheets_fed"] == 0
    precinct.feeder.change(box=0)
    zero = open_day(device)
    assert "TEST" not in "\n".join(zero.lines)


def test_official_records_are_cleared_only_after_export(precinct: Precinct) -> None:
    device = precinct.device
    open_day(device)
    precinct.feed(bench.GOOD)
    close_day(device)
    with pytest.raises(StateError, match="not exported"):
        device.set_mode(Mode.TEST)
    assert precinct.journal.count() == 1
    device.export()
    device.set_mode(Mode.TEST)
    device.set_mode(Mode.OFFICIAL)
    precinct.feeder.change(box=0)
    # And the official polls never open a second time.
    with pytest.raises(StateError, match="they open once"):
        open_day(device)


# --- pause, close, reopen --------------------------------------------------------------


def test_a_pause_takes_no_sheet_and_tells_no_vote(precinct: Precinct) -> None:
    device = precinct.device
    open_day(device)
    precinct.feed(bench.GOOD)
    slip = "\n".join(device.pause().lines)
    assert "POLLS PAUSED" in slip
    assert "Option" not in slip
    precinct.feeder.load([bench.OTHER])
    with pytest.raises(StateError, match="paused"):
        device.process_next()
    with pytest.raises(StateError, match="only after"):
        device.totals()
    device.resume()
    assert device.process_next().kind is A


def test_a_difference_of_counts_is_found_at_the_pause(precinct: Precinct) -> None:
    open_day(precinct.device)
    precinct.feed(bench.GOOD)
    precinct.feeder.change(box=5)
    slip = precinct.device.pause()
    assert "differ" in "\n".join(slip.lines)
    paused = precinct.journal.events()[-1]
    assert paused.detail["findings"] == "box_differs"


def test_a_close_is_undone_to_paused_and_said_on_the_tape(precinct: Precinct) -> None:
    device = precinct.device
    open_day(device)
    precinct.feed(bench.GOOD)
    close_day(device)
    assert "CLOSE UNDONE" in "\n".join(device.reopen_polls().lines)
    assert device.state is DeviceState.PAUSED
    device.resume()
    precinct.feed(bench.OTHER)
    tape = " ".join(" ".join(close_day(device).lines).split())
    assert "earlier tapes are void" in tape
    assert device.totals()["sheets"] == 2
    device.export()
    with pytest.raises(StateError):
        device.reopen_polls()


def test_a_begun_export_bars_reopening(precinct: Precinct) -> None:
    """The package may have left before the cut came."""
    open_day(precinct.device)
    close_day(precinct.device)

    def save(_: bytes) -> None:
        raise OSError("the stick was pulled out")

    with pytest.raises(OSError, match="pulled out"):
        precinct.device.export(save=save)
    precinct.restart()
    with pytest.raises(StateError, match="may have left"):
        precinct.device.reopen_polls()
    assert read_package(precinct.device.export(), "p").manifest["export_number"] == 1


def test_a_number_that_was_only_begun_is_not_used_in_another_mode(precinct: Precinct) -> None:
    """The package of the test day may have left, whatever the stick said."""
    device = precinct.device
    device.set_mode(Mode.TEST)
    open_day(device)
    close_day(device)

    def save(_: bytes) -> None:
        raise OSError("the stick was pulled out")

    with pytest.raises(OSError, match="pulled out"):
        device.export(save=save)
    device.set_mode(Mode.OFFICIAL)
    open_day(device)
    close_day(device)
    assert read_package(device.export(), "p").manifest["export_number"] == 2


# --- the voter -------------------------------------------------------------------------


class Voter:
    """Answers as told; remembers what was shown."""

    def __init__(self, choice: VoterChoice) -> None:
        self.choice, self.shown = choice, list[Question]()

    def ask(self, question: Question) -> VoterChoice:
        self.shown.append(question)
        return self.choice


@pytest.mark.parametrize(("choice", "kind"), [(VoterChoice.RETURN, R), (VoterChoice.CAST, A)])
def test_the_voter_decides_while_the_sheet_is_held(
    precinct: Precinct, choice: VoterChoice, kind: OutcomeKind
) -> None:
    voter = Voter(choice)
    open_day(with_parts(precinct, voter=voter))
    # Twice the same: with a screen a second feed is a new sheet, and asked about again.
    outcomes = precinct.feed(bench.OVERVOTED, bench.OVERVOTED, bench.GOOD)
    assert [outcome for outcome, _ in outcomes] == [kind, kind, A]
    assert [(q.ground, q.contests) for q in voter.shown] == [("overvoted", ("mayor",))] * 2
    assert "overvote" not in str([event.detail for event in precinct.journal.events()])


@pytest.mark.parametrize(
    ("rules", "sheet", "shown", "kind"),
    [
        ({"voter_may_cast": False}, bench.BLANK, 0, R),
        ({"ask_undervoted": True}, bench.GOOD, 0, A),
        (
            {"ask_undervoted": True},
            bench.sheet("both", ("mayor", ["option-a"], "valid"), ("council", [], "blank")),
            1,
            A,
        ),
    ],
)
def test_the_profile_decides_what_is_asked(
    precinct: Precinct, rules: dict[str, bool], sheet: bytes, shown: int, kind: OutcomeKind
) -> None:
    voter = Voter(VoterChoice.CAST)
    profile = precinct.setup.profile
    changed = profile.model_copy(update={"device": profile.device.model_copy(update=rules)})
    precinct.journal.close()
    precinct.journal = Journal(precinct.path.with_name("other.sqlite"))
    setup = replace(precinct.setup, profile=changed)
    open_day(with_parts(precinct, setup=setup, voter=voter))
    assert precinct.feed(sheet)[0][0] is kind
    assert len(voter.shown) == shown


def test_a_written_name_without_its_mark_is_shown_as_that(precinct: Precinct) -> None:
    flag = Flag(UNMARKED_WRITE_IN, "something is written in", "mayor", "write-in-0")
    read = bench.interpretation("single", [bench.reading("mayor", [], "needs_review")])
    asked = question(replace(read, flags=(flag,)), precinct.setup.profile.device)
    assert asked is not None
    assert (asked.ground, asked.contests) == ("unmarked_write_in", ("mayor",))


# --- failures ----------------------------------------------------------------------------


def test_a_clock_that_goes_back_stops_the_day(precinct: Precinct) -> None:
    now = [bench.NOW]
    device = with_parts(precinct, clock=lambda: now[0])
    open_day(device)
    now[0] -= timedelta(hours=2)
    precinct.feeder.load([bench.GOOD])
    assert device.process_next().reason == "clock_lost"
    assert device.state is DeviceState.PAUSED
    for step in (device.resume, device.close_polls):
        with pytest.raises(StateError, match="clock"):
            step()
    with pytest.raises(StateError, match="still reported"):
        device.clear_failure(Failure.CLOCK_LOST)
    now[0] += timedelta(hours=2)
    device.clear_failure(Failure.CLOCK_LOST)
    device.resume()
    assert device.process_next().kind is A
    assert kinds(precinct).count("failure_began") == 1


def test_a_time_far_ahead_is_not_noted_while_the_clock_is_known_to_be_lost(
    precinct: Precinct,
) -> None:
    """Else every right time would look as if the clock went back, until that day has come."""
    now = [bench.NOW]
    seen: set[Failure] = set()
    sensors = SimpleNamespace(conditions=lambda: seen)
    device = with_parts(precinct, clock=lambda: now[0], sensors=sensors)
    open_day(device)
    now[0] += timedelta(days=30)
    seen.add(Failure.CLOCK_LOST)
    assert device.process_next().reason == "clock_lost"
    now[0] -= timedelta(days=30)
    seen.clear()
    device.clear_failure(Failure.CLOCK_LOST)
    device.resume()
    assert device.process_next().kind is OutcomeKind.TRAY_EMPTY


def test_a_full_box_is_opened_by_two(precinct: Precinct) -> None:
    device = with_parts(precinct, people_identified=True)
    open_day(device, present=ALL)
    precinct.feeder.change(fault="box_full")
    assert device.process_next().reason == "box_full"
    precinct.feeder.change(fault=None)
    assert device.process_next().reason == "box_full"  # it does not end by itself
    with pytest.raises(RoleError, match="chair and secretary or member"):
        device.clear_failure(Failure.BOX_FULL, present=[MEMBER, TECHNICIAN])
    device.reopen_box(present=ALL)
    device.clear_failure(Failure.BOX_FULL, present=ALL)
    assert device.process_next().kind is OutcomeKind.TRAY_EMPTY


def test_a_cable_that_is_out_is_a_failure_and_ends_by_itself(precinct: Precinct) -> None:
    device = precinct.device
    open_day(device)

    class Unplugged(bench.FileFeeder):
        def status(self) -> Any:
            raise LinkError("the cable is out")

    out = precinct.feeder
    precinct.feeder = Unplugged(out.path)
    assert with_parts(precinct).process_next().reason == "scanner_disconnected"
    precinct.feeder = out
    assert with_parts(precinct).process_next().kind is OutcomeKind.TRAY_EMPTY
    assert precinct.device.failures == frozenset()


def test_a_cable_that_was_out_before_the_opening_does_not_bar_it(precinct: Precinct) -> None:
    """The scanner is asked before what it said last is believed (NVT-04)."""
    device = precinct.device
    device.self_test()
    device.print_zero_tape()
    device.sign_zero_tape()

    class Unplugged(bench.FileFeeder):
        def status(self) -> Any:
            raise LinkError("the cable is out")

    plugged = precinct.feeder
    precinct.feeder = Unplugged(plugged.path)
    with pytest.raises(LinkError):
        with_parts(precinct).open_polls()
    assert Failure.SCANNER_DISCONNECTED in precinct.device.failures
    precinct.feeder = plugged
    opened = with_parts(precinct)
    opened.open_polls()
    assert opened.state is DeviceState.POLLS_OPEN
    assert opened.failures == frozenset()


def test_people_are_asked_for_and_their_roles_logged(precinct: Precinct) -> None:
    precinct.journal.close()
    precinct.journal = Journal(precinct.path.with_name("new.sqlite"))
    device = with_parts(precinct, people_identified=True)
    assert device.state is DeviceState.UNCONFIGURED
    assert precinct.journal.events() == []
    with pytest.raises(RoleError):
        device.configure()
    open_day(device, present=ALL)
    close_day(device, present=ALL)
    with pytest.raises(RoleError, match="needs chair and technician"):
        device.reopen_polls(present=[CHAIR])
    opened = next(e for e in precinct.journal.events() if e.kind == "polls_opened")
    assert opened.detail["by"] == "chair+member"


# --- tables ------------------------------------------------------------------------------


def test_every_word_is_said_in_three_languages() -> None:
    tables = [*STATE_WORDS.values(), *GROUND_WORDS.values(), *(r.words for r in FAILURES.values())]
    assert all(set(words) == {"kk", "ru", "en"} and all(words.values()) for words in tables)
    assert set(STATE_WORDS) == set(DeviceState)
    assert set(FAILURES) == set(Failure)
    assert set(RULES) == set(Action)


def test_one_state_alone_has_no_way_out() -> None:
    assert [state for state in DeviceState if not steps_from(state)] == [DeviceState.SEALED]


def test_the_page_of_the_device_is_up_to_date() -> None:
    text = device_chart.PAGE.read_text(encoding="utf-8")
    assert device_chart.page(text) == text, "run `python -m tools.device_chart`"
