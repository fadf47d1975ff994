"""A sheet through a scanner: geometry, light, optics, dirt and noise, in that order.

Built for speed, so that thousands of sheets can be made: one affine pass over the page
(a few strips where the rollers slipped), table look-ups for tone, and noise cut out of a
tile made once, at a random place. An A4 page at 200 dpi takes about 15 ms of one core.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]  # ships no type information

from scanner.synthesis.damage import mar_glass, mar_paper, tear
from scanner.synthesis.geometry import MM_PER_INCH, canvas_px, check_model, strips
from scanner.synthesis.model import Damage, Paper, ScannerModel, SynthesisError

Gray = npt.NDArray[np.uint8]

_TILE = 1024
_TILE_SIGMA = 32.0
#: Ink that shows through is spread by the paper's fibres, mm (standard deviation).
BLEED_SPREAD_MM = 0.22
_WHITE = 255
#: Many times faster than an array's turned view made contiguous.
_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def scan_page(
    page: Gray,
    model: ScannerModel,
    rng: np.random.Generator,
    damage: Damage | None = None,
    *,
    page_dpi: float | None = None,
    paper_mm: tuple[float, float] | None = None,
    paper: Paper | None = None,
    ghost: Gray | None = None,
) -> Gray:
    """The scan of a page.

    Args:
        page: uint8[h, w] grey, the whole sheet, 255 white paper.
        model: the scanner and how the sheet went through.
        rng: source of all chance; the same seed gives the same pixels.
        damage: what befell the sheet and the glass.
        page_dpi: resolution of `page` (default: the model's), used without `paper_mm`.
        paper_mm: width and height of the sheet, where they are known exactly.
        paper: the sheet before use: its colour, where the print stands on it, how much of
            the other side shows through.
        ghost: `show_through` of the other side, at the size of `page`; None: a blank back.

    Returns:
        uint8[h', w'], C-contiguous, at `model.dpi`.

    Raises:
        SynthesisError: a raster that is not uint8[h, w], or an impossible model.
    """
    if page.ndim != 2 or page.dtype != np.uint8 or page.size == 0:
        raise SynthesisError(f"the page must be uint8[h, w], not {page.dtype}{list(page.shape)}")
    check_model(model)
    if paper_mm is None:
        mm_px = MM_PER_INCH / (page_dpi or model.dpi)
        paper_mm = (page.shape[1] * mm_px, page.shape[0] * mm_px)
    page = _at_most(page, paper_mm, model.dpi)
    ghost = None if ghost is None else _at_most(ghost, paper_mm, model.dpi)
    px_mm = page.shape[1] / paper_mm[0]
    paper = paper or Paper()
    given = page
    page = _printed(page, paper, px_mm)
    if ghost is not None and paper.bleed > 0:
        if ghost.shape != page.shape:
            raise SynthesisError(f"a ghost of {ghost.shape} px does not fit a page {page.shape}")
        # Fresh memory costs more than the sums: whatever is not the caller's is used again.
        free = None if page is given else page
        page = np.asarray(cv2.addWeighted(page, 1.0, ghost, -paper.bleed, 0.0, dst=free), np.uint8)
    if damage is not None and (damage.stains or damage.folds or damage.creases):
        page = mar_paper(page, damage, px_mm, rng)
    free = None if page is given else page
    page = np.asarray(cv2.LUT(page, _tone(model, paper.reflectance), dst=free), np.uint8)
    if damage is not None:
        page = tear(page, damage, px_mm, model.border_level, rng)
    scan = _transport(page, model, paper_mm)
    scan = _light(scan, model, rng)
    sigma = model.blur_mm * model.dpi / MM_PER_INCH
    if sigma > 0.2:
        scan = np.asarray(cv2.GaussianBlur(scan, (0, 0), sigma, dst=scan), np.uint8)
    if damage is not None:
        mar_glass(scan, damage, model.dpi / MM_PER_INCH)
    _dust(scan, model, rng)
    scan = _noise(scan, model.noise_sigma, rng)
    if model.bilevel is not None:
        black_white = cv2.threshold(scan, model.bilevel - 1, _WHITE, cv2.THRESH_BINARY)[1]
        scan = np.asarray(black_white, np.uint8)
    if model.grain_quality is not None:
        scan = _grain(scan, model.grain_quality)
    turn = _TURNS.get(model.orientation_deg)
    return scan if turn is None else np.asarray(cv2.rotate(scan, turn), np.uint8)


def show_through(back: Gray, paper_mm: tuple[float, float]) -> Gray:
    """What of the other side shows on this one: its darkness, mirrored and spread by the
    paper, uint8[h, w] (0 nothing, 255 black) for `scan_page`'s `ghost`."""
    spread = BLEED_SPREAD_MM * back.shape[1] / paper_mm[0]
    dark = np.ascontiguousarray(cv2.flip(cv2.bitwise_not(back), 1))
    return np.asarray(cv2.GaussianBlur(dark, (0, 0), max(spread, 0.3)), np.uint8)


def _printed(page: Gray, paper: Paper, px_mm: float) -> Gray:
    """The print off its place or size on the sheet; white where nothing was printed."""
    if paper.print_scale <= 0:
        raise SynthesisError(f"a print scale of {paper.print_scale:g} leaves no print")
    dx, dy = (round(offset * px_mm) for offset in paper.offset_mm)
    height, width = page.shape
    if paper.print_scale != 1.0:
        k, middle = paper.print_scale, np.array([width / 2, height / 2])
        move = middle * (1 - k) + (dx, dy) + (k - 1) / 2
        return np.asarray(
            cv2.warpAffine(
                page,
                np.array([[k, 0.0, move[0]], [0.0, k, move[1]]]),
                (width, height),
                flags=cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=_WHITE,
            ),
            np.uint8,
        )
    if (dx, dy) == (0, 0):
        return page
    if abs(dx) >= width or abs(dy) >= height:
        raise SynthesisError(f"a print {paper.offset_mm} mm off its place is not on the sheet")
    part = page[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
    rims = (max(0, dy), max(0, -dy), max(0, dx), max(0, -dx))
    return np.asarray(cv2.copyMakeBorder(part, *rims, cv2.BORDER_CONSTANT, value=_WHITE), np.uint8)


def _grain(scan: Gray, quality: int) -> Gray:
    """Through a JPEG of this quality and back, as many scanners hand their pictures on."""
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(scan)[:, :, None], quality, "GRAY")
    return np.asarray(simplejpeg.decode_jpeg(data, "GRAY")[:, :, 0], np.uint8)


def _at_most(page: Gray, paper_mm: tuple[float, float], dpi: float) -> Gray:
    """Average a much finer raster down first: the affine pass looks at four pixels only."""
    wanted = round(paper_mm[0] * dpi / MM_PER_INCH)
    if page.shape[1] <= 1.4 * wanted:
        return page
    size = (wanted, round(paper_mm[1] * dpi / MM_PER_INCH))
    return np.asarray(cv2.resize(page, size, interpolation=cv2.INTER_AREA))


def _tone(model: ScannerModel, reflectance: float) -> Gray:
    """Print's grey on paper of a colour to the scanner's grey, uint8[256]."""
    share = (np.arange(256) / 255.0 * reflectance) ** model.gamma
    return np.clip(model.black + (model.white - model.black) * share, 0, 255).astype(np.uint8)


def _transport(page: Gray, model: ScannerModel, paper_mm: tuple[float, float]) -> Gray:
    """Lay the page on the bed as the rollers drew it in."""
    width, height = canvas_px(model, paper_mm)
    scan = np.empty((height, width), np.uint8)
    mm_px = MM_PER_INCH / model.dpi
    page_px_mm = np.array([page.shape[1] / paper_mm[0], page.shape[0] / paper_mm[1]])
    for strip in strips(model, paper_mm):
        # Centres stand at half-integers: scan index i is (i + 0.5) px, page index likewise.
        matrix = strip.to_page_mm * page_px_mm[:, None]
        linear = matrix[:, :2] * mm_px
        offset = matrix[:, 2] + linear @ (0.5, 0.5 + strip.top) - 0.5
        cv2.warpAffine(
            page,
            np.concatenate([linear, offset[:, None]], axis=1),
            (width, strip.bottom - strip.top),
            dst=scan[strip.top : strip.bottom],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=model.border_level,
        )
    return scan


def _light(scan: Gray, model: ScannerModel, rng: np.random.Generator) -> Gray:
    """Uneven lamp over the page and sensor cells of unequal gain."""
    if model.shading <= 0 and model.banding <= 0:
        return scan
    height, width = scan.shape
    slow = rng.uniform(1 - model.shading, 1.0, (4, 5)).astype(np.float32)
    field = cv2.resize(
        slow, (max(1, width // 8), max(1, height // 32)), interpolation=cv2.INTER_CUBIC
    )
    cells = 1 + rng.normal(0, model.shading * 0.12, (1, field.shape[1]))
    fine: npt.NDArray[np.float64] = field * cells * 250
    if model.banding > 0:  # single cells: as fine across as the scan itself
        wide = cv2.resize(fine, (width, fine.shape[0]), interpolation=cv2.INTER_LINEAR)
        fine = wide * (1 + rng.normal(0, model.banding, (1, width)))
    gain = np.clip(fine, 0, 255).astype(np.uint8)
    full = cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(scan, full, dst=scan, scale=1 / 250), np.uint8)


def _dust(scan: Gray, model: ScannerModel, rng: np.random.Generator) -> None:
    """Specks of 0.1 to 0.3 mm, dark mostly, a few light, in place."""
    height, width = scan.shape
    k = model.dpi / MM_PER_INCH
    places = rng.uniform(0, 1, (model.dust_count, 2)) * (width, height)
    sizes = rng.uniform(0.05, 0.16, (model.dust_count, 2)) * k
    levels = np.where(rng.random(model.dust_count) < 0.85, rng.integers(60, 160, 1), 250)
    for (x, y), (a, b), level in zip(places, sizes, levels, strict=True):
        axes = (max(16, int(a * 16)), max(16, int(b * 16)))
        cv2.ellipse(
            scan,
            (int(x * 16), int(y * 16)),
            axes,
            float(rng.uniform(0, 180)),
            0,
            360,
            int(level),
            -1,
            cv2.LINE_AA,
            4,
        )


@cache
def _noise_tile() -> Gray:
    """Sensor noise and paper fibre, uint8[_TILE, _TILE], mean 128, deviation `_TILE_SIGMA`.

    Made from a seed of its own: it is a texture, like a font; chance decides its place.
    """
    rng = np.random.default_rng(20240229)
    white = rng.standard_normal((_TILE, _TILE), dtype=np.float32)
    other = rng.standard_normal((_TILE, _TILE), dtype=np.float32)
    fibre = cv2.GaussianBlur(other, (0, 0), 2.2, borderType=cv2.BORDER_REFLECT)
    noise = cv2.GaussianBlur(white, (0, 0), 0.45) + 1.6 * fibre / fibre.std() * 0.35
    level = 128.5 + noise * (_TILE_SIGMA / float(noise.std()))
    return np.asarray(np.clip(level, 0, 255), np.uint8)


@cache
def _noise_field(high: int, wide: int, *, mirrored: bool) -> Gray:
    """Tiles side by side, one more each way than asked for: any place is a cheap view."""
    tile = _noise_tile()[:, ::-1] if mirrored else _noise_tile()
    return np.ascontiguousarray(np.tile(tile, (high + 1, wide + 1)))


def _noise(scan: Gray, sigma: float, rng: np.random.Generator) -> Gray:
    if sigma <= 0:
        return scan
    dy, dx = (int(v) for v in rng.integers(0, _TILE, 2))
    height, width = scan.shape
    # Sizes rounded up, so that a handful of fields serves scans of all borders.
    tiles = (-(-height // _TILE), -(-width // _TILE))
    field = _noise_field(*tiles, mirrored=bool(rng.random() < 0.5))
    gain = sigma / _TILE_SIGMA
    part = field[dy : dy + height, dx : dx + width]
    return np.asarray(cv2.addWeighted(scan, 1.0, part, gain, -128.0 * gain, dst=scan), np.uint8)
