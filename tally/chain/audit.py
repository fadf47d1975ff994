"""Every table in hand against the files that it lists, and the files against each other.

Findings name the table, the precinct and the field. A signed table that says other figures
than its protocols give is the falsification that observers saw (SEED-16); a protocol that is
in no table of the commission it belongs to is the other one.
"""

from __future__ import annotations

from collections.abc import Callable

from tally.chain.equivocation import contradiction
from tally.chain.making import Holdings, make_table
from tally.chain.received import Refusal, Rules, TableReceived
from tally.chain.table import differences
from tally.transparency.check import Finding

#: Differences of one table that are shown one by one.
_SHOWN = 50


def audit(
    holdings: Holdings, rules: Rules, *, progress: Callable[[int], None] = lambda done: None
) -> list[Finding]:
    """All that does not agree, by place; refused files first."""
    findings = [
        Finding(
            f"{sha256[:16]}…" + ("" if verdict.of is None else f" (of {verdict.of})"),
            f"refused, {verdict.reason}: {verdict.detail}",
        )
        for sha256, verdict in holdings.files.items()
        if isinstance(verdict, Refusal)
    ]
    for claim, _, other, _ in holdings.contradictions():
        digests = (claim.digest, other.digest)
        what = contradiction(claim.kind, claim.of, claim.number, digests)
        findings.append(Finding(claim.of, what.removeprefix(f"{claim.of} ")))
    findings += _gaps(holdings)
    newest: dict[str, TableReceived] = {}
    for place, received in enumerate(holdings.tables, 1):
        findings += _table(received, holdings, rules)
        newest[received.table.commission_id] = received
        progress(place)
    for received in newest.values():
        findings += _left_out(received, holdings, rules)
    return findings


def _table(received: TableReceived, holdings: Holdings, rules: Rules) -> list[Finding]:
    table = received.table
    absent = [digest for digest in table.files if digest not in holdings.files]
    if absent:
        return [
            Finding(f"{table.name}: files.{digest[:16]}…", "is listed, but not among the files")
            for digest in absent
        ]
    made = make_table(
        holdings.only(table.files),
        table.commission_id,
        rules,
        number=table.number,
        made=table.made,
    )
    if made.digest == received.digest:
        return []
    found = differences(table, made)
    findings = [
        Finding(f"{table.name}: {field}", f"says {signed}, but its files give {anew}")
        for field, signed, anew in found[:_SHOWN]
    ]
    if len(found) > _SHOWN:
        findings.append(Finding(table.name, f"{len(found) - _SHOWN} more fields differ"))
    return findings


def _left_out(received: TableReceived, holdings: Holdings, rules: Rules) -> list[Finding]:
    """Protocols and decisions that are here but not in the commission's newest table.

    Decisions of higher commissions are not for it to enter.
    """
    table, listed = received.table, set(received.table.files)
    above = {c.id for c in rules.commissions.path(table.commission_id)[1:]}
    findings = []
    for precinct in rules.commissions.precincts_under(table.commission_id):
        lacking = [
            ("protocol", one.digest)
            for one in holdings.protocols.get(precinct, ())
            if one.sha256 not in listed
        ]
        lacking += [
            ("decision", one.digest)
            for one in holdings.decisions.get(precinct, ())
            if one.sha256 not in listed and one.decision.commission_id not in above
        ]
        findings += [
            Finding(
                f"{table.name}: precincts.{precinct}",
                f"{kind} {digest[:16]}… is here, but was not entered in the table",
            )
            for kind, digest in lacking
        ]
    return findings


def _gaps(holdings: Holdings) -> list[Finding]:
    """Numbers of decisions that are missing: each commission counts from 1."""
    numbers: dict[str, set[int]] = {}
    for decisions in holdings.decisions.values():
        for one in decisions:
            numbers.setdefault(one.decision.commission_id, set()).add(one.decision.number)
    return [
        Finding(commission, f"decision {number} is not among the files, {max(given)} is")
        for commission, given in sorted(numbers.items())
        for number in sorted(set(range(1, max(given))) - given)
    ][:_SHOWN]
