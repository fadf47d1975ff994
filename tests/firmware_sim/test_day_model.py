"""The device against a model of its day: people, faults, cuts and clocks at random (NVT-04).

Hypothesis plays sequences of steps. The model knows the working day from its own table
(`NEXT`, written from the law of the day, not from the chart), the paper from the feeder, and
the people from their own list. After each step:

- a state changes only along the table, and only with those present who may;
- sheets in the box are the committed records, vote for vote, but for one open step;
- official polls open once; a closed count never changes while it is closed, and never again
  once it left; a zero tape is never printed over votes; nobody learns an early count;
- the log's chain holds, every step of people is in it with roles, and no person or vote.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from firmware_sim.device import DeviceState, Mode, OutcomeKind, PrecinctDevice
from firmware_sim.errors import FirmwareError, HumanStepError, StateError
from firmware_sim.failures import FAILURES, Failure
from firmware_sim.journal import Journal, Settlement
from firmware_sim.journal_file import Executes
from firmware_sim.package import read_package
from firmware_sim.roles import Person, Role, RoleError
from firmware_sim.voter import Question, VoterChoice
from hardware.errors import HardwareError, LinkError
from hardware.interface import FeederStatus
from tests.firmware_sim import bench

S = DeviceState
#: A folder in memory where there is one: thousands of durable commits, no disk.
FAST = Path("/dev/shm") if Path("/dev/shm").is_dir() else None

CHAIR, SECRETARY, MEMBER = (Person(r.value, r) for r in (Role.CHAIR, Role.SECRETARY, Role.MEMBER))
TECHNICIAN, OBSERVER = (Person(r.value, r) for r in (Role.TECHNICIAN, Role.OBSERVER))
EVERYONE = (CHAIR, SECRETARY, MEMBER, TECHNICIAN, OBSERVER)

#: The law of the day: from where a step may be taken, and where it leads.
NEXT: dict[str, dict[DeviceState, DeviceState]] = {
    "configure": {S.UNCONFIGURED: S.CONFIGURED},
    "self_test": {S.CONFIGURED: S.SELF_TESTED, S.SELF_TESTED: S.SELF_TESTED},
    "print_zero_tape": {S.SELF_TESTED: S.ZERO_PRINTED, S.ZERO_PRINTED: S.ZERO_PRINTED},
    "sign_zero_tape": {S.ZERO_PRINTED: S.ZERO_SIGNED},
    "open_polls": {S.ZERO_SIGNED: S.POLLS_OPEN},
    "pause": {S.POLLS_OPEN: S.PAUSED},
    "resume": {S.PAUSED: S.POLLS_OPEN},
    "close_polls": {S.POLLS_OPEN: S.POLLS_CLOSED, S.PAUSED: S.POLLS_CLOSED},
    "print_results": {
        S.POLLS_CLOSED: S.RESULTS_PRINTED,
        S.RESULTS_PRINTED: S.RESULTS_PRINTED,
        S.EXPORTED: S.EXPORTED,
    },
    "reopen_polls": {S.POLLS_CLOSED: S.PAUSED, S.RESULTS_PRINTED: S.PAUSED},
    "export": {S.RESULTS_PRINTED: S.EXPORTED, S.EXPORTED: S.EXPORTED},
    "seal": {S.EXPORTED: S.SEALED},
}
#: The step that a good day takes next.
ONWARD = {
    S.UNCONFIGURED: "configure",
    S.CONFIGURED: "self_test",
    S.SELF_TESTED: "print_zero_tape",
    S.ZERO_PRINTED: "sign_zero_tape",
    S.ZERO_SIGNED: "open_polls",
    S.POLLS_OPEN: "close_polls",
    S.PAUSED: "resume",
    S.POLLS_CLOSED: "print_results",
    S.RESULTS_PRINTED: "export",
    S.EXPORTED: "seal",
    S.SEALED: "seal",
}
#: Steps that take two people, and which two.
OFFICIALS = {Role.CHAIR, Role.SECRETARY, Role.MEMBER}
SECOND = {Role.SECRETARY, Role.MEMBER}
TWO: dict[str, set[Role]] = {
    "sign_zero_tape": SECOND,
    "open_polls": SECOND,
    "close_polls": SECOND,
    "reopen_polls": {Role.TECHNICIAN},
    "set_mode": {Role.TECHNICIAN},
    "print_results_again": SECOND,
}
#: Every event of people, by the step that it is of.
EVENT_OF = {
    "configure": "configured",
    "self_test": "self_test_passed",
    "print_zero_tape": "zero_tape_printed",
    "sign_zero_tape": "zero_tape_signed",
    "open_polls": "polls_opened",
    "pause": "polls_paused",
    "resume": "polls_resumed",
    "close_polls": "polls_closed",
    "print_results": "results_tape_printed",
    "print_results_again": "results_tape_printed_again",
    "reopen_polls": "polls_reopened",
    "export": "exported",
    "seal": "sealed",
    "set_mode": "mode_set",
}
KINDS = {
    name: {
        mode: sheet.replace(b'"official"', f'"{mode}"'.encode()) for mode in ("official", "test")
    }
    for name, sheet in {
        "good": bench.GOOD,
        "other": bench.OTHER,
        "both": bench.BOTH,
        "blank": bench.BLANK,
        "overvoted": bench.OVERVOTED,
        "doubtful": bench.DOUBTFUL,
        "elsewhere": bench.FOREIGN_STYLE,
    }.items()
}
PRESENT = st.one_of(st.just(EVERYONE), st.sets(st.sampled_from(EVERYONE)).map(tuple))
TROUBLES = st.sampled_from(
    [
        *(f"scanner {fault}" for fault in ("jam", "double_feed", "box_full", "hum", "power")),
        *(f"sensor {word}" for word in ("power_low", "tamper_seal_broken", "storage_failing")),
        *("cable", "answer", "answer", "place", "printer", "medium", "clock"),
    ]
)
BEFORE_OPENING = (S.CONFIGURED, S.SELF_TESTED, S.ZERO_PRINTED, S.ZERO_SIGNED)


class Cut(BaseException):
    """The power goes: nothing after this runs."""


def votes(sheet: bytes) -> tuple[Any, ...]:
    read = bench.JsonSheetReader().read_images([sheet])
    return tuple((c.contest_id, c.votes, c.status) for c in read.contests)


class Box(bench.FileFeeder):
    """The feeder, and a witness who looks at every sheet that drops into the box."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seen: list[tuple[Any, ...]] = []
        self.kinds: set[str] = set()
        self.unplugged = False

    def status(self) -> FeederStatus:
        if self.unplugged:
            raise LinkError("the cable is out")
        return super().status()

    def _act(self, token: str, place: str, into_box: int) -> None:
        if self.unplugged:
            raise LinkError("the cable is out")
        state = self._state()
        if state["token"] != token and state["held"] is not None and into_box:
            self.seen.append(votes(state["held"].encode()))
            self.kinds.add(json.loads(state["held"])["kind"])
        super()._act(token, place, into_box)


class CutJournal(Journal):
    """A journal that loses its power before or after the n-th write from now."""

    countdown: int | None = None

    @contextmanager
    def _transaction(self, **how: bool) -> Iterator[Executes]:
        with self._power(), super()._transaction(**how) as opened:
            yield opened

    def _write_intention(self, *what: Any) -> None:
        with self._power():
            super()._write_intention(*what)

    def settle(self, token: str, settlement: Settlement) -> None:
        with self._power():
            super().settle(token, settlement)

    @contextmanager
    def _power(self) -> Iterator[None]:
        if self._cut_now():
            raise Cut
        yield
        if self._cut_now():
            raise Cut

    def _cut_now(self) -> bool:
        if self.countdown is None:
            return False
        self.countdown -= 1
        return self.countdown < 0


class Surroundings:
    """Clock, sensors, voter and medium in one: what the device is given."""

    def __init__(self) -> None:
        self.now = bench.NOW
        self.seen: set[Failure] = set()
        self.choice = VoterChoice.RETURN
        self.medium_fails = False

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def conditions(self) -> Collection[Failure]:
        return frozenset(self.seen)

    def ask(self, question: Question) -> VoterChoice:
        assert set(question.words) == {"kk", "ru", "en"}
        return self.choice

    def update(self, journal: Journal, document: Any, record: Any = None) -> None:
        if self.medium_fails:
            raise OSError("no space left on the medium")
        assert journal.count() == document["counters"]["accepted"]


class Day(RuleBasedStateMachine):
    """One device, its paper and its people."""

    keys: Path
    reached: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=FAST))
        self.setup = bench.setup(self.keys)
        self.feeder = Box(self.folder / "feeder.json")
        self.printer = bench.ListPrinter()
        self.world = Surroundings()
        self.journal = CutJournal(self.folder / "j.sqlite")
        self.closed: tuple[Counter[Any], int] | None = None
        self.left: Counter[Any] | None = None
        self.packages: dict[int, tuple[str, bytes]] = {}
        self.mode = Mode.OFFICIAL
        # Of its own, so that a sequence can be played again.
        self.chance = random.Random(1)

    @initialize(identified=st.booleans(), screen=st.booleans())
    def begin(self, identified: bool, screen: bool) -> None:
        self.identified, self.screen = identified, screen
        self.device = self._device()

    def _device(self) -> PrecinctDevice:
        return PrecinctDevice(
            self.setup,
            journal=self.journal,
            feeder=self.feeder,
            reader=bench.JsonSheetReader(),
            printer=self.printer,
            clock=self.world.clock,
            randomness=self.chance.randbytes,
            people_identified=self.identified,
            voter=self.world if self.screen else None,
            sensors=self.world,
            medium=self.world,
        )

    def teardown(self) -> None:
        self.reached.update(event.kind for event in self.journal.events())
        self.journal.countdown = None
        self.journal.close()
        # Opening checks every sum and the whole chain.
        Journal(self.folder / "j.sqlite").close()
        shutil.rmtree(self.folder)

    # --- what people do ---------------------------------------------------------------

    @rule(steps=st.integers(1, 6), put_right=st.booleans())
    def onward(self, steps: int, put_right: bool) -> None:
        """As a good morning goes, or a good evening."""
        if put_right:
            self.all_is_put_right()
        for _ in range(steps):
            before = self.device.state
            self._take(ONWARD[before], EVERYONE)
            if self.device.state in (before, S.POLLS_OPEN, S.SEALED):
                break

    @precondition(lambda self: self.device.state in (S.POLLS_OPEN, S.POLLS_CLOSED))
    @rule(step=st.sampled_from(["reopen_polls", "print_results"]), present=PRESENT)
    def after_the_tape(self, step: str, present: Sequence[Person]) -> None:
        """The results are printed, and then someone has second thoughts."""
        self.all_is_put_right()
        while self.device.state is not S.RESULTS_PRINTED:
            before = self.device.state
            self._take(ONWARD[before], EVERYONE)
            if self.device.state is before:
                return
        self._take(step, present)

    @precondition(lambda self: self.device.state in (S.POLLS_CLOSED, S.RESULTS_PRINTED))
    @rule(writes=st.integers(0, 2))
    def an_export_is_cut(self, writes: int) -> None:
        """And then someone wants to open the polls again."""
        self.all_is_put_right()
        while self.device.state is S.POLLS_CLOSED:
            self._take("print_results", EVERYONE)
            if self.device.failures:
                return
        self.journal.countdown = writes
        self._take("export", EVERYONE)
        self.journal.countdown = None
        self._take("reopen_polls", EVERYONE)

    @precondition(lambda self: self.device.state is S.EXPORTED)
    @rule()
    def the_same_election_again(self) -> None:
        """By way of a test day, which clears everything."""
        self.all_is_put_right()
        for mode in (Mode.TEST, Mode.OFFICIAL):
            self.change_mode(mode, EVERYONE)
        self.onward(6, True)

    @rule(pick=st.integers(0, 2), present=PRESENT)
    def sensible(self, pick: int, present: Sequence[Person]) -> None:
        """Any step that leads on from here."""
        steps = [step for step, places in NEXT.items() if self.device.state in places]
        if steps:
            self._take(steps[pick % len(steps)], present)

    @rule(step=st.sampled_from(sorted(NEXT)), present=PRESENT)
    def anything(self, step: str, present: Sequence[Person]) -> None:
        self._take(step, present)

    @rule(mode=st.sampled_from(Mode), present=st.sampled_from([EVERYONE, (CHAIR,)]))
    def change_mode(self, mode: Mode, present: Sequence[Person]) -> None:
        before, kept = self.device.state, self._records()
        official = self.device.mode is Mode.OFFICIAL
        opened = self._opened_officially()
        if not self._tried(
            "set_mode", present, lambda: self.device.set_mode(mode, present=present)
        ):
            return
        self.mode = mode
        assert self.device.state is S.CONFIGURED
        assert self.device.mode is mode
        assert self._records() == Counter()
        # Official records that did not leave are never cleared.
        assert not official or not kept or before is S.EXPORTED
        assert self._opened_officially() == opened
        self.closed = self.left = None
        self._empty_box()

    @precondition(lambda self: self.device.state in BEFORE_OPENING)
    @rule()
    def empty_box(self) -> None:
        self._empty_box()

    def _empty_box(self) -> None:
        self.feeder.change(box=0)
        self.feeder.seen.clear()
        self.feeder.kinds.clear()

    @rule(
        names=st.lists(st.sampled_from(sorted(KINDS)), max_size=4),
        right=st.booleans(),
        choice=st.sampled_from(VoterChoice),
    )
    def vote(self, names: list[str], right: bool, choice: VoterChoice) -> None:
        self.world.choice = choice
        mode = self.mode if right else Mode.TEST
        self.feeder.load([KINDS[name][mode.value] for name in names])
        for _ in range(len(names) + 1):
            try:
                outcome = self.device.process_next()
            except HumanStepError:
                return
            except StateError:
                assert self.device.state is not S.POLLS_OPEN
                break
            except Cut:
                self.cut()
                return
            if outcome.kind is OutcomeKind.FAULT:
                assert outcome.reason in set(Failure)
        self.feeder.change(tray=[])

    @rule(honest=st.just(True))
    def say_where_the_sheet_is(self, honest: bool) -> None:
        intention = self.journal.open_intention()
        if intention is None:
            with pytest.raises((StateError, RoleError)):
                self.device.answer_sheet_place(in_box=honest, by="the chair", present=EVERYONE)
            return
        state = self.feeder._state()
        in_box = state["token"] == intention.token and intention.record is not None
        if not in_box and state["held"] is not None:
            # The one who looks takes it out.
            self.feeder.change(held=None, place="none")
        try:
            self.device.answer_sheet_place(in_box=in_box, by="the chair", present=EVERYONE)
        except Cut:
            self.cut()

    @rule(failure=st.sampled_from(Failure), present=st.sampled_from([EVERYONE, (OBSERVER,)]))
    def clear(self, failure: Failure, present: Sequence[Person]) -> None:
        held = failure in self.device.failures
        done = self._tried(
            None, present, lambda: self.device.clear_failure(failure, present=present)
        )
        if done:
            assert held
            assert not self.identified or present is EVERYONE
            assert failure not in self.world.seen

    # --- what happens to the device ----------------------------------------------------

    @rule()
    def cut(self) -> None:
        """The process ends, without a word; a new one takes up the journal."""
        self.journal.countdown = None
        self.journal.close()
        self.journal = CutJournal(self.folder / "j.sqlite")
        self.world.medium_fails = False  # a device does not start on a broken medium
        self.device = self._device()

    @rule(writes=st.integers(0, 7))
    def power_will_go(self, writes: int) -> None:
        self.journal.countdown = writes

    @rule(what=TROUBLES, jump=st.sampled_from([-86_400, -3_600, -30, 30, 3_600]))
    def trouble(self, what: str, jump: int) -> None:
        match what.split():
            case ["scanner", fault]:
                self.feeder.change(fault=fault)
            case ["sensor", word]:
                self.world.seen.add(Failure(word))
            case ["cable"]:
                self.feeder.unplugged = True
            case ["answer"]:
                self.feeder.lose_answer_once = True
            case ["place"]:
                if self.journal.open_intention() is not None:
                    self.feeder.change(place="unknown")
            case ["printer"]:
                self.printer.jammed = True
            case ["medium"]:
                self.world.medium_fails = True
            case ["clock"]:
                self.world.now += timedelta(seconds=jump)

    @rule()
    def all_is_put_right(self) -> None:
        self.feeder.change(fault=None)
        self.feeder.unplugged = self.feeder.lose_answer_once = False
        self.printer.jammed = self.world.medium_fails = False
        self.world.seen = set()
        last = self.journal.state().get("clock")
        if last is not None:
            self.world.now = max(self.world.now, datetime.fromisoformat(last))
        for failure in sorted(self.device.failures):
            if FAILURES[failure].clears is not None:
                step = partial(self.device.clear_failure, failure, present=EVERYONE)
                self._tried(None, EVERYONE, step)

    # --- taking a step -----------------------------------------------------------------

    def _take(self, step: str, present: Sequence[Person]) -> None:
        before = self.device.state
        again = step == "print_results" and before in (S.RESULTS_PRINTED, S.EXPORTED)
        action = getattr(self.device, step)
        if step == "export":
            action = partial(action, save=self._saved)
        tapes, result = len(self.printer.tapes), []
        name = f"{step}_again" if again else step
        done = self._tried(name, present, lambda: result.append(action(present=present)))
        if step == "print_zero_tape" and len(self.printer.tapes) > tapes:
            assert self.feeder.seen == []
            assert self._records() == Counter()
        if not done:
            return
        if step == "self_test" and result and not all(check.passed for check in result[0]):
            assert self.device.state is before
            return
        assert NEXT[step].get(before) is self.device.state, (before, step, self.device.state)
        if step == "reopen_polls":
            assert self.left is None
            self.closed = None

    def _tried(
        self, step: str | None, present: Sequence[Person], action: Callable[[], object]
    ) -> bool:
        """Was it done? A refusal changes nothing but what a failure does by itself."""
        before, events = self.device.state, len(self.journal.events())
        try:
            action()
        except RoleError:
            assert self.identified
            done = False
        except (FirmwareError, HardwareError):
            done = False
        except Cut:
            self.cut()
            # Written whole or not at all; which of the two, the journal says.
            done = step is not None and any(
                event.kind == EVENT_OF[step] for event in self.journal.events()[events:]
            )
        else:
            done = True
        if not done:
            paused_itself = before is S.POLLS_OPEN and self.device.state is S.PAUSED
            # A bench configures itself when it is made again after a cut.
            began = (before, self.device.state) == (S.UNCONFIGURED, S.CONFIGURED)
            assert self.device.state is before or paused_itself or began
        elif step is not None:
            self._logged(step, present, events)
        return done

    def _logged(self, step: str, present: Sequence[Person], events: int) -> None:
        said = [e for e in self.journal.events()[events:] if e.kind == EVENT_OF[step]]
        if step == "self_test" and not said:
            return
        assert len(said) == 1, step
        by = str(said[0].detail["by"])
        if not self.identified:
            assert by == "unidentified"
            return
        roles = {Role(word) for word in by.split("+")}
        assert roles <= {person.role for person in present}
        if step in TWO:
            assert Role.CHAIR in roles
            assert roles & TWO[step]
        else:
            assert roles <= OFFICIALS | {Role.TECHNICIAN}

    def _saved(self, data: bytes) -> None:
        """A package leaves, whatever becomes of the device at the next instant."""
        package = read_package(data, "p.zip")
        manifest = package.manifest
        assert manifest["mode"] == self.mode.value
        assert package.document("totals.json")["sheets"] == sum(self._records().values())
        number = manifest["export_number"]
        # A number belongs to one package for ever, in whatever mode.
        figures = manifest["package_id"], package.files["totals.json"]
        assert self.packages.setdefault(number, figures) == figures
        self.left = self._records()

    def _records(self) -> Counter[Any]:
        return Counter(
            tuple((c.contest_id, c.votes, c.status) for c in record.contests)
            for record in self.journal.records()
        )

    def _opened_officially(self) -> int:
        return sum(
            event.kind == "polls_opened" and event.detail["mode"] == "official"
            for event in self.journal.events()
        )

    # --- what must always hold -----------------------------------------------------------

    @invariant()
    def paper_is_records(self) -> None:
        box, records = Counter(self.feeder.seen), self._records()
        if self.journal.open_intention() is None:
            assert box == records
        else:
            assert not records - box
            assert (box - records).total() <= 1
        assert self.feeder.kinds <= {self.mode.value}

    @invariant()
    def official_polls_open_once(self) -> None:
        assert self._opened_officially() <= 1

    @invariant()
    def a_closed_count_stands(self) -> None:
        if not hasattr(self, "device"):
            return
        if not self.device.state.is_closed:
            if self.left is not None:
                assert self.device.state is S.CONFIGURED
            self.closed = None
            return
        now = self._records(), self.device.counters["accepted"]
        assert self.closed in (None, now)
        assert self.left in (None, now[0])
        assert self.device.totals()["sheets"] == now[1]
        self.closed = now

    @invariant()
    def nobody_knows_early(self) -> None:
        if hasattr(self, "device") and self.device.state in (S.POLLS_OPEN, S.PAUSED):
            self.journal.countdown = None
            for door in (self.device.totals, self.device.results_tape, self.device.export):
                with pytest.raises((StateError, RoleError)):
                    door()

    @invariant()
    def the_log_tells_steps_and_no_votes(self) -> None:
        events = self.journal.events()
        text = "".join(str(event.detail) for event in events[-3:])
        assert "option-" not in text
        assert "overvote" not in text
        assert all("by" in event.detail for event in events if event.kind in set(EVENT_OF.values()))


#: 500 sequences in the default run, in parts that run side by side.
PARTS = 4
SEQUENCES = 500
FIRST_SEED = 20260319


@pytest.mark.parametrize("part", range(PARTS))
def test_random_days(part: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    keys = tmp_path_factory.getbasetemp() / "day-keys"

    class Part(Day):
        """Its own sequences, by its own seed."""

    Part.keys = keys
    Part.reached = Counter()
    run_state_machine_as_test(
        seed(FIRST_SEED + part)(Part),
        settings=settings(
            max_examples=SEQUENCES // PARTS,
            stateful_step_count=40,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    # The sequences went everywhere, or they would show nothing.
    assert set(EVENT_OF.values()) <= set(Part.reached)
