"""What a feeder does to whole sheets: two taken at once, or one let go too early.

All of them work on finished scans (uint8[h, w], upright), at `dpi`, and give a new one.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from scanner.synthesis.geometry import MM_PER_INCH
from scanner.synthesis.model import SynthesisError

Gray = npt.NDArray[np.uint8]

#: Share of a hidden second sheet's darkness that shows through the one on top.
GHOST_SHARE = 0.16


def overlapped(first: Gray, second: Gray, lead_mm: float, *, dpi: float, level: int = 24) -> Gray:
    """Two sheets drawn in together, the second `lead_mm` behind and under the first.

    It shows faintly through the first one and wholly where it sticks out below it; with a
    lead of a whole sheet both follow each other without a gap. `level` is the bed's grey.

    Raises:
        SynthesisError: a lead below 0.
    """
    if lead_mm < 0:
        raise SynthesisError(f"the second sheet cannot lead by {-lead_mm:g} mm: exchange the two")
    lead = round(lead_mm * dpi / MM_PER_INCH)
    height = max(first.shape[0], lead + second.shape[0])
    width = max(first.shape[1], second.shape[1])
    scan = np.full((height, width), level, np.uint8)
    scan[lead : lead + second.shape[0], : second.shape[1]] = second
    behind = np.full_like(first, 255)
    seen = second[: max(0, first.shape[0] - lead), : first.shape[1]]
    behind[lead : lead + seen.shape[0], : seen.shape[1]] = seen
    dark = cv2.bitwise_not(cv2.GaussianBlur(behind, (0, 0), 0.25 * dpi / MM_PER_INCH))
    top = cv2.addWeighted(first, 1.0, dark, -GHOST_SHARE, 0.0)
    scan[: first.shape[0], : first.shape[1]] = top
    return scan


def cut_short(scan: Gray, lost_mm: float, *, dpi: float, top: bool = False) -> Gray:
    """The feeder let go early (or began late): the last (or first) `lost_mm` are not there.

    Raises:
        SynthesisError: nothing would be left.
    """
    lost = round(lost_mm * dpi / MM_PER_INCH)
    if not 0 <= lost < scan.shape[0]:
        raise SynthesisError(f"{lost_mm:g} mm cannot be cut off a scan of {scan.shape[0]} px")
    kept = scan[lost:] if top else scan[: scan.shape[0] - lost]
    return np.ascontiguousarray(kept)
