"""The blank reference: a ballot PDF turned to grey pixels, before any voter's ink."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium

from election.errors import LayoutError

MAX_DPI = 1200.0


def render_blank(pdf: bytes, dpi: float) -> list[npt.NDArray[np.uint8]]:
    """Every page of a ballot PDF as grey pixels.

    Args:
        pdf: the PDF's bytes.
        dpi: pixels an inch, up to 1200.

    Returns:
        One array a page, uint8[h, w], 255 = white; h and w are the page's size in pixels
        rounded up, so a place of x mm is at pixel x · w / page width.

    Raises:
        LayoutError: the resolution is out of range or the PDF cannot be read.
    """
    if not 10 <= dpi <= MAX_DPI:
        raise LayoutError(f"{dpi:g} dpi is outside 10 to {MAX_DPI:g}")
    try:
        document = pdfium.PdfDocument(pdf)
        try:
            return [
                np.array(page.render(scale=dpi / 72, grayscale=True).to_numpy()).squeeze()
                for page in document
            ]
        finally:
            document.close()
    except pdfium.PdfiumError as error:
        raise LayoutError(f"the ballot PDF cannot be drawn: {error}") from error
