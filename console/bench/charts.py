"""The report's plots, as SVG: for the page in its own colours and font, for the PDF in fixed
colours with letters as outlines. Same figures, same bytes."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from console.bench.document import BenchFile
from console.bench.words import Words

For = Literal["page", "pdf"]
#: Colours as drawn; on the page the CSS variable takes their place.
INK, LINE, MARK, ASIDE, NONE = "#1b2230", "#c9c8c2", "#2f5d8a", "#c07a1a", "#8b8f98"
_VARIABLES = {INK: "ink", LINE: "line", MARK: "accent", ASIDE: "warnline", NONE: "faint"}
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "ballotbench",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
}
#: Arrows of the residual map are this many times as long as what they show.
MAGNIFIED = 400


def charts(bench: BenchFile, say: Words, purpose: For) -> dict[str, str]:
    """Every plot that the bench has figures for, by name, as an SVG element."""
    drawn: dict[str, tuple[Callable[[Axes], None], float, float]] = {
        "histogram": (lambda axes: _histogram(axes, bench, say), 7.0, 3.2)
    }
    if bench.ladder:
        drawn["ladder"] = (lambda axes: _ladder(axes, bench, say), 7.0, 3.2)
    if bench.curves.roc:
        drawn["roc"] = (lambda axes: _roc(axes, bench, say), 7.0, 3.2)
    if bench.curves.trade and bench.curves.trade[0][4]:
        drawn["trade"] = (lambda axes: _trade(axes, bench, say), 7.0, 3.2)
    if bench.residual is not None:
        drawn["residual"] = (lambda axes: _residual(axes, bench, say), 5.2, 6.4)
    return {
        name: _svg(draw, name, say(name), width, height, purpose)
        for name, (draw, width, height) in drawn.items()
    }


def _svg(
    draw: Callable[[Axes], None], name: str, title: str, width: float, height: float, purpose: For
) -> str:
    style = {**_STYLE, "svg.fonttype": "none" if purpose == "page" else "path"}
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        sink = io.StringIO()
        figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
    svg = re.sub(r"<metadata>.*?</metadata>", "", sink.getvalue(), flags=re.DOTALL)
    if purpose == "pdf":
        return svg
    body = svg[svg.index("<svg") :]
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="([^"]+)"', head)
    rest = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', rest)
    rest = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", rest)
    rest = re.sub(r'(?:xlink:)?href="#([^"]+)"', rf'href="#{name}-\1"', rest)
    for colour, variable in _VARIABLES.items():
        rest = rest.replace(colour, f"var(--{variable})")
    return (
        f'<svg viewBox="{box.group(1) if box else "0 0 100 100"}" role="img" '
        f'aria-label="{html.escape(title)}">{rest}'
    )


def _thresholds(axes: Axes, bench: BenchFile, scale: float) -> None:
    for name in ("marginal", "definite"):
        axes.axvline(
            scale * bench.thresholds[name], color=INK, linewidth=0.9, linestyle=(0, (4, 3))
        )


def _histogram(axes: Axes, bench: BenchFile, say: Words) -> None:
    edges, curves = bench.curves.edges, bench.curves
    for heights, colour, label in (
        (curves.empty, NONE, say("empty_target")),
        (curves.unclear, ASIDE, say("marginal")),
        (curves.marks, MARK, say("is_mark")),
    ):
        axes.stairs(heights, edges, fill=True, color=colour, alpha=0.75, label=label)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: say.number(round(value))))
    axes.minorticks_off()
    _thresholds(axes, bench, 1)
    axes.set_xlabel(say("score"))
    axes.set_ylabel(say("targets_log"))
    axes.legend(loc="upper right")


def _ladder(axes: Axes, bench: BenchFile, say: Words) -> None:
    steps = [row.percent or 0.0 for row in bench.ladder]
    for name, colour, label, sign in (
        ("as_mark", MARK, say("as_mark"), "o"),
        ("as_marginal", ASIDE, say("as_marginal"), "^"),
        ("as_none", NONE, say("as_none"), "s"),
    ):
        shares = [100 * getattr(row, name) / row.count for row in bench.ladder]
        axes.plot(steps, shares, color=colour, label=label, marker=sign, markersize=4)
    axes.set_xscale("symlog", linthresh=10, linscale=1.4)
    ticks = [0, 2, 4, 6, 8, 10, 20, 50, 100]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()
    axes.set_xlim(-0.3, 104)
    _thresholds(axes, bench, 100)
    axes.set_xlabel(say("percent_inked"))
    axes.set_ylabel(say("share_of_targets"))
    axes.legend(loc="center right")


def _roc(axes: Axes, bench: BenchFile, say: Words) -> None:
    false = [0.0, *(point[1] for point in bench.curves.roc), 1.0]
    found = [0.0, *(point[2] for point in bench.curves.roc), 1.0]
    axes.plot(false, found, color=MARK, marker="o", markersize=2.5, drawstyle="steps-post")
    axes.plot([0, 1], [0, 1], color=NONE, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.04)
    axes.set_xlabel(say("false_share"))
    axes.set_ylabel(say("found_share"))


def _trade(axes: Axes, bench: BenchFile, say: Words) -> None:
    aside = [100 * marginal / max(1, n) for _, _, marginal, _, n in bench.curves.trade]
    errors = [e for _, _, _, e, _ in bench.curves.trade]
    axes.plot(aside, errors, color=MARK, marker="o", markersize=4)
    axes.set_xlim(left=-0.02 * max([*aside, 1]))
    axes.set_ylim(-0.1, max([*errors, 1]) * 1.15)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(say("set_aside_share"))
    axes.set_ylabel(say("silent_errors"))


def _residual(axes: Axes, bench: BenchFile, say: Words) -> None:
    if bench.residual is None:
        return
    cells = bench.residual.cells
    x, y = [c[0] for c in cells], [c[1] for c in cells]
    axes.scatter(x, y, s=9, color=NONE)
    axes.quiver(
        x,
        y,
        [MAGNIFIED * c[3] for c in cells],
        [MAGNIFIED * c[4] for c in cells],
        angles="xy",
        scale_units="xy",
        scale=1,
        color=MARK,
        width=0.006,
    )
    for a, b, c in zip(x, y, cells, strict=True):
        axes.annotate(
            say.decimal(c[5], 2),
            (a, b),
            (0, -11),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    axes.set_xlim(0, 220)
    axes.set_ylim(max([300.0, *(v + 20 for v in y)]), 0)
    axes.set_aspect("equal")
    axes.set_xlabel(say("x_mm"))
    axes.set_ylabel(say("y_mm"))
