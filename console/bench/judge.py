"""From what was read to `bench.json`: statistics, rules, findings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata

import numpy as np

from console.bench.document import (
    BenchFile,
    CurveRecord,
    ErrorRecord,
    FaultRecord,
    Finding,
    RateRecord,
    ReadAsRecord,
    ResidualRecord,
    SheetsRecord,
    SpeedRecord,
    StabilityRecord,
    TotalRecord,
)
from console.bench.rules import rules
from console.bench.run import HIGHER, LOWER, Judged, SheetSeen
from election.model import Election
from scanner.accuracy import Observations, Rate, SequentialTest, curves, rates
from scanner.accuracy.observations import NAMES
from scanner.decks.document import DeckFile
from scanner.decks.model import Part
from scanner.errors import RefusalReason
from scanner.reading import Thresholds

#: Silent errors listed one by one; more than these are counted only.
MOST_ERRORS = 500


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a report must say beside its figures; `created` an ISO time."""

    created: str
    deck_sha256: str
    profile: str
    source: str
    where: str
    stopped: str
    limits: Thresholds


def judge(deck: DeckFile, judged: Judged, election: Election, about: Circumstances) -> BenchFile:
    """The bench test as values."""
    seen = Observations.of(judged.rows)
    sheets = _sheets(judged)
    good = sum(sheet.fault is None for sheet, _ in judged.pairs)
    bad = len(sheets.refused_good) + sum(
        fed is None and sheet.fault is None for sheet, fed in judged.pairs
    )
    misfeed = Rate.of(bad, good)
    positions = rates.position_rates(seen)
    totals, aside = _totals(deck, judged)
    stability = rates.stability(seen, LOWER, HIGHER)
    repeats = rates.repeats(seen)
    verdict = rates.sequential(seen, SequentialTest())
    fits = [p.reading.residual_mm for _, fed in judged.pairs if fed for p in fed.pages]
    limits = about.limits
    return BenchFile(
        created=about.created,
        software=f"ballotbench {metadata.version('ballotbench')}",
        election_id=election.id,
        election_title=dict(election.title),
        election_hash=election.hash,
        profile=about.profile,
        deck_sha256=about.deck_sha256,
        deck_seed=deck.seed,
        source=about.source,
        where=about.where,
        thresholds={
            "marginal": limits.marginal,
            "definite": limits.definite,
            "write_in": limits.write_in,
            "max_residual_mm": limits.max_residual_mm,
            "max_skew_deg": limits.max_skew_deg,
        },
        findings=tuple(
            _findings(positions, sheets, totals, aside, stability, repeats, about.stopped)
        ),
        sheets=sheets,
        positions={
            "error": rate_record(positions.error),
            "missed": rate_record(positions.missed),
            "false": rate_record(positions.false),
            "marginal": rate_record(positions.marginal),
        },
        misfeed=rate_record(misfeed),
        errors=tuple(_errors(seen, deck)),
        rules=rules(seen, positions, verdict, misfeed, repeats, limits),
        confusion=tuple(_read_as(c) for c in rates.confusion(seen)),
        ladder=tuple(_read_as(c) for c in rates.ladder(seen)),
        curves=_curves(seen, limits),
        residual=_residual(seen),
        fit_median_mm=float(np.median(fits)) if fits else None,
        fit_largest_mm=max(fits) if fits else None,
        stability=tuple(
            StabilityRecord(factor=s.factor, changed=dict(s.changed), clear_votes=s.clear_votes)
            for s in stability
        ),
        repeats=repeats,
        totals=totals,
        totals_set_aside=aside,
        speed=_speed(judged),
    )


def rate_record(rate: Rate) -> RateRecord:
    """A rate as it stands in the file."""
    return RateRecord(
        events=rate.events, trials=rate.trials, value=rate.value, low=rate.low, high=rate.high
    )


def _read_as(group: rates.ReadAs) -> ReadAsRecord:
    step = len(group.group) == 1
    mark, pen = ("area", "") if step else group.group
    return ReadAsRecord(
        mark=mark,
        pen=pen,
        percent=float(group.group[0]) if step else None,
        count=group.count,
        as_mark=group.mark,
        as_marginal=group.marginal,
        as_none=group.no_mark,
        mean_score=group.mean_score,
    )


def _sheets(judged: Judged) -> SheetsRecord:
    fed = [seen for _, seen in judged.pairs if seen is not None] + list(judged.extra)
    reasons = Counter(seen.refusals[0].reason for seen in fed if not seen.read)
    return SheetsRecord(
        expected=len(judged.pairs),
        came=len(fed),
        read=sum(seen.read for seen in fed),
        refused=sum(not seen.read for seen in fed),
        missing=sum(seen is None for _, seen in judged.pairs),
        extra=len(judged.extra),
        multi_feeds=reasons.get(RefusalReason.TWO_SHEETS.value, 0),
        reasons=dict(sorted(reasons.items())),
        refused_good=tuple(
            f"{sheet.name}: {seen.refusals[0].reason}"
            for sheet, seen in judged.pairs
            if sheet.fault is None and seen is not None and not seen.read
        ),
        faulty=tuple(
            FaultRecord(
                name=sheet.name,
                fault=sheet.fault,
                outcome="missing" if seen is None else "read" if seen.read else "refused",
                reason=seen.refusals[0].reason if seen is not None and seen.refusals else "",
            )
            for sheet, seen in judged.pairs
            if sheet.fault is not None
        ),
    )


def _errors(seen: Observations, deck: DeckFile) -> Iterator[ErrorRecord]:
    names = {sheet.number: sheet.name for sheet in deck.sheets}
    wrong = np.flatnonzero(seen.missed | seen.false_marks)[:MOST_ERRORS]
    for i in wrong.tolist():
        yield ErrorRecord(
            sheet=int(seen.sheet[i]),
            name=names[int(seen.sheet[i])],
            contest=str(seen.contest[i]),
            option=str(seen.option[i]),
            truth=NAMES[int(seen.truth[i])],
            read=NAMES[int(seen.read[i])],
            score=float(seen.score[i]),
        )


def _curves(seen: Observations, limits: Thresholds) -> CurveRecord:
    bars, single = curves.histogram(seen), curves.roc(seen)
    trade = curves.trade_off(seen, limits.marginal, limits.definite)
    return CurveRecord(
        edges=tuple(bars.edges.round(6).tolist()),
        marks=tuple(bars.marks.tolist()),
        empty=tuple(bars.empty.tolist()),
        unclear=tuple(bars.unclear.tolist()),
        roc=tuple(
            zip(
                single.threshold.tolist(),
                single.false.tolist(),
                single.found.tolist(),
                strict=True,
            )
        ),
        area=None if math.isnan(single.area) else single.area,
        trade=tuple((t.low, t.high, t.marginal, t.errors, t.targets) for t in trade),
    )


def _residual(seen: Observations) -> ResidualRecord | None:
    found = curves.residuals(seen)
    if found is None:
        return None
    return ResidualRecord(
        count=found.count,
        rms_mm=found.rms_mm,
        p95_mm=found.p95_mm,
        largest_mm=found.largest_mm,
        cells=tuple(
            (c.x_mm, c.y_mm, c.count, c.dx_mm, c.dy_mm, c.distance_mm) for c in found.cells
        ),
    )


def _totals(deck: DeckFile, judged: Judged) -> tuple[tuple[TotalRecord, ...], int]:
    """Votes of the logic-and-accuracy sheets as they were interpreted, beside the truth, and
    how many of those sheets wait for a person."""
    counted: Counter[tuple[str, str]] = Counter()
    aside = 0
    for sheet, seen in judged.pairs:
        if sheet.part != Part.ACCURACY.value or seen is None or seen.outcome is None:
            continue
        aside += seen.outcome.needs_review
        for contest in seen.outcome.contests:
            counted.update((contest.contest_id, option) for option in contest.votes)
    return tuple(
        TotalRecord(
            contest=contest, option=option, expected=votes, counted=counted[contest, option]
        )
        for contest, options in deck.accuracy_totals.items()
        for option, votes in options.items()
    ), aside


def _findings(
    positions: rates.PositionRates,
    sheets: SheetsRecord,
    totals: Sequence[TotalRecord],
    aside: int,
    stability: Sequence[rates.Stability],
    repeats: tuple[int, int],
    stopped: str,
) -> Iterator[Finding]:
    counts = {
        "f_missed": positions.missed.events,
        "f_false": positions.false.events,
        "f_fault_read": sum(f.outcome == "read" for f in sheets.faulty),
        "f_refused": len(sheets.refused_good),
        "f_missing": sheets.missing,
        "f_extra": sheets.extra,
        # Sheets set aside or refused have no vote yet: their totals are open, not wrong.
        "f_totals": 0
        if aside or sheets.missing or sheets.refused_good
        else sum(t.expected != t.counted for t in totals),
        "f_repeat": repeats[1],
        "f_stability": max((s.clear_votes for s in stability), default=0),
    }
    over = sum(t.counted > t.expected for t in totals)
    counts["f_totals"] = max(counts["f_totals"], over)
    for kind, number in counts.items():
        if number:
            yield Finding(kind=kind, number=number)
    if stopped:
        yield Finding(kind="f_stopped", number=1, why=stopped)


def _speed(judged: Judged) -> SpeedRecord:
    fed: list[SheetSeen] = [s for _, s in judged.pairs if s is not None] + list(judged.extra)
    decode = [ms for seen in fed for ms in seen.decode_ms]
    read = [ms for seen in fed for ms in seen.read_ms]

    def part(values: list[float], q: float) -> float | None:
        return round(float(np.percentile(values, q)), 3) if values else None

    return SpeedRecord(
        pages=len(read),
        decode_median_ms=part(decode, 50),
        decode_p95_ms=part(decode, 95),
        read_median_ms=part(read, 50),
        read_p95_ms=part(read, 95),
        sheets_per_minute=round(60 * len(fed) / judged.seconds, 1) if judged.seconds else None,
        seconds=round(judged.seconds, 3),
    )
