"""What all file formats share: pages, limits, Pillow modes to grey, and error words."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from scanner.errors import PageRefusedError, RefusalReason

# Sizes are checked here against stricter limits; Pillow's warning would only add noise.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Damage it only warns of is found here by other means (strip bounds, decoding).
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")


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
class Limits:
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


#: What Pillow raises on broken input (its plugins let parsing errors through).
PILLOW_ERRORS = (
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


def gray_of(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Any Pillow mode as uint8[h, w]; transparency is laid over white paper."""
    image.load()
    if image.mode in ("I;16", "I;16B", "I;16L"):
        return np.ascontiguousarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float64)
        if np.isnan(values).any():  # neither ink nor paper: not for this room to choose
            raise ValueError("a pixel is not a number")
        # 32-bit samples: PNG's 16 bits arrive so, floats are 0..1.
        peak = 65535.0 if image.mode == "I" else 1.0
        return np.ascontiguousarray((np.clip(values / peak, 0, 1) * 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = Image.alpha_composite(paper, layer)
    return np.ascontiguousarray(np.asarray(image.convert("L")), dtype=np.uint8)


def same_dpi(x: float, y: float) -> float | None:
    """The resolution where it is one number and plausible; else None."""
    if not (10.0 <= x <= 10_000.0) or abs(x - y) > 0.02 * x:
        return None
    return round(x, 2)


def word_of(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:120]


def refused_page(refusal: PageRefusedError, index: int) -> RefusedPage:
    return RefusedPage(index, refusal.reason, refusal.detail)


def too_many(limits: Limits, index: int, max_pages: int) -> RefusedPage:
    return RefusedPage(
        index,
        RefusalReason.TOO_LARGE,
        f"{limits.name}: has more than {max_pages} pages; the first {max_pages} were read. "
        "Split the file",
    )
