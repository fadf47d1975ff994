"""Stories of a polling day on one device (NVT-01, NVT-04, NVT-05, NVT-12, SEED-10)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.day import close_day, open_day
from firmware_sim.device import DeviceState, OutcomeKind, PrecinctDevice
from firmware_sim.errors import CountError, HumanStepError, StateError
from firmware_sim.failures import Failure
from firmware_sim.journal import Journal
from firmware_sim.package import read_package
from hardware.errors import HardwareError, LinkError
from hardware.printer_status import PrinterError, Trouble
from scanner.cvr import new_record
from tests.firmware_sim import bench


class Precinct:
    """A device with its feeder, printer and journal; `restart` is a power cut."""

    def __init__(self, directory: Path, profile: str) -> None:
        self.setup = bench.setup(directory / "keys", profile)
        self.path = directory / "journal.sqlite"
        self.feeder = bench.FileFeeder(directory / "feeder.json")
        self.printer = bench.ListPrinter()
        self.journal = Journal(self.path)
        self.device = self._device()

    def _device(self) -> PrecinctDevice:
        return PrecinctDevice(
            self.setup,
            journal=self.journal,
            feeder=self.feeder,
            reader=bench.JsonSheetReader(),
            printer=self.printer,
            clock=bench.clock,
            randomness=secrets.token_bytes,
        )

    def restart(self) -> None:
        self.journal.close()
        self.journal = Journal(self.path)
        self.device = self._device()

    def feed(self, *sheets: bytes) -> list[tuple[OutcomeKind, str]]:
        self.feeder.load(sheets)
        return [(o.kind, o.reason) for o in (self.device.process_next() for _ in sheets)]


@pytest.fixture
def precinct(tmp_path: Path) -> Iterator[Precinct]:
    precinct = Precinct(tmp_path, "us-general")
    yield precinct
    precinct.journal.close()


A, R, X = OutcomeKind.ACCEPTED, OutcomeKind.RETURNED, OutcomeKind.REFUSED


def test_a_whole_day(precinct: Precinct) -> None:
    device = precinct.device
    zero = open_day(device)
    assert "ZERO TAPE" in zero.lines
    assert "НӨЛДІК ТАСПА" in zero.lines
    figures = [line.rsplit(".", 1)[1] for line in zero.lines if " .." in line and "-" not in line]
    assert len(figures) >= 7
    assert set(figures) == {"0"}
    assert precinct.feed(bench.GOOD, bench.OTHER, bench.BOTH, bench.GOOD) == [(A, "")] * 4
    assert device.process_next().kind is OutcomeKind.TRAY_EMPTY
    tape = close_day(device)
    assert "RESULTS TAPE" in tape.lines
    assert precinct.printer.codes == [code.text for code in tape.codes]
    assert precinct.printer.tapes == [list(zero.lines), list(tape.lines)]
    package = read_package(device.export(issued={"single": 4}), "p.zip")
    totals = package.document("totals.json")
    assert totals["contests"]["mayor"]["votes"] == {
        "option-a": 2,
        "option-b": 1,
        "option-c": 1,
        "write-in-0": 0,
    }
    assert totals["contests"]["council"]["votes"]["option-b"] == 1
    protocol = package.document("protocol.json")
    assert protocol["by_style"]["single"]["issued"] == 4
    assert protocol["by_style"]["both"]["issued"] is None
    assert package.document("device.json")["counters"]["accepted"] == 4
    assert device.state is DeviceState.EXPORTED
    assert read_package(device.export(), "p.zip").manifest["export_number"] == 2


def test_tapes_fit_the_paper(precinct: Precinct) -> None:
    device = precinct.device
    lines = [*open_day(device).lines, *close_day(device).lines]
    assert max(len(line) for line in lines) <= 42


def test_second_chance_voting(precinct: Precinct) -> None:
    """Returned with its reason, accepted when the voter feeds it again."""
    open_day(precinct.device)
    assert precinct.feed(
        bench.OVERVOTED, bench.OVERVOTED, bench.BLANK, bench.BLANK, bench.DOUBTFUL, bench.DOUBTFUL
    ) == [(R, "overvoted"), (A, ""), (R, "blank"), (A, ""), (R, "needs_review"), (A, "")]
    # Another voter's sheet in between: the reason is said again.
    assert precinct.feed(bench.BLANK, bench.GOOD, bench.BLANK) == [
        (R, "blank"),
        (A, ""),
        (R, "blank"),
    ]
    assert precinct.device.counters == {
        "sheets_fed": 9,
        "accepted": 4,
        "returned": 5,
        "refused": 0,
    }


def test_refused_sheets_are_named_and_the_next_goes_on(precinct: Precinct) -> None:
    open_day(precinct.device)
    assert precinct.feed(
        bench.UNREADABLE, bench.FOREIGN_STYLE, bench.FOREIGN_PRECINCT, bench.GOOD
    ) == [(X, "no_timing_marks"), (X, "wrong_style"), (X, "wrong_precinct"), (A, "")]
    assert precinct.journal.count() == 1


def test_a_jurisdiction_that_returns_nothing(tmp_path: Path) -> None:
    """kz-majilis: a voter's choice of an invalid ballot is the voter's own."""
    precinct = Precinct(tmp_path, "kz-majilis")
    open_day(precinct.device)
    assert precinct.feed(bench.OVERVOTED, bench.BLANK) == [(A, ""), (A, "")]
    precinct.journal.close()


def test_illegal_steps_are_refused_in_words(precinct: Precinct) -> None:
    device = precinct.device
    for step in (device.process_next, device.close_polls, device.export, device.results_tape):
        with pytest.raises(StateError, match=r"not been opened|before the polls"):
            step()
    open_day(device)
    for step in (device.open_polls, device.print_zero_tape, device.self_test, device.export):
        with pytest.raises(StateError, match="polls are open"):
            step()
    with pytest.raises(StateError, match="only after they are closed"):
        device.totals()
    close_day(device)
    for step in (device.open_polls, device.process_next, device.close_polls, device.pause):
        with pytest.raises(StateError, match="polls are closed"):
            step()
    with pytest.raises(CountError, match="nowhere"):
        device.export(issued={"nowhere": 1})


def test_no_zero_tape_over_paper(precinct: Precinct) -> None:
    precinct.feeder.change(box=3)
    with pytest.raises(StateError, match="3 sheets in the box"):
        open_day(precinct.device)
    assert precinct.printer.tapes == []


def test_no_opening_without_a_zero_tape(precinct: Precinct) -> None:
    precinct.printer.jammed = True
    with pytest.raises(HardwareError):
        open_day(precinct.device)
    assert precinct.device.state is DeviceState.SELF_TESTED
    assert precinct.device.failures == {Failure.PRINTER_OUT_OF_PAPER}
    with pytest.raises(StateError, match="zero tape is next"):
        precinct.device.open_polls()
    precinct.printer.jammed = False
    open_day(precinct.device)
    assert precinct.device.failures == frozenset()


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (PrinterError("…", Trouble.PAPER_OUT), Failure.PRINTER_OUT_OF_PAPER),
        (PrinterError("…", Trouble.COVER_OPEN), Failure.PRINTER_FAULT),
        (PrinterError("the disk is full"), Failure.PRINTER_FAULT),
        (LinkError("the port is gone"), Failure.PRINTER_FAULT),
    ],
)
def test_out_of_paper_is_said_only_where_the_printer_said_so(
    precinct: Precinct, monkeypatch: pytest.MonkeyPatch, error: HardwareError, failure: Failure
) -> None:
    """NVT-04: what the officer is told is what is wrong, the last time it was tried."""
    precinct.printer.jammed = True
    with pytest.raises(HardwareError):
        open_day(precinct.device)

    def fails(lines: object) -> None:
        raise error

    monkeypatch.setattr(precinct.printer, "print_lines", fails)
    with pytest.raises(HardwareError):
        precinct.device.print_zero_tape()
    assert precinct.device.failures == {failure}


def test_a_jammed_results_tape_is_printed_after_restart(precinct: Precinct) -> None:
    open_day(precinct.device)
    precinct.printer.jammed = True
    with pytest.raises(HardwareError):
        close_day(precinct.device)
    with pytest.raises(StateError, match="results tape"):
        precinct.device.export()
    precinct.restart()
    precinct.printer.jammed = False
    close_day(precinct.device)
    assert precinct.device.export()


def test_a_journal_of_another_election_is_refused(precinct: Precinct, tmp_path: Path) -> None:
    precinct.journal.close()
    precinct.setup = bench.setup(tmp_path / "keys", "kz-majilis")
    with pytest.raises(StateError, match="another election"):
        precinct.restart()


# --- exactly once, paper and record ----------------------------------------------------


def test_lost_answer_is_settled_once(precinct: Precinct) -> None:
    open_day(precinct.device)
    precinct.feeder.load([bench.GOOD, bench.OTHER])
    precinct.feeder.lose_answer_once = True
    assert precinct.device.process_next().kind is OutcomeKind.FAULT
    assert precinct.journal.count() == 0
    assert precinct.device.process_next().kind is A
    assert precinct.journal.count() == precinct.feeder.status().box_count == 2


def test_cut_before_the_feeder_acted(precinct: Precinct) -> None:
    """The sheet is still held: the intention is undone and the sheet read afresh."""
    open_day(precinct.device)
    precinct.feeder.load([bench.GOOD])
    precinct.feeder.feed()
    record = new_record(
        bench.JsonSheetReader().read_images([bench.GOOD]), precinct.setup.election.hash, "a" * 32
    )
    precinct.journal.intend("b" * 32, record)
    precinct.restart()
    precinct.device.recover()
    assert precinct.journal.open_intention() is None
    assert precinct.journal.count() == 0
    assert precinct.device.process_next().kind is A
    assert precinct.journal.count() == precinct.feeder.status().box_count == 1


def test_a_sheet_in_the_box_without_a_record_is_said(precinct: Precinct) -> None:
    """The sheet dropped, the person looked wrongly: two counters differ, tape and package tell
    (SEED-11). Once the log alone knew, and no figure of the package could show it."""
    open_day(precinct.device)
    precinct.feed(bench.GOOD, bench.OTHER)
    precinct.feeder.load([bench.GOOD])
    precinct.feeder.lose_answer_once = True
    precinct.device.process_next()
    precinct.feeder.change(place="unknown")
    for nobody in ("", " \t"):
        with pytest.raises(StateError, match="say who looked"):
            precinct.device.answer_sheet_place(in_box=False, by=nobody)
    precinct.device.answer_sheet_place(in_box=False, by="someone in a hurry")
    tape = "\n".join(close_day(precinct.device).lines)
    assert precinct.device.box_counter == 3
    assert "Box and records differ" in tape
    assert "Жәшік пен жазбалар" in tape
    protocol = read_package(precinct.device.export(), "p.zip").document("protocol.json")
    assert protocol["box_counter"] == 3
    assert sum(row["in_box"] for row in protocol["by_style"].values()) == 2


def test_equal_counters_raise_no_alarm(precinct: Precinct) -> None:
    open_day(precinct.device)
    precinct.feed(bench.GOOD, bench.OTHER)
    assert not any("differ" in line for line in close_day(precinct.device).lines)
    precinct.restart()
    assert precinct.device.box_counter == 2


@pytest.mark.parametrize(("in_box", "records"), [(True, 1), (False, 0)])
def test_unknown_place_asks_a_person(precinct: Precinct, in_box: bool, records: int) -> None:
    open_day(precinct.device)
    precinct.feeder.load([bench.GOOD])
    precinct.feeder.lose_answer_once = True
    precinct.device.process_next()
    precinct.feeder.change(place="unknown")
    precinct.restart()
    with pytest.raises(HumanStepError) as step:
        precinct.device.process_next()
    assert step.value.step == "look_for_sheet"
    precinct.device.answer_sheet_place(in_box=in_box, by="chair of the commission")
    assert precinct.journal.count() == records
    assert precinct.journal.events()[-1].detail["said_by"] == "chair of the commission"
    with pytest.raises(StateError, match="nothing to answer"):
        precinct.device.answer_sheet_place(in_box=True, by="anyone")


def test_an_answer_against_what_the_scanner_knows_loses_no_vote(precinct: Precinct) -> None:
    """The sheet is in the box and its token confirmed; "outside" once undid its record."""
    open_day(precinct.device)
    precinct.feeder.load([bench.GOOD])
    precinct.feeder.lose_answer_once = True
    precinct.device.process_next()
    precinct.restart()
    with pytest.raises(StateError, match="in_box"):
        precinct.device.answer_sheet_place(in_box=False, by="someone in a hurry")
    precinct.device.recover()
    assert precinct.journal.count() == precinct.feeder.status().box_count == 1


def test_an_answer_against_what_the_scanner_knows_counts_no_vote_twice(
    precinct: Precinct,
) -> None:
    """The sheet is still held; "in-box" once made a record, and it was then read once more."""
    open_day(precinct.device)
    precinct.feeder.load([bench.GOOD])
    precinct.feeder.feed()
    sheet = bench.JsonSheetReader().read_images([bench.GOOD])
    record = new_record(sheet, precinct.setup.election.hash, "a" * 32)
    precinct.journal.intend("b" * 32, record)
    precinct.restart()
    with pytest.raises(StateError, match="held"):
        precinct.device.answer_sheet_place(in_box=True, by="someone in a hurry")
    assert precinct.device.process_next().kind is A
    assert precinct.journal.count() == precinct.feeder.status().box_count == 1


def test_a_fault_of_the_feeder_is_an_outcome(precinct: Precinct) -> None:
    open_day(precinct.device)
    precinct.feeder.change(fault="jam")
    outcome = precinct.device.process_next()
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAULT, "paper_jam")
    precinct.feeder.change(fault=None)
    precinct.device.process_next()
    kinds = [event.kind for event in precinct.journal.events()]
    assert kinds[-2:] == ["failure_began", "failure_ended"]


def test_events_tell_nothing_of_votes(precinct: Precinct) -> None:
    """Secrecy: no record id, style or option in the log (NVT-05)."""
    open_day(precinct.device)
    precinct.feed(bench.GOOD, bench.BOTH)
    close_day(precinct.device)
    log = "".join(str(event.to_json()) for event in precinct.journal.events())
    ids = [record.record_id for record in precinct.journal.records()]
    assert not any(word in log for word in [*ids, "option-", "single", "both"])
