"""Where everything stands on a paper record: the same places whatever was chosen.

A record has the paper, timing marks, grid and page code of the ballots of its style, so the
scanner fits and knows it like any other page; its page numbers begin at `FIRST_PAGE`, by
which it is told from a hand-marked ballot. Each contest has its title and as many lines as
a voter may make choices; what is not used says so in words. A contest is never broken over
two pages. The record is in one language, the voter's; the option's number, as on the
hand-marked ballot, helps those who recount in another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil

from election import wording
from election.codes import MASKED_LANGUAGES, BallotKind, PageCode, page_code
from election.definition import check_election
from election.drawing import Item, Rule, Words, stack
from election.errors import LayoutError
from election.geometry import CONTENT_MARGIN_MM, QR_SIDE_MM, timing_marks
from election.layout import BallotLayout, Box, PageLayout, Target
from election.model import Contest, Election
from election.page import QR_QUIET_MM, Paper
from election.paper_record.choices import MOST_OPTIONS, lines_of
from election.paper_record.words import word
from election.profile import Profile
from election.typeset import BASELINE, Line, Style, height_mm, tighten, wrap

#: Number of a record's first page in its page code.
FIRST_PAGE = 9
#: A record is one sheet: front and back.
MAX_PAGES = 2
#: Side of the votes code and white about it, mm.
VOTES_SIDE_MM = 24.0
CODE_GAP_MM = 5.0
HEADING = Style(12, bold=True)
ELECTION = Style(9)
SMALL = Style(8)
TITLE = Style(10)
CHOICE = Style(14, bold=True)
FOOTER = Style(7.5)
#: Heights of lines are whole multiples of this, mm: whole pixels at 8 px a mm.
STEP_MM = 0.5
#: White above and below the text of a line, mm.
LINE_PADDING_MM = 0.5
#: Distance of the places that stand for options, mm.
SPREAD_MM = 5.0
#: White between a title and its lines, and after a contest, mm.
TITLE_GAP_MM, CONTEST_GAP_MM = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class Block:
    """One contest on a page: where its title stands and its lines, all of one size."""

    contest_id: str
    title: Box
    lines: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One side. `page` is what the scanner fits it by (its targets: a place for every
    option on the lines of its contest, see `_Composer`)."""

    page: PageLayout
    blocks: tuple[Block, ...]
    votes_code: Box


@dataclass(frozen=True, slots=True)
class RecordLayout:
    """The paper record of one ballot style in one language."""

    election_id: str
    election_hash: str
    ballot_style_id: str
    style_index: int
    paper: str
    language: str
    pages: tuple[RecordPage, ...]


@dataclass(frozen=True, slots=True)
class ComposedRecord:
    """A layout and what is printed whatever was chosen, page by page."""

    layout: RecordLayout
    paper: Paper
    items: tuple[tuple[Item, ...], ...]


def design_record(
    election: Election, profile: Profile, style_id: str, language: str
) -> RecordLayout:
    """Where everything stands on the record of a style in a language.

    Raises:
        DefinitionError: the definition contradicts itself or the profile.
        LayoutError: no such style or language, or it does not fit one sheet.
    """
    return compose_record(election, profile, style_id, language).layout


def compose_record(
    election: Election, profile: Profile, style_id: str, language: str
) -> ComposedRecord:
    """The layout and everything that is always printed. Raises as `design_record`."""
    check_election(election, profile)
    styles = [style.id for style in election.ballot_styles]
    if style_id not in styles:
        raise LayoutError(f"the election has no ballot style {style_id!r}", where=election.id)
    where = f"paper record of style {style_id}"
    if language not in record_languages(election, style_id):
        raise LayoutError(
            f"is not printed in {language!r}",
            where=where,
            advice=f"Choose one of {', '.join(record_languages(election, style_id))}",
        )
    paper = replace(Paper.of(election, profile, style_id), languages=(language,))
    composer = _Composer(paper, language, where)
    for contest in paper.contests:
        composer.add(contest, one_mark=profile.marks.rule == "exactly_one")
    pages, items = composer.finish()
    layout = RecordLayout(
        election_id=election.id,
        election_hash=election.hash,
        ballot_style_id=style_id,
        style_index=styles.index(style_id),
        paper=election.style(style_id).paper,
        language=language,
        pages=pages,
    )
    return ComposedRecord(layout, paper, items)


def record_languages(election: Election, style_id: str) -> tuple[str, ...]:
    """The languages a record can be printed in: those of the style that a page code names."""
    named = election.languages[:MASKED_LANGUAGES]
    return tuple(tag for tag in election.style_languages(style_id) if tag in named)


def record_code(
    election: Election,
    layout: RecordLayout,
    page: int,
    kind: BallotKind,
    precinct_id: str | None,
) -> PageCode:
    """The page code of a record's page: as a ballot's, with the one language it is in."""
    code = page_code(election, layout.ballot_style_id, page, kind, precinct_id)
    return replace(code, languages=1 << election.languages.index(layout.language))


def as_ballot_layout(layout: RecordLayout) -> BallotLayout:
    """The record's pages in the form that the scanner knows of every print."""
    return BallotLayout(
        layout.election_id,
        layout.election_hash,
        layout.ballot_style_id,
        layout.style_index,
        layout.paper,
        (layout.language,),
        tuple(page.page for page in layout.pages),
    )


def numbers_of(contest: Contest) -> dict[str, str]:
    """The number printed before each option ("3."), none for "against all"."""
    numbers: dict[str, str] = {}
    count = 0
    for option in contest.options:
        if option.kind == "choice":
            count += 1
        numbers[option.id] = f"{count}. " if option.kind == "choice" else ""
    return numbers


@lru_cache(maxsize=65536)
def choice_lines(text: str, limit_mm: float, where: str) -> tuple[Line, ...]:
    """A choice's text in lines of at most `limit_mm`."""
    return wrap(text, CHOICE, limit_mm, where)


def texts_of(contest: Contest, language: str) -> dict[str, str]:
    """What each printed option's line says, by option id."""
    numbers = numbers_of(contest)
    return {option.id: numbers[option.id] + option.name[language] for option in contest.options}


def line_height_mm(contest: Contest, language: str, limit_mm: float, where: str) -> float:
    """The height of a contest's lines: that of its longest text (two lines for write-ins)."""
    texts = [*texts_of(contest, language).values(), word("no_choice", language)]
    tallest = max(height_mm(choice_lines(text, limit_mm, where)) for text in texts)
    if contest.write_ins:
        tallest = max(tallest, 2 * CHOICE.line_mm)
    return ceil((tallest + 2 * LINE_PADDING_MM) / STEP_MM) * STEP_MM


def choice_items(lines: tuple[Line, ...], left_mm: float, top_mm: float) -> tuple[Words, ...]:
    """A choice's text in its place."""
    words, _ = stack(lines, left_mm, top_mm + LINE_PADDING_MM)
    return words


class _Composer:
    """Lays contests out one under another, page by page."""

    def __init__(self, paper: Paper, language: str, where: str) -> None:
        self._paper = paper
        self._language = language
        self._where = where
        self._pages: list[RecordPage] = []
        self._items: list[tuple[Item, ...]] = []
        self._y = 0.0
        self._start()

    def add(self, contest: Contest, *, one_mark: bool) -> None:
        """One contest's title and lines, on a new page where this one is full."""
        where = f"{self._where}: contest {contest.id}"
        if len(contest.option_ids()) > MOST_OPTIONS:
            raise LayoutError(f"more than {MOST_OPTIONS} options", where=where)
        left, limit = self._left, self._width
        title = contest.title[self._language]
        if contest.votes_allowed > 1 and not one_mark:
            title += f" ({wording.vote_for(contest.votes_allowed, self._language)})"
        lines = tighten(title, TITLE, limit, where)
        height = line_height_mm(contest, self._language, limit, where)
        count = lines_of(contest, one_mark=one_mark)
        need = height_mm(lines) + TITLE_GAP_MM + count * height
        if self._y + need > self._paper.body_bottom_mm:
            if not self._blocks:
                raise LayoutError(f"{count} lines do not fit one side", where=where)
            self._end()
            self._start()
        words, below = stack(lines, left, self._y)
        self._page_items += words
        box = Box(left, self._y, limit, round(below - self._y, 3))
        first = below + TITLE_GAP_MM
        boxes = tuple(Box(left, round(first + i * height, 3), limit, height) for i in range(count))
        self._blocks.append(Block(contest.id, box, boxes))
        self._targets += self._options(contest, boxes)
        self._y = first + count * height + CONTEST_GAP_MM / 2
        self._page_items.append(Rule(left, self._y, left + limit, self._y, 0.15))
        self._y += CONTEST_GAP_MM / 2

    def finish(self) -> tuple[tuple[RecordPage, ...], tuple[tuple[Item, ...], ...]]:
        """All pages. Raises LayoutError where they are too many."""
        self._end()
        if len(self._pages) > MAX_PAGES:
            raise LayoutError(
                f"takes {len(self._pages)} sides, a sheet has {MAX_PAGES}",
                where=self._where,
                advice="Use a longer paper or fewer contests a style",
            )
        return tuple(self._pages), tuple(self._items)

    @property
    def _left(self) -> float:
        return self._paper.text_left_mm

    @property
    def _width(self) -> float:
        """Text width in whole pixels at 8 px a mm."""
        width = self._paper.text_right_mm - self._paper.text_left_mm
        return int(width / STEP_MM) * STEP_MM

    def _options(self, contest: Contest, lines: tuple[Box, ...]) -> list[Target]:
        """Places that stand for the options, spread over the contest's lines: nothing is
        printed there; who looks at a contest's targets sees its lines."""
        ids, grid = contest.option_ids(), self._paper.grid
        first, last = lines[0], lines[-1]
        step = min(SPREAD_MM, (first.width_mm - SPREAD_MM) / max(1, len(ids) - 1))
        whole = Box(
            first.x_mm,
            first.y_mm,
            first.width_mm,
            last.y_mm + last.height_mm - first.y_mm,
        )
        targets: list[Target] = []
        for place, option_id in enumerate(ids):
            line = lines[place % len(lines)]
            x_mm = line.x_mm + SPREAD_MM / 2 + place * step
            y_mm = line.y_mm + line.height_mm / 2
            targets.append(
                Target(
                    contest.id,
                    option_id,
                    (x_mm - grid.x0_mm) / grid.dx_mm,
                    (y_mm - grid.y0_mm) / grid.dy_mm,
                    x_mm,
                    y_mm,
                    "square",
                    SPREAD_MM,
                    SPREAD_MM,
                    whole if place >= len(contest.options) else None,
                )
            )
        return targets

    def _start(self) -> None:
        self._blocks: list[Block] = []
        self._targets: list[Target] = []
        self._page_items: list[Item] = []
        paper, language = self._paper, self._language
        code = paper.qr
        self._votes = Box(
            code.x_mm - CODE_GAP_MM - VOTES_SIDE_MM, code.y_mm, VOTES_SIDE_MM, VOTES_SIDE_MM
        )
        left, limit = self._left, self._votes.x_mm - QR_QUIET_MM - self._left
        y = CONTENT_MARGIN_MM + HEADING.line_mm * 0.2
        for text, style in (
            (word("record", language), HEADING),
            (paper.election.title[language], ELECTION),
            (wording.written_date(paper.election.date, language), SMALL),
        ):
            words, y = stack(tighten(text, style, limit, self._where), left, y)
            self._page_items += words
        label = word("checks", language)
        baseline = self._votes.y_mm + VOTES_SIDE_MM + QR_QUIET_MM * 0.4 + BASELINE * SMALL.size_mm
        centre = self._votes.x_mm + VOTES_SIDE_MM / 2
        self._page_items.append(Words(centre, baseline, label, Style(7), "centre"))
        self._y = max(y, self._votes.y_mm + VOTES_SIDE_MM + QR_QUIET_MM + SMALL.line_mm) + 1.0
        self._y = max(self._y, code.y_mm + QR_SIDE_MM + QR_QUIET_MM)
        note = wrap(word("counts", language), Style(9.5), self._width, self._where)
        words, self._y = stack(note, left, self._y)
        self._page_items += words
        self._y += 1.0
        self._page_items.append(Rule(left, self._y, left + self._width, self._y, 0.5))
        self._y += 1.5

    def _end(self) -> None:
        paper = self._paper
        number = len(self._pages)
        page = PageLayout(
            ballot_style_id=paper.style_id,
            page=FIRST_PAGE + number,
            side="back" if number % 2 else "front",
            width_mm=paper.width_mm,
            height_mm=paper.height_mm,
            grid=paper.grid,
            timing_marks=timing_marks(paper.grid),
            targets=tuple(self._targets),
            qr=paper.qr,
        )
        self._pages.append(RecordPage(page, tuple(self._blocks), self._votes))
        self._items.append(tuple(self._page_items))
