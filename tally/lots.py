"""Lots drawn in public: an order that anyone can draw again from the published seed.

The seed is made in public (dice, a lottery's numbers) after the names are known. Each name
gets the SHA-256 of `seed,purpose,name`; the smallest number is drawn first. So a lot does
not depend on the order in which names were typed, and no name can be picked to be lucky
before the seed is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from tally.errors import SeatError


@dataclass(frozen=True, slots=True)
class Lot:
    """A public seed, as announced (figures of dice, say). Raises SeatError: an empty one."""

    seed: str

    def __post_init__(self) -> None:
        if not self.seed.strip() or len(self.seed) > 1000:
            raise SeatError("the seed of a lot must be 1 to 1000 letters or figures: throw dice")

    def order(self, names: Iterable[str], purpose: str = "") -> tuple[str, ...]:
        """The names in the order drawn. `purpose` keeps two lots of one seed apart."""
        return tuple(sorted(names, key=lambda name: (self._number(purpose, name), name)))

    def _number(self, purpose: str, name: str) -> bytes:
        return hashlib.sha256(f"{self.seed},{purpose},{name}".encode()).digest()
