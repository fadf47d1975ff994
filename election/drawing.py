"""What is printed on a page besides marks, targets and codes: words and lines, in mm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from election import typeset
from election.layout import TargetShape
from election.typeset import Line, Style


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text: `x_mm` is its left, centre or right by `align`; `y_mm` its baseline."""

    x_mm: float
    y_mm: float
    text: str
    style: Style
    align: Literal["left", "centre", "right"] = "left"

    def span(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the printed line (the font's ascent and descent), mm."""
        width = typeset.width_mm(self.text, self.style)
        left = self.x_mm - {"left": 0.0, "centre": width / 2, "right": width}[self.align]
        top = self.y_mm - typeset.BASELINE * self.style.size_mm
        return left, top, left + width, top + self.style.line_mm


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight black line."""

    x1_mm: float
    y1_mm: float
    x2_mm: float
    y2_mm: float
    thickness_mm: float


@dataclass(frozen=True, slots=True)
class FilledShape:
    """A filled shape that shows how to mark (no target: nothing reads it)."""

    x_mm: float
    y_mm: float
    shape: TargetShape
    width_mm: float
    height_mm: float


Item = Words | Rule | FilledShape


def stack(
    lines: tuple[Line, ...],
    x_mm: float,
    top_mm: float,
    align: Literal["left", "centre", "right"] = "left",
) -> tuple[tuple[Words, ...], float]:
    """Lines set one under another from `top_mm`; also returns where the stack ends, mm."""
    items: list[Words] = []
    for line in lines:
        baseline = top_mm + typeset.BASELINE * line.style.size_mm
        items.append(Words(x_mm, baseline, line.text, line.style, align))
        top_mm += line.style.line_mm
    return tuple(items), top_mm
