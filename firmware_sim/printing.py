"""Tapes on paper: the printer, and the failure that says that it does not print."""

from __future__ import annotations

from firmware_sim.ledger import PRINTER, Ledger
from firmware_sim.reading import PrinterLike
from hardware.errors import HardwareError


class TapePrinter:
    """Prints whole tapes; a printer that fails is noted, and noted again when it prints."""

    def __init__(self, ledger: Ledger, printer: PrinterLike) -> None:
        self._ledger = ledger
        self._printer = printer

    def print(self, tape: list[str]) -> None:
        """Print and cut.

        Raises:
            HardwareError: the printer fails; print the whole tape again when it is right.
        """
        try:
            self._printer.print_lines(tape)
            self._printer.cut()
        except HardwareError:
            self._ledger.observe({PRINTER}, ())
            raise
        self._ledger.observe((), {PRINTER})
