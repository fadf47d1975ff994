"""Canonical JSON (RFC 8785) at the speed of the standard library, for what has no fractions.

For objects whose names are ASCII, with texts, truth and whole numbers up to 2^53, the RFC's
form is what `json` writes with sorted names and no spaces: the order of UTF-16 units (3.2.3)
is then that of the letters, and the escapes (3.2.2.2) are the same. Elsewhere the project
uses the library `rfc8785`; a property test holds the two together.
"""

from __future__ import annotations

import json
import re
from typing import Any

import rfc8785

#: Digits of numbers that the RFC may not hold (3.2.2.3); in a text they do no harm.
_LONG = re.compile(r"[0-9]{16}")


def canonical_bytes(value: Any) -> bytes:
    """The RFC 8785 form of such a value; the caller's model sees to what is in it.

    Raises:
        rfc8785.CanonicalizationError: a whole number beyond 2^53.
    """
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    )
    if _LONG.search(text):
        return rfc8785.dumps(value)
    return text.encode()
