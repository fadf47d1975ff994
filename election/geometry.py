"""Where the timing marks stand: the one geometry of every printed page, mm.

Solid marks along all four edges span the grid. A mark's outer end is fixed at
`MARK_OUTER_MM` from the paper's edge; it reaches `SHORT_MM` inwards for a 0 and `LONG_MM`
for a 1, so every mark is always there to fit the page by, and its length tells the code.
Turning the page gives another order of marks and so a failed check sum, which is how the
upright way is found.
"""

from __future__ import annotations

from dataclasses import replace

from election.codes import CODE_BITS, PageCode, encode_bits
from election.errors import LayoutError
from election.layout import Edge, Grid, PageLayout, TimingMark
from election.model import PAPER_MM

#: Distance of the grid's outermost points from the page's edges, mm.
GRID_MARGIN_MM = 6.5
#: Wished distance between grid points, mm; the real one divides the page evenly.
GRID_PITCH_MM = 6.0
#: Thickness of a mark along its edge, mm.
MARK_THICKNESS_MM = 2.0
#: Distance of a mark's outer end from the page's edge, mm.
MARK_OUTER_MM = 5.0
#: Length of a mark square to its edge, mm: bit 0 and bit 1.
SHORT_MM = 3.0
LONG_MM = 5.0
#: Nothing but timing marks is printed nearer to the page's edge, mm.
CONTENT_MARGIN_MM = 13.0
#: White kept around every target, mm.
TARGET_CLEARANCE_MM = 1.5
#: Side of the square QR symbol without its quiet zone, mm, and the modules left white around it.
QR_SIDE_MM = 18.0
QR_QUIET_MODULES = 4


def page_grid(width_mm: float, height_mm: float) -> Grid:
    """The grid of a page of this size."""
    columns = round((width_mm - 2 * GRID_MARGIN_MM) / GRID_PITCH_MM) + 1
    rows = round((height_mm - 2 * GRID_MARGIN_MM) / GRID_PITCH_MM) + 1
    return Grid(
        columns=columns,
        rows=rows,
        x0_mm=GRID_MARGIN_MM,
        y0_mm=GRID_MARGIN_MM,
        dx_mm=(width_mm - 2 * GRID_MARGIN_MM) / (columns - 1),
        dy_mm=(height_mm - 2 * GRID_MARGIN_MM) / (rows - 1),
    )


def paper_grid(paper: str) -> Grid:
    """The grid of a paper by name ("A4", "Letter", "Legal"). Raises KeyError."""
    return page_grid(*PAPER_MM[paper])


def timing_marks(grid: Grid) -> tuple[TimingMark, ...]:
    """All edge marks in their short form, in code order.

    Left rows 0..R-1, right rows 0..R-1 (corners belong to them), top columns 1..C-2,
    bottom columns 1..C-2. A short mark's centre lies on the grid.
    """
    marks: list[TimingMark] = []
    sides: tuple[tuple[Edge, int], ...] = (("left", 0), ("right", grid.columns - 1))
    for edge, column in sides:
        for row in range(grid.rows):
            x, y = grid.point(column, row)
            marks.append(TimingMark(edge, row, x, y, SHORT_MM, MARK_THICKNESS_MM))
    ends: tuple[tuple[Edge, int], ...] = (("top", 0), ("bottom", grid.rows - 1))
    for edge, row in ends:
        for column in range(1, grid.columns - 1):
            x, y = grid.point(column, row)
            marks.append(TimingMark(edge, column, x, y, MARK_THICKNESS_MM, SHORT_MM))
    return tuple(marks)


def code_marks(layout: PageLayout) -> tuple[TimingMark, ...]:
    """The marks that carry the 148 code bits, in bit order (short form).

    Raises:
        LayoutError: the page has too few edge marks for the code.
    """
    order = {"left": 0, "right": 1, "top": 2, "bottom": 3}
    marks = sorted(layout.timing_marks, key=lambda mark: (order[mark.edge], mark.index))
    if len(marks) < CODE_BITS:
        raise LayoutError(
            f"{len(marks)} edge marks cannot carry {CODE_BITS} bits",
            where=f"style {layout.ballot_style_id} page {layout.page}",
            advice="Use a larger paper",
        )
    return tuple(marks[:CODE_BITS])


def lengthened(mark: TimingMark) -> TimingMark:
    """The long form (bit 1) of a short mark: its outer end stays, its inner end moves inwards."""
    extra = LONG_MM - SHORT_MM
    sign = 1.0 if mark.edge in ("left", "top") else -1.0
    if mark.edge in ("left", "right"):
        return replace(mark, x_mm=mark.x_mm + sign * extra / 2, width_mm=LONG_MM)
    return replace(mark, y_mm=mark.y_mm + sign * extra / 2, height_mm=LONG_MM)


def printed_marks(layout: PageLayout, code: PageCode) -> tuple[TimingMark, ...]:
    """Every edge mark as it is printed for this code: long where its bit is 1."""
    carriers = code_marks(layout)
    printed = tuple(
        lengthened(mark) if bit else mark
        for mark, bit in zip(carriers, encode_bits(code), strict=True)
    )
    carried = {(mark.edge, mark.index) for mark in carriers}
    rest = tuple(mark for mark in layout.timing_marks if (mark.edge, mark.index) not in carried)
    return printed + rest
