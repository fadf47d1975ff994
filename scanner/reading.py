"""What the scanner room hands on: a page's reading, and a sheet's interpretation.

A `PageReading` is measurement (scores and places); a `SheetInterpretation` is what
the jurisdiction's mark rules make of it. Neither knows of files or devices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from election.layout import PageLayout


class MarkClass(StrEnum):
    """The three classes of a target: never a silent guess between the two clear ones."""

    MARK = "mark"
    MARGINAL = "marginal"
    NO_MARK = "no_mark"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Score limits: `score < marginal` is no mark, `score >= definite` is a mark.

    Scores are the share of the target's area that is newly dark against the blank
    print, 0 to 1. `write_in` is the same for a write-in area. `max_residual_mm` is the
    largest root-mean-square misfit of the timing marks that is still trusted;
    `max_skew_deg` the largest rotation.
    """

    marginal: float
    definite: float
    write_in: float
    max_residual_mm: float
    max_skew_deg: float


@dataclass(frozen=True, slots=True)
class Flag:
    """Something on a page that a person should see. `kind` is a stable word."""

    kind: str
    detail: str
    contest_id: str | None = None
    option_id: str | None = None


def _none() -> npt.NDArray[np.float32]:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class PageReading:
    """Everything measured on one page.

    Arrays run parallel to `layout.targets` (n targets): `scores` float32[n] (0..1),
    `classes` tuple of `MarkClass`, `x_px`/`y_px` float32[n] target centres in the scan
    as given (before turning upright), `write_in_scores` float32[n] (NaN without an area).
    `orientation_deg` is how far the scan must be turned clockwise to stand upright;
    `residual_mm` the RMS misfit of its timing marks; `dpi` the measured resolution.
    `light` float32[n] and `sides` float32[n, 4] are shares of darkish ink inside and of ink
    beside a target; `probabilities` float32[n] how probable it is that it was meant (empty
    where a reading was made by other means).
    `precinct_id` is None where the paper is not bound to one precinct; `ballot_kind` is
    "official", "test" or "sample".
    """

    layout: PageLayout
    precinct_id: str | None
    ballot_kind: str
    orientation_deg: int
    dpi: float
    residual_mm: float
    scores: npt.NDArray[np.float32]
    classes: tuple[MarkClass, ...]
    x_px: npt.NDArray[np.float32]
    y_px: npt.NDArray[np.float32]
    write_in_scores: npt.NDArray[np.float32]
    flags: tuple[Flag, ...] = field(default=())
    light: npt.NDArray[np.float32] = field(default_factory=_none)
    sides: npt.NDArray[np.float32] = field(default_factory=_none)
    probabilities: npt.NDArray[np.float32] = field(default_factory=_none)


class ContestStatus(StrEnum):
    """What a contest on one sheet amounts to before anyone adjudicates."""

    VALID = "valid"
    UNDERVOTE = "undervote"
    OVERVOTE = "overvote"
    BLANK = "blank"
    NEEDS_REVIEW = "needs_review"


@dataclass(frozen=True, slots=True)
class ContestReading:
    """One contest on one sheet.

    `marked` are option ids clearly marked, `marginal` those between the thresholds,
    `votes` the option ids that count (each one vote) under the profile's rule: empty for
    an overvote, an invalid ballot, or while review is pending.
    """

    contest_id: str
    marked: tuple[str, ...]
    marginal: tuple[str, ...]
    votes: tuple[str, ...]
    status: ContestStatus
    undervotes: int
    overvotes: int


@dataclass(frozen=True, slots=True)
class SheetInterpretation:
    """A sheet under the profile's rules.

    `valid` is False where the profile makes the whole ballot invalid (kz-majilis: none or
    more than one mark); `invalid_ground` then names the profile's ground.
    `needs_review` is True when any target is marginal or any flag asks for a person: such
    a sheet is set aside, never decided silently. `ballot_kind` is that of its pages:
    "official", "test" or "sample".
    """

    ballot_style_id: str
    precinct_id: str | None
    contests: tuple[ContestReading, ...]
    valid: bool
    invalid_ground: str | None
    needs_review: bool
    flags: tuple[Flag, ...]
    ballot_kind: str = "official"
