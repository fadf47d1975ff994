"""From figures to classes: a clear mark, clearly none, or left to a person, and why.

Rules:

1. Score below `marginal`: no mark; from `definite`: a mark; between: marginal.
2. A fault of paper or scanner that may have made or hidden ink takes the clear class away
   from what it may have changed, and only from that: ink beside a streak or a fold that is
   a mark by itself stays one, and what a streak does not cross is read as ever.
3. Ink whose meaning is open is left to a person: light all over the target (erased,
   highlighted, faint), around it but not in it (a circle), a filled target struck out, one
   stroke through two targets, a blot larger than the target.

4. A calibrated probability that the target was meant (`scanner.probability`) must agree with
   a clear class.

So no rule here turns a clear class into the other: each can only ask for a person.
Sources: VVSG 2.0, 1.1.6-H and -I; NVT-06; SEED-12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from election.layout import PageLayout, Target, TargetShape
from scanner.defects import Line, Streak, beside_line, line_through, two_level
from scanner.measure import Measurement
from scanner.outlines import distance_mm
from scanner.probability import SIDE_INK, probability
from scanner.reading import Flag, MarkClass, Thresholds
from scanner.templates import INSET_MM, PageTemplates, ScaledTemplates
from scanner.windows import cut_out

Gray = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]

#: Kinds of flags raised here; each names a contest and an option, but for the last two.
STREAK = "streak_over_target"
FOLD = "fold_over_target"
BLOT = "blot_over_target"
LIGHT_MARK = "light_mark"
INK_AROUND = "ink_around_target"
STRUCK_OUT = "struck_out"
TWO_TARGETS = "stroke_through_two_targets"
UNCLEAR = "unclear_mark"
PALE_PRINT = "pale_print"
LIGHT_LOST = "light_marks_lost"

#: Codes of classes in arrays: order is clearness.
_NONE, _MARGINAL, _MARK = 0, 1, 2
_CLASSES = (MarkClass.NO_MARK, MarkClass.MARGINAL, MarkClass.MARK)

#: A target is clearly unmarked or marked only up to and from these probabilities.
UNLIKELY, LIKELY = 0.3, 0.6
#: A side this dark belongs to something larger than a mark.
SIDE_BLOT = 0.45
#: Ink of a stroke or line, as a share of the inside: more is a filled target.
STROKE_MOST = 0.5
#: A filled target, as a share of its inside.
FILLED = 0.8
#: Ink beside a streak this near to it may be its blurred edge, mm.
STREAK_EDGE_MM = 0.25
#: Strokes that strike a mark out are looked for at its box's corners: this far from the
#: outline, mm; beyond this share of its half width and height; with this share of ink.
CORNER_MM = (1.15, 2.0)
CORNER_SHARE = 0.5
CORNER_INK = (0.03, 0.4)
#: Light ink over this share of the inside is not a stray shadow.
LIGHT_SHARE = 0.25
#: More of the inside light than dark, by this share of it, is no pen's mark.
FILM_SHARE = 0.4
#: Half the width of what a fold or streak can have darkened, mm.
LINE_HALF_MM = 0.65
#: Targets this many times their own height apart are neighbours a stroke may join.
NEXT_TARGET = 2.4
#: Printed outlines seen less than this, on average of the unmarked targets: pale print;
#: where their exact print is known, and where only their shape is.
OWN_PRINT_SEEN, PRINT_SEEN = 0.99, 0.8
#: Ink of this share of the inside is more than grain; so much in this many targets of a
#: black-and-white scan, or this much in one, is what its limit has left of light marks.
SPECK, LOST_TARGETS, REMAINS = 0.003, 3, 0.015
#: Printed outlines less dark than this, on average of the unmarked targets: the limit of a
#: black-and-white scan lies so low that a pencil's marks can be gone without a trace.
OUTLINE_LEFT = 0.77
#: Targets looked at one by one for lines through them; more than this many at once is
#: one fault of the page, and all of them are left to a person.
MOST_LOOKED_AT = 60


@dataclass(frozen=True, slots=True)
class Judgement:
    """Classes by target, what a person should see, and float32[n] probabilities that each
    target was meant."""

    classes: tuple[MarkClass, ...]
    flags: tuple[Flag, ...]
    probabilities: npt.NDArray[np.float32]


def judge(
    gray: Gray,
    found: Measurement,
    templates: PageTemplates,
    px_per_mm: float,
    thresholds: Thresholds,
    crossed: Sequence[tuple[int, Streak, float]],
    upright: Gray | None = None,
) -> Judgement:
    """Judge all targets of a page.

    Args:
        gray: uint8[h, w], the page as it was measured.
        found: its figures.
        templates: the blank print.
        px_per_mm: of the scan.
        thresholds: score limits.
        crossed: (target, streak, place): streaks over targets, with the px from the
            target's middle to the streak's.
        upright: the page before it was turned straight (default: `gray`).
    """
    layout = templates.layout
    upright = gray if upright is None else upright
    scores, sides = found.scores, found.sides
    codes: Codes = np.where(
        scores >= thresholds.definite, _MARK, np.where(scores >= thresholds.marginal, _MARGINAL, 0)
    ).astype(np.int8)
    reasons: dict[int, tuple[str, str]] = {}
    scaled = templates.at(px_per_mm, px_per_mm)
    page = _Page(gray, found, scaled, px_per_mm, thresholds)
    for index, streak, place in crossed:
        rest = page.beside_streak(index, streak, place)
        codes[index] = _code(rest, thresholds)
        if rest < thresholds.definite:
            reasons[index] = (STREAK, "a streak of the scanner runs over it; clean the glass")
    _lines(page, layout, codes, reasons, skip={i for i, _, _ in crossed})

    # Not known (NaN) is not inked.
    inked = sides >= SIDE_INK
    blot = (sides >= SIDE_BLOT).any(axis=1) & (codes != _NONE)
    struck = (codes == _MARK) & (scores >= FILLED) & inked.all(axis=1)
    for i in np.flatnonzero(struck).tolist():
        struck[i] = page.struck_through(i, layout)
    around = (codes == _NONE) & (inked.sum(axis=1) >= 3)
    # A pen's ink is dark all over; a film of which only some is dark is none.
    film = found.light - scores >= FILM_SHARE
    light = ((codes == _NONE) & (found.light >= LIGHT_SHARE)) | ((codes == _MARK) & film)
    for which, kind, words in (
        (blot, BLOT, "a blot larger than the target lies over it"),
        (struck, STRUCK_OUT, "filled, and struck out or overflowing on all sides"),
        (around, INK_AROUND, "ink around the target, but hardly any in it"),
        (light, LIGHT_MARK, "something light covers it: erased, faint or showing through"),
    ):
        for i in np.flatnonzero(which).tolist():
            codes[i] = _MARGINAL
            reasons.setdefault(i, (kind, words))
    chance = probability(scores, found.light, sides, layout.targets[0].shape)
    for which, words in (
        ((codes == _NONE) & (chance > UNLIKELY), "more ink than an unmarked target has"),
        ((codes == _MARK) & (chance < LIKELY), "ink unlike that of a mark that was meant"),
    ):
        for i in np.flatnonzero(which).tolist():
            codes[i] = _MARGINAL
            reasons.setdefault(i, (UNCLEAR, f"{words} (probability {chance[i]:.2f})"))
    for a, b in _joined(page, layout, codes):
        for i in (a, b):
            codes[i] = _MARGINAL
            reasons.setdefault(i, (TWO_TARGETS, "one stroke runs through two targets"))
    specks, remains = (codes == _NONE) & (scores >= SPECK), (codes == _NONE) & (scores >= REMAINS)
    many = int(np.count_nonzero(specks)) >= LOST_TARGETS
    lost = (many or bool(remains.any())) and two_level(upright)
    if lost:
        codes[specks if many else remains] = _MARGINAL
    flags = [
        Flag(kind, words, layout.targets[i].contest_id, layout.targets[i].option_id)
        for i, (kind, words) in sorted(reasons.items())
    ]
    unmarked = codes == _NONE
    thinned = (
        templates.blank is not None
        and unmarked.any()
        and float(found.outline_dark[unmarked].mean()) < OUTLINE_LEFT
        and two_level(upright)
    )
    if thinned or (lost and many):
        flags.append(
            Flag(
                LIGHT_LOST,
                "a black-and-white scan that has lost thin print or most of some marks; light "
                "marks may be gone. Look at the sheet, and scan in grey or with a lighter limit",
            )
        )
    expected = PRINT_SEEN if templates.blank is None else OWN_PRINT_SEEN
    if unmarked.any() and float(found.outline_seen[unmarked].mean()) < expected:
        flags.append(
            Flag(PALE_PRINT, "the print is pale or broken; marks may be too. Look at the sheet")
        )
    return Judgement(tuple(_CLASSES[c] for c in codes.tolist()), tuple(flags), chance)


def classify(scores: npt.NDArray[np.float32], thresholds: Thresholds) -> tuple[MarkClass, ...]:
    """What scores alone say (rule 1)."""
    return tuple(_CLASSES[_code(score, thresholds)] for score in scores.tolist())


def _code(score: float, thresholds: Thresholds) -> int:
    if score >= thresholds.definite:
        return _MARK
    return _MARGINAL if score >= thresholds.marginal else _NONE


@dataclass(frozen=True, slots=True)
class _Page:
    """What looking closer at single targets needs."""

    gray: Gray
    found: Measurement
    scaled: ScaledTemplates
    px_per_mm: float
    thresholds: Thresholds

    def window(self, index: int) -> Gray:
        """The target's own window, uint8[h, w]."""
        corner = self.found.corner[index : index + 1]
        own: Gray = cut_out(self.gray, corner, self.found.size, 255)[0]
        return own

    def share(self, index: int, among: Bools) -> float:
        """Ink as a share of the inside's pixels that are `among`."""
        own = self.window(index)
        inside = self.scaled.inside_of(index, own.shape) & among
        count = int(np.count_nonzero(inside))
        if count == 0:
            return 0.0
        dark = own < int(self.found.ink_level[index])
        return int(np.count_nonzero(dark & inside)) / count

    def struck_through(self, index: int, layout: PageLayout) -> bool:
        """Whether thin ink leaves a filled target at all four corners of its box.

        A fill that overflows does so along its strokes; a cross over it does so there.
        """
        target = layout.targets[index]
        size = (round(target.width_mm, 3), round(target.height_mm, 3))
        corners = _corners(target.shape, size, self.found.size, round(self.px_per_mm * 8))
        dark = self.window(index).ravel() < int(self.found.ink_level[index])
        shares = [float(np.count_nonzero(dark[at])) / max(at.size, 1) for at in corners]
        return min(shares) >= CORNER_INK[0] and max(shares) <= CORNER_INK[1]

    def beside_streak(self, index: int, streak: Streak, place: float) -> float:
        """The score without the streak's columns (rows)."""
        high, wide = self.found.size
        half = (streak.high_px - streak.low_px) / 2 + STREAK_EDGE_MM * self.px_per_mm
        along = np.arange(wide if streak.vertical else high) - (
            wide // 2 if streak.vertical else high // 2
        )
        clear = np.abs(along - place) > half
        among = np.broadcast_to(clear[None, :] if streak.vertical else clear[:, None], (high, wide))
        return self.share(index, among)


@lru_cache(maxsize=64)
def _corners(
    shape: TargetShape, size_mm: tuple[float, float], size_px: tuple[int, int], eighths: int
) -> tuple[npt.NDArray[np.int64], ...]:
    """Flat places of a window of `size_px` where strokes through a target leave its corners."""
    target = Target("", "", 0, 0, 0, 0, shape, *size_mm)
    y = (np.arange(size_px[0]) - size_px[0] // 2) / (eighths / 8)
    x = (np.arange(size_px[1]) - size_px[1] // 2) / (eighths / 8)
    grid_x, grid_y = np.meshgrid(x, y)
    beyond = distance_mm(target, grid_x, grid_y)
    near = (beyond > CORNER_MM[0]) & (beyond < CORNER_MM[1])
    near &= np.abs(grid_x) > CORNER_SHARE * size_mm[0] / 2
    near &= np.abs(grid_y) > CORNER_SHARE * size_mm[1] / 2
    return tuple(
        np.flatnonzero(near & (grid_x * a > 0) & (grid_y * b > 0))
        for a, b in ((-1, -1), (1, -1), (-1, 1), (1, 1))
    )


def _lines(
    page: _Page,
    layout: PageLayout,
    codes: Codes,
    reasons: dict[int, tuple[str, str]],
    skip: set[int],
) -> None:
    """Thin ink that may be a fold or crease running through a target."""
    found = page.found
    thin = (codes != _NONE) & (found.scores < STROKE_MOST)
    if not thin.any():
        return
    # Not known (NaN) may well be touched.
    thin &= ~(found.sides <= 0.004).all(axis=1)
    which = [i for i in np.flatnonzero(thin).tolist() if i not in skip]
    for number, i in enumerate(which):
        line: Line | None = None
        if number < MOST_LOOKED_AT:
            target = layout.targets[i]
            half_px = (min(target.width_mm, target.height_mm) / 2 - INSET_MM) * page.px_per_mm
            line = line_through(
                page.gray,
                float(found.x_px[i]),
                float(found.y_px[i]),
                float(found.light_level[i]),
                page.px_per_mm,
                half_px,
            )
            if line is None:
                continue
            clear = beside_line(found.size, line, LINE_HALF_MM * page.px_per_mm)
            if page.share(i, clear) >= page.thresholds.definite:
                continue
        codes[i] = _MARGINAL
        reasons[i] = (FOLD, "a line runs through it and far beyond: a fold, crease or scratch")


def _joined(page: _Page, layout: PageLayout, codes: Codes) -> list[tuple[int, int]]:
    """Pairs of neighbouring targets, both thinly marked, with ink all the way between."""
    marked = np.flatnonzero((codes == _MARK) & (page.found.scores < STROKE_MOST)).tolist()
    if not 2 <= len(marked) <= MOST_LOOKED_AT:
        return []
    pairs = []
    for position, a in enumerate(marked):
        for b in marked[position + 1 :]:
            one, two = layout.targets[a], layout.targets[b]
            dx, dy = abs(one.x_mm - two.x_mm), abs(one.y_mm - two.y_mm)
            below = dx < one.width_mm / 2 and dy < NEXT_TARGET * one.height_mm
            across = dy < one.height_mm / 2 and dx < NEXT_TARGET * one.width_mm
            if (below or across) and _ink_between(page, layout, a, b, upright=below):
                pairs.append((a, b))
    return pairs


def _ink_between(page: _Page, layout: PageLayout, a: int, b: int, *, upright: bool) -> bool:
    """Whether every line between two outlines has ink in it."""
    found, ppm = page.found, page.px_per_mm
    gray = page.gray if upright else page.gray.T
    along = found.y_px if upright else found.x_px
    across = found.x_px if upright else found.y_px
    first, last = (a, b) if along[a] < along[b] else (b, a)
    sizes = [
        (t.height_mm, t.width_mm) if upright else (t.width_mm, t.height_mm)
        for t in (layout.targets[first], layout.targets[last])
    ]
    low = round(float(along[first]) + (sizes[0][0] / 2 + 0.3) * ppm)
    high = round(float(along[last]) - (sizes[1][0] / 2 + 0.3) * ppm)
    middle = (float(across[first]) + float(across[last])) / 2
    half = sizes[0][1] / 2 * ppm
    between = gray[max(low, 0) : high, max(0, round(middle - half)) : round(middle + half)]
    if between.shape[0] < 2 or between.shape[1] == 0:
        return False
    dark = (between < float(found.ink_level[a])).any(axis=1)
    return bool(dark.mean() >= 0.95)
