"""The report of a conformance test, on a page and on paper, with room for signatures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from console.bench.reports import Titles, page_html, page_pdf
from console.bench.tables import Section, Table
from console.bench.words import Words, words
from console.conform.document import CheckRecord, ConformFile
from console.conform.words import retold

#: The rules' letters, in the order of docs/protocol.md.
_GROUPS = "FVLIPBT"
_STATES = {"passed": "met", "failed": "not_met", "not_run": "not_tested"}


def render_html(result: ConformFile, digest: str, say: Words) -> str:
    """The page; `digest` is that of conform.json."""
    return page_html(_titles(result, say), list(_sections(result, digest, say)), {})


def render_pdf(result: ConformFile, digest: str, say: Words) -> bytes:
    """The same on A4."""
    return page_pdf(_titles(result, say), list(_sections(result, digest, say)), {})


def digest_of(text: str) -> str:
    """SHA-256 of conform.json's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def verdict(result: ConformFile, say: Words) -> str:
    """The report's first sentence."""
    total = len(result.checks) + (result.deck is not None)
    if result.failed:
        return say("verdict_failed", n=result.failed, of=total)
    if result.not_run:
        return say("verdict_not_run", n=result.not_run, of=total)
    return say("verdict_passed", of=total)


def deck_findings(result: ConformFile, say: Words) -> tuple[str, ...]:
    """What the bench test of the reference deck found, in the bench report's words."""
    findings = result.deck.findings if result.deck else ()
    there = words(say.language)
    return tuple(retold(text, there, prefix="f_", english=words("en")) for text in findings)


def finding(check: CheckRecord, say: Words) -> str:
    """A check that was not passed, in a line."""
    title = say(f"c_{check.id}")
    return f"{check.id} {say(check.state)}: {title}. {retold(check.told, say)}".rstrip()


def _titles(result: ConformFile, say: Words) -> Titles:
    heading = say("title")
    return Titles(
        language=say.language,
        heading=heading,
        subtitle=say("subtitle", model=result.model, firmware=result.firmware),
        made=say("made"),
        created=result.created,
        verdict=verdict(result, say),
        bad=bool(result.failed or result.not_run),
        page_of=lambda n, of: say("page_of", n=n, of=of),
        name=f"{heading} · {result.model[:60]} · {result.created}",
    )


def _sections(result: ConformFile, digest: str, say: Words) -> Iterator[Section]:
    bullets = [finding(check, say) for check in result.checks if check.state != "passed"]
    bullets += [say("deck_failed", why=why) for why in deck_findings(result, say)]
    yield Section(
        "findings",
        say("findings"),
        bullets=tuple(bullets),
        paragraphs=(() if bullets else (say("none"),)) + (say("not_tested"),),
    )
    yield Section("what", say("what"), tables=(_about(result, digest, say),))
    for letter in _GROUPS:
        checks = [check for check in result.checks if check.rule.startswith(letter)]
        if checks:
            name = say("group", name=say(f"g_{letter}"), letter=letter)
            yield Section(letter, name, tables=(_checks(checks, say),))
    yield Section("times", say("times"), tables=(_times(result, say),))
    if result.deck is not None:
        yield _deck(result, say)
    rows = tuple(
        (say(key), "\u00a0\n\u00a0")
        for key in ("laboratory", "tested_by", "place_date", "signature")
    )
    yield Section(
        "signed",
        say("signed"),
        paragraphs=(say("signed_text"),),
        tables=(Table((say("who"), say("by_hand")), rows, 2, widths=(30, 70)),),
    )


def _about(result: ConformFile, digest: str, say: Words) -> Table:
    rows = (
        (say("model"), result.model),
        (say("firmware"), result.firmware),
        (say("versions"), ", ".join(map(str, result.versions))),
        (say("port"), result.port),
        (say("rules"), say("rules_are")),
        (say("tested_with"), result.software),
        (say("digest"), digest),
    )
    return Table((say("is_what"), say("is")), rows, 2, widths=(30, 70))


def _checks(checks: list[CheckRecord], say: Words) -> Table:
    return Table(
        (say("rule"), say("check"), say("found"), say("result")),
        tuple(
            (c.rule, f"{say(f'c_{c.id}')} ({c.id})", retold(c.told, say), say(c.state))
            for c in checks
        ),
        4,
        states=tuple(_STATES[c.state] for c in checks),
        widths=(10, 44, 30, 16),
    )


def _times(result: ConformFile, say: Words) -> Table:
    rows = tuple(
        (
            t.request,
            say.number(t.answers),
            say.decimal(t.median_ms, 1),
            say.decimal(t.longest_ms, 1),
        )
        for t in result.times
    )
    return Table((say("request"), say("answers"), say("median"), say("longest")), rows, 1)


def _deck(result: ConformFile, say: Words) -> Section:
    deck = result.deck
    rows: tuple[tuple[str, ...], ...] = ()
    if deck is not None:
        rows = (
            (say("sheets_read"), say.number(deck.sheets)),
            (say("positions"), say.number(deck.positions)),
            (say("errors"), say.number(deck.errors)),
            (say("deck_digest"), deck.deck_sha256),
        )
    return Section(
        "deck",
        say("deck"),
        paragraphs=(say("deck_text"),),
        tables=(Table((say("is_what"), say("is")), rows, 2, widths=(30, 70)),),
    )
