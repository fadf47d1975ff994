"""Test decks of known truth: which marks stand on which sheets, and what they should come to.

In: an election, its profile, its layouts and a seed. Out: a `DeckPlan` (`plan`), the inked
page of each side (`ink`), the votes that it must give (`truth`), and the deck's file
(`document`, `deck.json`). Pure: whoever scans, writes or prints the sheets is elsewhere.
"""

from __future__ import annotations

from scanner.decks.model import DeckMark, DeckPlan, Fault, Part, PlannedSheet
from scanner.decks.plan import DeckOptions, plan_deck

__all__ = [
    "DeckMark",
    "DeckOptions",
    "DeckPlan",
    "Fault",
    "Part",
    "PlannedSheet",
    "plan_deck",
]
