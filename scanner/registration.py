"""Fit a page: from its timing marks to a map of mm on the print to px in the scan.

The map is a Coons patch over the four edges: each edge bends and stretches as its own
marks do, so paper that slips, stretches or is held back on one side or in the middle is
followed row by row (one homography for the whole page would not). Source: Coons,
"Surfaces for computer-aided design of space forms", 1967.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from election.layout import Edge
from scanner.double_feed import check_second_rows
from scanner.errors import PageRefusedError, RefusalReason
from scanner.mark_rows import (
    Candidates,
    EdgeMarks,
    Floats,
    best_lines,
    middle,
    straight,
    straight_at,
)
from scanner.numbering import MIN_MARKS_SHARE, ROWS, SIDES, Line, crossings_of, number
from scanner.page_form import EdgeForm, PageForm
from scanner.reading import Thresholds
from scanner.timing_marks import Gray, find_candidates, paper_and_threshold, refine

MM_PER_INCH = 25.4
#: Marks are searched for at about this resolution, px per mm (70 dpi): the thinnest are then
#: four pixels thick.
SEARCH_PX_PER_MM = 2.75
#: So many marks on one line are enough to tell its tilt.
SKEW_SEEN_MARKS = 10
#: Fewer marks give a first idea of the tilt of a page that leans out of its strips.
TILT_SEEN_MARKS = 5
#: A mark this far from where its neighbours put it is a merged or foreign thing, mm.
OUTLIER_MM = 0.9
#: A scan longer than the paper by more than this share holds more than one sheet.
TWO_SHEETS_SHARE = 1.35


@dataclass(frozen=True)
class Registration:
    """A fitted page. `curves` are the four edges as (mm along, x px, y px) polylines;
    `paper` and `ink` the grey levels of the sheet and of its timing marks."""

    form: PageForm
    curves: dict[Edge, tuple[Floats, Floats, Floats]]
    corners: Floats
    dpi: float
    skew_deg: float
    residual_mm: float
    paper: float
    ink: float
    missing_marks: int

    @property
    def contrast(self) -> float:
        """How dark the timing marks are against the paper, 0 to 1."""
        return max(0.0, 1.0 - self.ink / self.paper)

    def to_px(self, x_mm: Floats, y_mm: Floats) -> tuple[Floats, Floats]:
        """Places on the print, mm, to px in the (upright) scan; arrays of one shape."""
        edges = self.form.by_edge
        x_low, x_high = edges["left"].reference_mm, edges["right"].reference_mm
        y_low = edges["top"].reference_mm
        y_high = _bottom_reference(self.form)
        u = (x_mm - x_low) / (x_high - x_low)
        v = (y_mm - y_low) / (y_high - y_low)
        before_u, before_v = 1 - u, 1 - v
        top, bottom = self.curves["top"], self.curves["bottom"]
        left, right = self.curves["left"], self.curves["right"]
        out = []
        for axis in (1, 2):
            c = self.corners[:, axis - 1].tolist()
            # Between top and bottom, and between the sides, less what both say of the corners.
            down = before_v * (np.interp(x_mm, top[0], top[axis]) - before_u * c[0] - u * c[1])
            down += v * (np.interp(x_mm, bottom[0], bottom[axis]) - before_u * c[2] - u * c[3])
            down += before_u * np.interp(y_mm, left[0], left[axis])
            down += u * np.interp(y_mm, right[0], right[axis])
            out.append(down)
        return out[0], out[1]


def _bottom_reference(form: PageForm) -> float:
    bottom = form.by_edge.get("bottom")
    if bottom is not None:
        return bottom.reference_mm
    return form.grid.point(0, form.grid.rows - 1)[1]


def register(
    gray: Gray,
    form: PageForm,
    thresholds: Thresholds,
    *,
    width_px: int | None = None,
    deep: bool = False,
) -> Registration:
    """Fit one page of a known form that stands upright or upside down.

    Args:
        gray: uint8[h, w], portrait.
        form: paper size and timing marks.
        width_px: how wide the sheet is about (default: as the image).
        deep: look for the marks further in, on a page with much beside it.

    Raises:
        PageRefusedError: no timing marks, too skewed, cut off, two sheets, poor fit.
    """
    height, width = gray.shape
    ppm = (width_px or width) / form.width_mm
    if width_px is None and height > width * form.height_mm / form.width_mm * TWO_SHEETS_SHARE:
        raise PageRefusedError(
            RefusalReason.TWO_SHEETS,
            f"the scan is {height / ppm:.0f} mm long for a page of {form.height_mm:.0f} mm; "
            "feed the sheets one by one",
        )
    paper, threshold = paper_and_threshold(gray)
    step = max(1, round(ppm / SEARCH_PX_PER_MM))
    if step > 1:
        try:
            return _register(gray, form, thresholds, ppm, paper, threshold, step, deep)
        except PageRefusedError:
            # Small or grainy marks may be lost at the coarse look: the fine one decides.
            pass
    return _register(gray, form, thresholds, ppm, paper, threshold, 1, deep)


def _register(
    gray: Gray,
    form: PageForm,
    thresholds: Thresholds,
    ppm: float,
    paper: float,
    threshold: float,
    step: int,
    deep: bool,
) -> Registration:
    edges = form.edges
    found = find_candidates(gray, edges, ppm, threshold, step, deep=deep)
    best = _best_lines(gray, edges, found, ppm)
    check_second_rows(found, [member for member, _ in best], edges, ppm)
    searched = [
        (edge, one, member) for edge, one, (member, _) in zip(edges, found, best, strict=True)
    ]
    slopes = [slope for _, slope in best]
    lines: dict[Edge, Line] = {}
    inks = []
    for (edge, _, _), coarse, (along, across, ink) in zip(
        searched, slopes, refine(gray, ppm, searched), strict=True
    ):
        slope = straight(along, across)[0] if along.size >= 4 else coarse
        inks.append(ink)
        turned = math.degrees(math.atan(slope))
        if along.size >= SKEW_SEEN_MARKS and abs(turned) > thresholds.max_skew_deg:
            # A tilted edge leaves its strip, so its marks are few: say the cause, not that.
            raise _too_skewed(turned, thresholds)
        lines[edge.edge] = (edge, along, across, slope)
    _check_edges(lines)
    skew = _skew(lines)
    if abs(skew) > thresholds.max_skew_deg:
        raise _too_skewed(skew, thresholds)
    crossings = crossings_of(lines)
    marks = {name: number(name, line, crossings) for name, line in lines.items()}
    return _fit(marks, form, paper, middle(np.concatenate(inks)), skew, thresholds)


def tilt_of(gray: Gray, form: PageForm) -> float | None:
    """How far a page leans, degrees clockwise, by whatever marks are in sight; None where
    too few stand on one line to tell."""
    ppm = gray.shape[1] / form.width_mm
    _, threshold = paper_and_threshold(gray)
    step = max(1, round(ppm / SEARCH_PX_PER_MM))
    seen: list[tuple[int, float]] = []
    found = find_candidates(gray, form.edges, ppm, threshold, step, deep=True)
    for edge, (member, slope) in zip(
        form.edges, _best_lines(gray, form.edges, found, ppm), strict=True
    ):
        if member.sum() >= TILT_SEEN_MARKS:
            sign = -1.0 if edge.edge in SIDES else 1.0
            seen.append((int(member.sum()), sign * math.degrees(math.atan(slope))))
    return max(seen)[1] if seen else None


def _best_lines(
    gray: Gray, edges: Sequence[EdgeForm], found: Sequence[Candidates], ppm: float
) -> list[tuple[npt.NDArray[np.bool_], float]]:
    """Each edge's own row of marks (see `best_lines`), turned about the page's middle."""
    middles = [gray.shape[0 if edge.edge in SIDES else 1] / 2 for edge in edges]
    return best_lines(found, ppm, middles, [edge.along_mm.size for edge in edges])


def _check_edges(lines: dict[Edge, Line]) -> None:
    """Every edge needs most of its marks; a page with one good edge and a bare one is cut."""
    shares = {name: along.size / edge.along_mm.size for name, (edge, along, _, _) in lines.items()}
    worst = min(shares, key=lambda name: shares[name])
    if shares[worst] >= MIN_MARKS_SHARE:
        return
    some = max(shares.values()) >= MIN_MARKS_SHARE
    edge, along, _, _ = lines[worst]
    raise PageRefusedError(
        RefusalReason.CUT_OFF if some else RefusalReason.NO_TIMING_MARKS,
        f"{along.size} of {edge.along_mm.size} timing marks found on the {worst} edge; "
        "scan the whole sheet again",
    )


def _too_skewed(degrees: float, thresholds: Thresholds) -> PageRefusedError:
    return PageRefusedError(
        RefusalReason.TOO_SKEWED,
        f"turned by {abs(degrees):.1f} degrees, over the limit of {thresholds.max_skew_deg:g}; "
        "feed the sheet straight",
    )


def _skew(lines: dict[Edge, Line]) -> float:
    """Rotation in degrees: the mean over the edges' own slopes (signs brought together)."""
    angles = [
        math.degrees(math.atan(slope)) * (-1.0 if name in ("left", "right") else 1.0)
        for name, (_, _, _, slope) in lines.items()
    ]
    return sum(angles) / len(angles)


def _fit(
    marks: dict[Edge, EdgeMarks],
    form: PageForm,
    paper: float,
    ink: float,
    skew: float,
    thresholds: Thresholds,
) -> Registration:
    curves: dict[Edge, tuple[Floats, Floats, Floats]] = {}
    squares: list[Floats] = []
    missing = 0
    scale: list[float] = []
    for name, found in marks.items():
        edge = form.by_edge[name]
        mm = edge.along_mm[found.index]
        px_per_mm = straight(mm, found.along)[0]
        scale.append(px_per_mm)
        mm, places, misfit = _clean(mm, np.stack([found.along, found.across]), px_per_mm)
        squares.append(misfit / px_per_mm)
        missing += edge.along_mm.size - mm.size
        curves[name] = _curve(name, mm, places, form)
    if "bottom" not in curves:
        curves["bottom"] = _straight_bottom(curves, form)
    misfits = np.concatenate(squares)
    residual = math.sqrt(float(misfits @ misfits) / misfits.size)
    if residual > thresholds.max_residual_mm:
        raise PageRefusedError(
            RefusalReason.POOR_FIT,
            f"timing marks misfit by {residual:.2f} mm, over the limit of "
            f"{thresholds.max_residual_mm:g} mm; smooth the sheet and scan it again",
        )
    return Registration(
        form=form,
        curves=curves,
        corners=_corners(curves, form),
        dpi=sum(scale) / len(scale) * MM_PER_INCH,
        skew_deg=skew,
        residual_mm=residual,
        paper=paper,
        ink=ink,
        missing_marks=missing,
    )


def _clean(mm: Floats, places: Floats, px_per_mm: float) -> tuple[Floats, Floats, Floats]:
    """Drop marks far from where their neighbours put them; also the misfit of the others, px.

    `places` float64[2, n] are along and across. The misfit of a mark is its distance from
    the line between its two neighbours.
    """
    share = (mm[1:-1] - mm[:-2]) / (mm[2:] - mm[:-2])
    before, after = places[:, :-2], places[:, 2:]
    off = np.zeros(places.shape)
    off[:, 1:-1] = np.abs(places[:, 1:-1] - (before + share * (after - before)))
    worst = off > OUTLIER_MM * px_per_mm
    misfit = off.max(axis=0)
    if not worst.any():
        return mm, places, misfit
    # One bad mark also spoils its neighbours' figure: it alone exceeds theirs twofold.
    side = np.zeros(places.shape)
    side[:, 1:] = off[:, :-1]
    side[:, :-1] = np.maximum(side[:, :-1], off[:, 1:])
    keep = ~(worst & (off > 1.6 * side)).any(axis=0)
    return mm[keep], places[:, keep], misfit[keep]


def _curve(name: Edge, mm: Floats, places: Floats, form: PageForm) -> tuple[Floats, Floats, Floats]:
    """An edge as a polyline over mm, stretched a little past its first and last mark.

    `places` float64[2, n] are along and across.
    """
    last_mm = form.height_mm if name in SIDES else form.width_mm
    n = min(5, mm.size)
    full_mm = np.empty(mm.size + 2)
    full = np.empty((2, mm.size + 2))
    full_mm[1:-1], full_mm[0], full_mm[-1] = mm, 0.0, last_mm
    full[:, 1:-1] = places
    full[:, 0] = straight_at(mm[:n], places[:, :n], 0.0)
    full[:, -1] = straight_at(mm[-n:], places[:, -n:], last_mm)
    along, across = full
    return (full_mm, across, along) if name in SIDES else (full_mm, along, across)


def _at(curve: tuple[Floats, Floats, Floats], mm: float) -> Floats:
    return np.array([np.interp(mm, curve[0], curve[1]), np.interp(mm, curve[0], curve[2])])


def _straight_bottom(
    curves: dict[Edge, tuple[Floats, Floats, Floats]], form: PageForm
) -> tuple[Floats, Floats, Floats]:
    """A bottom edge without sure marks: spaced as the top is, between the sides' last marks."""
    y = _bottom_reference(form)
    x_low = form.by_edge["left"].reference_mm
    x_high = form.by_edge["right"].reference_mm
    left, right = _at(curves["left"], y), _at(curves["right"], y)
    mm, top_x, _ = curves["top"]
    t0, t1 = np.interp([x_low, x_high], mm, top_x)
    share = (top_x - t0) / (t1 - t0)
    return mm, left[0] + share * (right[0] - left[0]), left[1] + share * (right[1] - left[1])


def _corners(curves: dict[Edge, tuple[Floats, Floats, Floats]], form: PageForm) -> Floats:
    """The patch's corners float64[4, 2] px: top-left, top-right, bottom-left, bottom-right."""
    x_low = form.by_edge["left"].reference_mm
    x_high = form.by_edge["right"].reference_mm
    y_low, y_high = form.by_edge["top"].reference_mm, _bottom_reference(form)
    columns, rows = np.array([x_low, x_high]), np.array([y_low, y_high])
    # Each edge at both its ends: x and y, by end.
    at = {
        name: [np.interp(rows if name in SIDES else columns, mm, v).tolist() for v in (x, y)]
        for name, (mm, x, y) in curves.items()
    }
    return np.array(
        [
            [(at[row][axis][i] + at[side][axis][j]) / 2 for axis in (0, 1)]
            for j, row in enumerate(ROWS)
            for i, side in enumerate(SIDES)
        ]
    )
