"""Who votes how in the demo: every sheet, every mark, and what should come of it.

Pure and seeded. The plan is the truth that the count is held against, so nothing of the
scanner or the device is used here: what each sheet should count for is written down
before it is drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from election.model import WRITE_IN_PREFIX, BallotStyle, Contest, Election
from election.profile import Profile
from scanner.synthesis import MarkKind, TrueMark, random_mark

#: A dash of this share of the whole target, over the middle of the profile's marginal band,
#: is seen there: a score counts ink on the inside of the outline only, and a line's soft edge.
SEEN_OF_DRAWN = 0.6
#: A band at least this wide (definite over marginal) can be hit by a pen with certainty.
WIDE_BAND = 2.0

#: Fewest voters a precinct may have: each story needs a sheet of its own.
LEAST_VOTERS = 12


class Story(StrEnum):
    """What is special about a sheet."""

    PLAIN = "plain"
    #: Its only mark is so faint that a person must look.
    FAINT = "faint mark"
    #: A name written in beside an oval left empty.
    WRITTEN_IN = "name written in, oval empty"
    #: A clear mark and a hesitant one beside it.
    HESITANT = "hesitant second mark"
    OVERVOTE = "overvote"
    BLANK = "no mark"
    #: Coffee on the QR code: the code in the edge marks still tells what sheet it is.
    STAINED_CODE = "stained QR code"
    #: A corner is gone: to be refused, its voter gets another paper.
    TORN = "torn"


@dataclass(frozen=True, slots=True)
class PlannedSheet:
    """One sheet of paper.

    `meant` is what the voter meant by contest, options in the contest's order: what people
    see who look at the paper. `number` is its place in the precinct's pile, from 1.
    """

    precinct_id: str
    style_id: str
    number: int
    story: Story
    marks: tuple[TrueMark, ...]
    meant: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def name(self) -> str:
        """Name of its scan without side and suffix."""
        return f"sheet-{self.number:04d}"

    @property
    def counted(self) -> bool:
        """Should the device take it?"""
        return self.story is not Story.TORN


@dataclass(frozen=True, slots=True)
class Plan:
    """All sheets, the seed that they came from, and the slip planted in the hand count."""

    seed: int
    precincts: tuple[str, ...]
    sheets: tuple[PlannedSheet, ...]
    planted: PlantedDifference

    def pile(self, precinct_id: str) -> tuple[PlannedSheet, ...]:
        """One precinct's sheets in the order of feeding."""
        return tuple(s for s in self.sheets if s.precinct_id == precinct_id)


@dataclass(frozen=True, slots=True)
class PlantedDifference:
    """The hand count is made to have `size` votes fewer than there are."""

    precinct_id: str
    contest_id: str
    option_id: str
    size: int


def plan_night(
    election: Election,
    profile: Profile,
    *,
    seed: int,
    voters: int,
    precincts: int = 3,
    size: int = 3,
) -> Plan:
    """Plan an election night for the first `precincts` precincts.

    Each voter gets every paper of the precinct (profiles with one contest a sheet) or one
    style drawn by chance. The planted difference lies in a precinct where no sheet waits
    for a person, so that nothing but itself explains it.

    Raises:
        ValueError: fewer than `LEAST_VOTERS` voters.
    """
    if voters < LEAST_VOTERS:
        raise ValueError(f"a precinct needs at least {LEAST_VOTERS} voters, not {voters}")
    ids = tuple(p.id for p in election.precincts[:precincts])
    sheets: list[PlannedSheet] = []
    planted_in = ids[1 % len(ids)]
    for index, precinct_id in enumerate(ids):
        rng = np.random.default_rng([seed, index])
        drawer = _Drawer(election, profile, precinct_id, rng)
        stories = _stories(profile, index, waits=precinct_id != planted_in)
        sheets += drawer.pile(voters, stories)
    contest_id, option_id, votes = _strongest(election, planted_in, sheets)
    # In a very small precinct even the strongest may have fewer votes than the slip is to lose.
    slip = PlantedDifference(planted_in, contest_id, option_id, min(size, votes))
    return Plan(seed, ids, tuple(sheets), slip)


def _stories(profile: Profile, index: int, *, waits: bool) -> list[Story]:
    """The special sheets of a precinct; one overvote and one torn sheet in all.

    `waits`: may sheets of it wait for a person?
    """
    stories = [Story.BLANK]
    if index == 0:
        stories += [Story.OVERVOTE, Story.TORN, Story.STAINED_CODE]
    if waits and profile.marks.definite >= WIDE_BAND * profile.marks.marginal:
        stories += [Story.FAINT, Story.HESITANT, Story.HESITANT]
    elif waits and profile.marks.write_ins:
        stories += [Story.WRITTEN_IN, Story.WRITTEN_IN]
    return stories


def _strongest(
    election: Election, precinct_id: str, sheets: Iterable[PlannedSheet]
) -> tuple[str, str, int]:
    """The party or candidate with most votes in the precinct's first contest, and how many."""
    contest_id = election.precinct_styles(precinct_id)[0].contests[0]
    running = [o.id for o in election.contest(contest_id).options if o.kind == "choice"]
    votes = Counter(
        option
        for sheet in sheets
        if sheet.precinct_id == precinct_id
        for contest, options in sheet.meant
        if contest == contest_id
        for option in options
    )
    strongest = max(running, key=lambda option: votes[option])
    return contest_id, strongest, votes[strongest]


class _Drawer:
    """Draws one precinct's voters."""

    def __init__(
        self, election: Election, profile: Profile, precinct_id: str, rng: np.random.Generator
    ) -> None:
        self._election = election
        self._profile = profile
        self._precinct_id = precinct_id
        self._rng = rng
        self._styles = election.precinct_styles(precinct_id)
        self._taste = {
            contest.id: rng.dirichlet(np.full(len(_printed(contest)), 1.4))
            for style in self._styles
            for contest in election.style_contests(style.id)
        }

    def pile(self, voters: int, stories: Sequence[Story]) -> list[PlannedSheet]:
        papers: list[tuple[BallotStyle, Story]] = []
        for _ in range(voters):
            if self._profile.sheets == "one_contest":
                papers += [(style, Story.PLAIN) for style in self._styles]
            else:
                papers.append((self._styles[self._rng.integers(len(self._styles))], Story.PLAIN))
        order = self._rng.permutation(len(papers))
        papers = [papers[i] for i in order]
        places = self._rng.choice(len(papers), size=len(stories), replace=False)
        for place, story in zip(places, stories, strict=True):
            papers[place] = (papers[place][0], story)
        # Whoever's paper is refused gets a new one.
        papers += [(style, Story.PLAIN) for style, story in papers if story is Story.TORN]
        return [self._sheet(n, style, story) for n, (style, story) in enumerate(papers, 1)]

    def _sheet(self, number: int, style: BallotStyle, story: Story) -> PlannedSheet:
        contests = self._election.style_contests(style.id)
        able = [c for c in contests if c.write_ins or story is not Story.WRITTEN_IN]
        if not able:
            story = Story.PLAIN
        marks: list[TrueMark] = []
        meant: list[tuple[str, tuple[str, ...]]] = []
        for contest in contests:
            special = able and contest is able[0]
            made, options = self._contest(contest, story if special else Story.PLAIN)
            if story is Story.BLANK:
                made, options = [], ()
            marks += made
            meant.append((contest.id, options))
        return PlannedSheet(self._precinct_id, style.id, number, story, tuple(marks), tuple(meant))

    def _contest(self, contest: Contest, story: Story) -> tuple[list[TrueMark], tuple[str, ...]]:
        rng, options = self._rng, _printed(contest)
        most = min(contest.votes_allowed, len(options))
        if story is Story.OVERVOTE and len(options) > most:
            wanted = most + 1
        elif story in (Story.FAINT, Story.HESITANT) or self._profile.marks.rule == "exactly_one":
            wanted = 1
        else:
            # Most voters use all their votes; some leave one or all.
            wanted = max(0, most - int(rng.choice(3, p=(0.8, 0.14, 0.06))))
        picked = rng.choice(len(options), size=wanted, replace=False, p=self._taste[contest.id])
        chosen = tuple(option for i, option in enumerate(options) if i in set(picked.tolist()))
        if story is Story.WRITTEN_IN:
            line = f"{WRITE_IN_PREFIX}0"
            return [TrueMark(contest.id, line, MarkKind.WRITE_IN)], (line,)
        if story is Story.FAINT:
            return [self._faint(contest.id, chosen[0])], chosen
        marks = [self._mark(contest.id, option) for option in chosen]
        left = [option for option in options if option not in chosen]
        if story is Story.HESITANT and left:
            marks.append(self._faint(contest.id, left[int(rng.integers(len(left)))]))
        elif left and rng.random() < 0.03:
            # A pen that rested, a line beside the target: no mark to anyone.
            kind = MarkKind.LIGHT_DOT if rng.random() < 0.5 else MarkKind.STRAY
            marks.append(TrueMark(contest.id, left[int(rng.integers(len(left)))], kind))
        return marks, chosen

    def _mark(self, contest_id: str, option_id: str) -> TrueMark:
        any_stroke = self._profile.marks.any_stroke
        return random_mark(self._rng, contest_id, option_id, any_stroke=any_stroke)

    def _faint(self, contest_id: str, option_id: str) -> TrueMark:
        marks = self._profile.marks
        share = SEEN_OF_DRAWN * (marks.marginal + marks.definite) / 2
        return TrueMark(contest_id, option_id, MarkKind.MARGINAL, area_share=share)


def _printed(contest: Contest) -> list[str]:
    return [o for o in contest.option_ids() if not o.startswith(WRITE_IN_PREFIX)]
