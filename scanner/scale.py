"""Print or copy at the wrong scale: what the file says against what the timing marks say."""

from __future__ import annotations

import math

from election.layout import Edge
from scanner.reading import Flag
from scanner.registration import MM_PER_INCH, Registration

#: Kind of the flag; it names the whole page.
WRONG_SCALE = "wrong_scale"
#: A print this far off its size, in both directions alike, is a copy or was "fitted to the
#: page" (4 mm of white round A4 makes 96 %). The certified peer refuses a print under 98.5 %
#: (REQUIREMENTS, "How the certified peer reads"), which here is read all the same: targets
#: are placed by the page's own marks. Paper and feeders are up to 1 % off, a worn roller 2 %;
#: from 3 % on a person should ask where the sheet was printed.
MOST_OFF = 0.03
#: Further off than this it is the file's resolution that is wrong, not the print's size.
FILE_IS_WRONG = 0.15
#: Resolutions that programs write who know none, dpi.
NOTHING_SAID = (72.0, 96.0)


def check_scale(fit: Registration, told_dpi: float | None) -> tuple[Flag, ...]:
    """The flag of a page whose print is larger or smaller than it was designed.

    Args:
        fit: the page's map.
        told_dpi: what the scan's file says, dpi; None where it says nothing.
    """
    if told_dpi is None or not told_dpi > 0 or any(abs(told_dpi - d) < 1 for d in NOTHING_SAID):
        return ()
    off = [scale * MM_PER_INCH / told_dpi - 1 for scale in px_per_mm(fit)]
    # The stretch of a worn roller is in one direction only.
    nearer, further = sorted(off, key=abs)
    if abs(nearer) <= MOST_OFF or abs(further) > FILE_IS_WRONG or nearer * further < 0:
        return ()
    return (
        Flag(
            WRONG_SCALE,
            f"printed at {100 * (1 + sum(off) / 2):.0f} % of its size by the scan's "
            f"{told_dpi:.0f} dpi: a copy, or printed to fit the page. Look whether the sheet "
            "is genuine",
        ),
    )


def px_per_mm(fit: Registration) -> tuple[float, float]:
    """The page's scale across and down, between the outermost marks of its edges."""
    pairs: tuple[tuple[Edge, Edge], ...] = (("top", "bottom"), ("left", "right"))
    scales = []
    for pair in pairs:
        # Over both edges: mm, x and y from the first end to the last.
        ends = [[float(v[-1] - v[0]) for v in fit.curves[edge]] for edge in pair]
        mm, x, y = (sum(both) for both in zip(*ends, strict=True))
        scales.append(math.hypot(x, y) / mm)
    return scales[0], scales[1]
