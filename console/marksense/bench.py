"""A deck of known truth through a mark-sense reader, in the terms of `console.bench`.

Scores are levels as shares of the highest one; a page has no places in an image, so the map of
shifts over the page stays empty.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from console.bench.run import HIGHER, LOWER, Judged, PageSeen, Refusal, SheetSeen, match
from console.definitions import Definition
from console.marksense.forms import Forms
from hardware.errors import HardwareError
from hardware.marksense import MarkReader, MarkSenseProfile, MarkSheet
from scanner.decks.document import DeckFile
from scanner.errors import PageRefusedError
from scanner.interpretation import interpret
from scanner.reading import Thresholds


def level_limits(profile: MarkSenseProfile, limits: Thresholds) -> Thresholds:
    """The profile's thresholds of level as shares, in place of those of ink."""
    levels = profile.levels
    return Thresholds(
        marginal=levels.marginal / levels.most,
        definite=levels.definite / levels.most,
        write_in=limits.write_in,
        max_residual_mm=limits.max_residual_mm,
        max_skew_deg=limits.max_skew_deg,
    )


def run_marks(
    deck: DeckFile,
    reader: MarkReader,
    forms: Forms,
    rules: Definition,
    done: Callable[[int], None] = lambda _: None,
) -> tuple[Judged, str]:
    """Feed the whole stack and set truth beside it; also why it stopped before its end, or "".

    Raises:
        HardwareError: the reader could not be reached or failed at its first sheet.
    """
    seen: list[SheetSeen] = []
    stopped = ""
    start = time.perf_counter()
    while True:
        fed = time.perf_counter()
        try:
            sheet = reader.feed()
            if sheet is None:
                break
            reader.accept()
        except HardwareError as error:
            if not seen:
                raise
            stopped = str(error)
            break
        seconds = time.perf_counter() - fed
        seen.append(_seen(sheet, len(seen) + 1, forms, rules, seconds))
        done(len(seen))
    return match(deck, seen, time.perf_counter() - start), stopped


def _seen(
    sheet: MarkSheet, number: int, forms: Forms, rules: Definition, seconds: float
) -> SheetSeen:
    clock = time.perf_counter()
    pages: tuple[PageSeen, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    outcome = None
    limits = forms.profile.levels
    try:
        reading = forms.read(sheet)
        form = forms.form_of(reading)
        low, high = (
            forms.classes(form, sheet.levels, limits.marginal * factor, limits.definite * factor)
            for factor in (LOWER, HIGHER)
        )
        pages = (PageSeen(reading, low, high),)
        outcome = interpret([reading], rules.election, rules.profile)
    except PageRefusedError as refusal:
        refusals = (Refusal(refusal.reason.value, refusal.detail),)
    return SheetSeen(
        f"fed {number}",
        None,
        pages,
        refusals,
        outcome,
        pages[0].reading.layout.ballot_style_id if pages else None,
        seconds,
        (),
        (1000 * (time.perf_counter() - clock),) if pages else (),
    )
