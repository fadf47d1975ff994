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
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from election.model import Election
from election.profile import Profile
from firmware_sim import tapes
from firmware_sim.counting import count_records
from firmware_sim.errors import HumanStepError, StateError
from firmware_sim.eventlog import Detail, utc_text
from firmware_sim.export import ExportFigures, package_files
from firmware_sim.identity import code_hash
from firmware_sim.journal import Intention, Journal
from firmware_sim.package import build_package
from firmware_sim.reading import PrinterLike, SheetReaderLike
from firmware_sim.trust import DeviceSigner
from hardware.errors import HardwareError
from hardware.interface import Feeder, PaperPlace
from scanner.cvr import new_record
from scanner.errors import PageRefusedError
from scanner.reading import ContestStatus, SheetInterpretation


class DeviceState(StrEnum):
    """Where the device is in its day."""

    CONFIGURED = "configured"
    POLLS_OPEN = "polls_open"
    POLLS_CLOSED = "polls_closed"
    EXPORTED = "exported"


class OutcomeKind(StrEnum):
    """What became of a sheet."""

    ACCEPTED = "accepted"
    RETURNED = "returned"
    REFUSED = "refused"
    TRAY_EMPTY = "tray_empty"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class SheetOutcome:
    """What `process_next` did. `reason` is a stable word ("overvoted", "no_timing_marks",
    "jam", …; empty when accepted), `detail` a plain line for the person at the device."""

    kind: OutcomeKind
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """What a device is set up for; binds the journal at first use."""

    election: Election
    profile: Profile
    precinct_id: str
    signer: DeviceSigner


#: What is said to a voter whose sheet comes back, by ground.
_RETURN_WORDS: Mapping[str, str] = {
    "overvoted": "more options are marked than allowed; feed it again to cast it so",
    "blank": "nothing is marked; feed it again to cast it blank",
    "needs_review": "a mark is not clear; correct it or feed it again to have a person look",
}


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
        self._styles = self._check_setup()
        self._document = journal.state() or self._configure()
        self._check_binding()

    # --- what it is ------------------------------------------------------------------

    @property
    def state(self) -> DeviceState:
        """The present state."""
        return DeviceState(self._document["state"])

    @property
    def counters(self) -> Mapping[str, int]:
        """Sheets fed, accepted, returned and refused, as committed."""
        return dict(self._document["counters"])

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
        done = PaperPlace.IN_BOX if intention.record is not None else PaperPlace.RETURNED
        if status.last_token == intention.token and status.place is done:
            self._finish(intention, {"after_cut": True})
        elif status.place is PaperPlace.HELD and status.last_token != intention.token:
            # Not acted on: the sheet is still held and will be read afresh.
            self._undo(intention, {"after_cut": True, "place": status.place.value})
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
            # the scanner's box counter will differ and the close says so.
            self._undo(intention, said)

    def close_polls(self) -> list[str]:
        """Close, rewrite the journal in id order, print the results tape; returns the tape.

        Called again before the tape was printed (printer out of paper) it prints it.

        Raises:
            StateError: the polls were not open.
            HumanStepError, HardwareError: as `recover`; or the printer fails.
        """
        if self.state is not DeviceState.POLLS_CLOSED or self._document["results_printed"]:
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
        if not self._document["results_printed"]:
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
            return self._send_back(OutcomeKind.REFUSED, error.reason.value, error.detail, None)
        style_id = interpretation.ballot_style_id
        if interpretation.precinct_id not in (None, self._precinct_id):
            detail = f"the sheet is of precinct {interpretation.precinct_id}"
            return self._send_back(OutcomeKind.REFUSED, "wrong_precinct", detail, None)
        if style_id not in self._styles:
            detail = f"sheets of style {style_id} are not used in this precinct"
            return self._send_back(OutcomeKind.REFUSED, "wrong_style", detail, None)
        ground = self._return_ground(interpretation)
        if ground is not None and not self._second_feed(style_id, ground):
            outcome = self._send_back(OutcomeKind.RETURNED, ground, _RETURN_WORDS[ground], style_id)
            self._last_return = (style_id, ground)
            return outcome
        token = self._randomness(16).hex()
        record = new_record(interpretation, self._election.hash, self._randomness(16).hex())
        self._journal.intend(token, record)
        self._feeder.accept(token)
        self._finish(Intention(token, record), {})
        return SheetOutcome(OutcomeKind.ACCEPTED)

    def _send_back(
        self, kind: OutcomeKind, ground: str, detail: str, style_id: str | None
    ) -> SheetOutcome:
        token = self._randomness(16).hex()
        self._journal.intend_return(token, ground=ground, style_id=style_id)
        self._feeder.return_sheet(token)
        self._finish(Intention(token, None, ground, style_id), {})
        return SheetOutcome(kind, ground, detail)

    def _return_ground(self, sheet: SheetInterpretation) -> str | None:
        rules = self._profile.device
        statuses = [contest.status for contest in sheet.contests]
        if rules.return_needs_review and sheet.needs_review:
            return "needs_review"
        if rules.return_overvoted and ContestStatus.OVERVOTE in statuses:
            return "overvoted"
        if rules.return_blank and all(status is ContestStatus.BLANK for status in statuses):
            return "blank"
        return None

    def _second_feed(self, style_id: str, ground: str) -> bool:
        """Is this the sheet just returned, fed again? A device knows no sheets, so: the very
        next one, of the same style, for the same ground."""
        return self._profile.device.accept_on_second_feed and self._last_return == (
            style_id,
            ground,
        )

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

    def _check_setup(self) -> frozenset[str]:
        signer = self._signer.identity
        known = {precinct.id for precinct in self._election.precincts}
        if self._precinct_id not in known:
            raise StateError(
                f"precinct {self._precinct_id!r} is not in election {self._election.id}; "
                f"it has {', '.join(sorted(known)[:12])}"
            )
        if signer.precinct_id != self._precinct_id:
            raise StateError(
                f"the key of device {signer.device_id} is for precinct {signer.precinct_id}, "
                f"not {self._precinct_id}"
            )
        return frozenset(s.id for s in self._election.precinct_styles(self._precinct_id))

    def _configure(self) -> dict[str, Any]:
        document = {
            **self._binding(),
            "state": DeviceState.CONFIGURED.value,
            "polls_opened": None,
            "polls_closed": None,
            "results_printed": False,
            "export_number": 0,
            "counters": {"sheets_fed": 0, "accepted": 0, "returned": 0, "refused": 0},
            "returned_by_style": {},
        }
        self._journal.set_state(
            document, at=self._clock(), kind="configured", detail={**self._binding()}
        )
        return document

    def _binding(self) -> dict[str, str]:
        return {
            "election_hash": self._election.hash,
            "profile_hash": self._profile.canonical_hash(),
            "precinct_id": self._precinct_id,
            "device_id": self._signer.identity.device_id,
        }

    def _check_binding(self) -> None:
        for field, value in self._binding().items():
            if self._document[field] != value:
                raise StateError(
                    f"the journal belongs to another {field.split('_')[0]} "
                    f"({self._document[field]}, not {value}); give a new --journal"
                )

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
