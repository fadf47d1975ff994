"""Print: a composed ballot to PDF, in exact millimetres, the same bytes for the same input.

fpdf2 writes the PDF; HarfBuzz shapes the text; the DejaVu fonts are embedded as subsets.
The creation date is the election's day and no random id is written. Nothing in the file or
on the paper differs between two voters of one precinct (NVT-05).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import segno
from fpdf import FPDF

from election import typeset
from election.codes import BallotKind, PageCode, encode_text, page_code
from election.design import ComposedBallot, compose_ballot
from election.drawing import FilledShape, Item, Rule, Words
from election.errors import CodeError, LayoutError
from election.geometry import printed_marks
from election.layout import BallotLayout, Box, PageLayout, Target
from election.model import Election
from election.page import QR_MODULES, TARGET_SIZE_MM, footer_items, kind_words
from election.profile import Profile

FONT = "DejaVu"
#: QR error correction: level Q repairs a quarter of the symbol.
QR_LEVEL = "q"
#: Neighbouring modules overlap this much, so that no hair line shows between them, mm.
QR_OVERLAP_MM = 0.01


class _Sheet(FPDF):
    """An FPDF without a random file id."""

    def file_id(self) -> None:
        """No /ID entry: it would differ from run to run."""


def render_pdf(
    election: Election,
    profile: Profile,
    layout: BallotLayout,
    *,
    kind: BallotKind = "official",
    precinct_id: str | None = None,
) -> bytes:
    """The PDF of one ballot style: one page a printed side, a blank back left out.

    `precinct_id` binds the print to one precinct (name in the footer, index in the code).

    Raises:
        DefinitionError: the definition contradicts itself or the profile.
        LayoutError: `layout` is not this election's, or the ballot does not fit.
        CodeError: unknown precinct or kind.
    """
    ballot = compose_ballot(election, profile, layout.ballot_style_id)
    if ballot.layout != layout:
        raise LayoutError(
            "the layout was not made from this election and profile",
            where=f"style {layout.ballot_style_id}",
            advice="Make it anew with `ballotbench ballots`",
        )
    if precinct_id is not None:
        _check_precinct(election, layout.ballot_style_id, precinct_id)
    return _write(ballot, kind, precinct_id)


def _check_precinct(election: Election, style_id: str, precinct_id: str) -> None:
    if precinct_id not in election.style(style_id).precincts:
        raise CodeError(
            f"ballot style {style_id!r} is not used in precinct {precinct_id!r}",
            where=election.id,
            advice=f"It is for {', '.join(election.style(style_id).precincts[:12])}",
        )


def new_sheet(width_mm: float, height_mm: float, *, date: str, title: str, language: str) -> FPDF:
    """An empty PDF with the fonts, in mm, that is the same bytes for the same input."""
    sheet = _Sheet(unit="mm", format=(width_mm, height_mm))
    sheet.set_auto_page_break(False)
    sheet.set_margin(0)
    sheet.c_margin = 0
    sheet.add_font(FONT, "", typeset.font_path(bold=False))
    sheet.add_font(FONT, "B", typeset.font_path(bold=True))
    sheet.set_text_shaping(use_shaping_engine=True)
    sheet.set_creation_date(datetime.fromisoformat(date).replace(tzinfo=UTC))
    sheet.set_producer("Ballotbench")
    sheet.set_title(title)
    sheet.set_lang(language)
    return sheet


def draw_marks(sheet: FPDF, page: PageLayout, code: PageCode) -> None:
    """The timing marks with the page code in them, and its QR symbol."""
    sheet.set_fill_color(0)
    for mark in printed_marks(page, code):
        left, top = mark.x_mm - mark.width_mm / 2, mark.y_mm - mark.height_mm / 2
        sheet.rect(left, top, mark.width_mm, mark.height_mm, style="F")
    if page.qr is not None:
        _draw_qr(sheet, encode_text(code), page.qr)


def _write(ballot: ComposedBallot, kind: BallotKind, precinct_id: str | None) -> bytes:
    paper, layout = ballot.paper, ballot.layout
    sheet = new_sheet(
        paper.width_mm,
        paper.height_mm,
        date=paper.election.date,
        title=f"{layout.election_id} {layout.ballot_style_id}",
        language=paper.languages[0],
    )
    for page, items in zip(layout.pages, ballot.items, strict=True):
        sheet.add_page()
        code = page_code(paper.election, paper.style_id, page.page, kind, precinct_id)
        draw_marks(sheet, page, code)
        for target in page.targets:
            _draw_target(sheet, target)
        label = kind_words(paper, kind)
        footer = footer_items(paper, page.page, len(layout.pages), precinct_id)
        for item in (*items, *footer, *((label,) if label else ())):
            draw_item(sheet, item)
    return bytes(sheet.output())


def draw_item(sheet: FPDF, item: Item) -> None:
    """Words, a line or a shape."""
    if isinstance(item, Words):
        _draw_words(sheet, item)
    elif isinstance(item, Rule):
        sheet.set_line_width(item.thickness_mm)
        sheet.line(item.x1_mm, item.y1_mm, item.x2_mm, item.y2_mm)
    else:
        _draw_shape(sheet, item, "F")


def _draw_words(sheet: FPDF, words: Words) -> None:
    """One line with its baseline on `y_mm`: a cell's baseline is 0.8 of its size down."""
    size = words.style.size_mm
    sheet.set_font(FONT, "B" if words.style.bold else "", words.style.size_pt)
    left = words.span()[0]
    sheet.set_xy(left, words.y_mm - 0.8 * size)
    sheet.cell(w=0, h=size, text=words.text)


def _draw_target(sheet: FPDF, target: Target) -> None:
    """The outline lies inside the target's box, so the box is what is printed."""
    line = TARGET_SIZE_MM[target.shape][2]
    sheet.set_line_width(line)
    inside = FilledShape(
        target.x_mm,
        target.y_mm,
        target.shape,
        target.width_mm - line,
        target.height_mm - line,
    )
    _draw_shape(sheet, inside, "D")


def _draw_shape(sheet: FPDF, shape: FilledShape, style: Literal["D", "F"]) -> None:
    left, top = shape.x_mm - shape.width_mm / 2, shape.y_mm - shape.height_mm / 2
    if shape.shape == "square":
        sheet.rect(left, top, shape.width_mm, shape.height_mm, style=style)
    else:
        sheet.ellipse(left, top, shape.width_mm, shape.height_mm, style=style)


def _draw_qr(sheet: FPDF, text: str, box: Box) -> None:
    """Dark modules as one filled run after another; the box excludes the quiet zone."""
    symbol = segno.make_qr(text, error=QR_LEVEL, boost_error=False, mode="alphanumeric")
    rows = [[bool(module) for module in row] for row in symbol.matrix]
    if len(rows) != QR_MODULES:
        raise CodeError(f"the QR symbol has {len(rows)} modules, {QR_MODULES} were planned")
    draw_modules(sheet, rows, box)


def draw_modules(sheet: FPDF, rows: list[list[bool]], box: Box) -> None:
    """A square symbol of dark modules, filling `box`."""
    module = box.width_mm / len(rows)
    for y, row in enumerate(rows):
        x = 0
        while x < len(rows):
            end = x
            while end < len(rows) and row[end]:
                end += 1
            if end > x:
                sheet.rect(
                    box.x_mm + x * module,
                    box.y_mm + y * module,
                    (end - x) * module + QR_OVERLAP_MM,
                    module + QR_OVERLAP_MM,
                    style="F",
                )
            x = max(end, x + 1)
