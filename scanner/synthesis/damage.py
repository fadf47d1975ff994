"""Sheets are torn, folded and spilled on; glass gets dirty. Each in its own place."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from scanner.synthesis.model import Crease, Damage

Gray = npt.NDArray[np.uint8]

#: Width of a crease's shadow and of the worn ink beside it, mm.
FOLD_SHADOW_MM, FOLD_WEAR_MM = 0.28, 0.5


def mar_paper(page: Gray, damage: Damage, px_mm: float, rng: np.random.Generator) -> Gray:
    """Stains, folds and creases on the paper, as a new uint8[h, w]."""
    page = page.copy()
    for stain in damage.stains:
        _stain(page, (stain.x_mm, stain.y_mm), stain.radius_mm, stain.darkness, px_mm, rng)
    for fold in damage.folds:
        _fold(page, np.array([fold.start_mm, fold.end_mm]) * px_mm, fold.depth, px_mm, rng)
    for crease in damage.creases:
        _crumple(page, crease, px_mm, rng)
    return page


def tear(
    page: Gray, damage: Damage, px_mm: float, bed_level: int, rng: np.random.Generator
) -> Gray:
    """Corners torn off: the scanner's bed shows there. In place."""
    height, width = page.shape
    for torn in damage.torn:
        size = torn.size_mm * px_mm
        t = np.linspace(0, 1, 14)
        ragged = rng.normal(0, 0.035, (14, 2))
        edge = (np.stack([1 - t, t], axis=1) * rng.uniform(0.8, 1.2, 2) + ragged) * size
        edge[0, 1] = edge[-1, 0] = -2.0
        polygon = np.concatenate([[[-2.0, -2.0]], edge])
        if torn.corner.endswith("right"):
            polygon[:, 0] = width - 1 - polygon[:, 0]
        if torn.corner.startswith("bottom"):
            polygon[:, 1] = height - 1 - polygon[:, 1]
        cv2.fillPoly(page, [np.round(polygon * 16).astype(np.int32)], bed_level, cv2.LINE_AA, 4)
    return page


def mar_glass(scan: Gray, damage: Damage, px_mm: float) -> None:
    """Dark (or pale) lines down the whole scan, in place."""
    for streak in damage.streaks:
        x0 = round((streak.x_mm - streak.width_mm / 2) * px_mm)
        x1 = max(x0 + 1, round((streak.x_mm + streak.width_mm / 2) * px_mm))
        if x1 <= 0 or x0 >= scan.shape[1]:
            continue
        column = scan[:, max(x0, 0) : x1]
        (np.maximum if streak.pale else np.minimum)(column, streak.level, out=column)


def _stain(
    page: Gray,
    centre_mm: tuple[float, float],
    radius_mm: float,
    darkness: float,
    px_mm: float,
    rng: np.random.Generator,
) -> None:
    """A blot with an uneven outline and the darker rim that a dried drop leaves."""
    reach = 1.45 * radius_mm
    x0, y0 = (max(0, round((c - reach) * px_mm)) for c in centre_mm)
    x1 = min(page.shape[1], round((centre_mm[0] + reach) * px_mm))
    y1 = min(page.shape[0], round((centre_mm[1] + reach) * px_mm))
    if x1 <= x0 or y1 <= y0:
        return
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    phases, sizes = rng.uniform(0, 6.3, 4), rng.normal(0, 0.06, 4)
    waves = sum(
        s * np.sin(n * angle + p) for n, (s, p) in enumerate(zip(sizes, phases, strict=True), 2)
    )
    radius = radius_mm * (1 + np.clip(waves, -0.35, 0.35))
    outline = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None] + centre_mm
    polygon = np.round((outline * px_mm - (x0, y0)) * 16).astype(np.int32)
    blot = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillPoly(blot, [polygon], 190, cv2.LINE_AA, 4)
    cv2.polylines(blot, [polygon], True, 255, max(1, round(0.6 * px_mm)), cv2.LINE_AA, 4)
    film = cv2.GaussianBlur(blot, (0, 0), max(0.3 * px_mm, 0.5)).astype(np.float32) / 255
    area = page[y0:y1, x0:x1]
    area[:] = (area * (1 - darkness * film) + 0.5).astype(np.uint8)


def _crumple(page: Gray, crease: Crease, px_mm: float, rng: np.random.Generator) -> None:
    """Short ridges in all directions about one place."""
    middle = np.array([crease.x_mm, crease.y_mm])
    for _ in range(crease.count):
        start = middle + rng.normal(0, crease.radius_mm / 2, 2)
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0) * crease.radius_mm
        end = start + length * np.array([np.cos(angle), np.sin(angle)])
        depth = crease.depth * float(rng.uniform(0.4, 1.0))
        _fold(page, np.array([start, end]) * px_mm, depth, px_mm, rng)


def _fold(
    page: Gray,
    ends_px: npt.NDArray[np.float64],
    depth: float,
    px_mm: float,
    rng: np.random.Generator,
) -> None:
    """A crease: print flakes off along it (lighter), and its valley lies in shadow (darker)."""
    steps = max(2, int(np.hypot(*(ends_px[1] - ends_px[0])) / (2 * px_mm)))
    t = np.linspace(0, 1, steps)[:, None]
    path = ends_px[0] * (1 - t) + ends_px[1] * t + rng.normal(0, 0.05 * px_mm, (steps, 2))
    line = np.round(path * 16).astype(np.int32)
    x, y, width, height = cv2.boundingRect((line // 16).astype(np.int32))
    pad = int(2 * px_mm) + 2
    x0, y0 = max(0, x - pad), max(0, y - pad)
    area = page[y0 : y + height + pad, x0 : x + width + pad]
    if area.size == 0:
        return
    local = line - np.array([x0, y0]) * 16
    for width_mm, towards, weight in (
        (FOLD_WEAR_MM, 255.0, 0.5 * depth),
        (FOLD_SHADOW_MM, 0.0, depth),
    ):
        mask = np.zeros(area.shape, np.uint8)
        cv2.polylines(mask, [local], False, 255, max(1, round(width_mm * px_mm)), cv2.LINE_AA, 4)
        share = mask.astype(np.float32) * (weight / 255)
        area[:] = (area + (towards - area) * share + 0.5).astype(np.uint8)
