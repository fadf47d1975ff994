"""The table of event kinds: whole, and in NIST's words."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.eventlog import GENESIS, Event, EventLogError, hash_of
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


_NAMES = st.text(max_size=5)
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("\ud800")
)


@given(st.text(), st.dictionaries(_NAMES, st.one_of(_SCALARS, st.lists(_SCALARS, max_size=2))))
def test_an_event_s_hash_is_that_of_its_rfc_8785_form(kind: str, detail: dict[str, Any]) -> None:
    """However it is made; and what that form cannot hold is refused."""
    event = Event(3, "2026-03-19T07:00:00Z", kind, detail, GENESIS, "")
    fields = {key: value for key, value in event.to_json().items() if key != "hash"}
    try:
        expected = hashlib.sha256(rfc8785.dumps(fields)).hexdigest()
    except rfc8785.CanonicalizationError:
        with pytest.raises(EventLogError, match="line 3"):
            hash_of(event)
    else:
        assert hash_of(event) == expected
