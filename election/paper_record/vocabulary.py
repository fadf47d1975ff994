"""Every text that may stand on a line of a paper record, as it looks in print.

For each contest: each printed option, the label of a write-in, and "no choice made", drawn
by the same program in the same type as the record, so that a line on paper can be compared
with all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from election.model import Election
from election.paper_record.choices import Choices
from election.paper_record.design import (
    CHOICE,
    LINE_PADDING_MM,
    RecordLayout,
    choice_items,
    choice_lines,
    texts_of,
)
from election.paper_record.render import render_record
from election.paper_record.words import word
from election.profile import Profile
from election.raster import render_blank
from election.render import draw_item, new_sheet

#: Resolution at which lines are compared, px per mm (203.2 dpi).
PX_PER_MM = 8
DPI = PX_PER_MM * 25.4
#: Texts are drawn so many times finer and averaged down: at low resolutions the renderer puts
#: letters on whole pixels, a printer does not.
FINER = 2
#: What a line says besides an option's id.
NO_CHOICE = ""
WRITE_IN = "write-in"
#: A PDF page is no longer than this, mm; more texts go on the next.
MOST_PAGE_MM = 4000.0


@dataclass(frozen=True, slots=True)
class LineTexts:
    """The texts of one contest's lines.

    `words[i]` is an option id, `NO_CHOICE` or `WRITE_IN`; `ink` uint8[n, h, w] each text as
    printed, 255 full ink, at `PX_PER_MM`; `free_from_px` where on a write-in's line the
    name begins, px from its top.
    """

    words: tuple[str, ...]
    ink: npt.NDArray[np.uint8]
    free_from_px: int


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Texts by contest id, and the always printed part of each page (uint8[h, w] grey, at
    `PX_PER_MM`) by page number."""

    texts: dict[str, LineTexts]
    pages: dict[int, npt.NDArray[np.uint8]]


def vocabulary(election: Election, profile: Profile, layout: RecordLayout) -> Vocabulary:
    """The vocabulary of a record's layout.

    Raises:
        LayoutError: `layout` is not this election's.
    """
    texts: dict[str, LineTexts] = {}
    for page in layout.pages:
        for block in page.blocks:
            line = block.lines[0]
            texts[block.contest_id] = _line_texts(
                election, layout, block.contest_id, line.width_mm, line.height_mm
            )
    blank = render_record(election, profile, layout, Choices({}))
    pixels = render_blank(blank, DPI)
    pages = {page.page.page: raster for page, raster in zip(layout.pages, pixels, strict=True)}
    return Vocabulary(texts, pages)


def _line_texts(
    election: Election, layout: RecordLayout, contest_id: str, width_mm: float, height_mm: float
) -> LineTexts:
    contest = election.contest(contest_id)
    said = texts_of(contest, layout.language)
    if contest.write_ins:
        said[WRITE_IN] = word("write_in", layout.language)
    said[NO_CHOICE] = word("no_choice", layout.language)
    strips: list[npt.NDArray[np.uint8]] = []
    texts = list(said.values())
    each = max(1, int(MOST_PAGE_MM / height_mm))
    high = round(height_mm * PX_PER_MM)
    for start in range(0, len(texts), each):
        part = texts[start : start + each]
        sheet = new_sheet(
            width_mm,
            height_mm * len(part),
            date=election.date,
            title=contest_id,
            language=layout.language,
        )
        sheet.add_page()
        for place, text in enumerate(part):
            for item in choice_items(choice_lines(text, width_mm, text), 0, place * height_mm):
                draw_item(sheet, item)
        [pixels] = render_blank(bytes(sheet.output()), FINER * DPI)
        wide = round(width_mm * PX_PER_MM)
        fine = pixels[: FINER * high * len(part), : FINER * wide].astype(np.float32)
        fine = fine.reshape(high * len(part), FINER, wide, FINER).mean(axis=(1, 3))
        pixels = np.rint(fine).astype(np.uint8)
        strips += [255 - pixels[i * high : (i + 1) * high] for i in range(len(part))]
    free = round((LINE_PADDING_MM + CHOICE.line_mm) * PX_PER_MM)
    return LineTexts(tuple(said), np.stack(strips), free)
