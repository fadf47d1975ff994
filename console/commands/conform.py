"""`ballotbench conform`: a scanner against every rule of the link, and a report to sign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.common import emit_json, progress, stdout
from console.errors import ConsoleError

if TYPE_CHECKING:
    from console.bench.words import Language
    from console.conform.document import ConformFile, DeckRecord
    from hardware.conformance import Check

EXAMPLE = """
Example:

    ballotbench conform /dev/ttyUSB0 --out report

    ballotbench conform usb:0403:6001 --deck deck --out report

    ballotbench conform COM3 --check T --check F1.crc --out report
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("conform", epilog=EXAMPLE)(conform)


def conform(
    port: Annotated[str, typer.Argument(help="The scanner's port: a device, usb:VID:PID, a URL.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for conform.json, report.html, report.pdf.")
    ],
    deck: Annotated[
        Path | None,
        typer.Option(help="A deck of `ballotbench deck`: its sheets lie first in the tray."),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(
            help="Make these checks alone: an id (F1.crc), a rule (I5), a letter (T); may be given "
            "several times. The others are not run, so the report does not say that it conforms."
        ),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            help="Language of the report: en, kk, ru (may be given several times). The first "
            "is report.html, others report.kk.html and so on. All three if not given."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print conform.json.")] = False,
) -> None:
    """Test a scanner against the rules of docs/protocol.md and write a report to sign.

    Put 30 sheets of any kind into the tray, with --deck behind the deck's sheets; into tray 1
    of a central scanner 46, which it prints on. The checks send what a device never would
    (damaged frames, wrong lengths), accept and return sheets, and empty the tray at the end.
    Exit 1 where a check fails or could not be run.
    """
    from datetime import UTC, datetime
    from importlib.metadata import version

    from console.bench.words import chosen_languages
    from console.conform.document import ConformFile, check_records, time_records
    from hardware.conformance import Outcome, Probe, find_checks, run_checks
    from hardware.messages import NONCE_BYTES, Hello, Kind
    from hardware.stream import SerialStream

    try:
        languages = chosen_languages(language)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--language") from error
    wanted = _wanted(check or [""])
    out.mkdir(parents=True, exist_ok=True)
    probe = Probe(lambda: SerialStream(port, write_timeout_s=60.0))
    record = None if deck is None else _reference(deck, port)
    checks = find_checks(probe)
    wanted = tuple(check for check in checks if check in wanted)
    with progress() as bars:
        task = bars.add_task("Checks", total=len(wanted))
        made = {o.check: o for o in run_checks(probe, wanted, lambda _: bars.advance(task))}
    outcomes = tuple(made.get(c, Outcome(c, "not_run", "not asked for")) for c in checks)
    probe.reopen()
    hello = Hello.unpack(probe.ask(Kind.HELLO, bytes(NONCE_BYTES)))
    probe.close()
    result = ConformFile(
        created=datetime.now(UTC).replace(microsecond=0).isoformat(),
        software=f"Ballotbench {version('ballotbench')}",
        port=port,
        model=hello.model,
        firmware=hello.firmware,
        versions=hello.versions,
        checks=check_records(outcomes),
        times=time_records(probe.times),
        deck=record,
    )
    text = result.model_dump_json(indent=1) + "\n"
    (out / "conform.json").write_text(text, encoding="utf-8")
    _write_reports(result, text, out, languages)
    if as_json:
        emit_json(result.model_dump(mode="json"))
    else:
        _say(result, out)
    if result.failed or result.not_run:
        raise typer.Exit(1)


def _wanted(given: list[str]) -> tuple[Check, ...]:
    from hardware.conformance import BATCH_CHECKS, CHECKS

    def fits(check: Check, name: str) -> bool:
        return name in ("", check.id, check.rule, check.rule[0])

    known = (*CHECKS, *BATCH_CHECKS)
    for name in given:
        if not any(fits(check, name) for check in known):
            raise typer.BadParameter(f"{name!r} is no check, rule or letter", param_hint="--check")
    return tuple(check for check in known if any(fits(check, name) for name in given))


def _write_reports(
    result: ConformFile, text: str, out: Path, languages: tuple[Language, ...]
) -> None:
    from console.conform.report import digest_of, render_html, render_pdf
    from console.conform.words import conform_words

    digest = digest_of(text)
    for tag in languages:
        say = conform_words(tag)
        suffix = "" if tag == languages[0] else f".{tag}"
        (out / f"report{suffix}.html").write_text(
            render_html(result, digest, say), encoding="utf-8"
        )
        (out / f"report{suffix}.pdf").write_bytes(render_pdf(result, digest, say))


def _say(result: ConformFile, out: Path) -> None:
    from console.conform.report import finding, verdict
    from console.conform.words import conform_words

    say = conform_words("en")
    bad = [check for check in result.checks if check.state != "passed"]
    lines = [
        say("subtitle", model=result.model, firmware=result.firmware),
        verdict(result, say),
        *(f"  {finding(check, say)}" for check in bad),
        *(f"  deck: {why}" for why in (result.deck.findings if result.deck else ())),
        f"Report: {out / 'report.html'}",
    ]
    for line in lines:
        stdout.print(line, soft_wrap=True, markup=False, highlight=False)


def _reference(folder: Path, port: str) -> DeckRecord:
    """Feed the deck, read it, compare it with its truth."""
    import hashlib
    from datetime import UTC, datetime

    from console.bench.judge import Circumstances, judge
    from console.bench.run import run
    from console.bench.sources import PortSource
    from console.bench.words import words
    from console.conform.document import DeckRecord
    from console.definitions import load_definition
    from scanner.decks.document import parse_deck

    file = folder / "deck.json" if folder.is_dir() else folder
    data = file.read_bytes()
    truth = parse_deck(data, str(file))
    if truth.definition is None:
        raise ConsoleError(f"{file} names no definition: make a deck with `ballotbench deck`")
    rules = load_definition(file.parent / truth.definition, truth.profile)
    limits = rules.limits(None)
    source = PortSource(port, sheets=len(truth.sheets))
    with progress() as bars:
        task = bars.add_task("Deck", total=len(truth.sheets))
        judged = run(
            truth, source, rules.reader_within(limits), limits,
            lambda n: bars.update(task, completed=n),
        )  # fmt: skip
    digest = hashlib.sha256(data).hexdigest()
    about = Circumstances(
        created=datetime.now(UTC).replace(microsecond=0).isoformat(),
        deck_sha256=digest,
        profile=truth.profile,
        source="port",
        where=port,
        stopped=source.stopped,
        limits=limits,
    )
    result, say = judge(truth, judged, rules.election, about), words("en")
    error = result.positions["error"]
    return DeckRecord(
        deck_sha256=digest,
        sheets=result.sheets.read,
        positions=error.trials,
        errors=error.events,
        findings=tuple(say(f.kind, n=f.number, why=f.why) for f in result.findings),
    )
