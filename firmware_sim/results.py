"""After the close: totals, results tape, signed package. Nothing here changes a count.

Totals are summed from the records whenever they are asked for, and compared with what the
device's other parts counted (`firmware_sim.checks`). A tape or package says which of the
closings it is of, should the polls have been opened again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from firmware_sim import tapes
from firmware_sim.checks import Counts, differences
from firmware_sim.counting import count_records
from firmware_sim.errors import StateError
from firmware_sim.eventlog import utc_text
from firmware_sim.export import ExportFigures, package_files
from firmware_sim.identity import code_hash
from firmware_sim.ledger import Ledger
from firmware_sim.package import build_package
from firmware_sim.printing import TapePrinter
from firmware_sim.roles import Action, Person
from firmware_sim.states import DeviceState
from hardware.errors import HardwareError


class Results:
    """What one device knows of its results."""

    def __init__(
        self, ledger: Ledger, printer: TapePrinter, randomness: Callable[[int], bytes]
    ) -> None:
        self._ledger = ledger
        self._journal = ledger.journal
        self._setup = ledger.setup
        self._printer = printer
        self._randomness = randomness

    def totals(self) -> dict[str, Any]:
        """The count, as in `totals.json`.

        Raises:
            StateError: votes are being cast: nobody may know an early count.
        """
        if self._ledger.state.may_have_early_count:
            raise StateError("the polls are open: results are shown only after they are closed")
        return self._count()

    def findings(self, box: int | None) -> tuple[str, ...]:
        """Where the device's counts of sheets differ (`checks.differences`); `box` is the
        scanner's."""
        return differences(
            Counts(
                accepted=self._ledger.document["counters"]["accepted"],
                records=self._journal.count(),
                summed=self._count()["sheets"],
                box=box,
            )
        )

    def day_report(self, word: str, box: int | None) -> list[str]:
        """The slip of a pause, a resumption or an undone close; printed if the printer can.

        That it cannot is noted as a failure and undoes nothing: the step has been taken.
        """
        slip = tapes.day_report(
            self._setup.election,
            word,
            precinct_id=self._setup.precinct_id,
            device_id=self._setup.signer.identity.device_id,
            time=utc_text(self._ledger.now()),
            records=self._journal.count(),
            box_counter=box,
            mode=self._ledger.mode,
        )
        with suppress(HardwareError):
            self._printer.print(slip)
        return slip

    def tape(self) -> list[str]:
        """The results tape's lines.

        Raises:
            StateError: the polls are not closed.
        """
        if not self._ledger.state.is_closed:
            raise StateError("there are no results before the polls are closed")
        document = self._ledger.document
        return tapes.results_tape(
            self._setup.election,
            self._count(),
            precinct_id=self._setup.precinct_id,
            device_id=self._setup.signer.identity.device_id,
            code_hash=code_hash(),
            opened=document["polls_opened"],
            closed=document["polls_closed"],
            returned=document["counters"]["returned"],
            refused=document["counters"]["refused"],
            box_counter=document["box_counter"],
            mode=self._ledger.mode,
            closing=document["closings"],
        )

    def print(self, present: Sequence[Person]) -> list[str]:
        """See `PrecinctDevice.print_results`."""
        again = self._ledger.state in (DeviceState.RESULTS_PRINTED, DeviceState.EXPORTED)
        step = Action.RERUN_RESULTS if again else Action.PRINT_RESULTS
        self._ledger.watch()
        self._ledger.check_step(step, {})
        self._ledger.authorise(step, present)
        if not again:
            # A cut may have come between the close and its rewriting.
            self._journal.rewrite()
        tape = self.tape()
        self._printer.print(tape)
        self._ledger.step(
            step,
            present,
            {},
            kind="results_tape_printed_again" if again else "results_tape_printed",
            detail={"findings": ", ".join(self.findings(self._ledger.document["box_counter"]))},
        )
        return tape

    def export(
        self,
        issued: Mapping[str, int],
        present: Sequence[Person],
        save: Callable[[bytes], None] | None,
    ) -> bytes:
        """See `PrecinctDevice.export`."""
        self._ledger.watch()
        self._ledger.check_step(Action.EXPORT, {})
        by = self._ledger.authorise(Action.EXPORT, present)
        pending = self._ledger.document["pending_export"]
        if pending is None:
            # On the disk first: an export that a cut or a full medium broke is made again
            # under the same number and id, so that no number is used up or used twice.
            pending = {
                "number": self._ledger.document["export_number"] + 1,
                "package_id": self._randomness(16).hex(),
            }
            begun = {"export_number": pending["number"], "by": by}
            self._ledger.write({"pending_export": pending}, "export_begun", begun)
        signer = self._setup.signer
        files = self._files(pending, issued)
        data = build_package(files, signer.sign, signer.sign_post_quantum)
        if save is not None:
            save(data)
        self._ledger.step(
            Action.EXPORT,
            present,
            {},
            kind="exported",
            change={"export_number": pending["number"], "pending_export": None},
            detail={"export_number": pending["number"], "package_id": pending["package_id"]},
        )
        return data

    def _files(self, pending: Mapping[str, Any], issued: Mapping[str, int]) -> dict[str, bytes]:
        document = self._ledger.document
        figures = ExportFigures(
            precinct_id=self._setup.precinct_id,
            device_id=self._setup.signer.identity.device_id,
            package_id=pending["package_id"],
            export_number=pending["number"],
            created=self._ledger.now(),
            polls_opened=document["polls_opened"],
            polls_closed=document["polls_closed"],
            counters=document["counters"],
            returned_by_style=document["returned_by_style"],
            issued=dict(issued),
            box_counter=document["box_counter"],
            mode=self._ledger.mode,
        )
        return package_files(
            self._setup.election,
            self._setup.profile,
            figures,
            list(self._journal.records()),
            self._journal.events(),
            extra=self._join_files(),
        )

    def _join_files(self) -> dict[str, bytes]:
        replacement = self._setup.replacement
        if replacement is None:
            return {}
        return replacement.package_files(
            self._setup.precinct_id, self._setup.signer.identity.device_id
        )

    def _count(self) -> dict[str, Any]:
        return count_records(self._setup.election, self._journal.records(), self._setup.precinct_id)
