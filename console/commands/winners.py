"""`ballotbench winners`: who is elected in a contest of candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.commands.seats import tie_rule
from console.common import emit_json, stdout
from tally.errors import SeatError
from tally.lots import Lot
from tally.majority import MajorityRule, Round, first_round, second_round
from tally.ranked import RankedResult, instant_runoff, single_transferable_vote
from tally.rankings import read_blt
from tally.seats import Winners, decimal_text, first_past_the_post, parse_percent
from tally.ties import TieBreaker
from tally.vote_table import VoteTable, read_vote_table

RULES = ("plurality", "approval", "two-round", "second-round", "irv", "stv")

EXAMPLE = """Say who is elected, from a table of votes (CSV: list,votes[,registration_order]) or, by
irv and stv, from ranked ballots (BLT).

plurality and approval: the --seats with the most votes (n-of-m too). two-round: more than
--majority percent of --base elects, else the leading two go on; second-round: the most votes.
irv: instant run-off. stv: single transferable vote, exact fractions, Droop quota.

Example: ballotbench winners council.blt --rule stv --json

Example: ballotbench winners president.csv --rule two-round --base 8000000
"""


def register(app: typer.Typer) -> None:
    """Add `winners`."""
    app.command("winners", help=EXAMPLE)(winners)


def winners(
    votes: Annotated[Path, typer.Argument(help="CSV of votes, or BLT of ranked ballots.")],
    rule: Annotated[str, typer.Option(help=f"One of {', '.join(RULES)}.")] = "plurality",
    seats: Annotated[
        int | None, typer.Option(min=1, help="Seats; 1 if not said (BLT files say it).")
    ] = None,
    base: Annotated[
        int | None, typer.Option(min=0, help="two-round: what the share is of; else all votes.")
    ] = None,
    majority: Annotated[str, typer.Option(help="two-round: percent to be exceeded.")] = "50",
    turnout: Annotated[str, typer.Option(help="two-round: percent who must have voted.")] = "0",
    registered: Annotated[int | None, typer.Option(min=0, help="For --turnout.")] = None,
    voted: Annotated[int | None, typer.Option(min=0, help="For --turnout.")] = None,
    places: Annotated[
        int | None, typer.Option(min=0, max=20, help="stv: cut transfer values to N places.")
    ] = None,
    tie: Annotated[str, typer.Option(help="earlier_registration or lot.")] = "lot",
    lot: Annotated[str | None, typer.Option(help="Public seed of the lot, as announced.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Print who is elected; exit 1 where a seat stays open (a tie, a second round)."""
    if rule not in RULES:
        raise SeatError(f"--rule {rule[:40]!r} is not known; known: {', '.join(RULES)}")
    drawn = None if lot is None else Lot(lot)
    data = votes.read_bytes()
    result: RankedResult | Round | Winners
    if rule in ("irv", "stv"):
        ballots = read_blt(data, votes.name)
        if seats not in (None, ballots.seats):
            raise SeatError(f"{votes.name} says {ballots.seats} seats, --seats {seats}")
        order = {name: rank for rank, name in enumerate(ballots.candidates, 1)}
        breaker = TieBreaker(tie_rule(tie), order, drawn)
        result = (
            instant_runoff(ballots, breaker)
            if rule == "irv"
            else single_transferable_vote(ballots, breaker, places=places)
        )
        open_seats = result.undecided
    else:
        table = read_vote_table(data, votes.name)
        breaker = TieBreaker(tie_rule(tie), table.registration_order, drawn)
        number = 1 if seats is None else seats
        if rule in ("plurality", "approval"):
            result = first_past_the_post(
                table.votes,
                seats=number,
                registration_order=table.registration_order,
                tie=breaker.rule,
                lot=drawn,
            )
            open_seats = number - len(result.elected)
        else:
            if number != 1:
                raise SeatError("a majority of two rounds fills one seat")
            result = _rounds(rule, table, breaker, base, majority, turnout, registered, voted)
            open_seats = int(result.elected is None)
    if json_output:
        emit_json({"rule": rule, **result.as_json()})
    else:
        _show(result)
    if open_seats:
        raise typer.Exit(1)


def _rounds(
    rule: str,
    table: VoteTable,
    breaker: TieBreaker,
    base: int | None,
    majority: str,
    turnout: str,
    registered: int | None,
    voted: int | None,
) -> Round:
    if rule == "second-round":
        return second_round(table.votes, breaker=breaker)
    return first_round(
        table.votes,
        base=sum(table.votes.values()) if base is None else base,
        rule=MajorityRule(share=parse_percent(majority), turnout=parse_percent(turnout)),
        breaker=breaker,
        registered=registered,
        voted=voted,
    )


def _show(result: RankedResult | Round | Winners) -> None:
    def say(text: str) -> None:
        stdout.print(text, markup=False, highlight=False, soft_wrap=True)

    ties = []
    if isinstance(result, RankedResult):
        for number, step in enumerate(result.rounds, 1):
            had = ", ".join(f"{c} {decimal_text(v)}" for c, v in step.tallies.items())
            did = [f"elected {c}" for c in step.elected] + [f"excluded {c}" for c in step.excluded]
            if step.transferred is not None:
                did.append(f"surplus of {step.transferred} passed on")
            say(
                f"Round {number}: {had}; exhausted {decimal_text(step.exhausted)}: {', '.join(did)}"
            )
            if step.tie is not None:
                ties.append(step.tie)
        say(f"Quota {result.quota}; {result.valid} valid ballots, {result.blank} blank")
        elected: tuple[str, ...] = result.elected
    else:
        if result.tie is not None:
            ties.append(result.tie)
        elected = (
            result.elected
            if isinstance(result, Winners)
            else (() if result.elected is None else (result.elected,))
        )
        if result.second_round:
            say(f"Second round: {', '.join(result.second_round)}")
        if isinstance(result, Round):
            for note in result.notes:
                say(f"Note: {note}")
    for met in ties:
        say(f"Tie of {', '.join(met.among)}: {met.rule} → {', '.join(met.chosen) or 'undecided'}")
    say(f"Elected: {', '.join(elected) or 'nobody yet'}")
