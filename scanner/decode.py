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

import io
import math
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import simplejpeg  # type: ignore[import-untyped]  # ships no type information
from PIL import Image, TiffImagePlugin

from scanner.errors import PageRefusedError, RefusalReason

# Sizes are checked here against stricter limits; Pillow's warning would only add noise.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Damage it only warns of is found here by other means (strip bounds, decoding).
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")

#: Resolution at which PDF pages are drawn, dots per inch.
PDF_DPI = 200.0
#: Most pages read from one file; the rest is refused in one item, not dropped silently.
MAX_PAGES = 2000
#: A PDF's end mark is looked for in its last bytes (writers may append a little).
PDF_TAIL_BYTES = 4096

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
#: PDFium keeps global state and is not thread-safe.
_PDFIUM = threading.Lock()


@dataclass(frozen=True, slots=True)
class DecodedPage:
    """One page's pixels.

    `index` counts pages of the file from 0; `gray` is uint8[h, w], C-contiguous, 0 black;
    `dpi` is what the file's metadata says (None: nothing usable, or unequal in x and y).
    """

    index: int
    gray: npt.NDArray[np.uint8]
    dpi: float | None


@dataclass(frozen=True, slots=True)
class RefusedPage:
    """One page of a file that cannot be decoded while others may be: why, in one line."""

    index: int
    reason: RefusalReason
    detail: str


@dataclass(frozen=True, slots=True)
class _Limits:
    name: str
    px: int
    side_px: int

    def refuse(self, reason: RefusalReason, detail: str) -> PageRefusedError:
        return PageRefusedError(reason, f"{self.name}: {detail}")

    def unreadable(self, detail: str) -> PageRefusedError:
        return self.refuse(RefusalReason.UNREADABLE_FILE, detail)

    def check(self, width: int, height: int) -> None:
        if width <= 0 or height <= 0:
            raise self.refuse(RefusalReason.EMPTY, "has no pixels. Scan the sheet again")
        if max(width, height) > self.side_px or width * height > self.px:
            raise self.refuse(
                RefusalReason.TOO_LARGE,
                f"is {width} x {height} pixels; at most {self.side_px} on a side and "
                f"{self.px} in all are read. Scan at 150 to 400 dpi",
            )


def decode_pages(
    data: bytes,
    *,
    name: str,
    limit_px: int = 60_000_000,
    max_side_px: int = 12_000,
    max_pages: int = MAX_PAGES,
) -> Iterator[DecodedPage | RefusedPage]:
    """Decode a scan file page by page.

    Args:
        data: the file's bytes; its format is recognised by its first bytes, not its name.
        name: the file's name, for messages only.
        limit_px: most pixels of one page.
        max_side_px: most pixels along one side.
        max_pages: most pages taken from the file.

    Returns:
        an iterator, in page order, of `DecodedPage` or, for a bad page beside others,
        `RefusedPage`. Pages are decoded as they are asked for: memory holds one at a time.

    Raises:
        PageRefusedError: at once, where the whole file is at fault (empty, not an image,
            cut off, a single image too large, no pages).
    """
    limits = _Limits(name, limit_px, max_side_px)
    if not data:
        raise limits.refuse(RefusalReason.EMPTY, "the file is empty. Scan the sheet again")
    if data.startswith(b"\xff\xd8"):
        return iter([_decode_jpeg(data, limits)])
    if data.startswith(_PNG):
        return iter([_decode_png(data, limits)])
    if data.startswith(_TIFF):
        return _tiff_pages(_open_tiff(data, limits), data, limits, max_pages)
    if b"%PDF-" in data[:1024]:
        return _pdf_pages(data, _pdf_page_count(data, limits), limits, max_pages)
    raise limits.unreadable("is not a PNG, JPEG, TIFF or PDF file. Give scans in one of these")


# --- JPEG ---------------------------------------------------------------------------

#: simplejpeg's own, and what its look-ups of odd header values raise.
_JPEG_ERRORS = (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError)


def _decode_jpeg(data: bytes, limits: _Limits) -> DecodedPage:
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except _JPEG_ERRORS as error:
        raise limits.unreadable(f"is a damaged JPEG ({_word(error)}). Scan again") from error
    limits.check(width, height)
    # Entropy-coded data cannot hold FF D9, so the last one after the start of scan is the end.
    start = data.rfind(b"\xff\xda")
    if start < 0 or data.rfind(b"\xff\xd9") < start:
        raise limits.unreadable("is a JPEG cut off before its end. Copy or scan it again")
    try:
        gray = simplejpeg.decode_jpeg(data, colorspace="GRAY", strict=True)[:, :, 0]
    except _JPEG_ERRORS as error:
        gray = _cmyk_jpeg(data)
        if gray is None:
            raise limits.unreadable(f"is a damaged JPEG ({_word(error)}). Scan again") from error
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
    except (*_JPEG_ERRORS, *_PILLOW_ERRORS, Image.DecompressionBombError):
        return None


def _jpeg_dpi(data: bytes) -> float | None:
    """Density of the JFIF segment (T.871, 10.1); None without one."""
    if data[2:4] != b"\xff\xe0" or data[6:11] != b"JFIF\x00" or len(data) < 18:
        return None
    unit, x, y = struct.unpack(">BHH", data[13:18])
    factor = {1: 1.0, 2: 2.54}.get(unit)
    return _same_dpi(x * factor, y * factor) if factor else None


# --- PNG ----------------------------------------------------------------------------


def _decode_png(data: bytes, limits: _Limits) -> DecodedPage:
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
            gray = _gray(image)
        if suspect and not _png_complete(data):
            raise limits.unreadable("is a PNG with rows missing. Scan again")
    except (*_PILLOW_ERRORS, zlib.error) as error:
        raise limits.unreadable(f"is a damaged PNG ({_word(error)}). Scan again") from error
    return DecodedPage(0, gray, dpi)


def _png_chunks(data: bytes, limits: _Limits) -> float | None:
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
            dpi = _same_dpi(x * 0.0254, y * 0.0254)
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


# --- TIFF ---------------------------------------------------------------------------

_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS = 273, 279, 324, 325
_ORIENTATION = 274
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


def _open_tiff(data: bytes, limits: _Limits) -> TiffImagePlugin.TiffImageFile:
    try:
        image = Image.open(io.BytesIO(data), formats=["TIFF"])
    except Image.DecompressionBombError as error:
        raise limits.refuse(
            RefusalReason.TOO_LARGE, "its first page is far too large. Scan at 150 to 400 dpi"
        ) from error
    except _PILLOW_ERRORS as error:
        raise limits.unreadable(f"is a damaged TIFF ({_word(error)}). Scan again") from error
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        raise limits.unreadable("is not a TIFF of pages. Scan again")
    return image


def _tiff_pages(
    image: TiffImagePlugin.TiffImageFile, data: bytes, limits: _Limits, max_pages: int
) -> Iterator[DecodedPage | RefusedPage]:
    with image:
        intact = _whole_directories(data, max_pages + 1)
        for index in range(max_pages + 1):
            try:
                image.seek(index)
            except EOFError:
                return
            except Image.DecompressionBombError:
                yield RefusedPage(
                    index, RefusalReason.TOO_LARGE, f"{limits.name}: page {index + 1} is too large"
                )
                continue
            except _PILLOW_ERRORS as error:
                # The chain of page directories is broken here: no later page can be found.
                yield _refused(limits.unreadable(f"is a damaged TIFF ({_word(error)})"), index)
                return
            if index >= intact:
                yield _refused(limits.unreadable("is a TIFF cut off before its end"), index)
                return
            if index == max_pages:
                yield _too_many(limits, index, max_pages)
                return
            try:
                yield _tiff_page(image, len(data), limits, index)
            except PageRefusedError as refusal:
                yield _refused(refusal, index)


def _tiff_page(
    image: TiffImagePlugin.TiffImageFile, file_bytes: int, limits: _Limits, index: int
) -> DecodedPage:
    limits.check(*image.size)
    tags = image.tag_v2
    for offsets, counts in ((_STRIP_OFFSETS, _STRIP_COUNTS), (_TILE_OFFSETS, _TILE_COUNTS)):
        ends = zip(_numbers(tags.get(offsets)), _numbers(tags.get(counts)), strict=False)
        # Fax decoders fill a missing end with white paper, which would erase marks.
        if any(offset + count > file_bytes for offset, count in ends):
            raise limits.unreadable("is a TIFF cut off before its end. Copy or scan it again")
    try:
        dpi = image.info.get("dpi")
        resolution = _same_dpi(*map(float, dpi)) if dpi else None
        turn = _TURN_BACK.get(tags.get(_ORIENTATION, 1))
        image.load()
        gray = _gray(image.transpose(turn) if turn is not None else image)
    except _PILLOW_ERRORS as error:
        raise limits.unreadable(f"is a damaged TIFF ({_word(error)}). Scan again") from error
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


def _numbers(value: object) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,)
    return tuple(int(v) for v in value) if isinstance(value, tuple) else ()


# --- PDF ----------------------------------------------------------------------------

_NO_PAGES = re.compile(rb"/Kids\s*\[\s*\]")


def _pdf_page_count(data: bytes, limits: _Limits) -> int:
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
                f"is a PDF that cannot be opened ({_word(error)}). Export it again, "
                "without a password"
            ) from error
    if count == 0:
        raise _no_pages(limits)
    return count


def _no_pages(limits: _Limits) -> PageRefusedError:
    return limits.refuse(RefusalReason.EMPTY, "is a PDF without pages. Export it again")


def _pdf_pages(
    data: bytes, count: int, limits: _Limits, max_pages: int
) -> Iterator[DecodedPage | RefusedPage]:
    with _PDFIUM:
        document = pdfium.PdfDocument(data)
    try:
        for index in range(min(count, max_pages)):
            try:
                with _PDFIUM:
                    decoded = _pdf_page(document, limits, index)
                yield decoded
            except PageRefusedError as refusal:
                yield _refused(refusal, index)
        if count > max_pages:
            yield _too_many(limits, max_pages, max_pages)
    finally:
        with _PDFIUM:
            document.close()


def _pdf_page(document: pdfium.PdfDocument, limits: _Limits, index: int) -> DecodedPage:
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
        raise limits.unreadable(f"has a PDF page that cannot be drawn ({_word(error)})") from error
    return DecodedPage(index, gray, PDF_DPI)


# --- shared -------------------------------------------------------------------------

#: What Pillow raises on broken input (its plugins let parsing errors through).
_PILLOW_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,
    AttributeError,
    RuntimeError,
    ZeroDivisionError,
    struct.error,
    EOFError,
)


def _gray(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Any Pillow mode as uint8[h, w]; transparency is laid over white paper."""
    image.load()
    if image.mode in ("I;16", "I;16B", "I;16L"):
        return np.ascontiguousarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float64)
        # 32-bit samples: PNG's 16 bits arrive so, floats are 0..1.
        peak = 65535.0 if image.mode == "I" else 1.0
        return np.ascontiguousarray((np.clip(values / peak, 0, 1) * 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = Image.alpha_composite(paper, layer)
    return np.ascontiguousarray(np.asarray(image.convert("L")), dtype=np.uint8)


def _same_dpi(x: float, y: float) -> float | None:
    """The resolution where it is one number and plausible; else None."""
    if not (10.0 <= x <= 10_000.0) or abs(x - y) > 0.02 * x:
        return None
    return round(x, 2)


def _word(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:120]


def _refused(refusal: PageRefusedError, index: int) -> RefusedPage:
    return RefusedPage(index, refusal.reason, refusal.detail)


def _too_many(limits: _Limits, index: int, max_pages: int) -> RefusedPage:
    return RefusedPage(
        index,
        RefusalReason.TOO_LARGE,
        f"{limits.name}: has more than {max_pages} pages; the first {max_pages} were read. "
        "Split the file",
    )
