"""Voters: which marks they leave on a page, with whom, and what was meant.

`random_marks` fills in a page as a pile of ballots is: most contests voted as asked, some
left out, a few overvoted, and now and then a rested pen, a rubbed-out mark, a change of
mind. Shares are stated below; the truth of what comes out is `true_classes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from election.layout import PageLayout
from scanner.synthesis.chance import random_mark, random_pen
from scanner.synthesis.model import BALLPOINT, PENCIL, MarkKind, Pen, TrueMark

#: A circle, a strike-out and a line over two need a pen that is not broader than the room.
_THIN_MM = 0.6
#: From this width on a pen fills a target whatever it does in it.
_BROAD_MM = 1.2


#: What comes beside the votes: chance a contest.
BESIDE: Mapping[MarkKind, float] = MappingProxyType(
    {
        MarkKind.LIGHT_DOT: 0.006,
        MarkKind.ERASED: 0.004,
        MarkKind.STRAY: 0.006,
        MarkKind.CROSSED_OUT: 0.001,
        MarkKind.CIRCLE: 0.001,
        MarkKind.THROUGH: 0.0005,
    }
)


@dataclass(frozen=True, slots=True)
class Habits:
    """How often, of all contests on a page, voters do what.

    `votes` of them are voted in at all, `overvotes` more than allowed; `tick_out` is the
    share of ticks that stray among all marks; `beside` the extraneous and the open marks;
    `dot_share` and `residue` the range of what a rested pen and a rubber leave.
    """

    votes: float = 0.88
    overvotes: float = 0.01
    tick_out: float = 0.05
    dot_share: tuple[float, float] = (0.003, 0.01)
    residue: tuple[float, float] = (0.06, 0.18)
    beside: Mapping[MarkKind, float] = field(default_factory=lambda: BESIDE)


#: The documented normal range: four contests in a thousand hold a rubbed-out mark, and so on.
NORMAL_HABITS = Habits()
#: Heavier hands: dots up to a pen's whole tip, rubbers that leave up to a good third.
SEVERE_HABITS = Habits(dot_share=(0.01, 0.03), residue=(0.18, 0.40), beside=MappingProxyType({}))


def random_marks(
    rng: np.random.Generator,
    layout: PageLayout,
    allowed: Mapping[str, int],
    *,
    any_stroke: bool,
    habits: Habits = NORMAL_HABITS,
    pen: Pen | None = None,
    kind: MarkKind | None = None,
) -> list[TrueMark]:
    """The marks of one voter on one page.

    Args:
        rng: source of all chance.
        layout: the page.
        allowed: votes allowed by contest id.
        any_stroke: the profile's rule, see `random_mark`.
        habits: how often what is done.
        pen: everything with this pen (default: one pen a voter, by `random_pen`).
        kind: only this kind of mark (default: as people mark).
    """
    own = pen or random_pen(rng)
    marks: list[TrueMark] = []
    for contest_id, options in _contests(layout).items():
        most = min(allowed[contest_id], len(options))
        count = 0
        if rng.random() < habits.votes:
            count = int(rng.integers(1, most + 1))
            if rng.random() < habits.overvotes and len(options) > most:
                count = most + 1
        order = [options[i] for i in rng.permutation(len(options))]
        marks += [
            _vote(rng, contest_id, option, own, any_stroke, habits)
            if kind is None
            else _of_kind(rng, contest_id, options, option, kind, own, habits)
            for option in order[:count]
        ]
        for beside, chance in habits.beside.items():
            if rng.random() < chance and len(order) > count + 1:
                option = order[count]
                marks.append(_of_kind(rng, contest_id, options, option, beside, own, habits))
    return marks


def _contests(layout: PageLayout) -> dict[str, list[str]]:
    """Option ids by contest, in printed order."""
    found: dict[str, list[str]] = {}
    for target in layout.targets:
        found.setdefault(target.contest_id, []).append(target.option_id)
    return found


def _vote(
    rng: np.random.Generator,
    contest_id: str,
    option_id: str,
    pen: Pen,
    any_stroke: bool,
    habits: Habits,
) -> TrueMark:
    mark = random_mark(rng, contest_id, option_id, any_stroke=any_stroke)
    kind = MarkKind.TICK_OUT if rng.random() < habits.tick_out else mark.kind
    if pen.width_mm > _BROAD_MM:
        kind = MarkKind.FILL  # a broad pen fills whatever it draws
    return replace(mark, kind=kind, pen=pen)


def _of_kind(
    rng: np.random.Generator,
    contest_id: str,
    options: list[str],
    option_id: str,
    kind: MarkKind,
    pen: Pen,
    habits: Habits,
) -> TrueMark:
    """A mark of a stated kind at an option."""
    if kind is MarkKind.ERASED:  # only graphite can be rubbed out
        residue = float(rng.uniform(*habits.residue))
        return TrueMark(contest_id, option_id, kind, PENCIL, residue=residue)
    if kind is MarkKind.LIGHT_DOT:
        share = float(rng.uniform(*habits.dot_share))
        return TrueMark(contest_id, option_id, kind, pen, area_share=share)
    if kind is MarkKind.THROUGH:
        place = options.index(option_id)
        other = options[place + 1] if place + 1 < len(options) else options[place - 1]
        return TrueMark(contest_id, option_id, kind, _thin(pen), to_option_id=other)
    thin = kind in (MarkKind.CIRCLE, MarkKind.CROSSED_OUT, MarkKind.STRAY, MarkKind.SCRIBBLE)
    return TrueMark(contest_id, option_id, kind, _thin(pen) if thin else pen)


def _thin(pen: Pen) -> Pen:
    return pen if pen.width_mm <= _THIN_MM else replace(BALLPOINT, wobble_mm=pen.wobble_mm)
