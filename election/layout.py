"""Where everything stands on a ballot page, in mm from the top-left of the printed page.

`PageLayout` is the contract between print and reading. Solid timing marks along the
edges span a grid of `columns` × `rows` points; every target sits on a grid point, so a
page can be fitted locally (a roller's slip bends one part of a page only).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["front", "back"]
TargetShape = Literal["oval", "square", "circle"]
Edge = Literal["left", "right", "top", "bottom"]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: top-left corner and size, mm."""

    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float


@dataclass(frozen=True, slots=True)
class Target:
    """A place to mark. `column`, `row` may be fractional; centre and size in mm.

    Two targets may carry the same contest and option (a candidate of two parties).
    """

    contest_id: str
    option_id: str
    column: float
    row: float
    x_mm: float
    y_mm: float
    shape: TargetShape
    width_mm: float
    height_mm: float
    write_in_area: Box | None = None


@dataclass(frozen=True, slots=True)
class TimingMark:
    """One printed edge mark: its centre and size in mm, its edge and its index along it.

    `always` is False where the mark's presence is itself information (a code by presence).
    """

    edge: Edge
    index: int
    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float
    always: bool = True


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid that the timing marks span: point (c, r) is at (x0 + c·dx, y0 + r·dy) mm."""

    columns: int
    rows: int
    x0_mm: float
    y0_mm: float
    dx_mm: float
    dy_mm: float

    def point(self, column: float, row: float) -> tuple[float, float]:
        """The place of a grid point, mm."""
        return self.x0_mm + column * self.dx_mm, self.y0_mm + row * self.dy_mm


@dataclass(frozen=True, slots=True)
class PageLayout:
    """One side of one ballot style. `page` counts from 1 over all sides of the style."""

    ballot_style_id: str
    page: int
    side: Side
    width_mm: float
    height_mm: float
    grid: Grid
    timing_marks: tuple[TimingMark, ...]
    targets: tuple[Target, ...]
    qr: Box | None = None


@dataclass(frozen=True, slots=True)
class BallotLayout:
    """All pages of one ballot style, with what identifies the print."""

    election_id: str
    election_hash: str
    ballot_style_id: str
    style_index: int
    paper: str
    languages: tuple[str, ...]
    pages: tuple[PageLayout, ...]
