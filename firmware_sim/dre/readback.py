"""What is recorded is what stands on the paper: the record is read before it is accepted.

The camera under the glass gives the record's sides; the scanner module reads their text as
it would later, in a recount. If the paper says something else than the voter chose, cannot
be read without doubt, or lies half printed, it is refused: it goes to the spoiled ones and
the voter is shown the summary again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from election.model import WRITE_IN_PREFIX, Election
from election.paper_record.choices import Choices
from election.paper_record.design import RecordLayout
from election.profile import Profile
from firmware_sim.reading import SheetReaderLike
from firmware_sim.voter import Question, VoterChoice
from scanner.errors import PageRefusedError, RefusalReason
from scanner.interpretation import interpret
from scanner.reading import MarkClass, PageReading, SheetInterpretation


class ReadBack:
    """A `SheetReaderLike` that also knows what the paper should say.

    `expected` gives the voter's own choices under the rules; None where no voter is there
    to ask (after a cut): then a clear record stands for itself.
    """

    def __init__(
        self, reader: SheetReaderLike, expected: Callable[[], SheetInterpretation | None]
    ) -> None:
        self._reader = reader
        self._expected = expected

    def read_images(self, images: Sequence[bytes]) -> SheetInterpretation:
        """See `SheetReaderLike.read_images`.

        Raises:
            PageRefusedError: unreadable, in doubt, or not what the voter chose.
        """
        sheet = self._reader.read_images(images)
        if sheet.needs_review:
            raise PageRefusedError(
                RefusalReason.PAPER_DIFFERS, "the paper record cannot be read without doubt"
            )
        expected = self._expected()
        if expected is not None and _said(expected) != _said(sheet):
            raise PageRefusedError(
                RefusalReason.PAPER_DIFFERS, "the paper record does not say what was chosen"
            )
        return sheet


class Informed:
    """The voter of a screen device: what there is to look at again stood on the summary."""

    def ask(self, question: Question) -> VoterChoice:
        """Cast: the voter saw it and accepted the record."""
        return VoterChoice.CAST


def _said(sheet: SheetInterpretation) -> object:
    """Precinct, style, kind and choices; which write-in line is which no paper says."""
    return (
        sheet.precinct_id,
        sheet.ballot_style_id,
        sheet.ballot_kind,
        [
            (
                contest.contest_id,
                sorted(o for o in contest.marked if not o.startswith(WRITE_IN_PREFIX)),
                sum(o.startswith(WRITE_IN_PREFIX) for o in contest.marked),
            )
            for contest in sheet.contests
        ],
    )


def as_interpreted(
    election: Election,
    profile: Profile,
    layout: RecordLayout,
    choices: Choices,
    *,
    kind: str,
    precinct_id: str,
) -> SheetInterpretation:
    """The choices under the profile's rules, as a reading without any doubt would be."""
    pages = []
    for record in layout.pages:
        targets = record.page.targets
        marked = [t.option_id in choices.by_contest.get(t.contest_id, ()) for t in targets]
        scores = np.array(marked, np.float32)
        pages.append(
            PageReading(
                layout=record.page,
                precinct_id=precinct_id,
                ballot_kind=kind,
                orientation_deg=0,
                dpi=200.0,
                residual_mm=0.0,
                scores=scores,
                classes=tuple(MarkClass.MARK if m else MarkClass.NO_MARK for m in marked),
                x_px=scores,
                y_px=scores,
                write_in_scores=np.where(scores > 0, np.float32(1), np.float32(0)),
            )
        )
    return interpret(pages, election, profile)
