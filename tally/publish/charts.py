"""Charts as inline SVG, drawn by hand: few bytes, the page's colours, no library in the page."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

#: Above so many seats a half circle tells nothing that the table does not.
MOST_SEATS = 700
COLOURS = 8


def hemicycle(seats: Sequence[tuple[str, int]], title: str, text: str) -> str:
    """A half circle of seats, from left to right in the order given; "" where there are too
    many, or none. Raises nothing: names are escaped."""
    total = sum(number for _, number in seats)
    if not 0 < total <= MOST_SEATS:
        return ""
    rows = max(1, round(math.sqrt(total) / 2.2))
    radii = [1.0 + 1.2 * row / max(1, rows - 1) for row in range(rows)] if rows > 1 else [2.0]
    share = [radius / sum(radii) * total for radius in radii]
    number = [int(s) for s in share]
    by_rest = sorted(range(rows), key=lambda row: share[row] - number[row], reverse=True)
    for row in by_rest[: total - sum(number)]:
        number[row] += 1
    places = []
    for radius, count in zip(radii, number, strict=True):
        for k in range(count):
            angle = math.pi * (1 - (k + 0.5) / count) if count else 0.0
            places.append((-angle, radius, math.cos(angle) * radius, -math.sin(angle) * radius))
    # From left to right, so that each list has one wedge.
    places.sort()
    dot = min(0.52 * (1.2 / max(1, rows - 1) if rows > 1 else 1), 0.45 * math.pi / (total / 4 + 1))
    dot = max(0.02, min(dot, 0.12))
    parts, at = [], 0
    for colour, (name, count) in enumerate(seats):
        dots = "".join(
            f'<circle cx="{x:.3f}" cy="{y:.3f}" r="{dot:.3f}"/>'
            for _, _, x, y in places[at : at + count]
        )
        at += count
        if dots:
            parts.append(
                f'<g class="list-{colour % COLOURS}"><title>{html.escape(name)}: {count}</title>'
                f"{dots}</g>"
            )
    return (
        f'<svg viewBox="-2.4 -2.4 4.8 2.6" role="img" aria-label="{html.escape(title)}. '
        f'{html.escape(text)}">{"".join(parts)}</svg>'
    )


def day_line(points: Mapping[int, int], whole: int, title: str, text: str) -> str:
    """A line of shares over the day. `points`: minutes after midnight → voters; `whole`: voters
    on the list. "" without two points or a whole."""
    if len(points) < 2 or whole <= 0:
        return ""
    minutes = sorted(points)
    first, last = minutes[0] // 60 * 60, -(-minutes[-1] // 60) * 60
    wide, high, left, below = 560.0, 200.0, 44.0, 24.0

    def x(minute: float) -> float:
        return left + wide * (minute - first) / max(1, last - first)

    def y(share: float) -> float:
        return 8 + high * (1 - min(1.0, share))

    lines = []
    for tenth in range(0, 11, 2):
        at = y(tenth / 10)
        lines.append(
            f'<line class="grid" x1="{left:.0f}" x2="{left + wide:.0f}" y1="{at:.1f}" '
            f'y2="{at:.1f}"/><text x="{left - 6:.0f}" y="{at + 4:.1f}" text-anchor="end">'
            f"{10 * tenth}%</text>"
        )
    under = 8 + high + 18
    lines += [
        f'<text x="{x(60 * hour):.1f}" y="{under:.0f}" text-anchor="middle">{hour}:00</text>'
        for hour in range(first // 60, last // 60 + 1, 2)
    ]
    path = " ".join(f"{x(m):.1f},{y(points[m] / whole):.1f}" for m in minutes)
    return (
        f'<svg viewBox="0 0 {left + wide + 20:.0f} {8 + high + below:.0f}" role="img" '
        f'aria-label="{html.escape(title)}. {html.escape(text)}">{"".join(lines)}'
        f'<polyline class="line" points="{path}"/></svg>'
    )
