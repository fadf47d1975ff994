"""Equal windows out of a page, stacked so that all targets are worked on at once.

A stack is uint8[p, n]: one row a place of the window (row by row, flat), one column a
target. What is asked of a window ("these places, all targets") is then whole rows of
memory: no table of indices as large as the pictures, no strided reading.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]
Sums = npt.NDArray[np.int32]


def cut_out(
    gray: Gray,
    corner: Index,
    size: tuple[int, int],
    outside: int,
    only: Index | None = None,
) -> Gray:
    """Equal windows uint8[n, h, w] at `corner` int64[n, 2] (y, x); `outside` beyond the scan;
    of `only` these rows int64[h'] (default: all)."""
    high, wide = size
    low = corner.min(axis=0)
    end = corner.max(axis=0) + size
    if low.min() < 0 or end[0] > gray.shape[0] or end[1] > gray.shape[1]:
        before = np.clip(-low, 0, max(gray.shape) + max(size))
        after = np.clip(end - gray.shape, 0, max(gray.shape) + max(size))
        (top, left), (bottom, right) = before.tolist(), after.tolist()
        border = cv2.BORDER_CONSTANT
        framed = cv2.copyMakeBorder(gray, top, bottom, left, right, border, value=outside)
        gray = np.asarray(framed, np.uint8)
        corner = np.clip(corner + before, 0, np.array(gray.shape) - size)
    gray = np.ascontiguousarray(gray)
    # A window's row is one item: items may begin at any pixel and overlap.
    rows: npt.NDArray[np.void] = np.ndarray(
        (gray.size - wide + 1,), np.dtype((np.void, wide)), gray, strides=(1,)
    )
    first = corner[:, :1] * gray.shape[1] + corner[:, 1:]
    wanted = np.arange(high) if only is None else only
    taken = rows[first + wanted * gray.shape[1]].view(np.uint8)
    windows: Gray = taken.reshape(-1, wanted.size, wide)
    return windows


def stacked(windows: Gray) -> Gray:
    """Windows uint8[n, h, w] as a stack uint8[h·w, n]."""
    return np.asarray(cv2.transpose(windows.reshape(windows.shape[0], -1)), np.uint8)


def darkest_around(stack: Gray, width: int, by: int) -> Gray:
    """The darkest of the square of 2·`by` + 1 px about each place of a stack of windows
    `width` px wide: uint8[p - 2·m, n] from place m = `by`·(`width` + 1) on.

    A window's rows lie end to end, so within `by` px of its sides the square reaches into
    the row above or below: ask for no place there.
    """
    darkest = stack
    for step in (1, width):
        for _ in range(by):
            last = darkest.shape[0] - 2 * step
            pair = np.minimum(darkest[:last], darkest[step : step + last])
            darkest = np.minimum(pair, darkest[2 * step :], out=pair)
    return darkest


def sums_at(stack: Gray, places: Index) -> Sums:
    """Sums over k places each: `places` int64[k, s] of a stack, int32[s, n]."""
    taken = stack.take(places.ravel(), axis=0).reshape(places.shape[0], -1)
    added = np.asarray(cv2.reduce(taken, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.int32)
    return added.reshape(places.shape[1], stack.shape[1])


def inked(values: Gray, level: npt.NDArray[np.uint8], mask: Gray) -> Gray:
    """1 where a value of uint8[p, n] lies below its target's `level` uint8[n] and `mask`
    uint8[p, n] has its lowest bit set, else 0."""
    below = np.less(values, level).view(np.uint8)
    np.bitwise_and(below, mask, out=below)
    return below


def totals(values: Gray) -> Sums:
    """Sums down each column of uint8[p, n], int32[n]."""
    if values.shape[0] == 0:
        return np.zeros(values.shape[1], np.int32)
    added = cv2.reduce(values, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    return np.asarray(added, np.int32).ravel()


def ranked(values: Gray, place: int) -> Gray:
    """The value at `place` (from 0) in each sorted column of uint8[p, n]: uint8[n].

    Found bit by bit: paper's grey levels are nearly all alike, where sorting is slow.
    """
    found = np.zeros(values.shape[1], np.uint8)
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        tried = found | np.uint8(bit)
        fewer = totals(np.less(values, tried).view(np.uint8)) <= place
        found = np.where(fewer, tried, found)
    return found
