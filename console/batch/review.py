"""What a person gets of a sheet: queue entry and crops (`console.review`), and overlays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from console.batch.overlay import overlay
from console.batch.plain import ReviewItem
from console.review import review_item
from scanner.cvr import CastVoteRecord
from scanner.interpretation import NOTE_KINDS
from scanner.reader import Gray
from scanner.reading import PageReading, SheetInterpretation
from scanner.sheet import SheetReader


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page that was read: its file's place in the batch (from 0), base name and start of
    overlay names, its number from 1 in the file, pixels (uint8[h, w], as scanned), reading."""

    index: int
    shown: str
    stem: str
    page: int
    gray: Gray
    reading: PageReading


def review_of(
    record: CastVoteRecord,
    seen: SheetInterpretation,
    pages: Sequence[ReadPage],
    sheets: SheetReader,
) -> ReviewItem | None:
    """All that people get of one sheet, None if nothing; runs in a worker.

    It may run again for the same sheet after a kill, with another record id, so names follow
    from the pages alone. The coordinator writes the files before it keeps the record.
    """
    asked = review_item(
        [page.gray for page in pages],
        [page.reading for page in pages],
        seen,
        f"{pages[0].index + 1:06d}-p{pages[0].page}",
        record=record,
        sources=[(page.shown, page.page) for page in pages],
        election=sheets.election,
        profile=sheets.profile,
    )
    files = [] if asked is None else list(asked.files)
    if seen.needs_review:
        wanted = {f.contest_id for f in seen.flags if f.kind not in NOTE_KINDS}
        for page in pages:
            done, data = cv2.imencode(".png", overlay(page.gray, page.reading, wanted))
            if done:
                files.append((f"{page.stem}-p{page.page}.png", data.tobytes()))
    if asked is None and not files:
        return None
    return ReviewItem(tuple(files), None if asked is None else asked.entry)
