"""A receipt tape as a picture: lines of text to dots, and printed bytes back to paper.

No code page of receipt printers has all Kazakh letters (Ә Ғ Қ Ң Ө Ұ Ү Һ І), and which
one a printer holds is not known. So every line is sent as dots (`GS v 0`): it looks the
same on every printer, and the columns of a tape stay in line whatever its letters.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import util
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from hardware.errors import HardwareError
from hardware.tape_code import code_image
from hardware.tape_format import DOTS_PER_MM, TAPE_80, TapeFormat

#: Dots across an 80 mm tape at 203 dpi, and characters of a line.
TAPE_DOTS = TAPE_80.dots
TAPE_CHARACTERS = TAPE_80.characters
#: Height of a line in dots, and size of the letters.
LINE_DOTS = 28
_FONT_PX = 22
#: Tape fed by a cut, in dots: the knife sits above the print head.
_CUT_DOTS = 40
_ESC, _GS, _LF = 0x1B, 0x1D, 0x0A
#: Creation date of previews: a tape says its times itself.
_NO_TIME = datetime(1980, 1, 1, tzinfo=UTC)


class TapeError(HardwareError):
    """Bytes that are no tape of ours."""


def lines_image(lines: Sequence[str], tape: TapeFormat = TAPE_80) -> Image.Image:
    """Lines of text as dots, mode "1", as wide as the tape, LINE_DOTS a line.

    Lines of more characters than the tape has run out at the right edge: the caller wraps.
    Control characters are shown as spaces.
    """
    picture = Image.new("1", (tape.dots, max(1, LINE_DOTS * len(lines))), 1)
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "1"  # no grey: a print head knows dots only
    font = _font()
    left = (tape.dots - tape.characters * font.getlength("0")) / 2
    for number, line in enumerate(lines):
        shown = "".join(c if c.isprintable() else " " for c in line)
        draw.text((left, LINE_DOTS * number + 2), shown, fill=0, font=font)
    return picture


def code_picture(text: str, caption: str, tape: TapeFormat = TAPE_80) -> Image.Image:
    """A QR code of an alphanumeric text under its caption, mode "1", as wide as the tape.

    Raises:
        ValueError: the text does not fit the paper.
    """
    return code_image(text, caption, tape, _font())


def read_tape(data: bytes, tape: TapeFormat = TAPE_80) -> Image.Image:
    """The paper that ESC/POS bytes give on a printer of this paper, mode "1".

    Understands what `hardware.printer` sends: initialise, raster image, line feed, cut.

    Raises:
        TapeError: another command, or bytes that end in the middle of one.
    """
    strips: list[Image.Image] = []
    place = 0
    while place < len(data):
        strip, place = _command(data, place, tape.dots)
        if strip is not None:
            strips.append(strip)
    paper = Image.new("1", (tape.dots, max(1, sum(strip.height for strip in strips))), 1)
    top = 0
    for strip in strips:
        paper.paste(strip, (0, top))
        top += strip.height
    return paper


def save_tape_png(tape: Path, png: Path, paper: TapeFormat = TAPE_80) -> None:
    """Write the picture of a tape file.

    Raises:
        TapeError: the file is no tape.
        OSError: it cannot be read, or the picture not be written.
    """
    png.write_bytes(tape_png(read_tape(tape.read_bytes(), paper)))


def tape_png(paper: Image.Image) -> bytes:
    """The PNG of a tape's picture, with its resolution."""
    sink = io.BytesIO()
    dpi = DOTS_PER_MM * 25.4
    paper.save(sink, "PNG", optimize=True, dpi=(dpi, dpi))
    return sink.getvalue()


def tape_pdf(paper: Image.Image, tape: TapeFormat = TAPE_80) -> bytes:
    """The PDF of a tape's picture: one page in true size, margins of the roll included.

    The same picture gives the same bytes.
    """
    # Slow to import, and only previews need it.
    from fpdf import FPDF

    margin_mm = (tape.width_mm - tape.dots / DOTS_PER_MM) / 2
    height_mm = paper.height / DOTS_PER_MM
    page = (float(tape.width_mm), height_mm + 2 * margin_mm)
    pdf = FPDF(unit="mm", format=page)
    # fpdf2 takes a page that is wider than high for a landscape one: its numbers stay as given.
    pdf.set_auto_page_break(False)
    pdf.set_creation_date(_NO_TIME)
    pdf.set_producer("Ballotbench")
    pdf.add_page(format=page)
    pdf.image(paper.convert("L"), x=margin_mm, y=margin_mm, w=tape.dots / DOTS_PER_MM, h=height_mm)
    return bytes(pdf.output())


def _command(data: bytes, place: int, dots: int) -> tuple[Image.Image | None, int]:
    head = data[place : place + 2]
    if head[0] == _LF:
        return _blank(LINE_DOTS, dots), place + 1
    if head == bytes((_ESC, ord("@"))):
        return None, place + 2
    if head == bytes((_ESC, ord("d"))) and place + 3 <= len(data):
        return _blank(LINE_DOTS * data[place + 2], dots), place + 3
    if head == bytes((_GS, ord("V"))) and place + 3 <= len(data):
        # 'A' and 'B' carry how far to feed before the cut.
        long = data[place + 2] in (65, 66)
        return _cut(dots), place + (4 if long else 3)
    if data[place : place + 3] == bytes((_GS, ord("v"), ord("0"))) and place + 8 <= len(data):
        across, down = (int.from_bytes(data[place + n : place + n + 2], "little") for n in (4, 6))
        end = place + 8 + across * down
        if 0 < 8 * across <= dots and down > 0 and end <= len(data):
            bits = bytes(255 - byte for byte in data[place + 8 : end])
            strip = _blank(down, dots)
            strip.paste(Image.frombytes("1", (8 * across, down), bits), (0, 0))
            return strip, end
    raise TapeError(
        f"byte {place} of the tape begins no command that this program prints "
        f"({data[place : place + 4].hex(' ')})"
    )


def _blank(height: int, dots: int) -> Image.Image:
    return Image.new("1", (dots, max(1, height)), 1)


def _cut(dots: int) -> Image.Image:
    strip = _blank(_CUT_DOTS, dots)
    draw = ImageDraw.Draw(strip)
    for x in range(0, dots, 12):
        draw.line((x, _CUT_DOTS - 4, x + 6, _CUT_DOTS - 4), fill=0)
    return strip


@cache
def _font() -> ImageFont.FreeTypeFont:
    # Found without importing matplotlib, which is slow; only its font file is wanted.
    spec = util.find_spec("matplotlib")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(root) / "mpl-data" / "fonts" / "ttf" / "DejaVuSansMono.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), _FONT_PX)
    raise TapeError("the font DejaVu Sans Mono is missing: install matplotlib again")
