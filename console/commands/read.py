"""`ballotbench read`: scans in, cast vote records, marks and refusals out."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from console.common import emit_json, progress, stderr, stdout
from console.errors import ConsoleError

if TYPE_CHECKING:
    from console.batch.files import Listing
    from console.batch.session import Finished
    from console.central.scan import CentralScans
    from console.definitions import Definition
    from scanner.reading import Thresholds

#: Fewer files than this for each are no work for another process.
FILES_A_WORKER = 8
NAMES_SHOWN = 5
REFUSALS_SHOWN = 200


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("read")(read)


def read(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    scans: Annotated[
        list[Path] | None, typer.Argument(help="Image files or folders of them.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    definition: Annotated[
        Literal["auto", "ballotbench", "vxsuite"],
        typer.Option("--format", help="Form of the definition; auto tells by its content."),
    ] = "auto",
    profile: Annotated[
        str | None, typer.Option(help="Jurisdiction profile (name or TOML file).")
    ] = None,
    thresholds: Annotated[Path | None, typer.Option(help="Thresholds file (TOML).")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=512, help="Processes that read [cores of the machine].")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Read on a Dask cluster: its scheduler, e.g. tcp://10.0.0.5:8786."),
    ] = None,
    watch: Annotated[
        Path | None,
        typer.Option(
            help="Folder into which a scanning program drops its files, in place of SCANS; each is "
            "taken once it is whole."
        ),
    ] = None,
    until: Annotated[
        int | None, typer.Option(min=1, help="With --watch: read once so many files have come.")
    ] = None,
    idle: Annotated[
        float,
        typer.Option(
            min=1, help="With --watch: read once nothing came for so many seconds, or at Ctrl-C."
        ),
    ] = 60.0,
    port: Annotated[
        str | None,
        typer.Option(help="Scan with the central scanner at this port or URL, in place of SCANS."),
    ] = None,
    batch: Annotated[
        list[str] | None,
        typer.Option(
            help="With --port: the id of the batch in tray 1, 2, … (A-Z, a-z, 0-9, '.', '_', '-'); "
            "once for each tray."
        ),
    ] = None,
    imprint: Annotated[
        str | None,
        typer.Option(
            help="With --port: what is printed on each sheet; '' for nothing "
            "[{batch}-{position:5}]."
        ),
    ] = None,
    outstack: Annotated[
        bool,
        typer.Option(help="With --port: sheets that a person must see go into their own pocket."),
    ] = True,
    patience: Annotated[
        float,
        typer.Option(min=0, help="With --port: a fault or a lost link is waited for, seconds."),
    ] = 60.0,
    manifest: Annotated[
        Path | None,
        typer.Option(help="manifest.json of scans made before, in place of SCANS."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete results in the folder and start anew.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON.")] = False,
) -> None:
    """Read scanned ballots.

    Writes cvrs.json (NIST Cast Vote Records), marks.parquet, refused.json, blank.json
    (unprinted backs), queue.json (what people should look at: `ballotbench adjudicate`) and,
    in review/, crops and overlays for it. Exit 1 when any page was refused.

    A run that was cut off goes on where it stopped when it is given again: nothing is read
    twice and nothing is missed.

    With --port the trays of a central scanner are scanned first, a batch each: images in scans/,
    and manifest.json tells which sheet has which number. Each record then has the number that
    is printed on its sheet. A cut is gone on with here, too.

    With --watch a file with the very bytes of another, one changed after it was taken and one not
    written to its end are named and not read; exit 1 then, too.

    Example: ballotbench read election.json scans/ --out results

    Example: ballotbench read election.json --port usb:0403:6001 --batch A7 --batch A8 --out count
    """
    if sum((bool(scans), watch is not None, port is not None, manifest is not None)) != 1:
        raise typer.BadParameter(
            "give one of SCANS, --watch FOLDER, --port PORT, --manifest FILE", param_hint="SCANS"
        )
    if (port is None) != (not batch):
        raise typer.BadParameter("--port and --batch go together", param_hint="--batch")
    if imprint is not None and port is None:
        raise typer.BadParameter("goes with --port", param_hint="--imprint")
    if until is not None and watch is None:
        raise typer.BadParameter("goes with --watch", param_hint="--until")
    # Heavy rooms only when this command runs.
    from console.batch.files import list_scans
    from console.definitions import load_definition

    loaded = load_definition(election, profile, definition)
    limits = loaded.limits(thresholds)
    central: CentralScans | None = None
    if port is not None or manifest is not None:
        from console.central.scan import Wanted, scanned, scanned_before

        if manifest is not None:
            central = scanned_before(manifest)
        else:
            wanted = Wanted(str(port), tuple(batch or ()), imprint, outstack, patience)
            central = scanned(wanted, out, loaded, limits)
        given, left = list(central.marks), 0
    elif watch is not None:
        given, left = _arrived(watch, out, until, idle, fresh=fresh)
    else:
        given, left = [path.absolute() for path in scans or ()], 0
    listing = list_scans(given)
    _tell(listing)
    if not listing.files:
        where = ", ".join(map(str, scans or (watch or manifest or port,)))
        raise ConsoleError(
            f"no scans in {where}: give image files or folders of them (PNG, JPEG, TIFF, PDF)"
        )
    try:
        done, resumed = _read(
            loaded, limits, listing, out, workers, cluster, central=central, fresh=fresh
        )
    except KeyboardInterrupt:
        raise ConsoleError(
            "stopped. What was read is kept; run the same command again to go on"
        ) from None
    summary = {
        "files": done.files,
        **done.counters,
        "given_twice": len(listing.twice),
        "ignored": len(listing.ignored),
        "read_before": resumed,
        **({} if watch is None else {"left_unread": left}),
        **({} if central is None else central.summary),
        "out": str(out),
    }
    if as_json:
        emit_json(summary)
    else:
        _show(summary, out)
    if done.counters["refused"] or left:
        raise typer.Exit(1)


def _arrived(
    watch: Path, out: Path, until: int | None, idle_s: float, *, fresh: bool
) -> tuple[list[Path], int]:
    """What came into a watched folder, and how many of its files are not to be read. A batch
    that was cut off goes on with the files it had; later ones are another batch's."""
    from console.batch.files import list_scans
    from console.batch.journal import NAME, Journal
    from console.watching import collect

    if not fresh and (out / NAME).exists():
        with Journal(out) as journal:
            files = [path for path, _, _ in journal.planned()]
        if files:
            stderr.print(f"going on with the {len(files)} files of before the cut")
            others = sorted(set(list_scans([watch.absolute()]).files) - set(files))
            for path in others:
                line = f"not of this batch: {_plain(path.name)}"
                stderr.print(line, markup=False, highlight=False, soft_wrap=True)
            return files, len(others)
    got = collect(watch, until=until, idle_s=idle_s)
    return list(got.files), len(got.left)


def _read(
    loaded: Definition,
    limits: Thresholds,
    listing: Listing,
    out: Path,
    workers: int | None,
    cluster: str | None,
    *,
    central: CentralScans | None,
    fresh: bool,
) -> tuple[Finished, int]:
    """The batch, and how many of its files had been read before this run."""
    from console.batch import session
    from console.batch.executors import cluster_crew, local_crew, usable_cores
    from console.batch.journal import Journal
    from console.batch.run import Coordinator
    from console.batch.work import reader_spec
    from console.review import REVIEW

    identity = session.identity_of(loaded, limits, central.data if central else None)
    out.mkdir(parents=True, exist_ok=True)
    if fresh:
        session.clear(out)
    found = session.find_finished(out, identity, listing.files)
    if found is not None:
        return found, found.files
    with Journal(out) as journal, ExitStack() as stack:
        marks = central.marks if central else None
        resumed = session.begin(journal, out, identity, listing.files, marks)
        files = journal.count()[0]
        if resumed < files:
            if cluster is not None:
                crew = stack.enter_context(cluster_crew(cluster))
            else:
                # A worker costs a second to start: as many as there is work for.
                most = math.ceil((files - resumed) / FILES_A_WORKER)
                crew = local_crew(max(1, min(workers or usable_cores(), most)))
            bars = stack.enter_context(progress())
            task = bars.add_task("Reading", total=files, completed=resumed)
            Coordinator(
                journal,
                reader_spec(loaded, limits),
                crew,
                out / REVIEW,
                lambda count: bars.advance(task, count),
            ).run()
        return session.finish(journal, out, loaded, limits), resumed


def _tell(listing: Listing) -> None:
    """What is not read, on stderr: nobody should wonder where a file has gone."""
    for paths, what in (
        (listing.twice, "given twice, read once"),
        (listing.ignored, "not read, being no scan or a folder within a folder"),
        (listing.empty, "folder without scans"),
    ):
        if paths:
            names = ", ".join(_plain(p.name) for p in paths[:NAMES_SHOWN])
            more = f" and {len(paths) - NAMES_SHOWN} more" if len(paths) > NAMES_SHOWN else ""
            stderr.print(f"{what}: {names}{more}", markup=False, highlight=False, soft_wrap=True)


def _show(summary: dict[str, Any], out: Path) -> None:
    stdout.print(
        f"{summary['records']} records from {summary['files']} files, "
        f"{summary['needs_review']} need a person, {summary['refused']} pages refused. "
        f"Results in {out}"
    )
    if "batches" in summary:
        stdout.print(
            f"{summary['batches']} batches, {summary['accepted']} sheets accepted, "
            f"{summary['outstacked']} outstacked, {summary['void_numbers']} numbers void."
        )
    if summary["identical_files"]:
        stdout.print(
            f"{summary['identical_files']} files have the same bytes as another one: look whether "
            "a scan was copied"
        )
    refused = json.loads((out / "refused.json").read_text(encoding="utf-8"))
    for item in refused[:REFUSALS_SHOWN]:
        stdout.print(
            _plain(
                f"refused: {item['file']} page {item['page']}: {item['reason']}: {item['detail']}"
            ),
            markup=False,
        )
    if len(refused) > REFUSALS_SHOWN:
        stdout.print(f"{len(refused) - REFUSALS_SHOWN} more in {out / 'refused.json'}")


def _plain(text: str) -> str:
    """One line, whatever a file is called."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
