"""`ballotbench export`: a result or its records in the forms of other systems."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout

HELP = """Write a result in the form of another system.

RESULT is a folder that `tally` wrote (national or not), or for --form cvr-cdf a results package
or a Parquet table of records. Forms: err (NIST Election Results Reporting 2.0), csv and parquet
(tables), cvr-cdf (NIST Cast Vote Records 1.0). See docs/exchange.md.

Example: ballotbench export election.json totals --form err --out results.json
"""
FORMS = ("err", "csv", "parquet", "cvr-cdf")


def register(app: typer.Typer) -> None:
    """Add `export`."""
    app.command("export", help=HELP)(export)


def export(
    election: Annotated[Path, typer.Argument(help="Election definition.")],
    result: Annotated[Path, typer.Argument(help="Folder of a result, package or Parquet file.")],
    form: Annotated[str, typer.Option(help=f"One of {', '.join(FORMS)}.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File, or folder for csv, parquet.")],
    commissions: Annotated[
        Path | None, typer.Option(help="The tree of commissions: their names.")
    ] = None,
    certified: Annotated[
        bool, typer.Option("--certified", help="err: the commission has certified the result.")
    ] = False,
    at: Annotated[
        str | None, typer.Option(help="Time of a result that carries none; else now.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Write the file or folder; exit 1 where the result cannot be passed on."""
    from console.intake import moment
    from election.commissions import load_commissions
    from election.definition import load_election

    if form not in FORMS:
        raise typer.BadParameter(f"is one of {', '.join(FORMS)}", param_hint="--form")
    definition = load_election(election)
    time = (moment(at) if at else datetime.now(UTC)).isoformat(timespec="seconds")
    if form == "cvr-cdf":
        from tally.exchange.cdf_out import write_cvr_report

        number = write_cvr_report(result, definition, out, created=datetime.fromisoformat(time))
        _say({"form": form, "files": [str(out)], "records": number}, json_output=json_output)
        return
    from tally.exchange.small import read_result

    tree = load_commissions(commissions, definition) if commissions is not None else None
    found = read_result(result, definition, as_of=time, commissions=tree)
    if form == "err":
        from tally.exchange.err import err_chunks
        from tally.report import software_version

        chunks = err_chunks(
            found, definition, commissions=tree, certified=certified, software=software_version()
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_name(out.name + ".part")
        try:
            with part.open("w", encoding="utf-8") as sink:
                sink.writelines(chunks)
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
        files = [str(out)]
    else:
        from tally.exchange.tables import write_tables

        written = write_tables(
            found, definition, out, "csv" if form == "csv" else "parquet", commissions=tree
        )
        files = [str(path) for path in written]
    _say({"form": form, "files": files}, json_output=json_output)


def _say(value: dict[str, object], *, json_output: bool) -> None:
    if json_output:
        emit_json(value)
        return
    files = value["files"]
    names = ", ".join(files) if isinstance(files, list) else str(files)
    stdout.print(f"Written: {names}", markup=False, highlight=False, soft_wrap=True)
