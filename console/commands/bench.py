"""`ballotbench bench`: a deck of known truth through a scanner, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from console.common import emit_json, progress, stdout
from console.errors import ConsoleError

if TYPE_CHECKING:
    from console.bench.document import BenchFile
    from console.bench.run import Judged
    from console.bench.sources import StackSource
    from console.bench.words import Language
    from console.definitions import Definition
    from scanner.decks.document import DeckFile
    from scanner.reading import Thresholds

EXAMPLE = """
Example:

    ballotbench deck examples/kz-majilis/election.json -o deck

    ballotbench bench deck --out bench

    ballotbench bench deck --port socket://127.0.0.1:7001 --out bench

    ballotbench bench deck --sane DEVICE --sane-source "ADF Duplex" --sides 2 --out bench

    ballotbench bench deck --escl http://192.0.2.7/eSCL --out bench

    ballotbench bench deck --watch scans --idle 120 --out bench

    ballotbench bench deck --mark-sense /dev/ttyUSB0 --mark-profile my-reader.toml --out bench
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench", epilog=EXAMPLE)(bench)


def bench(
    deck: Annotated[Path, typer.Argument(help="Deck folder, or its deck.json.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for bench.json and reports.")],
    scans: Annotated[
        Path | None, typer.Option(help="Scans of the deck made elsewhere, in place of its own.")
    ] = None,
    port: Annotated[
        str | None, typer.Option(help="Feed the deck through the scanner at this port or URL.")
    ] = None,
    sane: Annotated[
        str | None,
        typer.Option(help="Feed the deck through this SANE scanner (`devices --scanners`)."),
    ] = None,
    escl: Annotated[
        str | None,
        typer.Option(help="Feed it through this driverless scanner: http://HOST:PORT/eSCL."),
    ] = None,
    watch: Annotated[
        Path | None,
        typer.Option(
            help="Folder into which a scanning program drops the deck's files; each is taken once "
            "it is whole."
        ),
    ] = None,
    until: Annotated[
        int | None, typer.Option(min=1, help="With --watch: judge once so many files have come.")
    ] = None,
    idle: Annotated[
        float,
        typer.Option(
            min=1, help="With --watch: judge once nothing came for so many seconds, or at Ctrl-C."
        ),
    ] = 60.0,
    mark_sense: Annotated[
        str | None,
        typer.Option(help="Feed the deck through the mark-sense reader at this port or URL."),
    ] = None,
    mark_profile: Annotated[
        str, typer.Option(help="With --mark-sense: the reader's profile (name or TOML file).")
    ] = "generic-ascii",
    source: Annotated[
        str | None,
        typer.Option("--sane-source", help="The SANE scanner's name for its feeder."),
    ] = None,
    sides: Annotated[
        int, typer.Option(min=1, max=2, help="Sides that a SANE or eSCL scanner scans.")
    ] = 1,
    dpi: Annotated[
        int, typer.Option(min=150, max=400, help="Resolution of a SANE or eSCL scanner.")
    ] = 200,
    election: Annotated[
        Path | None, typer.Option(help="Definition, if not the one in the deck.")
    ] = None,
    definition: Annotated[
        Literal["auto", "ballotbench", "vxsuite"],
        typer.Option("--format", help="Form of the definition; auto tells by its content."),
    ] = "auto",
    profile: Annotated[str | None, typer.Option(help="Profile, if not the deck's.")] = None,
    thresholds: Annotated[Path | None, typer.Option(help="Thresholds file (TOML).")] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            help="Language of the report: en, kk, ru (may be given several times). The first "
            "is report.html, others report.kk.html and so on. All three if not given."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print bench.json.")] = False,
) -> None:
    """Bench-test a scanner with a deck of known truth.

    Error rates with exact bounds, Wald's test of the 2002 standards, VVSG 2.0, confusion by
    pen and kind of mark, threshold curves, places over the page, refusals, speed. Writes
    bench.json (schema: console/schemas/bench.schema.json), report.html and report.pdf.
    Exit 1 when there is a finding.
    """
    if sum(given is not None for given in (scans, port, sane, escl, watch, mark_sense)) > 1:
        raise typer.BadParameter(
            "give one of --scans, --port, --sane, --escl, --watch, --mark-sense",
            param_hint="--port",
        )
    if until is not None and watch is None:
        raise typer.BadParameter("goes with --watch", param_hint="--until")
    # Heavy rooms only when this command runs.
    from console.bench import run as bench_run
    from console.bench.judge import Circumstances, judge
    from console.bench.sources import FolderSource, Source, choose
    from console.bench.words import chosen_languages
    from console.definitions import load_definition
    from scanner.decks.document import MAX_DECK_BYTES, parse_deck

    try:
        chosen = chosen_languages(language)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--language") from error
    import hashlib
    from datetime import UTC, datetime

    file = deck / "deck.json" if deck.is_dir() else deck
    if not file.is_file():
        raise ConsoleError(f"{file} is not there: make a deck with `ballotbench deck`")
    if file.stat().st_size > MAX_DECK_BYTES:
        raise ConsoleError(f"{file} is too large for a deck")
    data = file.read_bytes()
    truth = parse_deck(data, str(file))
    inside = file.parent / truth.definition if truth.definition else None
    where = election or inside
    if where is None:
        raise ConsoleError(f"{file} names no definition: give one with --election")
    rules = load_definition(where, profile or truth.profile, definition)
    if truth.election_hash and truth.election_hash != rules.election.hash:
        raise ConsoleError(
            f"{where} is not the election of this deck (hash {rules.election.hash[:16]}…, the "
            f"deck is for {truth.election_hash[:16]}…)"
        )
    limits = rules.limits(thresholds)
    chosen_source: Source | None = None
    if mark_sense is not None:
        judged, limits, stopped = _marks(truth, rules, limits, mark_sense, mark_profile)
    elif watch is not None:
        from console.watching import collect

        got = collect(watch, until=until, idle_s=idle)
        if not got.files:
            raise ConsoleError(f"no scan came into {watch}: is it the program's folder?")
        chosen_source = FolderSource(truth, watch, got.files)
    else:
        chosen_source = choose(
            truth, file.parent, scans, port, _stack(sane, escl, source, sides=sides, dpi=dpi)
        )
    if chosen_source is not None:
        with progress() as bars:
            task = bars.add_task("Sheets", total=len(truth.sheets))
            judged = bench_run.run(
                truth,
                chosen_source,
                rules.reader_within(limits),
                limits,
                lambda n: bars.update(task, completed=n),
            )
        stopped = chosen_source.stopped
    about = Circumstances(
        created=datetime.now(UTC).replace(microsecond=0).isoformat(),
        deck_sha256=hashlib.sha256(data).hexdigest(),
        profile=profile or truth.profile,
        source="mark_sense" if chosen_source is None else chosen_source.kind,
        where=mark_sense or "" if chosen_source is None else chosen_source.where,
        stopped=stopped,
        limits=limits,
    )
    result = judge(truth, judged, rules.election, about)
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    files = _write_reports(result, out, chosen)
    if as_json:
        emit_json(result.model_dump(mode="json"))
    else:
        _say(result, files)
    if result.findings:
        raise typer.Exit(1)


def _marks(
    truth: DeckFile, rules: Definition, limits: Thresholds, port: str, name: str
) -> tuple[Judged, Thresholds, str]:
    """The deck through a mark-sense reader, its own limits, and why it stopped early."""
    from console.marksense.bench import level_limits, run_marks
    from console.marksense.forms import make_forms
    from hardware.marksense import load_profile, open_reader

    reader_profile = load_profile(name)
    # All papers of the deck are expected: that one is taken for another is what is measured.
    forms = make_forms(reader_profile, rules, kind=truth.ballot_kind, apart=1)
    reader = open_reader(port, reader_profile)
    try:
        with progress() as bars:
            task = bars.add_task("Sheets", total=len(truth.sheets))
            judged, stopped = run_marks(
                truth, reader, forms, rules, lambda n: bars.update(task, completed=n)
            )
    finally:
        reader.close()
    return judged, level_limits(reader_profile, limits), stopped


def _stack(
    sane: str | None, escl: str | None, source: str | None, *, sides: int, dpi: int
) -> StackSource | None:
    from console.bench.sources import StackSource

    if sane is not None:
        from hardware.sane import SaneScanner, SaneSettings

        settings = SaneSettings(sane, source=source, dpi=dpi, sides=sides)
        return StackSource("sane", sane, lambda: SaneScanner(settings))
    if escl is not None:
        try:
            from hardware.escl import EsclScanner, EsclSettings
        except ImportError as error:
            raise ConsoleError(
                "eSCL scanners need the library httpx: pip install 'ballotbench[escl]'"
            ) from error
        job = EsclSettings(escl, dpi=dpi, sides=sides)
        return StackSource("escl", escl, lambda: EsclScanner(job))
    return None


def _write_reports(result: BenchFile, out: Path, languages: tuple[Language, ...]) -> list[Path]:
    from console.bench.reports import render_html, render_pdf
    from console.bench.words import words

    files = []
    for tag in languages:
        say = words(tag)
        suffix = "" if tag == languages[0] else f".{tag}"
        files += [out / f"report{suffix}.html", out / f"report{suffix}.pdf"]
        files[-2].write_text(render_html(result, say), encoding="utf-8")
        files[-1].write_bytes(render_pdf(result, say))
    return files


def _say(result: BenchFile, files: list[Path]) -> None:
    from console.bench.tables import verdict
    from console.bench.words import words

    say = words("en")
    error = result.positions["error"]
    lines = [
        verdict(result, say),
        *(f"  {say(f.kind, n=f.number, why=f.why)}" for f in result.findings),
        f"Silent position errors: {error.events} in {error.trials}, "
        f"at most {say.share(error.high)} (95 %). "
        f"{result.sheets.read} of {result.sheets.came} sheets read.",
        f"Report: {files[0]}",
    ]
    for line in lines:
        stdout.print(line, soft_wrap=True, markup=False, highlight=False)
