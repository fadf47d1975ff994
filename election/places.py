"""A polling place: the precincts that one device serves, as one name.

Most devices serve one precinct, and a place's id is then that precinct's. Where several
precincts vote in one room with one box, the place's id is all their ids, sorted and joined by
`+`, which no id of a definition can hold: `p-1+p-2`. So one text names every precinct
wherever a device's precinct is named, and what signs it binds them all.

Papers are told apart by precinct and ballot style: `paper_key` is the style's id where the
place has one precinct, else `PRECINCT/STYLE` (no id holds `/` either).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from election.model import BallotStyle, Election

JOINED_BY = "+"
_KEY = "/"
#: Most precincts of one place, and most letters of its id (a summary holds 255 bytes).
MAX_PRECINCTS = 16
MAX_ID = 255


def place_of(precincts: Iterable[str]) -> str:
    """The id of the place of these precincts, in whichever order they are given.

    Raises:
        ValueError: none, one named twice, or more than one device can serve.
    """
    ids = sorted(precincts)
    twice = next((a for a, b in pairwise(ids) if a == b), None)
    if twice is not None:
        raise ValueError(f"precinct {twice} is named twice")
    if not ids or not all(ids):
        raise ValueError("no precinct is named")
    place = JOINED_BY.join(ids)
    if len(ids) > MAX_PRECINCTS or (len(ids) > 1 and len(place) > MAX_ID):
        raise ValueError(
            f"one device serves {MAX_PRECINCTS} precincts at most, whose ids have {MAX_ID} letters "
            "together"
        )
    return place


def precincts_in(place: str) -> tuple[str, ...]:
    """The precincts of a place, sorted; `(place,)` where it is one precinct."""
    return tuple(place.split(JOINED_BY))


def is_one_precinct(place: str) -> bool:
    """Does the place serve one precinct only?"""
    return JOINED_BY not in place


def has_place(election: Election, place: str) -> bool:
    """Are all precincts of the place in the election, each once and in order?"""
    ids = precincts_in(place)
    return all(map(election.has_precinct, ids)) and all(a < b for a, b in pairwise(ids))


def place_papers(election: Election, place: str) -> tuple[tuple[str, BallotStyle], ...]:
    """Every (precinct, ballot style) handed out in the place: by precinct, then as defined."""
    return tuple(
        (precinct, style)
        for precinct in precincts_in(place)
        for style in election.precinct_styles(precinct)
    )


def paper_key(place: str, precinct: str, style_id: str) -> str:
    """What a kind of paper is called at this place's device."""
    return style_id if is_one_precinct(place) else f"{precinct}{_KEY}{style_id}"


def paper_keys(election: Election, place: str) -> dict[str, tuple[str, str]]:
    """(precinct, ballot style id) by paper key, for every kind of paper of the place."""
    return {
        paper_key(place, precinct, style.id): (precinct, style.id)
        for precinct, style in place_papers(election, place)
    }


def is_at_home(precinct: str | None, place: str) -> bool:
    """Is someone of this precinct (None: of any) one of the place's people?"""
    return precinct is None or precinct in precincts_in(place)


def say_place(place: str) -> str:
    """The place's precincts for a sentence: "p-1, p-2"."""
    return ", ".join(precincts_in(place))
