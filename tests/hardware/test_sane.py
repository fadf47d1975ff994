"""SANE scanners, on SANE's own test device with its document feeder (ten pages)."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from hardware.errors import FeederError, LinkError
from hardware.sane import SaneScanner, SaneSettings, list_scanners

pytestmark = pytest.mark.skipif(
    shutil.which("scanimage") is None, reason="scanimage is missing: make system-deps"
)
FEEDER = "Automatic Document Feeder"


def settings(*options: str, sides: int = 1, source: str | None = FEEDER) -> SaneSettings:
    return SaneSettings(
        "test", source=source, dpi=100, sides=sides, width_mm=100, height_mm=150, options=options
    )


def test_a_stack_is_fed_to_its_end() -> None:
    with SaneScanner(settings("--test-picture", "Grid")) as scanner:
        sheets = []
        while (images := scanner.feed()) is not None:
            sheets.append(images)
        assert scanner.feed() is None
    assert [len(images) for images in sheets] == [1] * 10
    page = cv2.imdecode(np.frombuffer(sheets[0][0], np.uint8), cv2.IMREAD_GRAYSCALE)
    # 100 mm by 150 mm at 100 dpi.
    assert abs(page.shape[0] - 591) <= 2
    assert abs(page.shape[1] - 394) <= 2
    assert set(np.unique(page)) == {0, 255}


def test_two_pages_are_a_sheet() -> None:
    with SaneScanner(settings(sides=2)) as scanner:
        sheets = [scanner.feed() for _ in range(6)]
    assert [images and len(images) for images in sheets] == [2, 2, 2, 2, 2, None]


def test_an_odd_page_is_no_sheet() -> None:
    with SaneScanner(settings("--batch-count=3", sides=2)) as scanner:
        assert scanner.feed() is not None
        with pytest.raises(FeederError, match="sheet 2: its back did not come"):
            scanner.feed()


@pytest.mark.parametrize(
    ("status", "word"),
    [("JAMMED", "jam"), ("COVER_OPEN", "cover_open"), ("IO_ERROR", "scanner_io")],
)
def test_a_page_that_jammed_is_not_read(status: str, word: str) -> None:
    # scanimage itself calls such a page scanned, keeps it and ends with 0.
    stack = settings("--read-return-value", f"SANE_STATUS_{status}")
    with SaneScanner(stack) as scanner, pytest.raises(FeederError, match=word):
        scanner.feed()


def test_a_scanner_that_is_not_there() -> None:
    missing = pytest.raises(LinkError, match="nosuch:1 cannot be used")
    with SaneScanner(SaneSettings("nosuch:1")) as scanner, missing:
        scanner.feed()


def test_a_setting_that_it_has_not() -> None:
    refused = pytest.raises(LinkError, match="cannot be used")
    with SaneScanner(settings(source="Upper tray")) as scanner, refused:
        scanner.feed()
    with pytest.raises(LinkError, match="9000 dpi"):
        SaneScanner(SaneSettings("test", dpi=9000))
    with pytest.raises(LinkError, match="no SANE device"):
        SaneScanner(SaneSettings("--help"))


def test_listing_answers() -> None:
    # The test device is found only where the system's dll.conf names it.
    assert all(device.name for device in list_scanners())
