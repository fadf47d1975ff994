"""Ink that no printer of records put there: a stroke, a word, a mark over or beside the print.

The lines themselves are compared letter by letter (`compare`), and so are the titles here; of
the rest of the page (heading, the white between and beside) what is always printed is known
pixel by pixel, so that any ink away from it is foreign. Not looked at: the two codes, which have
check sums and, if written over, are unreadable; the footer and the word TEST or SAMPLE,
which change; the edge with the timing marks, by which the page is fitted; and what a streak
of the scanner runs over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from election.geometry import CONTENT_MARGIN_MM, LONG_MM, MARK_OUTER_MM
from election.layout import Box
from election.paper_record.design import RecordPage
from election.paper_record.vocabulary import PX_PER_MM, LineTexts
from scanner.defects import Streak
from scanner.paper_record.compare import MOST_EXTRA_MM2, REACH_PX, KnownTexts, read_line
from scanner.paper_record.lines import as_ink, cut
from scanner.registration import Registration
from scanner.straighten import Turned

Gray = npt.NDArray[np.uint8]
Ink = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

#: From here on inwards nothing of the timing marks is seen, mm: they end at 10.
MARGIN_MM = MARK_OUTER_MM + LONG_MM + 1
#: The footer is so high, mm; the word TEST or SAMPLE stands in a band of this height.
FOOTER_MM, KIND_MM = 6.0, 14.0
#: White round a code or a line that is left to those who read it, mm.
ROOM_MM = 1.0
#: Foreign ink is further than this from any that is printed, px: fit, blur, rough edges.
AWAY_PX = 4
#: The paper's own grey is that of the lightest place within this, mm.
PAPER_MM = 6.0
#: Ink fainter than this (of 1) is grain, show-through or shade; so much of the rest in one
#: place of 3 mm is a hand's: a pen's stroke of 2 mm is 0.7 mm².
LEAST_INK, MOST_MM2 = 0.25, 0.45
PLACE_PX = 24
#: Columns beside a streak that are not asked either, mm.
STREAK_MM = 0.5


@dataclass(frozen=True, slots=True)
class PrintedPage:
    """What is always printed on a page: `near` uint8[h, w] at `PX_PER_MM`, that ink grown by
    `AWAY_PX`; `titles` by contest id."""

    near: Gray
    titles: dict[str, KnownTexts]

    @classmethod
    def of(cls, record: RecordPage, printed: Gray) -> PrintedPage:
        """From the page as it is printed, uint8[h, w] grey at `PX_PER_MM`."""
        size = 2 * AWAY_PX + 1
        near = cv2.dilate(255 - printed, np.ones((size, size), np.uint8))
        titles = {}
        for block in record.blocks:
            box = block.title
            left, top, wide, high = (
                round(mm * PX_PER_MM) for mm in (box.x_mm, box.y_mm, box.width_mm, box.height_mm)
            )
            ink = 255 - printed[top : top + high, left : left + wide]
            titles[block.contest_id] = KnownTexts(LineTexts((block.contest_id,), ink[None], high))
        return cls(np.asarray(near, np.uint8), titles)


@dataclass(frozen=True, slots=True)
class ForeignInk:
    """The worst place: `mm2` of full ink there, its middle on the page, and the contest whose
    title or lines stand there (None: none's)."""

    mm2: float
    x_mm: float
    y_mm: float
    contest_id: str | None


def find_foreign(
    page: Turned,
    fit: Registration,
    record: RecordPage,
    printed: PrintedPage,
    *,
    official: bool,
    streaks: Sequence[Streak] = (),
) -> ForeignInk | None:
    """The worst foreign ink of a page; None where there is none worth a look.

    Args:
        page, fit: the page as it was fitted, and its fit.
        record: its layout.
        printed: what is always printed on it.
        official: not a test or sample record.
        streaks: the scanner's, on the upright page.
    """
    worst = measure(page, fit, record, printed, official=official, streaks=streaks)
    return worst if worst.mm2 > MOST_MM2 else None


def title_is_written_over(
    gray: Gray, fit: Registration, title: Box, known: KnownTexts, hidden: Bools | None
) -> bool:
    """Is there ink on a title that is not its own? `hidden`: see `read_line`."""
    ink = as_ink(cut(gray, fit, title, REACH_PX), fit.paper)
    return read_line(ink, known, hidden).extra_mm2 > MOST_EXTRA_MM2


def measure(
    page: Turned,
    fit: Registration,
    record: RecordPage,
    printed: PrintedPage,
    *,
    official: bool,
    streaks: Sequence[Streak] = (),
) -> ForeignInk:
    """The place with the most foreign ink, however little it is."""
    area = _area(record)
    left, top = round(area.x_mm * PX_PER_MM), round(area.y_mm * PX_PER_MM)
    seen = _as_ink(cut(page.gray, fit, area))
    own = printed.near[top : top + seen.shape[0], left : left + seen.shape[1]]
    expected = own.astype(np.float32) / 255
    asked = _asked(record, area, seen.shape, official) & _clear(page, fit, area, seen, streaks)
    foreign = np.where(asked, seen - expected, 0)
    strong = np.where(foreign > LEAST_INK, foreign, 0).astype(np.float32)
    place = (PLACE_PX, PLACE_PX)
    summed = cv2.boxFilter(strong, -1, place, normalize=False, borderType=cv2.BORDER_CONSTANT)
    y, x = np.unravel_index(int(np.argmax(summed)), summed.shape)
    x_mm, y_mm = area.x_mm + float(x) / PX_PER_MM, area.y_mm + float(y) / PX_PER_MM
    mm2 = float(summed[y, x]) / PX_PER_MM**2
    return ForeignInk(mm2, x_mm, y_mm, _contest_at(record, y_mm))


def _area(record: RecordPage) -> Box:
    """What is looked at: inside the timing marks, above the footer, whole pixels."""
    page = record.page
    wide = np.floor(page.width_mm - 2 * MARGIN_MM)
    high = np.floor(page.height_mm - CONTENT_MARGIN_MM - FOOTER_MM - MARGIN_MM)
    return Box(MARGIN_MM, MARGIN_MM, float(wide), float(high))


def _as_ink(gray: Gray) -> Ink:
    """Grey to ink, 0 to 1, by the paper's own grey about each place."""
    small = cv2.resize(gray, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    reach = int(PAPER_MM * PX_PER_MM / 4) | 1
    light = cv2.dilate(cv2.medianBlur(small, 3), np.ones((reach, reach), np.uint8))
    light = cv2.blur(light, (reach, reach))
    paper = cv2.resize(light, (gray.shape[1], gray.shape[0]), interpolation=cv2.INTER_LINEAR)
    share = gray.astype(np.float32) / np.maximum(paper.astype(np.float32), 1)
    return np.asarray(np.clip(1 - share, 0, 1), np.float32)


def _asked(record: RecordPage, area: Box, shape: tuple[int, ...], official: bool) -> Bools:
    """Where ink would be foreign: not on lines and codes."""
    asked = np.ones(shape, bool)
    for code in (record.votes_code, record.page.qr):
        if code is not None:
            _leave(asked, area, code, ROOM_MM)
    for block in record.blocks:
        for line in block.lines:
            _leave(asked, area, line, 0)
    if not official:
        votes = record.votes_code
        band = Box(0, votes.y_mm + votes.height_mm - KIND_MM / 2, votes.x_mm, KIND_MM)
        _leave(asked, area, band, 0)
    return asked


def _leave(asked: Bools, area: Box, box: Box, room_mm: float) -> None:
    top = round((box.y_mm - area.y_mm - room_mm) * PX_PER_MM)
    left = round((box.x_mm - area.x_mm - room_mm) * PX_PER_MM)
    below = round((box.y_mm + box.height_mm - area.y_mm + room_mm) * PX_PER_MM)
    right = round((box.x_mm + box.width_mm - area.x_mm + room_mm) * PX_PER_MM)
    asked[max(0, top) : max(0, below), max(0, left) : max(0, right)] = False


def _clear(
    page: Turned, fit: Registration, area: Box, seen: Ink, streaks: Sequence[Streak]
) -> Bools:
    """Pixels that no streak runs over, bool[h, w]."""
    clear = np.ones(seen.shape, bool)
    vertical = [streak for streak in streaks if streak.vertical]
    if not vertical:
        return clear
    x_mm = area.x_mm + (np.arange(seen.shape[1]) + 0.5) / PX_PER_MM
    room = STREAK_MM * fit.dpi / 25.4
    # A streak is straight on the scan, the page a little askew: asked again every 10 mm.
    step = 10 * PX_PER_MM
    for start in range(0, seen.shape[0], step):
        y_mm = np.full(x_mm.size, area.y_mm + (start + step / 2) / PX_PER_MM)
        px, py = fit.to_px(x_mm, y_mm)
        x_up, _ = page.back(px.astype(np.float32), py.astype(np.float32))
        for streak in vertical:
            hidden = (x_up >= streak.low_px - room) & (x_up <= streak.high_px + room)
            clear[start : start + step, hidden] = False
    return clear


def _contest_at(record: RecordPage, y_mm: float) -> str | None:
    for block in record.blocks:
        last = block.lines[-1]
        if block.title.y_mm - ROOM_MM <= y_mm <= last.y_mm + last.height_mm + ROOM_MM:
            return block.contest_id
    return None
