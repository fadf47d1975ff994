"""The report's parts in words, in one order for page and PDF: headings, paragraphs, tables,
plots by name. What it says comes from `bench.json` alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from console.bench.document import BenchFile, ReadAsRecord, StabilityRecord
from console.bench.words import Words


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a head; columns from `numbers_from` on are set to the right.
    `states` gives a row's state ("met", "not_met", …) where it has one."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers_from: int
    states: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report."""

    id: str
    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    plot: str | None = None
    bullets: tuple[str, ...] = field(default=())


def verdict(bench: BenchFile, say: Words) -> str:
    """The report's first sentence."""
    if bench.findings:
        return say("verdict_findings", n=len(bench.findings))
    return say("verdict_clear")


def title(bench: BenchFile, say: Words) -> str:
    """The election's title in the report's language, or in one it has."""
    titles = bench.election_title
    return titles.get(say.language) or titles.get("en") or next(iter(titles.values()))


def sections(bench: BenchFile, say: Words) -> Iterator[Section]:
    """All parts in order."""
    yield Section(
        "findings",
        say("findings"),
        paragraphs=() if bench.findings else (say("none"),),
        bullets=tuple(say(f.kind, n=f.number, why=f.why) for f in bench.findings),
    )
    yield _accuracy(bench, say)
    yield _rules(bench, say)
    yield _sheets(bench, say)
    if bench.totals:
        yield _totals(bench, say)
    yield Section(
        "confusion",
        say("confusion"),
        tables=(_read_as(bench.confusion, say),),
    )
    if bench.ladder:
        yield Section(
            "ladder", say("ladder"), (say("ladder_note"),), (_steps(bench, say),), "ladder"
        )
    yield Section("histogram", say("histogram"), (say("histogram_note"),), plot="histogram")
    if bench.curves.roc:
        area = say.decimal(bench.curves.area, 6)
        yield Section("roc", say("roc"), (say("roc_note", area=area),), plot="roc")
        yield Section("trade", say("trade"), (say("trade_note"),), plot="trade")
    yield _residual(bench, say)
    yield _stability(bench, say)
    yield _speed(bench, say)
    yield _provenance(bench, say)


def _accuracy(bench: BenchFile, say: Words) -> Section:
    rows = []
    rates = [("error", "error"), ("missed", "missed"), ("false", "false")]
    named = [(say(words), bench.positions[key]) for words, key in rates]  # type: ignore[index]
    named += [
        (say("marginal_rate"), bench.positions["marginal"]),
        (say("misfeed"), bench.misfeed),
    ]
    for words, rate in named:
        rows.append(
            (
                words,
                say.number(rate.events),
                say.number(rate.trials),
                say.share(rate.value),
                say.share(rate.low),
                say.share(rate.high),
            )
        )
    keys = ("rate", "events", "trials", "value", "low", "high")
    tables = [Table(tuple(map(say, keys)), tuple(rows), 1, widths=(38, 11, 13, 13, 13, 13))]
    if bench.errors:
        head = tuple(map(say, ("sheet", "contest", "option", "truth", "read", "score")))
        listed = tuple(
            (
                e.name,
                e.contest,
                e.option,
                _class(e.truth, say),
                _class(e.read, say),
                say.decimal(e.score),
            )
            for e in bench.errors
        )
        tables.append(Table(head, listed, 5, widths=(26, 18, 18, 14, 14, 10)))
    return Section("accuracy", say("accuracy"), (say("bounds_note"),), tuple(tables))


def _class(word: str, say: Words) -> str:
    return say("is_mark" if word == "mark" else word)


def _rules(bench: BenchFile, say: Words) -> Section:
    rows = tuple(
        (rule.section, say(rule.id), say(rule.words, **rule.values), say(rule.state))
        for rule in bench.rules
    )
    head = tuple(map(say, ("rule", "asks", "found", "state")))
    states = tuple(rule.state for rule in bench.rules)
    return Section("rules", say("rules"), tables=(Table(head, rows, 9, states, (20, 38, 26, 16)),))


def _sheets(bench: BenchFile, say: Words) -> Section:
    s = bench.sheets
    facts = (
        ("expected_sheets", s.expected),
        ("came", s.came),
        ("read_sheets", s.read),
        ("refused_sheets", s.refused),
        ("missing_sheets", s.missing),
        ("extra_sheets", s.extra),
        ("multi_feeds", s.multi_feeds),
    )
    tables = [
        Table(
            (say("sheets"), say("number")),
            tuple((say(key), say.number(n)) for key, n in facts),
            1,
            widths=(75, 25),
        )
    ]
    if s.faulty:
        outcomes = {"read": say("was_read"), "missing": say("did_not_come")}
        tables.append(
            Table(
                (say("faulty"), say("fault"), say("outcome")),
                tuple(
                    (
                        f.name,
                        say.kind("x", f.fault),
                        outcomes.get(f.outcome) or say("refused_as", reason=f.reason),
                    )
                    for f in s.faulty
                ),
                9,
                tuple("not_met" if f.outcome == "read" else "met" for f in s.faulty),
                (40, 25, 35),
            )
        )
    if s.reasons:
        tables.append(
            Table(
                (say("reasons"), say("number")),
                tuple((reason, say.number(n)) for reason, n in s.reasons.items()),
                1,
                widths=(75, 25),
            )
        )
    return Section("sheets", say("sheets"), s.refused_good, tuple(tables))


def _totals(bench: BenchFile, say: Words) -> Section:
    rows = tuple(
        (t.contest, t.option, say.number(t.expected), say.number(t.counted)) for t in bench.totals
    )
    states = tuple("met" if t.expected == t.counted else "not_met" for t in bench.totals)
    head = tuple(map(say, ("contest", "option", "expected", "counted")))
    notes = [say("totals_note", n=bench.totals_set_aside)]
    if "not_met" not in states:
        notes.append(say("all_match", n=len(rows)))
    return Section(
        "totals", say("totals"), tuple(notes), (Table(head, rows, 2, states, (35, 35, 15, 15)),)
    )


def _read_as(groups: tuple[ReadAsRecord, ...], say: Words) -> Table:
    keys = ("mark", "pen", "number", "as_mark", "as_marginal", "as_none", "mean_score")
    rows = tuple(
        (
            say.kind("k", g.mark) if g.mark else say("empty_target"),
            say.kind("p", g.pen) if g.pen else "–",
            say.number(g.count),
            say.number(g.as_mark),
            say.number(g.as_marginal),
            say.number(g.as_none),
            say.decimal(g.mean_score),
        )
        for g in groups
    )
    return Table(tuple(map(say, keys)), rows, 2, widths=(21, 17, 9, 12, 15, 14, 12))


def _steps(bench: BenchFile, say: Words) -> Table:
    keys = ("percent_inked", "number", "as_mark", "as_marginal", "as_none", "mean_score")
    rows = tuple(
        (
            f"{g.percent:g}",
            say.number(g.count),
            say.number(g.as_mark),
            say.number(g.as_marginal),
            say.number(g.as_none),
            say.decimal(g.mean_score),
        )
        for g in bench.ladder
    )
    return Table(tuple(map(say, keys)), rows, 0, widths=(26, 12, 16, 16, 16, 14))


def _residual(bench: BenchFile, say: Words) -> Section:
    found = bench.residual
    if found is not None:
        note = say(
            "residual_note",
            rms=say.decimal(found.rms_mm),
            p95=say.decimal(found.p95_mm),
            max=say.decimal(found.largest_mm),
            n=found.count,
        )
    elif bench.fit_median_mm is not None:
        note = say(
            "residual_unknown",
            median=say.decimal(bench.fit_median_mm),
            max=say.decimal(bench.fit_largest_mm),
        )
    else:
        note = say("residual_none")
    return Section("residual", say("residual"), (note,), plot="residual" if found else None)


def _stability(bench: BenchFile, say: Words) -> Section:
    def changes(changed: dict[str, int]) -> str:
        if not changed:
            return say("none")
        return "; ".join(
            " → ".join(_class(word, say) for word in pair.split(">")) + f": {say.number(n)}"
            for pair, n in changed.items()
        )

    rows = tuple(
        (say.decimal(s.factor, 1), changes(s.changed), say.number(s.clear_votes))
        for s in (*bench.stability[:1], _IN_FORCE, *bench.stability[1:])
    )
    head = tuple(map(say, ("factor", "changes", "clear_votes")))
    return Section("stability", say("stability"), tables=(Table(head, rows, 2, (), (22, 54, 24)),))


#: The thresholds in force against themselves.
_IN_FORCE = StabilityRecord(factor=1.0, changed={}, clear_votes=0)


def _speed(bench: BenchFile, say: Words) -> Section:
    s = bench.speed

    def pair(a: float | None, b: float | None) -> str:
        return f"{say.decimal(a, 1)}; {say.decimal(b, 1)}"

    rows = (
        (say("pages"), say.number(s.pages)),
        (say("decode_ms"), pair(s.decode_median_ms, s.decode_p95_ms)),
        (say("read_ms"), pair(s.read_median_ms, s.read_p95_ms)),
        (say("per_minute"), say.decimal(s.sheets_per_minute, 1)),
    )
    return Section(
        "speed", say("speed"), tables=(Table((say("speed"), say("value")), rows, 1, (), (70, 30)),)
    )


def _provenance(bench: BenchFile, say: Words) -> Section:
    limits = bench.thresholds
    rows = (
        (say("election"), f"{title(bench, say)} ({bench.election_id})"),
        (say("election_hash"), bench.election_hash),
        (say("profile"), bench.profile),
        (say("deck_hash"), bench.deck_sha256),
        (say("seed"), "–" if bench.deck_seed is None else str(bench.deck_seed)),
        (say("source"), say(f"source_{bench.source}", where=bench.where)),
        (
            say("thresholds"),
            say("v_thresholds", low=f"{limits['marginal']:g}", high=f"{limits['definite']:g}"),
        ),
        (say("software"), bench.software),
        (say("made"), bench.created),
    )
    return Section(
        "provenance",
        say("provenance"),
        tables=(Table((say("provenance"), ""), rows, 9, (), (28, 72)),),
    )
