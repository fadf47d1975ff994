"""A place of several precincts as one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from election.model import Precinct
from election.places import (
    MAX_PRECINCTS,
    has_place,
    is_one_precinct,
    paper_key,
    paper_keys,
    place_of,
    place_papers,
    precincts_in,
)
from tests.tally.world import make_election, text

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,12}", fullmatch=True)


@given(st.lists(ids, min_size=1, max_size=MAX_PRECINCTS, unique=True))
def test_a_place_is_its_precincts_in_whatever_order(precincts: list[str]) -> None:
    place = place_of(precincts)
    assert place == place_of(reversed(precincts))
    assert precincts_in(place) == tuple(sorted(precincts))
    assert is_one_precinct(place) == (len(precincts) == 1)


@given(ids, ids)
def test_one_precinct_s_place_and_papers_are_called_as_ever(precinct: str, style: str) -> None:
    assert place_of([precinct]) == precinct
    assert paper_key(precinct, precinct, style) == style


@pytest.mark.parametrize(
    "precincts",
    [[], [""], ["a", "a"], [f"p-{n}" for n in range(MAX_PRECINCTS + 1)], ["a" * 128, "b" * 128]],
)
def test_what_is_no_place_is_refused(precincts: list[str]) -> None:
    with pytest.raises(ValueError, match=r"precinct"):
        place_of(precincts)


def test_no_precinct_can_be_called_like_a_place() -> None:
    for name in ("p-1+p-2", "p-1/list"):
        with pytest.raises(ValidationError):
            Precinct(id=name, name=text("x"), districts=("land",))


def test_the_papers_of_a_place() -> None:
    election = make_election()
    assert has_place(election, "p-1+p-3")
    assert not any(has_place(election, p) for p in ("p-3+p-1", "p-1+p-1", "p-1+p-9", "p-1+", ""))
    keys = paper_keys(election, "p-1+p-3")
    assert list(keys) == ["p-1/list-paper", "p-1/smd-paper", "p-3/list-paper"]
    assert keys["p-3/list-paper"] == ("p-3", "list-paper")
    assert [style.id for _, style in place_papers(election, "p-3")] == ["list-paper"]
