"""Whatever a form is made to say, it is refused by name or judged: never a crash (NVT-13)."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.profile import load_profile
from tally.protocol.findings import check_form
from tally.protocol.form import PrecinctForm, ProtocolError, parse_form
from tally.protocol.printed import render_protocol
from tally.protocol.sealed import protocol_content
from tests.tally.protocol.commission import full_form
from tests.tally.world import make_election

ELECTION = make_election()
PROFILE = load_profile("kz-majilis")
WHOLE: dict[str, Any] = json.loads(
    full_form(
        ELECTION,
        profile_hash=PROFILE.canonical_hash(),
        members=[{"id": "chair-1", "role": "chair"}],
        steps=[{"id": "read_aloud", "state": "done", "by": ["chair-1"]}],
        settled=[
            {
                "figure": "papers.list-paper.received",
                "entries": [{"by": "chair-1", "value": 1}, {"by": "device", "value": 2}],
                "value": 2,
                "reason": "so",
                "by": ["chair-1", "member-2"],
            }
        ],
        breaches=[{"ratio": "box_by_kind", "of": "list-paper", "left": 1, "right": 2}],
    ).canonical_json()
)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return [here, *(p for key in keys for p in paths(value[key], (*here, key)))]


PLACES = [path for path in paths(WHOLE) if path]
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.sampled_from([0, 1, -1, 99_999_999, 100_000_000, 2**53, 0.5, 1e308, "", "x", "0", "<b>"]),
    st.text(max_size=12),
    st.sampled_from([[], {}, [[]], {"a": 1}, {"list": {}}, ["chair-1", "chair-1"]]),
)


@settings(deadline=None, max_examples=200)
@given(place=st.sampled_from(PLACES), strange=STRANGE, remove=st.booleans())
def test_one_strange_value_is_refused_or_judged(
    place: tuple[Any, ...], strange: Any, remove: bool
) -> None:
    value = copy.deepcopy(WHOLE)
    target = value
    for key in place[:-1]:
        target = target[key]
    if remove and isinstance(target, dict):
        del target[place[-1]]
    else:
        target[place[-1]] = strange
    words = _judged(json.dumps(value).encode())
    assert words is None or words.startswith(("form.json: ", "protocol of ", "the protocol of ")), (
        words
    )


def _judged(data: bytes) -> str | None:
    """What a form is refused with; None: it was judged."""
    try:
        form = parse_form(data, "form.json")
        assert parse_form(form.canonical_json(), "again") == form
        protocol_content(form)
        check_form(form, ELECTION, PROFILE)
    except ProtocolError as error:
        return str(error)
    return None


@pytest.mark.parametrize("sign", ["\x1b[2J", "\u202e", "\0", "\n", "\ud83d"])
def test_signs_that_nobody_can_see_are_no_words(sign: str) -> None:
    """They would change what a terminal or a page shows beside them."""
    steps = [{"id": "read_aloud", "state": "skipped", "reason": f"so{sign}"}]
    with pytest.raises(ProtocolError, match=r"form\.json: "):
        parse_form(json.dumps({**WHOLE, "steps": steps}).encode(), "form.json")


@pytest.mark.parametrize("reason", ["<b>&amp;", "𝄞 漢字", "«түн» – “ночь”", "x" * 2000])
def test_any_words_that_can_be_seen_are_printed(reason: str) -> None:
    steps = [{"id": "read_aloud", "state": "skipped", "by": ["chair-1"], "reason": reason}]
    form = PrecinctForm.model_validate({**WHOLE, "steps": steps})
    assert render_protocol(form, ELECTION, PROFILE, languages=["en"]).startswith(b"%PDF")
