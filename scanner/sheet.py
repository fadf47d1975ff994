"""A sheet: the images of its sides to one interpretation. What a precinct device asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from election.design import design_ballot
from election.importers.vxsuite import VxElection
from election.layout import BallotLayout
from election.model import Election
from election.profile import Profile
from election.raster import render_blank
from election.render import render_pdf
from scanner.decode import DecodedPage, decode_pages
from scanner.errors import PageRefusedError, RefusalReason
from scanner.interpretation import interpret
from scanner.paper_record.reader import RecordReader
from scanner.reader import Gray, PageReader, default_thresholds
from scanner.reading import PageReading, SheetInterpretation, Thresholds

#: Resolution of the blank reference, dpi.
BLANK_DPI = 254.0


@dataclass(frozen=True, slots=True)
class SheetResult:
    """A sheet's interpretation with the page readings that it came from."""

    interpretation: SheetInterpretation
    pages: tuple[PageReading, ...]


def blank_references(
    election: Election, profile: Profile, layouts: Sequence[BallotLayout]
) -> dict[tuple[str, int], Gray]:
    """The blank print of every page, uint8[h, w] at `BLANK_DPI`, by (style id, page)."""
    blanks: dict[tuple[str, int], Gray] = {}
    for layout in layouts:
        pixels = render_blank(render_pdf(election, profile, layout), BLANK_DPI)
        for page, raster in zip(layout.pages, pixels, strict=True):
            blanks[layout.ballot_style_id, page.page] = raster
    return blanks


def within(profile: Profile, limits: Thresholds) -> Profile:
    """The profile with the write-in limit in force: `interpret` judges those areas by it."""
    marks = profile.marks.model_copy(update={"write_in": limits.write_in})
    return profile.model_copy(update={"marks": marks})


class SheetReader:
    """Reads whole sheets of one election under one profile's rules."""

    def __init__(
        self,
        election: Election,
        profile: Profile,
        *,
        reader: PageReader | None = None,
        thresholds: Thresholds | None = None,
    ) -> None:
        limits = thresholds or (reader.thresholds if reader else default_thresholds(profile))
        self.election = election
        self.profile = within(profile, limits)
        if reader is None:
            layouts = [design_ballot(election, profile, s.id) for s in election.ballot_styles]
            blanks = blank_references(election, profile, layouts)
            reader = PageReader.for_layouts(
                election,
                layouts,
                blanks,
                limits,
                profile.marks.foreign_marks,
                RecordReader(election, profile),
            )
        self.pages = reader

    @classmethod
    def for_vxsuite(
        cls, imported: VxElection, profile: Profile, thresholds: Thresholds | None = None
    ) -> SheetReader:
        """A reader of the New Hampshire form."""
        limits = thresholds or default_thresholds(profile)
        reader = PageReader.for_vxsuite(imported, limits)
        return cls(imported.election, profile, reader=reader)

    def read_pages(self, pages: Sequence[Gray], dpi: Sequence[float | None] = ()) -> SheetResult:
        """One sheet's sides, grey uint8[h, w] each, to its interpretation.

        A blank side beside a readable one is the unprinted back and is left out. `dpi` is
        what each side's file states, where it states any.

        Raises:
            PageRefusedError: a side cannot be trusted, or the sides are not one sheet.
        """
        readings: list[PageReading] = []
        blank: PageRefusedError | None = None
        for page, told in zip_longest(pages, dpi[: len(pages)]):
            try:
                readings.append(self.pages.read(page, dpi=told))
            except PageRefusedError as refusal:
                if refusal.reason is not RefusalReason.EMPTY:
                    raise
                blank = refusal
        if not readings:
            raise blank or PageRefusedError(RefusalReason.EMPTY, "no page in this sheet")
        return SheetResult(interpret(readings, self.election, self.profile), tuple(readings))

    def read_images(self, images: Sequence[bytes]) -> SheetResult:
        """The same from encoded images (PNG, JPEG, TIFF, PDF)."""
        pages: list[DecodedPage] = []
        for number, image in enumerate(images, start=1):
            for page in decode_pages(image, name=f"side {number}"):
                if not isinstance(page, DecodedPage):
                    raise PageRefusedError(page.reason, page.detail)
                pages.append(page)
        return self.read_pages([p.gray for p in pages], [p.dpi for p in pages])
