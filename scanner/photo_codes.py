"""QR codes in a phone's photograph of paper: pixels in, texts out.

zxing-cpp finds and reads; this module gives it easier pictures where it fails, in order:

1. the photograph as it is;
2. larger, smaller, with the light evened out, sharpened: against blur, noise and shadows;
3. each code that was seen but not read, *flattened*: its alignment patterns (ISO/IEC 18004,
   6.3.6: a grid of small squares at known places) are found one by one, and the picture is
   bent until they stand where they must. Crumpled paper moves modules by more than their
   size, which no single perspective undoes.

A reading is never a guess: QR codes correct errors or refuse, and what they say is
signed. Pure: no files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_QR = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
#: Larger photographs are shrunk to this many pixels: more do not help, and cost time.
MAX_PIXELS = 14_000_000
#: A code is flattened at this many px a module, with this many modules of margin.
_FLAT_PX, _MARGIN = 8, 6
#: An alignment pattern is looked for this far from where its neighbours say, modules.
_REACH = 2.2
#: A pattern is believed if it correlates with its drawing as well as this.
_SURE = 0.45
#: At most this many triples of finder patterns are flattened.
MAX_TRIPLES = 9
#: Versions tried where no code of the photograph was read.
USUAL_VERSIONS = (15, 16, 11)
#: Below this the sharpest part of a photograph is blurred: standard deviation of the
#: Laplacian over the local contrast.
_SHARP = 0.055
_DARK = 70.0


@dataclass(frozen=True, slots=True)
class PhotoReading:
    """What a photograph gives: `texts` of the codes read, `unread` how many were seen only.

    `brightness` is the grey level of its lighter parts, `sharpness` how much of its contrast
    is between neighbouring pixels: both only to say what to do better.
    """

    texts: frozenset[str]
    unread: int
    brightness: float
    sharpness: float

    @property
    def advice(self) -> str:
        """What to do for a better photograph, a few words."""
        found = []
        if self.brightness < _DARK:
            found.append("more light")
        if self.sharpness < _SHARP:
            found.append("hold still and let the camera focus")
        if self.unread or not found:
            found.append("lay the tape flat and hold the phone straight above it")
        if not self.unread:
            found.append("go closer, so that the codes fill the picture")
        return ", ".join(found)


@dataclass(slots=True)
class _Seen:
    """Codes of one photograph so far: texts, their corners (4 x 2 px), QR versions, and how
    many more there seem to be."""

    texts: set[str] = field(default_factory=set)
    read: list[Floats] = field(default_factory=list)
    unread: int = 0
    versions: set[int] = field(default_factory=set)


def read_photo(
    gray: Gray,
    wanted: Callable[[str], bool] = lambda text: True,
    enough: Callable[[frozenset[str]], bool] = lambda texts: False,
) -> PhotoReading:
    """Read the QR codes of a photograph.

    Args:
        gray: uint8[h, w].
        wanted: is a text one of those looked for? Others are left out.
        enough: are these texts all there are? Then nothing more is tried.
    """
    if gray.size > MAX_PIXELS:
        shrink = (MAX_PIXELS / gray.size) ** 0.5
        gray = _resized(gray, shrink)
    seen = _Seen()
    for picture, scale in _easier(gray):
        _take(picture, scale, seen, wanted)
        if enough(frozenset(seen.texts)):
            break
    else:
        _take_flattened(gray, seen, wanted, enough)
    return PhotoReading(
        frozenset(seen.texts), seen.unread, float(np.percentile(gray, 90)), _sharpness(gray)
    )


def _easier(gray: Gray) -> Iterator[tuple[Gray, float]]:
    """The photograph in forms that are easier to read, with the scale of each."""
    yield gray, 1.0
    even = _even_light(gray)
    if gray.size <= MAX_PIXELS / 3:
        yield _resized(even, 1.6), 1.6
    yield _resized(gray, 0.6), 0.6
    yield _sharpened(even), 1.0
    yield _resized(_sharpened(even), 0.75), 0.75


def _take(picture: Gray, scale: float, seen: _Seen, wanted: Callable[[str], bool]) -> None:
    for code in zxingcpp.read_barcodes(picture, formats=_QR):
        if not wanted(code.text) or code.text in seen.texts:
            continue
        at = code.position
        corners = (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
        seen.texts.add(code.text)
        seen.read.append(np.array([(c.x / scale, c.y / scale) for c in corners], np.float32))
        version = str(code.extra.get("Version", "")) if isinstance(code.extra, dict) else ""
        if version.isdigit():
            seen.versions.add(int(version))


def _take_flattened(
    gray: Gray,
    seen: _Seen,
    wanted: Callable[[str], bool],
    enough: Callable[[frozenset[str]], bool],
) -> None:
    """Read what is only seen: each likely triple of finder patterns, flattened."""
    finders = find_finders(gray)
    free = [
        finder
        for finder in finders
        if not any(
            cv2.pointPolygonTest(q, (float(finder[0]), float(finder[1])), True) > -finder[2]
            for q in seen.read
        )
    ]
    seen.unread = -(-len(free) // 3)
    middles = np.array(free, np.float32).reshape(-1, 3)
    for corners in _corner_triples(middles, _versions(seen)[:1])[:MAX_TRIPLES]:
        if enough(frozenset(seen.texts)):
            return
        text = _flattened(gray, corners, _versions(seen), wanted)
        if text is not None and text not in seen.texts:
            seen.texts.add(text)
            seen.unread = max(0, seen.unread - 1)


def _versions(seen: _Seen) -> list[int]:
    """QR versions to try: those read, as codes of one tape are alike; else the usual ones."""
    return sorted(seen.versions) or list(USUAL_VERSIONS)


# --- easier pictures --------------------------------------------------------------------


def _resized(gray: Gray, scale: float) -> Gray:
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(gray, None, fx=scale, fy=scale, interpolation=way), np.uint8)


def _even_light(gray: Gray) -> Gray:
    """Paper made equally white everywhere: divided by the lightest of its surroundings."""
    small = cv2.resize(gray, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    paper = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    paper = cv2.resize(cv2.GaussianBlur(paper, (0, 0), 3), (gray.shape[1], gray.shape[0]))
    light = np.maximum(np.asarray(paper, np.float32), 8.0)
    return np.clip(gray / light * 230.0, 0, 255).astype(np.uint8)


def _sharpened(gray: Gray) -> Gray:
    return np.asarray(
        cv2.addWeighted(gray, 3.0, cv2.GaussianBlur(gray, (0, 0), 2.5), -2.0, 0), np.uint8
    )


def _sharpness(gray: Gray) -> float:
    small = _resized(gray, min(1.0, (4_000_000 / gray.size) ** 0.5))
    edges = float(cv2.Laplacian(cv2.GaussianBlur(small, (0, 0), 1.0), cv2.CV_32F).std())
    return edges / max(float(small.std()), 1.0)


# --- finder patterns --------------------------------------------------------------------


def find_finders(gray: Gray) -> Floats:
    """Finder patterns of a photograph: float32[n, 3], middle x and y and side, px.

    A finder is a square in a ring: a dark contour with a light one in it with a dark one in
    that, areas as 49 : 25 : 9 (ISO/IEC 18004, 6.3.3).
    """
    found: list[tuple[float, float, float]] = []
    # Small and smooth: noise has contours too, by the hundred thousand.
    scale = min(1.0, (2_000_000 / gray.size) ** 0.5)
    small = cv2.GaussianBlur(_even_light(_resized(gray, scale)), (0, 0), 1.0)
    for block_px in (31, 71):
        dark = cv2.adaptiveThreshold(
            small, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, block_px, 15
        )
        contours, tree = cv2.findContours(dark, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        if tree is None:
            continue
        nesting = tree[0]
        # Only a contour with a child that has a child itself can be a finder's ring.
        inside = np.where(nesting[:, 2] >= 0, nesting[nesting[:, 2], 2], -1)
        for outer in np.flatnonzero(inside >= 0).tolist():
            middle, inner = contours[int(nesting[outer, 2])], contours[int(inside[outer])]
            area = cv2.contourArea(contours[outer])
            if area < 100:
                continue
            ring, core = cv2.contourArea(middle) / area, cv2.contourArea(inner) / area
            if not (0.3 < ring < 0.75 and 0.08 < core < 0.36):
                continue
            moments = cv2.moments(inner)
            x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
            side = area**0.5
            if not any(np.hypot(x - a, y - b) < 0.4 * s for a, b, s in found):
                found.append((x, y, side))
    return np.array(found, np.float32).reshape(-1, 3) / np.float32(scale)


def _corner_triples(finders: Floats, versions: list[int]) -> list[Floats]:
    """Triples of finders that may be one code's, the squarest first: top left, top right,
    bottom left, px."""
    found: list[tuple[float, Floats]] = []
    for corner in finders:
        apart = np.hypot(finders[:, 0] - corner[0], finders[:, 1] - corner[1])
        for version in versions:
            # Middles of finders are this many modules apart, and a finder is 7 wide.
            wanted = (10 + 4 * version) / 7 * corner[2]
            near = finders[(apart > 0.62 * wanted) & (apart < 1.6 * wanted)]
            for right in near:
                for below in near:
                    u, v = right[:2] - corner[:2], below[:2] - corner[:2]
                    lengths = float(np.linalg.norm(u)), float(np.linalg.norm(v))
                    turned = float(u[0] * v[1] - u[1] * v[0]) / (lengths[0] * lengths[1])
                    stretched = abs(float(np.log(lengths[0] / lengths[1])))
                    if turned > 0.75 and stretched < 0.7:
                        triple = np.stack([corner[:2], right[:2], below[:2]])
                        found.append((1 - turned + stretched, triple))
    found.sort(key=lambda pair: pair[0])
    return [triple for _, triple in found]


# --- flattening -------------------------------------------------------------------------


@cache
def alignment_places(version: int) -> tuple[int, ...]:
    """Rows (and columns) of alignment patterns of a version (ISO/IEC 18004, annex E)."""
    if version == 1:
        return ()
    count = version // 7 + 2
    last = 4 * version + 10
    step = 26 if version == 32 else (last - 6 + (count - 2)) // (count - 1)
    step += step % 2 if version != 32 else 0
    return (6, *(last - step * back for back in range(count - 2, -1, -1)))


def _flattened(
    gray: Gray, corners: Floats, versions: list[int], wanted: Callable[[str], bool]
) -> str | None:
    """The text of a code whose finder patterns lie at `corners` (top left, top right, bottom
    left; 3 x 2 px), after bending its picture straight; None: still not read."""
    for version in versions:
        far = 17 + 4 * version - 3.5
        side = (17 + 4 * version + 2 * _MARGIN) * _FLAT_PX
        ends = (np.array([(3.5, 3.5), (far, 3.5), (3.5, far)], np.float32) + _MARGIN) * _FLAT_PX
        to_photo = np.asarray(cv2.getAffineTransform(ends, corners), np.float64)
        x, y = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
        flat = _looked_at(gray, to_photo, x, y)
        moved = _misplacement(_even_light(flat), version)
        shift = _spread(moved, side)
        straight = _looked_at(gray, to_photo, x + shift[..., 0], y + shift[..., 1])
        for picture in (straight, _sharpened(_even_light(straight))):
            for code in zxingcpp.read_barcodes(picture, formats=_QR):
                if wanted(code.text):
                    return str(code.text)
    return None


def _looked_at(gray: Gray, to_photo: npt.NDArray[np.float64], x: Floats, y: Floats) -> Gray:
    """The photograph at places of the flat code, uint8 of the shape of `x` and `y`."""
    (a, b, c), (d, e, f) = to_photo.astype(np.float32)
    across = np.asarray(a * x + b * y + c, np.float32)
    down = np.asarray(d * x + e * y + f, np.float32)
    return np.asarray(cv2.remap(gray, across, down, cv2.INTER_CUBIC), np.uint8)


def _misplacement(flat: Gray, version: int) -> Floats:
    """Where the patterns of a nearly flat code lie: float32[n, 4], x, y, and how far off, px.

    From the finder patterns outwards: where a pattern is looked for follows from those
    found before, as paper bends smoothly.
    """
    patterns = _patterns(version)
    found = [
        ((_MARGIN + x) * _FLAT_PX, (_MARGIN + y) * _FLAT_PX, 0.0, 0.0) for x, y, _ in patterns[:3]
    ]
    left = [((_MARGIN + x) * _FLAT_PX, (_MARGIN + y) * _FLAT_PX, t) for x, y, t in patterns[3:]]
    while left:
        known = np.array(found, np.float32)
        nearest = [float(np.hypot(known[:, 0] - x, known[:, 1] - y).min()) for x, y, _ in left]
        x, y, template = left.pop(int(np.argmin(nearest)))
        expected = _at(known, np.array([[x, y]]))[0]
        place = _match(flat, template, x + expected[0], y + expected[1])
        if place is not None:
            found.append((x, y, place[0] - x, place[1] - y))
    return np.array(found, np.float32)


def _match(flat: Gray, template: Gray, x: float, y: float) -> tuple[float, float] | None:
    """Where a pattern's middle is, near to x and y; None where none is sure."""
    size, reach = template.shape[0], round(_REACH * _FLAT_PX)
    left, top = max(0, round(x - size / 2) - reach), max(0, round(y - size / 2) - reach)
    window = flat[top : top + size + 2 * reach, left : left + size + 2 * reach]
    if min(window.shape) < size:
        return None
    _, best, _, place = cv2.minMaxLoc(cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED))
    if best < _SURE:
        return None
    return left + place[0] + size / 2, top + place[1] + size / 2


@cache
def _patterns(version: int) -> tuple[tuple[float, float, Gray], ...]:
    """Centres (modules) and drawings of the finder and alignment patterns of a version."""
    modules = 17 + 4 * version
    finder = np.full((9, 9), 255, np.uint8)
    finder[1:8, 1:8] = 0
    finder[2:7, 2:7] = 255
    finder[3:6, 3:6] = 0
    small = np.full((5, 5), 0, np.uint8)
    small[1:4, 1:4] = 255
    small[2, 2] = 0
    drawn = [_drawn(pattern) for pattern in (finder, small)]
    places = alignment_places(version)
    corners = ((3.5, 3.5), (modules - 3.5, 3.5), (3.5, modules - 3.5))
    out = [(x, y, drawn[0]) for x, y in corners]
    for row in places:
        for column in places:
            if sum(p in (places[0], places[-1]) for p in (row, column)) == 2 and (
                row,
                column,
            ) != (places[-1], places[-1]):
                continue  # the three corners hold finder patterns
            out.append((column + 0.5, row + 0.5, drawn[1]))
    return tuple(out)


def _drawn(pattern: Gray) -> Gray:
    large = np.kron(pattern, np.ones((_FLAT_PX, _FLAT_PX), np.uint8))
    return np.asarray(cv2.GaussianBlur(large, (0, 0), _FLAT_PX / 3), np.uint8)


def _at(moved: Floats, places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Misplacement at places, px, float64[n, 2]: a thin-plate spline through what was found.

    Bookstein 1989; with a little stiffness, so that one wrong pattern does not tear the
    picture.
    """
    scale = 1000.0
    points, offsets = moved[:, :2].astype(np.float64) / scale, moved[:, 2:].astype(np.float64)
    count = len(points)
    matrix = np.zeros((count + 3, count + 3))
    matrix[:count, :count] = _kernel(points, points) + 1e-4 * np.eye(count)
    matrix[:count, count:] = np.hstack([np.ones((count, 1)), points])
    matrix[count:, :count] = matrix[:count, count:].T
    weights = np.linalg.lstsq(matrix, np.vstack([offsets, np.zeros((3, 2))]), rcond=None)[0]
    at = places / scale
    basis = np.hstack([_kernel(at, points), np.ones((len(at), 1)), at])
    return np.asarray(basis @ weights, np.float64)


def _spread(moved: Floats, side: int) -> Floats:
    """Misplacement over the whole code, px, float32[side, side, 2]."""
    coarse = np.linspace(0, side - 1, 33)
    at = np.stack(np.meshgrid(coarse, coarse), axis=-1).reshape(-1, 2)
    nodes = _at(moved, at).reshape(33, 33, 2).astype(np.float32)
    step = np.linspace(0, 32, side, dtype=np.float32)
    x, y = np.meshgrid(step, step)
    return np.stack(
        [np.asarray(cv2.remap(nodes[..., a], x, y, cv2.INTER_LINEAR), np.float32) for a in (0, 1)],
        axis=-1,
    )


def _kernel(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    square = ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=-1)
    return np.where(square > 0, 0.5 * square * np.log(np.maximum(square, 1e-12)), 0.0)
