"""Errors of adjudication."""

from __future__ import annotations

from scanner.errors import ScannerError


class AdjudicationError(ScannerError):
    """A decision that cannot be taken, or a queue that cannot be used; says what to do."""


class LedgerError(AdjudicationError):
    """A ledger of decisions that is not what was written: names the line."""
