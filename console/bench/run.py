"""Read a source's sheets, tell which is which, and set truth beside reading."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from console.bench.sources import ScannedSheet, Source
from scanner.accuracy.alignment import GAP, align
from scanner.accuracy.observations import CODE, MARGINAL, NOT_READ, Observation
from scanner.decks.document import DeckFile, SheetRecord, SideRecord, TargetRecord
from scanner.decode import DecodedPage, decode_pages
from scanner.errors import PageRefusedError, RefusalReason
from scanner.interpretation import interpret
from scanner.judgement import classify
from scanner.reader import Gray, PageReader
from scanner.reading import MarkClass, PageReading, SheetInterpretation, Thresholds
from scanner.sheet import SheetReader

#: Both thresholds are multiplied by these for the stability table.
LOWER, HIGHER = 0.8, 1.2
MM_PER_INCH = 25.4


class Refusal(NamedTuple):
    """A page that was not read."""

    reason: str
    detail: str


Classes = tuple[MarkClass, ...]


@dataclass(frozen=True, slots=True)
class PageSeen:
    """A page's reading, and its targets' classes under lower and higher thresholds."""

    reading: PageReading
    low: Classes
    high: Classes


@dataclass(frozen=True, slots=True)
class SheetSeen:
    """What came of one fed sheet."""

    name: str
    number: int | None
    pages: tuple[PageSeen, ...]
    refusals: tuple[Refusal, ...]
    outcome: SheetInterpretation | None
    style: str | None
    seconds: float
    decode_ms: tuple[float, ...]
    read_ms: tuple[float, ...]

    @property
    def read(self) -> bool:
        """Was the sheet taken as a whole?"""
        return self.outcome is not None


@dataclass(frozen=True, slots=True)
class Judged:
    """Deck sheets with the fed sheet of each (None: missing), and fed ones beyond them."""

    pairs: tuple[tuple[SheetRecord, SheetSeen | None], ...]
    extra: tuple[SheetSeen, ...]
    rows: tuple[Observation, ...]
    seconds: float


def scaled(limits: Thresholds, factor: float) -> Thresholds:
    """Both mark thresholds times `factor`, the upper one still under 1."""
    definite = min(limits.definite * factor, 0.99)
    return replace(limits, marginal=min(limits.marginal * factor, definite), definite=definite)


def run(
    deck: DeckFile,
    source: Source,
    reader: SheetReader,
    limits: Thresholds,
    done: Callable[[int], None] = lambda _: None,
) -> Judged:
    """Put every sheet of the source through the reader; `done(n)` after n sheets.

    Raises:
        HardwareError: the device could not be reached or failed at its first sheet.
    """
    others = tuple(reader.pages.with_thresholds(scaled(limits, f)) for f in (LOWER, HIGHER))
    start = time.perf_counter()
    beside = 0.0
    seen: list[SheetSeen] = []
    for sheet in source:
        result, extra_s = _read(sheet, reader, others)
        seen.append(result)
        beside += extra_s
        done(len(seen))
    return match(deck, seen, time.perf_counter() - start - beside)


def match(deck: DeckFile, seen: Sequence[SheetSeen], seconds: float) -> Judged:
    """Tell which fed sheet is which of the deck's, and set truth beside reading."""
    fed_of = _partners(deck.sheets, seen)
    pairs = tuple(
        (sheet, None if j is None else seen[j])
        for sheet, j in zip(deck.sheets, fed_of, strict=True)
    )
    used = set(fed_of)
    rows = [row for sheet, fed in pairs if sheet.fault is None for row in _rows(sheet, fed)]
    extra = tuple(s for j, s in enumerate(seen) if j not in used)
    return Judged(pairs, extra, tuple(rows), seconds)


def _read(
    sheet: ScannedSheet, reader: SheetReader, others: Sequence[PageReader]
) -> tuple[SheetSeen, float]:
    """The sheet's readings, and the seconds that the two other thresholds took."""
    pages: list[PageSeen] = []
    refusals: list[Refusal] = []
    decode_ms: list[float] = []
    read_ms: list[float] = []
    beside = 0.0
    for image in sheet.images:
        clock = time.perf_counter()
        try:
            for page in decode_pages(image, name=sheet.name):
                decode_ms.append(1000 * (time.perf_counter() - clock))
                if not isinstance(page, DecodedPage):
                    raise PageRefusedError(page.reason, page.detail)
                clock = time.perf_counter()
                reading = reader.pages.read(page.gray)
                read_ms.append(1000 * (time.perf_counter() - clock))
                clock = time.perf_counter()
                low, high = (_under(reading, page.gray, reader.pages, o) for o in others)
                pages.append(PageSeen(reading, low, high))
                beside += time.perf_counter() - clock
                clock = time.perf_counter()
        except PageRefusedError as refusal:
            refusals.append(Refusal(refusal.reason.value, refusal.detail))
    # The unprinted back of a sheet whose front was read is nothing to refuse.
    if pages:
        refusals = [r for r in refusals if r.reason != RefusalReason.EMPTY.value]
    outcome = None
    if pages and not refusals:
        try:
            outcome = interpret([p.reading for p in pages], reader.election, reader.profile)
        except PageRefusedError as refusal:
            refusals.append(Refusal(refusal.reason.value, refusal.detail))
    elif not refusals:
        refusals.append(Refusal(RefusalReason.EMPTY.value, "the scanner sent no image"))
    style = pages[0].reading.layout.ballot_style_id if pages else None
    result = SheetSeen(
        sheet.name,
        sheet.number,
        tuple(pages),
        tuple(refusals),
        outcome,
        style,
        sheet.seconds,
        tuple(decode_ms),
        tuple(read_ms),
    )
    return result, beside


def _under(reading: PageReading, gray: Gray, used: PageReader, other: PageReader) -> Classes:
    """The page's classes under another reader's thresholds. Where its classes are those of
    its scores alone that needs no second look; else the page is read again."""
    if classify(reading.scores, used.thresholds) == reading.classes:
        return classify(reading.scores, other.thresholds)
    return other.read(gray).classes


def _partners(deck: Sequence[SheetRecord], seen: Sequence[SheetSeen]) -> list[int | None]:
    """For each deck sheet the index of its fed sheet."""
    if all(sheet.number is not None for sheet in seen):
        by_number = {sheet.number: j for j, sheet in enumerate(seen)}
        return [by_number.get(sheet.number) for sheet in deck]
    cost = np.array([[_cost(sheet, fed) for fed in seen] for sheet in deck], dtype=np.float64)
    return list(align(cost.reshape(len(deck), len(seen))))


def _cost(sheet: SheetRecord, fed: SheetSeen) -> float:
    """How unlike a deck sheet and a fed one are, in silent errors."""
    if not fed.pages:
        # What was refused may be any sheet, but those meant to be refused first.
        return 0.0 if sheet.fault else 1.0
    if sheet.fault:
        return GAP - 1
    if fed.style != sheet.style:
        return 3 * GAP
    errors = 0.0
    for side in sheet.sides:
        page = _page(fed, side)
        if page is None:
            errors += 0.5
            continue
        for target in side.targets:
            i = _place(page.reading, target)
            read = NOT_READ if i is None else CODE[page.reading.classes[i]]
            truth = CODE[target.expected]
            if target.clear and truth != MARGINAL and {read, truth} == {0, 2}:
                errors += 1
            elif read not in (truth, NOT_READ):
                errors += 0.2
    return errors


def _place(reading: PageReading, target: TargetRecord) -> int | None:
    """Which of the page's targets it is: of several of one option (a candidate of two
    parties) the one nearest on paper; None where the page has none of it."""
    key = (target.contest, target.option)
    targets = reading.layout.targets
    return min(
        (i for i, t in enumerate(targets) if (t.contest_id, t.option_id) == key),
        key=lambda i: math.hypot(targets[i].x_mm - target.x_mm, targets[i].y_mm - target.y_mm),
        default=None,
    )


def _page(fed: SheetSeen | None, side: SideRecord) -> PageSeen | None:
    for page in fed.pages if fed is not None else ():
        if page.reading.layout.page == side.page:
            return page
    return None


def _rows(sheet: SheetRecord, fed: SheetSeen | None) -> list[Observation]:
    rows = []
    # A sheet refused as a whole casts no vote, whatever one of its sides would have said.
    taken = fed if fed is not None and fed.read else None
    for side in sheet.sides:
        page = _page(taken, side)
        if page is not None and fed is not None and fed.style != sheet.style:
            page = None
        for target in side.targets:
            i = None if page is None else _place(page.reading, target)
            read = low = high = NOT_READ
            score = dx = dy = math.nan
            if page is not None and i is not None:
                read, low, high = (
                    CODE[classes[i]] for classes in (page.reading.classes, page.low, page.high)
                )
                score, dx, dy = _measured(page.reading, target, i)
            rows.append(
                Observation(
                    sheet=sheet.number,
                    ink=sheet.repeats or sheet.number,
                    part=sheet.part,
                    page=side.page,
                    contest=target.contest,
                    option=target.option,
                    truth=CODE[target.expected],
                    clear=target.clear,
                    read=read,
                    low=low,
                    high=high,
                    score=score,
                    mark=target.mark or "",
                    pen=target.pen or "",
                    share=math.nan if target.area_share is None else target.area_share,
                    x_mm=target.x_mm,
                    y_mm=target.y_mm,
                    dx_mm=dx,
                    dy_mm=dy,
                )
            )
    return rows


def _measured(reading: PageReading, target: TargetRecord, i: int) -> tuple[float, float, float]:
    """Score of a target and how far its reading lies from its true place, mm of the page.

    A reading's pixel centres are whole numbers, the truth's are edge-based: half a pixel.
    """
    score = float(reading.scores[i])
    if target.x_px is None or target.y_px is None:
        return score, math.nan, math.nan
    px_mm = reading.dpi / MM_PER_INCH
    dx = (float(reading.x_px[i]) + 0.5 - target.x_px) / px_mm
    dy = (float(reading.y_px[i]) + 0.5 - target.y_px) / px_mm
    # Turned back to the upright page, so that a map over the page means one direction.
    turns = {0: (dx, dy), 90: (-dy, dx), 180: (-dx, -dy), 270: (dy, -dx)}
    return score, *turns[reading.orientation_deg]
