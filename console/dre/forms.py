"""Forms that only this screen's own pages can send, each for one step.

A token names its page and step and is sealed with a secret of the one browser. The step goes
on when the voter or the stage changes, and after each act of officers: what an old page sends
later (a second tap, a page left open) is known for old, and does nothing.
"""

from __future__ import annotations

import hmac
import secrets
from collections import Counter
from collections.abc import Mapping
from enum import Enum, auto
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request

#: A page's form is no larger, bytes, however it is sent.
MOST_BYTES = 64 * 1024
MOST_FIELDS = 1000

Form = Mapping[str, list[str]]


class Age(Enum):
    """What a token is: of the present step, of an earlier one, or none of ours."""

    NOW = auto()
    OLD = auto()
    FOREIGN = auto()


class Tokens:
    """The tokens of one browser's pages."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._steps: Counter[str] = Counter()

    def of(self, page: str) -> str:
        """The token of a page's present step."""
        return self._token(page, self._steps[page])

    def next_step(self, page: str) -> None:
        """The page's tokens so far are old."""
        self._steps[page] += 1

    def age(self, page: str, token: str) -> Age:
        """What a token that came with a form is."""
        number = token.partition(".")[0]
        if not (number.isascii() and number.isdecimal() and len(number) < 12):
            return Age.FOREIGN
        step = int(number)
        own = self._token(page, step)
        if step > self._steps[page] or not hmac.compare_digest(token.encode(), own.encode()):
            return Age.FOREIGN
        return Age.NOW if step == self._steps[page] else Age.OLD

    def _token(self, page: str, step: int) -> str:
        sealed = hmac.digest(self._secret, f"{page} {step}".encode(), "sha256")
        return f"{step}.{sealed.hex()}"


async def read_form(request: Request) -> Form | None:
    """The form of a request; None where it is none, or larger than a page's form can be."""
    body = bytearray()
    try:
        # Counted as it comes: a length that is told may be missing (chunks), or a lie.
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return None
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except (ValueError, ClientDisconnect):
        return None
