"""Paper, pens and a scanner, in numbers: from a printed page to the image of its scan.

In: a blank page raster (uint8 grey), its `PageLayout`, and the marks a voter made. Out:
a page with ink on it (`draw_marks`), then its scan (`scan_page`), then a file's bytes
(`encode`). All lengths are mm, so one model serves every resolution; all chance comes
from the numpy `Generator` passed in, so the same seed gives the same pixels. The marks
are the truth that a reading is checked against.

    rng = np.random.default_rng(7)
    marks = [TrueMark("list", "party-3", MarkKind.CROSS, BALLPOINT)]
    page = draw_marks(blank, layout, marks, rng)
    scan = scan_page(page, random_scanner(rng), rng, paper_mm=(layout.width_mm, layout.height_mm))
    data = encode(scan, "jpeg", 85, dpi=200)

For whole piles, `random_marks` votes and `random_pass` draws a sheet's way in the stated
normal range (`NORMAL`) or with one stated severe defect (`SEVERE`); `true_classes` is the
class that a careful reader must give every target.
"""

from __future__ import annotations

from scanner.synthesis.chance import random_damage, random_mark, random_pen, random_scanner
from scanner.synthesis.defects import (
    NORMAL,
    SEVERE,
    Defect,
    Feed,
    Pass,
    Span,
    random_pass,
    scan_sheet,
    with_defect,
)
from scanner.synthesis.files import encode, encode_document
from scanner.synthesis.geometry import scan_points
from scanner.synthesis.misfeeds import cut_short, overlapped
from scanner.synthesis.model import (
    BALLPOINT,
    EXPECTED,
    FELT,
    HIGHLIGHTER,
    MARKER,
    PENCIL,
    STAMP,
    Crease,
    Damage,
    Fold,
    MarkKind,
    Paper,
    Pen,
    PenKind,
    RollerKnot,
    ScannerModel,
    Stain,
    Streak,
    SynthesisError,
    TornCorner,
    TrueMark,
)
from scanner.synthesis.pens import draw_marks
from scanner.synthesis.scan import scan_page, show_through
from scanner.synthesis.truth import true_classes
from scanner.synthesis.voters import NORMAL_HABITS, SEVERE_HABITS, Habits, random_marks

__all__ = [
    "BALLPOINT",
    "EXPECTED",
    "FELT",
    "HIGHLIGHTER",
    "MARKER",
    "NORMAL",
    "NORMAL_HABITS",
    "PENCIL",
    "SEVERE",
    "SEVERE_HABITS",
    "STAMP",
    "Crease",
    "Damage",
    "Defect",
    "Feed",
    "Fold",
    "Habits",
    "MarkKind",
    "Paper",
    "Pass",
    "Pen",
    "PenKind",
    "RollerKnot",
    "ScannerModel",
    "Span",
    "Stain",
    "Streak",
    "SynthesisError",
    "TornCorner",
    "TrueMark",
    "cut_short",
    "draw_marks",
    "encode",
    "encode_document",
    "overlapped",
    "random_damage",
    "random_mark",
    "random_marks",
    "random_pass",
    "random_pen",
    "random_scanner",
    "scan_page",
    "scan_points",
    "scan_sheet",
    "show_through",
    "true_classes",
    "with_defect",
]
