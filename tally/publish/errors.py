"""What can go wrong with a website of results."""

from __future__ import annotations

from tally.errors import TallyError


class PublishError(TallyError):
    """A site that cannot be written; says which file or line, and what to do."""
