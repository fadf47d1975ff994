"""Design a ballot: from a definition and a profile to every place on the paper.

`compose_ballot` decides where everything stands (words, lines, targets) and how many sides
it takes; `design_ballot` keeps what a reader of the paper needs, a `BallotLayout`. Both are
pure: same definition and profile, same places, on every machine, as the fonts come with a
package. Targets sit on whole grid points, keep 1.5 mm white and stay 13 mm off the edges.
"""

from __future__ import annotations

from dataclasses import dataclass

from election.definition import check_election
from election.drawing import Item, Words
from election.errors import LayoutError
from election.geometry import (
    CONTENT_MARGIN_MM,
    TARGET_CLEARANCE_MM,
    code_marks,
    page_grid,
    paper_grid,
    printed_marks,
    timing_marks,
)
from election.layout import BallotLayout, PageLayout
from election.model import Election
from election.page import Draft, Paper
from election.paper_columns import compose_columns
from election.paper_single import compose_single
from election.profile import Profile

__all__ = [
    "MAX_PAGES",
    "ComposedBallot",
    "code_marks",
    "compose_ballot",
    "design_ballot",
    "page_grid",
    "paper_grid",
    "printed_marks",
    "timing_marks",
]

#: A ballot is one sheet: front and back.
MAX_PAGES = 2


@dataclass(frozen=True, slots=True)
class ComposedBallot:
    """A layout and, page by page, what is printed besides marks, targets and codes."""

    layout: BallotLayout
    paper: Paper
    items: tuple[tuple[Item, ...], ...]


def design_ballot(election: Election, profile: Profile, style_id: str) -> BallotLayout:
    """Where everything stands on the papers of one ballot style.

    Raises:
        DefinitionError: the definition contradicts itself or the profile.
        LayoutError: no such style, or it does not fit one sheet; names contest and option.
    """
    return compose_ballot(election, profile, style_id).layout


def compose_ballot(election: Election, profile: Profile, style_id: str) -> ComposedBallot:
    """The layout and everything printed. Raises as `design_ballot`."""
    check_election(election, profile)
    styles = [style.id for style in election.ballot_styles]
    if style_id not in styles:
        raise LayoutError(
            f"the election has no ballot style {style_id!r}",
            where=election.id,
            advice=f"Its styles: {', '.join(styles[:12])}",
        )
    paper = Paper.of(election, profile, style_id)
    compose = compose_single if profile.sheets == "one_contest" else compose_columns
    drafts = compose(paper, MAX_PAGES)
    for draft in drafts:
        _check_room(draft)
    layout = BallotLayout(
        election_id=election.id,
        election_hash=election.hash,
        ballot_style_id=style_id,
        style_index=styles.index(style_id),
        paper=election.style(style_id).paper,
        languages=paper.languages,
        pages=tuple(draft.layout() for draft in drafts),
    )
    return ComposedBallot(layout, paper, tuple(tuple(draft.items) for draft in drafts))


def page_of(layout: BallotLayout, page: int) -> PageLayout:
    """The page of this number.

    Raises:
        LayoutError: the style has no such page.
    """
    for candidate in layout.pages:
        if candidate.page == page:
            return candidate
    raise LayoutError(f"style {layout.ballot_style_id} has no page {page}")


def _check_room(draft: Draft) -> None:
    """Nothing over the margins, over a target's white or over other words."""
    paper = draft.paper
    where = f"style {paper.style_id} page {draft.page}"
    spans = [(item.text, item.span()) for item in draft.items if isinstance(item, Words)]
    low, right, bottom = (
        CONTENT_MARGIN_MM - 0.05,
        paper.width_mm - CONTENT_MARGIN_MM + 0.05,
        paper.height_mm - CONTENT_MARGIN_MM + 0.05,
    )
    for text, (x1, y1, x2, y2) in spans:
        if x1 < low or y1 < low or x2 > right or y2 > bottom:
            raise LayoutError(f"{text!r} runs off the paper", where=where, advice="Shorten it")
        for target in draft.targets:
            half_x = target.width_mm / 2 + TARGET_CLEARANCE_MM - 1e-6
            half_y = target.height_mm / 2 + TARGET_CLEARANCE_MM - 1e-6
            if (
                x2 > target.x_mm - half_x
                and x1 < target.x_mm + half_x
                and y2 > target.y_mm - half_y
                and y1 < target.y_mm + half_y
            ):
                raise LayoutError(
                    f"{text!r} is too near the place to mark {target.option_id!r}",
                    where=f"{where}: contest {target.contest_id}",
                    advice="Shorten it",
                )
