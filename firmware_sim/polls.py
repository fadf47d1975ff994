"""The polls of one device: opened once, paused and gone on with, closed, and what stops them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from firmware_sim.checks import BOX_BY_HAND, BOX_NOT_KNOWN
from firmware_sim.errors import HumanStepError, StateError
from firmware_sim.eventlog import Detail, utc_text
from firmware_sim.failures import FAILURES, SCANNER_FAILURES, Failure, of_scanner
from firmware_sim.identity import at_close
from firmware_sim.ledger import Ledger
from firmware_sim.preparation import Preparation, held
from firmware_sim.results import Results
from firmware_sim.roles import Action, Person
from firmware_sim.sheets import SheetPath
from firmware_sim.states import DeviceState, Mode
from firmware_sim.tapes import Tape
from hardware.errors import HardwareError

People = Sequence[Person]


class Polls:
    """See the methods of the same names of `PrecinctDevice`."""

    def __init__(
        self, ledger: Ledger, sheets: SheetPath, preparation: Preparation, results: Results
    ) -> None:
        self._ledger = ledger
        self._journal = ledger.journal
        self._sheets = sheets
        self._preparation = preparation
        self._results = results
        #: Where the counts differed at the last slip of this run (`checks.differences`).
        self.differing: tuple[str, ...] = ()

    def open(self, present: People) -> None:
        """The zero tape's conditions are asked once more: a sheet may have come since."""
        self._ledger.watch()
        self._ledger.check_on_chart(Action.OPEN_POLLS)
        # The scanner before its failures: one that ends by itself may have ended by now.
        status = self._sheets.status()
        mode = self._ledger.mode
        official = self._ledger.document["official_opened"] or mode is Mode.OFFICIAL
        self._ledger.step(
            Action.OPEN_POLLS,
            present,
            self._preparation.nothing_there(status),
            kind="polls_opened",
            change={"polls_opened": utc_text(self._ledger.now()), "official_opened": official},
            detail={
                "scanner_model": status.model,
                "scanner_firmware": status.firmware,
                "mode": mode.value,
            },
        )

    def pause(self, present: People) -> Tape:
        """With the slip of sheets so far."""
        return self._with_slip(Action.PAUSE, present, {}, "paused", {})

    def resume(self, present: People) -> Tape:
        """With the slip of sheets so far."""
        return self._with_slip(Action.RESUME, present, {}, "resumed", {})

    def close(self, present: People) -> None:
        """Settles the open sheet first; afterwards no page of the journal tells an order."""
        self._ledger.watch()
        self._ledger.check_from_here(Action.CLOSE_POLLS)
        self._ledger.authorise(Action.CLOSE_POLLS, present)
        self._sheets.recover()
        status = self._sheets.status()
        self._ledger.step(
            Action.CLOSE_POLLS,
            present,
            {"scanner_clear": held(status)},
            kind="polls_closed",
            change={
                "polls_closed": utc_text(self._ledger.now()),
                "box_counter": status.box_count,
                "box_counter_by": None,
                "closings": self._ledger.document["closings"] + 1,
            },
            detail={
                "box_counter": status.box_count,
                "records": self._journal.count(),
                **at_close(self._ledger.setup.firmware),
            },
        )
        self._journal.rewrite()

    def close_without_scanner(
        self, box: int | None, said_by: str, in_box: bool | None, present: People
    ) -> None:
        """The count of the box is what people say of it, and called so wherever it stands."""
        step = Action.CLOSE_WITHOUT_SCANNER
        self._ledger.watch()
        self._ledger.check_from_here(step)
        self._ledger.check_step(step, {**self._scanner_dead(), "sheet_settled": ""})
        by = self._ledger.authorise(step, present)
        if not said_by.strip():
            raise StateError("say who looked at the box: it goes into the log")
        if self._journal.open_intention() is None:
            if in_box is not None:
                raise StateError("no sheet is in doubt: there is nothing to answer")
        elif in_box is None:
            raise HumanStepError(
                "look_for_sheet",
                "a sheet's step is open and the scanner cannot be asked where the sheet is. Look: "
                "is it in the box, or outside? Answer in-box or outside",
            )
        else:
            said: Detail = {
                "said_by": said_by, "in_box": in_box, "scanner": "no answer", "by": by
            }  # fmt: skip
            self._sheets.answer_without_scanner(in_box=in_box, said=said)
        entered = BOX_NOT_KNOWN if box is None else BOX_BY_HAND
        count: Detail = {} if box is None else {"box_counter": box}
        self._ledger.step(
            step,
            present,
            {**self._scanner_dead(), "sheet_settled": ""},
            kind="polls_closed",
            change={
                "polls_closed": utc_text(self._ledger.now()),
                "box_counter": box,
                "box_counter_by": entered,
                "closings": self._ledger.document["closings"] + 1,
            },
            detail={
                **count,
                "box_counter_by": entered,
                "said_by": said_by,
                "scanner": "no answer",
                "records": self._journal.count(),
                **at_close(self._ledger.setup.firmware),
            },
        )
        self._journal.rewrite()

    def _scanner_dead(self) -> Mapping[str, str]:
        try:
            self._sheets.status()
        except HardwareError:
            return {"scanner_dead": ""}
        return {"scanner_dead": "the scanner answers: close with it, its own count is better"}

    def reopen(self, present: People) -> Tape:
        """With the slip that voids the tape of the close that is undone."""
        begun = self._ledger.document["pending_export"] is not None
        reason = "an export was begun, so results may have left already" if begun else ""
        change = {"polls_closed": None, "box_counter": None, "box_counter_by": None}
        return self._with_slip(
            Action.REOPEN_POLLS, present, {"nothing_left": reason}, "reopened", change
        )

    def reopen_box(self, present: People) -> None:
        """Noted; no counter moves.

        Raises:
            StateError: before the device is configured, or after it was sealed.
        """
        if self._ledger.state in (DeviceState.UNCONFIGURED, DeviceState.SEALED):
            raise StateError("the box is not opened before the day, nor after the seal")
        by = self._ledger.authorise(Action.REOPEN_BOX, present)
        self._ledger.write({}, "box_opened", {**self._sheets_so_far(), "by": by})

    def clear_failure(self, failure: Failure, present: People) -> None:
        """Only what is no longer reported."""
        reported = self._ledger.reported()
        if failure in SCANNER_FAILURES:
            reported |= of_scanner(self._sheets.status().fault)
        if failure in reported:
            raise StateError(f"{FAILURES[failure].words['en']} (still reported)")
        self._ledger.clear(failure, present)

    # --- inside ----------------------------------------------------------------------

    def _with_slip(
        self,
        step: Action,
        present: People,
        why: Mapping[str, str],
        word: str,
        change: Mapping[str, Any],
    ) -> Tape:
        self._ledger.watch()
        self._ledger.check_step(step, why)
        self._ledger.authorise(step, present)
        with suppress(HardwareError, HumanStepError):
            self._sheets.recover()
        try:
            box: int | None = self._sheets.status().box_count
        except HardwareError:
            box = None
        differing = self._results.findings(box)
        # Asking the scanner may have brought a failure that bars the step or took it itself.
        detail: Detail = {
            **self._sheets_so_far(),
            "box_counter": box,
            "findings": ", ".join(differing),
        }
        self._ledger.step(step, present, why, kind=f"polls_{word}", change=change, detail=detail)
        self.differing = differing
        return self._results.day_report(word, box)

    def _sheets_so_far(self) -> Detail:
        return {"sheets_in_box": self._ledger.document["counters"]["accepted"]}
