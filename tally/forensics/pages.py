"""The pictures: a page each, PNG, and all of them in one PDF. Same figures, same bytes.

Every page carries the notice that these are leads and not proof, how to read it and its
limits, in one language. Drawn as the report's plots are (`tally.plots`): no display, no
formulas in texts, the font that matplotlib brings.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from tally.forensics.analysis import CORNER, Analysis
from tally.forensics.tests import FEWEST_VOTERS, LEVEL, RATE, Outcome
from tally.forensics.usual import usual_histogram
from tally.forensics.words import NOTICE, PAGES, TESTS, Language, say

_INK, _FAINT, _BAR, _LINE, _ALERT = "#1b1f24", "#c9ced6", "#4b7bb5", "#c4561a", "#a3123a"
_STYLE: Final[dict[Any, Any]] = {
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "pdf.fonttype": 42,
}
#: A4 across, inches; dots an inch of the PNG.
_SIZE: Final = (11.69, 8.27)
_DPI: Final = 110
#: Letters a line of the texts below a picture.
_WRAP: Final = 132
#: From so many precincts on, a heat map; dots before.
_MANY: Final = 1500
#: Width of a bar of the histograms, percentage points, where there are many precincts; whole
#: percents are in the middle of one.
BAR: Final = 0.25


@dataclass(frozen=True, slots=True)
class Labels:
    """What people call things: the contest, the option, areas by id."""

    contest: str
    option: str
    areas: Mapping[str, str] = field(default_factory=dict)


def write_pages(
    analysis: Analysis, folder: Path, labels: Labels, language: Language = "en"
) -> tuple[Path, ...]:
    """Write `forensics.pdf` and a PNG a page into `folder` (made if missing).

    Raises:
        OSError: not writable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages: tuple[tuple[str, Callable[[Figure], None]], ...] = (
        ("summary", lambda f: _summary(f, analysis, language)),
        ("share_turnout", lambda f: _share_turnout(f, analysis, labels, language)),
        ("votes_turnout", lambda f: _votes_turnout(f, analysis, labels, language)),
        ("turnout", lambda f: _histogram(f, analysis, labels, language, "turnout")),
        ("share", lambda f: _histogram(f, analysis, labels, language, "share")),
        ("last_digits", lambda f: _last_digits(f, analysis, labels, language)),
        ("second_digits", lambda f: _second_digits(f, analysis, labels, language)),
        ("ratios", lambda f: _ratios(f, analysis, labels, language)),
    )
    written = []
    path = folder / "forensics.pdf"
    with (
        mpl.rc_context(_STYLE),
        warnings.catch_warnings(),
        PdfPages(path, metadata={"CreationDate": None, "Title": say("title", language)}) as book,
    ):
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        for number, (name, draw) in enumerate(pages, 1):
            figure = Figure(figsize=_SIZE)
            FigureCanvasAgg(figure)
            draw(figure)
            _frame(figure, name, number, labels, language)
            picture = folder / f"{number}-{name.replace('_', '-')}.png"
            figure.savefig(picture, dpi=_DPI, metadata={"Software": None})
            book.savefig(figure)
            written.append(picture)
    return (path, *written)


# --- what every page has ------------------------------------------------------------------


def _frame(figure: Figure, name: str, number: int, labels: Labels, language: Language) -> None:
    heading = say("title", language)
    if name in PAGES:
        heading, read, limits = PAGES[name][language]
        texts = (f"{say('read', language)}: {read}", f"{say('limits', language)}: {limits}")
        body = "\n".join(line for text in texts for line in textwrap.wrap(text, _WRAP))
        figure.text(0.055, 0.165, body, fontsize=9.5, va="top", linespacing=1.35)
    figure.text(0.055, 0.955, heading, fontsize=16, weight="bold", va="top")
    figure.text(0.055, 0.91, f"{labels.contest} · {labels.option}"[:120], fontsize=11, va="top")
    notice = textwrap.fill(NOTICE[language], _WRAP - 12)
    figure.text(0.055, 0.045, notice, fontsize=9.5, weight="bold", color=_ALERT, va="center")
    figure.text(0.97, 0.02, say("page", language, n=number), fontsize=8.5, ha="right")


def _axes(figure: Figure, columns: int = 1) -> list[Axes]:
    grid = figure.add_gridspec(
        1, columns, left=0.095, right=0.95, top=0.85, bottom=0.265, wspace=0.22
    )
    return [figure.add_subplot(grid[0, column]) for column in range(columns)]


def _outcome(analysis: Analysis, test: str) -> Outcome:
    return next(o for o in analysis.outcomes if o.test == test)


def _verdict(outcome: Outcome, language: Language) -> str:
    if outcome.chance is None:
        return say("too_few", language)
    if outcome.lead is None:
        return say("not_judged", language)
    return say("yes" if outcome.lead else "no", language)


def _grouped(value: object, language: Language) -> str:
    """A number as the language writes it; "" for no number."""
    if not isinstance(value, int | float):
        return ""
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    if language == "en":
        return text
    return text.translate({ord(","): "\u202f", ord("."): ","})


def _chance(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.000001" if value < 1e-6 else f"{value:.6f}" if value < 0.001 else f"{value:.3f}"


def _stamp(axes: Axes, outcome: Outcome, language: Language, place: float = 1.0) -> None:
    """Beside a picture: the test's name, its chance and what it amounts to."""
    verdict = f"{_chance(outcome.chance)} ({_verdict(outcome, language)})"
    words = f"{TESTS[outcome.test][language]}: {verdict}"
    axes.text(
        place, 1.02, words, transform=axes.transAxes, ha="right", va="bottom", fontsize=9.5,
        color=_ALERT if outcome.lead else _INK, weight="bold" if outcome.lead else "normal",
    )  # fmt: skip


# --- the pages ----------------------------------------------------------------------------


def _summary(figure: Figure, analysis: Analysis, language: Language) -> None:
    lines = (
        say(
            "looked_at", language, n=_grouped(len(analysis.figures.precinct_ids), language),
            left=analysis.left_out, least=FEWEST_VOTERS,
        ),
        say("more", language, n=len(analysis.more_ballots)),
        say("corner", language, n=len(analysis.corner)),
        say("rate", language, rate=f"{RATE:.0%}".replace("%", " %"), level=f"{LEVEL:.5f}"),
    )  # fmt: skip
    body = "\n".join(part for line in lines for part in textwrap.wrap(line, _WRAP))
    figure.text(0.055, 0.86, body, fontsize=10.5, va="top", linespacing=1.5)
    axes = figure.add_axes((0.055, 0.1, 0.9, 0.6))
    axes.axis("off")
    head = [say(k, language) for k in ("test", "numbers", "found", "usual", "chance", "lead")]
    rows = [
        [
            TESTS[o.test][language],
            _grouped(o.numbers, language),
            *(_grouped(o.detail.get(k), language) for k in ("found", "usual")),
            _chance(o.chance),
            _verdict(o, language),
        ]
        for o in analysis.outcomes
    ]
    table = axes.table(
        [head, *rows], loc="upper left", cellLoc="left", edges="horizontal",
        colWidths=[0.34, 0.1, 0.1, 0.1, 0.18, 0.18],
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(10.5)
    table.scale(1, 2.0)
    for (row, column), cell in table.get_celld().items():
        cell.set_edgecolor(_FAINT)
        if row == 0:
            cell.set_text_props(weight="bold")
            cell.set_height(cell.get_height() * 1.25)
        elif analysis.outcomes[row - 1].lead:
            cell.set_text_props(color=_ALERT, weight="bold" if column in (0, 5) else "normal")


def _share_turnout(figure: Figure, analysis: Analysis, labels: Labels, language: Language) -> None:
    [axes] = _axes(figure)
    turnout, share = 100 * analysis.figures.turnout, 100 * analysis.figures.share
    use = np.isfinite(share)
    if use.sum() >= _MANY:
        image = axes.hist2d(
            turnout[use], share[use], bins=[np.arange(0, 101), np.arange(0, 101)],
            norm=LogNorm(), cmap="viridis",
        )[3]  # fmt: skip
        bar = figure.colorbar(image, ax=axes, pad=0.015)
        bar.set_label(say("precincts", language))
        bar.ax.yaxis.set_major_formatter("{x:g}")
        bar.outline.set_visible(False)
    else:
        axes.scatter(turnout[use], share[use], s=9, color=_BAR, alpha=0.55, linewidths=0)
    edge = 100 * CORNER
    axes.plot([edge, edge, 100], [100, edge, edge], color=_LINE, linewidth=1)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xlabel(say("turnout", language))
    axes.set_ylabel(say("share", language, option=labels.option[:30]))
    _stamp(axes, _outcome(analysis, "share_turnout"), language)


def _votes_turnout(figure: Figure, analysis: Analysis, labels: Labels, language: Language) -> None:
    [axes] = _axes(figure)
    turnout = 100 * analysis.figures.turnout
    edges = np.arange(0, 102) - 0.5
    mine, _ = np.histogram(turnout, bins=edges, weights=analysis.figures.votes)
    rest, _ = np.histogram(
        turnout, bins=edges, weights=analysis.figures.total - analysis.figures.votes
    )
    axes.step(np.arange(0, 101), mine, where="mid", color=_LINE, label=labels.option[:40])
    axes.step(
        np.arange(0, 101), rest, where="mid", color=_BAR, linestyle="--",
        label=say("others", language),
    )  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(say("turnout", language))
    axes.set_ylabel(say("votes_for", language))
    axes.yaxis.set_major_formatter(lambda value, _: _grouped(round(value), language))
    axes.legend(frameon=False, loc="upper left")


def _histogram(
    figure: Figure, analysis: Analysis, labels: Labels, language: Language, what: str
) -> None:
    figures = analysis.figures
    if what == "turnout":
        part, whole = figures.ballots, figures.registered
        label = say("turnout", language)
    else:
        use = figures.total > 0
        part, whole = figures.votes[use], figures.total[use]
        label = say("share", language, option=labels.option[:30])
    [axes] = _axes(figure)
    # In whole numbers of bars, so that a figure on an edge always falls the same way.
    width = BAR if len(part) >= _MANY else 4 * BAR
    steps = round(100 / width)
    bar = (2 * steps * part + whole) // (2 * whole)
    counts = np.bincount(bar, minlength=steps + 1)
    edges = (np.arange(steps + 2) - 0.5) * width
    on_five = np.arange(steps + 1) % round(5 / width) == 0
    axes.stairs(np.where(on_five, 0, counts), edges, fill=True, color=_BAR)
    axes.stairs(np.where(on_five, counts, 0), edges, fill=True, color=_LINE)
    axes.plot(
        np.arange(steps + 1) * width,
        usual_histogram(part, whole, steps),
        color=_INK,
        linewidth=1.1,
        label=say("usual_line", language),
    )
    axes.set_xlabel(label)
    axes.set_ylabel(say("precincts", language))
    axes.set_xticks(np.arange(0, 101, 5))
    axes.set_xlim(-0.5, 100.5)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left")
    kind = "turnout" if what == "turnout" else "share"
    _stamp(axes, _outcome(analysis, f"whole_{kind}"), language, 0.48)
    _stamp(axes, _outcome(analysis, f"fives_{kind}"), language)


def _last_digits(figure: Figure, analysis: Analysis, labels: Labels, language: Language) -> None:
    titles = (say("of_votes", language, option=labels.option[:24]), say("of_ballots", language))
    for axes, test, title in zip(
        _axes(figure, 2), ("last_digit_votes", "last_digit_ballots"), titles, strict=True
    ):
        outcome = _outcome(analysis, test)
        _digits(axes, outcome, say("uniform", language), language)
        axes.set_xlabel(f"{say('digit', language)} ({title})")


def _second_digits(figure: Figure, analysis: Analysis, labels: Labels, language: Language) -> None:
    [axes] = _axes(figure)
    outcome = _outcome(analysis, "second_digit_votes")
    _digits(axes, outcome, say("benford", language), language)
    axes.set_xlabel(
        f"{say('digit', language)} ({say('of_votes', language, option=labels.option[:24])})"
    )


def _digits(axes: Axes, outcome: Outcome, law: str, language: Language) -> None:
    _stamp(axes, outcome, language)
    if outcome.chance is None:
        axes.text(0.5, 0.5, say("too_few", language), transform=axes.transAxes, ha="center")
        axes.axis("off")
        return
    axes.bar(range(10), outcome.detail["digits"], color=_BAR, width=0.7)
    usual = np.array(outcome.detail["usual"])
    spread = np.sqrt(usual * (1 - usual / max(outcome.numbers, 1)))
    axes.errorbar(
        range(10), usual, yerr=2 * spread, color=_INK, marker="_", markersize=16, linestyle="none",
        capsize=3, label=f"{law} ± 2σ",
    )  # fmt: skip
    axes.set_xticks(range(10))
    axes.set_ylim(0, max([*outcome.detail["digits"], *usual]) * 1.28)
    axes.legend(frameon=False, loc="upper right")


def _ratios(figure: Figure, analysis: Analysis, labels: Labels, language: Language) -> None:
    if not analysis.ratios:
        figure.text(0.5, 0.55, say("no_ratios", language), ha="center")
        return
    axes = figure.add_axes((0.31, 0.265, 0.55, 0.56))
    counted = np.maximum(np.array(analysis.counted), 1)
    share = 100 * analysis.breaches.T / counted
    most = max(float(share.max()), 1.0)
    image = axes.imshow(share, cmap="YlOrRd", vmin=0, vmax=most, aspect="auto")
    names = [labels.areas.get(a, a) or say("whole_country", language) for a in analysis.areas]
    axes.set_xticks(range(len(names)), [n[:18] for n in names], rotation=60, ha="left")
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(analysis.ratios)), [r[:38] for r in analysis.ratios])
    axes.tick_params(length=0, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if len(names) <= 30:
        for (column, row), number in np.ndenumerate(analysis.breaches):
            if number:
                dark = share[row, column] > 0.6 * most
                axes.text(
                    column, row, str(number), ha="center", va="center", fontsize=8.5,
                    color="white" if dark else _INK,
                )  # fmt: skip
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label("\n".join(textwrap.wrap(say("breached", language), 34)), fontsize=9)
    bar.outline.set_visible(False)
