"""Errors of the transparency log."""

from __future__ import annotations

from tally.errors import TallyError


class LogError(TallyError):
    """A log, checkpoint or proof that cannot be used or does not hold; `where` is the place:
    the file, and in it the line or field."""

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        self.what = what
        super().__init__(f"{where}: {what}")


class RewrittenError(LogError):
    """Two signed checkpoints of one log that no single log can have."""
