"""Errors of the chain of commissions."""

from __future__ import annotations

from tally.errors import TallyError


class ChainError(TallyError):
    """A file, decision or table that cannot be used; the message names file and field."""
