"""The forms of page that can be registered: which timing marks are to be looked for.

A form is what registration knows before it knows the ballot style: paper size, grid and
the marks along each edge. Two families exist: our own print (marks on all four edges,
lengths carry a code, outer ends fixed) and the New Hampshire form of VotingWorks (full
top row, both sides, a bottom row whose marks are bits).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from election.layout import Edge, Grid, TimingMark

EDGES: tuple[Edge, ...] = ("left", "right", "top", "bottom")
FormKind = Literal["ballotbench", "vxsuite-nh"]


@dataclass(frozen=True, slots=True)
class EdgeForm:
    """The marks of one edge, in order along it, all in mm.

    `along_mm` float64[n] are the places along the edge (y for left and right, x for top
    and bottom); `reference_mm` is the across-edge place of each mark's reference end;
    `thickness_mm` the size along the edge; `across_mm` the smallest and largest length
    across it. `reference` says which part of the mark `reference_mm` is.
    """

    edge: Edge
    indices: npt.NDArray[np.int64]
    along_mm: npt.NDArray[np.float64]
    reference_mm: float
    reference: Literal["outer", "inner", "centre"]
    thickness_mm: float
    across_mm: tuple[float, float]
    strip_share: float


@dataclass(frozen=True)
class PageForm:
    """One paper size with its grid and its edges."""

    kind: FormKind
    width_mm: float
    height_mm: float
    grid: Grid
    edges: tuple[EdgeForm, ...]

    @cached_property
    def by_edge(self) -> dict[Edge, EdgeForm]:
        """The edges by name; an edge whose marks are all optional is absent."""
        return {edge.edge: edge for edge in self.edges}

    @property
    def key(self) -> tuple[str, float, float]:
        """What tells forms apart."""
        return self.kind, self.width_mm, self.height_mm


def form_of(
    kind: FormKind,
    width_mm: float,
    height_mm: float,
    grid: Grid,
    marks: tuple[TimingMark, ...],
    *,
    longest_mm: float,
) -> PageForm:
    """Build the form from the printed timing marks (`longest_mm`: a mark's greatest length)."""
    edges = []
    for name in EDGES:
        own = [m for m in marks if m.edge == name and m.always]
        if not own:
            continue
        upright = name in ("left", "right")
        along = np.array([m.y_mm if upright else m.x_mm for m in own])
        across = own[0].x_mm if upright else own[0].y_mm
        length = own[0].width_mm if upright else own[0].height_mm
        thickness = own[0].height_mm if upright else own[0].width_mm
        if kind == "ballotbench":
            reference: Literal["outer", "inner", "centre"] = "outer"
            outward = -1.0 if name in ("left", "top") else 1.0
            reference_mm = across + outward * length / 2
        elif upright:
            # Rollers and croppers cut the outer end of these marks; the inner one stays.
            reference = "inner"
            inward = 1.0 if name == "left" else -1.0
            reference_mm = across + inward * length / 2
        else:
            reference = "centre"
            reference_mm = across
        edges.append(
            EdgeForm(
                edge=name,
                indices=np.array([m.index for m in own]),
                along_mm=along,
                reference_mm=reference_mm,
                reference=reference,
                thickness_mm=thickness,
                across_mm=(length, max(length, longest_mm) if kind == "ballotbench" else length),
                # Foreign forms come with wider borders about them.
                strip_share=0.10 if upright or kind == "ballotbench" else 0.15,
            )
        )
    return PageForm(kind, width_mm, height_mm, grid, tuple(edges))
