"""PNG (ISO/IEC 15948): every check sum verified, every row present."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from scanner._formats.common import (
    PILLOW_ERRORS,
    DecodedPage,
    Limits,
    gray_of,
    same_dpi,
    word_of,
)

_PNG = b"\x89PNG\r\n\x1a\n"


def decode_png(data: bytes, limits: Limits) -> DecodedPage:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise limits.unreadable("is a PNG cut off before its end. Copy or scan it again")
    width, height = struct.unpack(">II", data[16:24])
    limits.check(width, height)
    dpi = _png_chunks(data, limits)
    # Pillow, not OpenCV, here: equally fast, knows transparency, and a damaged stream is
    # an exception instead of a line on stderr.
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            # Pillow leaves rows that never came at zero; the last of them is the last row.
            suspect = data[28] != 0 or not np.asarray(image)[-1].any()
            gray = gray_of(image)
        if suspect and not _png_complete(data):
            raise limits.unreadable("is a PNG with rows missing. Scan again")
    except (*PILLOW_ERRORS, zlib.error) as error:
        raise limits.unreadable(f"is a damaged PNG ({word_of(error)}). Scan again") from error
    return DecodedPage(0, gray, dpi)


def _png_chunks(data: bytes, limits: Limits) -> float | None:
    """Check every chunk's length and CRC-32 up to IEND; give the pHYs resolution, dpi."""
    dpi: float | None = None
    position = len(_PNG)
    view = memoryview(data)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        kind, body = data[position + 4 : position + 8], view[position + 8 : end - 4]
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(body, zlib.crc32(kind)) != crc:
            raise limits.unreadable("is a damaged PNG (a check sum is wrong). Scan again")
        if kind == b"IEND":
            return dpi
        if kind == b"pHYs" and length == 9 and body[8] == 1:  # unit 1: pixels a metre
            x, y = struct.unpack(">II", body[:8])
            dpi = same_dpi(x * 0.0254, y * 0.0254)
        position = end
    raise limits.unreadable("is a PNG cut off before its end. Copy or scan it again")


def _png_complete(data: bytes) -> bool:
    """Whether the pixel stream holds all rows (ISO/IEC 15948, 8.2 and 11.2.2)."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    missing = 0
    for x0, y0, dx, dy in passes:
        columns, rows = -(-(width - x0) // dx), -(-(height - y0) // dy)
        if columns > 0 and rows > 0:
            missing += rows * (1 + (columns * bits + 7) // 8)
    inflate = zlib.decompressobj()
    position = len(_PNG)
    while missing > 0 and position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        if data[position + 4 : position + 8] == b"IDAT":
            part = data[position + 8 : position + 8 + length]
            while part and missing > 0 and not inflate.eof:
                missing -= len(inflate.decompress(part, 1 << 20))
                part = inflate.unconsumed_tail
        position += 12 + length
    return missing <= 0 or missing <= len(inflate.flush())


#: First column, first row, column step and row step of the seven passes.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
