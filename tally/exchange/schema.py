"""Checks by a JSON Schema, fast where the fast library is there, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema


class Checker:
    """A draft 4 schema, ready to check many values."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._slow = jsonschema.Draft4Validator(schema)
        self._fast: Any = None
        try:
            import jsonschema_rs
        except ImportError:
            return
        self._fast = jsonschema_rs.Draft4Validator(dict(schema))

    def faults(self, value: Any) -> Iterator[str]:
        """What is wrong, one line each, `place: what`; none when the value is valid."""
        if self._fast is not None and self._fast.is_valid(value):
            return
        for error in sorted(self._slow.iter_errors(value), key=lambda e: list(map(str, e.path))):
            place = "".join(
                f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path
            )
            yield f"{place.lstrip('.') or 'value'}: {_short(error)}"


def _short(error: Any) -> str:
    if error.validator in ("oneOf", "anyOf"):
        return "is of none of the forms that may stand here"
    found = str(error.message)
    return found if len(found) <= 200 else f"{found[:100]} … {found[-90:]}"
