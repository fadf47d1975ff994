"""The precinct device: a polling day's steps, each allowed, identified, durable and logged.

1. What may follow what is in `firmware_sim.states`, what bars a step in
   `firmware_sim.failures`, who may take it in `firmware_sim.roles` (NVT-04). All are asked
   before anything moves; what is not allowed is refused in words.
2. The zero tape is printed only over an empty box and no records; official polls open once
   (`firmware_sim.preparation`).
3. A sheet is first read, then judged by the profile's `device` rules and shown to its voter;
   paper and record move together, exactly once (`firmware_sim.sheets`).
4. Totals are summed from the records whenever they are asked for (`firmware_sim.results`).
5. The state is all in the journal; the object can be made anew at any time.

Link, paper, clock, printer, randomness, voter, sensors and medium are given by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from firmware_sim.checks import Check
from firmware_sim.errors import StateError
from firmware_sim.eventlog import Detail
from firmware_sim.failures import FAILURES, Failure, Sensors
from firmware_sim.journal import Intention, Journal
from firmware_sim.judgement import OutcomeKind, SheetOutcome
from firmware_sim.ledger import Ledger, Medium
from firmware_sim.polls import Polls
from firmware_sim.preparation import Preparation
from firmware_sim.printing import TapePrinter
from firmware_sim.probes import PowerProbe, probe_power
from firmware_sim.readiness import Readiness
from firmware_sim.reading import PrinterLike, SheetReaderLike
from firmware_sim.results import Results
from firmware_sim.roles import Action, Person
from firmware_sim.setup import DeviceSetup
from firmware_sim.sheets import SheetPath
from firmware_sim.states import DeviceState, Mode
from firmware_sim.tapes import Tape
from firmware_sim.voter import Voter
from hardware.interface import Feeder
from scanner.reading import PageReading, Thresholds

__all__ = [
    "DeviceSetup",
    "DeviceState",
    "Mode",
    "OutcomeKind",
    "PrecinctDevice",
    "SheetOutcome",
]

#: Nobody: enough at a device without identified people.
NOBODY: Sequence[Person] = ()


class PrecinctDevice:
    """One precinct's device. See the module for its rules.

    Every step takes `present`, the people who act, and may raise `RoleError` (they may not),
    `StateError` (not now; says why) and `JournalError` (it cannot be written: stop).
    """

    def __init__(
        self,
        setup: DeviceSetup,
        *,
        journal: Journal,
        feeder: Feeder,
        reader: SheetReaderLike,
        printer: PrinterLike,
        clock: Callable[[], datetime],
        randomness: Callable[[int], bytes],
        people_identified: bool = False,
        people_version: int = 0,
        voter: Voter | None = None,
        sensors: Sensors | None = None,
        power: Callable[[], PowerProbe] = probe_power,
        medium: Medium | None = None,
    ) -> None:
        """Take up the journal's state.

        A device without identified people (a bench) allows every step, says "unidentified"
        in its log, and configures a new journal at once; one with them waits for `configure`.

        Args:
            clock: gives the time, timezone-aware.
            randomness: gives n unpredictable bytes (`secrets.token_bytes`).
            people_identified: those `present` have proved who they are.
            people_version: by which list of the register of people; an older one is refused
                from then on, and so is none.
            voter: the voter's screen; None: sheets to look at again are returned.
            sensors: what watches power, seals and storage.
            power: mains and charge, for the readiness report.
            medium: a removable medium that follows the count (`medium.ContinuousExport`).

        Raises:
            StateError: the journal or the key belongs to another election, precinct or device.
            MediumError: the medium is another device's, or holds more than the journal.
        """
        setup.check()
        self._setup = setup
        self._feeder = feeder
        self._randomness = randomness
        self._journal = journal
        self._ledger = Ledger(
            setup,
            journal,
            clock,
            people_identified=people_identified,
            people_version=people_version,
            sensors=sensors,
            medium=medium,
        )
        self._sheets = SheetPath(
            self._ledger,
            feeder=feeder,
            reader=reader,
            randomness=randomness,
            voter=voter,
        )
        tapes = TapePrinter(self._ledger, printer)
        self._preparation = Preparation(self._ledger, self._sheets, tapes, power)
        self._results = Results(self._ledger, tapes, randomness)
        self._polls = Polls(self._ledger, self._sheets, self._preparation, self._results)
        if self.state is DeviceState.UNCONFIGURED and not people_identified:
            self.configure()

    # --- what it is ------------------------------------------------------------------

    @property
    def setup(self) -> DeviceSetup:
        """Election, rules, precinct and key."""
        return self._setup

    @property
    def state(self) -> DeviceState:
        """The present state of the day."""
        return self._ledger.state

    @property
    def mode(self) -> Mode:
        """Official or test."""
        return self._ledger.mode

    @property
    def failures(self) -> frozenset[Failure]:
        """The failure states that hold, as last seen."""
        return self._ledger.failures

    @property
    def counters(self) -> Mapping[str, int]:
        """Sheets fed, accepted, returned and refused, as committed."""
        return dict(self._ledger.document["counters"])

    @property
    def results_printed(self) -> bool:
        """Has the results tape of this closing been printed?"""
        return self.state.is_closed and self.state is not DeviceState.POLLS_CLOSED

    @property
    def box_counter(self) -> int | None:
        """Sheets in the box by the scanner's own counter when the polls closed, or as read by
        people where it was dead (`close_without_scanner`); None before, or not known.

        Where it is not the number of records a sheet went in unrecorded, or a record has no
        sheet: the tape shows both, and the reconciliation makes it a finding (SEED-11).
        """
        counter: int | None = self._ledger.document["box_counter"]
        return counter

    def totals(self) -> dict[str, Any]:
        """The count so far, as in `totals.json`.

        Raises:
            StateError: votes are being cast: nobody may know an early count.
        """
        return self._results.totals()

    def findings(self) -> tuple[str, ...]:
        """Where the device's counts of sheets differ (`checks.differences`): after the close,
        or, while votes are being cast, at the slip printed last."""
        if self.state.may_have_early_count:
            return self._polls.differing
        return self._results.findings(self.box_counter)

    # --- before the day --------------------------------------------------------------

    def configure(self, *, present: Sequence[Person] = NOBODY) -> None:
        """Tie a new journal to this election, precinct and device."""
        self._ledger.step(
            Action.CONFIGURE, present, {}, kind="configured", detail=self._setup.said()
        )

    def set_mode(self, mode: Mode, *, present: Sequence[Person] = NOBODY) -> None:
        """Go to test or official mode: everything is cleared, back to *configured*.

        Raises:
            StateError: votes are being cast, or official records were not exported.
        """
        self._preparation.set_mode(mode, present)

    def self_test(self, *, present: Sequence[Person] = NOBODY) -> tuple[Check, ...]:
        """Check journal, scanner, clock, key and failures; all must hold to go on."""
        return self._preparation.self_test(present)

    def readiness(
        self,
        read: Callable[[tuple[bytes, ...]], Sequence[PageReading]],
        thresholds: Thresholds,
        *,
        present: Sequence[Person] = NOBODY,
        media: Mapping[str, Path] = MappingProxyType({}),
        software: Sequence[str] | None = None,
    ) -> Readiness:
        """Try every part before the day, blank papers and a test tape among them; logged.

        Papers in the tray are measured and given back; nothing is recorded or accepted.

        Args:
            read: a sheet's sides (encoded images) to its pages' readings.
            thresholds: the limits in force.
            media: folders that are written beside the journal's, by name.
            software: where the software differs from the certified one, a line each; None:
                it was compared with nothing.

        Raises:
            StateError: the day has begun.
        """
        return self._preparation.readiness(
            self._feeder, read, thresholds, self._randomness, present, media, software
        )

    def print_zero_tape(self, *, present: Sequence[Person] = NOBODY) -> Tape:
        """Print the zero tape over an empty box and no records. Returns the tape.

        Raises:
            HardwareError: feeder or printer fail; nothing has moved.
        """
        return self._preparation.print_zero_tape(present)

    def sign_zero_tape(self, *, present: Sequence[Person] = NOBODY) -> None:
        """The commission has signed the zero tape on paper."""
        self._ledger.step(Action.SIGN_ZERO_TAPE, present, {}, kind="zero_tape_signed")

    # --- the polls -------------------------------------------------------------------

    def open_polls(self, *, present: Sequence[Person] = NOBODY) -> None:
        """Open the polls; once only in official mode.

        Raises:
            HardwareError: the feeder cannot be asked; the polls stay closed.
        """
        self._polls.open(present)

    def process_next(self) -> SheetOutcome:
        """Take one sheet through: read, judge, accept or return.

        A fault of link or paper is an outcome, not an exception: put it right and call
        again, the same sheet is settled exactly once.

        An accepted sheet is in the box, and its record on its way to the disk beside the next
        call, which waits for it, as `settled` does; a cut before leaves the intention, and the
        feeder's token.

        Raises:
            StateError: the polls are not open.
            HumanStepError: the place of a sheet cannot be known; see `answer_sheet_place`.
            JournalError: the last sheet's record, or this one's intention, cannot be written.
        """
        self._ledger.watch()
        if self.state is not DeviceState.POLLS_OPEN:
            paused_by = [f for f in Failure if f in self.failures and FAILURES[f].pauses]
            if self.state is DeviceState.PAUSED and paused_by:
                words = FAILURES[paused_by[0]].words["en"]
                return SheetOutcome(OutcomeKind.FAULT, paused_by[0].value, words)
            self._ledger.check_step(Action.TAKE_SHEETS, {})
        return self._sheets.process_next()

    def settled(self) -> None:
        """Until the last sheet's record is durable.

        Raises:
            JournalError: it cannot be written.
        """
        self._ledger.journal.settled()

    def spoil_held(self, paper: str) -> SheetOutcome:
        """Send the record under glass to the spoiled ones (`firmware_sim.dre`); `paper` is
        what it is (`election.places.paper_key`).

        Raises:
            StateError: the polls are not open, or no record is there.
            HumanStepError, HardwareError: as `recover`.
        """
        self._ledger.watch()
        if self.state is not DeviceState.POLLS_OPEN:
            self._ledger.check_step(Action.TAKE_SHEETS, {})
        return self._sheets.spoil(paper)

    def note(self, kind: str, detail: Detail) -> None:
        """Log what a part of the device does that moves no sheet."""
        self._ledger.write({}, kind, detail)

    def authorise(self, action: Action, present: Sequence[Person]) -> str:
        """Who acts, as the log says it: roles, never names. Changes nothing.

        Raises:
            RoleError: those present may not.
        """
        return self._ledger.authorise(action, present)

    def recover(self) -> Intention | None:
        """Finish or undo the one step that a cut left open; None when there was none.

        Raises:
            HumanStepError: the feeder does not know where the sheet is.
            HardwareError: the feeder cannot be asked.
        """
        return self._sheets.recover()

    def answer_sheet_place(
        self, *, in_box: bool, by: str, present: Sequence[Person] = NOBODY
    ) -> None:
        """Settle the open step by what a person saw; logged with who said so.

        Raises:
            StateError: nobody is named, no step is open, or the scanner itself knows where the
                sheet is, and says otherwise; nothing was changed.
            HardwareError: the scanner cannot be asked; nothing was changed.
        """
        roles = self._ledger.authorise(Action.SETTLE_SHEET, present)
        if not by.strip():
            raise StateError("say who looked for the sheet: it goes into the log")
        said: Detail = {"said_by": by, "in_box": in_box, "by": roles}
        self._sheets.answer_place(in_box=in_box, said=said)

    def pause(self, *, present: Sequence[Person] = NOBODY) -> Tape:
        """Stop taking sheets for a while; prints the slip of sheets so far and returns it."""
        return self._polls.pause(present)

    def resume(self, *, present: Sequence[Person] = NOBODY) -> Tape:
        """Take sheets again; prints the slip of sheets so far and returns it."""
        return self._polls.resume(present)

    def clear_failure(self, failure: Failure, *, present: Sequence[Person] = NOBODY) -> None:
        """People say that a failure is put right.

        Raises:
            StateError: it does not hold, or is still reported.
        """
        self._polls.clear_failure(failure, present)

    def reopen_box(self, *, present: Sequence[Person] = NOBODY) -> None:
        """The box is opened before witnesses (to make room); the counters stay."""
        self._polls.reopen_box(present)

    def close_polls(self, *, present: Sequence[Person] = NOBODY) -> None:
        """Close, and rewrite the journal in id order.

        Raises:
            HumanStepError, HardwareError: as `recover`; the polls stay open.
        """
        self._polls.close(present)

    def close_without_scanner(
        self,
        *,
        box_counter: int | None,
        said_by: str,
        in_box: bool | None = None,
        present: Sequence[Person] = NOBODY,
    ) -> None:
        """Close where the scanner is dead, so that its count of the box cannot be had.

        Args:
            box_counter: sheets in the box, as people read it from the box's own counter;
                None: not known. Tape, package and log say that nothing has checked it.
            said_by: who looked; goes into the log.
            in_box: where the sheet of an open step is, as people saw it.

        Raises:
            StateError: the scanner answers, or `in_box` answers nothing.
            HumanStepError: a step is open and `in_box` does not say where its sheet is.
        """
        self._polls.close_without_scanner(box_counter, said_by, in_box, present)

    def reopen_polls(self, *, present: Sequence[Person] = NOBODY) -> Tape:
        """Undo a close that came too early: to *paused*, while no results have left. Prints
        the slip that voids the tape, if one was printed, and returns it."""
        return self._polls.reopen(present)

    # --- results ---------------------------------------------------------------------

    def print_results(
        self, *, issued: Mapping[str, int] | None = None, present: Sequence[Person] = NOBODY
    ) -> Tape:
        """Print the results tape; printed before, it is a re-run, which takes two people.

        Args:
            issued: papers handed out by ballot style, from the commission's own count; None
                keeps what was told before.

        Raises:
            HardwareError: the printer fails; call again when it is right.
        """
        return self._results.print(issued, present)

    def results_tape(self) -> Tape:
        """The results tape; only after the close.

        Raises:
            StateError: the polls are not closed.
        """
        return self._results.tape()

    def export(
        self,
        *,
        issued: Mapping[str, int] | None = None,
        present: Sequence[Person] = NOBODY,
        save: Callable[[bytes], None] | None = None,
    ) -> bytes:
        """The signed results package (`firmware_sim.package`).

        Each export has its own number and package id; the figures are the same. One that was
        not saved is made again under its own number.

        Args:
            issued: papers handed out by ballot style, from the commission's own count; None:
                as told for the tape.
            save: puts the package in its place; the export counts as done when it returns.

        Raises:
            StateError: the polls are not closed or the results tape is not printed.
            CountError: `issued` names a style the precinct has not.
        """
        return self._results.export(issued, present, save)

    def seal(self, *, present: Sequence[Person] = NOBODY) -> None:
        """End the day: from now on the device can only be read."""
        self._ledger.step(Action.SEAL, present, {}, kind="sealed")
