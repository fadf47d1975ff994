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
"""

from __future__ import annotations

from scanner.synthesis.chance import random_damage, random_mark, random_pen, random_scanner
from scanner.synthesis.files import encode, encode_document
from scanner.synthesis.geometry import scan_points
from scanner.synthesis.model import (
    BALLPOINT,
    FELT,
    MARKER,
    PENCIL,
    Damage,
    Fold,
    MarkKind,
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
from scanner.synthesis.scan import scan_page

__all__ = [
    "BALLPOINT",
    "FELT",
    "MARKER",
    "PENCIL",
    "Damage",
    "Fold",
    "MarkKind",
    "Pen",
    "PenKind",
    "RollerKnot",
    "ScannerModel",
    "Stain",
    "Streak",
    "SynthesisError",
    "TornCorner",
    "TrueMark",
    "draw_marks",
    "encode",
    "encode_document",
    "random_damage",
    "random_mark",
    "random_pen",
    "random_scanner",
    "scan_page",
    "scan_points",
]
