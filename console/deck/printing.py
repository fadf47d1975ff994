"""A deck on paper: its marked sheets as one PDF in exact millimetres, to feed a real machine.

A style's printed page is stored once, without loss; what a sheet adds is the ink: small
pieces of the inked page laid over it. So 250 sheets make some megabytes, not hundreds.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import cv2
import numpy as np
from fpdf import FPDF
from PIL import Image

from console.deck.pictures import DeckJob, Gray, blank_pages, inked_pages, sheet_name
from scanner.decks import Fault

#: Resolution of the printed pages: twice what a scanner takes.
PRINT_DPI = 400
#: Faults that no printer can make.
IMAGE_ONLY = (Fault.TWO_SHEETS, Fault.CUT_OFF)
#: Marks nearer to each other than this are one piece, pixels.
_NEAR_PX = 24


def deck_pdf(job: DeckJob, day: str, done: Callable[[str, int, int], None]) -> bytes:
    """The job's sheets in feeding order, front before back; a bookmark names each page.

    Sheets that only an image can be (two at once, cut off) are left out. `day` is the
    document's date (the election's), so that the same deck gives the same bytes.
    """
    pdf = FPDF(unit="mm")
    pdf.set_auto_page_break(False)
    pdf.set_margin(0)
    pdf.set_creation_date(datetime.fromisoformat(day).replace(tzinfo=UTC))
    pdf.set_producer("Ballotbench")
    pdf.set_title(f"Test deck, seed {job.seed}")
    sheets = [sheet for sheet in job.sheets if sheet.fault not in IMAGE_ONLY]
    printed: dict[tuple[str, bool, int], bytes] = {}
    for number, sheet in enumerate(sheets, 1):
        _, blanks = blank_pages(sheet, job, PRINT_DPI)
        for (page, inked), blank in zip(inked_pages(sheet, job, PRINT_DPI), blanks, strict=True):
            width, height = page.width_mm, page.height_mm
            pdf.add_page(format=(width, height))
            pdf.start_section(f"{sheet_name(sheet)} {page.side}")
            # Equal bytes are stored once, and made once a style.
            key = (sheet.style_id, sheet.fault is not None, page.page)
            if key not in printed or sheet.fault is not None:
                printed[key] = _png(blank)
            pdf.image(io.BytesIO(printed[key]), 0, 0, width, height)
            across, down = width / blank.shape[1], height / blank.shape[0]
            for x, y, piece in _pieces(blank, inked):
                size = (piece.shape[1] * across, piece.shape[0] * down)
                pdf.image(io.BytesIO(_png(piece)), x * across, y * down, *size)
        done("Pages", number, len(sheets))
    return bytes(pdf.output())


def _pieces(blank: Gray, inked: Gray) -> Iterator[tuple[int, int, Gray]]:
    """Left, top and pixels of each part of the page that bears ink."""
    changed = (blank != inked).astype(np.uint8)
    if not changed.any():
        return
    near = cv2.dilate(changed, np.ones((_NEAR_PX, _NEAR_PX), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(near)
    for left, top, width, height, _ in stats[1:count].tolist():
        yield left, top, inked[top : top + height, left : left + width]


def _png(pixels: Gray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(sink, "PNG", compress_level=1)
    return sink.getvalue()
