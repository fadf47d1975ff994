"""Scans as files: PNG, JPEG, TIFF (grey or 1-bit Group 4), PDF; with their resolution."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from scanner.synthesis.model import SynthesisError

Format = Literal["png", "jpeg", "tiff", "tiff-g4", "pdf"]

#: Grey level below which a pixel is ink in a 1-bit file.
BILEVEL_LEVEL = 150


def encode(
    image: npt.NDArray[np.uint8], fmt: Format, quality: int = 85, *, dpi: float = 200.0
) -> bytes:
    """One page as a file. `quality` 1..95 serves JPEG (and the JPEG inside a PDF).

    Raises:
        SynthesisError: an unknown format.
    """
    return encode_document([image], fmt, quality, dpi=dpi)


def encode_document(
    images: Sequence[npt.NDArray[np.uint8]],
    fmt: Format,
    quality: int = 85,
    *,
    dpi: float = 200.0,
) -> bytes:
    """Pages as one file; more than one only in TIFF and PDF.

    Raises:
        SynthesisError: no pages, an unknown format, or one that holds a single page.
    """
    if not images or (len(images) > 1 and fmt in ("png", "jpeg")):
        raise SynthesisError(f"{len(images)} pages do not fit a {fmt} file")
    pages = [Image.fromarray(image) for image in images]
    sink = io.BytesIO()
    both = (dpi, dpi)
    if fmt == "png":
        pages[0].save(sink, "PNG", dpi=both, compress_level=1)
    elif fmt == "jpeg":
        pages[0].save(sink, "JPEG", dpi=tuple(map(round, both)), quality=quality)
    elif fmt == "pdf":
        pages[0].save(
            sink, "PDF", resolution=dpi, quality=quality, save_all=True, append_images=pages[1:]
        )
    elif fmt in ("tiff", "tiff-g4"):
        compression = "tiff_lzw"
        if fmt == "tiff-g4":
            compression = "group4"
            pages = [page.point(_ink_or_paper, mode="1") for page in pages]
        pages[0].save(
            sink, "TIFF", dpi=both, compression=compression, save_all=True, append_images=pages[1:]
        )
    else:
        raise SynthesisError(f"{fmt!r} is not png, jpeg, tiff, tiff-g4 or pdf")
    return sink.getvalue()


def _ink_or_paper(level: int) -> int:
    return 255 if level >= BILEVEL_LEVEL else 0
