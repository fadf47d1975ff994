"""Cut a place of the print out of a scan, at the resolution that texts are compared at.

The place is sampled by the page's own fit, so skew, stretch and slip are gone from it; a
finer scan is averaged down, a coarser one drawn up.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from election.layout import Box
from election.paper_record.vocabulary import PX_PER_MM
from scanner.registration import MM_PER_INCH, Registration

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Ink = npt.NDArray[np.float32]

#: The page's fit is asked at places this far apart, mm; between them it is straight.
NODE_MM = 2.0


def cut(gray: Gray, fit: Registration, box: Box, margin_px: int = 0) -> Gray:
    """The pixels of a place, uint8[h, w] with h, w = its size in mm × `PX_PER_MM`, and
    `margin_px` more on every side.

    Args:
        gray: uint8[h, w], the page as it was fitted.
        fit: its fit.
        box: the place on the print.
    """
    wide = round(box.width_mm * PX_PER_MM) + 2 * margin_px
    high = round(box.height_mm * PX_PER_MM) + 2 * margin_px
    x = box.x_mm + (np.arange(wide) + 0.5 - margin_px) / PX_PER_MM
    y = box.y_mm + (np.arange(high) + 0.5 - margin_px) / PX_PER_MM
    nodes_x, nodes_y = _nodes(x), _nodes(y)
    grid_x, grid_y = np.meshgrid(nodes_x, nodes_y)
    px, py = fit.to_px(grid_x, grid_y)
    along, down = _weights(x, nodes_x), _weights(y, nodes_y)
    map_x = (down @ px @ along.T).astype(np.float32)
    map_y = (down @ py @ along.T).astype(np.float32)
    left, top = max(0, int(map_x.min()) - 2), max(0, int(map_y.min()) - 2)
    part = gray[top : int(map_y.max()) + 3, left : int(map_x.max()) + 3]
    if part.size == 0:
        return np.full((high, wide), round(fit.paper), np.uint8)
    finer = fit.dpi / MM_PER_INCH / PX_PER_MM
    if finer > 1.2:
        # So that every pixel of a fine scan has its say.
        part = np.asarray(cv2.GaussianBlur(part, (0, 0), 0.4 * finer), np.uint8)
    return np.asarray(
        cv2.remap(
            part,
            map_x - left,
            map_y - top,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=round(fit.paper),
        ),
        np.uint8,
    )


def as_ink(pixels: Gray, paper: float) -> Ink:
    """Grey to ink: 0 the paper's grey, 1 black; float32[h, w]. The paper is that of the
    place itself, where the lamp may be weaker than over the whole page."""
    own = float(np.percentile(pixels, 90))
    level = own if own > 0.6 * paper else paper
    share = pixels.astype(np.float32) / np.float32(max(level, 1.0))
    return np.asarray(np.clip(1 - share, 0, 1), np.float32)


def _nodes(values: Floats) -> Floats:
    count = max(2, round((values[-1] - values[0]) / NODE_MM) + 1)
    return np.linspace(values[0], values[-1], count)


def _weights(values: Floats, nodes: Floats) -> Floats:
    """Linear interpolation as a matrix, float64[values, nodes]."""
    place = np.clip((values - nodes[0]) / (nodes[1] - nodes[0]), 0, nodes.size - 1)
    low = np.minimum(place.astype(int), nodes.size - 2)
    weights = np.zeros((values.size, nodes.size))
    rows = np.arange(values.size)
    weights[rows, low] = 1 - (place - low)
    weights[rows, low + 1] = place - low
    return weights
