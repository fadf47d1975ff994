"""A definition is checked against itself and its profile before use; errors name the field."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from election.definition import (
    check_election,
    election_problems,
    load_election,
    parse_election,
    profile_problems,
)
from election.errors import DefinitionError, ElectionError
from election.model import Election
from election.profile import Profile

Alter = Callable[[Election, Callable[[dict[str, Any]], object]], bytes]


def test_examples_are_sound(
    kz: Election, us: Election, kz_rules: Profile, us_rules: Profile
) -> None:
    check_election(kz, kz_rules)
    check_election(us, us_rules)
    assert len(kz.hash) == 64
    # SEED-07: 69 list seats; seven lists and "against all" (NVT-18).
    lists = kz.contest("party-list")
    assert lists.seats == 69
    assert [o.id for o in lists.options][-1] == "against-all"
    assert len(lists.options) == 8
    letters = set("".join(o.name["kk"] for c in kz.contests for o in c.options).lower())
    assert set("әғқңөұүһі") <= letters


def test_hash_does_not_depend_on_order_or_space(kz: Election) -> None:
    value = json.loads(kz.model_dump_json(exclude_none=True))
    turned = dict(reversed(list(value.items())))
    assert parse_election(json.dumps(turned, indent=7).encode()).hash == kz.hash


def _set(*path: str | int, to: object) -> Callable[[dict[str, Any]], object]:
    def change(value: dict[str, Any]) -> None:
        place: Any = value
        for step in path[:-1]:
            place = place[step]
        if to is None:
            del place[path[-1]]
        else:
            place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (
            _set("ballot_styles", 0, "contests", to=["nowhere"]),
            "ballot_styles.0.contests",
            "nowhere",
        ),
        (_set("ballot_styles", 1, "precincts", to=["P-9"]), "ballot_styles.1.precincts", "P-9"),
        (_set("ballot_styles", 1, "languages", to=["de"]), "ballot_styles.1.languages", "de"),
        (_set("contests", 1, "district", to="D-9"), "contests.1.district", "D-9"),
        (_set("precincts", 0, "districts", to=["KZ", "X"]), "precincts.0.districts", "'X'"),
        (_set("contests", 1, "id", to="party-list"), "contests.1.id", "twice"),
        (_set("precincts", 1, "id", to="P-101"), "precincts.1.id", "twice"),
        (_set("contests", 0, "options", 2, "id", to="auyl"), "contests.0.options.2.id", "twice"),
        (_set("contests", 0, "votes_allowed", to=9), "contests.0.votes_allowed", "8 places"),
        (
            _set("contests", 0, "options", 0, "name", "kk", to=None),
            "contests.0.options.0.name",
            "kk",
        ),
        (_set("title", "ru", to=None), "title", "ru"),
        (_set("date", to="2023-02-30"), "date", "calendar"),
        (lambda v: v["ballot_styles"].pop(2), "contests.2", "no ballot style"),
        (_set("ballot_styles", 1, "precincts", to=["P-201"]), "ballot_styles.1.precincts", "D-1"),
    ],
)
def test_a_definition_that_contradicts_itself(
    kz: Election, altered: Alter, change: Callable[[dict[str, Any]], object], field: str, said: str
) -> None:
    election = parse_election(altered(kz, change))
    problems = election_problems(election)
    assert any(p.field == field and said in p.what and p.advice for p in problems), problems
    with pytest.raises(DefinitionError, match="kz-majilis-2023: "):
        check_election(election)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_set("contests", 0, "options", to=[]), "contests.0.options"),
        (_set("contests", 0, "votes_allowed", to=0), "contests.0.votes_allowed"),
        (_set("contests", 0, "kind", to="raffle"), "contests.0.kind"),
        (_set("contests", to=None), "contests"),
        (_set("precincts", 0, "registered_voters", to=-1), "precincts.0.registered_voters"),
        (_set("precincts", 0, "id", to="../../etc"), "precincts.0.id"),
        (_set("colour", to="blue"), "colour"),
        (_set("format", to="ballotbench-election/9"), "format"),
        (_set("contests", 0, "title", "kk", to=""), "contests.0.title.kk"),
        (_set("contests", 0, "options", 0, "name", "kk", to="\n"), "contests.0.options.0.name.kk"),
        (_set("contests", 0, "title", "ru", to="\u00a0\u200b"), "contests.0.title.ru"),
        # The schema knows these for no numbers; read loosely they would be 5 and 1 votes.
        (_set("contests", 0, "votes_allowed", to="5"), "contests.0.votes_allowed"),
        (_set("contests", 0, "votes_allowed", to=True), "contests.0.votes_allowed"),
        (_set("precincts", 0, "registered_voters", to="500"), "precincts.0.registered_voters"),
    ],
)
def test_a_wrong_field_is_named(
    kz: Election, altered: Alter, change: Callable[[dict[str, Any]], object], field: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_election(altered(kz, change), "election.json")
    assert caught.value.where == f"election.json: {field}"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"{", "line 1"),
        (b"[]", "whole file"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b'{"id": 1, "id": 2}', "twice"),
        (b'{"id": NaN}', "NaN"),
        (b"[" * 100_000, "nested"),
        (b'{"id": ' + b"9" * 5000 + b"}", "digits"),
        (b"\x89PNG\r\n\x1a\n", "JSON"),
    ],
)
def test_what_is_no_definition(data: bytes, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        parse_election(data, "x.json")


def test_numbers_and_signs_without_canonical_form(kz: Election, altered: Alter) -> None:
    for change in (
        _set("precincts", 0, "registered_voters", to=2**60),
        _set("title", "en", to="broken \ud800"),
    ):
        value = json.loads(kz.model_dump_json(exclude_none=True))
        change(value)
        with pytest.raises(DefinitionError):
            parse_election(json.dumps(value).encode(), "x.json")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="No such file"):
        load_election(tmp_path / "absent.json")
    with pytest.raises(DefinitionError, match="directory"):
        load_election(tmp_path)


def test_load_election_names_the_file(tmp_path: Path, kz: Election, altered: Alter) -> None:
    """A definition with a missing contest."""
    path = tmp_path / "definition_missing_contest.json"
    path.write_bytes(altered(kz, lambda value: value["contests"].pop(1)))
    with pytest.raises(DefinitionError) as caught:
        load_election(path)
    message = str(caught.value)
    assert str(path) in message
    assert "ballot_styles.1.contests" in message
    assert "smd-1" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda v: v["contests"][0]["options"].pop(), "contests.0.options"),
        (_set("contests", 0, "options", 0, "kind", to="against_all"), "contests.0.options"),
        (_set("contests", 1, "write_ins", to=1), "contests.1.write_ins"),
        (_set("contests", 1, "votes_allowed", to=2), "contests.1.votes_allowed"),
        (
            _set("ballot_styles", 1, "contests", to=["smd-1", "party-list"]),
            "ballot_styles.1.contests",
        ),
        (_set("profile", to="us-general"), "profile"),
    ],
)
def test_the_profile_rules(
    kz: Election,
    kz_rules: Profile,
    altered: Alter,
    change: Callable[[dict[str, Any]], object],
    field: str,
) -> None:
    """NVT-18: exactly one "against all"; one mark a contest, one contest a paper."""
    election = parse_election(altered(kz, change))
    assert field in {problem.field for problem in profile_problems(election, kz_rules)}
    with pytest.raises(DefinitionError):
        check_election(election, kz_rules)


def test_against_all_where_the_profile_has_none(us: Election, us_rules: Profile) -> None:
    value = json.loads(us.model_dump_json(exclude_none=True))
    value["contests"][0]["options"][0]["kind"] = "against_all"
    election = parse_election(json.dumps(value).encode())
    assert "does not know" in profile_problems(election, us_rules)[0].what


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_change_parses_or_is_explained(kz: Election, data: st.DataObject) -> None:
    """Whatever is put in place of any member, no input ends in a traceback."""
    value = json.loads(kz.model_dump_json(exclude_none=True))
    place, steps = value, data.draw(st.integers(1, 5))
    for _ in range(steps):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            leaf = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
            place[key] = data.draw(st.recursive(leaf, lambda inner: st.lists(inner, max_size=3)))
            break
        place = place[key]
    try:
        check_election(parse_election(json.dumps(copy.deepcopy(value)).encode()))
    except ElectionError as error:
        explained = error
    else:
        return
    assert explained.where
    assert explained.what
