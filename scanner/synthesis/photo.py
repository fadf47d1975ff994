"""A phone's photograph of a strip of paper: geometry, paper, light, lens, sensor, JPEG.

A public test tool: the same pictures serve the tests, the soak run and training.

    shot = random_shot(np.random.default_rng(7))
    gray = photograph(tape, 8.0, shot, np.random.default_rng(8))

The paper lies on a table in front of a pinhole camera that looks at its middle. It is
turned, tilted, curled along its length as paper off a roll is, and crumpled: a smooth random
height field, which both displaces the print and shades it. Light falls off across the
picture, a hand may throw a shadow; the lens is a little out of focus, the hand moves; the
sensor adds noise; the file is a JPEG.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: Distance from the camera to the middle of what it looks at, mm.
CAMERA_MM = 320.0
#: The map from picture to paper is worked out on every so manieth pixel.
_MAP_STEP = 8
#: Wave lengths of a crumple, mm.
_CRUMPLE_MM = 28.0
#: Grey levels of thermal paper: its ink and its ground; and of the table beneath.
_INK, _PAPER, _TABLE = 62.0, 226.0, 120.0


@dataclass(frozen=True, slots=True)
class Shot:
    """How a photograph is taken.

    `px_per_mm` at the middle; `turn_deg` in the picture's plane; `tilt_deg` away from it
    about an axis at `axis_deg`; `curl_mm` how far the ends of the strip rise; `crumple_mm`
    the standard deviation of the height; `light` the share of light at the darker side,
    falling along `light_deg`; `exposure` of all of it; `shadow` the share of light in a
    shadow (1: none); `focus_px` and `motion_px` blur; `noise` grey levels; `jpeg` quality.
    """

    px_per_mm: float = 11.0
    turn_deg: float = 0.0
    tilt_deg: float = 0.0
    axis_deg: float = 0.0
    curl_mm: float = 0.0
    crumple_mm: float = 0.0
    light: float = 1.0
    light_deg: float = 0.0
    exposure: float = 1.0
    shadow: float = 1.0
    focus_px: float = 0.8
    motion_px: float = 0.0
    noise: float = 2.0
    jpeg: int = 85


def random_shot(rng: np.random.Generator, strength: float = 1.0) -> Shot:
    """A photograph as people take them; `strength` 0 is careful, 1 careless.

    At 1: any turn, up to 32 degrees of tilt, ends curled up to 18 mm, crumples of 0.9 mm,
    light down to 30 % at one side and 40 % in a shadow, focus off by up to 2 px, motion
    up to 5 px, noise up to 9 grey levels, JPEG quality from 55.
    """

    def up_to(most: float) -> float:
        return float(rng.uniform(0, most * strength))

    return Shot(
        px_per_mm=float(rng.uniform(8.0, 12.0)),
        turn_deg=float(rng.uniform(0, 360)) if strength > 0 else 0.0,
        tilt_deg=up_to(32),
        axis_deg=float(rng.uniform(0, 360)),
        curl_mm=up_to(18),
        crumple_mm=up_to(0.9),
        light=1 - up_to(0.7),
        light_deg=float(rng.uniform(0, 360)),
        exposure=float(rng.uniform(1 - 0.35 * strength, 1.1)),
        shadow=1 - up_to(0.6) if rng.random() < 0.5 else 1.0,
        focus_px=0.6 + up_to(1.4),
        motion_px=up_to(5),
        noise=1 + up_to(8),
        jpeg=round(90 - up_to(35)),
    )


def photograph(paper: Gray, dots_per_mm: float, shot: Shot, rng: np.random.Generator) -> bytes:
    """The JPEG of a photograph of this paper.

    Args:
        paper: uint8[h, w], 0 ink to 255 blank, as printed.
        dots_per_mm: its resolution.
        rng: draws crumples, noise and the edge of a shadow.
    """
    height_mm, width_mm = paper.shape[0] / dots_per_mm, paper.shape[1] / dots_per_mm
    reach = math.hypot(height_mm, width_mm)
    turn = math.radians(shot.turn_deg)
    across = abs(width_mm * math.cos(turn)) + abs(height_mm * math.sin(turn))
    down = abs(width_mm * math.sin(turn)) + abs(height_mm * math.cos(turn))
    size = (
        round((across * 1.12 + 12) * shot.px_per_mm),
        round((down * 1.12 + 12) * shot.px_per_mm),
    )
    field = _height_field(reach, shot, rng)
    x_mm, y_mm, shade = _paper_places(size, shot, field, reach)
    # A print head's dot is a soft spot on thermal paper.
    printed = cv2.GaussianBlur(paper, (0, 0), 0.35)
    toned = (_INK + (_PAPER - _INK) / 255.0 * printed.astype(np.float32)).astype(np.float32)
    # Far from the picture one pixel covers several dots: shrink first, or it would alias.
    ratio = min(1.0, 1.3 * shot.px_per_mm / dots_per_mm)
    if ratio < 1.0:
        toned = np.asarray(
            cv2.resize(toned, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA), np.float32
        )
    scale_x, scale_y = toned.shape[1] / width_mm, toned.shape[0] / height_mm
    picture = cv2.remap(
        toned,
        ((x_mm + width_mm / 2) * scale_x - 0.5).astype(np.float32),
        ((y_mm + height_mm / 2) * scale_y - 0.5).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_TABLE,
    )
    lit = np.asarray(picture, np.float32) * shade * _light(size, shot, rng)
    blurred = np.asarray(cv2.GaussianBlur(lit, (0, 0), max(0.3, shot.focus_px)), np.float32)
    if shot.motion_px >= 1:
        kernel = _motion(shot.motion_px, float(rng.uniform(0, math.pi)))
        blurred = np.asarray(cv2.filter2D(blurred, -1, kernel), np.float32)
    noisy = blurred + rng.normal(0, shot.noise, blurred.shape).astype(np.float32)
    gray = np.clip(noisy, 0, 255).astype(np.uint8)
    done, data = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, shot.jpeg])
    if not done:  # pragma: no cover - only for want of memory
        raise MemoryError("the photograph cannot be encoded")
    return bytes(data)


def _height_field(reach: float, shot: Shot, rng: np.random.Generator) -> Floats:
    """Heights over the strip, mm, on a 1 mm grid of `reach` a side, curl and crumple."""
    cells = max(4, math.ceil(reach / _CRUMPLE_MM * 2))
    coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    side = max(8, math.ceil(reach) + 2)
    smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    crumple = smooth / max(float(smooth.std()), 1e-6) * shot.crumple_mm
    along = np.linspace(-1, 1, side, dtype=np.float32)[:, None] ** 2 * shot.curl_mm
    return (crumple + along).astype(np.float32)


def _paper_places(
    size: tuple[int, int], shot: Shot, field: Floats, reach: float
) -> tuple[Floats, Floats, Floats]:
    """Where each pixel looks at the paper, mm from its middle, and how light falls there."""
    width, height = size
    columns = np.arange(0, width + _MAP_STEP, _MAP_STEP, dtype=np.float32)
    rows = np.arange(0, height + _MAP_STEP, _MAP_STEP, dtype=np.float32)
    u, v = np.meshgrid(columns - width / 2, rows - height / 2)
    focal = shot.px_per_mm * CAMERA_MM
    rotation = _rotation(shot)
    # Ray of a pixel in the paper's frame; the camera's centre is at -distance along z.
    rays = np.stack([u / focal, v / focal, np.ones_like(u)], axis=-1) @ rotation
    centre = np.array([0, 0, -CAMERA_MM], np.float32) @ rotation
    z = np.zeros_like(u)
    for _ in range(4):
        share = (z - centre[2]) / rays[..., 2]
        x, y = centre[0] + share * rays[..., 0], centre[1] + share * rays[..., 1]
        z = -_sample(field, x, y, reach)
    slope_y, slope_x = np.gradient(field)
    tilt = math.radians(shot.light_deg)
    steep = np.asarray(slope_x * math.cos(tilt) + slope_y * math.sin(tilt), np.float32)
    shade = np.clip(1 + 0.9 * _sample(steep, x, y, reach), 0.35, 1.25)
    full = [
        cv2.resize(part.astype(np.float32), (part.shape[1] * _MAP_STEP, part.shape[0] * _MAP_STEP))
        for part in (x, y, shade)
    ]
    # `resize` keeps the middles of cells: pixel p of the large map is (p - 3.5) / 8 of the small.
    shift = (_MAP_STEP - 1) / 2
    move = np.array([[1, 0, -shift], [0, 1, -shift]], np.float32)
    a, b, c = (
        np.asarray(
            cv2.warpAffine(part, move, (width, height), borderMode=cv2.BORDER_REPLICATE), np.float32
        )
        for part in full
    )
    return a, b, c


def _sample(field: Floats, x: Floats, y: Floats, reach: float) -> Floats:
    places = [(np.clip(p + reach / 2, 0, field.shape[0] - 1)).astype(np.float32) for p in (x, y)]
    return np.asarray(cv2.remap(field, places[0], places[1], cv2.INTER_LINEAR), np.float32)


def _rotation(shot: Shot) -> Floats:
    """Paper to camera: tilt about an axis in the plane, then the turn."""
    axis = math.radians(shot.axis_deg)
    tilt = np.array([math.cos(axis), math.sin(axis), 0]) * math.radians(shot.tilt_deg)
    turn = np.array([0, 0, math.radians(shot.turn_deg)])
    return np.asarray(cv2.Rodrigues(turn)[0] @ cv2.Rodrigues(tilt)[0], np.float32)


def _light(size: tuple[int, int], shot: Shot, rng: np.random.Generator) -> Floats:
    width, height = size
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    angle = math.radians(shot.light_deg)
    along = x * math.cos(angle) + y * math.sin(angle)
    light = shot.exposure * (1 - (1 - shot.light) * (along + 1.42) / 2.84)
    if shot.shadow < 1:
        edge, way = float(rng.uniform(-0.4, 0.4)), float(rng.uniform(0, 2 * math.pi))
        side = x * math.cos(way) + y * math.sin(way) - edge
        light = light * (1 - (1 - shot.shadow) / (1 + np.exp(-side * 30)))
    return np.asarray(light, np.float32)


def _motion(length_px: float, angle: float) -> Floats:
    side = 2 * math.ceil(length_px / 2) + 1
    kernel = np.zeros((side, side), np.float32)
    middle = side / 2 - 0.5
    for step in np.linspace(-length_px / 2, length_px / 2, 4 * side):
        x, y = middle + step * math.cos(angle), middle + step * math.sin(angle)
        kernel[round(y), round(x)] += 1
    return np.asarray(kernel / kernel.sum(), np.float32)
