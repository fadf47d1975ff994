"""The figures a package carries: `totals.json` and `protocol.json` as typed dictionaries.

Their schemas are published by the firmware room (`totals.schema.json`,
`protocol.schema.json`) and have been checked before anything here is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


class StyleFigures(TypedDict):
    """Sheets of one ballot style; valid + invalid + needs_review = sheets."""

    sheets: int
    valid: int
    invalid: int
    needs_review: int
    invalid_grounds: dict[str, int]


class ContestFigures(TypedDict):
    """One contest: `ballots` sheets carry it, `votes` by option, `undervotes` in votes,
    the other figures in sheets."""

    ballots: int
    votes: dict[str, int]
    overvotes: int
    undervotes: int
    blank: int
    invalid: int
    needs_review: int


class PrecinctTotals(TypedDict):
    """`totals.json` of one precinct, or of a place of several with each in `precincts`."""

    format: str
    election_hash: str
    precinct_id: str
    sheets: int
    styles: dict[str, StyleFigures]
    contests: dict[str, ContestFigures]
    precincts: NotRequired[dict[str, Any]]


class StyleProtocol(TypedDict):
    """The protocol's control sums of one kind of paper; `issued` None where nobody said."""

    issued: int | None
    in_box: int
    valid: int
    invalid: int
    needs_review: int
    returned: int


class PrecinctProtocol(TypedDict):
    """`protocol.json` of one precinct, or of a place of several; `box_counter` is the scanner's
    own, None without one, or, with `box_counter_by`, what people said of the box of a dead one."""

    format: str
    precinct_id: str
    election_hash: str
    polls_opened: str
    polls_closed: str
    box_counter: int | None
    box_counter_by: NotRequired[str]
    registered_voters: int
    by_style: dict[str, StyleProtocol]
    precincts: NotRequired[dict[str, Any]]


def say(text: Mapping[str, str] | None, fallback: str, language: str = "en") -> str:
    """A text in `language`, else in any language it has, else the fallback."""
    if not text:
        return fallback
    return text.get(language) or next(iter(text.values()))
