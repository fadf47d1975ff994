"""Closing with a dead scanner: two people, and a box that nothing has checked (NVT-04, NVT-09)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import build_app
from firmware_sim import trust
from firmware_sim.device import DeviceState, OutcomeKind
from firmware_sim.errors import HumanStepError, StateError
from firmware_sim.package import PROTOCOL, read_package
from firmware_sim.roles import Action, Person, Role, RoleError, require
from firmware_sim.summary_code import join, open_seal
from tally.batch import verify_packages
from tally.paper import PaperCount
from tally.reconciliation import reconcile
from tests.firmware_sim import bench
from tests.firmware_sim.test_device import Precinct
from tests.firmware_sim.test_device_steps import Trainer, trainer

__all__ = ["trainer"]

#: Where no scanner listens.
NOBODY = "socket://127.0.0.1:9"


@pytest.fixture
def precinct(tmp_path: Path) -> Iterator[Precinct]:
    precinct = Precinct(tmp_path, "us-general")
    bench.open_polls(precinct.device)
    precinct.feed(bench.GOOD, bench.GOOD)
    yield precinct
    precinct.journal.close()


def test_it_takes_chair_and_technician() -> None:
    chair, technician = Person("a", Role.CHAIR), Person("b", Role.TECHNICIAN)
    assert require(Action.CLOSE_WITHOUT_SCANNER, [technician, chair])
    for short in ([chair], [chair, Person("c", Role.SECRETARY)], [technician]):
        with pytest.raises(RoleError, match="needs chair and technician"):
            require(Action.CLOSE_WITHOUT_SCANNER, short)


def test_a_scanner_that_answers_is_asked(precinct: Precinct) -> None:
    with pytest.raises(StateError, match="the scanner answers"):
        precinct.device.close_without_scanner(box_counter=2, said_by="A. B.")
    assert precinct.device.state is DeviceState.POLLS_OPEN


@pytest.mark.parametrize(("box", "word"), [(2, "by_hand"), (3, "by_hand"), (None, "not_known")])
def test_tape_package_log_and_tally_say_who_counted_the_box(
    precinct: Precinct, box: int | None, word: str
) -> None:
    device, setup = precinct.device, precinct.setup
    precinct.feeder.change(fault="power")
    device.close_without_scanner(box_counter=box, said_by="A. B.")
    assert device.box_counter == box
    assert f"box_{word}" in device.findings()
    assert ("box_differs" in device.findings()) == (box == 3)
    tape = "\n".join(device.print_results().lines)
    said = "entered by hand, not" if box is not None else "box count not known"
    assert said in " ".join(tape.split())
    # What people read is not signed as a scanner's count.
    assert open_seal(join(precinct.printer.codes)).summary.box_counter is None
    data = device.export()
    protocol = read_package(data, "p").document(PROTOCOL)
    assert (protocol["box_counter"], protocol["box_counter_by"]) == (box, word)
    closed = next(e for e in precinct.journal.events() if e.kind == "polls_closed")
    assert closed.detail["box_counter_by"] == word
    assert closed.detail["said_by"] == "A. B."
    store = trust.TrustStore.load(precinct.path.parent / "keys")
    result = verify_packages(
        [("p", data)], setup.election, setup.profile, store, at=datetime(2026, 3, 20, tzinfo=UTC)
    )
    (package,) = result.accepted
    (finding,) = package.findings
    assert finding.kind == "box_not_checked"
    reconciled = reconcile(
        {package.precinct_id: package.totals},
        PaperCount("none", {}),
        {package.precinct_id: package.protocol},
        setup.election,
        setup.profile,
        joined={package.precinct_id: package.findings},
    )
    assert [f.kind for f in reconciled.findings if "box" in f.kind] == ["box_not_checked"]


@pytest.mark.parametrize("in_box", [True, False])
def test_an_open_step_is_settled_by_a_person_first(precinct: Precinct, in_box: bool) -> None:
    precinct.feeder.cut_after_accept = True
    assert precinct.feed(bench.GOOD)[0][0] is OutcomeKind.FAULT
    device = precinct.device
    with pytest.raises(HumanStepError, match="cannot be asked where the sheet is"):
        device.close_without_scanner(box_counter=3, said_by="A. B.")
    assert not device.state.is_closed
    device.close_without_scanner(box_counter=3, said_by="A. B.", in_box=in_box)
    assert device.totals()["sheets"] == 2 + in_box
    assert ("box_differs" in device.findings()) is not in_box


def test_an_answer_to_nothing_is_refused(precinct: Precinct) -> None:
    precinct.feeder.change(fault="power")
    with pytest.raises(StateError, match="nothing to answer"):
        precinct.device.close_without_scanner(box_counter=2, said_by="A. B.", in_box=True)
    with pytest.raises(StateError, match="say who looked"):
        precinct.device.close_without_scanner(box_counter=2, said_by=" ")
    assert not precinct.device.state.is_closed


def test_a_close_that_is_undone_forgets_the_figure(precinct: Precinct) -> None:
    precinct.feeder.change(fault="power")
    precinct.device.close_without_scanner(box_counter=None, said_by="A. B.")
    precinct.device.reopen_polls()
    precinct.feeder.change(fault=None)
    precinct.device.close_polls()
    assert precinct.device.box_counter == 2
    assert precinct.device.findings() == ()


def test_the_rest_of_the_day_goes_without_the_scanner(trainer: Trainer) -> None:
    for command in ("self-test", "zero-tape", "sign", "open"):
        trainer.does(command)
    dead = ("--scanner", NOBODY, "--json")
    for short in (("--box-read", "1", "--box-not-known"), ()):
        assert trainer.result("close-dead", *dead, "--seen-by", "A", *short).exit_code == 2
    package = trainer.folder / "p.zip"
    steps = (
        ("close-dead", "--box-not-known", "--seen-by", "A. B."),
        ("results",),
        ("export", "--export", str(package)),
        ("seal",),
    )
    for command, *more in steps:
        result = trainer.result(command, *more, *dead)
        assert result.exit_code == 1, result.output
        shown = json.loads(result.stdout)
        assert shown["findings"] == ["box_not_known"]
        assert "count the paper in the box by hand" in result.stderr
    assert shown["state"] == "sealed"
    checked = CliRunner().invoke(
        build_app(("verify",)),
        ["verify", str(package), "--trust", str(trainer.keys), "--election", str(trainer.election)],
    )
    assert checked.exit_code == 1
    assert "closed with a dead scanner" in checked.stdout
