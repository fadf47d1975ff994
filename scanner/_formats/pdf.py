"""PDF (ISO 32000): each page drawn in grey by PDFium."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator

import numpy as np
import pypdfium2 as pdfium

from scanner._formats.common import (
    DecodedPage,
    Limits,
    RefusedPage,
    refused_page,
    too_many,
    word_of,
)
from scanner.errors import PageRefusedError, RefusalReason

#: Resolution at which pages are drawn, dots per inch.
PDF_DPI = 200.0
#: The file's end mark is looked for in its last bytes (writers may append a little).
PDF_TAIL_BYTES = 4096

#: PDFium keeps global state and is not thread-safe.
_PDFIUM = threading.Lock()
_NO_PAGES = re.compile(rb"/Kids\s*\[\s*\]")


def pdf_page_count(data: bytes, limits: Limits) -> int:
    if b"%%EOF" not in data[-PDF_TAIL_BYTES:]:
        raise limits.unreadable("is a PDF cut off before its end. Copy or export it again")
    with _PDFIUM:
        try:
            with pdfium.PdfDocument(data) as document:
                count = len(document)
        except pdfium.PdfiumError as error:
            if _NO_PAGES.search(data):  # PDFium opens no document without pages
                raise _no_pages(limits) from error
            raise limits.unreadable(
                f"is a PDF that cannot be opened ({word_of(error)}). Export it again, "
                "without a password"
            ) from error
    if count == 0:
        raise _no_pages(limits)
    return count


def _no_pages(limits: Limits) -> PageRefusedError:
    return limits.refuse(RefusalReason.EMPTY, "is a PDF without pages. Export it again")


def pdf_pages(
    data: bytes, count: int, limits: Limits, max_pages: int, first_page: int = 0
) -> Iterator[DecodedPage | RefusedPage]:
    with _PDFIUM:
        document = pdfium.PdfDocument(data)
    try:
        for index in range(first_page, min(count, max_pages)):
            try:
                with _PDFIUM:
                    decoded = _pdf_page(document, limits, index)
                yield decoded
            except PageRefusedError as refusal:
                yield refused_page(refusal, index)
        if first_page <= max_pages < count:
            yield too_many(limits, max_pages, max_pages)
    finally:
        with _PDFIUM:
            document.close()


def _pdf_page(document: pdfium.PdfDocument, limits: Limits, index: int) -> DecodedPage:
    scale = PDF_DPI / 72.0  # PDF user space: 1/72 inch
    try:
        page = document[index]
        try:
            width, height = page.get_size()
            limits.check(math.ceil(width * scale), math.ceil(height * scale))
            bitmap = page.render(scale=scale, grayscale=True)
            pixels = bitmap.to_numpy()
            gray = np.array(pixels.reshape(pixels.shape[:2]), dtype=np.uint8, order="C")
            bitmap.close()
        finally:
            page.close()
    except (pdfium.PdfiumError, ValueError, MemoryError, OverflowError) as error:
        raise limits.unreadable(
            f"has a PDF page that cannot be drawn ({word_of(error)})"
        ) from error
    return DecodedPage(index, gray, PDF_DPI)
