"""A VotingWorks definition checked against itself before any vote is read by it.

Every error names the field: nothing may stand twice, every oval is on the page, alone at its
place and of a listed option, every ballot style is told by the code on its paper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from election.errors import DefinitionError
from election.importers.vxsuite_form import BallotStyle, Contest, Definition, GridLayout
from election.layout import Grid

#: Bits of the card number in a front's bottom row.
CARD_BITS = 13


def check_ids(form: Definition, where: str) -> None:
    """Nothing may stand twice: a vote would have two places to go."""
    lists: list[tuple[str, Sequence[str]]] = [
        ("districts", [d.id for d in form.districts]),
        ("precincts", [p.id for p in form.precincts]),
        ("contests", [c.id for c in form.contests]),
        ("ballotStyles", [s.id for s in form.ballotStyles]),
    ]
    for k, contest in enumerate(form.contests):
        options = [option for option, _ in contest.printed()]
        lists.append((f"contests.{k}.{_options_field(contest)}", options))
        if contest.type == "candidate" and contest.seats is None:
            raise DefinitionError(
                "is missing: how many votes count is not known",
                where=f"{where}: contests.{k}.seats",
            )
    known = {p.id for p in form.precincts}
    for k, style in enumerate(form.ballotStyles):
        lists.append((f"ballotStyles.{k}.precincts", style.precincts))
        for precinct in style.precincts:
            if known and precinct not in known:
                raise DefinitionError(
                    f"names the precinct {precinct!r}, which is not defined",
                    where=f"{where}: ballotStyles.{k}.precincts",
                )
    for field, ids in lists:
        twice = next((i for i in ids if ids.count(i) > 1), None)
        if twice is not None:
            raise DefinitionError(f"has {twice!r} twice", where=f"{where}: {field}")


def _options_field(contest: Contest) -> str:
    return "candidates" if contest.type == "candidate" else "yesOption"


def grid_layouts(form: Definition, where: str) -> dict[str, GridLayout]:
    """The one grid layout of each style; older files repeat it for every precinct."""
    styles = {s.id for s in form.ballotStyles}
    grids: dict[str, GridLayout] = {}
    for k, layout in enumerate(form.gridLayouts):
        if layout.ballotStyleId not in styles:
            raise DefinitionError(
                f"names the ballot style {layout.ballotStyleId!r}, which is not defined",
                where=f"{where}: gridLayouts.{k}.ballotStyleId",
            )
        first = grids.setdefault(layout.ballotStyleId, layout)
        if first.gridPositions != layout.gridPositions:
            raise DefinitionError(
                f"places the ovals of ballot style {layout.ballotStyleId!r} otherwise than an "
                "earlier grid layout does",
                where=f"{where}: gridLayouts.{k}.gridPositions",
                advice="Keep the one that was printed",
            )
    return grids


def check_positions(form: Definition, grid: Grid, where: str) -> None:
    """Every oval is on the page, alone there, and belongs to a known option."""
    options = {c.id: {option for option, _ in c.printed()} for c in form.contests}
    for k, layout in enumerate(form.gridLayouts):
        places: set[tuple[str, float, float]] = set()
        for i, p in enumerate(layout.gridPositions):
            here = f"{where}: gridLayouts.{k}.gridPositions.{i}"
            place = (p.side, p.column, p.row)
            if p.sheetNumber != 1:
                raise DefinitionError(
                    f"an oval on sheet {p.sheetNumber}; ballots of one sheet are read",
                    where=f"{here}.sheetNumber",
                )
            for name, value, count in (
                ("column", p.column, grid.columns),
                ("row", p.row, grid.rows),
            ):
                # The outermost rows and columns are timing marks.
                if not 0 < value < count - 1:
                    raise DefinitionError(
                        f"{value:g} is outside the page's grid of {grid.columns} columns and "
                        f"{grid.rows} rows",
                        where=f"{here}.{name}",
                    )
            if place in places:
                raise DefinitionError("an oval is there already", where=here)
            places.add(place)
            if p.contestId not in options:
                raise DefinitionError(
                    f"names the contest {p.contestId!r}, which is not defined",
                    where=f"{here}.contestId",
                )
            if p.write_in is not None:
                continue
            if p.type == "write-in":
                raise DefinitionError("is missing", where=f"{here}.writeInIndex")
            if p.optionId not in options[p.contestId]:
                raise DefinitionError(
                    "is missing"
                    if p.optionId is None
                    else f"names {p.optionId!r}, which contest {p.contestId!r} does not list",
                    where=f"{here}.optionId",
                )


def card_numbers(form: Definition, styles: Sequence[BallotStyle], where: str) -> dict[int, str]:
    """Ballot styles by the card number in their ids; empty for one style that has none."""
    cards: dict[int, str] = {}
    for style in styles:
        here = f"{where}: ballotStyles.{form.ballotStyles.index(style)}.id"
        named = re.fullmatch(r"card-number-([0-9]{1,6})", style.id, re.ASCII)
        if named is None:
            if len(styles) == 1:
                return {}
            raise DefinitionError(
                f"ballot style {style.id!r} does not say its card number",
                where=here,
                advice="Of several styles each needs an id like card-number-3",
            )
        number = int(named[1])
        if number >= 1 << CARD_BITS:
            raise DefinitionError(
                f"card number {number} is more than {CARD_BITS} marks can carry", where=here
            )
        if number in cards:
            raise DefinitionError(
                f"has the card number {number} of ballot style {cards[number]!r}", where=here
            )
        cards[number] = style.id
    return cards
