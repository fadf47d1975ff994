"""Words into lines of known width: real font metrics, shaped, in mm.

The fonts are DejaVu Sans (regular, bold) out of the matplotlib package, so the same bytes
come out on every machine; they hold the Kazakh letters Ә Ғ Қ Ң Ө Ұ Ү Һ І. Widths come from
HarfBuzz, which also shapes the printed text, so what is measured is what is printed.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import uharfbuzz as hb

from election.errors import LayoutError

MM_PER_PT = 25.4 / 72
#: No text on a ballot is smaller, points.
MIN_PT = 7.0
#: How much smaller a title may be set to save a line.
TIGHTER = (0.96, 0.92, 0.88, 0.84)
#: Height of a line and place of its baseline in it, in units of the font size (DejaVu Sans:
#: ascent 0.928, descent 0.236).
LINE_HEIGHT = 1.18
BASELINE = 0.93
#: Height of a capital letter, in units of the font size.
CAP_HEIGHT = 0.729


@dataclass(frozen=True, slots=True)
class Style:
    """A size in points and a weight."""

    size_pt: float
    bold: bool = False

    @property
    def size_mm(self) -> float:
        return self.size_pt * MM_PER_PT

    @property
    def line_mm(self) -> float:
        """Height of one line."""
        return self.size_mm * LINE_HEIGHT

    def scaled(self, scale: float) -> Style:
        """The same at another size, never under `MIN_PT`."""
        return Style(max(MIN_PT, round(self.size_pt * scale, 2)), self.bold)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text that fits its width."""

    text: str
    style: Style


def font_path(bold: bool) -> Path:
    """The font file, found without importing matplotlib.

    Raises:
        LayoutError: the font is not installed.
    """
    spec = importlib.util.find_spec("matplotlib")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root) / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return path
    raise LayoutError(f"the font {name} is not installed", advice="Install matplotlib")


@cache
def _font(bold: bool) -> hb.Font:
    return hb.Font(hb.Face(font_path(bold).read_bytes()))


@lru_cache(maxsize=8192)
def _units(text: str, bold: bool) -> float:
    """Shaped width in units of the font size."""
    font = _font(bold)
    buffer = hb.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    hb.shape(font, buffer, {})
    advance: int = sum(position.x_advance for position in buffer.glyph_positions or [])
    return advance / float(font.face.upem)


def width_mm(text: str, style: Style) -> float:
    """How wide the text prints on one line, mm."""
    return _units(text, style.bold) * style.size_mm


def wrap(text: str, style: Style, limit_mm: float, where: str) -> tuple[Line, ...]:
    """Break a text into lines of at most `limit_mm`, smaller where one word needs it.

    Raises:
        LayoutError: a sign that the font lacks, or a word too wide at the smallest size;
            names `where`.
    """
    words = text.split()
    unknown = next((sign for sign in "".join(words) if not _known(sign, style.bold)), None)
    if unknown is not None:
        raise LayoutError(
            f"the ballot font has no sign for {unknown!r} (U+{ord(unknown):04X})",
            where=where,
            advice="Write the text with other signs",
        )
    widest = max((_units(word, style.bold) for word in words), default=0.0)
    size_pt = style.size_pt
    if widest * size_pt * MM_PER_PT > limit_mm:
        size_pt = int(limit_mm / widest / MM_PER_PT * 10) / 10
        if size_pt < MIN_PT:
            longest = max(words, key=lambda word: _units(word, style.bold))
            raise LayoutError(
                f"the word {longest[:60]!r} is wider than its place even at {MIN_PT:g} pt",
                where=where,
                advice="Shorten it or put a space or hyphen and space in it",
            )
    fitted = Style(size_pt, style.bold)
    lines: list[str] = []
    for word in words:
        if lines and width_mm(f"{lines[-1]} {word}", fitted) <= limit_mm:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return tuple(Line(line, fitted) for line in lines)


def tighten(text: str, style: Style, limit_mm: float, where: str) -> tuple[Line, ...]:
    """As `wrap`, but a little smaller where that saves a line (for titles).

    Raises:
        LayoutError: as `wrap`.
    """
    widest = wrap(text, style, limit_mm, where)
    for scale in TIGHTER:
        lines = wrap(text, style.scaled(scale), limit_mm, where)
        if len(lines) < len(widest):
            return lines
    return widest


def height_mm(lines: tuple[Line, ...]) -> float:
    """How tall these lines stand, mm."""
    return sum(line.style.line_mm for line in lines)


def is_printable(text: str, *, bold: bool = False) -> bool:
    """Has the font every sign of a text? What it has not would come out as nothing."""
    return all(_known(sign, bold) for sign in text)


@cache
def _known(sign: str, bold: bool) -> bool:
    return _font(bold).get_nominal_glyph(ord(sign)) is not None
