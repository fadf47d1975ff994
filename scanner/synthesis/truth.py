"""The truth of a page: the class that a careful reader must give each of its targets.

Built from the marks alone, never from pixels. MARK and NO_MARK are clear: reading one as
the other without a word is a silent error. MARGINAL is open by nature (see `EXPECTED`): a
person must get to see it, so no class alone is right or wrong, only silence is.
"""

from __future__ import annotations

from collections.abc import Sequence

from election.layout import PageLayout
from scanner.reading import MarkClass
from scanner.synthesis.model import MarkKind, SynthesisError, TrueMark

_ORDER = (MarkClass.NO_MARK, MarkClass.MARGINAL, MarkClass.MARK)


def true_classes(layout: PageLayout, marks: Sequence[TrueMark]) -> tuple[MarkClass, ...]:
    """The true class of every target of a page, parallel to `layout.targets`.

    Several marks at one target: the clearest holds, but a target struck out stays open
    whatever else is in it. A line through two targets leaves both open.

    Raises:
        SynthesisError: a mark for a target that is not on this page.
    """
    places: dict[tuple[str, str], int] = {}
    for index, target in enumerate(layout.targets):
        places.setdefault((target.contest_id, target.option_id), index)
    classes = [MarkClass.NO_MARK] * len(layout.targets)
    struck: set[int] = set()
    for mark in marks:
        touched = [_place(places, layout, mark, mark.option_id)]
        if mark.target_index is not None:
            touched = [mark.target_index]
        if mark.kind is MarkKind.THROUGH and mark.to_option_id is not None:
            touched.append(_place(places, layout, mark, mark.to_option_id))
        for index in touched:
            classes[index] = max(classes[index], mark.truth, key=_ORDER.index)
            if mark.kind is MarkKind.CROSSED_OUT and mark.truth is MarkClass.MARGINAL:
                struck.add(index)
    return tuple(
        MarkClass.MARGINAL if index in struck else found for index, found in enumerate(classes)
    )


def _place(
    places: dict[tuple[str, str], int], layout: PageLayout, mark: TrueMark, option_id: str
) -> int:
    index = places.get((mark.contest_id, option_id))
    if index is None:
        raise SynthesisError(
            f"page {layout.page} of style {layout.ballot_style_id!r} has no target for "
            f"{mark.contest_id!r}/{option_id!r}"
        )
    return index
