"""QR codes on a receipt tape: which version holds a text, and its dots.

Level Q repairs a quarter of a symbol: a crease, a thumb, a scorched spot. Modules are as
large as the paper allows (`TapeFormat.module_dots`), since what a phone sees of a crumpled
tape is limited by bent paper and blur, both of which are lengths, not by its pixels.
"""

from __future__ import annotations

from functools import cache

import segno
from PIL import Image, ImageDraw, ImageFont

from hardware.tape_format import TapeFormat

QR_LEVEL = "q"
#: Light modules around a symbol (ISO/IEC 18004, 9.1).
QUIET_MODULES = 4
#: Version that stands for "no QR code holds this".
NO_VERSION = 41


@cache
def qr_version(characters: int) -> int:
    """QR version (1 to 40) that holds so many alphanumeric characters, or `NO_VERSION`."""
    try:
        symbol = segno.make_qr(
            "A" * characters, error=QR_LEVEL, boost_error=False, mode="alphanumeric"
        )
    except ValueError:
        return NO_VERSION
    return int(symbol.version)


def code_image(
    text: str, caption: str, tape: TapeFormat, font: ImageFont.FreeTypeFont
) -> Image.Image:
    """One code under its caption, mode "1", the tape's width, quiet zone included.

    Raises:
        ValueError: the text does not fit the paper.
    """
    symbol = segno.make_qr(text, error=QR_LEVEL, boost_error=False, mode="alphanumeric")
    rows = [bytes(row) for row in symbol.matrix]
    if int(symbol.version) > tape.largest_code:
        raise ValueError(f"a QR code of version {symbol.version} is too wide for {tape.name}")
    # Codes smaller than the paper get larger modules.
    module = max(tape.module_dots, tape.dots // (len(rows) + 2 * QUIET_MODULES))
    modules = Image.frombytes(
        "L", (len(rows), len(rows)), bytes(255 - 255 * b for r in rows for b in r)
    )
    side = len(rows) * module
    above = 30
    quiet = QUIET_MODULES * module
    picture = Image.new("1", (tape.dots, above + quiet + side + quiet), 1)
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "1"
    draw.text(((tape.dots - font.getlength(caption)) / 2, 4), caption, fill=0, font=font)
    enlarged = modules.resize((side, side), Image.Resampling.NEAREST).convert("1")
    picture.paste(enlarged, ((tape.dots - side) // 2, above + quiet))
    return picture
