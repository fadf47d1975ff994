"""A paper with many contests: columns of boxed contests, the shape to fill left of each name.

A contest is never broken over two columns or sides (voters overlook what follows a break).
What does not fit the front goes on at the back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from math import ceil

from election import wording
from election.drawing import FilledShape, Item, Rule, stack
from election.errors import LayoutError
from election.geometry import CONTENT_MARGIN_MM, TARGET_CLEARANCE_MM
from election.layout import Box, Target
from election.model import WRITE_IN_PREFIX, Contest, ContestOption
from election.page import TARGET_SIZE_MM, Draft, Paper, distinct, ranked, start_page
from election.typeset import BASELINE, CAP_HEIGHT, Line, Style, height_mm, width_mm, wrap

CONTEST_TITLE = (Style(10.5, bold=True), Style(9.5, bold=True), Style(9))
DISTRICT = Style(8)
VOTE_FOR = (Style(9, bold=True), Style(9), Style(8.5))
NAME = (Style(10.5, bold=True), Style(10), Style(9))
NOTE = Style(8)
INSTRUCTION = (Style(9, bold=True), Style(9), Style(8.5))
WRITE_IN_LABEL = Style(7)

#: Kept between the box of one contest and the next, mm.
GAP_MM = 2.0
#: White between a box's border and what stands in it, mm (at least the target's clearance).
PADDING_MM = 1.8
BORDER_MM = 0.25
HEAD_BORDER_MM = 0.9
#: A written name needs a line this far over its rule, mm; grid rows that a line takes.
WRITE_IN_HEIGHT_MM = 6.6
WRITE_IN_ROWS = 2
#: Tried in this order: sides, then scale, then columns.
COLUMNS = (3, 2)
#: Only where nothing else holds all contests: many short names, as on a test deck.
NARROW_COLUMNS = (4, 5, 6)
ATTEMPTS: tuple[tuple[int, float], ...] = (
    (1, 1.0),
    (1, 0.92),
    (2, 1.0),
    (2, 0.92),
    (2, 0.85),
    (2, 0.78),
    (2, 0.7),
)


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of boxes: its borders, mm, and the grid column of its targets."""

    left_mm: float
    right_mm: float
    grid_column: int
    text_left_mm: float


@dataclass(slots=True)
class _Placed:
    """A contest set at one place: what it draws, its targets and where it ends."""

    items: list[Item] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    bottom_mm: float = 0.0


def compose_columns(paper: Paper, max_pages: int) -> tuple[Draft, ...]:
    """Front and, where needed, back of a paper with many contests.

    Raises:
        LayoutError: it does not fit `max_pages` sides at the smallest type; names the contest.
    """
    stuck: LayoutError | None = None
    for (pages, scale), columns in (
        *product(ATTEMPTS, COLUMNS),
        *product(ATTEMPTS[-len(NARROW_COLUMNS) :], NARROW_COLUMNS),
    ):
        try:
            return _compose(paper, min(pages, max_pages), scale, columns)
        except LayoutError as error:
            stuck = error
    raise stuck or LayoutError("no way of setting the ballot was tried")


def _compose(paper: Paper, pages: int, scale: float, count: int) -> tuple[Draft, ...]:
    columns = _columns(paper, count)
    drafts: list[Draft] = []
    rest = paper.contests
    while rest:
        if len(drafts) == pages:
            raise LayoutError(
                f"contest {rest[0].id!r} does not fit {pages} side{'s' * (pages > 1)} "
                f"of {paper.election.style(paper.style_id).paper}",
                where=f"style {paper.style_id}",
                advice="Use a longer paper, shorter texts or fewer languages",
            )
        draft = _start(paper, len(drafts) + 1, scale)
        placed = _fill(paper, rest, columns, draft.y_mm, paper.body_bottom_mm, scale)
        if len(placed) == len(rest):
            placed = _balanced(paper, rest, columns, draft.y_mm, scale)
        for contest in placed:
            draft.items += contest.items
            draft.targets += contest.targets
        rest = rest[len(placed) :]
        drafts.append(draft)
    return tuple(drafts)


def _fill(
    paper: Paper,
    contests: tuple[Contest, ...],
    columns: tuple[_Column, ...],
    top_mm: float,
    bottom_mm: float,
    scale: float,
) -> list[_Placed]:
    """As many contests, in order, as the columns hold between two heights."""
    done: list[_Placed] = []
    for column in columns:
        y = top_mm
        while len(done) < len(contests):
            placed = _contest(paper, contests[len(done)], column, y, scale)
            if placed.bottom_mm > bottom_mm:
                break
            done.append(placed)
            y = placed.bottom_mm + GAP_MM
    return done


def _balanced(
    paper: Paper,
    contests: tuple[Contest, ...],
    columns: tuple[_Column, ...],
    top_mm: float,
    scale: float,
) -> list[_Placed]:
    """The last side's contests in columns of like height: the shortest that holds them all."""
    bottom = top_mm + paper.grid.dy_mm
    while bottom < paper.body_bottom_mm:
        placed = _fill(paper, contests, columns, top_mm, bottom, scale)
        if len(placed) == len(contests):
            return placed
        bottom += paper.grid.dy_mm
    return _fill(paper, contests, columns, top_mm, paper.body_bottom_mm, scale)


def _columns(paper: Paper, count: int) -> tuple[_Column, ...]:
    """Columns whose targets stand on whole grid columns."""
    shape = paper.profile.marks.shape
    inner = TARGET_SIZE_MM[shape][0] / 2 + max(PADDING_MM, TARGET_CLEARANCE_MM)
    first = ceil((CONTENT_MARGIN_MM + 0.2 + inner - paper.grid.x0_mm) / paper.grid.dx_mm)
    last = paper.grid.columns - 1 - (first - 1)
    places = [first + round(i * (last - first) / count) for i in range(count)]
    lefts = [paper.grid.point(place, 0)[0] - inner for place in places]
    rights = [left - GAP_MM for left in lefts[1:]] + [paper.width_mm - lefts[0]]
    return tuple(
        _Column(left, right, place, left + 2 * inner)
        for left, right, place in zip(lefts, rights, places, strict=True)
    )


def _start(paper: Paper, page: int, scale: float) -> Draft:
    """A page's header and, on the front, how to mark."""
    draft = start_page(paper, page)
    if page == 1:
        limit = paper.text_right_mm - paper.text_left_mm
        where = f"style {paper.style_id}: instructions"
        shape = paper.profile.marks.shape
        width, height, _ = TARGET_SIZE_MM[shape]
        for rank, language in enumerate(paper.languages):
            style = ranked(INSTRUCTION, rank, scale)
            how = wording.instructions(paper.profile, paper.contests[0], language)
            lines = wrap(how, style, limit - width - 3, where)
            if not paper.profile.marks.any_stroke:
                last = lines[-1]
                x_mm = paper.text_left_mm + width_mm(last.text, last.style) + 2 + width / 2
                y_mm = draft.y_mm + height_mm(lines) - last.style.line_mm * 0.5
                draft.items.append(FilledShape(x_mm, y_mm, shape, width * 0.8, height * 0.8))
            draft.put(lines, paper.text_left_mm)
            more = wording.further_instructions(language)
            draft.put(
                wrap(more, ranked(INSTRUCTION[1:], rank, scale), limit, where), paper.text_left_mm
            )
            draft.y_mm += 0.6
        draft.y_mm += 0.6
        draft.rule(0.5)
    draft.y_mm += GAP_MM
    return draft


def _contest(
    paper: Paper, contest: Contest, column: _Column, top_mm: float, scale: float
) -> _Placed:
    """One contest from `top_mm` down."""
    placed = _Placed()
    y = _head(placed, paper, contest, column, top_mm, scale)
    row = paper.row_at_or_below(y + paper.grid.dy_mm / 2)
    for option in contest.options:
        row = _option(placed, paper, contest, option, column, row, scale)
    for line in range(contest.write_ins):
        row = _write_in(placed, paper, contest, line, column, row)
    bottom = paper.grid.point(0, row - 0.5)[1] + 0.6
    left, right = column.left_mm, column.right_mm
    placed.items += [
        Rule(left, top_mm, right, top_mm, HEAD_BORDER_MM),
        Rule(left, bottom, right, bottom, BORDER_MM),
        Rule(left, top_mm, left, bottom, BORDER_MM),
        Rule(right, top_mm, right, bottom, BORDER_MM),
    ]
    placed.bottom_mm = bottom
    return placed


def _head(
    placed: _Placed, paper: Paper, contest: Contest, column: _Column, top_mm: float, scale: float
) -> float:
    """Title, district, how many votes; returns where it ends."""
    left = column.left_mm + PADDING_MM
    limit = column.right_mm - PADDING_MM - left
    where = f"style {paper.style_id}: contest {contest.id}"
    district = next(d for d in paper.election.districts if d.id == contest.district)
    lines: list[Line] = []
    for rank, text in enumerate(distinct(contest.title, paper.languages)):
        # A measure's question is long: only its first line's weight would shout.
        style = ranked(CONTEST_TITLE, rank, scale)
        if contest.kind == "measure" and len(text) > 80:
            style = replace(style, bold=False)
        lines += wrap(text, style, limit, where)
    name = " · ".join(distinct(district.name, paper.languages))
    lines += wrap(name, DISTRICT.scaled(scale), limit, where)
    if contest.kind != "measure":
        votes = dict.fromkeys(wording.vote_for(contest.votes_allowed, x) for x in paper.languages)
        for rank, text in enumerate(votes):
            lines += wrap(text, ranked(VOTE_FOR, rank, scale), limit, where)
    words, y = stack(tuple(lines), left, top_mm + HEAD_BORDER_MM / 2 + 1.0)
    placed.items += words
    y += 1.0
    placed.items.append(Rule(column.left_mm, y, column.right_mm, y, BORDER_MM))
    return y + 0.3


def _option(
    placed: _Placed,
    paper: Paper,
    contest: Contest,
    option: ContestOption,
    column: _Column,
    row: int,
    scale: float,
) -> int:
    """One option with its target on `row`; returns the next free row."""
    where = f"style {paper.style_id}: contest {contest.id}: option {option.id}"
    limit = column.right_mm - PADDING_MM - column.text_left_mm
    lines: list[Line] = []
    for rank, text in enumerate(distinct(option.name, paper.languages)):
        lines += wrap(text, ranked(NAME, rank, scale), limit, where)
    if option.note is not None:
        for text in distinct(option.note, paper.languages):
            lines += wrap(text, NOTE.scaled(scale), limit, where)
    target = paper.target(contest.id, option.id, column.grid_column, row)
    placed.targets.append(target)
    first = lines[0].style
    top = target.y_mm + (CAP_HEIGHT / 2 - BASELINE) * first.size_mm
    words, end = stack(tuple(lines), column.text_left_mm, top)
    placed.items += words
    return paper.row_at_or_below(end + paper.grid.dy_mm / 2 - 0.5)


def _write_in(
    placed: _Placed, paper: Paper, contest: Contest, line: int, column: _Column, row: int
) -> int:
    """One write-in line with its target on `row`; returns the next free row."""
    target = paper.target(contest.id, f"{WRITE_IN_PREFIX}{line}", column.grid_column, row)
    left, right = column.text_left_mm, column.right_mm - PADDING_MM
    rule_y = target.y_mm + 3.6
    area = Box(left, rule_y - 0.3 - WRITE_IN_HEIGHT_MM, right - left, WRITE_IN_HEIGHT_MM)
    placed.targets.append(replace(target, write_in_area=area))
    placed.items.append(Rule(left, rule_y, right, rule_y, BORDER_MM))
    where = f"style {paper.style_id}: contest {contest.id}: write-in"
    label = wrap(wording.write_in(paper.languages), WRITE_IN_LABEL, right - left, where)
    words, _ = stack(label[:1], left, rule_y + 0.3)
    placed.items += words
    return row + WRITE_IN_ROWS
