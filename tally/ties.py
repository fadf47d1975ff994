"""Equal claims: settled by the rule of the law where it can be, and always reported.

The rules: the earlier registered first, or a lot from a public seed (`tally.lots`). What
the rule cannot settle stays open and is named: nothing here guesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tally.lots import Lot

TieRule = Literal["earlier_registration", "lot"]


@dataclass(frozen=True, slots=True)
class Tie:
    """Equal claims to `at_stake` seats.

    `among` are the equal claimants, `chosen` those the rule gave a seat (empty while a lot
    or a registration order is awaited), `rule` says how in plain words.
    """

    among: tuple[str, ...]
    at_stake: int
    chosen: tuple[str, ...]
    rule: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "among": list(self.among),
            "at_stake": self.at_stake,
            "chosen": list(self.chosen),
            "rule": self.rule,
        }


@dataclass(frozen=True, slots=True)
class TieBreaker:
    """How ties are settled: the rule, and what it needs (ranks from 1, or the public lot)."""

    rule: TieRule
    registration_order: Mapping[str, int]
    lot: Lot | None = None

    def settle(self, group: Iterable[str], at_stake: int, what: str) -> Tie:
        """Choose `at_stake` of an equal `group`; `what` names the equal thing ("equal votes")."""
        among = tuple(sorted(group))
        if self.rule == "earlier_registration":
            ranks = [self.registration_order[n] for n in among if n in self.registration_order]
            if len(ranks) == len(among) == len(set(ranks)):
                chosen = sorted(among, key=lambda n: self.registration_order[n])[:at_stake]
                return Tie(among, at_stake, tuple(chosen), f"{what}: earlier registration")
            return Tie(among, at_stake, (), f"{what}: the order of registration is not known")
        if self.lot is not None:
            chosen = list(self.lot.order(among, what))[:at_stake]
            return Tie(among, at_stake, tuple(chosen), f"{what}: lot, seed {self.lot.seed!r}")
        return Tie(among, at_stake, (), f"{what}: to be decided by lot")
