"""Plots of the report as inline SVG: no file, no display, same figures, same bytes.

Text stays text (read aloud, searched, in the page's font); colours are the page's CSS
variables, so that a plot follows light and dark. Each has a role, a title and a
description in words. Ids are prefixed, as several plots share one page.
"""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

#: Stand-in colours drawn by matplotlib, and the page's variables put in their place.
INK, FAINT, BAR, MORE, LESS = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f"
_VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--line)",
    BAR: "var(--accent)",
    MORE: "var(--more)",
    LESS: "var(--less)",
}
#: Seats of lists in turn; told apart by their labels too, not by colour alone.
LIST_COLOURS = tuple(f"#1000{i:02x}" for i in range(8))
_VARIABLES |= {c: f"var(--list-{i})" for i, c in enumerate(LIST_COLOURS)}

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "ballotbench",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
_LABEL_LENGTH = 34
#: Width of every plot: text of 11 points is still read on a page 400 pixels wide.
WIDTH_IN = 6.0


def _short(label: str) -> str:
    plain = " ".join(label.split())
    return plain if len(plain) <= _LABEL_LENGTH else f"{plain[: _LABEL_LENGTH - 1]}…"


def _draw(
    draw: Callable[[Axes], None],
    *,
    prefix: str,
    title: str,
    description: str,
    width_in: float,
    height_in: float,
) -> str:
    """Run `draw` on fresh axes and give an `<svg>` element for a page."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # Letters are drawn by the reader's fonts; those here only measure.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        sink = io.StringIO()
        figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(sink.getvalue(), prefix, title, description)


def _inline(svg: str, prefix: str, title: str, description: str) -> str:
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="([^"]+)"', head)
    view = box.group(1) if box else "0 0 100 100"
    rest = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', rest)
    rest = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", rest)
    rest = re.sub(r'(?:xlink:)?href="#([^"]+)"', rf'href="#{prefix}-\1"', rest)
    for colour, variable in _VARIABLES.items():
        rest = rest.replace(colour, variable)
    return (
        f'<svg viewBox="{view}" role="img" aria-labelledby="{prefix}-title {prefix}-desc">'
        f'<title id="{prefix}-title">{html.escape(title)}</title>'
        f'<desc id="{prefix}-desc">{html.escape(description)}</desc>{rest}'
    )


def votes_plot(names: Sequence[str], votes: Sequence[int], *, prefix: str, title: str) -> str:
    """Horizontal bars of votes, first option on top, each with its number."""

    def draw(axes: Axes) -> None:
        places = range(len(names))
        axes.barh(places, votes, color=BAR, height=0.62)
        for place, number in zip(places, votes, strict=True):
            axes.annotate(
                f"{number:,}",
                (number, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=INK,
            )
        axes.set_yticks(list(places), [_short(n) for n in names])
        axes.tick_params(length=0)
        axes.invert_yaxis()
        axes.set_xlim(0, max([*votes, 1]) * 1.2)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)

    words = "; ".join(f"{n}: {v}" for n, v in zip(names, votes, strict=True))
    return _draw(
        draw,
        prefix=prefix,
        title=title,
        description=words,
        width_in=WIDTH_IN,
        height_in=0.5 + 0.36 * len(names),
    )


def differences_plot(rows: Sequence[tuple[str, int, int]], *, prefix: str, title: str) -> str:
    """Votes by which the counts differ per precinct: (precinct, electronic more, paper more)."""

    def draw(axes: Axes) -> None:
        places = range(len(rows))
        more = [e for _, e, _ in rows]
        less = [-p for _, _, p in rows]
        axes.barh(places, more, color=MORE, height=0.6)
        axes.barh(places, less, color=LESS, height=0.6)
        for place, (_, e, p) in enumerate(rows):
            if e:
                axes.annotate(f"+{e}", (e, place), (5, 0), textcoords="offset points", va="center")
            if p:
                axes.annotate(
                    f"−{p}",
                    (-p, place),
                    (-5, 0),
                    textcoords="offset points",
                    va="center",
                    ha="right",
                )
            if not e and not p:
                axes.annotate("0", (0, place), (5, 0), textcoords="offset points", va="center")
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(list(places), [_short(name) for name, _, _ in rows])
        axes.tick_params(length=0)
        axes.invert_yaxis()
        reach = max([*more, *(-v for v in less), 1]) * 1.25
        axes.set_xlim(-reach, reach)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        # Both sides are amounts: the side says whose, so the axis needs no minus signs.
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g}"))
        for x, side, words in ((0, "left", "◂ more on paper"), (1, "right", "more electronic ▸")):
            axes.text(x, 1.02, words, transform=axes.transAxes, ha=side, va="bottom", color=INK)
        axes.set_xlabel("votes")

    words = "; ".join(f"{n}: electronic {e} more, paper {p} more" for n, e, p in rows)
    return _draw(
        draw,
        prefix=prefix,
        title=title,
        description=words,
        width_in=WIDTH_IN,
        height_in=1.0 + 0.36 * len(rows),
    )


def _diameter(per_row: Sequence[int], radii: Sequence[float]) -> float:
    """Dot size in points: three quarters of its place, at about 70 points a unit."""
    across = [math.pi * r / n for r, n in zip(radii, per_row, strict=True) if n]
    return max(1.0, min(20.0, 0.75 * 70 * min([1.4 / len(radii), *across])))


def hemicycle_plot(seats: Mapping[str, int], *, prefix: str, title: str) -> str:
    """Seats as dots in a half circle, list by list from the left, with a count each."""
    taken = [(name, n) for name, n in seats.items() if n]
    total = sum(n for _, n in taken)
    rows = max(1, min(8, round(math.sqrt(total / 3))))
    radii = [1.0 + 1.4 * i / max(1, rows) for i in range(rows)]
    share = [total * r / sum(radii) for r in radii]
    per_row = [int(s) for s in share]
    by_rest = sorted(range(rows), key=lambda i: (share[i] - per_row[i], i), reverse=True)
    for i in by_rest[: total - sum(per_row)]:
        per_row[i] += 1
    points = sorted(
        (math.pi * (1 - (k + 0.5) / n), r)
        for r, n in zip(radii, per_row, strict=True)
        for k in range(n)
    )[::-1]

    def draw(axes: Axes) -> None:
        diameter = _diameter(per_row, radii)
        start = 0
        for index, (name, n) in enumerate(taken):
            mine = points[start : start + n]
            start += n
            axes.scatter(
                [r * math.cos(a) for a, r in mine],
                [r * math.sin(a) for a, r in mine],
                s=diameter**2,
                color=LIST_COLOURS[index % len(LIST_COLOURS)],
                label=f"{_short(name)}: {n}",
                linewidths=0,
            )
        axes.text(0, 0.0, str(total), ha="center", va="bottom", fontsize=26, color=INK)
        axes.set_xlim(-2.6, 2.6)
        axes.set_ylim(-0.1, 2.55)
        axes.set_aspect("equal")
        axes.axis("off")
        if taken:
            axes.legend(
                loc="upper center",
                bbox_to_anchor=(0.5, 0.0),
                ncols=2,
                frameon=False,
                markerscale=min(1.0, 10 / diameter),
                handletextpad=0.3,
            )

    words = "; ".join(f"{n}: {s} seats" for n, s in seats.items())
    return _draw(
        draw, prefix=prefix, title=title, description=words, width_in=WIDTH_IN, height_in=3.7
    )
