"""Turn a slanting page straight, and places on it back to the scan as it was."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]
Places = npt.NDArray[np.float32]
#: A page that leans more than this has room for its corners only where the scan has it.
LEANS_MUCH_DEG = 2.5
#: Darker than this share of the paper's grey is no paper.
BED_SHARE = 0.35


@dataclass(frozen=True, slots=True)
class Turned:
    """A page turned straight.

    `upright` uint8[h, w] is the page before, `gray` uint8[h', w'] after; `to_upright`
    float64[2, 3] takes places (x, y) px in `gray` to `upright`; `angle_deg` is how far the
    page had leaned, clockwise.
    """

    upright: Gray
    gray: Gray
    to_upright: npt.NDArray[np.float64]
    angle_deg: float

    @classmethod
    def as_it_is(cls, upright: Gray) -> Turned:
        """A page that needs no turning."""
        return cls(upright, upright, np.array([[1.0, 0, 0], [0, 1.0, 0]]), 0.0)

    def back(self, x: Places, y: Places) -> tuple[Places, Places]:
        """Places in the turned page, px, to the page as it was."""
        if self.gray is self.upright:
            return x, y
        m = self.to_upright
        return (
            (m[0, 0] * x + m[0, 1] * y + m[0, 2]).astype(np.float32),
            (m[1, 0] * x + m[1, 1] * y + m[1, 2]).astype(np.float32),
        )


def straighten(upright: Gray, angle_deg: float, paper: float) -> Turned:
    """Turn a page that leans `angle_deg` clockwise.

    A page that leans little gets room for its corners. One that leans much and is all in
    view had that room already, or its corners are lost anyway. What lies beyond the scan
    becomes paper of grey level `paper`, or black where the scan's side is the scanner's bed.
    """
    height, width = upright.shape
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    new_w, new_h = width, height
    if abs(angle_deg) <= LEANS_MUCH_DEG:
        new_w = int(np.ceil(width * cos + height * abs(sin)))
        new_h = int(np.ceil(height * cos + width * abs(sin)))
    # (x', y') about the new middle comes from (x, y) about the old one.
    turn = np.array([[cos, -sin], [sin, cos]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = middle - turn @ np.array([(new_w - 1) / 2, (new_h - 1) / 2])
    matrix = np.concatenate([turn, offset[:, None]], axis=1)
    gray = cv2.warpAffine(
        upright,
        matrix,
        (new_w, new_h),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=round(paper),
    )
    turned = np.asarray(gray, np.uint8)
    _widen_bed(turned, upright, matrix, paper)
    return Turned(upright, turned, matrix, angle_deg)


def _widen_bed(turned: Gray, upright: Gray, matrix: npt.NDArray[np.float64], paper: float) -> None:
    """Go on with a black bed beyond the scan's left and right side, in place: white beyond it
    would make a bar of it."""
    last = upright.shape[1] - 1
    dark = BED_SHARE * paper
    bed = [float((upright[:, x] < dark).mean()) > 0.5 for x in (0, last)]
    if not any(bed):
        return
    # Row by row, the turned page's columns in which the scan begins and ends.
    across = matrix[0, 1] * np.arange(turned.shape[0]) + matrix[0, 2]
    begins, ends = -across / matrix[0, 0], (last - across) / matrix[0, 0]
    columns = np.arange(turned.shape[1])
    if bed[0]:
        # One more: the scan's first column is mixed with what lies beyond it.
        turned[columns <= begins[:, None] + 1] = 0
    if bed[1]:
        turned[columns >= ends[:, None] - 1] = 0
