"""A sheet through a scanner: geometry, light, optics, dirt and noise, in that order.

Built for speed, so that thousands of sheets can be made: one affine pass over the page
(a few strips where the rollers slipped), table look-ups for tone, and noise cut out of a
tile made once, at a random place.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from scanner.synthesis.damage import mar_glass, mar_paper, tear
from scanner.synthesis.geometry import MM_PER_INCH, canvas_px, check_model, strips
from scanner.synthesis.model import Damage, ScannerModel, SynthesisError

Gray = npt.NDArray[np.uint8]

_TILE = 1024
_TILE_SIGMA = 32.0


def scan_page(
    page: Gray,
    model: ScannerModel,
    rng: np.random.Generator,
    damage: Damage | None = None,
    *,
    page_dpi: float | None = None,
    paper_mm: tuple[float, float] | None = None,
) -> Gray:
    """The scan of a page.

    Args:
        page: uint8[h, w] grey, the whole sheet, 255 white paper.
        model: the scanner and how the sheet went through.
        rng: source of all chance; the same seed gives the same pixels.
        damage: what befell the sheet and the glass.
        page_dpi: resolution of `page` (default: the model's), used without `paper_mm`.
        paper_mm: width and height of the sheet, where they are known exactly.

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
    px_mm = page.shape[1] / paper_mm[0]
    if damage is not None:
        page = mar_paper(page, damage, px_mm, rng)
    page = np.asarray(cv2.LUT(page, _tone(model)), np.uint8)
    if damage is not None:
        page = tear(page, damage, px_mm, model.border_level, rng)
    scan = _transport(page, model, paper_mm)
    scan = _light(scan, model, rng)
    sigma = model.blur_mm * model.dpi / MM_PER_INCH
    if sigma > 0.2:
        scan = np.asarray(cv2.GaussianBlur(scan, (0, 0), sigma), np.uint8)
    if damage is not None:
        mar_glass(scan, damage, model.dpi / MM_PER_INCH)
    _dust(scan, model, rng)
    scan = _noise(scan, model.noise_sigma, rng)
    return np.ascontiguousarray(np.rot90(scan, -model.orientation_deg // 90))


def _at_most(page: Gray, paper_mm: tuple[float, float], dpi: float) -> Gray:
    """Average a much finer raster down first: the affine pass looks at four pixels only."""
    wanted = round(paper_mm[0] * dpi / MM_PER_INCH)
    if page.shape[1] <= 1.4 * wanted:
        return page
    size = (wanted, round(paper_mm[1] * dpi / MM_PER_INCH))
    return np.asarray(cv2.resize(page, size, interpolation=cv2.INTER_AREA))


@cache
def _tone(model: ScannerModel) -> Gray:
    """Print's grey to the scanner's, uint8[256]."""
    share = (np.arange(256) / 255.0) ** model.gamma
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
    if model.shading <= 0:
        return scan
    height, width = scan.shape
    slow = rng.uniform(1 - model.shading, 1.0, (4, 5)).astype(np.float32)
    field = cv2.resize(
        slow, (max(1, width // 8), max(1, height // 32)), interpolation=cv2.INTER_CUBIC
    )
    cells = 1 + rng.normal(0, model.shading * 0.12, (1, field.shape[1]))
    fine = np.clip(field * cells * 250, 0, 255).astype(np.uint8)
    full = cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(scan, full, scale=1 / 250))


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


def _noise(scan: Gray, sigma: float, rng: np.random.Generator) -> Gray:
    if sigma <= 0:
        return scan
    dy, dx = rng.integers(0, _TILE, 2)
    tile = np.roll(_noise_tile(), (int(dy), int(dx)), axis=(0, 1))
    if rng.random() < 0.5:
        tile = tile[:, ::-1]
    height, width = scan.shape
    repeats = (-(-height // _TILE), -(-width // _TILE))
    field = np.tile(tile, repeats)[:height, :width]
    gain = sigma / _TILE_SIGMA
    return np.asarray(cv2.addWeighted(scan, 1.0, field, gain, -128.0 * gain))
