"""One page: pixels in, a reading out, or a refusal with its reason. Nothing is guessed.

Order of work: look → turn → fit the timing marks → read the code → measure the targets →
check that the print is where the layout says → classes and flags.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from election.geometry import LONG_MM
from election.importers.vxsuite import MARK_WIDTH_MM, VxElection
from election.layout import BallotLayout, PageLayout
from election.model import Election
from election.paper_record.design import FIRST_PAGE
from election.profile import ForeignMarks, Profile
from scanner.defects import Streak, find_streaks
from scanner.double_feed import check_ghost
from scanner.errors import PageRefusedError, RefusalReason
from scanner.foreign import ForeignInk
from scanner.identify import NOTE, Identifier, NewHampshireCodes, OwnCodes, PageIdentity
from scanner.judgement import judge
from scanner.measure import OUTLINE_SEEN, Measurement, measure
from scanner.page_form import FormKind, PageForm, form_of
from scanner.paper_record.reader import RecordReader
from scanner.reading import Flag, MarkClass, PageReading, Thresholds
from scanner.registration import Registration, register, tilt_of
from scanner.scale import check_scale
from scanner.straighten import LEANS_MUCH_DEG, Turned, straighten
from scanner.templates import PageTemplates, drawn_templates, printed_templates
from scanner.timing_marks import paper_and_threshold

Gray = npt.NDArray[np.uint8]
MM_PER_INCH = 25.4

#: Limits that hold for every jurisdiction; a thresholds file may set others.
MAX_RESIDUAL_MM = 0.5
MAX_SKEW_DEG = 8.0
#: Resolutions that are read, dpi, with some room for stretch.
DPI_RANGE = (140.0, 430.0)
#: At least this share of a page's targets must show their printed outline (or be filled).
MIN_PRINT_SHARE = 0.75
#: Ink over more of a target than this may well cover its outline.
COVERED = 0.5
#: With less of its outline seen than this even an empty target is left to a person.
OUTLINE_LOST = 0.45
#: A scan no longer than this times its width is tried in all four turns.
NEARLY_SQUARE = 1.15
#: A page that stands at more of a slant than this is turned straight before it is measured,
#: degrees: at the outline of a 5 mm target it comes to 0.07 mm.
STRAIGHT_DEG = 1.5
#: A page that seems cut off may only lean out of the strips where its marks are looked for;
#: from this slant of its other marks on it is turned straight and tried again, degrees.
LEANING_DEG = 0.7
#: A page with less ink than this share of its pixels is blank.
BLANK_INK_SHARE = 0.0008


def default_thresholds(profile: Profile) -> Thresholds:
    """The profile's mark thresholds with the room's own limits of fit and skew."""
    return Thresholds(
        marginal=profile.marks.marginal,
        definite=profile.marks.definite,
        write_in=profile.marks.write_in,
        max_residual_mm=MAX_RESIDUAL_MM,
        max_skew_deg=MAX_SKEW_DEG,
    )


@dataclass(frozen=True)
class _Family:
    """Pages of one form: how they are fitted and how they are told apart."""

    form: PageForm
    identifier: Identifier
    templates: dict[tuple[str, int], PageTemplates]


class PageReader:
    """Reads pages of one election. Build it once; `read` is then pure."""

    def __init__(
        self,
        families: Sequence[_Family],
        thresholds: Thresholds,
        foreign: ForeignInk | None = None,
        foreign_marks: ForeignMarks = "ignore",
        records: RecordReader | None = None,
    ) -> None:
        self._records = records
        self._families = tuple(families)
        self.thresholds = thresholds
        self._foreign = foreign
        self._foreign_marks = foreign_marks

    @classmethod
    def for_layouts(
        cls,
        election: Election,
        layouts: Sequence[BallotLayout],
        blanks: dict[tuple[str, int], Gray],
        thresholds: Thresholds,
        foreign_marks: ForeignMarks = "ignore",
        records: RecordReader | None = None,
    ) -> PageReader:
        """A reader of our own print; `blanks` are blank rasters by (style id, page).

        `foreign_marks`: what becomes of ink that is neither print nor vote. `records` reads
        paper records of the same election; None: they are refused as unknown.
        """
        by_paper: dict[str, list[BallotLayout]] = {}
        for layout in layouts:
            by_paper.setdefault(layout.paper, []).append(layout)
        families = [
            _Family(
                _form("ballotbench", group[0].pages[0], LONG_MM),
                OwnCodes(election, group, records),
                {
                    (page.ballot_style_id, page.page): printed_templates(
                        page, blanks[page.ballot_style_id, page.page]
                    )
                    for layout in group
                    for page in layout.pages
                },
            )
            for group in by_paper.values()
        ]
        return cls(families, thresholds, ForeignInk(blanks), foreign_marks, records)

    @classmethod
    def for_vxsuite(cls, imported: VxElection, thresholds: Thresholds) -> PageReader:
        """A reader of the New Hampshire form; targets are drawn from their known shape."""
        pages = [page for layout in imported.layouts for page in layout.pages]
        family = _Family(
            _form("vxsuite-nh", pages[0], MARK_WIDTH_MM),
            NewHampshireCodes(imported),
            {(p.ballot_style_id, p.page): drawn_templates(p) for p in pages},
        )
        return cls([family], thresholds)

    def read(
        self, gray: Gray, *, style_id: str | None = None, dpi: float | None = None
    ) -> PageReading:
        """Read one page.

        Args:
            gray: uint8[h, w], any of the four orientations, 150 to 400 dpi.
            style_id: the ballot style that the sheet's other side has named, for forms
                whose back names none.
            dpi: the resolution that the scan's file states, to tell a print of the wrong
                size by; None where it states none.

        Raises:
            PageRefusedError: the page cannot be trusted; its reason says why.
        """
        _check_pixels(gray)
        refusals: list[PageRefusedError] = []
        turns: tuple[int, ...] = (90, 270) if gray.shape[1] > gray.shape[0] else (0, 180)
        if max(gray.shape) < NEARLY_SQUARE * min(gray.shape):
            # Too short for any paper: its shape does not tell which way it lies.
            turns = (0, 180, 90, 270)
        for family in self._by_shape(gray):
            for turn in turns:
                upright = turned_clockwise(gray, turn)
                try:
                    return self._read_upright(gray, upright, turn, family, style_id, dpi)
                except PageRefusedError as refusal:
                    refusals.append(refusal)
        if is_blank(gray):
            raise PageRefusedError(RefusalReason.EMPTY, "a blank page")
        raise _weightiest(refusals)

    def _read_upright(
        self,
        gray: Gray,
        upright: Gray,
        turn: int,
        family: _Family,
        style_id: str | None,
        dpi: float | None,
    ) -> PageReading:
        """Read a page in one of its turns."""
        page = Turned.as_it_is(upright)
        try:
            fit = register(page.gray, family.form, self.thresholds)
        except PageRefusedError as refusal:
            tilt = tilt_of(upright, family.form)
            if refusal.reason is RefusalReason.TOO_SKEWED or tilt is None:
                raise
            if not LEANING_DEG < abs(tilt) <= self.thresholds.max_skew_deg:
                raise
            page = straighten(upright, tilt, paper_and_threshold(upright)[0])
            fit = _register_again(page, family, self.thresholds)
        if abs(fit.skew_deg) > STRAIGHT_DEG:
            page = straighten(upright, fit.skew_deg + page.angle_deg, fit.paper)
            fit = _register_again(page, family, self.thresholds)
        _check_dpi(fit)
        check_ghost(page.gray, fit)
        identity = family.identifier.identify(page.gray, fit, style_id)
        if identity is None:
            raise _no_code()
        if self._records is not None and identity.layout.page >= FIRST_PAGE:
            return self._read_record(gray, page, turn, fit, identity, dpi)
        seen = (*check_scale(fit, dpi), *self._foreign_ink(page, fit, identity))
        identity = replace(identity, flags=(*identity.flags, *seen))
        return self._measure(gray, page, turn, fit, identity, family)

    def _read_record(
        self,
        gray: Gray,
        page: Turned,
        turn: int,
        fit: Registration,
        identity: PageIdentity,
        dpi: float | None,
    ) -> PageReading:
        """Read a page of a paper record by its text (`scanner.paper_record`)."""
        layout = identity.layout
        if self._records is None or identity.code is None:  # pragma: no cover - asked before
            raise _no_code()
        streaks = find_streaks(page.upright, fit.paper, fit.dpi / MM_PER_INCH)
        found = self._records.read(page, fit, identity.code, streaks)
        x_px, y_px = fit.to_px(
            np.array([t.x_mm for t in layout.targets]), np.array([t.y_mm for t in layout.targets])
        )
        x_up, y_up = page.back(x_px.astype(np.float32), y_px.astype(np.float32))
        x, y = _turned_back(x_up, y_up, turn, gray.shape[1], gray.shape[0])
        return PageReading(
            layout=layout,
            precinct_id=identity.precinct_id,
            ballot_kind=identity.ballot_kind,
            orientation_deg=turn,
            dpi=fit.dpi,
            residual_mm=fit.residual_mm,
            scores=found.scores,
            classes=found.classes,
            x_px=x,
            y_px=y,
            write_in_scores=found.write_in_scores,
            flags=(*identity.flags, *check_scale(fit, dpi), *found.flags),
            light=found.scores,
            sides=np.zeros((len(layout.targets), 4), np.float32),
            probabilities=found.scores,
        )

    def _foreign_ink(
        self, page: Turned, fit: Registration, identity: PageIdentity
    ) -> tuple[Flag, ...]:
        """Ink beside print and marks, as the profile wishes it told."""
        if self._foreign is None or self._foreign_marks == "ignore":
            return ()
        found = self._foreign.find(page.gray, fit, identity.layout)
        if self._foreign_marks == "note":
            return tuple(Flag(NOTE, flag.detail) for flag in found)
        return found

    def _by_shape(self, gray: Gray) -> list[_Family]:
        aspect = max(gray.shape) / min(gray.shape)
        return sorted(
            self._families, key=lambda f: abs(f.form.height_mm / f.form.width_mm - aspect)
        )

    def _measure(
        self,
        gray: Gray,
        page: Turned,
        turn: int,
        fit: Registration,
        identity: PageIdentity,
        family: _Family,
    ) -> PageReading:
        layout = identity.layout
        templates = family.templates[layout.ballot_style_id, layout.page]
        found = measure(page.gray, fit, templates)
        unseen = _check_print(found, layout)
        x_up, y_up = page.back(found.x_px, found.y_px)
        px_per_mm = fit.dpi / MM_PER_INCH
        streaks = find_streaks(page.upright, fit.paper, px_per_mm)
        crossed = _crossed(streaks, layout, x_up, y_up, px_per_mm)
        judged = judge(
            page.gray, found, templates, px_per_mm, self.thresholds, crossed, page.upright
        )
        x, y = _turned_back(x_up, y_up, turn, gray.shape[1], gray.shape[0])
        return PageReading(
            layout=layout,
            precinct_id=identity.precinct_id,
            ballot_kind=identity.ballot_kind,
            orientation_deg=turn,
            dpi=fit.dpi,
            residual_mm=fit.residual_mm,
            scores=found.scores,
            classes=_left_open(judged.classes, found),
            x_px=x,
            y_px=y,
            write_in_scores=found.write_in_scores,
            flags=(*identity.flags, *unseen, *judged.flags),
            light=found.light,
            sides=found.sides,
            probabilities=judged.probabilities,
        )

    def with_thresholds(self, thresholds: Thresholds) -> PageReader:
        """The same reader with other thresholds."""
        return PageReader(
            self._families,
            replace(thresholds),
            self._foreign,
            self._foreign_marks,
            self._records,
        )


def _register_again(page: Turned, family: _Family, thresholds: Thresholds) -> Registration:
    """Fit a page that was turned straight."""
    # All in view, a leaning sheet takes more room than its width; how much of the scan is
    # such room is not known: half of it is never far off.
    lean = abs(math.sin(math.radians(page.angle_deg)))
    share = 1 + lean * family.form.height_mm / family.form.width_mm / 2
    return register(
        page.gray,
        family.form,
        thresholds,
        width_px=round(page.upright.shape[1] / share),
        deep=abs(page.angle_deg) > LEANS_MUCH_DEG,
    )


def _crossed(
    streaks: Sequence[Streak],
    layout: PageLayout,
    x_px: npt.NDArray[np.float32],
    y_px: npt.NDArray[np.float32],
    px_per_mm: float,
) -> list[tuple[int, Streak, float]]:
    """Targets that a streak runs over, with the px from their middle to the streak's."""
    crossed = []
    for streak in streaks:
        places = (streak.low_px + streak.high_px) / 2 - (x_px if streak.vertical else y_px)
        sizes_mm = np.array(
            [t.width_mm if streak.vertical else t.height_mm for t in layout.targets]
        )
        reach = sizes_mm / 2 * px_per_mm + (streak.high_px - streak.low_px) / 2 + 1
        hit = np.flatnonzero(np.abs(places) <= reach).tolist()
        crossed += [(i, streak, float(places[i])) for i in hit]
    return crossed


def _form(kind: FormKind, page: PageLayout, longest_mm: float) -> PageForm:
    return form_of(
        kind, page.width_mm, page.height_mm, page.grid, page.timing_marks, longest_mm=longest_mm
    )


def _check_pixels(gray: Gray) -> None:
    if gray.dtype != np.uint8 or gray.ndim != 2:
        raise PageRefusedError(
            RefusalReason.UNREADABLE_FILE,
            f"pixels of type {gray.dtype} and {gray.ndim} dimensions; give grey uint8[h, w]",
        )
    if min(gray.shape) < 300:
        raise PageRefusedError(
            RefusalReason.NO_TIMING_MARKS,
            f"{gray.shape[1]} × {gray.shape[0]} px is too small for a page at 150 dpi",
        )


def turned_clockwise(gray: Gray, turn: int) -> Gray:
    """A scan turned by 0, 90, 180 or 270 degrees, uint8[h, w], C-contiguous."""
    if turn == 0:
        return np.ascontiguousarray(gray)
    # Ten times as fast as numpy's rot90 and a copy.
    return np.asarray(cv2.rotate(gray, _ROTATIONS[turn]), np.uint8)


_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def is_blank(gray: Gray) -> bool:
    """Whether nothing is printed or written here (the unprinted back of a sheet)."""
    rim_y, rim_x = gray.shape[0] // 40, gray.shape[1] // 40
    inner = np.ascontiguousarray(gray[rim_y : -rim_y or None : 6, rim_x : -rim_x or None : 6])
    below = np.cumsum(cv2.calcHist([inner], [0], None, [256], [0, 256]).ravel())
    paper = int(np.searchsorted(below, below[-1] / 2))
    return paper > 100 and float(below[int(0.6 * paper)] / below[-1]) < BLANK_INK_SHARE


def _check_dpi(fit: Registration) -> None:
    if not DPI_RANGE[0] <= fit.dpi <= DPI_RANGE[1]:
        raise PageRefusedError(
            RefusalReason.WRONG_SCALE,
            f"{fit.dpi:.0f} dpi is outside 150 to 400; scan again with another setting",
        )


def _check_print(found: Measurement, layout: PageLayout) -> tuple[Flag, ...]:
    """The print must be where the layout says, or the page is another one than it claims."""
    seen = (found.outline_seen >= OUTLINE_SEEN) | (found.scores > COVERED)
    if seen.mean() < MIN_PRINT_SHARE:
        raise PageRefusedError(
            RefusalReason.POOR_FIT,
            f"only {int(seen.sum())} of {seen.size} printed targets are where the layout has "
            "them; check the definition and scan the sheet flat",
        )
    return tuple(
        Flag(
            "outline_missing",
            "the printed outline is not seen at its place",
            layout.targets[i].contest_id,
            layout.targets[i].option_id,
        )
        for i in np.flatnonzero(~seen).tolist()
    )


def _left_open(classes: tuple[MarkClass, ...], found: Measurement) -> tuple[MarkClass, ...]:
    """A target whose print is not seen at its place is not decided: the paper may have slipped
    under it, and the ink there be its own torn outline, or its mark lie elsewhere."""
    unseen = (found.outline_seen < OUTLINE_SEEN) & (found.scores <= COVERED)
    if not unseen.any():
        return classes
    lost = unseen & (found.outline_seen < OUTLINE_LOST)
    return tuple(
        MarkClass.MARGINAL if (unseen[i] if seen is MarkClass.MARK else lost[i]) else seen
        for i, seen in enumerate(classes)
    )


def _turned_back(
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.float32],
    turn: int,
    width: int,
    height: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Places in the upright page back to the scan as given (`turn` clockwise was applied)."""
    if turn == 0:
        return x, y
    if turn == 180:
        return width - 1 - x, height - 1 - y
    if turn == 90:
        return y, height - 1 - x
    return width - 1 - y, x


#: Of several refusals (other ways up, other papers) the one that says most is told.
_WEIGHT = (
    RefusalReason.CODES_DISAGREE,
    RefusalReason.WRONG_ELECTION,
    RefusalReason.UNKNOWN_STYLE,
    RefusalReason.TOO_SKEWED,
    RefusalReason.TWO_SHEETS,
    RefusalReason.WRONG_SCALE,
    RefusalReason.POOR_FIT,
    RefusalReason.CODE_UNREADABLE,
    RefusalReason.CUT_OFF,
)


def _no_code() -> PageRefusedError:
    return PageRefusedError(
        RefusalReason.CODE_UNREADABLE,
        "timing marks are there, but neither code could be read; look at the sheet",
    )


def _weightiest(refusals: Sequence[PageRefusedError]) -> PageRefusedError:
    order = {reason: k for k, reason in enumerate(_WEIGHT)}
    return min(refusals, key=lambda r: order.get(r.reason, len(order)))
