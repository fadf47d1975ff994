"""Print a paper record: the same bytes for the same choices, nothing that tells voters apart.

No number, time or random id is on the paper or in the file: two voters who chose the same
have the same record (NVT-05).
"""

from __future__ import annotations

from collections.abc import Sequence

import segno
from fpdf import FPDF

from election.codes import BallotKind, PageCode
from election.design import page_of
from election.drawing import Item, Words
from election.errors import CodeError, LayoutError
from election.layout import Box
from election.model import WRITE_IN_PREFIX, Contest, Election
from election.page import footer_items, kind_words
from election.paper_record.choices import Choices, check_choices, encode_votes
from election.paper_record.design import (
    CHOICE,
    LINE_PADDING_MM,
    Block,
    RecordLayout,
    RecordPage,
    as_ballot_layout,
    choice_items,
    choice_lines,
    compose_record,
    record_code,
    texts_of,
)
from election.paper_record.words import word
from election.profile import Profile
from election.render import draw_item, draw_marks, draw_modules, new_sheet
from election.typeset import BASELINE, Style, width_mm

#: QR error correction of the votes code: level M repairs a seventh of the symbol.
VOTES_LEVEL = "m"


def render_record(
    election: Election,
    profile: Profile,
    layout: RecordLayout,
    choices: Choices,
    *,
    kind: BallotKind = "official",
    precinct_id: str | None = None,
    code_of: Choices | None = None,
) -> bytes:
    """The PDF of a record, one page a side.

    Args:
        choices: what the lines say.
        code_of: what the votes code says, where a test wants it to lie.

    Raises:
        LayoutError: `layout` is not this election's, or the choices are not the style's.
        CodeError: a precinct that the style is not used in.
    """
    record = compose_record(election, profile, layout.ballot_style_id, layout.language)
    if record.layout != layout:
        raise LayoutError(
            "the layout was not made from this election and profile",
            where=f"paper record of style {layout.ballot_style_id}",
        )
    one_mark = profile.marks.rule == "exactly_one"
    for which in (choices, code_of or choices):
        check_choices(election, layout.ballot_style_id, which, one_mark=one_mark)
    used = election.style(layout.ballot_style_id).precincts
    if precinct_id is not None and precinct_id not in used:
        raise CodeError(
            f"ballot style {layout.ballot_style_id!r} is not used in precinct {precinct_id!r}",
            where=election.id,
        )
    paper = record.paper
    sheet = new_sheet(
        paper.width_mm,
        paper.height_mm,
        date=election.date,
        title=f"{election.id} {layout.ballot_style_id}",
        language=layout.language,
    )
    count = len(layout.pages)
    for number, (page, items) in enumerate(zip(layout.pages, record.items, strict=True), 1):
        sheet.add_page()
        code = record_code(election, layout, page.page.page, kind, precinct_id)
        draw_marks(sheet, page_of(as_ballot_layout(layout), page.page.page), code)
        slots = slots_of(election, page, code_of or choices)
        _draw_votes(sheet, code, slots, page.votes_code)
        label = kind_words(paper, kind)
        footer = footer_items(paper, number, count, precinct_id)
        chosen = _lines(election, layout, page, choices)
        for item in (*items, *chosen, *footer, *((_beside(label, page),) if label else ())):
            draw_item(sheet, item)
    return bytes(sheet.output())


def slots_of(election: Election, page: RecordPage, choices: Choices) -> tuple[int, ...]:
    """What each line of a page says, as in the votes code (0: no choice made)."""
    slots: list[int] = []
    for block in page.blocks:
        contest = election.contest(block.contest_id)
        ids = contest.option_ids()
        chosen = [ids.index(option) + 1 for option in choices.of(contest)]
        slots += [*chosen, *[0] * (len(block.lines) - len(chosen))]
    return tuple(slots)


def _lines(
    election: Election, layout: RecordLayout, page: RecordPage, choices: Choices
) -> Sequence[Item]:
    items: list[Item] = []
    for block in page.blocks:
        contest = election.contest(block.contest_id)
        texts = texts_of(contest, layout.language)
        chosen = choices.of(contest)
        for place, box in enumerate(block.lines):
            if place >= len(chosen):
                items += _said(word("no_choice", layout.language), box)
            elif chosen[place].startswith(WRITE_IN_PREFIX) and chosen[place] not in texts:
                name = choices.written[contest.id, chosen[place]]
                items += _written(contest, layout, block, box, name)
            else:
                items += _said(texts[chosen[place]], box)
    return items


def _said(text: str, box: Box) -> Sequence[Words]:
    return choice_items(choice_lines(text, box.width_mm, text), box.x_mm, box.y_mm)


def _written(
    contest: Contest, layout: RecordLayout, block: Block, box: Box, name: str
) -> Sequence[Item]:
    """The label, and the name on a line of its own under it."""
    label = _said(word("write_in", layout.language), box)
    limit = box.width_mm - 4.0
    size = CHOICE.size_pt
    while width_mm(name, Style(size, bold=True)) > limit and size > CHOICE.size_pt / 2:
        size -= 0.5
    if width_mm(name, Style(size, bold=True)) > limit:
        raise LayoutError(
            "a written-in name is wider than its line",
            where=f"style {layout.ballot_style_id}: contest {contest.id}",
            advice="Shorten it",
        )
    baseline = box.y_mm + LINE_PADDING_MM + CHOICE.line_mm + BASELINE * CHOICE.size_mm
    return [*label, Words(box.x_mm + 4.0, baseline, name, Style(size, bold=True))]


def _beside(label: Words, page: RecordPage) -> Words:
    """The word TEST or SAMPLE: over the votes code's left, where a ballot has its QR symbol."""
    right = page.votes_code.x_mm - 4.0
    return Words(right, label.y_mm + page.votes_code.height_mm, label.text, label.style, "right")


def _draw_votes(sheet: FPDF, code: PageCode, slots: Sequence[int], box: Box) -> None:
    symbol = segno.make_qr(
        encode_votes(code, slots), error=VOTES_LEVEL, boost_error=False, mode="alphanumeric"
    )
    draw_modules(sheet, [[bool(module) for module in row] for row in symbol.matrix], box)
