"""`ballotbench seats`: list seats from a table of votes (SEED-07)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from console.common import emit_json, stdout
from election.profile import SeatRules, load_profile
from tally.errors import SeatError
from tally.lots import Lot
from tally.quotas import QuotaResult, apply_quotas, read_members
from tally.seats import METHODS, ListMethod, ListSeats, allot_list_seats, decimal_text
from tally.ties import TieRule
from tally.vote_table import read_vote_table

EXAMPLE = f"""Allot list seats by the profile's rule, or by another one named.

VOTES.csv has the columns list,votes and, where ties are broken by it, registration_order.
MEMBERS.csv (list,name,groups) has the people of each list in their order, for the quotas that
the profile sets among the winners. Methods: {", ".join(METHODS)}.

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
    method: Annotated[
        str | None, typer.Option(help="How seats are given; else as the law.")
    ] = None,
    tie: Annotated[
        str | None, typer.Option(help="earlier_registration or lot; else the profile's.")
    ] = None,
    lot: Annotated[str | None, typer.Option(help="Public seed of the lot, as announced.")] = None,
    members: Annotated[
        Path | None, typer.Option(help="CSV of the lists' people, for the profile's quotas.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Print the allotment; exit 1 when a tie leaves seats undecided or a quota is not met."""
    rules = load_profile(profile).seats
    how = rules.method if method is None else method
    if how == "plurality" and method is None:
        if seats_number is None:
            raise SeatError(f"profile {profile} allots no list seats; give --seats to do it anyway")
        how = "hare_largest_remainder"
    table = read_vote_table(votes.read_bytes(), votes.name)
    result = allot_list_seats(
        table.votes,
        voted=_base(table.votes, rules, against_all, voted),
        seats=rules.list_seats if seats_number is None else seats_number,
        threshold_percent=rules.threshold_percent if threshold is None else threshold,
        threshold_rule="at_least" if at_least else "over",
        registration_order=table.registration_order,
        tie=tie_rule(rules.tie if tie is None else tie),
        method=cast(ListMethod, how),
        lot=None if lot is None else Lot(lot),
    )
    quotas: tuple[QuotaResult, ...] = ()
    if members is not None:
        if not rules.quotas:
            raise SeatError(f"profile {profile} sets no quotas among the winners: leave --members")
        people = read_members(members.read_bytes(), members.name)
        quotas = apply_quotas(result.seats, people, rules.quotas)
    if json_output:
        document: dict[str, Any] = result.as_json()
        if members is not None:
            document["quotas"] = [quota.as_json() for quota in quotas]
        emit_json(document)
    else:
        _show(result, table.votes)
        _show_quotas(quotas)
    if result.undecided or not all(quota.met for quota in quotas):
        raise typer.Exit(1)


def tie_rule(text: str) -> TieRule:
    """The rule by its word. Raises SeatError."""
    if text not in ("earlier_registration", "lot"):
        raise SeatError(f"--tie is earlier_registration or lot, not {text[:40]!r}")
    return cast(TieRule, text)


def _base(votes: dict[str, int], rules: SeatRules, against_all: int, voted: int | None) -> int:
    """What the threshold is a share of."""
    for_lists = sum(votes.values())
    if voted is not None and voted < for_lists + against_all:
        raise SeatError(f"{voted} voted, fewer than there are votes. Check --voted")
    if rules.threshold_of == "list_votes":
        return for_lists
    return for_lists + against_all if voted is None else voted


def _show(result: ListSeats, votes: dict[str, int]) -> None:
    from rich.markup import escape
    from rich.table import Table

    view = Table()
    view.add_column("List")
    by_quota = bool(result.whole) or not result.admitted
    for column in ("Votes", "Share", *(("Remainder",) if by_quota else ()), "Seats"):
        view.add_column(column, justify="right")
    for name, number in votes.items():
        share = f"{100 * number / result.voted:.2f} %" if result.voted else "–"
        rest = result.remainders.get(name)
        out = name not in result.admitted
        cells = [escape(name), f"{number:,}", share]
        if by_quota:
            cells.append("below threshold" if rest is None else decimal_text(rest))
        view.add_row(*cells, "below threshold" if out and not by_quota else str(result.seats[name]))
    stdout.print(view)
    if result.quotient is not None:
        what = "First quotient" if by_quota else "Last average that won a seat"
        stdout.print(f"{what}: {decimal_text(result.quotient)} votes a seat")
    for tie in result.ties:
        chosen = ", ".join(tie.chosen) or "undecided"
        stdout.print(escape(f"Tie of {', '.join(tie.among)}: {tie.rule} → {chosen}"))
    for note in result.notes:
        stdout.print(escape(f"Note: {note}"))


def _show_quotas(quotas: Sequence[QuotaResult]) -> None:
    from rich.markup import escape

    for quota in quotas:
        verdict = "met" if quota.met else "NOT met"
        line = (
            f"Quota {quota.quota}, list {quota.list_name}: {quota.has} of {quota.needed}: {verdict}"
        )
        for out, into in quota.moved:
            line += f"; {into} takes the seat of {out}"
        stdout.print(escape(line))
