"""Number the timing marks of an edge: which printed mark is each of those found?

An edge's marks are chained by their spacing; where the edge's line meets its neighbours'
lines is a known place on the print, and tells which mark is the first.
"""

from __future__ import annotations

import numpy as np

from election.layout import Edge
from scanner.errors import PageRefusedError, RefusalReason
from scanner.mark_rows import EdgeMarks, Floats, chain, middle
from scanner.page_form import EdgeForm

#: An edge with fewer than this share of its marks is not trusted.
MIN_MARKS_SHARE = 0.6
#: So many marks on the line beyond those that are evenly spaced are a part of the page that
#: slipped by itself; where it is, is not known.
BROKEN_MARKS = 3
#: Slip at the page's edge, in pitches of the timing marks, up to which numbering is tried,
#: and how much worse the next best numbering must be.
MAX_SLIP_PITCHES = 0.75
SHIFT_MARGIN_PITCHES = 0.5

#: Marks found on one edge's line: its form, places along and across, px, and its slope.
Line = tuple[EdgeForm, Floats, Floats, float]
Crossings = dict[tuple[Edge, Edge], tuple[float, float]]
SIDES: tuple[Edge, ...] = ("left", "right")
ROWS: tuple[Edge, ...] = ("top", "bottom")


def number(name: Edge, line: Line, crossings: Crossings) -> EdgeMarks:
    """Chain the marks of one edge and number them from the crossing with its neighbour edge.

    `crossings`: see `crossings_of`.
    """
    edge, along, across, slope = line
    count = edge.along_mm.size
    pitch_mm = (edge.along_mm[-1] - edge.along_mm[0]) / (count - 1)
    steps = along[1:] - along[:-1]
    guess = (along[-1] - along[0]) / (edge.along_mm[-1] - edge.along_mm[0]) * pitch_mm
    near = steps[(steps > 0.6 * guess) & (steps < 1.5 * guess)]
    pitch = middle(near) if near.size >= 4 else guess
    members, numbers = chain(along, pitch)
    beyond = max(int(members[0]), along.size - 1 - int(members[-1])) if members.size else 0
    along, across = along[members], across[members]
    if beyond >= BROKEN_MARKS:
        raise PageRefusedError(
            RefusalReason.POOR_FIT,
            f"{beyond} timing marks on the {name} edge stand off the others' spacing: the paper "
            "slipped or was held back; scan the sheet again",
        )
    if along.size < MIN_MARKS_SHARE * count:
        raise PageRefusedError(
            RefusalReason.CUT_OFF,
            f"only {along.size} of {count} timing marks on the {name} edge are evenly spaced; "
            "scan the whole sheet again",
        )
    # Where this edge's line meets the neighbouring edges' lines is a known place in mm.
    upright = name in ("left", "right")
    ends = []
    first = crossings.get((name, "top" if upright else "left"))
    if first is not None:
        where, reference_mm = first
        offset_mm = (along[0] - where) / pitch * pitch_mm + reference_mm
        ends.append((offset_mm - edge.along_mm[0]) / pitch_mm - numbers[0])
    last = crossings.get((name, "bottom" if upright else "right"))
    if last is not None:
        where, reference_mm = last
        offset_mm = reference_mm - (where - along[-1]) / pitch * pitch_mm
        ends.append((offset_mm - edge.along_mm[0]) / pitch_mm - numbers[-1])
    # Where the corners belong to the sides, a corner mark may be chained as one too many.
    spare = 1 if edge.indices[0] > 0 else 0
    index = numbers + _shift(name, int(numbers[-1]), count, ends, spare)
    own = (index >= 0) & (index < count)
    return EdgeMarks(index[own], along[own], across[own], slope)


def _shift(name: Edge, span: int, count: int, ends: list[float], spare: int) -> int:
    """The number of the first chained mark: a whole number that fits the edge and its ends.

    `ends` are what the crossings with the neighbouring edges say; a slip at the very edge
    of the page can put each off by more than half a pitch, but not every number fits.
    The print found at the targets is what finally confirms the numbering.
    """
    possible = range(-spare, count - span + spare)
    distance = sorted((max((abs(e - s) for e in ends), default=0.0), s) for s in possible)
    if not distance or distance[0][0] > MAX_SLIP_PITCHES:
        raise PageRefusedError(
            RefusalReason.CUT_OFF,
            f"the timing marks on the {name} edge do not begin and end where the page's other "
            "edges say; scan the whole sheet again",
        )
    if len(distance) > 1 and distance[1][0] - distance[0][0] < SHIFT_MARGIN_PITCHES:
        raise PageRefusedError(
            RefusalReason.CUT_OFF,
            f"{span + 1} timing marks in a row on the {name} edge where {count} are printed, "
            "and their place is not certain; scan the whole sheet again",
        )
    return distance[0][1]


def crossings_of(lines: dict[Edge, Line]) -> Crossings:
    """Where each edge meets its neighbours: for (edge, neighbour) the place along the edge,
    px, and that place in mm."""
    middles = {name: middle(across) for name, (_, _, across, _) in lines.items()}
    found: Crossings = {}
    for side in SIDES:
        for row in ROWS:
            if side not in lines or row not in lines:
                continue
            edge_a, along_a, across_a, slope_a = lines[side]
            edge_b, along_b, across_b, slope_b = lines[row]
            # a: across = A + slope_a·along ; b likewise with the axes exchanged. The near
            # ends of both are used, so that bent paper is followed.
            near_a = np.abs(along_a - middles[row]).argsort()[:8]
            near_b = np.abs(along_b - middles[side]).argsort()[:8]
            a0 = middle(across_a[near_a] - slope_a * along_a[near_a])
            b0 = middle(across_b[near_b] - slope_b * along_b[near_b])
            # along_a = across_b = b0 + slope_b·along_b ; along_b = across_a = a0 + …
            square = 1 - slope_a * slope_b
            found[side, row] = (b0 + slope_b * a0) / square, edge_b.reference_mm
            found[row, side] = (a0 + slope_a * b0) / square, edge_a.reference_mm
    return found
