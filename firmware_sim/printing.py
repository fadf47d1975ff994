"""Tapes on paper: the printer, and the failure that says that it does not print."""

from __future__ import annotations

from firmware_sim.ledger import PRINTER, Ledger
from firmware_sim.reading import PrinterLike
from firmware_sim.tapes import Tape, TapeHead
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
        """Print and cut.

        Raises:
            HardwareError: the printer fails; print the whole tape again when it is right.
        """
        try:
            self._printer.print_lines(tape.lines)
            for code in tape.codes:
                self._printer.print_code(code.text, code.caption)
            self._printer.cut()
        except HardwareError:
            self._ledger.observe({PRINTER}, ())
            raise
        self._ledger.observe((), {PRINTER})


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
