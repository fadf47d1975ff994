"""The scan with what was read drawn on it, for a person's eyes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from election.layout import PageLayout
from scanner.reader import Gray
from scanner.reading import MarkClass, PageReading

#: BGR colours of the overlay.
_COLOURS = {
    MarkClass.MARK: (60, 160, 0),
    MarkClass.MARGINAL: (0, 140, 255),
    MarkClass.NO_MARK: (190, 150, 90),
}


def overlay(gray: Gray, reading: PageReading, wanted: set[str | None]) -> np.ndarray[Any, Any]:
    """The scan with every target ringed by class (green mark, orange marginal, grey-blue
    none) and the contests that need a person boxed in red; BGR uint8[h, w, 3]."""
    picture = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    ppm = reading.dpi / 25.4
    line = max(2, round(0.35 * ppm))
    layout: PageLayout = reading.layout
    sideways = reading.orientation_deg in (90, 270)
    for i, target in enumerate(layout.targets):
        wide, high = target.width_mm / 2 + 0.8, target.height_mm / 2 + 0.8
        if sideways:
            wide, high = high, wide
        x, y = float(reading.x_px[i]), float(reading.y_px[i])

        def box(
            grow: float,
            x: float = x,
            y: float = y,
            wide: float = wide,
            high: float = high,
        ) -> tuple[tuple[int, int], tuple[int, int]]:
            a, b = (wide + grow) * ppm, (high + grow) * ppm
            return (round(x - a), round(y - b)), (round(x + a), round(y + b))

        cv2.rectangle(picture, *box(0), _COLOURS[reading.classes[i]], line)
        if target.contest_id in wanted:
            cv2.rectangle(picture, *box(0.9), (30, 30, 220), line)
    return picture
