"""Bytes to grey pages: PNG, JPEG, TIFF and PDF, each decoded once and checked first.

Rules:

1. The header's dimensions are checked *before* any pixel is decoded: a decompression
   bomb is refused as `too_large` without its memory ever being asked for.
2. What is damaged is refused, never filled in: a truncated JPEG that a lenient decoder
   would complete with grey could turn a mark into no mark, so JPEG decoding is strict
   (a decoder's warning is an error), PNG chunks are checked by CRC-32, TIFF strips and
   PDF trailers must lie within the file.
3. One bad page costs only itself: the other pages of the file are still handed on.
4. Orientation tags are ignored: every scan is taken as its pixels lie, and the reader
   finds the upright position from the print. Coordinates then mean the same everywhere.

Formats: PNG (ISO/IEC 15948), JPEG (ITU-T T.81), TIFF 6.0, PDF (ISO 32000).
"""

from __future__ import annotations

from collections.abc import Iterator

from scanner._formats.common import DecodedPage, Limits, RefusedPage
from scanner._formats.jpeg import decode_jpeg
from scanner._formats.pdf import pdf_page_count, pdf_pages
from scanner._formats.png import decode_png
from scanner._formats.tiff import open_tiff, tiff_pages
from scanner.errors import RefusalReason

__all__ = ["MAX_PAGES", "DecodedPage", "RefusedPage", "decode_pages"]

#: Most pages read from one file; the rest is refused in one item, not dropped silently.
MAX_PAGES = 2000

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def decode_pages(
    data: bytes,
    *,
    name: str,
    limit_px: int = 60_000_000,
    max_side_px: int = 12_000,
    max_pages: int = MAX_PAGES,
    first_page: int = 0,
) -> Iterator[DecodedPage | RefusedPage]:
    """Decode a scan file page by page.

    Args:
        data: the file's bytes; its format is recognised by its first bytes, not its name.
        name: the file's name, for messages only.
        limit_px: most pixels of one page.
        max_side_px: most pixels along one side.
        max_pages: most pages taken from the file.
        first_page: where to go on in a file of pages (TIFF, PDF), counted from 0.

    Returns:
        an iterator, in page order, of `DecodedPage` or, for a bad page beside others,
        `RefusedPage`. Pages are decoded as they are asked for: memory holds one at a time.

    Raises:
        PageRefusedError: at once, where the whole file is at fault (empty, not an image,
            cut off, a single image too large, no pages).
    """
    limits = Limits(name, limit_px, max_side_px)
    if not data:
        raise limits.refuse(RefusalReason.EMPTY, "the file is empty. Scan the sheet again")
    if data.startswith(b"\xff\xd8"):
        return iter([decode_jpeg(data, limits)])
    if data.startswith(_PNG):
        return iter([decode_png(data, limits)])
    if data.startswith(_TIFF):
        return tiff_pages(open_tiff(data, limits), data, limits, max_pages, first_page)
    if b"%PDF-" in data[:1024]:
        return pdf_pages(data, pdf_page_count(data, limits), limits, max_pages, first_page)
    raise limits.unreadable("is not a PNG, JPEG, TIFF or PDF file. Give scans in one of these")
