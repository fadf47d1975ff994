"""The real scans made worse: still nothing read wrong, and refusals only of lost edges."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from election.importers.vxsuite import import_vxsuite
from election.profile import load_profile
from scanner.errors import PageRefusedError
from scanner.reader import PageReader, default_thresholds
from scanner.reading import MarkClass

SCANS = Path(__file__).resolve().parents[3] / "shared" / "data" / "nh-test-ballot"
Gray = npt.NDArray[np.uint8]
#: Width of the paper, mm.
WIDTH_MM = 215.9

pytestmark = pytest.mark.skipif(
    not (SCANS / "truth.json").is_file(), reason="real scans are not beside the project"
)


def grey(pixels: object) -> Gray:
    return np.ascontiguousarray(np.asarray(pixels, np.uint8))


def turned(degrees: float, bed: int) -> Callable[[Gray], Gray]:
    def turn(scan: Gray) -> Gray:
        height, width = scan.shape
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
        size = (int(height * sin + width * cos), int(height * cos + width * sin))
        matrix[:, 2] += (size[0] / 2 - width / 2, size[1] / 2 - height / 2)
        return grey(cv2.warpAffine(scan, matrix, size, borderValue=bed))

    return turn


def to_dpi(dpi: float) -> Callable[[Gray], Gray]:
    def resize(scan: Gray) -> Gray:
        k = dpi * WIDTH_MM / 25.4 / scan.shape[1]
        return grey(cv2.resize(scan, None, fx=k, fy=k, interpolation=cv2.INTER_AREA))

    return resize


def stretched(x: float, y: float) -> Callable[[Gray], Gray]:
    return lambda scan: grey(cv2.resize(scan, None, fx=x, fy=y, interpolation=cv2.INTER_CUBIC))


def toned(gamma: float, light: float = 1.0) -> Callable[[Gray], Gray]:
    table = np.clip(255 * light * (np.arange(256) / 255) ** gamma, 0, 255)
    return lambda scan: grey(cv2.LUT(scan, grey(table)))


def noisy(scan: Gray) -> Gray:
    return grey(np.clip(scan + np.random.default_rng(1).normal(0, 10, scan.shape), 0, 255))


def grainy(scan: Gray) -> Gray:
    coded = cv2.imencode(".jpg", scan, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    return grey(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))


def black_white(scan: Gray) -> Gray:
    return grey(cv2.threshold(scan, 190, 255, cv2.THRESH_BINARY)[1])


def cut(left_mm: float, right_mm: float) -> Callable[[Gray], Gray]:
    def crop(scan: Gray) -> Gray:
        px = scan.shape[1] / WIDTH_MM
        return grey(scan[:, round(left_mm * px) : scan.shape[1] - round(right_mm * px)])

    return crop


def on_a_bed(scan: Gray) -> Gray:
    """Black grown over the outer millimetre of the side marks: a comb, not marks."""
    px = round(scan.shape[1] / WIDTH_MM)
    out = scan.copy()
    out[:, :px] = out[:, -px:] = 10
    return out


def slipped(at_mm: float, by_mm: float) -> Callable[[Gray], Gray]:
    """The paper slips at one line (lines are lost) or is held back (one is repeated)."""

    def slip(scan: Gray) -> Gray:
        px = scan.shape[1] / WIDTH_MM
        line, count = round(at_mm * px), round(abs(by_mm) * px)
        if by_mm > 0:
            return grey(np.delete(scan, slice(line, line + count), axis=0))
        return grey(np.insert(scan, [line] * count, scan[line], axis=0))

    return slip


def readings(worse: Callable[[Gray], Gray]) -> tuple[list[object], list[object], int, int]:
    """Of all scans made worse: wrong targets, refused pages, marginal targets, targets."""
    imported = import_vxsuite(SCANS / "election.json")
    reader = PageReader.for_vxsuite(imported, default_thresholds(load_profile("us-general")))
    wrong: list[object] = []
    refused: list[object] = []
    marginal = positions = 0
    for scan in json.loads((SCANS / "truth.json").read_text(encoding="utf-8"))["scans"]:
        marked = {(m["column"], m["row"]) for m in scan["marked"]}
        gray = grey(cv2.imread(str(SCANS / scan["file"]), cv2.IMREAD_GRAYSCALE))
        try:
            reading = reader.read(worse(gray))
        except PageRefusedError as refusal:
            refused.append((scan["file"], str(refusal)))
            continue
        assert reading.layout.side == scan["side"]
        for target, seen in zip(reading.layout.targets, reading.classes, strict=True):
            positions += 1
            if seen is MarkClass.MARGINAL:
                marginal += 1
            elif (seen is MarkClass.MARK) != ((target.column, target.row) in marked):
                wrong.append((scan["file"], target.contest_id, target.option_id, seen))
    return wrong, refused, marginal, positions


@pytest.mark.parametrize(
    ("worse", "most_refused"),
    [
        pytest.param(turned(-1.5, 245), 0, id="turned, white bed"),
        pytest.param(turned(1.5, 15), 0, id="turned, black bed"),
        pytest.param(on_a_bed, 0, id="black bed over the marks"),
        pytest.param(cut(1, 1), 0, id="cut by 1 mm"),
        # Their own edges had cut the marks short before.
        pytest.param(cut(2, 2), 1, id="cut by 2 mm"),
        pytest.param(stretched(1.0, 1.03), 0, id="3 % long"),
        pytest.param(stretched(0.97, 0.97), 0, id="3 % small"),
        pytest.param(to_dpi(150), 0, id="150 dpi"),
        pytest.param(to_dpi(400), 0, id="400 dpi"),
        pytest.param(toned(1.6), 0, id="dark tones"),
        pytest.param(toned(0.7), 0, id="pale tones"),
        pytest.param(toned(1.0, 0.8), 0, id="a fifth darker"),
        pytest.param(noisy, 0, id="noise"),
        pytest.param(grainy, 0, id="JPEG 30"),
        pytest.param(black_white, 0, id="black and white"),
    ],
)
def test_worse_scans_are_never_read_wrong(worse: Callable[[Gray], Gray], most_refused: int) -> None:
    wrong, refused, marginal, positions = readings(worse)
    assert wrong == []
    assert len(refused) <= most_refused, refused
    assert marginal <= 0.01 * positions


@pytest.mark.parametrize(("at_mm", "by_mm"), [(135, 1), (70, 2), (70, -2), (70, -3)])
def test_paper_that_slips_under_a_target_is_never_read_wrong(at_mm: float, by_mm: float) -> None:
    """Parts of a target, or a whole part of the page, are not where the marks say."""
    wrong, refused, marginal, _ = readings(slipped(at_mm, by_mm))
    assert wrong == []
    assert refused or marginal
