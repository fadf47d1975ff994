"""What was drawn and what was read, target by target: the table every statistic is over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import NamedTuple, get_type_hints

import numpy as np
import numpy.typing as npt

from scanner.reading import MarkClass

#: Classes as numbers, in order of ink; NOT_READ where the page was refused or never came.
NO_MARK, MARGINAL, MARK, NOT_READ = 0, 1, 2, -1
CODE = {MarkClass.NO_MARK: NO_MARK, MarkClass.MARGINAL: MARGINAL, MarkClass.MARK: MARK}
NAMES = {NO_MARK: "no_mark", MARGINAL: "marginal", MARK: "mark", NOT_READ: "not_read"}


class Observation(NamedTuple):
    """One target of one sheet, in the order of reading.

    `sheet` is its number in the deck, `ink` the sheet whose ink it bears (its own, or that
    it repeats); `truth`, `read`, `low`, `high` are classes as numbers, the last two under
    lower and higher thresholds; `mark` and `pen` are words, "" for none; `share` the inked
    share of the target (NaN: not measured); `dx_mm`, `dy_mm` how far the reading placed it
    from its true place (NaN: not known).
    """

    sheet: int
    ink: int
    part: str
    page: int
    contest: str
    option: str
    truth: int
    clear: bool
    read: int
    low: int
    high: int
    score: float
    mark: str
    pen: str
    share: float
    x_mm: float
    y_mm: float
    dx_mm: float
    dy_mm: float


@dataclass(frozen=True, slots=True)
class Observations:
    """`Observation`s as columns, each of length n."""

    sheet: npt.NDArray[np.int64]
    ink: npt.NDArray[np.int64]
    part: npt.NDArray[np.str_]
    page: npt.NDArray[np.int64]
    contest: npt.NDArray[np.str_]
    option: npt.NDArray[np.str_]
    truth: npt.NDArray[np.int64]
    clear: npt.NDArray[np.bool_]
    read: npt.NDArray[np.int64]
    low: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]
    mark: npt.NDArray[np.str_]
    pen: npt.NDArray[np.str_]
    share: npt.NDArray[np.float64]
    x_mm: npt.NDArray[np.float64]
    y_mm: npt.NDArray[np.float64]
    dx_mm: npt.NDArray[np.float64]
    dy_mm: npt.NDArray[np.float64]

    @classmethod
    def of(cls, rows: Iterable[Observation]) -> Observations:
        """Columns of rows, in their order."""
        columns = list(zip(*rows, strict=True)) or [()] * len(Observation._fields)
        kinds = {int: np.int64, str: np.str_, bool: np.bool_, float: np.float64}
        types = get_type_hints(Observation)
        return cls(
            **{
                name: np.array(column, dtype=kinds[types[name]])
                for name, column in zip(Observation._fields, columns, strict=True)
            }
        )

    def __len__(self) -> int:
        """How many targets."""
        return int(self.sheet.size)

    def where(self, chosen: npt.NDArray[np.bool_]) -> Observations:
        """The rows for which `chosen`, bool[n], holds."""
        return Observations(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """Clear marks and clear empty targets that were read: what an error can be made on."""
        return np.asarray(self.clear & (self.read != NOT_READ) & (self.truth != MARGINAL))

    @property
    def missed(self) -> npt.NDArray[np.bool_]:
        """Clear marks silently read as none."""
        return np.asarray(self.judged & (self.truth == MARK) & (self.read == NO_MARK))

    @property
    def false_marks(self) -> npt.NDArray[np.bool_]:
        """Clear empty targets silently read as marked."""
        return np.asarray(self.judged & (self.truth == NO_MARK) & (self.read == MARK))
