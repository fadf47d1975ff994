"""What the simulated central scanner answers: batches, numbers in ink, a second pocket.

Outside a batch, and in version 1 of the link, it is a sheet-fed scanner that prints nothing.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import pypdfium2
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from hardware.batch_messages import (
    BATCH_VERSION,
    BatchWord,
    BeginBatch,
    NextReply,
    pack_batch_state,
    pack_capabilities,
    unpack_batch_id,
)
from hardware.framing import PROTOCOL_VERSION, Frame
from hardware.imprint import MAX_POSITION, fill
from hardware.interface import Capabilities
from hardware.messages import Act, ErrorCode, FeedReply, Kind, unpack_nothing, unpack_token
from hardware.simulated.scanner import FIRMWARE, RefusalError, ScannerLogic
from hardware.simulated.trays import BatchError, Trays

CENTRAL_MODEL = "Ballotbench simulated central scanner"
CENTRAL_VERSIONS = (PROTOCOL_VERSION, BATCH_VERSION)
#: The longest imprint that fits along the side of an A4 sheet, characters.
IMPRINT_CHARACTERS = 64
#: The fault word of a FEED while a batch is open (rule B9).
BATCH_OPEN = "batch_open"

#: The band along the left edge where the imprinter's head runs: between the paper's edge and
#: the timing marks (5 mm, `election.geometry`); height of its letters; where it begins.
_BAND_MM, _LETTER_MM, _START_MM = 1.2, 2.6, 20.0
#: Dots an inch where an image does not say.
_USUAL_DPI = 200.0
_INK = 40
_WHITE = 255
#: A PNG is written fast: the scanner is to be fast, not the file small.
_PNG_EFFORT = 1
_JPEG_QUALITY = 92
#: A sheet has two sides.
_MOST_PAGES = 2
_NO_IMAGE = (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError)


class CentralLogic(ScannerLogic):
    """The command side of the central scanner, over its trays."""

    def __init__(
        self,
        trays: Trays,
        *,
        scan: Callable[[Path], bytes] | None = None,
        versions: tuple[int, ...] = CENTRAL_VERSIONS,
        firmware: str = FIRMWARE,
        sheets_a_minute: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """As `ScannerLogic`; its transport draws no more than so many sheets a minute (0: as
        fast as the machine it runs on)."""
        super().__init__(trays, scan=scan, versions=versions, firmware=firmware)
        self._trays = trays
        self._words_in_sides: tuple[str, ...] = ()
        self._sheet_s = 60 / sheets_a_minute if sheets_a_minute else 0.0
        self._next_at_s = 0.0
        self._clock, self._sleep = clock, sleep

    @property
    def _model(self) -> str:
        return CENTRAL_MODEL

    def _act_of_2(self, request: Frame) -> bytes | None:
        try:
            return self._batch_act(request)
        except BatchError as error:
            raise RefusalError(ErrorCode.BATCH, error.word) from error

    def _batch_act(self, request: Frame) -> bytes | None:
        payload = request.payload
        match request.type:
            case Kind.CAPABILITIES:
                unpack_nothing(payload)
                return pack_capabilities(
                    Capabilities(True, True, True, self._trays.trays, IMPRINT_CHARACTERS)
                )
            case Kind.BEGIN_BATCH:
                begun = BeginBatch.unpack(payload)
                longest = fill(begun.imprint_format, begun.batch_id, MAX_POSITION)
                if len(longest) > IMPRINT_CHARACTERS:
                    raise BatchError(BatchWord.IMPRINT)
                self._trays.begin(begun.batch_id, begun.tray, begun.imprint_format)
            case Kind.END_BATCH:
                self._trays.end(unpack_batch_id(payload))
            case Kind.BATCH:
                unpack_nothing(payload)
            case Kind.NEXT:
                unpack_nothing(payload)
                return self._next().pack()
            case Kind.OUTSTACK:
                return self._settle(unpack_token(payload), Act.OUTSTACKED)
            case _:
                return None
        return pack_batch_state(self._trays.state())

    def _next(self) -> NextReply:
        self._check_fault()
        if self._trays.held() is None:
            self._sleep(max(0.0, self._next_at_s - self._clock()))
            self._next_at_s = self._clock() + self._sheet_s
        ink = self._trays.draw_next()
        if ink is None:
            return NextReply(0, "", FeedReply(()))
        return NextReply(ink.position, ink.words, self._sides_told())

    def _feed(self) -> FeedReply:
        if self._trays.open_batch() is not None:
            raise RefusalError(ErrorCode.FAULT, BATCH_OPEN)
        return super()._feed()

    def _move(self, act: Act, token: bytes) -> bool:
        return self._trays.outstack(token) if act is Act.OUTSTACKED else super()._move(act, token)

    def _held_sides(self) -> tuple[bytes, ...]:
        words = self._trays.words_on_held()
        if words != self._words_in_sides:
            self._sides_of, self._words_in_sides = None, words
        fresh = self._sides_of is None
        sides = super()._held_sides()
        if fresh and sides and words:
            self._sides = sides = (imprinted(sides[0], words), *sides[1:])
        return sides


def imprinted(data: bytes, lines: tuple[str, ...]) -> bytes:
    """The front's image with the words on it, up along its left edge, in the same format, grey.

    Args:
        data: an encoded image; of a file with several pages the others are not printed on. A
            PDF becomes a TIFF.
        lines: oldest first; each begins after the one before it.

    Returns:
        The new bytes; `data` itself where it is no image.
    """
    try:
        form, dpi, pages = _pages(data)
    except (*_NO_IMAGE, pypdfium2.PdfiumError):
        return data
    across, along = (float(d) if d and d > 1 else _USUAL_DPI for d in dpi or (0, 0))
    _print(pages[0], lines, across / 25.4, along / 25.4)
    told = {"dpi": dpi} if dpi else {}
    out = io.BytesIO()
    match form:
        case "JPEG":
            pages[0].save(out, form, quality=_JPEG_QUALITY, **told)
        case "TIFF":
            more = {"save_all": True, "append_images": pages[1:]} if len(pages) > 1 else {}
            pages[0].save(out, form, compression="tiff_lzw", **more, **told)
        case _:
            pages[0].save(out, form, compress_level=_PNG_EFFORT, **told)
    return out.getvalue()


def _pages(data: bytes) -> tuple[str, tuple[float, float] | None, list[Image.Image]]:
    """Form, dots an inch if it says, and the grey pages of a file."""
    if data[:5] == b"%PDF-":
        with pypdfium2.PdfDocument(data) as document:
            scale = _USUAL_DPI / 72
            pages = [
                document[number].render(scale=scale, grayscale=True).to_pil().convert("L")
                for number in range(min(len(document), _MOST_PAGES))
            ]
        if not pages:
            raise ValueError("no page")
        return "TIFF", (_USUAL_DPI, _USUAL_DPI), pages
    with Image.open(io.BytesIO(data)) as opened:
        pages = []
        for number in range(min(getattr(opened, "n_frames", 1), _MOST_PAGES)):
            opened.seek(number)
            pages.append(opened.convert("L"))
        return opened.format or "PNG", opened.info.get("dpi"), pages


def _print(page: Image.Image, lines: tuple[str, ...], across: float, along: float) -> None:
    """Draw in place; `across` and `along` are pixels a millimetre."""
    font = ImageFont.load_default(size=_LETTER_MM * across)
    bottom = page.height - _START_MM * along
    for words in lines:
        box = font.getbbox(words)
        strip = Image.new("L", (round(box[2]) + 1, round(box[3]) + 1), 0)
        ImageDraw.Draw(strip).text((0, 0), words, fill=_WHITE, font=font)
        strip = strip.crop(strip.getbbox()).rotate(90, expand=True)
        top = round(bottom - strip.height)
        page.paste(_INK, (round(_BAND_MM * across), top), strip)
        bottom = top - 2 * _LETTER_MM * along
