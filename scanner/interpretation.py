"""From measured marks to votes, by the jurisdiction's rules; nothing doubtful is decided.

Rules of `interpret`:

1. An option's mark is the clearest of its targets: several targets may carry the same
   option, and both of them marked is one vote.
2. `up_to_n`: up to `votes_allowed` options marked count; more is an overvote and none
   of them counts; fewer is an undervote; none is blank.
3. `exactly_one`: none or more than one mark in any contest makes the whole ballot
   invalid (grounds `no_mark`, `more_than_one_mark`; NVT-06, SEED-12).
4. A marginal mark that could change a contest's outcome leaves the contest to a person;
   so does a flag that names the contest, a written-in name beside an unmarked target
   while votes are left, and a contest of which no or not every target was seen.
5. Whatever a person should see sets the sheet aside (`needs_review`): never a silent guess.

Sources: VVSG 2.0, 1.1.6; `election/profiles/*.toml` for each jurisdiction's articles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from election.model import WRITE_IN_PREFIX, Contest, Election
from election.profile import Profile
from scanner.errors import PageRefusedError, RefusalReason, ScannerError
from scanner.reading import (
    ContestReading,
    ContestStatus,
    Flag,
    MarkClass,
    PageReading,
    SheetInterpretation,
)

#: Grounds of an invalid ballot under `exactly_one`; ids of the profile's `invalid_grounds`.
NO_MARK = "no_mark"
MORE_THAN_ONE_MARK = "more_than_one_mark"

#: Kinds of flags that this module raises.
UNMARKED_WRITE_IN = "unmarked_write_in"
CONTEST_NOT_READ = "contest_not_read"
CONTEST_PARTLY_READ = "contest_partly_read"

#: Flags that are worth keeping but ask nobody to look: no mark depends on them.
NOTE_KINDS = frozenset({"note"})


_MARK, _MARGINAL = MarkClass.MARK, MarkClass.MARGINAL
_CLEARNESS = {MarkClass.NO_MARK: 0, MarkClass.MARGINAL: 1, MarkClass.MARK: 2}


class InterpretationError(ScannerError):
    """Readings that do not fit the election definition given with them."""


@dataclass(slots=True)
class _Seen:
    """What all pages of a sheet show of one contest."""

    classes: dict[str, MarkClass] = field(default_factory=dict)
    write_ins: set[str] = field(default_factory=set)

    def lacks(self, options: tuple[str, ...]) -> bool:
        """Whether a target of one of the contest's options was not seen (only they can be)."""
        return len(self.classes) < len(options)


def interpret(
    pages: Sequence[PageReading], election: Election, profile: Profile
) -> SheetInterpretation:
    """One sheet's pages under a jurisdiction's rules.

    Args:
        pages: the readings of one sheet's sides, in any order.
        election: the definition that the sheet was printed from.
        profile: whose mark rules apply.

    Returns:
        the contests of the ballot style in printed order, with votes only where nothing
        is in doubt. `undervotes` and `overvotes` are votes lost (NIST SP 1500-103): for
        every contest that is not left to a person, votes + undervotes + overvotes =
        `votes_allowed`; while one is, all three are empty or 0.

    Raises:
        PageRefusedError: the pages cannot be one sheet (two styles or precincts:
            `two_sheets`; one side twice: `duplicate_side`).
        InterpretationError: no pages, or pages that do not belong to `election`.
    """
    style_id, precinct_id = _one_sheet(pages)
    try:
        contests = election.style_contests(style_id)
    except KeyError as error:
        raise InterpretationError(
            f"ballot style {style_id!r} is not in election {election.id!r}. "
            "Give the definition that the ballots were printed from"
        ) from error
    one_mark = profile.marks.rule == "exactly_one"
    options = {c.id: c.option_ids() for c in contests}
    seen = _collect(pages, options, profile.marks.write_in)
    page_flags = tuple(flag for page in pages for flag in page.flags)
    own_flags = tuple(
        flag
        for c in contests
        if seen[c.id].write_ins or seen[c.id].lacks(options[c.id])
        for flag in _doubts(c, options[c.id], seen[c.id])
    )
    held = {f.contest_id for f in page_flags if f.contest_id and f.kind not in NOTE_KINDS}
    readings = tuple(
        _read_contest(
            contest.id,
            options[contest.id],
            seen[contest.id],
            allowed=1 if one_mark else contest.votes_allowed,
            hold=contest.id in held,
        )
        for contest in contests
    )
    ground = None
    if one_mark:
        readings, ground = _exactly_one(readings)
    flags = (*page_flags, *own_flags)
    return SheetInterpretation(
        ballot_style_id=style_id,
        precinct_id=precinct_id,
        contests=readings,
        valid=ground is None,
        invalid_ground=ground,
        needs_review=any(flag.kind not in NOTE_KINDS for flag in flags)
        or any(r.marginal or r.status is ContestStatus.NEEDS_REVIEW for r in readings),
        flags=flags,
        ballot_kind=pages[0].ballot_kind,
    )


def _one_sheet(pages: Sequence[PageReading]) -> tuple[str, str | None]:
    """The style and precinct all pages agree on."""
    if not pages:
        raise InterpretationError("a sheet without pages cannot be interpreted")
    styles = {page.layout.ballot_style_id for page in pages}
    precincts = {page.precinct_id for page in pages} - {None}
    kinds = {page.ballot_kind for page in pages}
    for what, values in (("styles", styles), ("precincts", precincts), ("kinds", kinds)):
        if len(values) > 1:
            named = ", ".join(sorted(str(v) for v in values))
            raise PageRefusedError(
                RefusalReason.TWO_SHEETS,
                f"sides of different ballot {what} ({named}) came as one sheet. Feed them singly",
            )
    numbers = [page.layout.page for page in pages]
    if len(set(numbers)) < len(numbers):
        twice = ", ".join(str(n) for n in sorted(set(numbers)) if numbers.count(n) > 1)
        raise PageRefusedError(
            RefusalReason.DUPLICATE_SIDE,
            f"the same side came twice in one sheet (page {twice}). If it is one ballot, scan "
            "both of its sides again; if two ballots were taken for one, feed them one by one",
        )
    return styles.pop(), precincts.pop() if precincts else None


def _collect(
    pages: Iterable[PageReading], options: Mapping[str, tuple[str, ...]], least_written: float
) -> dict[str, _Seen]:
    """What the pages show of each contest, given its `options` ids by contest id."""
    seen = {contest_id: _Seen() for contest_id in options}
    known = {contest_id: frozenset(ids) for contest_id, ids in options.items()}
    for page in pages:
        targets = page.layout.targets
        for target, mark in zip(targets, page.classes, strict=True):
            contest = seen.get(target.contest_id)
            if contest is None or target.option_id not in known[target.contest_id]:
                raise InterpretationError(
                    f"layout of style {page.layout.ballot_style_id!r} has a target for "
                    f"{target.contest_id!r}/{target.option_id!r}, which the definition has not. "
                    "Use the layout made with this definition"
                )
            # Rule 1: a mark outweighs a marginal one, a marginal one outweighs none.
            before = contest.classes.get(target.option_id)
            if before is None or _CLEARNESS[mark] > _CLEARNESS[before]:
                contest.classes[target.option_id] = mark
        # NaN (no write-in area) compares false.
        for i in np.flatnonzero(page.write_in_scores >= least_written).tolist():
            seen[targets[i].contest_id].write_ins.add(targets[i].option_id)
    return seen


def _doubts(contest: Contest, options: tuple[str, ...], seen: _Seen) -> Iterable[Flag]:
    """What a person should see in this contest beside marginal marks."""
    missing = [o for o in options if o not in seen.classes]
    if not seen.classes:
        yield Flag(
            CONTEST_NOT_READ,
            "no target of this contest is on the pages given; scan the missing side",
            contest.id,
        )
    elif missing:
        yield Flag(
            CONTEST_PARTLY_READ,
            f"targets not on the pages given: {', '.join(missing)}; scan the missing side",
            contest.id,
        )
    for option_id in options if seen.write_ins else ():
        if _unmarked_write_in(option_id, seen):
            yield Flag(
                UNMARKED_WRITE_IN,
                "something is written in, but its target is not marked",
                contest.id,
                option_id,
            )


def _unmarked_write_in(option_id: str, seen: _Seen) -> bool:
    return (
        option_id.startswith(WRITE_IN_PREFIX)
        and option_id in seen.write_ins
        and seen.classes.get(option_id) is MarkClass.NO_MARK
    )


def _read_contest(
    contest_id: str, options: tuple[str, ...], seen: _Seen, *, allowed: int, hold: bool
) -> ContestReading:
    """Rules 2 and 4 for one contest."""
    marked, marginal = (
        tuple([o for o in options if seen.classes.get(o) is wanted])
        if wanted in seen.classes.values()
        else ()
        for wanted in (_MARK, _MARGINAL)
    )
    incomplete = seen.lacks(options)
    written = bool(seen.write_ins) and any(_unmarked_write_in(o, seen) for o in options)
    overvoted = len(marked) > allowed
    # More marks than allowed stay more, whatever the doubtful ones turn out to be.
    open_marks = bool(marginal or incomplete) and not overvoted
    open_write_in = written and len(marked) < allowed
    if hold or open_marks or open_write_in:
        pending = ContestStatus.NEEDS_REVIEW
        return ContestReading(contest_id, marked, marginal, (), pending, 0, 0)
    if overvoted:
        return ContestReading(contest_id, marked, marginal, (), ContestStatus.OVERVOTE, 0, allowed)
    lost = allowed - len(marked)
    status = ContestStatus.VALID
    if lost:
        status = ContestStatus.UNDERVOTE if marked else ContestStatus.BLANK
    return ContestReading(contest_id, marked, marginal, marked, status, lost, 0)


def _held(reading: ContestReading) -> ContestReading:
    return replace(reading, votes=(), status=ContestStatus.NEEDS_REVIEW, undervotes=0, overvotes=0)


def _exactly_one(
    readings: tuple[ContestReading, ...],
) -> tuple[tuple[ContestReading, ...], str | None]:
    """Rule 3: one contest without exactly one mark voids the whole ballot.

    A contest left to a person may yet void the ballot, so the votes beside it wait too.
    """
    pending = ContestStatus.NEEDS_REVIEW
    ground = None
    for reading in readings:
        if reading.status is pending:
            continue
        if len(reading.marked) > 1:
            ground = MORE_THAN_ONE_MARK
            break
        if not reading.marked:
            ground = ground or NO_MARK
    if ground is not None:
        return tuple(replace(r, votes=()) for r in readings), ground
    if any(r.status is pending for r in readings):
        return tuple(_held(r) for r in readings), None
    return readings, None
