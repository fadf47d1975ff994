"""The report of a conformance test, on a page and on paper, with room for signatures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from console.bench.reports import Titles, page_html, page_pdf
from console.bench.tables import Section, Table
from console.conform.document import CheckRecord, ConformFile

_GROUPS = {
    "F": "Frames",
    "V": "Versions",
    "L": "Requests",
    "I": "Images",
    "P": "Paper",
    "T": "Times",
}
_STATES = {"passed": "met", "failed": "not_met", "not_run": "not_tested"}
_WORDS = {"passed": "passed", "failed": "FAILED", "not_run": "not run"}
_NOT_TESTED = (
    "Not tested by this program: the last token through a power cut (P8, switch the scanner off "
    "between ACCEPT and LAST_TOKEN by hand), and how people meet the machine (jams, double feeds, "
    "a full box)."
)


def render_html(result: ConformFile, digest: str) -> str:
    """The page; `digest` is that of conform.json."""
    return page_html(_titles(result), list(_sections(result, digest)), {})


def render_pdf(result: ConformFile, digest: str) -> bytes:
    """The same on A4."""
    return page_pdf(_titles(result), list(_sections(result, digest)), {})


def digest_of(text: str) -> str:
    """SHA-256 of conform.json's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def verdict(result: ConformFile) -> str:
    """The report's first sentence."""
    total = len(result.checks) + (result.deck is not None)
    if result.failed:
        return f"Does not conform: {result.failed} of {total} checks failed."
    if result.not_run:
        return f"Not shown to conform: {result.not_run} of {total} checks could not be run."
    return f"Conforms: all {total} checks passed."


def _titles(result: ConformFile) -> Titles:
    heading = "Conformance test of a scanner"
    return Titles(
        language="en",
        heading=heading,
        subtitle=f"{result.model}, firmware {result.firmware}",
        made="Made",
        created=result.created,
        verdict=verdict(result),
        bad=bool(result.failed or result.not_run),
        page_of=lambda n, of: f"Page {n} of {of}",
        name=f"{heading} · {result.model[:60]} · {result.created}",
    )


def _sections(result: ConformFile, digest: str) -> Iterator[Section]:
    bad = [check for check in result.checks if check.state != "passed"]
    bullets = [f"{c.id} {_WORDS[c.state]}: {c.title}. {c.told}".rstrip() for c in bad]
    if result.deck is not None:
        bullets += [f"Reference deck FAILED: {finding}" for finding in result.deck.findings]
    yield Section(
        "findings",
        "Findings",
        bullets=tuple(bullets),
        paragraphs=(() if bullets else ("None.",)) + (_NOT_TESTED,),
    )
    yield Section("what", "What was tested", tables=(_about(result, digest),))
    for letter, name in _GROUPS.items():
        checks = [check for check in result.checks if check.rule.startswith(letter)]
        if checks:
            yield Section(letter, f"{name} ({letter})", tables=(_checks(checks),))
    yield Section("times", "Measured times", tables=(_times(result),))
    if result.deck is not None:
        yield _deck(result)
    rows = tuple(
        (name, "\u00a0\n\u00a0") for name in ("Laboratory", "Tested by", "Place, date", "Signature")
    )
    text = "I saw this test run on the device named above, and its report is whole."
    yield Section(
        "signed",
        "Signed",
        paragraphs=(text,),
        tables=(Table(("Who", "By hand"), rows, 2, widths=(30, 70)),),
    )


def _about(result: ConformFile, digest: str) -> Table:
    rows = (
        ("Model", result.model),
        ("Firmware", result.firmware),
        ("Versions of the link", ", ".join(map(str, result.versions))),
        ("Port", result.port),
        ("Rules", "docs/protocol.md, version 1"),
        ("Tested with", result.software),
        ("SHA-256 of conform.json", digest),
    )
    return Table(("What", "Is"), rows, 2, widths=(30, 70))


def _checks(checks: list[CheckRecord]) -> Table:
    return Table(
        ("Rule", "Check", "Measured or found", "Result"),
        tuple((c.rule, f"{c.title} ({c.id})", c.told, _WORDS[c.state]) for c in checks),
        4,
        states=tuple(_STATES[c.state] for c in checks),
        widths=(8, 47, 31, 14),
    )


def _times(result: ConformFile) -> Table:
    rows = tuple(
        (t.request, str(t.answers), f"{t.median_ms:.1f}", f"{t.longest_ms:.1f}")
        for t in result.times
    )
    return Table(("Request", "Answers", "Median, ms", "Longest, ms"), rows, 1)


def _deck(result: ConformFile) -> Section:
    deck = result.deck
    rows: tuple[tuple[str, ...], ...] = ()
    if deck is not None:
        rows = (
            ("Sheets read", str(deck.sheets)),
            ("Positions compared", str(deck.positions)),
            ("Silent errors", str(deck.errors)),
            ("SHA-256 of deck.json", deck.deck_sha256),
        )
    text = "The deck was fed before the checks, read, and compared with its known truth."
    return Section(
        "deck",
        "Reference deck",
        paragraphs=(text,),
        tables=(Table(("What", "Is"), rows, 2, widths=(30, 70)),),
    )
