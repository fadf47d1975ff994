"""Measure every target of a fitted page against the blank print: all of them in one pass.

Each target is cut out at a fixed resolution through the page's local map, shifted so that
its printed outline lies on the blank's, and the newly dark share of its inside is the
score (VVSG 2.0, 1.1.6-H: reliable marks; 1.1.6-I: extraneous ones are not votes).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from election.layout import PageLayout, Target
from scanner.registration import Registration

Patches = npt.NDArray[np.float32]

#: Resolution of the cut-out targets, px per mm (203 dpi), and their side, px.
PATCH_PX_PER_MM = 8.0
PATCH_PX = 80
#: The outline is searched this far round its expected place, mm.
SEARCH_MM = 2.0
#: A pixel is ink where it is at least this much of the way from paper to black.
DARK = 0.35
#: Print on the blank darker than this is left out of what a voter can have drawn.
PRINT = 0.18
#: Inside of a target: its outline shrunk by this much, mm.
INSET_MM = 0.45
#: An outline found with at least this contrast places its target by itself.
SURE_OUTLINE = 0.22
#: A shift may differ from its neighbours' median by this much, mm: paper does not jump.
NEIGHBOUR_MM = 0.8
#: Share of a printed outline that must be seen for it to count as there.
OUTLINE_SEEN = 0.6
#: Samples across and down a write-in area.
AREA_SAMPLES = (96, 24)


@dataclass(frozen=True)
class PageTemplates:
    """The blank print at each target of a page.

    `outline` float32[n, s, s] darkness 0..1 of the blank, `inside` bool[n, s, s] where a
    mark counts, `areas` int64[k] the targets with a write-in area, `area_print`
    float32[k, h, w] the blank there.
    """

    layout: PageLayout
    outline: Patches
    inside: npt.NDArray[np.bool_]
    areas: npt.NDArray[np.int64]
    area_print: Patches


@dataclass(frozen=True)
class Measurement:
    """Per target: score 0..1, place px, write-in score (NaN without an area), share of
    the printed outline seen 0..1; all float32[n]."""

    scores: npt.NDArray[np.float32]
    x_px: npt.NDArray[np.float32]
    y_px: npt.NDArray[np.float32]
    write_in_scores: npt.NDArray[np.float32]
    outline_seen: npt.NDArray[np.float32]


def _axes() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    steps = (np.arange(PATCH_PX) - (PATCH_PX - 1) / 2) / PATCH_PX_PER_MM
    return np.meshgrid(steps, steps)


def _distance(target: Target) -> npt.NDArray[np.float64]:
    """Signed distance of each patch pixel from the target's outer edge, mm; inside negative."""
    x, y = _axes()
    half_w, half_h = target.width_mm / 2, target.height_mm / 2
    if target.shape == "square":
        return np.maximum(np.abs(x) - half_w, np.abs(y) - half_h)
    # Ovals and circles: a stroke of constant width round a line (a circle's has no length).
    reach = max(half_w - half_h, 0.0)
    return np.hypot(np.maximum(np.abs(x) - reach, 0.0), y) - min(half_h, half_w)


def drawn_templates(layout: PageLayout, *, line_mm: float = 0.3) -> PageTemplates:
    """Templates drawn from the targets' shape alone, where no blank print is at hand."""
    distance = np.array([_distance(t) for t in layout.targets])
    outline = ((distance <= 0) & (distance >= -line_mm)).astype(np.float32)
    areas = _areas(layout)
    blank = np.zeros((areas.size, AREA_SAMPLES[1], AREA_SAMPLES[0]), np.float32)
    return PageTemplates(layout, outline, distance < -INSET_MM, areas, blank)


def printed_templates(layout: PageLayout, blank: npt.NDArray[np.uint8]) -> PageTemplates:
    """Templates cut from the blank raster of the same page (uint8[h, w], any resolution)."""
    x_scale, y_scale = blank.shape[1] / layout.width_mm, blank.shape[0] / layout.height_mm
    x, y = _axes()
    centre_x = np.array([t.x_mm for t in layout.targets])[:, None, None]
    centre_y = np.array([t.y_mm for t in layout.targets])[:, None, None]
    # A place of x mm is at pixel edge x·scale; pixel centres lie half a pixel further.
    cut = _sample(blank, (centre_x + x) * x_scale - 0.5, (centre_y + y) * y_scale - 0.5, 255.0)
    distance = np.array([_distance(t) for t in layout.targets])
    areas = _areas(layout)
    area_x, area_y = _area_points(layout, areas)
    area_print = _sample(blank, area_x * x_scale - 0.5, area_y * y_scale - 0.5, 255.0)
    return PageTemplates(
        layout,
        (1.0 - cut / 255.0).astype(np.float32),
        distance < -INSET_MM,
        areas,
        (1.0 - area_print / 255.0).astype(np.float32),
    )


def _areas(layout: PageLayout) -> npt.NDArray[np.int64]:
    return np.array(
        [i for i, t in enumerate(layout.targets) if t.write_in_area is not None], dtype=np.int64
    )


def _area_points(
    layout: PageLayout, areas: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    boxes = [b for i in areas if (b := layout.targets[int(i)].write_in_area) is not None]
    u = (np.arange(AREA_SAMPLES[0]) + 0.5) / AREA_SAMPLES[0]
    v = (np.arange(AREA_SAMPLES[1]) + 0.5) / AREA_SAMPLES[1]
    left = np.array([b.x_mm for b in boxes])[:, None, None]
    top = np.array([b.y_mm for b in boxes])[:, None, None]
    wide = np.array([b.width_mm for b in boxes])[:, None, None]
    high = np.array([b.height_mm for b in boxes])[:, None, None]
    x = left + wide * u[None, None, :] + 0 * v[None, :, None]
    y = top + high * v[None, :, None] + 0 * u[None, None, :]
    return x, y


def _sample(
    image: npt.NDArray[np.uint8],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    outside: float,
) -> Patches:
    """Grey values at px places of any shape [n, h, w], bilinear; `outside` beyond the image."""
    count, high, wide = x.shape
    out = np.empty((count, high, wide), np.float32)
    # OpenCV's remap is limited to 32,767 rows a call.
    step = max(1, 30_000 // max(high, 1))
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        map_x = x[part].astype(np.float32).reshape(-1, wide)
        map_y = y[part].astype(np.float32).reshape(-1, wide)
        grey = cv2.remap(
            image,
            map_x,
            map_y,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=outside,
        )
        out[part] = grey.reshape(-1, high, wide)
    return out


def measure(
    gray: npt.NDArray[np.uint8], fit: Registration, templates: PageTemplates
) -> Measurement:
    """Score all targets of a page.

    Args:
        gray: uint8[h, w], upright, as it was registered.
        fit: the page's map.
        templates: the blank print of the page's layout.
    """
    targets = templates.layout.targets
    x_mm = np.array([t.x_mm for t in targets])
    y_mm = np.array([t.y_mm for t in targets])
    centre_x, centre_y = fit.to_px(x_mm, y_mm)
    # The map's local derivative, from points 2 mm apart.
    right_x, right_y = fit.to_px(x_mm + 1.0, y_mm)
    left_x, left_y = fit.to_px(x_mm - 1.0, y_mm)
    down_x, down_y = fit.to_px(x_mm, y_mm + 1.0)
    up_x, up_y = fit.to_px(x_mm, y_mm - 1.0)
    jac = (
        np.stack([(right_x - left_x), (down_x - up_x), (right_y - left_y), (down_y - up_y)], axis=1)
        / 2.0
    )
    ax, ay = _axes()
    map_x = centre_x[:, None, None] + jac[:, 0, None, None] * ax + jac[:, 1, None, None] * ay
    map_y = centre_y[:, None, None] + jac[:, 2, None, None] * ax + jac[:, 3, None, None] * ay
    dark = _darkness(_sample(gray, map_x, map_y, fit.paper), fit.paper)

    shift_x, shift_y = _align(dark, templates, x_mm, y_mm)
    dx_mm, dy_mm = shift_x / PATCH_PX_PER_MM, shift_y / PATCH_PX_PER_MM
    moved = _roll(dark, shift_x, shift_y)
    printed = _dilate(templates.outline) > PRINT
    new_ink = (moved >= DARK) & ~printed & templates.inside
    free = (templates.inside & ~printed).sum(axis=(1, 2))
    scores = new_ink.sum(axis=(1, 2)) / np.maximum(free, 1)

    line = templates.outline > 0.5
    seen = ((_dilate(moved) > PRINT) & line).sum(axis=(1, 2)) / np.maximum(line.sum(axis=(1, 2)), 1)
    write_in = np.full(len(targets), np.nan, np.float32)
    if templates.areas.size:
        write_in[templates.areas] = _write_ins(gray, fit, templates, dx_mm, dy_mm)
    return Measurement(
        scores=scores.astype(np.float32),
        x_px=(centre_x + jac[:, 0] * dx_mm + jac[:, 1] * dy_mm).astype(np.float32),
        y_px=(centre_y + jac[:, 2] * dx_mm + jac[:, 3] * dy_mm).astype(np.float32),
        write_in_scores=write_in,
        outline_seen=seen.astype(np.float32),
    )


def _darkness(patches: Patches, paper: float) -> Patches:
    """0 = this patch's own paper, 1 = black; uneven light and tinted paper fall out."""
    flat = patches.reshape(patches.shape[0], -1)
    place = int(flat.shape[1] * 0.8)
    light = np.partition(flat[:, ::2], place // 2, axis=1)[:, place // 2]
    # A patch that is mostly ink still has paper no darker than half the page's.
    light = np.clip(light, 0.6 * paper, 255.0)[:, None, None]
    result: Patches = np.clip((light - patches) / light, 0.0, 1.0).astype(np.float32)
    return result


def _dilate(patches: Patches) -> Patches:
    """The greatest value within one pixel, patch by patch."""
    count, high, wide = patches.shape
    padded = np.zeros((count, high + 2, wide + 2), np.float32)
    padded[:, 1:-1, 1:-1] = patches
    rows = np.maximum(np.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    result: Patches = np.maximum(np.maximum(rows[:, :, :-2], rows[:, :, 1:-1]), rows[:, :, 2:])
    return result


def _roll(
    patches: Patches, shift_x: npt.NDArray[np.int64], shift_y: npt.NDArray[np.int64]
) -> Patches:
    """Each patch moved so that what lay at +shift lies at 0; white comes in at the rim."""
    count, high, wide = patches.shape
    rows = np.arange(high)[None, :] + shift_y[:, None]
    columns = np.arange(wide)[None, :] + shift_x[:, None]
    inside = ((rows >= 0) & (rows < high))[:, :, None] & ((columns >= 0) & (columns < wide))[
        :, None, :
    ]
    moved = patches[
        np.arange(count)[:, None, None],
        np.clip(rows, 0, high - 1)[:, :, None],
        np.clip(columns, 0, wide - 1)[:, None, :],
    ]
    return np.where(inside, moved, np.float32(0.0))


def _align(
    dark: Patches,
    templates: PageTemplates,
    x_mm: npt.NDArray[np.float64],
    y_mm: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Whole-pixel shifts that lay each printed outline on the blank's.

    A filled target hides its outline; it takes the shift of its nearest sure neighbours.
    """
    line = (templates.outline > 0.5).astype(np.float32)
    halo = (_dilate(_dilate(_dilate(line))) > 0.5) & (_dilate(line) <= 0.5)
    weight = line / np.maximum(line.sum(axis=(1, 2), keepdims=True), 1.0)
    weight -= halo / np.maximum(halo.sum(axis=(1, 2), keepdims=True), 1.0)
    reach = round(SEARCH_MM * PATCH_PX_PER_MM)
    size = PATCH_PX + 2 * reach
    # A hairline outline is widened first, so that it meets the drawn one at all.
    spectrum = np.fft.rfft2(_dilate(dark), s=(size, size), axes=(1, 2))
    pattern = np.fft.rfft2(weight, s=(size, size), axes=(1, 2))
    match = np.fft.irfft2(spectrum * np.conj(pattern), s=(size, size), axes=(1, 2))
    span = np.arange(-reach, reach + 1)
    window = match[:, span[:, None] % size, span[None, :] % size]
    # Of equally good places the nearest one.
    distance = np.hypot(span[:, None], span[None, :])
    window = window - 0.004 * distance
    flat = window.reshape(window.shape[0], -1)
    best = np.argmax(flat, axis=1)
    quality = flat[np.arange(best.size), best]
    dy, dx = np.divmod(best, span.size)
    dx, dy = dx - reach, dy - reach
    sure = quality >= SURE_OUTLINE
    if not sure.any():
        return np.zeros_like(dx), np.zeros_like(dy)
    # Every target's shift is checked against its neighbours': paper does not jump.
    far = np.hypot(x_mm[:, None] - x_mm[None, sure], y_mm[:, None] - y_mm[None, sure])
    near = np.argsort(far, axis=1)[:, : min(5, int(sure.sum()))]
    expect_x = np.median(dx[sure][near], axis=1)
    expect_y = np.median(dy[sure][near], axis=1)
    lost = ~sure | (np.hypot(dx - expect_x, dy - expect_y) > NEIGHBOUR_MM * PATCH_PX_PER_MM)
    out_x = np.where(lost, np.rint(expect_x), dx).astype(np.int64)
    out_y = np.where(lost, np.rint(expect_y), dy).astype(np.int64)
    return out_x, out_y


def _write_ins(
    gray: npt.NDArray[np.uint8],
    fit: Registration,
    templates: PageTemplates,
    dx_mm: npt.NDArray[np.float64],
    dy_mm: npt.NDArray[np.float64],
) -> npt.NDArray[np.float32]:
    """Newly dark share of each write-in area, float32[k]."""
    x, y = _area_points(templates.layout, templates.areas)
    x = x + dx_mm[templates.areas][:, None, None]
    y = y + dy_mm[templates.areas][:, None, None]
    px, py = fit.to_px(x, y)
    dark = _darkness(_sample(gray, px, py, fit.paper), fit.paper)
    ink = (dark >= DARK) & (_dilate(_dilate(templates.area_print)) <= PRINT)
    share: npt.NDArray[np.float32] = ink.mean(axis=(1, 2)).astype(np.float32)
    return share
