"""The inked page of a planned sheet: free-hand marks by the paper model, measured ones here.

A ladder must know its area better than a hand can draw it: AREA is the target's own shape
in its middle, scaled to the stated share; LINE is a bar through its middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from election.layout import PageLayout, Target
from scanner.decks.model import AREA, LINE, DeckMark
from scanner.synthesis import MarkKind, SynthesisError, TrueMark, draw_marks

Gray = npt.NDArray[np.uint8]
#: Fixed-point fraction bits of OpenCV's drawing, and how much finer than the page it draws.
_SHIFT, _FINER = 4, 16


def ink_page(
    blank: Gray, layout: PageLayout, marks: Sequence[DeckMark], rng: np.random.Generator
) -> Gray:
    """A copy of the blank page with the sheet's marks that belong to it.

    Args:
        blank: uint8[h, w] raster of the whole page at any resolution.
        layout: that page's layout; marks for targets of other pages are left out.
        marks: the sheet's marks.
        rng: source of the hand's chance.
    """
    targets = {(t.contest_id, t.option_id): t for t in reversed(layout.targets)}
    page = blank.copy()
    for mark in marks:
        target = targets.get((mark.contest_id, mark.option_id))
        if target is None:
            continue
        if mark.kind in (AREA, LINE):
            fill_polygon(page, layout, measured_outline(mark, target), mark.pen.darkness)
        else:
            true = TrueMark(
                mark.contest_id,
                mark.option_id,
                MarkKind(mark.kind),
                mark.pen,
                mark.expected,
                area_share=mark.area_share,
            )
            page = draw_marks(page, layout, [true], rng)
    return page


def measured_outline(mark: DeckMark, target: Target) -> npt.NDArray[np.float64]:
    """Corners of an AREA or LINE mark on the page, float64[n, 2] mm; empty at 0 %."""
    half_w, half_h = target.width_mm / 2, target.height_mm / 2
    centre = np.array([target.x_mm, target.y_mm])
    if mark.kind == LINE:
        thick = mark.pen.width_mm / 2
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half_w, thick)
        return np.asarray(corners + centre)
    share = mark.area_share
    if share is None or not 0 <= share <= 1:
        raise SynthesisError(f"an area share of {share} is not between 0 and 1")
    if share == 0:
        return np.empty((0, 2))
    size = np.array([half_w, half_h]) * math.sqrt(share)
    if target.shape == "square":
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size
        return np.asarray(corners + centre)
    around = np.linspace(0, 2 * math.pi, 96, endpoint=False)
    # A polygon of 96 corners in a circle is that much too small.
    size = size / math.sqrt(math.sin(2 * math.pi / 96) / (2 * math.pi / 96))
    rim = np.stack([np.cos(around) * size[0], np.sin(around) * size[1]], axis=1)
    return np.asarray(rim + centre)


def fill_polygon(
    page: Gray, layout: PageLayout, corners_mm: npt.NDArray[np.float64], darkness: float
) -> None:
    """Lay an even film of ink over a polygon (mm), in place; edges are soft by the share of
    a pixel that they cover."""
    if not len(corners_mm):
        return
    corners = corners_mm * (page.shape[1] / layout.width_mm, page.shape[0] / layout.height_mm)
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)) - 1, 0).astype(int)
    x1, y1 = (np.ceil(corners.max(axis=0)) + 1).astype(int)
    area = page[y0:y1, x0:x1]
    fine = np.zeros((area.shape[0] * _FINER, area.shape[1] * _FINER), np.uint8)
    places = ((corners - (x0, y0)) * _FINER - 0.5) * (1 << _SHIFT)
    cv2.fillPoly(fine, [np.round(places).astype(np.int32)], 255, cv2.LINE_8, _SHIFT)
    cover = cv2.resize(fine, area.shape[::-1], interpolation=cv2.INTER_AREA)
    film = cover.astype(np.float32) * (darkness / 255)
    area[:] = (area * (1 - film) + 0.5).astype(np.uint8)
