"""TIFF 6.0: page by page, each with its directory and strips wholly in the file."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import Image, TiffImagePlugin

from scanner._formats.common import (
    PILLOW_ERRORS,
    DecodedPage,
    Limits,
    RefusedPage,
    gray_of,
    refused_page,
    same_dpi,
    too_many,
    word_of,
)
from scanner._formats.libtiff import TiffReports
from scanner.errors import PageRefusedError, RefusalReason

_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS = 273, 279, 324, 325
_COMPRESSION, _GROUP_4 = 259, 4
_ORIENTATION = 274
#: No Group 4 code word, nor two side by side, has so many zero bits (ITU-T T.6); a decoder
#: takes them for the end of the picture. A strip's end may be padded.
_NO_FAX_CODE, _FAX_PADDING = bytes(4), 16
#: Pillow turns a TIFF by its orientation tag on loading; this turns it back (rule 4).
_TURN_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def open_tiff(data: bytes, limits: Limits) -> TiffImagePlugin.TiffImageFile:
    try:
        image = Image.open(io.BytesIO(data), formats=["TIFF"])
    except Image.DecompressionBombError as error:
        raise limits.refuse(
            RefusalReason.TOO_LARGE, "its first page is far too large. Scan at 150 to 400 dpi"
        ) from error
    except PILLOW_ERRORS as error:
        raise limits.unreadable(f"is a damaged TIFF ({word_of(error)}). Scan again") from error
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        raise limits.unreadable("is not a TIFF of pages. Scan again")
    return image


def tiff_pages(
    image: TiffImagePlugin.TiffImageFile,
    data: bytes,
    limits: Limits,
    max_pages: int,
    first_page: int = 0,
) -> Iterator[DecodedPage | RefusedPage]:
    with image:
        intact = _whole_directories(data, max_pages + 1)
        for index in range(first_page, max_pages + 1):
            try:
                image.seek(index)
            except EOFError:
                return
            except Image.DecompressionBombError:
                yield RefusedPage(
                    index, RefusalReason.TOO_LARGE, f"{limits.name}: page {index + 1} is too large"
                )
                continue
            except PILLOW_ERRORS as error:
                # The chain of page directories is broken here: no later page can be found.
                yield refused_page(
                    limits.unreadable(f"is a damaged TIFF ({word_of(error)})"), index
                )
                return
            if index >= intact:
                yield refused_page(limits.unreadable("is a TIFF cut off before its end"), index)
                return
            if index == max_pages:
                yield too_many(limits, index, max_pages)
                return
            try:
                yield _tiff_page(image, data, limits, index)
            except PageRefusedError as refusal:
                yield refused_page(refusal, index)


def _tiff_page(
    image: TiffImagePlugin.TiffImageFile, data: bytes, limits: Limits, index: int
) -> DecodedPage:
    limits.check(*image.size)
    tags = image.tag_v2
    for offsets, counts in ((_STRIP_OFFSETS, _STRIP_COUNTS), (_TILE_OFFSETS, _TILE_COUNTS)):
        places = zip(
            _numbers(tags.get(offsets), limits), _numbers(tags.get(counts), limits), strict=False
        )
        for offset, count in places:
            # Fax decoders fill a missing end with white paper, which would erase marks.
            if offset + count > len(data):
                raise limits.unreadable("is a TIFF cut off before its end. Copy or scan it again")
            hole = data.find(_NO_FAX_CODE, offset, max(offset, offset + count - _FAX_PADDING))
            if tags.get(_COMPRESSION) == _GROUP_4 and hole >= 0:
                raise limits.unreadable("is a TIFF with a hole in its fax data. Scan again")
    try:
        dpi = image.info.get("dpi")
        resolution = same_dpi(*map(float, dpi)) if dpi else None
        turn = _TURN_BACK.get(tags.get(_ORIENTATION, 1))
        with TiffReports() as reports:
            image.load()
        if reports.first is not None:
            raise limits.unreadable(f"is a damaged TIFF ({reports.first}). Scan again")
        gray = gray_of(image.transpose(turn) if turn is not None else image)
    except PILLOW_ERRORS as error:
        raise limits.unreadable(f"is a damaged TIFF ({word_of(error)}). Scan again") from error
    return DecodedPage(index, gray, resolution)


def _whole_directories(data: bytes, most: int) -> int:
    """How many page directories lie wholly within the file (TIFF 6.0, section 2).

    Pillow reads a torn one as far as it goes, and libtiff then complains on stderr.
    A BigTIFF is left to them.
    """
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", data, 2)[0] != 42:
        return most
    position = struct.unpack_from(order + "I", data, 4)[0] if len(data) >= 8 else 0
    for found in range(most):
        if not 8 <= position <= len(data) - 2:
            return found
        end = position + 2 + 12 * struct.unpack_from(order + "H", data, position)[0]
        if end + 4 > len(data):
            return found
        (position,) = struct.unpack_from(order + "I", data, end)
    return most


def _numbers(value: object, limits: Limits) -> tuple[int, ...]:
    """A tag's whole numbers; one that holds anything else is damaged, and its page refused:
    where the strips lie could not be checked."""
    if value is None:
        return ()
    values = value if isinstance(value, tuple) else (value,)
    numbers = tuple(v for v in values if isinstance(v, int))
    if len(numbers) < len(values):
        raise limits.unreadable("is a damaged TIFF (no numbers where its strips lie). Scan again")
    return numbers
