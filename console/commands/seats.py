"""`ballotbench seats`: seats from a table of votes (SEED-07)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout
from election.profile import load_profile
from tally.errors import SeatError
from tally.seats import ListSeats, TieRule, allot_list_seats, decimal_text
from tally.vote_table import read_vote_table

EXAMPLE = """Allot list seats by the Hare quota and largest remainders.

VOTES.csv has the columns list,votes and, where ties are broken by it, registration_order.

Example: ballotbench seats votes.csv --profile kz-majilis --against-all 248291
"""


def register(app: typer.Typer) -> None:
    """Add `seats`."""
    app.command("seats", help=EXAMPLE)(seats)


def seats(
    votes: Annotated[Path, typer.Argument(help="CSV: list,votes[,registration_order].")],
    profile: Annotated[str, typer.Option(help="Profile id or TOML file.")] = "kz-majilis",
    against_all: Annotated[int, typer.Option(min=0, help="Votes against all.")] = 0,
    voted: Annotated[
        int | None,
        typer.Option(min=0, help="Voters who took part; else all votes and those against all."),
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="Percent of those who voted; else the profile's.")
    ] = None,
    seats_number: Annotated[
        int | None, typer.Option("--seats", min=0, help="Seats to give; else the profile's.")
    ] = None,
    at_least: Annotated[
        bool, typer.Option("--at-least", help="Admit a list with exactly the threshold.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Print the allotment; exit 1 when a tie leaves seats undecided."""
    rules = load_profile(profile).seats
    if rules.method != "hare_largest_remainder" and seats_number is None:
        raise SeatError(f"profile {profile} allots no list seats; give --seats to do it anyway")
    table = read_vote_table(votes.read_bytes(), votes.name)
    took_part = sum(table.votes.values()) + against_all if voted is None else voted
    if took_part < sum(table.votes.values()) + against_all:
        raise SeatError(f"{took_part} voted, fewer than there are votes. Check --voted")
    tie: TieRule = rules.tie
    result = allot_list_seats(
        table.votes,
        voted=took_part,
        seats=rules.list_seats if seats_number is None else seats_number,
        threshold_percent=rules.threshold_percent if threshold is None else threshold,
        threshold_rule="at_least" if at_least else "over",
        registration_order=table.registration_order,
        tie=tie,
    )
    if json_output:
        emit_json(result.as_json())
    else:
        _show(result, table.votes)
    if result.undecided:
        raise typer.Exit(1)


def _show(result: ListSeats, votes: dict[str, int]) -> None:
    from rich.markup import escape
    from rich.table import Table

    view = Table()
    view.add_column("List")
    for column in ("Votes", "Share", "Remainder", "Seats"):
        view.add_column(column, justify="right")
    for name, number in votes.items():
        rest = result.remainders.get(name)
        view.add_row(
            escape(name),
            f"{number:,}",
            f"{100 * number / result.voted:.2f} %" if result.voted else "–",
            "below threshold" if rest is None else decimal_text(rest),
            str(result.seats[name]),
        )
    stdout.print(view)
    if result.quotient is not None:
        stdout.print(f"First quotient: {decimal_text(result.quotient)} votes a seat")
    for tie in result.ties:
        chosen = ", ".join(tie.chosen) or "undecided"
        stdout.print(escape(f"Tie of {', '.join(tie.among)}: {tie.rule} → {chosen}"))
    for note in result.notes:
        stdout.print(escape(f"Note: {note}"))
