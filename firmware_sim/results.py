"""After the close: totals, results tape, signed package. Nothing here changes a count.

Totals are summed from the records whenever they are asked for, and compared with what the
device's other parts counted (`firmware_sim.checks`). A tape or package says which of the
closings it is of, should the polls have been opened again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from firmware_sim import tapes
from firmware_sim.checks import Counts, differences
from firmware_sim.controls import ratios_of
from firmware_sim.counting import count_records
from firmware_sim.eel import eel_file, origin_now
from firmware_sim.errors import StateError
from firmware_sim.eventlog import utc_text
from firmware_sim.export import ExportFigures, check_issued, package_files, protocol_of
from firmware_sim.identity import software_version
from firmware_sim.ledger import Ledger
from firmware_sim.package import EEL, build_package
from firmware_sim.printing import TapePrinter, tape_head
from firmware_sim.roles import Action, Person
from firmware_sim.states import DeviceState
from firmware_sim.summary import pack, records_root, summarise
from firmware_sim.summary_code import open_seal, seal
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
                box_by=self._ledger.document.get("box_counter_by"),
            )
        )

    def day_report(self, word: str, box: int | None) -> tapes.Tape:
        """The slip of a pause, a resumption or an undone close; printed if the printer can.

        That it cannot is noted as a failure and undoes nothing: the step has been taken.
        """
        slip = tapes.day_report(
            tape_head(self._ledger, self._printer.paper),
            word,
            time=utc_text(self._ledger.now()),
            records=self._journal.count(),
            box_counter=box,
        )
        with suppress(HardwareError):
            self._printer.print(slip)
        return slip

    def tape(self) -> tapes.Tape:
        """The results tape.

        Raises:
            StateError: the polls are not closed.
        """
        if not self._ledger.state.is_closed:
            raise StateError("there are no results before the polls are closed")
        return self._tape(self._ledger.document["issued"])[0]

    def _tape(self, issued: Mapping[str, int]) -> tuple[tapes.Tape, bytes]:
        """The results tape, and the signed summary on it.

        A summary that says the same as the one signed before is not signed again: two tapes
        of one closing bear the same codes.
        """
        document, setup = self._ledger.document, self._setup
        records = list(self._journal.records())
        totals = count_records(setup.election, records, setup.precinct_id)
        protocol = protocol_of(setup.election, self._figures(issued), totals)
        root = records_root(records)
        head = tape_head(self._ledger, self._printer.paper)
        summary = summarise(
            setup.election,
            totals,
            protocol,
            document["counters"],
            mode=self._ledger.mode.value,
            device_id=setup.signer.identity.device_id,
            profile_hash=setup.profile.canonical_hash(),
            firmware_hash=head.code_hash,
            records_root=root,
        )
        sealed = bytes.fromhex(document["seal"] or "")
        if not sealed or open_seal(sealed).signed != pack(summary):
            sealed = seal(summary, setup.signer.sign_raw, setup.signer.chain)
        tape = tapes.results_tape(
            head,
            totals,
            tapes.ResultFigures(
                protocol=protocol,
                counters=document["counters"],
                ratios=ratios_of(totals, protocol, setup.election, setup.profile),
                records_root=root,
                closing=document["closings"],
                seal=sealed,
            ),
        )
        return tape, sealed

    def print(self, issued: Mapping[str, int] | None, present: Sequence[Person]) -> tapes.Tape:
        """See `PrecinctDevice.print_results`."""
        again = self._ledger.state in (DeviceState.RESULTS_PRINTED, DeviceState.EXPORTED)
        step = Action.RERUN_RESULTS if again else Action.PRINT_RESULTS
        self._ledger.watch()
        self._ledger.check_step(step, {})
        self._ledger.authorise(step, present)
        if not again:
            # A cut may have come between the close and its rewriting.
            self._journal.rewrite()
        told = self._issued(issued)
        tape, sealed = self._tape(told)
        self._printer.print(tape)
        self._ledger.step(
            step,
            present,
            {},
            kind="results_tape_printed_again" if again else "results_tape_printed",
            change={"issued": told, "seal": sealed.hex()},
            detail={"findings": ", ".join(self.findings(self._ledger.document["box_counter"]))},
        )
        return tape

    def export(
        self,
        issued: Mapping[str, int] | None,
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
        files = self._files(pending, self._issued(issued))
        data = build_package(files, signer.sign, signer.sign_post_quantum)
        if save is not None:
            save(data)
        self._ledger.step(
            Action.EXPORT,
            present,
            {},
            kind="exported",
            change={"export_number": pending["number"], "pending_export": None},
            detail={
                "export_number": pending["number"],
                "package_id": pending["package_id"],
                "findings": ", ".join(self.findings(self._ledger.document["box_counter"])),
            },
        )
        return data

    def _files(self, pending: Mapping[str, Any], issued: Mapping[str, int]) -> dict[str, bytes]:
        figures = replace(
            self._figures(issued),
            package_id=pending["package_id"],
            device_kind=self._setup.kind,
            export_number=pending["number"],
        )
        return package_files(
            self._setup.election,
            self._setup.profile,
            figures,
            list(self._journal.records()),
            self._journal.events(),
            extra={**self._join_files(), EEL: self._eel()},
        )

    def _eel(self) -> bytes:
        origin = origin_now(
            self._setup.binding(),
            election_id=self._setup.election.id,
            version=software_version(),
            at=self._ledger.now(),
        )
        return eel_file(
            origin, self._journal.events(), self._journal.checkpoints(), self._setup.signer.sign
        )

    def _join_files(self) -> dict[str, bytes]:
        replacement = self._setup.replacement
        if replacement is None:
            return {}
        return replacement.package_files(
            self._setup.precinct_id, self._setup.signer.identity.device_id
        )

    def _issued(self, told: Mapping[str, int] | None) -> dict[str, int]:
        """Papers handed out by style: as told now, or else as told for the tape.

        Raises:
            CountError: a style that the precinct has not.
        """
        issued = dict(self._ledger.document["issued"] if told is None else told)
        check_issued(self._setup.election, self._setup.precinct_id, issued)
        return issued

    def _figures(self, issued: Mapping[str, int]) -> ExportFigures:
        document = self._ledger.document
        return ExportFigures(
            precinct_id=self._setup.precinct_id,
            device_id=self._setup.signer.identity.device_id,
            package_id="",
            export_number=0,
            created=self._ledger.now(),
            polls_opened=document["polls_opened"],
            polls_closed=document["polls_closed"],
            counters=document["counters"],
            returned_by_style=document["returned_by_style"],
            issued=dict(issued),
            box_counter=document["box_counter"],
            box_counter_by=document.get("box_counter_by"),
            mode=self._ledger.mode,
        )

    def _count(self) -> dict[str, Any]:
        return count_records(self._setup.election, self._journal.records(), self._setup.precinct_id)
