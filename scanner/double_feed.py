"""Two sheets drawn in together: another sheet's timing marks in a row beside an edge's own,
or showing dimly between them.

The length of a scan tells only sheets that lie far apart (`registration`). Of nearer ones
the second sheet's last row sticks out under the first one's; where it does not, thin paper
lets the second one's marks through. Sheets of one style differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from election.geometry import LONG_MM, SHORT_MM
from scanner.errors import PageRefusedError, RefusalReason
from scanner.mark_rows import Candidates, best_lines, chain, longest_chain, middle
from scanner.page_form import EdgeForm
from scanner.timing_marks import Gray

if TYPE_CHECKING:
    from scanner.registration import Registration

#: A second row has at least this share of the edge's marks, evenly spaced as they are …
SECOND_ROW_SHARE = 0.6
#: … and this much between it and the first row, mm: what is nearer is a mark in pieces.
ROWS_APART_MM = 2.0
#: Light that a second sheet's marks take away between the sheet's own, share of the paper's.
#: The print of the sheet's own back takes away less (`synthesis.NORMAL`: 8 %) and lies
#: behind its own marks.
GHOST_SHARE = 0.08
#: Places looked at on either side of the middle between two marks, mm.
GHOST_REACH_MM = 0.6
_STEPS_MM = np.array([-1.0, 0.0, 1.0]) * GHOST_REACH_MM
#: Places across the marks, from their outer end inwards, and one on bare paper, mm.
_ACROSS_MM = np.array([0.25 * SHORT_MM, 0.75 * SHORT_MM, LONG_MM + 2.0])
_WORDS = "pull the sheets apart and feed them one by one"


def check_second_rows(
    found: Sequence[Candidates],
    members: Sequence[npt.NDArray[np.bool_]],
    edges: Sequence[EdgeForm],
    ppm: float,
) -> None:
    """Refuse a page with two rows of marks along one edge.

    Args:
        found: everything mark-like along each edge.
        members: which of it is the edge's own row.
        edges: the marks as printed.
        ppm: px per mm, roughly.

    Raises:
        PageRefusedError: two sheets.
    """
    asked = []
    for one, member, edge in zip(found, members, edges, strict=True):
        other = ~member
        if np.count_nonzero(other) < SECOND_ROW_SHARE * edge.along_mm.size or other.all():
            continue
        rest = Candidates(
            one.along[other], one.across[other], one.low[other], one.high[other], one.step
        )
        # Print near an edge is seldom spaced as its marks are: told before all lines are tried.
        wanted = SECOND_ROW_SHARE * edge.along_mm.size
        if longest_chain(rest.along, _pitch(edge, ppm), wanted) < wanted:
            continue
        # Across the edge both rows' middles, so that marks of any length and cut ones compare.
        own = middle(((one.low + one.high) / 2)[member])
        asked.append((rest, own, float(one.along.sum()) / one.along.size, edge))
    if not asked:
        return
    rows = best_lines(
        [rest for rest, _, _, _ in asked],
        ppm,
        [about for _, _, about, _ in asked],
        [edge.along_mm.size for _, _, _, edge in asked],
    )
    for (rest, own, _, edge), (second, _) in zip(asked, rows, strict=True):
        _check_second_row(rest, second, own, edge, ppm)


def _check_second_row(
    rest: Candidates, second: npt.NDArray[np.bool_], own: float, edge: EdgeForm, ppm: float
) -> None:
    """Whether `second` of the `rest` of an edge's candidates are a row as its own, which
    stands at `own` px across, is."""
    count = edge.along_mm.size
    if np.count_nonzero(second) < SECOND_ROW_SHARE * count:
        return
    apart = abs(middle(((rest.low + rest.high) / 2)[second]) - own)
    if apart < ROWS_APART_MM * ppm:
        return
    even, _ = chain(np.sort(rest.along[second]), _pitch(edge, ppm))
    if even.size < SECOND_ROW_SHARE * count:
        return
    raise PageRefusedError(
        RefusalReason.TWO_SHEETS,
        f"a second row of {even.size} timing marks stands {apart / ppm:.0f} mm from the "
        f"{edge.edge} edge's own: two sheets were drawn in together; {_WORDS}",
    )


def _pitch(edge: EdgeForm, ppm: float) -> float:
    """The spacing of an edge's marks, px."""
    return float(edge.along_mm[-1] - edge.along_mm[0]) / (edge.along_mm.size - 1) * ppm


def check_ghost(gray: Gray, fit: Registration) -> None:
    """Refuse a page of our own print with another sheet's marks showing between its own.

    Args:
        gray: uint8[h, w], as it was registered.
        fit: its map.

    Raises:
        PageRefusedError: two sheets.
    """
    if fit.form.kind != "ballotbench":
        return
    if _ghost_at(gray, fit, "left") >= GHOST_SHARE <= _ghost_at(gray, fit, "right"):
        raise PageRefusedError(
            RefusalReason.TWO_SHEETS,
            "another sheet's timing marks show between this one's: two sheets were drawn in "
            f"together; {_WORDS}",
        )


def _ghost_at(gray: Gray, fit: Registration, name: Literal["left", "right"]) -> float:
    """Light missing midway between most marks of a side, as a share of the paper's."""
    edge = fit.form.by_edge[name]
    # The edge's own curve moved inwards is nearer than the whole map needs to be asked.
    y = (edge.along_mm[1:] + edge.along_mm[:-1]) / 2 + _STEPS_MM[:, None]
    inwards = _ACROSS_MM * (fit.dpi / 25.4) * (1 if name == "left" else -1)
    mm, curve_x, curve_y = fit.curves[name]
    rows = (np.interp(y, mm, curve_y) + 0.5).astype(np.intp)
    columns = (np.interp(y, mm, curve_x) + inwards[:, None, None] + 0.5).astype(np.intp)
    high, wide = gray.shape
    rows = np.minimum(np.maximum(rows, 0), high - 1)
    columns = np.minimum(np.maximum(columns, 0), wide - 1)
    # By place across, step along and gap between marks.
    grey = np.ascontiguousarray(gray).ravel().take(rows * wide + columns)
    grey.sort(axis=2)
    light = grey[:, :, grey.shape[2] // 2].astype(np.float64)
    paper = max(float(light[-1].max()), 1.0)
    return 1 - float(light[:-1].mean(axis=0).min()) / paper
