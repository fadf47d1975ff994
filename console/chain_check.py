"""`ballotbench chain check`: everything anew, by anyone (NVT-13, SEED-16, SEED-17)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import typer

from console.chain_desk import SHOWN, holdings_in, holdings_on, place_of, say, say_finding
from console.common import emit_json
from console.files import replace_text
from console.intake import trust_store
from tally.chain import Refusal, audit, open_desk
from tally.chain.work import chain_rules
from tally.transparency import check_log, read_log
from tally.transparency.check import Finding


def check_all(
    folder: Path,
    trust: Path,
    when: datetime,
    *,
    election: Path | None,
    commissions: Path | None,
    profile: str | None,
    proofs: Path | None,
    as_json: bool,
) -> None:
    """Check a desk with its log, or a folder of files; say every finding; exit 1 on any.

    Raises:
        ChainError, TallyError: the folder or the rules cannot be read.
    """
    findings: list[Finding]
    is_desk = (folder / "desk.json").exists()
    if is_desk:
        opened = open_desk(folder)
        where = opened.place(trust, when)
        holdings, findings = holdings_on(opened, where)
    elif election is None or commissions is None:
        raise typer.BadParameter("a folder that is no desk needs it", param_hint="--election")
    else:
        where = place_of(election, profile, trust, when, commissions)
        holdings, findings = holdings_in(folder, where)
    findings += audit(holdings, chain_rules(where))
    if is_desk:
        refused = {sha for sha, v in holdings.files.items() if isinstance(v, Refusal)}
        found = check_log(
            read_log(opened.log),
            trust_store(trust),
            at=when,
            files=[
                (str(Path(path).relative_to(folder)), Path(path).read_bytes())
                for name, path in opened.paths()
                if name.removesuffix(".zip") not in refused
            ],
        )
        findings += found.findings
        for number, proof in enumerate(found.equivocations, 1):
            if proofs is not None:
                replace_text(proofs / f"log-{number}.json", proof.as_bytes().decode())
    tables = [t.table.name for t in holdings.tables]
    if as_json:
        emit_json(
            {
                "files": len(holdings.files),
                "tables": tables,
                "findings": [{"where": f.where, "what": f.what} for f in findings],
            }
        )
    else:
        for finding in findings[:SHOWN]:
            say_finding(finding.sentence)
        if len(findings) > SHOWN:
            say_finding(f"… and {len(findings) - SHOWN} more: see --json")
        say(
            f"{len(holdings.files)} files, {len(tables)} tables made anew: {len(findings)} findings"
        )
    if findings:
        raise typer.Exit(1)
