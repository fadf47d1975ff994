"""`ballotbench chain`: protocols on their way up through the commissions (SEED-06, SEED-16)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from console.chain_check import check_all
from console.chain_desk import (
    SHOWN,
    checkers,
    files_given,
    holdings_on,
    profile_file,
    say,
    say_finding,
    signers_of,
)
from console.common import emit_json, progress
from console.intake import moment
from firmware_sim.eventlog import utc_text
from tally.chain import (
    Arrival,
    ChainError,
    Desk,
    Holdings,
    Rules,
    check_files,
    create_desk,
    forward,
    make_table,
    open_desk,
    receive,
    receive_checked,
    sign_table,
    take_decision,
)
from tally.chain.equivocation import contradiction
from tally.chain.result import national_result
from tally.chain.work import chain_rules
from tally.national.store import write_store
from tally.protocol.form import parse_form
from tally.transparency.check import Finding

DeskFolder = Annotated[Path, typer.Argument(help="Folder of the commission's desk.")]
Trust = Annotated[Path, typer.Option(help="Folder of authority.pem and revoked.pem.")]
At = Annotated[str | None, typer.Option(help="Check certificates as of this time.")]
Keys = Annotated[Path, typer.Option(help="Directory that holds the members' keys.")]
Signer = Annotated[list[str], typer.Option("--signer", help="Member who signs, by id; repeated.")]
PassphraseFile = Annotated[
    Path | None, typer.Option(help="File whose first line opens the members' keys.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

app = typer.Typer(
    help="The desk of a commission: receive, decide, sum up, sign, send on, check.",
    no_args_is_help=True,
)


def register(parent: typer.Typer) -> None:
    """Add `chain` to the command line."""
    parent.add_typer(app, name="chain")


@app.command("create")
def create(
    desk: DeskFolder,
    commission: Annotated[str, typer.Option(help="Whose desk: id of the commission.")],
    election: Annotated[Path, typer.Option(help="Election definition.")],
    commissions: Annotated[Path, typer.Option(help="The tree of commissions (JSON).")],
    profile: Annotated[str | None, typer.Option(help="Profile, if not the election's.")] = None,
    log_id: Annotated[
        str | None, typer.Option(help="Name of its transparency log; else COMMISSION-log.")
    ] = None,
    due: Annotated[
        str | None, typer.Option(help="When protocols are due (ISO 8601, UTC); later is late.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the empty desk of a territorial, regional or central commission, with its log.

    Example: ballotbench chain create desk-T1 --commission T-1 --election election.json
    --commissions commissions.json
    """
    made = create_desk(
        desk,
        commission,
        election=election,
        profile=profile_file(election, profile),
        commissions=commissions,
        log_id=log_id or f"{commission}-log",
        due=None if due is None else moment(due),
    )
    if as_json:
        emit_json({"desk": str(desk), **made.head.as_json(), "precincts": len(made.precincts)})
        return
    say(f"Desk of {commission} made: {desk}; {len(made.precincts)} precincts are to come")


@app.command("receive")
def receive_files(
    desk: DeskFolder,
    files: Annotated[list[Path], typer.Argument(help="Files, or folders of them.")],
    trust: Trust,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Take in protocols, decisions, and what lower commissions sent; exit 1 if anything is refused.

    Each file is checked, kept whole and logged. Two signed files that contradict each other
    are proved, and the proof is kept and logged.

    Example: ballotbench chain receive desk-T1 incoming/ --trust keys
    """
    table = open_desk(desk)
    where = table.place(trust, moment(at))
    rules = chain_rules(where)
    given = files_given(files)
    with checkers(len(given)) as executor, progress() as bars:
        task = bars.add_task("Checking files", total=len(given))
        paths = dict(given)
        if len(paths) != len(given):
            paths = {str(path): path for _, path in given}
        checked = sorted(
            check_files(
                where,
                [(name, str(path)) for name, path in paths.items()],
                executor,
                progress=lambda done: bars.update(task, completed=done),
            ),
            key=lambda one: one.name,
        )
    arrivals = receive_checked(
        table,
        ((one, paths[one.name].read_bytes()) for one in checked if one.sha256),
        rules,
        now=datetime.now(UTC),
    )
    unread = [one.name for one in checked if not one.sha256]
    bad = [a for a in arrivals if a.verdict in ("refused", "elsewhere") or a.kind == "equivocation"]
    if as_json:
        emit_json({"files": [a.as_json() for a in arrivals], "unreadable": unread})
    else:
        for one in bad[:SHOWN]:
            say_finding(one.sentence)
        for name in unread:
            say_finding(f"{name}: cannot be read")
        say(_summary(arrivals, table))
    if bad or unread:
        raise typer.Exit(1)


def _summary(arrivals: list[Arrival], desk: Desk) -> str:
    words = ("accepted", "duplicate", "refused", "elsewhere")
    numbers = {word: sum(a.verdict == word for a in arrivals) for word in words}
    late = sum(a.late for a in arrivals)
    return (
        f"{desk.commission_id}: {numbers['accepted']} files accepted ({late} late), "
        f"{numbers['duplicate']} were here already, {numbers['refused']} refused, "
        f"{numbers['elsewhere']} for another commission"
    )


@app.command("decide")
def decide(
    desk: DeskFolder,
    precinct: Annotated[str, typer.Option(help="Precinct that it is on.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the decision for everyone.")],
    trust: Trust,
    keys: Keys,
    signer: Signer,
    adopt: Annotated[
        str | None, typer.Option(help="Digest of the protocol that shall count, or its beginning.")
    ] = None,
    corrected: Annotated[
        Path | None, typer.Option(help="Form (JSON) of a recount by this commission, to count.")
    ] = None,
    exclude: Annotated[bool, typer.Option("--exclude", help="No protocol shall count.")] = False,
    ground: Annotated[str | None, typer.Option(help="Article of the law.")] = None,
    passphrase_file: PassphraseFile = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Decide what counts for one precinct: the only way in which a protocol is changed.

    The decision is numbered and signed by the quorum; it sets aside what else is there and
    overwrites nothing.

    Example: ballotbench chain decide desk-T1 --precinct P-7 --adopt 3fa9… --trust keys --keys keys
    --reason "The other one was signed before the count" --signer a --signer b --signer c
    """
    if (adopt is not None) + (corrected is not None) + exclude != 1:
        raise typer.BadParameter(
            "give one: --adopt, --corrected or --exclude", param_hint="--adopt"
        )
    table, holdings, rules, _ = _opened(desk, trust, at)
    form = None if corrected is None else parse_form(corrected.read_bytes(), str(corrected))
    data, decision = take_decision(
        table,
        holdings,
        rules,
        precinct,
        adopts=None if adopt is None else _whole(holdings, precinct, adopt),
        corrected=form,
        reason=reason,
        ground=ground,
        signers=signers_of(keys, signer, passphrase_file),
        now=datetime.now(UTC),
    )
    [arrival] = receive(table, [(decision.name, data)], rules, now=datetime.now(UTC))[:1]
    if arrival.verdict != "accepted":
        raise ChainError(arrival.sentence)
    path = table.path(arrival.sha256)
    if as_json:
        emit_json({"file": str(path), "digest": decision.digest, **_plain(decision)})
        return
    say(f"{decision.name} on {precinct}: {decision.outcome}. Written: {path}")


def _plain(document: Any) -> dict[str, Any]:
    found: dict[str, Any] = document.model_dump(mode="json", exclude_none=True)
    return found


def _whole(holdings: Holdings, precinct: str, beginning: str) -> str:
    known = sorted({p.digest for p in holdings.protocols.get(precinct, ())})
    fitting = [digest for digest in known if digest.startswith(beginning.rstrip("…").lower())]
    if len(fitting) != 1 or len(beginning) < 4:
        there = ", ".join(digest[:16] for digest in known) or "none"
        raise ChainError(
            f"--adopt {beginning}: names no one protocol of {precinct}; there: {there}"
        )
    return fitting[0]


@app.command("table")
def table_of(
    desk: DeskFolder,
    trust: Trust,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of national results to write.")
    ] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Sum up what is on the desk, and say what is late, missing, refused or contradictory.

    Example: ballotbench chain table desk-T1 --trust keys
    """
    opened, holdings, rules, altered = _opened(desk, trust, at)
    number = 1 + max(
        (t.table.number for t in holdings.tables if t.table.commission_id == opened.commission_id),
        default=0,
    )
    table = make_table(
        holdings,
        opened.commission_id,
        rules,
        number=number,
        made=utc_text(datetime.now(UTC)),
    )
    late = sorted({str(row["of"]) for row in opened.arrivals() if row["late"]})
    if out is not None:
        names = {sha256: f"{sha256}.zip" for sha256 in holdings.files}
        write_store(out, national_result(holdings, rules, names, source="chain"))
    findings = [*altered, *_contradictions(holdings)]
    if as_json:
        emit_json({**_plain(table), "late": late, "findings": [f.sentence for f in findings]})
    else:
        _show(table, late, findings)
    if findings:
        raise typer.Exit(1)


def _contradictions(holdings: Holdings) -> list[Finding]:
    return [
        Finding(one.of, contradiction(one.kind, one.of, one.number, (one.digest, other.digest)))
        for one, _, other, _ in holdings.contradictions()
    ]


def _show(table: Any, late: list[str], findings: list[Finding]) -> None:
    for row in [row for row in table.precincts if row.status != "counted"][:SHOWN]:
        say(f"{row.id}: {row.status}: {row.reason}")
    changed = [row for row in table.precincts if row.status == "counted" and row.reason]
    for row in changed[:SHOWN]:
        say(f"{row.id}: counted: {row.reason}")
    for finding in findings[:SHOWN]:
        say_finding(finding.sentence)
    for contest, sums in table.contests.items():
        votes = ", ".join(f"{option} {number}" for option, number in sums.votes.items())
        say(f"{contest}: {sums.ballots} ballots, {sums.invalid} invalid: {votes}")
    numbers = ", ".join(f"{number} {status}" for status, number in table.statuses.items())
    say(f"{table.commission_id}: {numbers}; {len(late)} late")


@app.command("forward")
def forward_files(
    desk: DeskFolder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the next commission.")],
    trust: Trust,
    keys: Keys,
    signer: Signer,
    passphrase_file: PassphraseFile = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Sign the desk's table and send it on with every file that it was made from, whole.

    Example: ballotbench chain forward desk-T1 --out to-R1 --trust keys --keys keys --signer a
    --signer b --signer c
    """
    opened, holdings, rules, altered = _opened(desk, trust, at)
    if altered:
        raise ChainError(f"{altered[0].sentence}: nothing is signed; ask for the file again")
    data, table = sign_table(
        opened,
        holdings,
        rules,
        signers=signers_of(keys, signer, passphrase_file),
        now=datetime.now(UTC),
    )
    if out.exists() and any(out.iterdir()):
        raise ChainError(f"{out}: is not empty; give a new folder")
    [arrival] = receive(opened, [(table.name, data)], rules, now=datetime.now(UTC))[:1]
    if arrival.verdict != "accepted":
        raise ChainError(arrival.sentence)
    number = forward(opened, out)
    if as_json:
        emit_json(
            {
                "table": str(opened.path(arrival.sha256)),
                "number": table.number,
                "files": number,
                "statuses": dict(table.statuses),
            }
        )
        return
    say(f"{table.name} signed; {number} files go on with it: {out}")


@app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="A desk, or a folder that a desk sent on.")],
    trust: Trust,
    election: Annotated[
        Path | None, typer.Option(help="Election definition; a desk has its own.")
    ] = None,
    commissions: Annotated[Path | None, typer.Option(help="The tree of commissions.")] = None,
    profile: Annotated[str | None, typer.Option(help="Profile, if not the election's.")] = None,
    proofs: Annotated[
        Path | None, typer.Option(help="Folder for proofs against a rewritten log.")
    ] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Check everything anew: each file, each table against its files, the log; exit 1 on a finding.

    Anyone can: it needs the files and the authority's certificate.

    Example: ballotbench chain check to-R1 --trust keys --election election.json
    --commissions commissions.json
    """
    check_all(
        folder,
        trust,
        moment(at),
        election=election,
        commissions=commissions,
        profile=profile,
        proofs=proofs,
        as_json=as_json,
    )


def _opened(
    folder: Path, trust: Path, at: str | None
) -> tuple[Desk, Holdings, Rules, list[Finding]]:
    desk = open_desk(folder)
    where = desk.place(trust, moment(at))
    holdings, altered = holdings_on(desk, where)
    return desk, holdings, chain_rules(where), altered
