"""One page of a paper record, fitted and identified, to a reading.

Rules:

1. A line whose text is certain marks that option; one whose text is not (see `compare`)
   leaves the contest to a person, its nearest text as a marginal mark.
2. The votes code is compared with the text, line by line. Where it says something else the
   contest is left to a person (`code_mismatch`); a code made for another page is named for
   the whole sheet; an unreadable one is noted, as the text is what counts.
3. A title that is not the contest's, or a choice that stands there twice, leaves the
   contest to a person; hardly any title where it should be refuses the page.
4. Ink that is not of the printed record (`foreign`) leaves the contest that it stands at, or
   the whole sheet, to a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from election.codes import PageCode
from election.errors import CodeError, ElectionError
from election.layout import Box, PageLayout
from election.model import PAPER_MM, WRITE_IN_PREFIX, Election
from election.paper_record.choices import VOTES_PREFIX, decode_votes
from election.paper_record.design import (
    FIRST_PAGE,
    MAX_PAGES,
    RecordLayout,
    RecordPage,
    design_record,
    record_languages,
)
from election.paper_record.vocabulary import NO_CHOICE, PX_PER_MM, WRITE_IN, Vocabulary, vocabulary
from election.profile import Profile
from scanner.defects import Streak
from scanner.errors import PageRefusedError, RefusalReason
from scanner.paper_record.compare import (
    ALTERED,
    REACH_PX,
    TOO_CLOSE,
    UNKNOWN_TEXT,
    KnownTexts,
    LineReading,
    read_line,
)
from scanner.paper_record.foreign import PrintedPage, find_foreign, title_is_written_over
from scanner.paper_record.lines import as_ink, cut
from scanner.reading import Flag, MarkClass
from scanner.registration import Registration
from scanner.straighten import Turned

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

CODE_MISMATCH = "code_mismatch"
TITLE_UNKNOWN = "title_unknown"
TEXT_TWICE = "text_twice"
FOREIGN_INK = "foreign_ink"
#: Kind of a flag that asks for nobody (see `interpretation.NOTE_KINDS`).
NOTE = "note"

_SAID = {
    UNKNOWN_TEXT: "the line is none of the contest's texts; nearest to {word}",
    TOO_CLOSE: "the line could be {word} or {second}",
    ALTERED: "ink was added to the line or taken from it; nearest to {word}",
}
#: Correlation of a title with its print, at least, and the share of titles that must have it.
TITLE_FIT, TITLES_SHARE = 0.5, 0.5
#: White kept round the votes code when it is cut out, mm.
CODE_ROOM_MM = 2.5
#: Columns beside a streak that are not asked either, px.
STREAK_ROOM_PX = 2
#: Sets of texts that are kept ready.
KEPT = 64


@dataclass(frozen=True, slots=True)
class RecordReading:
    """What a record's page says; arrays run parallel to the layout's targets. `lines` are
    the lines in order, by contest id."""

    scores: Floats
    write_in_scores: Floats
    classes: tuple[MarkClass, ...]
    flags: tuple[Flag, ...]
    lines: tuple[tuple[str, LineReading], ...]


@dataclass(slots=True)
class _Ready:
    """A layout with its texts, prepared when the first record of its kind comes."""

    layout: RecordLayout
    pages: dict[int, Gray]
    printed: dict[int, PrintedPage]
    texts: dict[str, KnownTexts]


@dataclass(slots=True)
class _Marks:
    """Option ids by class, and flags, as they come up."""

    marked: set[tuple[str, str]] = field(default_factory=set)
    marginal: set[tuple[str, str]] = field(default_factory=set)
    flags: list[Flag] = field(default_factory=list)


class RecordReader:
    """Reads the paper records of one election. Texts are drawn when first needed."""

    def __init__(self, election: Election, profile: Profile) -> None:
        self._election = election
        self._profile = profile
        self._layouts = lru_cache(maxsize=None)(self._design)
        self._ready = lru_cache(maxsize=KEPT)(self._prepare)

    def layout_of(self, code: PageCode) -> PageLayout | None:
        """The layout of the page that a page code names; None where there is none."""
        found = self._page(code)
        return None if found is None else found[1].page

    def languages_of(self, style_index: int) -> tuple[int, ...]:
        """The language masks that records of a style can have in their page codes."""
        style = self._election.ballot_styles[style_index]
        if style.paper not in PAPER_MM:
            return ()
        tags = record_languages(self._election, style.id)
        return tuple(1 << self._election.languages.index(tag) for tag in tags)

    def read(
        self,
        page: Turned,
        fit: Registration,
        code: PageCode,
        streaks: Sequence[Streak] = (),
    ) -> RecordReading:
        """Read a page that `code` names.

        Args:
            page: the page as it was fitted.
            fit: its fit.
            code: its page code; `layout_of` knows it.
            streaks: the scanner's, on the upright page.

        Raises:
            PageRefusedError: the print is not where the layout has it.
        """
        found = self._page(code)
        if found is None:
            raise PageRefusedError(RefusalReason.UNKNOWN_STYLE, "no such paper record here")
        layout, record = found
        ready = self._ready(layout.style_index, code.languages)
        marks = _Marks()
        self._check_titles(page.gray, fit, record, ready, marks)
        self._check_ink(page, fit, record, ready, code, streaks, marks)
        lines: list[tuple[str, LineReading]] = []
        for block in record.blocks:
            for box in block.lines:
                ink = as_ink(cut(page.gray, fit, box, REACH_PX), fit.paper)
                hidden = _hidden(page, fit, box, streaks)
                lines.append(
                    (block.contest_id, read_line(ink, ready.texts[block.contest_id], hidden))
                )
        said = self._take(record, lines, marks)
        self._compare_code(page.gray, fit, record, code, said, marks)
        return _as_reading(record, lines, marks)

    # --- inside ----------------------------------------------------------------------

    def _page(self, code: PageCode) -> tuple[RecordLayout, RecordPage] | None:
        if not FIRST_PAGE <= code.page < FIRST_PAGE + MAX_PAGES:
            return None
        layout = self._layouts(code.style_index, code.languages)
        if layout is None or code.page - FIRST_PAGE >= len(layout.pages):
            return None
        return layout, layout.pages[code.page - FIRST_PAGE]

    def _design(self, style_index: int, mask: int) -> RecordLayout | None:
        if style_index >= len(self._election.ballot_styles):
            return None
        if mask not in self.languages_of(style_index):
            return None
        language = self._election.languages[mask.bit_length() - 1]
        style = self._election.ballot_styles[style_index]
        try:
            return design_record(self._election, self._profile, style.id, language)
        except ElectionError:
            return None

    def _prepare(self, style_index: int, mask: int) -> _Ready:
        layout = self._layouts(style_index, mask)
        if layout is None:  # pragma: no cover - `_page` found it
            raise PageRefusedError(RefusalReason.UNKNOWN_STYLE, "no such paper record here")
        known: Vocabulary = vocabulary(self._election, self._profile, layout)
        texts = {contest: KnownTexts(texts) for contest, texts in known.texts.items()}
        printed = {
            record.page.page: PrintedPage.of(record, known.pages[record.page.page])
            for record in layout.pages
        }
        return _Ready(layout, known.pages, printed, texts)

    def _check_titles(
        self, gray: Gray, fit: Registration, record: RecordPage, ready: _Ready, marks: _Marks
    ) -> None:
        printed = ready.pages[record.page.page]
        wrong: list[str] = []
        for block in record.blocks:
            seen = cut(gray, fit, block.title, REACH_PX)
            left, top = (round(v * PX_PER_MM) for v in (block.title.x_mm, block.title.y_mm))
            high, wide = (
                round(v * PX_PER_MM) for v in (block.title.height_mm, block.title.width_mm)
            )
            own = printed[top : top + high, left : left + wide]
            columns = np.flatnonzero(own.min(axis=0) < 128)
            own = own[:, : int(columns[-1]) + 8] if columns.size else own
            around = cv2.GaussianBlur(seen[:, : own.shape[1] + 2 * REACH_PX], (0, 0), 1.0)
            print_ = cv2.GaussianBlur(own, (0, 0), 1.0)
            if float(cv2.matchTemplate(around, print_, cv2.TM_CCOEFF_NORMED).max()) < TITLE_FIT:
                wrong.append(block.contest_id)
        if len(wrong) > (1 - TITLES_SHARE) * len(record.blocks):
            raise PageRefusedError(
                RefusalReason.POOR_FIT,
                f"only {len(record.blocks) - len(wrong)} of {len(record.blocks)} titles of the "
                "paper record are where its layout has them; check the definition and scan the "
                "sheet flat",
            )
        for contest_id in wrong:
            words = "the title over the line is not the contest's, or is covered"
            marks.flags.append(Flag(TITLE_UNKNOWN, words, contest_id))

    def _check_ink(
        self,
        page: Turned,
        fit: Registration,
        record: RecordPage,
        ready: _Ready,
        code: PageCode,
        streaks: Sequence[Streak],
        marks: _Marks,
    ) -> None:
        """Rule 4."""
        printed = ready.printed[record.page.page]
        for block in record.blocks:
            hidden = _hidden(page, fit, block.title, streaks)
            known = printed.titles[block.contest_id]
            if title_is_written_over(page.gray, fit, block.title, known, hidden):
                words = "ink that is not of the print stands on the contest's title"
                marks.flags.append(Flag(FOREIGN_INK, words, block.contest_id))
        official = code.kind == "official"
        found = find_foreign(page, fit, record, printed, official=official, streaks=streaks)
        if found is not None:
            words = (
                f"ink that is not of the print stands {found.x_mm:.0f} mm from the left and "
                f"{found.y_mm:.0f} mm from the top ({found.mm2:.1f} mm² in 3 mm)"
            )
            marks.flags.append(Flag(FOREIGN_INK, words, found.contest_id))

    def _take(
        self, record: RecordPage, lines: Sequence[tuple[str, LineReading]], marks: _Marks
    ) -> list[int | None]:
        """Rule 1; returns what each line says as the votes code has it (None: uncertain)."""
        said: list[int | None] = []
        for block in record.blocks:
            ids = self._election.contest(block.contest_id).option_ids()
            write_ins = iter(o for o in ids if o.startswith(WRITE_IN_PREFIX))
            seen: set[str] = set()
            for contest_id, line in lines[len(said) : len(said) + len(block.lines)]:
                option = next(write_ins, NO_CHOICE) if line.word == WRITE_IN else line.word
                if line.problem is not None:
                    words = _SAID[line.problem].format(
                        word=_shown(line.word), second=_shown(line.second)
                    )
                    marks.flags.append(Flag(line.problem, words, contest_id, option or None))
                    if option:
                        marks.marginal.add((contest_id, option))
                    said.append(None)
                    continue
                if option and option in seen:
                    words = f"{option} stands on two lines"
                    marks.flags.append(Flag(TEXT_TWICE, words, contest_id, option))
                seen.add(option)
                if option:
                    marks.marked.add((contest_id, option))
                said.append(ids.index(option) + 1 if option else 0)
        return said

    def _compare_code(
        self,
        gray: Gray,
        fit: Registration,
        record: RecordPage,
        code: PageCode,
        said: Sequence[int | None],
        marks: _Marks,
    ) -> None:
        """Rule 2."""
        text = _read_code(gray, fit, record.votes_code)
        if text is None:
            words = "the votes code is unreadable; the text alone was read"
            marks.flags.append(Flag(NOTE, words))
            return
        try:
            told: tuple[int, ...] = decode_votes(code, text)
        except CodeError as error:
            marks.flags.append(Flag(CODE_MISMATCH, str(error)))
            return
        if len(told) != len(said):
            marks.flags.append(Flag(CODE_MISMATCH, "the votes code has another number of lines"))
            return
        place = 0
        for block in record.blocks:
            count = len(block.lines)
            own = said[place : place + count]
            theirs = told[place : place + count]
            place += count
            certain = [one for one in own if one is not None]
            if len(certain) == count and self._sets(block.contest_id, certain) != self._sets(
                block.contest_id, theirs
            ):
                words = (
                    f"the text says {self._names(block.contest_id, certain)}, the votes code "
                    f"{self._names(block.contest_id, theirs)}"
                )
                marks.flags.append(Flag(CODE_MISMATCH, words, block.contest_id))

    def _sets(self, contest_id: str, numbers: Sequence[int]) -> list[int]:
        """What lines say, in any order. A write-in's number is not on its line, and which of
        them it is does not matter."""
        first = len(self._election.contest(contest_id).options) + 1
        return sorted(min(number, first) for number in numbers)

    def _names(self, contest_id: str, numbers: Sequence[int]) -> str:
        ids = self._election.contest(contest_id).option_ids()
        named = [ids[n - 1] if n <= len(ids) else f"option {n}" for n in numbers if n]
        return ", ".join(named) or "no choice"


def _shown(word: str) -> str:
    return word or "no choice"


def _hidden(
    page: Turned, fit: Registration, box: Box, streaks: Sequence[Streak]
) -> npt.NDArray[np.bool_] | None:
    """Columns of a line under a streak, bool[w + 2r]; None where there is none."""
    if not any(streak.vertical for streak in streaks):
        return None
    wide = round(box.width_mm * PX_PER_MM) + 2 * REACH_PX
    x_mm = box.x_mm + (np.arange(wide) + 0.5 - REACH_PX) / PX_PER_MM
    y_mm = np.full(wide, box.y_mm + box.height_mm / 2)
    px, py = fit.to_px(x_mm, y_mm)
    x_up, _ = page.back(px.astype(np.float32), py.astype(np.float32))
    hidden = np.zeros(wide, bool)
    for streak in streaks:
        if streak.vertical:
            hidden |= (x_up >= streak.low_px - STREAK_ROOM_PX) & (
                x_up <= streak.high_px + STREAK_ROOM_PX
            )
    return hidden


def _read_code(gray: Gray, fit: Registration, box: Box) -> str | None:
    """The votes code's text; None where no such symbol is read in its place."""
    room = CODE_ROOM_MM
    around = Box(
        box.x_mm - room, box.y_mm - room, box.width_mm + 2 * room, box.height_mm + 2 * room
    )
    crop = cut(gray, fit, around)
    for candidate in (crop, cv2.GaussianBlur(crop, (3, 3), 0)):
        found = zxingcpp.read_barcodes(
            np.ascontiguousarray(candidate),
            formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode]),
            try_downscale=False,
        )
        texts = [code.text for code in found if code.text.startswith(VOTES_PREFIX)]
        if texts:
            # Two different ones are none that could be believed.
            return texts[0] if len(set(texts)) == 1 else VOTES_PREFIX
    return None


def _as_reading(
    record: RecordPage, lines: Sequence[tuple[str, LineReading]], marks: _Marks
) -> RecordReading:
    places = [(target.contest_id, target.option_id) for target in record.page.targets]
    classes = tuple(
        MarkClass.MARGINAL
        if place in marks.marginal
        else MarkClass.MARK
        if place in marks.marked
        else MarkClass.NO_MARK
        for place in places
    )
    scores = np.array([1.0 if c is MarkClass.MARK else 0.0 for c in classes], np.float32)
    scores[[i for i, c in enumerate(classes) if c is MarkClass.MARGINAL]] = 0.5
    written = np.array(
        [
            np.nan
            if target.write_in_area is None
            else float(place in marks.marked or place in marks.marginal)
            for target, place in zip(record.page.targets, places, strict=True)
        ],
        np.float32,
    )
    return RecordReading(scores, written, classes, tuple(marks.flags), tuple(lines))
