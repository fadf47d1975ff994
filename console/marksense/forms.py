"""Which cells of a sheet are which options, and which paper a sheet is.

Rules of `Forms.read`; it refuses rather than guesses, as `scanner.reader` does:

1. A sheet whose timing marks do not fit is refused.
2. By grid: the long and short marks that the reader's code lines see must be, every one of
   them, those of a paper that is expected. What they cannot tell (precinct; front and back;
   on small papers more) is not guessed: `make_forms` refuses papers that look alike.
3. By cells: every guard must be as printed.
4. Levels below `marginal` are no mark, from `definite` a mark; between them a person decides
   (`scanner.interpretation`).

A mark-sense reader sees no writing beside a target, no erasure, no circle round a name, and
one side of the paper only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from console.definitions import Definition
from console.errors import ConsoleError
from election.codes import (
    HASH_BYTES,
    KINDS,
    PRECINCT_BITS,
    STYLE_BITS,
    BallotKind,
    encode_bits,
    page_code,
)
from election.design import design_ballot
from election.geometry import code_marks
from election.layout import Grid, PageLayout, Target
from election.model import Election
from hardware.marksense import MarkSenseProfile, MarkSheet
from hardware.marksense.interface import Marks
from hardware.marksense.model import CellMap, GridMap
from scanner.errors import PageRefusedError, RefusalReason
from scanner.reading import MarkClass, PageReading

Index = npt.NDArray[np.intp]
Bits = npt.NDArray[np.bool_]

#: Where the parts of a page code stand among its bits; the precinct is not known beforehand.
_HASH = slice(0, HASH_BYTES * 8)
_PRECINCT = slice(_HASH.stop + STYLE_BITS, _HASH.stop + STYLE_BITS + PRECINCT_BITS)
#: Papers that one turned bit would exchange are not told apart by the code alone.
LEAST_APART = 2
#: More bits of the hash than this are not a stain, but another election.
STAINED_BITS = 8
#: Columns and lines of the target of a fractional place must be this near a whole one.
_NEAR = 0.02
_CLASSES = (MarkClass.NO_MARK, MarkClass.MARGINAL, MarkClass.MARK)


@dataclass(frozen=True)
class Form:
    """One page: its layout, and the cell of each target (`columns`, `lines` int[n] from 0).

    By grid: `codes` bool[kinds, k] what the reader's k code cells show, by kind of paper.
    """

    layout: PageLayout
    columns: Index
    lines: Index
    codes: Bits = field(default_factory=lambda: np.zeros((len(KINDS), 0), np.bool_))


@dataclass(frozen=True)
class Forms:
    """The papers that a reader's sheets may be; made by `make_forms`.

    `code_columns`, `code_lines` int[k]: the code cells; `turned` int[k]: which of them each
    is on a sheet that came the other way round; `bits` int[k]: which bits of the code.
    `others`: papers of the election that are not expected, to be called by name.
    """

    profile: MarkSenseProfile
    expected: tuple[Form, ...]
    others: tuple[Form, ...]
    kind: BallotKind
    code_columns: Index
    code_lines: Index
    turned: Index
    bits: Index

    def read(self, sheet: MarkSheet) -> PageReading:
        """A sheet's reading.

        Raises:
            PageRefusedError: see the module's rules.
        """
        if sheet.unread:
            raise PageRefusedError(RefusalReason.NO_TIMING_MARKS, sheet.unread)
        if isinstance(self.profile.map, CellMap):
            self._check_guards(self.profile.map, sheet.levels)
            return self._reading(self.expected[0], sheet.levels)
        return self._reading(self._identified(sheet.levels), sheet.levels)

    def fits(self, sheet: MarkSheet) -> bool:
        """Would `read` take it?"""
        try:
            self.read(sheet)
        except PageRefusedError:
            return False
        return True

    def classes(
        self, form: Form, levels: Marks, marginal: float, definite: float
    ) -> tuple[MarkClass, ...]:
        """The classes of a page's targets under these limits, in levels."""
        seen = levels[form.columns, form.lines].astype(np.float64)
        codes = np.where(seen >= definite, 2, np.where(seen >= marginal, 1, 0))
        return tuple(_CLASSES[code] for code in codes.tolist())

    def form_of(self, reading: PageReading) -> Form:
        """The form of a reading that `read` gave."""
        return next(form for form in self.expected if form.layout is reading.layout)

    def _reading(self, form: Form, levels: Marks) -> PageReading:
        limits, count = self.profile.levels, len(form.layout.targets)
        nowhere = np.full(count, np.nan, np.float32)
        return PageReading(
            layout=form.layout,
            precinct_id=None,
            ballot_kind=self.kind,
            orientation_deg=0,
            # No image: places are not measured, and a pixel is as good as a millimetre.
            dpi=25.4,
            residual_mm=0.0,
            scores=(levels[form.columns, form.lines] / limits.most).astype(np.float32),
            classes=self.classes(form, levels, limits.marginal, limits.definite),
            x_px=nowhere,
            y_px=nowhere,
            write_in_scores=nowhere,
        )

    def _identified(self, levels: Marks) -> Form:
        seen = levels[self.code_columns, self.code_lines]
        limits = self.profile.levels
        dark = seen >= limits.definite
        unclear = int(np.count_nonzero((seen >= limits.marginal) & ~dark))
        kind = KINDS.index(self.kind)
        if not unclear:
            for form in self.expected:
                if np.array_equal(dark, form.codes[kind]):
                    return form
        raise self._refusal(dark, unclear)

    def _refusal(self, dark: Bits, unclear: int) -> PageRefusedError:
        """Why no expected paper is seen, as well as it can be said."""
        every = (*self.expected, *self.others)
        for form in every:
            for kind, code in zip(KINDS, form.codes, strict=True):
                seen = f" ({kind})" if any((c != code).any() for c in form.codes) else ""
                if np.array_equal(dark, code) and not unclear:
                    return PageRefusedError(
                        RefusalReason.UNKNOWN_STYLE,
                        f"a paper of style {form.layout.ballot_style_id}{seen}, page "
                        f"{form.layout.page}, which is not expected in this stack",
                    )
                if np.count_nonzero(dark[self.turned] != code) <= STAINED_BITS:
                    return PageRefusedError(
                        RefusalReason.CODE_UNREADABLE,
                        "fed the wrong way round: lay it with the other edge first",
                    )
        in_hash = self.bits < _HASH.stop
        wrong = np.count_nonzero(dark[in_hash] != self.expected[0].codes[0][in_hash])
        if wrong > STAINED_BITS:
            return PageRefusedError(
                RefusalReason.WRONG_ELECTION,
                f"{wrong} of {np.count_nonzero(in_hash)} edge marks are not those of this "
                "election: another election's paper, or not fed straight",
            )
        best = min(int(np.count_nonzero(dark != code)) for form in every for code in form.codes)
        return PageRefusedError(
            RefusalReason.CODE_UNREADABLE,
            f"{best} edge marks are wrong and {unclear} unclear; look at the sheet's edges",
        )

    def _check_guards(self, given: CellMap, levels: Marks) -> None:
        limits = self.profile.levels
        for number, guard in enumerate(given.guard, 1):
            level = int(levels[guard.column - 1, guard.line - 1])
            right = level >= limits.definite if guard.dark else level < limits.marginal
            if not right:
                raise PageRefusedError(
                    RefusalReason.CODE_UNREADABLE,
                    f"guard {number} (column {guard.column}, line {guard.line}) is of level "
                    f"{level}, and must be {'dark' if guard.dark else 'white'}: another form, or "
                    "fed the wrong way round",
                )


def make_forms(
    profile: MarkSenseProfile,
    definition: Definition,
    *,
    style: str | None = None,
    kind: BallotKind = "official",
    apart: int = LEAST_APART,
) -> Forms:
    """The forms of a definition for a reader.

    Args:
        profile: the reader; its map says where its cells are.
        definition: the election and its rules.
        style: only papers of this ballot style are expected; None: all.
        kind: of the papers.
        apart: so many code cells at least must differ between two expected papers.

    Raises:
        ConsoleError: the map does not fit the papers, or leaves two of them alike.
    """
    election = definition.election
    styles = [s.id for s in election.ballot_styles]
    if style is not None and style not in styles:
        raise ConsoleError(f"the election has no ballot style {style!r}: {', '.join(styles)}")
    if isinstance(profile.map, CellMap):
        return _own_form(profile, profile.map, election, style, kind)
    if definition.vxsuite is not None:
        raise ConsoleError(
            f"the profile {profile.id} maps our own papers by grid; for others give a profile with "
            'map by = "cells"'
        )
    return _grid_forms(profile, profile.map, definition, style, kind, apart)


def _own_form(
    profile: MarkSenseProfile,
    given: CellMap,
    election: Election,
    style: str | None,
    kind: BallotKind,
) -> Forms:
    if style not in (None, given.style):
        raise ConsoleError(f"the profile {profile.id} maps style {given.style!r}, not {style!r}")
    try:
        contests = election.style_contests(given.style)
    except KeyError as error:
        raise ConsoleError(
            f"profile {profile.id}: map: style: the election has no ballot style {given.style!r}"
        ) from error
    options = {(contest.id, option) for contest in contests for option in contest.option_ids()}
    for number, cell in enumerate(given.cell, 1):
        if (cell.contest, cell.option) not in options:
            raise ConsoleError(
                f"profile {profile.id}: map: cell {number}: style {given.style!r} has no option "
                f"{cell.option!r} in a contest {cell.contest!r}"
            )
    mapped = {(cell.contest, cell.option) for cell in given.cell}
    if options - mapped:
        contest, option = sorted(options - mapped)[0]
        raise ConsoleError(
            f"profile {profile.id}: map: no cell is option {option!r} of contest {contest!r}"
        )
    targets = tuple(
        Target(c.contest, c.option, c.line - 1, c.column - 1, 0.0, 0.0, "square", 1.0, 1.0)
        for c in given.cell
    )
    grid = Grid(profile.sheet.lines, profile.sheet.columns, 0.0, 0.0, 1.0, 1.0)
    size = float(profile.sheet.lines), float(profile.sheet.columns)
    layout = PageLayout(given.style, 1, "front", *size, grid, (), targets)
    form = Form(
        layout,
        np.array([c.column - 1 for c in given.cell]),
        np.array([c.line - 1 for c in given.cell]),
    )
    none = np.zeros(0, np.intp)
    return Forms(profile, (form,), (), kind, none, none, none, none)


def _grid_forms(
    profile: MarkSenseProfile,
    given: GridMap,
    definition: Definition,
    style: str | None,
    kind: BallotKind,
    apart: int,
) -> Forms:
    election, rules = definition.election, definition.profile
    ballots = [design_ballot(election, rules, s.id) for s in election.ballot_styles]
    pages = [page for ballot in ballots for page in ballot.pages]
    wanted = [page for page in pages if style in (None, page.ballot_style_id)]
    size = {(p.grid.columns, p.grid.rows) for p in wanted}
    if len(size) > 1:
        raise ConsoleError("the papers are of different sizes: give one style with --style")
    rows = wanted[0].grid.rows - given.first_row
    if rows != profile.sheet.columns:
        raise ConsoleError(
            f"the profile {profile.id} reads sheets of {profile.sheet.columns} timing marks, this "
            f"paper has {rows}: give a copy of it with sheet.columns = {rows}"
        )
    alike = [p for p in pages if (p.grid.columns, p.grid.rows) in size]
    code_columns, code_lines, turned, bits = _code_cells(given, wanted[0])
    forms = [_form(profile, given, election, page, bits, page in wanted) for page in alike]
    expected = tuple(form for form in forms if form.layout in wanted)
    others = tuple(form for form in forms if form.layout not in wanted)
    _check_apart(expected, turned, apart)
    return Forms(profile, expected, others, kind, code_columns, code_lines, turned, bits)


def _code_cells(given: GridMap, page: PageLayout) -> tuple[Index, Index, Index, Index]:
    """The cells that see code marks: columns, lines, the same on a turned sheet, code bits."""
    line = {str(place): number for number, place in enumerate(given.lines)}
    marks = code_marks(page)
    seen = [
        (number, mark)
        for number, mark in enumerate(marks)
        if mark.edge in ("left", "right")
        and mark.index >= given.first_row
        # What the precinct's bits are is not known beforehand.
        and not _PRECINCT.start <= number < _PRECINCT.stop
    ]
    place = {(str(mark.edge), mark.index): k for k, (_, mark) in enumerate(seen)}
    other = {"left": "right", "right": "left"}
    last = page.grid.rows - 1
    turned = [place.get((other[m.edge], last - m.index), k) for k, (_, m) in enumerate(seen)]
    return (
        np.array([mark.index - given.first_row for _, mark in seen], np.intp),
        np.array([line[mark.edge] for _, mark in seen], np.intp),
        np.array(turned, np.intp),
        np.array([number for number, _ in seen], np.intp),
    )


def _form(
    profile: MarkSenseProfile,
    given: GridMap,
    election: Election,
    page: PageLayout,
    bits: Index,
    wanted: bool,
) -> Form:
    codes = np.array(
        [
            np.array(encode_bits(page_code(election, page.ballot_style_id, page.page, kind)))[bits]
            for kind in KINDS
        ],
        np.bool_,
    )
    if not wanted:
        none = np.zeros(0, np.intp)
        return Form(page, none, none, codes)
    line = {place: number for number, place in enumerate(given.lines)}
    columns, lines = [], []
    for target in page.targets:
        row, column = round(target.row), round(target.column)
        off = max(abs(target.row - row), abs(target.column - column))
        inside = 0 <= row - given.first_row < profile.sheet.columns
        if off > _NEAR or column not in line or not inside:
            raise ConsoleError(
                f"profile {profile.id}: map: no line of the reader sees {target.option_id!r} of "
                f"contest {target.contest_id!r} (style {page.ballot_style_id!r}, grid column "
                f"{target.column:g}, row {target.row:g}): give a copy of the profile whose map has "
                "a line there"
            )
        columns.append(row - given.first_row)
        lines.append(line[column])
    return Form(page, np.array(columns, np.intp), np.array(lines, np.intp), codes)


def _check_apart(expected: Sequence[Form], turned: Index, apart: int) -> None:
    for number, one in enumerate(expected):
        for other in expected[number + 1 :]:
            differ = min(_differences(one, other))
            if one.layout.ballot_style_id == other.layout.ballot_style_id and not differ:
                raise ConsoleError(
                    f"front and back of style {one.layout.ballot_style_id!r} look alike to this "
                    "reader, which sees the marks of two edges only: such papers need a scanner"
                )
            if differ < apart:
                raise ConsoleError(
                    f"papers of the styles {one.layout.ballot_style_id!r} and "
                    f"{other.layout.ballot_style_id!r} differ in {differ} of the edge marks that "
                    "this reader sees: sort them, and give each stack's style with --style"
                )
        for code in one.codes:
            if np.count_nonzero(code[turned] != code) <= STAINED_BITS:
                raise ConsoleError(
                    f"a paper of style {one.layout.ballot_style_id!r} looks to this reader as it "
                    "does turned round"
                )


def _differences(one: Form, other: Form) -> Iterable[int]:
    return (int(np.count_nonzero(a != b)) for a, b in zip(one.codes, other.codes, strict=True))
