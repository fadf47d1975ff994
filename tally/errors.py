"""Errors of the tally room."""

from __future__ import annotations


class TallyError(Exception):
    """Base of every error raised by `tally`."""


class PaperCountError(TallyError):
    """A paper hand count that cannot be used; names file, line and column."""


class SeatError(TallyError):
    """Votes or rules from which seats cannot be allotted."""
