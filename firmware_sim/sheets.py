"""One sheet's way: held, read, judged, shown to its voter, into the box or back out.

Exactly once, paper and record: *intend* is on the disk before the feeder is asked to act,
*commit* after it confirmed. After any cut `recover` asks the feeder for its last token and
finishes or undoes exactly that one step. Where the place of the paper cannot be known a
person looks and says so (`answer_place`), and that is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from election.places import paper_key
from firmware_sim.errors import HumanStepError, StateError
from firmware_sim.eventlog import Detail
from firmware_sim.failures import FAILURES, SCANNER_FAILURES, Failure, bars, of_scanner
from firmware_sim.journal import Intention, Settlement
from firmware_sim.judgement import (
    OutcomeKind,
    PlaceVerdict,
    SheetOutcome,
    place_verdict,
    precincts_of,
    question,
    refuse,
    returned,
    without_screen,
)
from firmware_sim.ledger import Ledger
from firmware_sim.reading import SheetReaderLike
from firmware_sim.roles import Action
from firmware_sim.voter import Question, Voter, VoterChoice
from hardware.errors import HardwareError, LinkError
from hardware.interface import Feeder, FeederStatus, PaperPlace
from scanner.cvr import new_record
from scanner.errors import PageRefusedError
from scanner.reading import SheetInterpretation


class SheetPath:
    """The sheets of one device: feeder, reader and voter around the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        feeder: Feeder,
        reader: SheetReaderLike,
        randomness: Callable[[int], bytes],
        voter: Voter | None,
    ) -> None:
        self._ledger = ledger
        self._journal = ledger.journal
        self._setup = ledger.setup
        self._papers = ledger.setup.papers
        self._feeder = feeder
        self._reader = reader
        self._randomness = randomness
        self._voter = voter
        # In memory only: kept on disk it would tie a record to the sheet before it.
        self._last_return: tuple[str, str] | None = None

    def status(self) -> FeederStatus:
        """Ask the scanner; what it reports, and whether it answers, is noted as failures.

        Raises:
            HardwareError: it does not answer.
        """
        try:
            status = self._feeder.status()
        except LinkError:
            self._ledger.observe({Failure.SCANNER_DISCONNECTED}, ())
            raise
        self._ledger.observe(of_scanner(status.fault), SCANNER_FAILURES)
        return status

    def process_next(self) -> SheetOutcome:
        """Take one sheet through; see `PrecinctDevice.process_next`."""
        try:
            status = self.status()
            barred = bars(self._ledger.failures, Action.TAKE_SHEETS)
            if barred is not None:
                return SheetOutcome(OutcomeKind.FAULT, barred.value, FAILURES[barred].words["en"])
            self.recover(status)
            # No other sheet is fed before the settling of the last one is durable.
            self._journal.settled()
            sheet = self._feeder.feed()
            if sheet is None:
                return SheetOutcome(OutcomeKind.TRAY_EMPTY)
            return self._settle(sheet.images)
        except LinkError as error:
            self._ledger.observe({Failure.SCANNER_DISCONNECTED}, ())
            return SheetOutcome(OutcomeKind.FAULT, Failure.SCANNER_DISCONNECTED.value, str(error))
        except HardwareError as error:
            return SheetOutcome(OutcomeKind.FAULT, Failure.SCANNER_FAULT.value, str(error))

    def spoil(self, paper: str) -> SheetOutcome:
        """The voter does not accept the record under glass (a screen device): it goes to the
        spoiled ones, in two phases like any paper.

        Raises:
            HumanStepError, HardwareError: as `recover`.
        """
        self.recover(self.status())
        self._journal.settled()
        if self._feeder.feed() is None:
            raise StateError("no paper record is under the glass")
        spoiled = SheetOutcome(OutcomeKind.RETURNED, "spoiled", "the voter spoiled the record")
        outcome = self._send_back(spoiled, paper)
        self._journal.settled()
        return outcome

    def recover(self, status: FeederStatus | None = None) -> Intention | None:
        """Finish or undo the one step that a cut left open; None when there was none.

        Raises:
            HumanStepError: the feeder does not know where the sheet is.
            HardwareError: the feeder cannot be asked.
        """
        intention = self._journal.open_intention()
        if intention is None:
            return None
        status = status or self.status()
        verdict = place_verdict(intention, status)
        if verdict is PlaceVerdict.FINISH:
            self._finish(intention, self._settlement(intention, {"after_cut": True}))
        elif verdict is PlaceVerdict.UNDO:
            # Not acted on: the sheet is still held and will be read afresh.
            self._undo(intention, {"after_cut": True})
        else:
            raise HumanStepError(
                "look_for_sheet",
                "the scanner does not know where the last sheet is (it says "
                f"{status.place.value!r}, {status.box_count} sheets in the box; "
                f"{self._ledger.document['counters']['accepted']} are recorded). Look: is it in "
                "the box, or in front of the scanner? Answer in-box or outside",
            )
        return intention

    def answer_place(self, *, in_box: bool, said: Detail) -> None:
        """Settle the open step by what a person saw; `said` goes into the log.

        The scanner is asked first: where it knows the sheet's place a wrong answer would
        lose the vote, or count it twice (recorded now, and read again as it is still held).

        Raises:
            StateError: no step is open, or the scanner knows better; nothing was changed.
            HardwareError: the scanner cannot be asked; nothing was changed.
        """
        intention = self._journal.open_intention()
        if intention is None:
            raise StateError("no sheet is in doubt: there is nothing to answer")
        status = self.status()
        verdict = place_verdict(intention, status)
        if verdict is not PlaceVerdict.ASK:
            if in_box != (status.place is PaperPlace.IN_BOX):
                raise StateError(
                    f"the scanner knows where the sheet is ({status.place.value!r}), and that is "
                    "not what was answered. Go on without an answer: the next step settles it"
                )
            if verdict is PlaceVerdict.FINISH:
                self._finish(intention, self._settlement(intention, said))
            else:
                self._undo(intention, said)
            return
        if in_box == (intention.record is not None):
            self._finish(intention, self._settlement(intention, said))
        else:
            # Also a sheet that was to be returned and lies in the box: it has no record, so
            # the scanner's box counter will differ, and tape and reconciliation say so.
            self._undo(intention, said)

    def answer_without_scanner(self, *, in_box: bool, said: Detail) -> None:
        """The same where the scanner is dead and cannot be asked; the caller has seen that.

        Raises:
            StateError: no step is open.
        """
        intention = self._journal.open_intention()
        if intention is None:
            raise StateError("no sheet is in doubt: there is nothing to answer")
        if in_box == (intention.record is not None):
            self._finish(intention, self._settlement(intention, said))
        else:
            self._undo(intention, said)

    # --- inside ----------------------------------------------------------------------

    def _settle(self, images: tuple[bytes, ...]) -> SheetOutcome:
        try:
            sheet = self._reader.read_images(images)
        except PageRefusedError as error:
            refused = SheetOutcome(OutcomeKind.REFUSED, error.reason.value, error.detail)
            return self._send_back(refused, None)
        foreign = refuse(
            sheet,
            papers=self._papers,
            mode=self._ledger.mode,
        )
        if foreign is not None:
            return self._send_back(foreign, None)
        if len(self._papers) > 1:
            # One of them, or it were refused: the record names it whether or not the paper does.
            sheet = replace(sheet, precinct_id=precincts_of(sheet, self._papers)[0])
        asked = question(sheet, self._setup.profile.device)
        if asked is not None and not self._cast(asked, sheet):
            outcome = self._send_back(returned(asked), self._paper_key(sheet))
            self._last_return = (self._paper_key(sheet), asked.ground)
            return outcome
        token = self._randomness(16).hex()
        record = new_record(sheet, self._setup.election.hash, self._randomness(16).hex())
        intention = Intention(token, record)
        before, then = self._ledger.document, self._settlement(intention, {})
        self._journal.intend(token, record, then)
        self._feeder.accept(token)
        self._begin_finish(intention, self._as_foreseen(then, before, intention))
        return SheetOutcome(OutcomeKind.ACCEPTED)

    def _paper_key(self, sheet: SheetInterpretation) -> str:
        place = self._setup.precinct_id
        return paper_key(place, sheet.precinct_id or place, sheet.ballot_style_id)

    def _cast(self, asked: Question, sheet: SheetInterpretation) -> bool:
        rules = self._setup.profile.device
        if self._voter is None:
            return without_screen(asked, self._paper_key(sheet), rules, self._last_return)
        return rules.voter_may_cast and self._voter.ask(asked) is VoterChoice.CAST

    def _send_back(self, outcome: SheetOutcome, style_id: str | None) -> SheetOutcome:
        token = self._randomness(16).hex()
        intention = Intention(token, None, outcome.reason, style_id)
        before, then = self._ledger.document, self._settlement(intention, {})
        self._journal.intend_return(token, ground=outcome.reason, style_id=style_id, then=then)
        self._feeder.return_sheet(token)
        self._begin_finish(intention, self._as_foreseen(then, before, intention))
        return outcome

    def _settlement(self, intention: Intention, detail: Detail) -> Settlement:
        """What is to be written, now, when the feeder has done it."""
        before = self._ledger.document
        counters = dict(before["counters"])
        by_style = dict(before["returned_by_style"])
        counters["sheets_fed"] += 1
        if intention.record is not None:
            kind = "sheet_accepted"
            counters["accepted"] += 1
        elif intention.style_id is not None:
            # Its ground would say what is on a paper that may be cast a minute later.
            kind = "sheet_returned"
            counters["returned"] += 1
            by_style[intention.style_id] = by_style.get(intention.style_id, 0) + 1
        else:
            kind, detail = "sheet_refused", {**detail, "ground": intention.ground}
            counters["refused"] += 1
        now = self._ledger.now()
        document = self._ledger.stamped(
            {**before, "counters": counters, "returned_by_style": by_style}, now
        )
        return Settlement(document, now, kind, detail)

    def _as_foreseen(
        self, then: Settlement, before: Mapping[str, Any], intention: Intention
    ) -> Settlement:
        """What was to be written, if it still holds: the same state, and not a second ago."""
        passed = self._ledger.now() - then.at
        if self._ledger.document is before and timedelta(0) <= passed < timedelta(seconds=1):
            return then
        return self._settlement(intention, {})

    def _finish(self, intention: Intention, settlement: Settlement) -> None:
        self._begin_finish(intention, settlement)
        self._journal.settled()

    def _begin_finish(self, intention: Intention, settlement: Settlement) -> None:
        """Settled aside, while the scanner is asked what comes next."""
        self._journal.settle(intention.token, settlement)
        self._ledger.document = dict(settlement.state)
        self._last_return = None
        self._ledger.follow(intention.record)

    def _undo(self, intention: Intention, detail: Detail) -> None:
        self._journal.abandon(intention.token, at=self._ledger.now(), detail=detail)
