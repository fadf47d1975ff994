"""The precinct device: the states of a polling day, and a sheet's way into the box.

States and steps (NVT-04); any other step is refused with a `StateError`:

    configured --open_polls--> polls_open --close_polls--> polls_closed --export--> exported
                               process_next …                              export again …

1. The zero tape is printed only over an empty box and no records; polls open once.
2. A sheet is first read, then judged by the profile's `device` rules: accepted, returned
   to its voter with the reason, or refused because it cannot be trusted.
3. Exactly once, paper and record: *intend* is on the disk before the feeder is asked to
   act, *commit* after it confirmed. After any cut `recover` asks the feeder for its last
   token and finishes or undoes exactly that one step. Where the place of the paper cannot
   be known a person looks and says so (`answer_sheet_place`), and that is logged.
4. The state is all in the journal; the object can be made anew at any time.

Link, paper, clock, printer and randomness are given by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from firmware_sim import tapes
from firmware_sim.counting import count_records
from firmware_sim.errors import HumanStepError, StateError
from firmware_sim.eventlog import Detail, utc_text
from firmware_sim.export import ExportFigures, package_files
from firmware_sim.identity import code_hash
from firmware_sim.journal import Intention, Journal
from firmware_sim.judgement import (
    OutcomeKind,
    PlaceVerdict,
    SheetOutcome,
    judge,
    place_verdict,
)
from firmware_sim.package import build_package
from firmware_sim.reading import PrinterLike, SheetReaderLike
from firmware_sim.setup import DeviceSetup, DeviceState
from hardware.errors import HardwareError
from hardware.interface import Feeder, PaperPlace
from scanner.cvr import new_record
from scanner.errors import PageRefusedError

__all__ = [
    "DeviceSetup",
    "DeviceState",
    "OutcomeKind",
    "PrecinctDevice",
    "SheetOutcome",
]


class PrecinctDevice:
    """One precinct's device. See the module for its rules."""

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
    ) -> None:
        """Take up the journal's state, or configure a new journal.

        Args:
            clock: gives the time, timezone-aware.
            randomness: gives n unpredictable bytes (`secrets.token_bytes`).

        Raises:
            StateError: the journal or the key belongs to another election, precinct or device.
        """
        self._setup = setup
        self._election = setup.election
        self._profile = setup.profile
        self._precinct_id = setup.precinct_id
        self._signer = setup.signer
        self._journal = journal
        self._feeder = feeder
        self._reader = reader
        self._printer = printer
        self._clock = clock
        self._randomness = randomness
        # In memory only: kept on disk it would tie a record to the sheet before it.
        self._last_return: tuple[str, str] | None = None
        self._styles = setup.check()
        self._document = journal.state() or self._configure()
        setup.check_binding(self._document)

    # --- what it is ------------------------------------------------------------------

    @property
    def state(self) -> DeviceState:
        """The present state."""
        return DeviceState(self._document["state"])

    @property
    def counters(self) -> Mapping[str, int]:
        """Sheets fed, accepted, returned and refused, as committed."""
        return dict(self._document["counters"])

    @property
    def results_printed(self) -> bool:
        """Has the results tape been printed?"""
        return bool(self._document["results_printed"])

    @property
    def box_counter(self) -> int | None:
        """Sheets in the box by the scanner's own counter when the polls closed; None before.

        Where it is not the number of records a sheet went in unrecorded, or a record has no
        sheet: the tape shows both, and the reconciliation makes it a finding (SEED-11).
        """
        counter: int | None = self._document.get("box_counter")
        return counter

    def totals(self) -> dict[str, Any]:
        """The count so far, as in `totals.json`.

        Raises:
            StateError: the polls are open: nobody may know an early count.
        """
        if self.state is DeviceState.POLLS_OPEN:
            raise StateError("the polls are open: results are shown only after they are closed")
        return self._count()

    # --- the day ---------------------------------------------------------------------

    def open_polls(self) -> list[str]:
        """Print the zero tape and open. Returns the tape.

        Raises:
            StateError: not just configured, or the box or the journal is not empty.
            HardwareError: feeder or printer fail; the polls stay closed.
        """
        self._require(DeviceState.CONFIGURED, "open the polls")
        status = self._feeder.status()
        if status.box_count:
            raise StateError(
                f"the polls cannot be opened: the scanner counts {status.box_count} sheets in the "
                "box. Empty the box before witnesses and set its counter to zero"
            )
        if self._journal.count():
            raise StateError("the polls cannot be opened: the journal already holds votes")
        if status.place is PaperPlace.HELD:
            raise StateError("the polls cannot be opened: a sheet is in the scanner. Take it out")
        opened = utc_text(self._clock())
        tape = tapes.zero_tape(
            self._election,
            self._count(),
            precinct_id=self._precinct_id,
            device_id=self._signer.identity.device_id,
            code_hash=code_hash(),
            time=opened,
        )
        self._print(tape)
        self._move(
            {"state": DeviceState.POLLS_OPEN.value, "polls_opened": opened},
            "polls_opened",
            {"scanner_model": status.model, "scanner_firmware": status.firmware},
        )
        return tape

    def process_next(self) -> SheetOutcome:
        """Take one sheet through: read, judge, accept or return.

        A fault of link or paper is an outcome, not an exception: put it right and call
        again, the same sheet is settled exactly once.

        Raises:
            StateError: the polls are not open.
            HumanStepError: the place of a sheet cannot be known; see `answer_sheet_place`.
            JournalError: the journal cannot be written: stop.
        """
        self._require(DeviceState.POLLS_OPEN, "take sheets")
        try:
            self.recover()
            status = self._feeder.status()
            if status.fault is not None:
                return SheetOutcome(
                    OutcomeKind.FAULT, status.fault, f"the scanner reports {status.fault}: clear it"
                )
            sheet = self._feeder.feed()
            if sheet is None:
                return SheetOutcome(OutcomeKind.TRAY_EMPTY)
            return self._settle_sheet(sheet.images)
        except HardwareError as error:
            return SheetOutcome(OutcomeKind.FAULT, "scanner", str(error))

    def recover(self) -> Intention | None:
        """Finish or undo the one step that a cut left open; None when there was none.

        Raises:
            HumanStepError: the feeder does not know where the sheet is.
            HardwareError: the feeder cannot be asked.
        """
        intention = self._journal.open_intention()
        if intention is None:
            return None
        status = self._feeder.status()
        verdict = place_verdict(intention, status)
        if verdict is PlaceVerdict.FINISH:
            self._finish(intention, {"after_cut": True})
        elif verdict is PlaceVerdict.UNDO:
            # Not acted on: the sheet is still held and will be read afresh.
            self._undo(intention, {"after_cut": True})
        else:
            raise HumanStepError(
                "look_for_sheet",
                "the scanner does not know where the last sheet is (it says "
                f"{status.place.value!r}, {status.box_count} sheets in the box; "
                f"{self.counters['accepted']} are recorded). Look: is it in the box, or in front "
                "of the scanner? Answer in-box or outside",
            )
        return intention

    def answer_sheet_place(self, *, in_box: bool, by: str) -> None:
        """Settle the open step by what a person saw; logged with who said so.

        Raises:
            StateError: no step is open.
        """
        intention = self._journal.open_intention()
        if intention is None:
            raise StateError("no sheet is in doubt: there is nothing to answer")
        said: Detail = {"said_by": by, "in_box": in_box}
        if in_box == (intention.record is not None):
            self._finish(intention, said)
        else:
            # Also a sheet that was to be returned and lies in the box: it has no record, so
            # the scanner's box counter will differ, and tape and reconciliation say so.
            self._undo(intention, said)

    def close_polls(self) -> list[str]:
        """Close, rewrite the journal in id order, print the results tape; returns the tape.

        Called again before the tape was printed (printer out of paper) it prints it.

        Raises:
            StateError: the polls were not open.
            HumanStepError, HardwareError: as `recover`; or the printer fails.
        """
        if self.state is not DeviceState.POLLS_CLOSED or self.results_printed:
            self._require(DeviceState.POLLS_OPEN, "close the polls")
        if self.state is DeviceState.POLLS_OPEN:
            self.recover()
            status = self._feeder.status()
            if status.place is PaperPlace.HELD:
                raise StateError("a sheet is still in the scanner: let it in or take it out first")
            self._move(
                {
                    "state": DeviceState.POLLS_CLOSED.value,
                    "polls_closed": utc_text(self._clock()),
                    "box_counter": status.box_count,
                },
                "polls_closed",
                {"box_counter": status.box_count, "records": self._journal.count()},
            )
        self._journal.rewrite()
        tape = self.results_tape()
        self._print(tape)
        self._move({"results_printed": True}, "results_tape_printed", {})
        return tape

    def results_tape(self) -> list[str]:
        """The results tape's lines; only after the close.

        Raises:
            StateError: the polls are not closed.
        """
        if self.state not in (DeviceState.POLLS_CLOSED, DeviceState.EXPORTED):
            raise StateError("there are no results before the polls are closed")
        counters = self.counters
        return tapes.results_tape(
            self._election,
            self._count(),
            precinct_id=self._precinct_id,
            device_id=self._signer.identity.device_id,
            code_hash=code_hash(),
            opened=self._document["polls_opened"],
            closed=self._document["polls_closed"],
            returned=counters["returned"],
            refused=counters["refused"],
            box_counter=self.box_counter,
        )

    def export(self, *, issued: Mapping[str, int] | None = None) -> bytes:
        """The signed results package (`firmware_sim.package`).

        Each export has its own number and package id; the figures are the same.

        Args:
            issued: papers handed out by ballot style, from the commission's own count.

        Raises:
            StateError: the polls are not closed or the results tape is not printed.
            CountError: `issued` names a style the precinct has not.
        """
        if not self.results_printed:
            self._require(DeviceState.POLLS_CLOSED, "export")
            raise StateError("export comes after the results tape: print it first (close_polls)")
        now = self._clock()
        number = self._document["export_number"] + 1
        package_id = self._randomness(16).hex()
        files = package_files(
            self._election,
            self._profile,
            ExportFigures(
                precinct_id=self._precinct_id,
                device_id=self._signer.identity.device_id,
                package_id=package_id,
                export_number=number,
                created=now,
                polls_opened=self._document["polls_opened"],
                polls_closed=self._document["polls_closed"],
                counters=self.counters,
                returned_by_style=self._document["returned_by_style"],
                issued=dict(issued or {}),
                box_counter=self.box_counter,
            ),
            list(self._journal.records()),
            self._journal.events(),
        )
        data = build_package(files, self._signer.sign)
        self._move(
            {"state": DeviceState.EXPORTED.value, "export_number": number},
            "exported",
            {"export_number": number, "package_id": package_id},
        )
        return data

    # --- a sheet ---------------------------------------------------------------------

    def _settle_sheet(self, images: tuple[bytes, ...]) -> SheetOutcome:
        try:
            interpretation = self._reader.read_images(images)
        except PageRefusedError as error:
            refused = SheetOutcome(OutcomeKind.REFUSED, error.reason.value, error.detail)
            return self._send_back(refused, None)
        outcome = judge(
            interpretation,
            self._profile.device,
            precinct_id=self._precinct_id,
            style_ids=self._styles,
            last_return=self._last_return,
        )
        if outcome.kind is OutcomeKind.REFUSED:
            return self._send_back(outcome, None)
        if outcome.kind is OutcomeKind.RETURNED:
            self._send_back(outcome, interpretation.ballot_style_id)
            self._last_return = (interpretation.ballot_style_id, outcome.reason)
            return outcome
        token = self._randomness(16).hex()
        record = new_record(interpretation, self._election.hash, self._randomness(16).hex())
        self._journal.intend(token, record)
        self._feeder.accept(token)
        self._finish(Intention(token, record), {})
        return outcome

    def _send_back(self, outcome: SheetOutcome, style_id: str | None) -> SheetOutcome:
        token = self._randomness(16).hex()
        self._journal.intend_return(token, ground=outcome.reason, style_id=style_id)
        self._feeder.return_sheet(token)
        self._finish(Intention(token, None, outcome.reason, style_id), {})
        return outcome

    def _finish(self, intention: Intention, detail: Detail) -> None:
        counters = dict(self._document["counters"])
        by_style = dict(self._document["returned_by_style"])
        counters["sheets_fed"] += 1
        if intention.record is not None:
            kind = "sheet_accepted"
            counters["accepted"] += 1
        elif intention.style_id is not None:
            kind, detail = "sheet_returned", {**detail, "ground": intention.ground}
            counters["returned"] += 1
            by_style[intention.style_id] = by_style.get(intention.style_id, 0) + 1
        else:
            kind, detail = "sheet_refused", {**detail, "ground": intention.ground}
            counters["refused"] += 1
        document = {**self._document, "counters": counters, "returned_by_style": by_style}
        self._journal.commit(intention.token, document, at=self._clock(), kind=kind, detail=detail)
        self._document = document
        self._last_return = None

    def _undo(self, intention: Intention, detail: Detail) -> None:
        self._journal.abandon(intention.token, at=self._clock(), detail=detail)

    # --- inside ----------------------------------------------------------------------

    def _configure(self) -> dict[str, Any]:
        document = self._setup.fresh_state()
        binding = self._setup.binding()
        self._journal.set_state(document, at=self._clock(), kind="configured", detail=binding)
        return document

    def _require(self, needed: DeviceState, step: str) -> None:
        if self.state is not needed:
            words = {
                DeviceState.CONFIGURED: "the polls have not been opened yet",
                DeviceState.POLLS_OPEN: "the polls are open",
                DeviceState.POLLS_CLOSED: "the polls are closed",
                DeviceState.EXPORTED: "the results have been exported",
            }
            raise StateError(f"the device cannot {step}: {words[self.state]}")

    def _move(self, change: Mapping[str, Any], kind: str, detail: Detail) -> None:
        document = {**self._document, **change}
        self._journal.set_state(document, at=self._clock(), kind=kind, detail=detail)
        self._document = document

    def _count(self) -> dict[str, Any]:
        return count_records(self._election, self._journal.records(), self._precinct_id)

    def _print(self, tape: list[str]) -> None:
        self._printer.print_lines(tape)
        self._printer.cut()
