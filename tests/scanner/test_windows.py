"""Stacks of windows say what plain slicing, filtering and sorting say."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.mark_rows import chain, longest_chain
from scanner.windows import cut_out, darkest_around, inked, ranked, stacked, sums_at, totals

SEEDS = st.integers(0, 2**32 - 1)


def noise(seed: int, *shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@settings(deadline=None)
@given(SEEDS, st.integers(1, 9), st.integers(1, 11), st.booleans())
def test_windows_are_slices_of_the_page_and_of_what_lies_beyond(
    seed: int, high: int, wide: int, some: bool
) -> None:
    rng = np.random.default_rng(seed)
    gray = noise(seed, 40, 30)
    corner = rng.integers(-15, 45, (6, 2))
    only = np.unique(rng.integers(0, high, 4)) if some else None
    windows = cut_out(gray, corner, (high, wide), 77, only)
    framed = np.full((40 + 200, 30 + 200), 77, np.uint8)
    framed[100:140, 100:130] = gray
    for (y, x), window in zip(corner, windows, strict=True):
        whole = framed[100 + y : 100 + y + high, 100 + x : 100 + x + wide]
        np.testing.assert_array_equal(window, whole if only is None else whole[only])


@settings(deadline=None)
@given(SEEDS, st.integers(1, 2))
def test_the_darkest_around_a_place_is_opencvs_erosion_within_a_window(seed: int, by: int) -> None:
    windows = noise(seed, 3, 13, 17)
    width = windows.shape[2]
    darkest = darkest_around(stacked(windows), width, by)
    margin = by * (width + 1)
    kernel = np.ones((2 * by + 1,) * 2, np.uint8)
    inside = [(y, x) for y in range(by, 13 - by) for x in range(by, width - by)]
    for n, window in enumerate(windows):
        expected = np.asarray(cv2.erode(window, kernel))
        assert [darkest[y * width + x - margin, n] for y, x in inside] == [
            expected[place] for place in inside
        ]


@given(SEEDS, st.integers(1, 20), st.integers(1, 7))
def test_sums_ranks_and_counts_are_numpys(seed: int, places: int, targets: int) -> None:
    rng = np.random.default_rng(seed)
    # Few different values, as paper has, so that many are equal.
    stack = (noise(seed, places, targets) // 60).astype(np.uint8) * 50
    asked = rng.integers(0, places, (3, 5))
    np.testing.assert_array_equal(sums_at(stack, asked), stack[asked].sum(axis=0, dtype=np.int64))
    ordered = np.sort(stack, axis=0)
    for place in range(places):
        np.testing.assert_array_equal(ranked(stack, place), ordered[place])
    level = noise(seed + 1, targets)
    mask = (noise(seed + 2, places, targets) > 100).astype(np.uint8) * 255
    counted = totals(inked(stack, level, mask))
    np.testing.assert_array_equal(counted, ((stack < level) & (mask > 0)).sum(axis=0))
    assert totals(stack[:0]).tolist() == [0] * targets


@given(st.lists(st.floats(0, 400), min_size=1, max_size=30, unique=True), SEEDS)
def test_no_choice_of_places_chains_more_than_the_bound(places: list[float], seed: int) -> None:
    along = np.sort(np.array(places))
    kept = along[np.random.default_rng(seed).random(along.size) < 0.7]
    bound = longest_chain(along, 11.0)
    assert chain(along, 11.0)[0].size <= bound
    assert chain(kept, 11.0)[0].size <= bound
