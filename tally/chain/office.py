"""What a commission does at its desk: decide, sign its table, send everything on.

Nothing is done without the quorum, and nothing over files that do not hold (SEED-13, SEED-16).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from firmware_sim.eventlog import utc_text
from firmware_sim.signing import Signer
from tally.chain.act import write_act
from tally.chain.decision import Decision, decision_problem
from tally.chain.desk import Desk
from tally.chain.errors import ChainError
from tally.chain.making import Holdings, make_table
from tally.chain.received import Rules
from tally.chain.table import TierTable
from tally.protocol.form import PrecinctForm


def take_decision(
    desk: Desk,
    holdings: Holdings,
    rules: Rules,
    precinct_id: str,
    *,
    adopts: str | None = None,
    corrected: PrecinctForm | None = None,
    reason: str,
    ground: str | None,
    signers: Sequence[Signer],
    now: datetime,
) -> tuple[bytes, Decision]:
    """A decision of the desk's commission on a precinct: `adopts` the digest of the protocol
    that shall count, or `corrected` such a form itself (after a recount here); neither of
    them: the precinct is excluded. It sets aside all else that is in force.

    Raises:
        ChainError: no such precinct or protocol, a higher commission has decided, or too few
            members sign.
    """
    if precinct_id not in desk.precincts:
        raise ChainError(f"{precinct_id}: is no precinct under {desk.commission_id}")
    protocols = {p.digest for p in holdings.protocols.get(precinct_id, ())}
    if corrected is not None:
        adopts = corrected.digest
    elif adopts is not None and adopts not in protocols:
        raise ChainError(
            f"{precinct_id}: no protocol {adopts[:16]}… is on the desk; there "
            + (f"are {', '.join(sorted(protocols))}" if protocols else "is none")
        )
    earlier = holdings.decisions.get(precinct_id, ())
    above = {c.id for c in desk.commissions.path(desk.commission_id)[1:]}
    for one in earlier:
        if one.decision.commission_id in above:
            raise ChainError(
                f"{precinct_id}: {one.decision.name} is of a higher commission, which alone may "
                "change it"
            )
    mine = [
        one.decision.number
        for decisions in holdings.decisions.values()
        for one in decisions
        if one.decision.commission_id == desk.commission_id
    ]
    aside = (protocols - {adopts}) | {one.digest for one in earlier}
    decision = Decision(
        election_hash=desk.election.hash,
        commission_id=desk.commission_id,
        number=max(mine, default=0) + 1,
        precinct_id=precinct_id,
        taken=utc_text(now),
        outcome="exclude" if adopts is None else "adopt",
        adopts=adopts,
        sets_aside=tuple(sorted(aside)),
        reason=reason,
        ground=ground,
        corrected=corrected,
    )
    if problem := decision_problem(decision, desk.election, desk.commissions):
        raise ChainError(f"{precinct_id}: {problem[0]}: {problem[1]}")
    _require_quorum(desk, len(signers))
    return write_act(decision, desk.commission_id, signers), decision


def sign_table(
    desk: Desk, holdings: Holdings, rules: Rules, *, signers: Sequence[Signer], now: datetime
) -> tuple[bytes, TierTable]:
    """The desk's next table, signed by the quorum. Raises ChainError: too few sign."""
    _require_quorum(desk, len(signers))
    mine = [t.table.number for t in holdings.tables if t.table.commission_id == desk.commission_id]
    table = make_table(
        holdings,
        desk.commission_id,
        rules,
        number=max(mine, default=0) + 1,
        made=utc_text(now),
    )
    return write_act(table, desk.commission_id, signers), table


def forward(desk: Desk, out: Path) -> int:
    """Copy every file of the desk, whole, into a folder for the next tier; returns how many.

    Raises:
        ChainError: there is something in the folder.
    """
    if out.exists() and any(out.iterdir()):
        raise ChainError(f"{out}: is not empty; give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    number = 0
    for name, path in desk.paths():
        shutil.copyfile(path, out / name)
        number += 1
    return number


def _require_quorum(desk: Desk, signers: int) -> None:
    quorum = desk.commissions.by_id[desk.commission_id].quorum
    if signers < quorum:
        raise ChainError(
            f"{desk.commission_id}: {signers} of {quorum} members sign: no quorum; name each "
            "with --signer"
        )
