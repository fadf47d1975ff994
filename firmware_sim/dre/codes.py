"""One-time codes with which officers let voters begin a ballot.

A code works once, on this device, until the device stops. It is in memory only: nothing
leads from a voter to a ballot (NVT-05).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from firmware_sim.errors import StateError

#: Figures of a code; so many wrong ones are borne before the screen asks for an officer.
CODE_DIGITS = 6
WRONG_CODES = 5
#: Codes that may be open at once.
OPEN_CODES = 20


class Codes:
    """The codes that are open, each for a ballot of one kind of paper (precinct, style)."""

    def __init__(self, randomness: Callable[[int], bytes]) -> None:
        """`randomness` gives n unpredictable bytes."""
        self._randomness = randomness
        self._open: dict[str, str] = {}
        self._wrong = 0

    def check_room(self) -> None:
        """Raises StateError: as many codes are open as may be."""
        if len(self._open) >= OPEN_CODES:
            raise StateError("too many codes are open: have them used, or take them back")

    def make(self, paper: str) -> str:
        """A new code for one ballot of a kind of paper. Raises StateError as `check_room`."""
        self.check_room()
        while True:
            number = int.from_bytes(self._randomness(8), "big") % 10**CODE_DIGITS
            code = f"{number:0{CODE_DIGITS}d}"
            if code not in self._open:
                self._open[code] = paper
                return code

    def use(self, code: str) -> str:
        """The kind of paper of a code, which is then used up; spaces and dashes do not matter.

        Raises:
            StateError: no such code, or too many wrong ones were tried.
        """
        given = code.replace(" ", "").replace("-", "")
        found = [c for c in self._open if hmac.compare_digest(c.encode(), given.encode())]
        if not found or self._wrong >= WRONG_CODES:
            self._wrong += 1
            if self._wrong >= WRONG_CODES:
                raise StateError("too many wrong codes: an officer must take the codes back")
            raise StateError("that is no code that can be used")
        self._wrong = 0
        return self._open.pop(found[0])

    def withdraw(self) -> None:
        """Take back every code that was not used; tries begin anew."""
        self._open.clear()
        self._wrong = 0
