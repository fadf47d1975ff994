"""Decoding: every format, and every way a file can be wrong, refused before it is guessed."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scanner.decode import DecodedPage, RefusedPage, decode_pages
from scanner.errors import PageRefusedError, RefusalReason
from scanner.synthesis import encode, encode_document

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

ROOT = Path(__file__).resolve().parents[2]
REAL_SCANS = ROOT.parent / "shared" / "data" / "nh-test-ballot"


def picture(height: int = 240, width: int = 180) -> npt.NDArray[np.uint8]:
    """A gradient with a black bar: any shift, turn or missing part shows."""
    rows = np.linspace(90, 250, height)[:, None] * np.linspace(0.8, 1.0, width)[None, :]
    image = rows.astype(np.uint8)
    image[20:60, 10:40] = 0
    return image


def pages_of(data: bytes, **limits: int) -> list[DecodedPage | RefusedPage]:
    return list(decode_pages(data, name="scan", **limits))


def only_page(data: bytes) -> DecodedPage:
    (page,) = pages_of(data)
    assert isinstance(page, DecodedPage)
    assert page.gray.dtype == np.uint8
    assert page.gray.flags.c_contiguous
    return page


def refusal(data: bytes, **limits: int) -> PageRefusedError:
    with pytest.raises(PageRefusedError) as caught:
        decode_pages(data, name="scan", **limits)
    assert "\n" not in str(caught.value)
    return caught.value


def outcome(data: bytes) -> tuple[DecodedPage | None, RefusalReason | None]:
    """The first page, or why there is none: the two ways a file may end."""
    try:
        page = pages_of(data)[0]
    except PageRefusedError as error:
        return None, error.reason
    return (page, None) if isinstance(page, DecodedPage) else (None, page.reason)


def saved(image: Image.Image, fmt: str, **options: object) -> bytes:
    sink = io.BytesIO()
    image.save(sink, fmt, **options)
    return sink.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, raw: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


EMPTY_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"xref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000055 00000 n \n"
    b"trailer<</Size 3/Root 1 0 R>>\nstartxref\n99\n%%EOF\n"
)


@pytest.mark.parametrize("fmt", ["png", "jpeg", "tiff", "tiff-g4", "pdf"])
def test_every_format_gives_the_picture_and_its_resolution(fmt: str) -> None:
    page = only_page(encode(picture(), fmt, 95, dpi=200))  # type: ignore[arg-type]
    # A PDF's page is given in 1/72 inch, so its raster may be a pixel larger.
    assert page.gray.shape in ((240, 180), *([(241, 181)] if fmt == "pdf" else []))
    assert page.dpi == pytest.approx(200, abs=0.1)
    expected = picture().astype(int)
    if fmt == "tiff-g4":
        expected = np.where(expected >= 150, 255, 0)
    assert np.abs(page.gray[:240, :180].astype(int) - expected).mean() < 3
    assert page.gray[40, 25] < 20


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"], ids=lambda mode: f"png-{mode}"
)
def test_every_png_mode_becomes_grey(mode: str) -> None:
    grey = Image.fromarray(picture())
    image = grey.convert("I").point(lambda v: v * 257).convert(mode) if "16" in mode else None
    page = only_page(saved(image or grey.convert(mode), "PNG"))
    assert page.gray[40, 25] == 0
    assert page.gray[200:, 100:].mean() > 150


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_tiff_mode_becomes_grey(mode: str) -> None:
    grey = Image.fromarray(picture())
    if mode == "F":
        image = Image.fromarray(picture().astype(np.float32) / 255)
    elif mode == "I;16":
        image = Image.fromarray(picture().astype(np.uint16) * 257)
    else:
        image = grey.convert("RGB").convert(mode)
    page = only_page(saved(image, "TIFF"))
    assert page.gray[40, 25] < 10
    assert page.gray[200:, 100:].mean() > 150


def test_four_ink_jpeg_becomes_grey() -> None:
    page = only_page(saved(Image.fromarray(picture()).convert("RGB").convert("CMYK"), "JPEG"))
    assert page.gray[40, 25] < 20
    assert page.gray[200:, 100:].mean() > 150


def test_transparent_png_lies_on_white_paper() -> None:
    clear = np.zeros((20, 20, 4), np.uint8)
    assert only_page(saved(Image.fromarray(clear), "PNG")).gray.min() == 255


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("turn", [3, 6, 8])
def test_orientation_tags_are_ignored(fmt: str, turn: int) -> None:
    """The pixels count as they lie, so coordinates mean the same for every tool."""
    exif = Image.Exif()
    exif[274] = turn
    data = saved(Image.fromarray(picture()), fmt, exif=exif)
    page = only_page(data)
    assert page.gray.shape == (240, 180)
    assert page.gray[40, 25] < 20


@pytest.mark.parametrize("fmt", ["tiff", "tiff-g4", "pdf"])
def test_pages_come_in_order(fmt: str) -> None:
    images = [picture(200 + 10 * i) for i in range(5)]
    pages = pages_of(encode_document(images, fmt))  # type: ignore[arg-type]
    assert [page.index for page in pages] == [0, 1, 2, 3, 4]
    heights = [page.gray.shape[0] for page in pages if isinstance(page, DecodedPage)]
    assert np.abs(np.array(heights) - [200, 210, 220, 230, 240]).max() <= 1


@pytest.mark.parametrize("fmt", ["tiff", "pdf"])
def test_pages_over_the_limit_are_named_not_dropped(fmt: str) -> None:
    data = encode_document([picture()] * 4, fmt)  # type: ignore[arg-type]
    *read, last = pages_of(data, max_pages=3)
    assert len(read) == 3
    assert isinstance(last, RefusedPage)
    assert (last.index, last.reason) == (3, RefusalReason.TOO_LARGE)
    assert "more than 3 pages" in last.detail


@pytest.mark.parametrize("fmt", ["tiff", "pdf"])
def test_one_bad_page_costs_only_itself(fmt: str) -> None:
    images = [picture(), picture(900), picture()]
    first, second, third = pages_of(
        encode_document(images, fmt),  # type: ignore[arg-type]
        max_side_px=500,
    )
    assert isinstance(first, DecodedPage)
    assert isinstance(second, RefusedPage)
    assert second.reason is RefusalReason.TOO_LARGE
    assert isinstance(third, DecodedPage)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", RefusalReason.EMPTY),
        (EMPTY_PDF, RefusalReason.EMPTY),
        (b"hello", RefusalReason.UNREADABLE_FILE),
        (b"GIF89a" + bytes(40), RefusalReason.UNREADABLE_FILE),
        (b"%PDF-1.4\nnonsense\n%%EOF\n", RefusalReason.UNREADABLE_FILE),
        (b"\xff\xd8", RefusalReason.UNREADABLE_FILE),
        (b"\xff\xd8\xff\xd9", RefusalReason.UNREADABLE_FILE),
        (b"\x89PNG\r\n\x1a\n", RefusalReason.UNREADABLE_FILE),
        (b"II*\x00", RefusalReason.UNREADABLE_FILE),
        (b"II*\x00\xff\xff\xff\x7f", RefusalReason.UNREADABLE_FILE),
        (png(0, 5, b""), RefusalReason.EMPTY),
    ],
)
def test_hopeless_files_are_refused(data: bytes, reason: RefusalReason) -> None:
    assert refusal(data).reason is reason


@pytest.mark.parametrize(
    "data",
    [
        png(20_000, 20_000, b""),
        png(20_000, 10, bytes(20_001 * 10)),
        png(2**31 - 1, 2**31 - 1, b""),
        encode(np.full((4, 20_000), 255, np.uint8), "jpeg"),
    ],
    ids=["png-bomb", "png-wide", "png-largest", "jpeg-wide"],
)
def test_bombs_are_refused_by_their_header(data: bytes) -> None:
    assert refusal(data).reason is RefusalReason.TOO_LARGE


def test_tiff_and_pdf_bombs_are_refused_by_their_header() -> None:
    wide = encode(np.full((4, 20_000), 255, np.uint8), "tiff-g4")
    huge = encode(picture(), "pdf").replace(b"/MediaBox [ 0 0", b"/MediaBox [ -99999 0")
    for data in (wide, huge):
        (page,) = pages_of(data)
        assert isinstance(page, RefusedPage)
        assert page.reason is RefusalReason.TOO_LARGE


@pytest.mark.parametrize("fmt", ["png", "jpeg", "tiff", "tiff-g4", "pdf"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.995])
def test_truncated_files_are_refused_never_filled_in(fmt: str, share: float) -> None:
    noisy = picture() // 2 + np.random.default_rng(1).integers(0, 90, (240, 180), dtype=np.uint8)
    data = encode(noisy, fmt)  # type: ignore[arg-type]
    cut = data[: int(len(data) * share)]
    page, reason = outcome(cut)
    assert reason in (None, RefusalReason.UNREADABLE_FILE)
    if page is not None:  # only a directory or metadata behind the pixels is missing
        assert np.array_equal(page.gray, only_page(data).gray)


def test_jpeg_with_a_hole_but_its_end_in_place_is_refused() -> None:
    """A lenient decoder would complete the missing rows with grey: marks would vanish."""
    data = encode(picture(), "jpeg")
    assert refusal(data[: len(data) // 2] + b"\xff\xd9").reason is RefusalReason.UNREADABLE_FILE


@pytest.mark.skipif(sys.platform != "linux", reason="libtiff's reports are heard on Linux only")
@pytest.mark.parametrize("fmt", ["tiff", "tiff-g4"])
def test_damaged_tiff_pixels_are_refused_and_the_other_page_is_read(fmt: str) -> None:
    """Fax and LZW decoders go on after a broken line with whatever they have."""
    noisy = np.random.default_rng(2).integers(0, 255, (300, 200), dtype=np.uint8)
    data = bytearray(encode_document([noisy, picture()], fmt))  # type: ignore[arg-type]
    with Image.open(io.BytesIO(bytes(data))) as image:
        start = image.tag_v2[273][0]  # type: ignore[attr-defined]
    data[start + 2000 : start + 2400] = bytes(400)
    damaged, good = pages_of(bytes(data))
    assert isinstance(damaged, RefusedPage)
    assert damaged.reason is RefusalReason.UNREADABLE_FILE
    assert isinstance(good, DecodedPage)


def test_jpeg_with_trailing_bytes_is_read() -> None:
    assert only_page(encode(picture(), "jpeg") + bytes(64)).gray.shape == (240, 180)


def test_png_with_too_few_rows_is_refused_though_every_check_sum_is_right() -> None:
    data = png(100, 100, bytes(101 * 60))
    assert refusal(data).reason is RefusalReason.UNREADABLE_FILE


@given(position=st.integers(8, 10**9), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_in_a_png_never_changes_a_pixel(position: int, bit: int) -> None:
    data = bytearray(PNG_FILE)
    data[8 + position % (len(data) - 8)] ^= 1 << bit
    try:
        page = only_page(bytes(data))
    except PageRefusedError:
        return
    assert np.array_equal(page.gray, picture())


PNG_FILE = encode(picture(), "png")


@given(st.sampled_from(["png", "jpeg", "tiff", "tiff-g4", "pdf"]), st.data())
@settings(max_examples=150, deadline=None)
def test_mangled_files_only_ever_refuse(fmt: str, data: st.DataObject) -> None:
    mangled = bytearray(FILES[fmt])
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(mangled) - 1))
        mangled[at] = data.draw(st.integers(0, 255))
    page, reason = outcome(bytes(mangled))
    assert (page is None) == (reason is not None)


FILES = {
    fmt: encode(picture(), fmt)  # type: ignore[arg-type]
    for fmt in ("png", "jpeg", "tiff", "tiff-g4", "pdf")
}


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_noise_only_ever_refuses(data: bytes) -> None:
    for head in (b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"%PDF-"):
        try:
            list(decode_pages(head + data, name="noise"))
        except PageRefusedError:
            continue


def test_nothing_is_printed_by_the_decoders(tmp_path: Path) -> None:
    """One clear line is the program's to print; libraries stay silent on damaged files."""
    for fmt, data in FILES.items():
        (tmp_path / f"cut.{fmt}").write_bytes(data[: len(data) * 2 // 3])
        (tmp_path / f"hole.{fmt}").write_bytes(data[:200] + data[260:])
    (tmp_path / "short.png").write_bytes(png(100, 100, bytes(101 * 60)))
    (tmp_path / "wide.tiff").write_bytes(encode(np.full((4600, 20_000), 255, np.uint8), "tiff-g4"))
    program = (
        "import sys, pathlib\n"
        "from scanner.decode import decode_pages\n"
        "from scanner.errors import PageRefusedError\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        list(decode_pages(path.read_bytes(), name=path.name))\n"
        "    except PageRefusedError:\n"
        "        pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(not REAL_SCANS.is_dir(), reason="the real scans of nh-test-ballot are absent")
def test_real_scans_decode_to_what_a_lenient_decoder_sees() -> None:
    """SEED of truth elsewhere; here: strictness refuses no good scan and changes no pixel."""
    for path in sorted(REAL_SCANS.glob("scan-*.jpeg")):
        data = path.read_bytes()
        flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
        other = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        assert np.array_equal(only_page(data).gray, other), path.name


def test_a_float_pixel_that_is_no_number_is_refused() -> None:
    values = np.linspace(0, 1, 240 * 180, dtype=np.float32).reshape(240, 180)
    assert only_page(saved(Image.fromarray(values), "TIFF")).gray[-1, -1] == 255
    values[100, 50] = np.nan
    page, reason = outcome(saved(Image.fromarray(values), "TIFF"))
    assert page is None
    assert reason is RefusalReason.UNREADABLE_FILE
    values[100, 50] = np.inf
    assert only_page(saved(Image.fromarray(values), "TIFF")).gray[100, 50] == 255
