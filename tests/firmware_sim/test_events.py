"""The table of event kinds: whole, and in NIST's words."""

from __future__ import annotations

import re
from pathlib import Path

from firmware_sim.events import EVENT_KINDS, UNKNOWN, Disposition, describe

ROOMS = Path(__file__).parents[2] / "firmware_sim"
#: How a kind is given to journal and ledger in the code.
_GIVEN = re.compile(
    r'kind="([a-z_]+)"|_append\(at, "([a-z_]+)"|\.write\(\s*\{[^}]*\}, "([a-z_]+)"'
    r'|"(failure_[a-z]+)", (?:\{|detail)|kind = "([a-z_]+)"|kind, detail = "([a-z_]+)"'
)


def test_every_kind_in_the_code_is_described() -> None:
    found = {
        word
        for path in ROOMS.rglob("*.py")
        for match in _GIVEN.finditer(path.read_text(encoding="utf-8"))
        for word in match.groups()
        if word
    }
    assert len(found) >= 10
    assert found <= set(EVENT_KINDS), "add a line to firmware_sim/events.py"


def test_an_unknown_kind_is_said_to_be_one() -> None:
    assert describe("sheet_accepted").disposition is Disposition.SUCCESS
    assert describe("something_new") is UNKNOWN
