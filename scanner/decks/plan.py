"""Plan a deck: from an election and a seed to marks on sheets. Same input, same deck."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, cycle, islice

import numpy as np

from election.model import WRITE_IN_PREFIX, Contest, Election
from election.profile import Profile
from scanner.decks.model import AREA, LINE, DeckMark, DeckPlan, Fault, Part, PlannedSheet
from scanner.reading import MarkClass
from scanner.synthesis import BALLPOINT, FELT, MARKER, PENCIL, MarkKind, Pen

#: Steps of the ladder, per cent of the target's area: dense where thresholds lie.
LADDER_PERCENT = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100)
#: Under half the lower threshold and over twice the upper one a share of ink is clear: the
#: pen's darkness and the target's own outline move a score by less.
CLEAR_BELOW, CLEAR_ABOVE = 0.5, 2.0
#: VVSG 2.0, 1.1.6-H: a line of a number 2 pencil, 1 mm thick, as dark as it can be made.
VVSG_LINE = replace(PENCIL, width_mm=1.0, darkness=0.75)

_KINDS = (MarkKind.FILL, MarkKind.TICK, MarkKind.CROSS, MarkKind.SCRIBBLE, MarkKind.PARTIAL)
_PENS = (BALLPOINT, PENCIL, FELT, MARKER)
#: A broad marker fills whatever it scribbles.
_TOO_BROAD = frozenset({MarkKind.SCRIBBLE, MarkKind.PARTIAL})
_VOTES = tuple(
    (kind, pen) for pen in _PENS for kind in _KINDS if not (pen is MARKER and kind in _TOO_BROAD)
)
#: Marks at every target that are none: a rested pen, a slip beside it.
_NO_VOTES = (MarkKind.LIGHT_DOT, MarkKind.STRAY)
#: A light dot must stay clear of the lowest threshold.
DOT_SHARE = 0.008


@dataclass(frozen=True, slots=True)
class DeckOptions:
    """What a deck holds: its parts, how often COVER goes through all targets, and how many
    scans of each marked sheet (2 or more test that reading is repeatable)."""

    parts: tuple[Part, ...] = tuple(Part)
    passes: int = 2
    copies: int = 1
    ladder_percent: tuple[int, ...] = LADDER_PERCENT


def plan_deck(
    election: Election, profile: Profile, seed: int, options: DeckOptions | None = None
) -> DeckPlan:
    """The deck of every ballot style of an election.

    Raises:
        ValueError: passes or copies under 1, or a step outside 0 to 100 %.
    """
    wanted = options or DeckOptions()
    if min(wanted.passes, wanted.copies) < 1:
        raise ValueError("passes and copies must be 1 or more")
    if not all(0 <= step <= 100 for step in wanted.ladder_percent):
        raise ValueError("steps of the ladder are per cent, 0 to 100")
    rng = np.random.default_rng([seed, 1])
    drafts: list[PlannedSheet] = []
    for part in Part:
        if part in wanted.parts:
            drafts += _PARTS[part](election, profile, wanted, rng)
    return DeckPlan(seed, tuple(_numbered(drafts, wanted.copies)))


def _numbered(drafts: Sequence[PlannedSheet], copies: int) -> Iterator[PlannedSheet]:
    number = count(1)
    for draft in drafts:
        first = replace(draft, number=next(number))
        yield first
        if draft.fault is None:
            for _ in range(copies - 1):
                yield replace(first, number=next(number), repeats=first.number)


def _sheet(part: Part, style_id: str, marks: Sequence[DeckMark] = ()) -> PlannedSheet:
    return PlannedSheet(0, part, style_id, tuple(marks))


def _vote(contest: Contest, option_id: str, kind: MarkKind, pen: Pen) -> Iterator[DeckMark]:
    """A plain vote; for a write-in line with a name written beside it."""
    yield DeckMark(contest.id, option_id, kind.value, pen)
    if option_id.startswith(WRITE_IN_PREFIX):
        yield _name(contest, option_id, MarkClass.MARK)


def _name(contest: Contest, option_id: str, expected: MarkClass) -> DeckMark:
    return DeckMark(contest.id, option_id, MarkKind.WRITE_IN.value, BALLPOINT, expected)


def _cover(
    election: Election, profile: Profile, options: DeckOptions, rng: np.random.Generator
) -> list[PlannedSheet]:
    """Each option once a pass, one mark a contest; kinds and pens take turns."""
    votes = cycle([_VOTES[i] for i in rng.permutation(len(_VOTES))])
    sheets = []
    for _ in range(options.passes):
        for style in election.ballot_styles:
            contests = election.style_contests(style.id)
            for row in range(max(len(c.option_ids()) for c in contests)):
                marks: list[DeckMark] = []
                for contest in contests:
                    ids = contest.option_ids()
                    # A short contest starts again, so that no sheet leaves a contest out.
                    marks += _vote(contest, ids[row % len(ids)], *next(votes))
                sheets.append(_sheet(Part.COVER, style.id, marks))
    return sheets


def _blank(
    election: Election, profile: Profile, options: DeckOptions, rng: np.random.Generator
) -> list[PlannedSheet]:
    return [_sheet(Part.BLANK, style.id) for style in election.ballot_styles]


def _overvote(
    election: Election, profile: Profile, options: DeckOptions, rng: np.random.Generator
) -> list[PlannedSheet]:
    """Everything marked; then one mark more than each contest allows."""
    sheets = []
    for style in election.ballot_styles:
        contests = election.style_contests(style.id)
        for everything in (True, False):
            marks: list[DeckMark] = []
            for contest in contests:
                ids = contest.option_ids()
                most = len(ids) if everything else allowed(contest, profile) + 1
                chosen = sorted(rng.permutation(len(ids))[:most].tolist())
                for i in chosen:
                    marks += _vote(contest, ids[i], MarkKind.FILL, BALLPOINT)
            sheets.append(_sheet(Part.OVERVOTE, style.id, marks))
    return sheets


def _extraneous(
    election: Election, profile: Profile, options: DeckOptions, rng: np.random.Generator
) -> list[PlannedSheet]:
    """Every target with something that is no vote; write-in names without a mark."""
    sheets = []
    none = MarkClass.NO_MARK
    for style in election.ballot_styles:
        contests = election.style_contests(style.id)
        for kind in _NO_VOTES:
            share = min(DOT_SHARE, CLEAR_BELOW * profile.marks.marginal)
            marks = [
                DeckMark(
                    c.id,
                    o,
                    kind.value,
                    BALLPOINT,
                    none,
                    area_share=share if kind is MarkKind.LIGHT_DOT else None,
                )
                for c in contests
                for o in c.option_ids()
            ]
            sheets.append(_sheet(Part.EXTRANEOUS, style.id, marks))
        names = [
            _name(c, o, none)
            for c in contests
            for o in c.option_ids()
            if o.startswith(WRITE_IN_PREFIX)
        ]
        if names:
            sheets.append(_sheet(Part.EXTRANEOUS, style.id, names))
    return sheets


def _line(
    election: Election, profile: Profile, options: DeckOptions, rng: np.random.Generator
) -> list[PlannedSheet]:
    """The pencil line of VVSG 2.0, 1.1.6-H at each target once, one a contest and sheet."""
    return [
        _sheet(Part.LINE, style.id, marks)
        for style in election.ballot_styles
        for marks in _one_a_contest(
            election.style_contests(style.id),
            lambda c, o: DeckMark(c.id, o, LINE, VVSG_LINE),
        )
    ]


def _one_a_contest(
    contests: Sequence[Contest], mark: Callable[[Contest, str], DeckMark]
) -> Iterator[list[DeckMark]]:
    for row in range(max(len(c.option_ids()) for c in contests)):
        yield [mark(c, c.option_ids()[row % len(c.option_ids())]) for c in contests]


def _ladder(
    election: Election, profile: Profile, options: DeckOptions, rng: np.random.Generator
) -> list[PlannedSheet]:
    """A sheet a step: one target of each contest inked by that share, the target and the
    pen changing from step to step."""
    sheets = []
    for turn, style in enumerate(election.ballot_styles):
        contests = election.style_contests(style.id)
        start = rng.integers(0, 1000, len(contests)).tolist()
        for step, percent in enumerate(options.ladder_percent):
            pen = (BALLPOINT, FELT, PENCIL)[(step + turn) % 3]
            marks = []
            for contest, first in zip(contests, start, strict=True):
                ids = contest.option_ids()
                marks.append(
                    ladder_mark(contest, ids[(first + step) % len(ids)], percent, pen, profile)
                )
            sheets.append(_sheet(Part.LADDER, style.id, marks))
    return sheets


def ladder_mark(
    contest: Contest, option_id: str, percent: int, pen: Pen, profile: Profile
) -> DeckMark:
    """One step of a ladder, with what the profile's thresholds expect of it."""
    share, marks = percent / 100, profile.marks
    expected = MarkClass.MARGINAL
    if share < marks.marginal:
        expected = MarkClass.NO_MARK
    elif share >= marks.definite:
        expected = MarkClass.MARK
    clear = share <= CLEAR_BELOW * marks.marginal or share >= CLEAR_ABOVE * marks.definite
    return DeckMark(contest.id, option_id, AREA, pen, expected, clear, share)


def _orientation(
    election: Election, profile: Profile, options: DeckOptions, rng: np.random.Generator
) -> list[PlannedSheet]:
    sheets = []
    for style in election.ballot_styles:
        for turn in (0, 90, 180, 270):
            marks: list[DeckMark] = []
            for contest in election.style_contests(style.id):
                ids = contest.option_ids()
                kind = _KINDS[int(rng.integers(3))]
                marks += _vote(contest, ids[int(rng.integers(len(ids)))], kind, BALLPOINT)
            sheets.append(replace(_sheet(Part.ORIENTATION, style.id, marks), turn_deg=turn))
    return sheets


def _accuracy(
    election: Election, profile: Profile, options: DeckOptions, rng: np.random.Generator
) -> list[PlannedSheet]:
    """Option k of a contest gets k votes on each style's sheets, k by a seeded order that
    is the contest's own: so totals differ on every style and over all of them."""
    order = {
        c.id: [c.option_ids()[i] for i in rng.permutation(len(c.option_ids()))]
        for c in election.contests
    }
    votes = cycle([_VOTES[i] for i in rng.permutation(len(_VOTES))])
    sheets = []
    for style in election.ballot_styles:
        contests = election.style_contests(style.id)
        piles = [_shared_out(order[c.id], allowed(c, profile)) for c in contests]
        for row in range(max(map(len, piles))):
            marks: list[DeckMark] = []
            for contest, pile in zip(contests, piles, strict=True):
                for option_id in pile[row] if row < len(pile) else ():
                    marks += _vote(contest, option_id, *next(votes))
            sheets.append(_sheet(Part.ACCURACY, style.id, marks))
    return sheets


def _shared_out(order: Sequence[str], per_sheet: int) -> list[tuple[str, ...]]:
    """1, 2, 3, … votes for the options in order, on sheets of up to `per_sheet` of them."""
    left = {option: votes for votes, option in enumerate(order, 1)}
    sheets = []
    while any(left.values()):
        most = sorted((o for o in order if left[o]), key=lambda o: -left[o])
        chosen = tuple(islice(most, per_sheet))
        for option in chosen:
            left[option] -= 1
        sheets.append(chosen)
    return sheets


def _faulty(
    election: Election, profile: Profile, options: DeckOptions, rng: np.random.Generator
) -> list[PlannedSheet]:
    style = election.ballot_styles[0].id
    return [replace(_sheet(Part.FAULTY, style), fault=fault) for fault in Fault]


def allowed(contest: Contest, profile: Profile) -> int:
    """How many options of a contest one sheet may mark under the profile's rule."""
    return 1 if profile.marks.rule == "exactly_one" else contest.votes_allowed


_Builder = Callable[[Election, Profile, DeckOptions, np.random.Generator], list[PlannedSheet]]
_PARTS: dict[Part, _Builder] = {
    Part.COVER: _cover,
    Part.BLANK: _blank,
    Part.OVERVOTE: _overvote,
    Part.EXTRANEOUS: _extraneous,
    Part.LINE: _line,
    Part.LADDER: _ladder,
    Part.ORIENTATION: _orientation,
    Part.ACCURACY: _accuracy,
    Part.FAULTY: _faulty,
}
