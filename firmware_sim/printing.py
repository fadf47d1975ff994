"""Tapes on paper: the printer, and the failure that says that it does not print."""

from __future__ import annotations

from firmware_sim.failures import PRINTER_FAILURES, of_printer
from firmware_sim.ledger import Ledger
from firmware_sim.reading import PrinterLike
from firmware_sim.tapes import Tape, TapeHead, broken_slip
from hardware.errors import HardwareError
from hardware.tape_format import TapeFormat


class TapePrinter:
    """Prints whole tapes; a printer that fails is noted, and noted again when it prints."""

    def __init__(self, ledger: Ledger, printer: PrinterLike) -> None:
        self._ledger = ledger
        self._printer = printer

    @property
    def paper(self) -> TapeFormat:
        """The paper in the printer."""
        return self._printer.paper

    def print(self, tape: Tape) -> None:
        """Print and cut. After a failure a slip goes before it that voids what may hang out.

        Raises:
            HardwareError: the printer fails, or does not say that it has printed; print the
                whole tape again when it is right.
        """
        try:
            if self._ledger.failures & PRINTER_FAILURES:
                languages = self._ledger.setup.election.languages
                self._printer.print_lines(broken_slip(languages, self.paper).lines)
                self._printer.cut()
            self._printer.print_lines(tape.lines)
            for code in tape.codes:
                self._printer.print_code(code.text, code.caption)
            self._printer.cut()
        except HardwareError as error:
            self._ledger.observe({of_printer(error)}, PRINTER_FAILURES)
            raise
        self._ledger.observe((), PRINTER_FAILURES)


def tape_head(ledger: Ledger, paper: TapeFormat) -> TapeHead:
    """What stands at the top of this device's tapes."""
    return TapeHead(
        ledger.setup.election,
        precinct_id=ledger.setup.precinct_id,
        device_id=ledger.setup.signer.identity.device_id,
        code_hash=ledger.setup.firmware.hash,
        mode=ledger.mode.value,
        people_identified=ledger.people_identified,
        paper=paper,
    )
