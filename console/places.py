"""`--precinct` of the commands that make or run a device: one precinct, or a place of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from election.places import place_of, precincts_in

PrecinctOption = Annotated[
    list[str],
    typer.Option(
        "--precinct",
        help="Precinct the device serves; once for each, where its polling place has several.",
    ),
]


def place_given(precincts: Sequence[str]) -> str:
    """The place of the precincts named (`election.places`), in any order.

    Raises:
        BadParameter: one is named twice, or they are too many.
    """
    try:
        return place_of(each for value in precincts for each in precincts_in(value))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--precinct") from error
