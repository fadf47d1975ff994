"""A device with a removable medium: dead devices cost nothing, failing media lose nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_sim.day import close_day, open_day
from firmware_sim.device import DeviceState, Mode, OutcomeKind, PrecinctDevice
from firmware_sim.errors import MediumError, StateError
from firmware_sim.failures import Failure
from firmware_sim.journal import Journal
from firmware_sim.medium import Replacement, open_slot, read_medium
from firmware_sim.package import read_package
from tests.firmware_sim import bench
from tests.firmware_sim.media import Desk

A = OutcomeKind.ACCEPTED
TEST = bench.sheet("single", ("mayor", ["option-a"], "valid"), kind="test")
SHEETS = [bench.GOOD, bench.OTHER, bench.BOTH, bench.GOOD, bench.UNREADABLE, bench.BLANK]


class Machine:
    """A device in a folder of its own, with scanner, journal and medium."""

    def __init__(self, desk: Desk, folder: Path, device: str, stack: ExitStack) -> None:
        self.desk, self.folder, self.id = desk, folder, device
        folder.mkdir(exist_ok=True)
        self.feeder = bench.FileFeeder(folder / "feeder.json")
        self.journal = Journal(folder / "journal.sqlite")
        self._stack = stack
        stack.callback(self.stop)

    def start(self, replacement: Replacement | None = None) -> PrecinctDevice:
        setup = replace(self.desk.setup, signer=self.desk.signer(self.id), replacement=replacement)
        medium = self.desk.export(
            self.folder / "medium",
            device=self.id,
            replaces=replacement.pairs() if replacement else (),
        )
        return PrecinctDevice(
            setup,
            journal=self.journal,
            feeder=self.feeder,
            reader=bench.JsonSheetReader(),
            printer=bench.ListPrinter(),
            clock=bench.clock,
            randomness=secrets.token_bytes,
            medium=medium,
        )

    def stop(self) -> None:
        self.journal.close()

    def on_medium(self) -> tuple[int, str]:
        head = read_medium(self.folder / "medium", self.desk.trust, at=bench.NOW).slot.head
        return head.count, head.state


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_the_medium_follows_every_sheet_and_step(
    desk: Desk, tmp_path: Path, stack: ExitStack
) -> None:
    machine = Machine(desk, tmp_path / "one", bench.DEVICE, stack)
    device = machine.start()
    open_day(device)
    assert machine.on_medium() == (0, "polls_open")
    machine.feeder.load(SHEETS)
    for _ in SHEETS:
        device.process_next()
        assert machine.on_medium() == (machine.journal.count(), "polls_open")
    device.pause()
    assert machine.on_medium() == (4, "paused")
    close_day(device)
    device.export()
    assert machine.on_medium() == (4, "exported")
    reading = read_medium(machine.folder / "medium", desk.trust, at=bench.NOW)
    state, _ = open_slot(reading.slot, desk.private, desk.form)
    assert list(state.records) == list(machine.journal.records())
    assert list(state.events) == machine.journal.events()
    assert state.document == machine.journal.state()


def test_a_failing_medium_pauses_the_polls_and_loses_nothing(
    desk: Desk, tmp_path: Path, stack: ExitStack
) -> None:
    machine = Machine(desk, tmp_path / "one", bench.DEVICE, stack)
    device = machine.start()
    open_day(device)
    machine.feeder.load(SHEETS[:3])
    assert device.process_next().kind is A
    machine.folder.joinpath("medium").rename(tmp_path / "pulled")
    # The sheet is in the box and in the journal; the next one waits.
    assert device.process_next().kind is A
    assert machine.journal.count() == machine.feeder.status().box_count == 2
    assert device.state is DeviceState.PAUSED
    assert device.failures == {Failure.STORAGE_FAILING}
    outcome = device.process_next()
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAULT, "storage_failing")
    # Saying that it is right does not make it so.
    device.clear_failure(Failure.STORAGE_FAILING)
    assert device.failures == {Failure.STORAGE_FAILING}
    with pytest.raises(StateError, match="Storage is failing"):
        device.resume()
    (machine.folder / "medium").mkdir()
    device.clear_failure(Failure.STORAGE_FAILING)
    device.resume()
    assert device.process_next().kind is A
    assert machine.on_medium() == (3, "polls_open")


def test_after_a_cut_the_medium_catches_up(desk: Desk, tmp_path: Path, stack: ExitStack) -> None:
    machine = Machine(desk, tmp_path / "one", bench.DEVICE, stack)
    device = machine.start()
    open_day(device)
    machine.feeder.load(SHEETS[:3])
    device.process_next()
    before = machine.folder / "before"
    before.mkdir()
    kept = {p.name: p.read_bytes() for p in (machine.folder / "medium").iterdir()}
    device.process_next()
    # As if the power had gone between the journal's commit and the medium.
    for name, data in kept.items():
        (machine.folder / "medium" / name).write_bytes(data)
    assert machine.on_medium()[0] == 1
    machine.start()
    assert machine.on_medium()[0] == 2


def test_a_journal_older_than_its_medium_is_refused(
    desk: Desk, tmp_path: Path, stack: ExitStack
) -> None:
    """A copy of the journal put back, or a new journal under an old medium."""
    machine = Machine(desk, tmp_path / "one", bench.DEVICE, stack)
    device = machine.start()
    open_day(device)
    machine.feeder.load(SHEETS[:2])
    device.process_next()
    machine.stop()
    old = (machine.folder / "journal.sqlite").read_bytes()
    machine.journal = Journal(machine.folder / "journal.sqlite")
    machine.start().process_next()
    machine.stop()
    (machine.folder / "journal.sqlite").write_bytes(old)
    machine.journal = Journal(machine.folder / "journal.sqlite")
    with pytest.raises(MediumError, match="holds 2 records, the journal only 1"):
        machine.start()


def test_a_journal_of_before_the_close_is_not_voted_on(
    desk: Desk, tmp_path: Path, stack: ExitStack
) -> None:
    """Closed, results looked at, the journal of a minute before put back: as many records as
    on the medium, and once the polls were open again. A close undone by people goes on."""
    machine = Machine(desk, tmp_path / "one", bench.DEVICE, stack)
    device = machine.start()
    open_day(device)
    machine.feeder.load(SHEETS[:1])
    device.process_next()
    machine.stop()
    old = (machine.folder / "journal.sqlite").read_bytes()
    machine.journal = Journal(machine.folder / "journal.sqlite")
    device = machine.start()
    device.close_polls()
    closed = {p.name: p.read_bytes() for p in (machine.folder / "medium").iterdir()}
    device.reopen_polls()
    # As if cut between the journal's commit and the medium.
    for name, data in closed.items():
        (machine.folder / "medium" / name).write_bytes(data)
    assert machine.start().state is DeviceState.PAUSED
    assert machine.on_medium() == (1, "paused")
    machine.start().close_polls()
    machine.stop()
    (machine.folder / "journal.sqlite").write_bytes(old)
    machine.journal = Journal(machine.folder / "journal.sqlite")
    with pytest.raises(MediumError, match="knows of no close"):
        machine.start()
    assert machine.on_medium() == (1, "polls_closed")


def test_a_replacement_goes_on_where_a_dead_device_stopped(
    desk: Desk, tmp_path: Path, stack: ExitStack
) -> None:
    dead = Machine(desk, tmp_path / "one", bench.DEVICE, stack)
    device = dead.start()
    open_day(device)
    dead.feeder.load(SHEETS[:3])
    for _ in range(3):
        device.process_next()
    dead.stop()
    (dead.folder / "journal.sqlite").unlink()
    second = Machine(desk, tmp_path / "two", "scanner-002", stack)
    replacement = desk.take_over(
        dead.folder / "medium", second.folder / "journal.sqlite", second.id, box=3
    )
    device = second.start(replacement)
    open_day(device)
    second.feeder.load([bench.GOOD])
    device.process_next()
    with pytest.raises(StateError, match="was decided when it was configured"):
        second.start()
    close_day(device)
    package = read_package(device.export(), "p.zip")
    row = package.document("join.json")["replaces"][0]
    assert (row["device_id"], row["count"], row["box_counter"]) == (bench.DEVICE, 3, 3)
    events = [json.loads(line) for line in package.files["log/events.jsonl"].splitlines()]
    assert events[0]["detail"]["replaces"] == bench.DEVICE
    assert events[0]["detail"]["replaced_count"] == 3
    # What it took over it cannot read: only the authority can.
    assert package.document("totals.json")["sheets"] == 1
    assert second.on_medium() == (1, "exported")
    # The second medium carries both, should the second device die too.
    reading = read_medium(second.folder / "medium", desk.trust, at=bench.NOW)
    assert [slot.head.device_id for slot in reading.replaced] == [bench.DEVICE]


def test_a_death_is_rehearsed_in_test_mode_and_never_mixed_with_an_official_day(
    desk: Desk, tmp_path: Path, stack: ExitStack
) -> None:
    dead = Machine(desk, tmp_path / "one", bench.DEVICE, stack)
    device = dead.start()
    device.set_mode(Mode.TEST)
    open_day(device)
    dead.feeder.load([TEST, TEST])
    assert [device.process_next().kind for _ in range(2)] == [A, A]
    dead.stop()
    second = Machine(desk, tmp_path / "two", "scanner-002", stack)
    taken = desk.take_over(dead.folder / "medium", second.folder / "journal.sqlite", second.id)
    device = second.start(taken)
    # A new journal is official: not over a test count, whoever forgot the mode.
    with pytest.raises(MediumError, match="is of test mode, this device is in official mode: go"):
        open_day(device)
    device.set_mode(Mode.TEST)
    open_day(device)
    second.feeder.load([TEST])
    assert device.process_next().kind is A
    close_day(device)
    package = read_package(device.export(), "p.zip")
    assert package.manifest["mode"] == "test"
    assert package.document("join.json")["replaces"][0]["count"] == 2
    with pytest.raises(MediumError, match="go to test mode, or begin a new journal"):
        device.set_mode(Mode.OFFICIAL)


def test_an_older_journal_with_as_many_records_is_refused(
    desk: Desk, tmp_path: Path, stack: ExitStack
) -> None:
    machine = Machine(desk, tmp_path / "one", bench.DEVICE, stack)
    device = machine.start()
    open_day(device)
    machine.feeder.load(SHEETS[:2])
    device.process_next()
    device.process_next()
    path = machine.journal.path
    older = tmp_path / "older.sqlite"
    machine.journal.copy_to(older)
    device.pause()
    machine.stop()
    newer = path.read_bytes()
    path.write_bytes(older.read_bytes())
    machine.journal = Journal(path)
    with pytest.raises(MediumError, match=r"knows a log of \d+ events, the journal only"):
        machine.start()
    machine.stop()
    path.write_bytes(newer)
    machine.journal = Journal(path)
    assert machine.start().state is DeviceState.PAUSED
