"""Which page is this? Codes on the paper to a layout of the loaded election.

Our own print carries the code twice (QR and edge marks); the New Hampshire form once, in
its bottom row. A code that does not belong to the loaded election refuses the page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from election.codes import (
    CODE_BITS,
    BallotKind,
    PageCode,
    decode_bits,
    decode_text,
    encode_bits,
    page_code,
)
from election.errors import CodeError
from election.geometry import LONG_MM, MARK_OUTER_MM, SHORT_MM, code_marks
from election.importers.vxsuite import METADATA_BITS, VxElection, decode_back, decode_front
from election.layout import BallotLayout, Box, PageLayout
from election.model import Election
from election.paper_record.design import FIRST_PAGE, MAX_PAGES
from scanner.errors import PageRefusedError, RefusalReason
from scanner.reading import Flag
from scanner.registration import Registration

Gray = npt.NDArray[np.uint8]
_Raw = TypeVar("_Raw")

#: Kind of a flag that asks for nobody (see `interpretation.NOTE_KINDS`).
NOTE = "note"
#: A damaged edge code is taken for the nearest possible one when at most this many bits
#: differ, and any other possible code differs in at least `REPAIR_MARGIN` more.
REPAIR_BITS = 8
REPAIR_MARGIN = 8
REPAIR_MOST_CODES = 20_000
#: White kept round the QR symbol when it is cut out, mm.
QR_MARGIN_MM = 3.0
_QR_ONLY = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])


@dataclass(frozen=True, slots=True)
class PageIdentity:
    """The layout a page was printed from, its precinct (None: any) and kind; `code` is what
    our own print says of itself."""

    layout: PageLayout
    precinct_id: str | None
    ballot_kind: str
    flags: tuple[Flag, ...] = ()
    code: PageCode | None = None


class RecordPages(Protocol):
    """Knows the pages of paper records (`scanner.paper_record`)."""

    def layout_of(self, code: PageCode) -> PageLayout | None:
        """The layout of the record's page that a code names; None where there is none."""
        ...

    def languages_of(self, style_index: int) -> tuple[int, ...]:
        """The language masks that records of a style can have in their codes."""
        ...


class Identifier(Protocol):
    """Reads a fitted page's code; None where no code is seen this way up."""

    def identify(
        self, gray: Gray, fit: Registration, style_id: str | None = None
    ) -> PageIdentity | None:
        """The page's identity, given the style that its sheet's other side named.

        Raises:
            PageRefusedError: a foreign or unknown page.
        """
        ...


def ink_at(
    gray: Gray, fit: Registration, x_mm: npt.NDArray[np.float64], y_mm: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Whether small spots (about 0.8 mm wide) of the page are mostly ink; bool[n]."""
    return _inked(gray, fit, *fit.to_px(x_mm, y_mm))


def _inked(
    gray: Gray, fit: Registration, px: npt.NDArray[np.float64], py: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """`ink_at` for places in px."""
    high, wide = gray.shape
    radius = max(1.0, 0.4 * fit.dpi / 25.4)
    steps = np.linspace(-radius, radius, 5)
    xs, ys = (np.rint(at[:, None] + steps).astype(np.intp) for at in (px, py))
    columns, rows = np.minimum(np.maximum(xs, 0), wide - 1), np.minimum(np.maximum(ys, 0), high - 1)
    places = (rows * wide)[:, :, None] + columns[:, None, :]
    dark = np.ascontiguousarray(gray).ravel().take(places) < fit.paper * 0.6
    # Beyond the scan there is no ink.
    dark &= (rows == ys)[:, :, None] & (columns == xs)[:, None, :]
    result: npt.NDArray[np.bool_] = 2 * np.count_nonzero(dark, axis=(1, 2)) > steps.size**2
    return result


class OwnCodes:
    """Identifies pages of our own print for one election."""

    def __init__(
        self,
        election: Election,
        layouts: Sequence[BallotLayout],
        records: RecordPages | None = None,
    ) -> None:
        self._election = election
        self._records = records
        self._hash10 = bytes.fromhex(election.hash)[:10]
        self._pages = {
            (layout.style_index, page.page): page for layout in layouts for page in layout.pages
        }
        self._possible: tuple[list[PageCode], npt.NDArray[np.int8]] | None = None
        first = layouts[0].pages[0]
        self._qr = next((p.qr for b in layouts for p in b.pages if p.qr is not None), None)
        marks = code_marks(first)
        # A long mark reaches further in: the spot midway between the two inner ends tells.
        spot = MARK_OUTER_MM + (SHORT_MM + LONG_MM) / 2
        width, height = self._size = first.width_mm, first.height_mm
        x = {"left": spot, "right": width - spot}
        y = {"top": spot, "bottom": height - spot}
        qr_x, qr_y = _around(self._qr)
        # The marks' places, then four about the QR code.
        self._x = np.concatenate([[x.get(m.edge, m.x_mm) for m in marks], qr_x])
        self._y = np.concatenate([[y.get(m.edge, m.y_mm) for m in marks], qr_y])

    def identify(
        self, gray: Gray, fit: Registration, style_id: str | None = None
    ) -> PageIdentity | None:
        """See `Identifier`."""
        px, py = fit.to_px(self._x, self._y)
        bits = _inked(gray, fit, px[:-4], py[:-4]).astype(int)
        edge = _try(decode_bits, bits.tolist())
        printed = None if self._qr is None else _read_qr(gray, px[-4:], py[-4:])
        flags: list[Flag] = []
        if edge is not None and printed is not None and edge != printed:
            raise PageRefusedError(
                RefusalReason.CODES_DISAGREE,
                "the QR code and the edge marks name different pages; look at the sheet for a "
                "second one or a pasted code",
            )
        code = edge or printed
        if code is None:
            code = self._nearest(bits)
            if code is None:
                return None
            flags.append(Flag(NOTE, "damaged edge code completed from the election's own codes"))
        elif edge is None:
            flags.append(Flag(NOTE, "edge code unreadable; read by its QR code"))
        elif printed is None:
            flags.append(Flag(NOTE, "QR code unreadable; read by its edge marks"))
        return self._look_up(code, tuple(flags))

    def _nearest(self, bits: npt.NDArray[np.int_]) -> PageCode | None:
        """The election's own code nearest to what was read, if it is clearly the one.

        All codes that this election can print differ in many bits through their check sum.
        """
        if self._possible is None:
            self._possible = self._possible_codes()
        possible, table = self._possible
        if not possible:
            return None
        differ = (table != bits[None, : table.shape[1]]).sum(axis=1)
        order = np.argsort(differ)
        best = int(differ[order[0]])
        second = int(differ[order[1]]) if order.size > 1 else bits.size
        if best <= REPAIR_BITS and second - best >= REPAIR_MARGIN:
            return possible[int(order[0])]
        return None

    def _possible_codes(self) -> tuple[list[PageCode], npt.NDArray[np.int8]]:
        """Every code this election can print, with its bits int8[n, CODE_BITS]; none where
        they are too many to go through in the time a page may take."""
        kinds: tuple[BallotKind, ...] = ("official", "test", "sample")
        precincts = range(len(self._election.precincts) + 1)
        if len(self._pages) * len(precincts) * len(kinds) > REPAIR_MOST_CODES:
            return [], np.zeros((0, CODE_BITS), np.int8)
        styles = {style for style, _ in self._pages}
        own = [(style, page, self._languages(style)) for style, page in self._pages]
        if self._records is not None:
            own += [
                (style, page, languages)
                for style in sorted(styles)
                for languages in self._records.languages_of(style)
                for page in range(FIRST_PAGE, FIRST_PAGE + MAX_PAGES)
            ]
        possible = [
            PageCode(self._hash10, style, precinct, page, kind, languages)
            for style, page, languages in own
            for precinct in precincts
            for kind in kinds
        ]
        return possible, np.array([encode_bits(code) for code in possible], dtype=np.int8)

    def _languages(self, style_index: int) -> int:
        style = self._election.ballot_styles[style_index]
        return page_code(self._election, style.id, 1).languages

    def _look_up(self, code: PageCode, flags: tuple[Flag, ...]) -> PageIdentity:
        if code.election_hash10 != self._hash10:
            raise PageRefusedError(
                RefusalReason.WRONG_ELECTION,
                f"printed for an election with hash {code.election_hash10.hex()}…, the loaded "
                f"one is {self._hash10.hex()}…; load the definition it was printed from",
            )
        page = self._pages.get((code.style_index, code.page))
        if page is None and self._records is not None:
            page = self._records.layout_of(code)
        if page is None or (page.width_mm, page.height_mm) != self._size:
            raise PageRefusedError(
                RefusalReason.UNKNOWN_STYLE,
                f"ballot style number {code.style_index}, page {code.page} is not among the "
                "layouts read here",
            )
        precinct = None
        if code.precinct_index:
            if code.precinct_index > len(self._election.precincts):
                raise PageRefusedError(
                    RefusalReason.UNKNOWN_STYLE, "its code names a precinct that does not exist"
                )
            precinct = self._election.precincts[code.precinct_index - 1].id
        return PageIdentity(page, precinct, code.kind, flags, code)


def _around(qr: Box | None) -> tuple[list[float], list[float]]:
    """The corners of the area about a QR code, mm: x and y (zeros where there is none)."""
    if qr is None:
        return [0.0] * 4, [0.0] * 4
    left, top = qr.x_mm - QR_MARGIN_MM, qr.y_mm - QR_MARGIN_MM
    right, bottom = qr.x_mm + qr.width_mm + QR_MARGIN_MM, qr.y_mm + qr.height_mm + QR_MARGIN_MM
    return [left, right, left, right], [top, top, bottom, bottom]


def _read_qr(
    gray: Gray, px: npt.NDArray[np.float64], py: npt.NDArray[np.float64]
) -> PageCode | None:
    """The page's code from the QR symbol between these places, px."""
    left, top = max(0, int(px.min())), max(0, int(py.min()))
    crop = np.ascontiguousarray(gray[top : int(py.max()) + 1, left : int(px.max()) + 1])
    if min(crop.shape, default=0) < 20:
        return None
    for blurred in (False, True):
        found = zxingcpp.read_barcodes(
            cv2.GaussianBlur(crop, (3, 3), 0) if blurred else crop,
            formats=_QR_ONLY,
            try_downscale=False,
            try_invert=False,
        )
        codes = [c for code in found if (c := _try(decode_text, code.text)) is not None]
        if len(codes) > 1:
            raise PageRefusedError(
                RefusalReason.TWO_SHEETS,
                "two QR codes stand where one is printed: pull the sheets apart and feed "
                "them one by one, or look for a pasted code",
            )
        if codes:
            return codes[0]
    return None


class NewHampshireCodes:
    """Identifies pages of the New Hampshire form by their bottom row of marks."""

    def __init__(self, imported: VxElection) -> None:
        self._imported = imported
        self._pages = {
            (layout.ballot_style_id, page.side): page
            for layout in imported.layouts
            for page in layout.pages
        }
        grid = imported.layouts[0].pages[0].grid
        points = [grid.point(c, grid.rows - 1) for c in range(1, METADATA_BITS + 1)]
        self._x = np.array([p[0] for p in points])
        self._y = np.array([p[1] for p in points])

    def identify(
        self, gray: Gray, fit: Registration, style_id: str | None = None
    ) -> PageIdentity | None:
        """See `Identifier`."""
        bits = ink_at(gray, fit, self._x, self._y).astype(int).tolist()
        back = decode_back(bits)
        if back is not None:
            day, month, year = self._imported.date
            if (back.day, back.month, back.year) != (day, month, year):
                raise PageRefusedError(
                    RefusalReason.WRONG_ELECTION,
                    f"a back printed for {back.day:02}.{back.month:02}.20{back.year:02}; the "
                    f"loaded election is of {day:02}.{month:02}.20{year:02}",
                )
            return self._back(style_id)
        front = decode_front(bits)
        if front is None or (front.sequence and len(self._imported.layouts) > 1):
            # All ballots known have sequence 0: three more bits that guard the card number.
            # With one style only, no reading of it could name a wrong one.
            return None
        style = self._imported.card_numbers.get(front.card_number)
        if not self._imported.card_numbers and len(self._imported.layouts) == 1:
            # A definition that does not name its styles by card number, with one style only:
            # the print at the targets still has to agree.
            style = self._imported.layouts[0].ballot_style_id
        if style is None:
            raise PageRefusedError(
                RefusalReason.UNKNOWN_STYLE,
                f"card number {front.card_number} is not in this election definition",
            )
        page = self._pages.get((style, "front"))
        if page is None:
            raise PageRefusedError(
                RefusalReason.UNKNOWN_STYLE, f"ballot style {style} has no targets on its front"
            )
        return PageIdentity(page, self._precinct(style), "official")

    def _back(self, style_id: str | None) -> PageIdentity:
        backs = [
            page
            for (style, side), page in self._pages.items()
            if side == "back" and style_id in (None, style)
        ]
        if not backs and style_id is not None:
            raise PageRefusedError(
                RefusalReason.UNKNOWN_STYLE, f"ballot style {style_id} has no targets on its back"
            )
        if len(backs) != 1:
            raise PageRefusedError(
                RefusalReason.UNKNOWN_STYLE,
                f"a back names no ballot style, and this election has {len(backs)} with a back; "
                "scan it together with its front",
            )
        return PageIdentity(backs[0], self._precinct(backs[0].ballot_style_id), "official")

    def _precinct(self, style_id: str) -> str | None:
        precincts = self._imported.election.style(style_id).precincts
        return precincts[0] if len(precincts) == 1 else None


def _try(decode: Callable[[_Raw], PageCode], value: _Raw) -> PageCode | None:
    try:
        return decode(value)
    except CodeError:
        return None
