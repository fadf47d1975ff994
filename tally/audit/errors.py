"""What can go wrong in an audit."""

from __future__ import annotations

from tally.errors import TallyError


class AuditError(TallyError):
    """A case, manifest or sample that cannot be used; names the file and field."""
