"""What a worn scanner sees: streaks, skew and a dim lamp on an encoded image."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, UnidentifiedImageError

from hardware.faults.engine import Strike
from hardware.faults.model import DirtySensor, LampAgeing, SkewFeed

#: Quality of a JPEG that is written again: little is lost beside what the fault does.
_JPEG_QUALITY = 92
_WHITE = 255


def hurt_image(data: bytes, strikes: Sequence[Strike], sheet: int) -> bytes:
    """The image as the scanner sees it, in the same format, grey.

    Args:
        data: an encoded image; of several pages only the first is kept.
        strikes: scan faults; others change nothing.
        sheet: number of the sheet; a lamp ages from sheet to sheet.

    Returns:
        The new bytes; `data` itself where nothing strikes or it is no image.
    """
    scans = [s.fault for s in strikes if isinstance(s.fault, DirtySensor | LampAgeing | SkewFeed)]
    if not scans:
        return data
    try:
        with Image.open(io.BytesIO(data)) as opened:
            form, dpi = opened.format or "PNG", opened.info.get("dpi")
            image = opened.convert("L")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return data
    for fault in scans:
        match fault:
            case SkewFeed():
                image = image.rotate(fault.degrees, Image.Resampling.BILINEAR, fillcolor=_WHITE)
            case DirtySensor():
                image = _streak(image, fault)
            case LampAgeing():
                age = sheet - (fault.sheet or 1) + 1
                share = max(fault.least, 1 - fault.per_sheet * age)
                image = image.point([round(grey * share) for grey in range(256)])
    told = {"dpi": dpi} if dpi else {}
    out = io.BytesIO()
    if form == "JPEG":
        image.save(out, form, quality=_JPEG_QUALITY, **told)
    else:
        image.save(out, form, **told)
    return out.getvalue()


def _streak(image: Image.Image, fault: DirtySensor) -> Image.Image:
    width = max(1, round(fault.width_share * image.width))
    left = round(fault.at_share * (image.width - width))
    ink = round(_WHITE * (1 - fault.darkness))
    hurt = image.copy()
    ImageDraw.Draw(hurt).rectangle((left, 0, left + width - 1, image.height - 1), fill=ink)
    return hurt
