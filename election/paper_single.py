"""A paper with one contest: a table of names with the empty square at the right of each.

All options of a contest get rows of the same height and texts of the same size, so the
paper favours none (equality of the vote, NVT-05). What does not fit the front goes on at
the back in the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from election import wording
from election.drawing import Rule, Words, stack
from election.errors import LayoutError
from election.geometry import CONTENT_MARGIN_MM, TARGET_CLEARANCE_MM
from election.model import Contest, ContestOption
from election.page import TARGET_SIZE_MM, Draft, Paper, distinct, ranked, start_page
from election.typeset import CAP_HEIGHT, Line, Style, height_mm, tighten, wrap

#: Sizes of the first, second and further languages at scale 1.
CONTEST_TITLE = (Style(13, bold=True), Style(11), Style(10))
INSTRUCTION = (Style(9.5, bold=True), Style(9.5), Style(9))
NAME = (Style(12, bold=True), Style(11), Style(9.5))
NOTE = Style(8.5)
NUMBER = Style(11, bold=True)
#: Scales tried from the largest: the first that needs only the front is taken.
SCALES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)

#: The target's column, counted from the right edge of the grid.
COLUMNS_FROM_RIGHT = 3
NUMBER_WIDTH_MM = 12.5
CELL_PADDING_MM = 1.0
THIN_MM, THICK_MM = 0.25, 0.5


@dataclass(frozen=True, slots=True)
class _Row:
    """One option ready to place."""

    option: ContestOption
    number: str
    lines: tuple[Line, ...]


def compose_single(paper: Paper, max_pages: int) -> tuple[Draft, ...]:
    """Front and, where needed, back of a paper with one contest.

    Raises:
        LayoutError: it does not fit `max_pages` sides at the smallest type; names the contest.
    """
    best: tuple[Draft, ...] | None = None
    for scale in SCALES:
        drafts = _compose(paper, scale)
        if drafts is not None and len(drafts) == 1:
            return drafts
        if drafts is not None and len(drafts) <= max_pages and best is None:
            best = drafts
    if best is not None:
        return best
    contest = paper.contests[0]
    raise LayoutError(
        f"contest {contest.id!r} with {len(contest.options)} options does not fit "
        f"{max_pages} sides of {paper.election.style(paper.style_id).paper}",
        where=f"style {paper.style_id}",
        advice="Use a longer paper, shorter names or fewer languages",
    )


def _compose(paper: Paper, scale: float) -> tuple[Draft, ...] | None:
    """All sides at this scale, or None where a side has no room for even one option."""
    contest = paper.contests[0]
    column = paper.grid.columns - COLUMNS_FROM_RIGHT
    centre_mm = paper.grid.point(column, 0)[0]
    # The target stands in the middle of its cell.
    cell_left = 2 * centre_mm - (paper.width_mm - CONTENT_MARGIN_MM)
    rows = _rows(paper, contest, scale, cell_left)
    tallest = max(height_mm(row.lines) for row in rows) + 2 * CELL_PADDING_MM
    least = TARGET_SIZE_MM[paper.profile.marks.shape][1] + 2 * TARGET_CLEARANCE_MM
    pitch = max(2, ceil(max(tallest, least) / paper.grid.dy_mm))

    drafts: list[Draft] = []
    waiting = list(rows)
    while waiting:
        draft = start_page(paper, len(drafts) + 1)
        _heading(draft, contest, scale)
        first = paper.row_at_or_below(draft.y_mm + pitch * paper.grid.dy_mm / 2)
        top = paper.grid.point(0, first)[1] - pitch * paper.grid.dy_mm / 2
        room = int((paper.body_bottom_mm - top) / (pitch * paper.grid.dy_mm) + 1e-9)
        if room < 1:
            return None
        _table(draft, contest, waiting[:room], column, first, pitch, cell_left)
        waiting = waiting[room:]
        drafts.append(draft)
    return tuple(drafts)


def _rows(paper: Paper, contest: Contest, scale: float, cell_left: float) -> tuple[_Row, ...]:
    left = paper.text_left_mm + NUMBER_WIDTH_MM
    limit = cell_left - 1.5 - left
    rows: list[_Row] = []
    number = 0
    for option in contest.options:
        where = f"style {paper.style_id}: contest {contest.id}: option {option.id}"
        lines: list[Line] = []
        for rank, text in enumerate(distinct(option.name, paper.languages)):
            lines += wrap(text, ranked(NAME, rank, scale), limit, where)
        if option.note is not None:
            note = " · ".join(distinct(option.note, paper.languages))
            lines += wrap(note, NOTE.scaled(scale), limit, where)
        if option.kind == "choice":
            number += 1
        rows.append(_Row(option, f"{number}." if option.kind == "choice" else "", tuple(lines)))
    return tuple(rows)


def _heading(draft: Draft, contest: Contest, scale: float) -> None:
    """Titles, and on the front also the district and how to mark."""
    paper = draft.paper
    middle = (paper.text_left_mm + paper.text_right_mm) / 2
    limit = paper.text_right_mm - paper.text_left_mm
    where = f"style {paper.style_id}: contest {contest.id}"
    draft.y_mm += 1.0
    for rank, text in enumerate(distinct(contest.title, paper.languages)):
        lines = tighten(text, ranked(CONTEST_TITLE, rank, scale), limit, where)
        draft.put(lines, middle, "centre")
    district = next(d for d in paper.election.districts if d.id == contest.district)
    draft.y_mm += 0.6
    name = " · ".join(distinct(district.name, paper.languages))
    draft.put(wrap(name, Style(9).scaled(scale), limit, where), middle, "centre")
    if draft.page > 1:
        draft.y_mm += 1.5
        return
    draft.y_mm += 1.6
    draft.rule(THIN_MM)
    draft.y_mm += 1.0
    for rank, language in enumerate(paper.languages):
        text = wording.instructions(paper.profile, contest, language)
        draft.put(wrap(text, ranked(INSTRUCTION, rank, scale), limit, where), paper.text_left_mm)
        draft.y_mm += 0.7
    draft.y_mm += 0.6


def _table(
    draft: Draft,
    contest: Contest,
    rows: list[_Row],
    column: int,
    first: int,
    pitch: int,
    cell_left: float,
) -> None:
    """Rows of `pitch` grid rows, their targets on grid rows `first`, `first + pitch`, …"""
    paper = draft.paper
    left, right = CONTENT_MARGIN_MM + 0.3, paper.width_mm - CONTENT_MARGIN_MM - 0.3
    half = pitch * paper.grid.dy_mm / 2
    top = paper.grid.point(0, first)[1] - half
    draft.items.append(Rule(left, top, right, top, THICK_MM))
    number_right = paper.text_left_mm + NUMBER_WIDTH_MM - 3.0
    for place, row in enumerate(rows):
        target = paper.target(contest.id, row.option.id, column, first + place * pitch)
        draft.targets.append(target)
        words, _ = stack(
            row.lines,
            paper.text_left_mm + NUMBER_WIDTH_MM,
            target.y_mm - height_mm(row.lines) / 2,
        )
        draft.items += words
        if row.number:
            baseline = target.y_mm + CAP_HEIGHT * NUMBER.size_mm / 2
            draft.items.append(Words(number_right, baseline, row.number, NUMBER, "right"))
        bottom = target.y_mm + half
        last = place == len(rows) - 1
        draft.items.append(Rule(left, bottom, right, bottom, THICK_MM if last else THIN_MM))
    end = paper.grid.point(0, first + (len(rows) - 1) * pitch)[1] + half
    for x, thickness in (
        (left, THICK_MM),
        (left + NUMBER_WIDTH_MM - 1.5, THIN_MM),
        (cell_left, THIN_MM),
        (right, THICK_MM),
    ):
        draft.items.append(Rule(x, top, x, end, thickness))
    draft.y_mm = end
