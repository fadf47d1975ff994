"""Errors of the exchange of results with other systems."""

from __future__ import annotations

from tally.errors import TallyError


class ExchangeError(TallyError):
    """A file of another system that cannot be used at all, or a result that cannot be
    written in the form asked for; names file, place, field and what to do."""
