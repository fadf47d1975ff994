"""Draws from a public seed that anyone can make again, by the field's own samplers.

    consistent   each card has a ticket number of its own, from the seed and its name alone
                 (Rivest's consistent sampler): who joins a manifest later moves no ticket
    sha256       positions by SHA-256 in counter mode (Stark and Ottoboni's cryptorandom)

Both are the authors' libraries, not code of ours: the extra `audit` has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tally.audit.errors import AuditError

#: Digits of a ticket number.
DIGITS = 18
_MISSING = "draws need the extra `audit`: pip install 'ballotbench[audit]'"


class Ticket(NamedTuple):
    """One draw: the ticket number as text, the batch and the card's place in it (from 1), and
    which ticket of this card it is (from 1; more only with replacement)."""

    number: str
    batch: str
    position: int
    generation: int


def draw_tickets(
    seed: str, batches: Mapping[str, int], take: int, *, with_replacement: bool
) -> list[Ticket]:
    """The `take` smallest tickets of a manifest (batch → number of cards).

    Raises:
        AuditError: more than there are, or the library is not installed.
    """
    try:
        from consistent_sampler import sampler
    except ImportError as error:
        raise AuditError(_MISSING) from error
    cards = [(b, place) for b, size in batches.items() for place in range(1, size + 1)]
    if not cards or (take > len(cards) and not with_replacement):
        raise AuditError(f"take: {take} of {len(cards)} cards")
    drawn: Iterable[tuple[str, tuple[str, int], int]] = sampler(
        cards,
        seed=seed,
        with_replacement=with_replacement,
        take=take,
        output="tuple",
        digits=DIGITS,
    )
    return [Ticket(number, *card, generation) for number, card, generation in drawn]


def draw_positions(seed: str, population: int, take: int) -> list[int]:
    """`take` positions from 0 to `population` - 1, with replacement.

    Raises:
        AuditError: nothing to draw from, or the library is not installed.
    """
    try:
        from cryptorandom.cryptorandom import SHA256
    except ImportError as error:
        raise AuditError(_MISSING) from error
    if population < 1 or take < 0:
        raise AuditError(f"population: {take} draws of {population} cards")
    return [int(position) for position in SHA256(seed).randint(0, population, size=take)]
