"""One page: pixels in, a reading out, or a refusal with its reason. Nothing is guessed.

Order of work: look → turn → fit the timing marks → read the code → measure the targets →
check that the print is where the layout says → classes and flags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from election.geometry import LONG_MM
from election.importers.vxsuite import MARK_WIDTH_MM, VxElection
from election.layout import BallotLayout, PageLayout
from election.model import Election
from election.profile import Profile
from scanner.errors import PageRefusedError, RefusalReason
from scanner.identify import Identifier, NewHampshireCodes, OwnCodes, PageIdentity
from scanner.measure import (
    OUTLINE_SEEN,
    Measurement,
    PageTemplates,
    drawn_templates,
    measure,
    printed_templates,
)
from scanner.page_form import FormKind, PageForm, form_of
from scanner.reading import Flag, MarkClass, PageReading, Thresholds
from scanner.registration import Registration, register

Gray = npt.NDArray[np.uint8]

#: Limits that hold for every jurisdiction; a thresholds file may set others.
MAX_RESIDUAL_MM = 0.5
MAX_SKEW_DEG = 8.0
#: Resolutions that are read, dpi, with some room for stretch.
DPI_RANGE = (140.0, 430.0)
#: At least this share of a page's targets must show their printed outline (or be filled).
MIN_PRINT_SHARE = 0.75
#: A scan no longer than this times its width is tried in all four turns.
NEARLY_SQUARE = 1.15
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

    def __init__(self, families: Sequence[_Family], thresholds: Thresholds) -> None:
        self._families = tuple(families)
        self.thresholds = thresholds

    @classmethod
    def for_layouts(
        cls,
        election: Election,
        layouts: Sequence[BallotLayout],
        blanks: dict[tuple[str, int], Gray],
        thresholds: Thresholds,
    ) -> PageReader:
        """A reader of our own print; `blanks` are blank rasters by (style id, page)."""
        by_paper: dict[str, list[BallotLayout]] = {}
        for layout in layouts:
            by_paper.setdefault(layout.paper, []).append(layout)
        families = [
            _Family(
                _form("ballotbench", group[0].pages[0], LONG_MM),
                OwnCodes(election, group),
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
        return cls(families, thresholds)

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

    def read(self, gray: Gray) -> PageReading:
        """Read one page.

        Args:
            gray: uint8[h, w], any of the four orientations, 150 to 400 dpi.

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
                upright = np.ascontiguousarray(np.rot90(gray, -turn // 90))
                try:
                    fit = register(upright, family.form, self.thresholds)
                    _check_dpi(fit)
                    identity = family.identifier.identify(upright, fit)
                    if identity is None:
                        refusals.append(_no_code())
                        continue
                    return self._measure(gray, upright, turn, fit, identity, family)
                except PageRefusedError as refusal:
                    refusals.append(refusal)
        raise _weightiest(refusals)

    def _by_shape(self, gray: Gray) -> list[_Family]:
        aspect = max(gray.shape) / min(gray.shape)
        return sorted(
            self._families, key=lambda f: abs(f.form.height_mm / f.form.width_mm - aspect)
        )

    def _measure(
        self,
        gray: Gray,
        upright: Gray,
        turn: int,
        fit: Registration,
        identity: PageIdentity,
        family: _Family,
    ) -> PageReading:
        layout = identity.layout
        found = measure(upright, fit, family.templates[layout.ballot_style_id, layout.page])
        flags = (*identity.flags, *_check_print(found, layout))
        classes = classify(found.scores, self.thresholds)
        x, y = _turned_back(found.x_px, found.y_px, turn, gray.shape[1], gray.shape[0])
        return PageReading(
            layout=layout,
            precinct_id=identity.precinct_id,
            ballot_kind=identity.ballot_kind,
            orientation_deg=turn,
            dpi=fit.dpi,
            residual_mm=fit.residual_mm,
            scores=found.scores,
            classes=classes,
            x_px=x,
            y_px=y,
            write_in_scores=found.write_in_scores,
            flags=flags,
        )

    def with_thresholds(self, thresholds: Thresholds) -> PageReader:
        """The same reader with other thresholds."""
        return PageReader(self._families, replace(thresholds))


def classify(scores: npt.NDArray[np.float32], thresholds: Thresholds) -> tuple[MarkClass, ...]:
    """Scores to classes: below `marginal` no mark, from `definite` a mark, else marginal."""
    return tuple(
        MarkClass.MARK
        if score >= thresholds.definite
        else MarkClass.MARGINAL
        if score >= thresholds.marginal
        else MarkClass.NO_MARK
        for score in scores.tolist()
    )


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
    if is_blank(gray):
        raise PageRefusedError(RefusalReason.EMPTY, "a blank page")


def is_blank(gray: Gray) -> bool:
    """Whether nothing is printed or written here (the unprinted back of a sheet)."""
    sample = gray[::5, ::5]
    inner = sample[
        sample.shape[0] // 40 : -sample.shape[0] // 40,
        sample.shape[1] // 40 : -sample.shape[1] // 40,
    ]
    paper = float(np.median(inner))
    return paper > 100 and float((inner < 0.6 * paper).mean()) < BLANK_INK_SHARE


def _check_dpi(fit: Registration) -> None:
    if not DPI_RANGE[0] <= fit.dpi <= DPI_RANGE[1]:
        raise PageRefusedError(
            RefusalReason.WRONG_SCALE,
            f"{fit.dpi:.0f} dpi is outside 150 to 400; scan again with another setting",
        )


def _check_print(found: Measurement, layout: PageLayout) -> tuple[Flag, ...]:
    """The print must be where the layout says, or the page is another one than it claims."""
    seen = (found.outline_seen >= OUTLINE_SEEN) | (found.scores > 0.5)
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
