"""JPEG (ITU-T T.81): strictly, a decoder's warning being a refusal."""

from __future__ import annotations

import io
import struct

import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]  # ships no type information
from PIL import Image

from scanner._formats.common import (
    PILLOW_ERRORS,
    DecodedPage,
    Limits,
    same_dpi,
    word_of,
)

#: Few files have more than this behind their picture.
TAIL_BYTES = 4096
#: simplejpeg's own, and what its look-ups of odd header values raise.
_JPEG_ERRORS = (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError)


def decode_jpeg(data: bytes, limits: Limits) -> DecodedPage:
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except _JPEG_ERRORS as error:
        raise limits.unreadable(f"is a damaged JPEG ({word_of(error)}). Scan again") from error
    limits.check(width, height)
    # Entropy-coded data cannot hold FF D9, so the last one after the start of scan is the end.
    # It is near the file's end; only where it is not is the whole file searched.
    end = data.rfind(b"\xff\xd9", -TAIL_BYTES)
    if end < 0 and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise limits.unreadable("is a JPEG cut off before its end. Copy or scan it again")
    try:
        gray = simplejpeg.decode_jpeg(data, colorspace="GRAY", strict=True)[:, :, 0]
    except _JPEG_ERRORS as error:
        gray = _cmyk_jpeg(data)
        if gray is None:
            raise limits.unreadable(f"is a damaged JPEG ({word_of(error)}). Scan again") from error
    return DecodedPage(0, np.ascontiguousarray(gray, dtype=np.uint8), _jpeg_dpi(data))


def _cmyk_jpeg(data: bytes) -> npt.NDArray[np.uint8] | None:
    """A four-ink JPEG (some copiers write them) through Pillow; None for any other."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode != "CMYK":
                return None
            # Strict decoding of the ink planes first: Pillow alone would fill in grey.
            simplejpeg.decode_jpeg(data, colorspace="CMYK", strict=True)
            return np.asarray(image.convert("L"))
    except (*_JPEG_ERRORS, *PILLOW_ERRORS, Image.DecompressionBombError):
        return None


def _jpeg_dpi(data: bytes) -> float | None:
    """Density of the JFIF segment (T.871, 10.1); None without one."""
    if data[2:4] != b"\xff\xe0" or data[6:11] != b"JFIF\x00" or len(data) < 18:
        return None
    unit, x, y = struct.unpack(">BHH", data[13:18])
    factor = {1: 1.0, 2: 2.54}.get(unit)
    return same_dpi(x * factor, y * factor) if factor else None
