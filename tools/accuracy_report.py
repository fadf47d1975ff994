"""The figures of an accuracy run as a page of docs: bounds, tables, and what they mean."""

from __future__ import annotations

import math

from scanner.synthesis import NORMAL, SEVERE, SEVERE_HABITS, Defect
from scanner.synthesis.defects import Span
from scanner.synthesis.voters import BESIDE, NORMAL_HABITS
from tools.accuracy_pages import NORMAL_SECTION, SEVERE_SECTIONS, SQUARES_SECTION, Section, Tally

#: Most of the clear positions of the normal range that may be read marginal.
MOST_MARGINAL = 0.005
#: Wald's sequential test of the 2002 standards, volume I, 3.2.1 (see REQUIREMENTS): so many
#: positions without an error accept p0 = 1e-7 against p1 = 2e-6 at 5 % risks.
SPRT_POSITIONS = 1_549_703


def upper_bound(errors: int, trials: int, confidence: float = 0.95) -> float:
    """One-sided exact (Clopper-Pearson) upper bound of an error rate.

    The rate p at which `errors` or fewer of `trials` would be seen with 1 - `confidence`.
    """
    if trials <= 0 or errors >= trials:
        return 1.0
    low, high = errors / trials, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if _at_most(errors, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(errors: int, trials: int, rate: float) -> float:
    """Binomial distribution function, each term from its logarithm."""
    if rate >= 1.0:
        return 0.0
    if rate <= 0.0:
        return 1.0
    return sum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * math.log(rate)
            + (trials - k) * math.log1p(-rate)
        )
        for k in range(errors + 1)
    )


def clear_read(tally: Tally) -> int:
    """Positions with a clear truth on pages that were not refused."""
    return tally.counts["true mark"] + tally.counts["true no_mark"]


def marginal_rate(tally: Tally) -> float:
    """Share of clear positions that are read marginal."""
    return tally.counts["clear read marginal"] / max(clear_read(tally), 1)


def markdown(tallies: dict[str, Tally], *, seed: int, code: str) -> str:
    """The whole page."""
    lines = [
        "# Accuracy",
        "",
        "Written by `make accuracy` (tools/accuracy.py); do not edit. "
        f"Seed {seed}, code {code}. Any page can be looked at: "
        "`python -m tools.accuracy --show defect-fold:12 fold.png`.",
        "",
        "Pages are printed, marked, worn and scanned by the model in `scanner/synthesis`, and "
        "read by the reader that the device uses. Truth is the voter's intent, never the "
        "pixels. A **silent error** is a clear mark read as none, or the reverse, on a page not "
        "refused and in a contest that nothing sets aside for a person. **Open** marks (circled, "
        "struck out, through two targets, rubbed out by half) have no one right reading: a "
        "person should see them; read without a word they are counted in a column of their own.",
        "",
        "## Normal range",
        "",
    ]
    for section, words in (
        (NORMAL_SECTION, "192 ovals a page, `us-general`, A4, 200 dpi"),
        (SQUARES_SECTION, "any sign in a square, `kz-majilis`, A4, 200 dpi"),
    ):
        if section.name in tallies:
            lines += _normal(tallies[section.name], words)
    lines += ["What a sheet of the normal range goes through:", ""]
    lines += ["| defect | from | to | unit | share of sheets |", "|---|---|---|---|---|"]
    lines += [
        f"| {_words(d.value)} | {s.low:g} | {s.high:g} | {s.unit} | {s.chance:.0%} |"
        for d, s in NORMAL.items()
    ]
    lines += ["", _habits(), ""]
    severe = [s for s in SEVERE_SECTIONS if s.name in tallies]
    if severe:
        lines += _severe(severe, tallies)
    return "\n".join(lines) + "\n"


def _normal(tally: Tally, words: str) -> list[str]:
    counts, clear = tally.counts, clear_read(tally)
    errors = counts["silent errors"]
    passed = errors == 0 and clear >= SPRT_POSITIONS
    rows = [
        ("pages", f"{counts['pages']:,}, {counts['pages refused']:,} of them refused"),
        ("target positions made", f"{counts['positions']:,}"),
        ("clear positions read", f"{clear:,} ({counts['true mark']:,} of them marked)"),
        ("silent errors", f"**{errors:,}**"),
        (
            "95 % bound of their rate (Clopper-Pearson, one-sided)",
            f"{upper_bound(errors, clear):.2e}",
        ),
        (
            "2002 standards, I 3.2.1 (accepts 1e-7 at 1,549,703 positions without an error)",
            "accepted" if passed else ("rejected" if errors else "undecided: too few positions"),
        ),
        ("missed marks / false marks", _both(tally)),
        ("read marginal, of clear positions", f"{marginal_rate(tally):.4%} (at most 0.5 %)"),
        ("positions in contests set aside", f"{counts['set aside'] / counts['positions']:.3%}"),
        (
            "open marks seen by a person / read silently",
            f"{counts['true marginal'] - counts['open read silently']:,} / "
            f"{counts['open read silently']:,}",
        ),
    ]
    return [f"**{words}**", "", "| | |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows), ""]


def _both(tally: Tally) -> str:
    missed = sum(1 for e in tally.silent if e["truth"] == "mark")
    return f"{missed:,} / {len(tally.silent) - missed:,}"


def _habits() -> str:
    beside = ", ".join(f"{_words(k.value)} {v:.2%}" for k, v in BESIDE.items())
    return (
        f"Voters mark {NORMAL_HABITS.votes:.0%} of the contests, {NORMAL_HABITS.overvotes:.0%} of "
        f"these too often; beside their votes they leave, in so many contests: {beside}. Sheets "
        "lie upside down (22 %) or sideways (4 %) in the feeder."
    )


def _severe(sections: list[Section], tallies: dict[str, Tally]) -> list[str]:
    lines = [
        "## Severe ranges",
        "",
        "One severe defect, pen or kind of mark at a time, on sheets that are normal in all "
        "else. Shares are of all positions.",
        "",
        "| what | range | positions | read | set aside | refused | silent errors "
        "| open, read silently | refused as |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for section in sections:
        counts = tallies[section.name].counts
        total = max(counts["positions"], 1)
        reasons = ", ".join(
            f"{key.removeprefix('refused: ')} {value}"
            for key, value in sorted(counts.items())
            if key.startswith("refused: ")
        )
        shares = (f"{counts[key] / total:.1%}" for key in ("read", "set aside", "refused"))
        errors = counts["silent errors"]
        cells = (
            _words(section.name.replace("-", ": ", 1)),
            _range(section),
            f"{counts['positions']:,}",
            *shares,
            f"**{errors:,}**" if errors else "0",
            f"{counts['open read silently']:,}",
            reasons,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _range(section: Section) -> str:
    if section.severe is not None:
        span: Span = SEVERE[Defect(section.severe)]
        return f"{span.low:g} to {span.high:g} {span.unit}"
    if section.name == "mark-erased":
        low, high = SEVERE_HABITS.residue
        return f"{low:.0%} to {high:.0%} of it left"
    if section.name == "mark-light_dot":
        low, high = SEVERE_HABITS.dot_share
        return f"{low:.0%} to {high:.0%} of the target"
    return ""


def _words(name: str) -> str:
    return name.replace("_", " ")
