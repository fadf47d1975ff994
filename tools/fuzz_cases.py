"""What the fuzzer tries: damaged image files and arrays of every kind, each by its number.

A case ends well as "read" or "refused: reason"; any other exception is a finding. Cases are
a function of (seed, number) alone, so that a finding can be made again and again.
"""

from __future__ import annotations

import io
import struct
import traceback
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from scanner.decode import DecodedPage, decode_pages
from scanner.errors import PageRefusedError
from scanner.reader import PageReader
from scanner.synthesis import encode, encode_document
from tools.accuracy_pages import NORMAL_SECTION, ballot, make_page

Gray = npt.NDArray[np.uint8]
#: Share of files whose picture is a whole ballot page; small pictures are refused sooner.
WHOLE_PAGES = 0.06
#: Limits as in use, but for the size of a picture: a case is to take a second, not memory.
LIMIT_PX, SIDE_PX = 12_000_000, 8_000
#: Numbers at which lengths, sizes and offsets tend to break.
_EDGES = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF)
_EDGES_32 = (*_EDGES, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 0x01000000)


def try_image(seed: int, number: int) -> str:
    """One damaged file through decoding and, where pixels come out, through the reader."""
    return _outcome(lambda: _read_file(mutated_file(seed, number)))


def try_array(seed: int, number: int) -> str:
    """One array of any kind through the reader."""
    return _outcome(lambda: _read_pixels(random_array(seed, number)))


def _outcome(work: Callable[[], str]) -> str:
    try:
        return work()
    except PageRefusedError as refusal:
        return f"refused: {refusal.reason.value}"
    except Exception as error:  # noqa: BLE001 - whatever else comes is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        own = [f for f in traceback.extract_tb(error.__traceback__) if "/scanner/" in f.filename]
        at = own[-1] if own else last
        where = at.filename.rsplit("/scanner/", 1)[-1]
        return f"FINDING: {type(error).__name__}: {str(error)[:160]} (scanner/{where}:{at.lineno})"


def _read_file(data: bytes) -> str:
    words = "refused: empty"
    for page in decode_pages(
        data, name="case", limit_px=LIMIT_PX, max_side_px=SIDE_PX, max_pages=20
    ):
        if isinstance(page, DecodedPage):
            words = _outcome(lambda gray=page.gray: _read_pixels(gray))  # type: ignore[misc]
        else:
            words = f"refused: {page.reason.value}"
        if words.startswith("FINDING"):
            break
    return words


def _read_pixels(gray: Any) -> str:
    _reader().read(gray)
    return "read"


def _reader() -> PageReader:
    return ballot("dense").sheets.pages


# --- Files ----------------------------------------------------------------------------------


def mutated_file(seed: int, number: int) -> bytes:
    """The bytes of an image case: a sound file with one to a few things wrong."""
    rng = np.random.default_rng([seed, 1, number])
    whole = rng.random() < WHOLE_PAGES
    files = _whole_files() if whole else _small_files()
    data = files[int(rng.integers(len(files)))]
    for _ in range(int(rng.integers(1, 4))):
        mutate = _MUTATIONS[int(rng.integers(len(_MUTATIONS)))]
        data = mutate(data, rng)
    if data.startswith(b"\x89PNG") and rng.random() < 0.6:
        data = _mended_png(data)  # so that damage gets past the check sums
    return data


@cache
def _small_files() -> tuple[bytes, ...]:
    """One small file of each kind that scanners and offices write."""
    rows = np.linspace(90, 250, 120)[:, None] * np.linspace(0.8, 1.0, 90)[None, :]
    gray = rows.astype(np.uint8)
    gray[20:60, 10:40] = 0
    image = Image.fromarray(gray)
    files = [encode(gray, fmt) for fmt in ("png", "jpeg", "tiff", "tiff-g4", "pdf")]
    files += [encode_document([gray, gray[::-1], gray], fmt) for fmt in ("tiff", "tiff-g4", "pdf")]
    for mode in ("1", "P", "RGB", "RGBA", "LA", "I;16"):
        files.append(_saved(_as_mode(image, mode), "PNG"))
    for mode in ("L", "RGB", "CMYK"):
        files.append(_saved(image.convert(mode), "JPEG", progressive=mode != "L"))
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"):
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            files.append(_saved(_as_mode(image, mode), "TIFF", compression=compression))
    files.append(_saved(image.convert("1"), "TIFF", compression="group3"))
    files.append(_saved(image, "TIFF", compression="jpeg"))
    files.append(_saved(image.convert("RGB"), "TIFF", big_tiff=True))
    return tuple(files)


@cache
def _whole_files() -> tuple[bytes, ...]:
    """Ballot pages that can be read, so that damaged ones get as far as the reader."""
    scans = [make_page(11, NORMAL_SECTION, n).scan for n in range(4)]
    forms = ("jpeg", "png", "tiff-g4", "jpeg", "tiff", "pdf")
    return tuple(encode(scans[k % len(scans)], fmt) for k, fmt in enumerate(forms))  # type: ignore[arg-type]


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return image.convert("I").point(lambda v: v * 257).convert(mode)
    return image.convert(mode)


def _saved(image: Image.Image, fmt: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    image.save(sink, fmt, **options)
    return sink.getvalue()


def _flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for place in rng.integers(0, max(len(out), 1), int(rng.integers(1, 40))).tolist():
        if place < len(out):
            out[place] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _set_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for place in rng.integers(0, max(len(out), 1), int(rng.integers(1, 12))).tolist():
        if place < len(out):
            out[place] = int(rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, int(rng.integers(256)))))
    return bytes(out)


def _set_number(data: bytes, rng: np.random.Generator) -> bytes:
    """A 16- or 32-bit number of either byte order at the edge of something, mostly in front."""
    size = int(rng.choice((2, 4)))
    if len(data) < size:
        return data
    reach = min(len(data), 400) if rng.random() < 0.8 else len(data)
    place = int(rng.integers(0, reach - size + 1))
    value = int(rng.choice(_EDGES if size == 2 else _EDGES_32))
    packed = struct.pack(rng.choice((">", "<")) + {2: "H", 4: "I"}[size], value)
    return data[:place] + packed + data[place + size :]


def _truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(0, len(data) + 1))]


def _blank_block(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    fill = bytes([int(rng.choice((0, 0xFF)))])
    return data[:start] + fill * (stop - start) + data[stop:]


def _drop_block(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    return data[:start] + data[stop:]


def _repeat_block(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    return data[:stop] + data[start:stop] * int(rng.integers(1, 4)) + data[stop:]


def _insert_noise(data: bytes, rng: np.random.Generator) -> bytes:
    start, _ = _span(data, rng)
    return data[:start] + rng.bytes(int(rng.integers(1, 200))) + data[start:]


def _splice(data: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    files = _small_files()
    other = files[int(rng.integers(len(files)))]
    return data[: _span(data, rng)[0]] + other[_span(other, rng)[0] :]


def _span(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(0, len(data) + 1))
    longest = min(len(data) - start, int(rng.choice((4, 40, 400, 4000))))
    return start, start + int(rng.integers(0, longest + 1))


_MUTATIONS = (
    *(_flip_bits, _flip_bits, _set_bytes, _set_number, _set_number, _set_number),
    *(_truncate, _blank_block, _drop_block, _repeat_block, _insert_noise, _splice),
)


def _mended_png(data: bytes) -> bytes:
    """The same chunks with lengths that fit and check sums that are right."""
    out, position = data[:8], 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        length = min(length, len(data) - position - 12)
        kind = data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + length]
        crc = zlib.crc32(body, zlib.crc32(kind))
        out += struct.pack(">I", length) + kind + body + struct.pack(">I", crc)
        position += 12 + length
    return out


# --- Arrays ---------------------------------------------------------------------------------

_DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "longdouble", "complex64", "complex128", ">u2", ">f8"),
    *("object", "U4", "S3", "datetime64[s]", "timedelta64[s]", "V8"),
)


def random_array(seed: int, number: int) -> npt.NDArray[Any]:
    """An array of any dtype, shape, order and content; half of them are grey pictures."""
    rng = np.random.default_rng([seed, 2, number])
    if rng.random() < 0.5:
        return _picture(rng)
    dims = int(rng.integers(0, 5))
    most = {0: 1, 1: 5000, 2: 1200, 3: 60, 4: 12}[dims]
    shape = tuple(int(rng.integers(0, most + 1)) for _ in range(dims))
    kind = np.dtype(str(rng.choice(_DTYPES)))
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    if kind.hasobject:
        return np.full(shape, None, dtype=object)
    raw = rng.bytes(size) if rng.random() < 0.7 else bytes(size)
    array = np.frombuffer(raw, dtype=np.uint8).copy()
    if kind == np.dtype(bool):
        return (array % 2).astype(bool).reshape(shape)
    return array.view(kind).reshape(shape) if size else np.zeros(shape, kind)


def _picture(rng: np.random.Generator) -> npt.NDArray[Any]:
    """uint8[h, w] of some content, size and memory order."""
    content = int(rng.integers(6))
    if content == 0:  # a ballot page, bent out of shape
        scan = make_page(12, NORMAL_SECTION, int(rng.integers(6))).scan
        size = tuple(int(v) for v in rng.integers(200, 2400, 2))
        page = np.asarray(cv2.resize(scan, size, interpolation=cv2.INTER_AREA))
    else:
        height, width = (int(v) for v in np.exp(rng.uniform(0, np.log(2600), 2)))
        if rng.random() < 0.5:
            height, width = max(height, 300), max(width, 300)
        page = _content(content, height, width, rng)
    order = int(rng.integers(5))
    if order == 0:
        return np.asfortranarray(page)
    if order == 1:
        return page[::-1, ::-1]
    if order == 2:
        return np.rot90(page)
    if order == 3:
        page.flags.writeable = False
    return page


def _content(content: int, height: int, width: int, rng: np.random.Generator) -> Gray:
    if content == 1:
        return np.full((height, width), int(rng.integers(256)), np.uint8)
    if content == 2:
        return rng.integers(0, 256, (height, width), dtype=np.uint8)
    if content == 3:  # rows of bars everywhere: timing marks without end
        page = np.full((height, width), 250, np.uint8)
        step, thick = int(rng.integers(4, 80)), int(rng.integers(1, 20))
        for start in range(0, height, step):
            page[start : start + thick] = 10
        for start in range(0, width, int(rng.integers(4, 80))):
            page[:, start : start + thick] = 250
        return page
    if content == 4:  # a chequerboard, the most pieces there can be
        cell = int(rng.integers(1, 12))
        rows, columns = np.arange(height)[:, None] // cell, np.arange(width)[None, :] // cell
        return ((rows + columns) % 2 * 255).astype(np.uint8)
    ramp = np.linspace(0, 255, max(width, 1)).astype(np.uint8)
    return np.repeat(ramp[None, :], height, axis=0)
