"""`ballotbench adjudicate`: people decide what the machine left to them (SEED-12, NVT-06)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.common import emit_json, stdout
from console.errors import ConsoleError

if TYPE_CHECKING:
    from scanner.adjudication.proceedings import ContestState, Proceedings
    from scanner.adjudication.queue import ItemContest, QueueItem
    from scanner.adjudication.verdict import Verdict, WriteIn

HELP = """Decide what the machine left to people: list, show, decide, undo, apply, stats.

The folder is one that `ballotbench read --out` wrote. Decisions are lines added to its
decisions.jsonl, each chained to the one before; the machine's reading is never changed.

Example: ballotbench adjudicate list results
"""

Folder = Annotated[Path, typer.Argument(help="Folder that `ballotbench read --out` wrote.")]
ItemId = Annotated[str, typer.Argument(help="Item, by the beginning of its id.")]
Name = Annotated[str, typer.Option("--by", help="Who decides, as in the commission's list.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in words; kept with the decision.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def register(app: typer.Typer) -> None:
    """Add `adjudicate` and its words."""
    group = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich")
    for word, command in (
        ("list", list_items),
        ("show", show),
        ("decide", decide),
        ("undo", undo),
        ("apply", apply),
        ("stats", stats),
    ):
        group.command(word)(command)
    app.add_typer(group, name="adjudicate")


def list_items(
    folder: Folder,
    person: Annotated[
        str | None, typer.Option("--for", help="Only what this person can still decide.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="What is settled as well.")] = False,
    as_json: Json = False,
) -> None:
    """List the contests in question, why, and where each stands.

    The chain of decisions is checked first.

    Example: ballotbench adjudicate list results --for "A. Serikova"
    """
    from console.decisions import DecisionFile
    from scanner.adjudication import Standing

    ledger, proceedings = DecisionFile(folder).load()
    rows = []
    for item, contest, state in proceedings.contests():
        if state.standing is Standing.SETTLED and not everything:
            continue
        if person is not None and contest not in proceedings.waiting_for(item, person):
            continue
        rows.append(
            {
                "item": item.id,
                "contest": contest.contest_id,
                "must_decide": contest.must_decide,
                "standing": state.standing.value,
                "opinions": len(state.opinions),
                "people": proceedings.people,
                "reasons": [r.model_dump(mode="json") for r in contest.reasons],
                "pages": [page.model_dump(mode="json") for page in item.pages],
                **_open_opinions(state, proceedings.people),
            }
        )
    if as_json:
        emit_json({"head": ledger.head.model_dump(), "items": rows})
        return
    for row in rows:
        must = "must be decided" if row["must_decide"] else "to look at"
        _say(
            f"{row['item'][:12]}  {row['contest']}: {row['standing']}, {must} "
            f"({row['opinions']} of {row['people']} opinions)"
        )
        for reason in row["reasons"]:
            option = f"{reason['option_id']}: " if reason["option_id"] else ""
            _say(f"              {reason['kind']}: {option}{reason['detail']}")
        for opinion in row.get("verdicts", ()):
            _say(f"              {opinion['by']}: {opinion['verdict']}")
    _say(f"{len(rows)} contests listed. {_head_words(ledger.head)}")


def show(
    folder: Folder,
    item: ItemId,
    by: Annotated[str | None, typer.Option("--by", help="Who looks: shows their own.")] = None,
    as_json: Json = False,
) -> None:
    """Show an item: the machine's reading, the reasons, and where the crops are.

    What another person decided stays hidden until enough people have decided.

    Example: ballotbench adjudicate show results 3fa1c0
    """
    from console.decisions import DecisionFile
    from scanner.adjudication.proceedings import person_key

    file = DecisionFile(folder)
    _, proceedings = file.load()
    found = file.queue.item(item)
    file.check_crops(found)
    data: dict[str, Any] = found.model_dump(mode="json")
    for contest, entry in zip(found.contests, data["contests"], strict=True):
        state = proceedings.standing(found.id, contest.contest_id)
        entry["standing"] = state.standing.value
        entry["opinions"] = len(state.opinions)
        entry.update(_open_opinions(state, proceedings.people))
        for opinion in state.opinions:
            if by is not None and person_key(opinion.by) == person_key(by):
                entry["own"] = {"decision": opinion.decision.id, "verdict": opinion.verdict.words()}
    if as_json:
        emit_json(data)
        return
    places = ", ".join(f"{p.file} page {p.page} ({p.side})" for p in found.pages)
    _say(f"Item {found.id}\nScan: {places}")
    for contest, entry in zip(found.contests, data["contests"], strict=True):
        _show_contest(folder, proceedings, found, contest, entry)


def decide(
    folder: Folder,
    item: ItemId,
    by: Name,
    reason: Why,
    contest: Annotated[
        str | None, typer.Option(help="Contest, where the item has more than one.")
    ] = None,
    votes: Annotated[
        str | None, typer.Option(help="Options that have a vote, with commas between.")
    ] = None,
    blank: Annotated[bool, typer.Option("--blank", help="Nothing was chosen.")] = False,
    overvote: Annotated[
        bool, typer.Option("--overvote", help="More was chosen than is allowed.")
    ] = False,
    invalid: Annotated[
        str | None, typer.Option(help="The ballot is invalid, on this ground of the profile.")
    ] = None,
    as_read: Annotated[
        bool, typer.Option("--as-read", help="The machine's reading is right.")
    ] = False,
    write_in: Annotated[
        list[str] | None,
        typer.Option(help="LINE=NAME as written, or LINE=@OPTION that is meant. May repeat."),
    ] = None,
    reject: Annotated[
        list[str] | None, typer.Option(help="Write-in line that does not count. May repeat.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Decide one contest of an item. It is kept for good; an undo is a line of its own.

    Say exactly one of --votes, --blank, --overvote, --invalid, --as-read.

    Example: ballotbench adjudicate decide results 3fa1c0 --contest governor
    --votes write-in-0 --write-in "write-in-0=Jo Park" --by "A. Serikova" --reason "clear hand"
    """
    from console.decisions import DecisionFile
    from scanner.adjudication import Verdict

    said = [votes is not None, blank, overvote, invalid is not None, as_read]
    if sum(said) != 1:
        raise typer.BadParameter(
            "say exactly one of --votes, --blank, --overvote, --invalid, --as-read"
        )
    lines = (*_written(write_in or []), *_rejected(reject or []))
    file = DecisionFile(folder)
    found = file.queue.item(item)
    asked = _asked(found, contest)
    file.check_crops(found)
    if as_read:
        verdict = _as_read(found, asked.contest_id)
    elif votes is not None:
        named = tuple(v.strip() for v in votes.split(",") if v.strip())
        verdict = Verdict(contest_id=asked.contest_id, kind="votes", votes=named)
    elif invalid is not None:
        verdict = Verdict(contest_id=asked.contest_id, kind="invalid", ground=invalid)
    else:
        kind = "blank" if blank else "overvote"
        verdict = Verdict.model_validate({"contest_id": asked.contest_id, "kind": kind})
    verdict = verdict.model_copy(update={"write_ins": lines})
    with file.turn() as turn:
        decision = turn.proceedings.prepare(
            found, [verdict], by=by, reason=reason, at=_now(), entry_id=os.urandom(8).hex()
        )
        head = turn.keep(decision)
        state = turn.proceedings.standing(found.id, asked.contest_id)
    summary = {
        "decision": decision.id,
        "item": found.id,
        "verdict": decision.verdicts[0].words(),
        "standing": state.standing.value,
        "head": head.model_dump(),
    }
    if as_json:
        emit_json(summary)
    else:
        _say(f"Kept as decision {decision.id}: {summary['verdict']}. Now {summary['standing']}.")
        _say(_head_words(head))


def undo(
    folder: Folder,
    decision: Annotated[str, typer.Argument(help="Decision, by the beginning of its id.")],
    by: Name,
    reason: Why,
    as_json: Json = False,
) -> None:
    """Take back a decision of one's own. Its line stays; this adds one.

    Example: ballotbench adjudicate undo results 9c41 --by "A. Serikova" --reason "wrong line"
    """
    from console.decisions import DecisionFile

    with DecisionFile(folder).turn() as turn:
        entry = turn.proceedings.prepare_undo(
            decision, by=by, reason=reason, at=_now(), entry_id=os.urandom(8).hex()
        )
        head = turn.keep(entry)
    if as_json:
        emit_json({"undo": entry.id, "undoes": entry.undoes, "head": head.model_dump()})
    else:
        _say(f"Decision {entry.undoes} is taken back. {_head_words(head)}")


def apply(
    folder: Folder,
    head: Annotated[
        str | None, typer.Option(help="Hash of the last line, as noted on paper.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write adjudicated/cvrs.json (a third snapshot for what is settled) and totals.json.

    The chain is checked first. Exit 1 while contests that must be decided are not settled,
    or opinions differ.

    Example: ballotbench adjudicate apply results
    """
    from console.adjudicated import apply_decisions

    summary = apply_decisions(folder, head)
    if as_json:
        emit_json(summary)
    else:
        for row in summary["unsettled"]:
            _say(f"not settled: {row['item'][:12]} {row['contest']}: {row['standing']}")
        _say(
            f"{summary['adjudicated']} of {summary['sheets']} records adjudicated, "
            f"{summary['set_aside']} still set aside. Results in {summary['out']}"
        )
        _say(f"Ledger: {summary['head']['count']} lines, last {summary['head']['sha256']}")
    if summary["unsettled"]:
        raise typer.Exit(1)


def stats(folder: Folder, as_json: Json = False) -> None:
    """How consistently people decide: grounds by person, agreement by pair (SEED-12).

    Contests that still wait for an opinion are left out.

    Example: ballotbench adjudicate stats results
    """
    from console.decisions import DecisionFile
    from scanner.adjudication import statistics

    _, proceedings = DecisionFile(folder).load()
    data = statistics(proceedings)
    if as_json:
        emit_json(data)
        return
    _say("Contests: " + ", ".join(f"{n} {word}" for word, n in data["contests"].items()))
    for name, row in data["adjudicators"].items():
        grounds = ", ".join(f"{g} {n}" for g, n in row["grounds"].items()) or "none"
        _say(
            f"{name}: {row['opinions']} opinions, invalid share "
            f"{row['invalid_share']['decimal']} (grounds: {grounds}); {row['with_the_settled']} "
            f"with what was settled, {row['against_the_settled']} against, "
            f"{row['disputed']} disputed"
        )
    for pair in data["pairs"]:
        kappa = pair["kappa_of_grounds"]
        _say(
            f"{' and '.join(pair['people'])}: agree on {pair['agree']} of {pair['contests']}, "
            f"kappa {kappa['decimal'] if kappa else 'undefined'}"
        )


# --- words ------------------------------------------------------------------------------


def _say(text: str) -> None:
    stdout.print(text, markup=False, highlight=False, soft_wrap=True)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _head_words(head: Any) -> str:
    return f"Ledger: {head.count} lines, last {head.sha256}"


def _open_opinions(state: ContestState, people: int) -> dict[str, Any]:
    """The verdicts, once enough people have given theirs: before, nobody sees another's."""
    if len(state.opinions) < people:
        return {}
    return {
        "verdicts": [
            {"by": o.by, "decision": o.decision.id, "verdict": o.verdict.words()}
            for o in state.opinions
        ]
    }


def _show_contest(
    folder: Path,
    proceedings: Proceedings,
    item: QueueItem,
    contest: ItemContest,
    entry: dict[str, Any],
) -> None:
    election = proceedings.queue.election
    definition = election.contest(contest.contest_id)
    names = {o.id: next(iter(o.name.values())) for o in definition.options}
    must = "must be decided" if contest.must_decide else "to look at"
    _say(
        f"\n{contest.contest_id} ({must}; {entry['standing']}, "
        f"{entry['opinions']} of {proceedings.people} opinions; votes allowed "
        f"{definition.votes_allowed})"
    )
    for reason in contest.reasons:
        option = f"{reason.option_id}: " if reason.option_id else ""
        _say(f"  why: {reason.kind}: {option}{reason.detail}")
    reading = next(c for c in item.record.contests if c.contest_id == contest.contest_id)
    _say(f"  machine: {reading.status.value}, votes: {', '.join(reading.votes) or 'none'}")
    if contest.crop:
        _say(f"  crop: {folder / contest.crop.path}")
    for target in contest.targets:
        written = ", written in" if target.written else ""
        _say(
            f"  {target.option_id} ({names.get(target.option_id, 'write-in line')}): "
            f"{target.mark.value}, score {target.score:.3f}{written}"
        )
        for crop in (target.target_crop, target.write_in_crop):
            if crop:
                _say(f"    {folder / crop.path}")
    for opinion in entry.get("verdicts", ()):
        _say(f"  {opinion['by']}: {opinion['verdict']} (decision {opinion['decision']})")
    if "own" in entry and "verdicts" not in entry:
        _say(f"  your own: {entry['own']['verdict']} (decision {entry['own']['decision']})")


# --- what was said ----------------------------------------------------------------------


def _asked(item: QueueItem, contest_id: str | None) -> ItemContest:
    if contest_id is not None:
        return item.contest(contest_id)
    if len(item.contests) > 1:
        names = ", ".join(c.contest_id for c in item.contests)
        raise typer.BadParameter(f"say which contest with --contest: {names}")
    return item.contests[0]


def _written(values: list[str]) -> tuple[WriteIn, ...]:
    from scanner.adjudication import WriteIn
    from scanner.adjudication.verdict import MAX_TEXT

    lines = []
    for value in values:
        line, equals, meant = value.partition("=")
        if not equals or not meant.strip():
            raise typer.BadParameter(f"--write-in {value!r} is not LINE=NAME or LINE=@OPTION")
        if len(meant) > MAX_TEXT:
            raise ConsoleError(f"--write-in {line}: over {MAX_TEXT} characters")
        if meant.startswith("@"):
            lines.append(WriteIn(option_id=line, outcome="option", counts_for=meant[1:]))
        else:
            lines.append(WriteIn(option_id=line, outcome="name", text=meant))
    return tuple(lines)


def _rejected(values: list[str]) -> tuple[WriteIn, ...]:
    from scanner.adjudication import WriteIn

    return tuple(WriteIn(option_id=value, outcome="rejected") for value in values)


def _as_read(item: QueueItem, contest_id: str) -> Verdict:
    """The machine's reading as a verdict, where it has a clear one."""
    from scanner.adjudication import Verdict
    from scanner.reading import ContestStatus

    reading = next(c for c in item.record.contests if c.contest_id == contest_id)
    if reading.status is ContestStatus.NEEDS_REVIEW:
        raise ConsoleError(
            f"{contest_id}: the machine has no reading to confirm. Say --votes, --blank or "
            "--overvote"
        )
    if reading.status is ContestStatus.OVERVOTE or len(reading.marked) == 0:
        kind = "overvote" if reading.marked else "blank"
        return Verdict.model_validate({"contest_id": contest_id, "kind": kind})
    return Verdict(contest_id=contest_id, kind="votes", votes=reading.marked)
