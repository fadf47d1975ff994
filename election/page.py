"""One page while it is being composed: its header, its footer and what has been put on it.

A page has the same frame on every ballot: a kind line and the QR code at the top, titles
beside it, a footer with page and style at the bottom. Bodies (`election.paper_single`,
`election.paper_columns`) fill the part between `body_top_mm` and `body_bottom_mm`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from election import wording
from election.codes import BallotKind
from election.drawing import Item, Rule, Words, stack
from election.errors import LayoutError
from election.geometry import (
    CONTENT_MARGIN_MM,
    QR_QUIET_MODULES,
    QR_SIDE_MM,
    page_grid,
    timing_marks,
)
from election.layout import Box, Grid, PageLayout, Target, TargetShape
from election.model import PAPER_MM, Contest, Election, Text
from election.profile import Profile
from election.typeset import MIN_PT, Line, Style, tighten, width_mm, wrap

#: Modules along the side of the QR symbol (version 3 holds 42 characters at level Q).
QR_MODULES = 29
#: White around the QR symbol, mm.
QR_QUIET_MM = QR_SIDE_MM / QR_MODULES * QR_QUIET_MODULES
#: Left and right end of text, from the page's edge, mm.
TEXT_MARGIN_MM = CONTENT_MARGIN_MM + 0.5
#: Height kept for the footer above the content margin, mm.
FOOTER_MM = 5.5
#: Target box by shape: width, height, outline, mm (square and oval as the profiles ask).
TARGET_SIZE_MM: dict[TargetShape, tuple[float, float, float]] = {
    "square": (5.0, 5.0, 0.35),
    "oval": (5.1, 3.3, 0.25),
    "circle": (4.4, 4.4, 0.3),
}

KIND = Style(11, bold=True)
TITLE = (Style(11.5, bold=True), Style(10), Style(9))
FOOTER = Style(7.5)


def ranked(styles: tuple[Style, ...], rank: int, scale: float = 1.0) -> Style:
    """The style of the first, second, third … language of a paper."""
    return styles[min(rank, len(styles) - 1)].scaled(scale)


def distinct(text: Text, languages: tuple[str, ...]) -> tuple[str, ...]:
    """A text in each language, one that reads the same in two languages only once."""
    return tuple(dict.fromkeys(text[language] for language in languages))


@dataclass(frozen=True, slots=True)
class Paper:
    """What does not change from page to page of one ballot style."""

    election: Election
    profile: Profile
    style_id: str
    width_mm: float
    height_mm: float
    grid: Grid
    languages: tuple[str, ...]
    contests: tuple[Contest, ...]

    @classmethod
    def of(cls, election: Election, profile: Profile, style_id: str) -> Paper:
        """The paper of a ballot style that the election has.

        Raises:
            LayoutError: a paper of a size that is only read, never printed on.
        """
        name = election.style(style_id).paper
        if name not in PAPER_MM:
            raise LayoutError(
                f"paper {name!r} is not printed on",
                where=f"ballot style {style_id}",
                advice=f"Choose one of {', '.join(PAPER_MM)}",
            )
        width, height = PAPER_MM[name]
        return cls(
            election,
            profile,
            style_id,
            width,
            height,
            page_grid(width, height),
            election.style_languages(style_id),
            election.style_contests(style_id),
        )

    @property
    def text_left_mm(self) -> float:
        return TEXT_MARGIN_MM

    @property
    def text_right_mm(self) -> float:
        return self.width_mm - TEXT_MARGIN_MM

    @property
    def body_bottom_mm(self) -> float:
        return self.height_mm - CONTENT_MARGIN_MM - FOOTER_MM

    @property
    def qr(self) -> Box:
        """The QR symbol, without its quiet zone."""
        return Box(
            self.width_mm - CONTENT_MARGIN_MM - QR_SIDE_MM,
            CONTENT_MARGIN_MM,
            QR_SIDE_MM,
            QR_SIDE_MM,
        )

    @property
    def header_right_mm(self) -> float:
        return self.qr.x_mm - QR_QUIET_MM - 1.0

    def row_at_or_below(self, y_mm: float) -> int:
        """The first grid row at or under this height."""
        return max(0, -int(-(y_mm - self.grid.y0_mm) // self.grid.dy_mm))

    def target(self, contest_id: str, option_id: str, column: int, row: int) -> Target:
        """A target of the profile's shape on a grid point."""
        shape = self.profile.marks.shape
        x_mm, y_mm = self.grid.point(column, row)
        width, height, _ = TARGET_SIZE_MM[shape]
        return Target(contest_id, option_id, column, row, x_mm, y_mm, shape, width, height)


@dataclass(slots=True)
class Draft:
    """One page under composition; `y_mm` is where the next thing goes."""

    paper: Paper
    page: int
    y_mm: float = 0.0
    items: list[Item] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def put(
        self,
        lines: tuple[Line, ...],
        x_mm: float,
        align: Literal["left", "centre", "right"] = "left",
    ) -> None:
        """Stack lines at `x_mm` from the current height down."""
        words, self.y_mm = stack(lines, x_mm, self.y_mm, align)
        self.items += words

    def rule(self, thickness_mm: float) -> None:
        """A line across the text's width at the current height."""
        left, right = self.paper.text_left_mm, self.paper.text_right_mm
        self.items.append(Rule(left, self.y_mm, right, self.y_mm, thickness_mm))

    def layout(self) -> PageLayout:
        """The finished page's places."""
        paper = self.paper
        return PageLayout(
            ballot_style_id=paper.style_id,
            page=self.page,
            side="front" if self.page % 2 else "back",
            width_mm=paper.width_mm,
            height_mm=paper.height_mm,
            grid=paper.grid,
            timing_marks=timing_marks(paper.grid),
            targets=tuple(self.targets),
            qr=paper.qr,
        )


def kind_words(paper: Paper, kind: BallotKind) -> Words | None:
    """The line that sets a test or sample ballot apart, in the place kept for it."""
    label = wording.kind_label(kind, paper.languages)
    if not label:
        return None
    baseline = CONTENT_MARGIN_MM + 0.95 * KIND.size_mm
    return Words(paper.header_right_mm, baseline, label, KIND, "right")


def start_page(paper: Paper, page: int) -> Draft:
    """A page with its header: the election's titles, date and the QR code's place."""
    draft = Draft(paper, page, y_mm=CONTENT_MARGIN_MM)
    left, limit = paper.text_left_mm, paper.header_right_mm - paper.text_left_mm
    where = f"style {paper.style_id}: title"
    small = Style(7.5)
    draft.put(wrap(wording.ballot(paper.languages), small, limit * 0.7, where), left)
    draft.y_mm = max(draft.y_mm, CONTENT_MARGIN_MM + KIND.line_mm) + 0.8
    if page == 1:
        for rank, text in enumerate(distinct(paper.election.title, paper.languages)):
            draft.put(tighten(text, ranked(TITLE, rank), limit, where), left)
    else:
        first = paper.election.title[paper.languages[0]]
        draft.put(tighten(first, TITLE[0], limit, where), left)
    dates = dict.fromkeys(
        wording.written_date(paper.election.date, language) for language in paper.languages
    )
    draft.put(wrap(" · ".join(dates), small, limit, where), left)
    draft.y_mm = max(draft.y_mm + 1.2, paper.qr.y_mm + QR_SIDE_MM + QR_QUIET_MM)
    draft.rule(0.5)
    draft.y_mm += 1.2
    return draft


def footer_items(paper: Paper, page: int, count: int, precinct_id: str | None) -> tuple[Words, ...]:
    """Style, precinct, page number and the call to turn over.

    Raises:
        LayoutError: the precinct's name does not fit its place.
    """
    baseline = paper.height_mm - CONTENT_MARGIN_MM - 0.3 * FOOTER.size_mm
    election = paper.election
    left = f"{election.id} · {paper.style_id}"
    middle = (paper.text_left_mm + paper.text_right_mm) / 2
    right = wording.page(page, count, paper.languages)
    where = f"style {paper.style_id}: footer"
    third = (paper.text_right_mm - paper.text_left_mm) / 3 - 2
    words = [Words(paper.text_right_mm, baseline, right, FOOTER, "right")]
    if precinct_id is not None:
        name = election.precinct(precinct_id).name
        shown = name.get(paper.languages[0], precinct_id)
        left = f"{paper.style_id} · {shown}"
    words.append(Words(paper.text_left_mm, baseline, _cut(left, third, where), FOOTER))
    if page < count:
        bold = Style(MIN_PT, bold=True)
        call = "▶ " + wording.turn_over(paper.languages)
        if width_mm(call, bold) > third:
            call = "▶ " + wording.turn_over(paper.languages[:1])
        words.append(Words(middle, baseline, call, bold, "centre"))
    return tuple(words)


def _cut(text: str, limit_mm: float, where: str) -> str:
    """The text on one line; where it is too long, whole words with an ellipsis."""
    lines = wrap(text, FOOTER, limit_mm, where)
    if len(lines) <= 1:
        return text
    kept = lines[0].text.rsplit(" ", 1)[0] if " " in lines[0].text else lines[0].text
    return f"{kept} …"
