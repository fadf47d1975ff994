"""`ballotbench import`: cast vote records of other systems, counted by our rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from console.common import emit_json, progress, stdout

if TYPE_CHECKING:
    from tally.exchange.findings import Finding

HELP = """Count cast vote records of another system into a folder of results.

Forms: cvr-cdf (NIST Cast Vote Records 1.0), dominion (folder or zip with CvrExport.json and its
manifests), ess (CSV), hart (folder or zip of XML), and tables (figures by precinct, not records:
a folder with votes.csv and contests.csv, as export writes them).

FILES are of one form, or folders of them. What cannot be used is named with file, place, field and
what to do, and written to findings.jsonl; the rest is counted. The folder is that of a national
result, with records.parquet beside it. See docs/exchange.md.

Example: ballotbench import election.json cvrs.json --form cvr-cdf --out imported
"""
#: The form that is not one of records.
TABLES = "tables"
#: Findings shown one by one; all are in findings.jsonl.
_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add `import`."""
    app.command("import", help=HELP)(import_)


def import_(
    election: Annotated[Path, typer.Argument(help="Election definition.")],
    files: Annotated[list[Path], typer.Argument(help="Files of records.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    form: Annotated[str, typer.Option(help="cvr-cdf, dominion, ess, hart or tables.")] = "cvr-cdf",
    mapping: Annotated[
        Path | None, typer.Option("--map", help="TOML: their names, our ids.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of text that is neither UTF-8 nor marked: cp1251, …")
    ] = None,
    expect: Annotated[
        int | None, typer.Option(min=0, help="How many records the other system says there are.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Profile, if not the election's.")] = None,
    commissions: Annotated[Path | None, typer.Option(help="The tree of commissions.")] = None,
    at: Annotated[str | None, typer.Option(help="Time of the result; else now.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Count, write, say what was left out; exit 1 where anything was."""
    from console.intake import election_and_rules, moment
    from election.commissions import load_commissions
    from tally.exchange.findings import Findings
    from tally.exchange.forms import FORMS, sources_of
    from tally.exchange.importing import import_records
    from tally.exchange.names import Names, load_mapping
    from tally.exchange.spool import RecordSpool
    from tally.exchange.tables_in import import_tables
    from tally.national.store import RESULT, write_store

    if form not in (*FORMS, TABLES):
        raise typer.BadParameter(f"is one of {', '.join((*FORMS, TABLES))}", param_hint="--form")
    definition, rules = election_and_rules(election, profile)
    tree = load_commissions(commissions, definition) if commissions is not None else None
    words = Names(definition, load_mapping(mapping, definition) if mapping else None)
    time = (moment(at) if at else datetime.now(UTC)).isoformat(timespec="seconds")
    out.mkdir(parents=True, exist_ok=True)
    # An import that is broken off must not leave an older result beside its findings.
    (out / RESULT).unlink(missing_ok=True)
    shown: list[str] = []
    with (
        (out / "findings.jsonl").open("w", encoding="utf-8") as list_file,
        RecordSpool(out / "records.parquet") as spool,
        progress() as bars,
    ):
        task = bars.add_task("Reading records", total=None)
        findings = Findings(_writer(list_file, shown))
        if form == TABLES:
            if len(files) != 1:
                raise typer.BadParameter("tables are one folder", param_hint="FILES")
            imported = import_tables(
                files[0], definition, rules, findings, as_of=time, commissions=tree,
                encoding=encoding,
            )  # fmt: skip
        else:
            imported = import_records(
                sources_of(form, files, definition, rules, words, encoding),
                definition,
                rules,
                findings,
                as_of=time,
                commissions=tree,
                spool=spool,
                progress=lambda done: bars.update(task, completed=done),
            )
            spool.write()
        if expect is not None and imported.seen != expect:
            findings.add(_unexpected(imported.seen, expect))
    path = write_store(out, imported.result)
    numbers = {
        "what": "precincts" if form == TABLES else "records",
        "seen": imported.seen,
        "counted": imported.counted,
        "records_left_out": findings.by_weight["record"],
        "files_left_out": findings.by_weight["file"],
        "notes": findings.by_weight["note"],
    }
    if json_output:
        emit_json({**imported.result.document, "import": numbers, "result": str(path)})
    else:
        _show(shown, sum(findings.by_weight.values()), numbers, path)
    if findings.lost:
        raise typer.Exit(1)


def _unexpected(seen: int, expect: int) -> Finding:
    from tally.exchange.findings import Finding

    what = f"{seen} were read, {expect} should be there"
    return Finding("all files", "", "", what, "Ask for what is missing", "file")


def _writer(stream: IO[str], shown: list[str]) -> Callable[[Finding], None]:
    def write(finding: Finding) -> None:
        stream.write(json.dumps(finding.as_json(), ensure_ascii=False) + "\n")
        if len(shown) < _SHOWN:
            shown.append(f"{_WORD[finding.weight]}: {finding.sentence}")

    return write


_WORD = {"file": "File left out", "record": "Record left out", "note": "Note"}


def _show(shown: list[str], total: int, numbers: dict[str, Any], path: Path) -> None:
    def say(text: str) -> None:
        stdout.print(text, markup=False, highlight=False, soft_wrap=True)

    for line in shown:
        say(line)
    if total > len(shown):
        say(f"… and {total - len(shown)} more: see {path.parent / 'findings.jsonl'}")
    say(
        f"{numbers['counted']} {numbers['what']} counted; {numbers['records_left_out']} records "
        f"and {numbers['files_left_out']} files left out. Written: {path}"
    )
