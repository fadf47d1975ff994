"""Pages of the New Hampshire form, drawn: a definition in their form, its print, its codes.

A public test tool. Nothing of any real ballot is in it: names, numbers and contests are
made here; the form (marks of 3/16 × 1/16 inch, hairline ovals right of the names, a code
in the bottom row) is `election.importers.vxsuite`'s.

    imported = convert_vxsuite(definition("legal", cards=(3, 4)))
    page = imported.layouts[0].pages[0]
    blank = draw_page(page, imported, card=3)
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from election.importers.vxsuite import BACK_ENDER, MARK_HEIGHT_MM, MARK_WIDTH_MM, VxElection
from election.layout import PageLayout

Gray = npt.NDArray[np.uint8]

DPI = 300.0
DATE = "2024-09-10"
HEIGHT_IN = {"letter": 11.0, "legal": 14.0, "custom-8.5x17": 17.0}
#: Columns of the ovals: three parties and the write-in lines.
COLUMNS = (12, 19, 26, 32)
#: Sub-pixel bits of OpenCV's drawing coordinates.
_SHIFT = 6


def definition(
    paper: str = "legal", cards: tuple[int, ...] = (3,), *, date: str = DATE, seats: int = 11
) -> dict[str, Any]:
    """A VotingWorks definition of this paper with one ballot style a card number.

    Each style has an office of one seat (a candidate of two parties among its ovals), one of
    many seats with an oval in every row, as long as the page, and on the back a question and
    an office; every style has contests of its own, at rows of its own.
    """
    rows = round(HEIGHT_IN[paper] * 4) - 3
    contests: list[dict[str, Any]] = []
    layouts = []
    for number, card in enumerate(cards):
        positions: list[dict[str, Any]] = []
        mayor, house = f"Mayor-{card}", f"House-{card}"
        shift = number % 3
        contests += [
            _office(mayor, 1, 2),
            _office(house, seats, 3 * (rows - 20 - shift)),
            _question(f"Question-{card}"),
            _office(f"Clerk-{card}", 1, 2),
        ]
        row = 9 + shift
        positions += [
            _option("front", COLUMNS[0], row, mayor, f"{mayor}-c0"),
            _option("front", COLUMNS[1], row, mayor, f"{mayor}-c1"),
            _option("front", COLUMNS[2], row, mayor, f"{mayor}-c0"),
            _line("front", row, mayor, 0),
        ]
        names = iter(range(3 * (rows - 20 - shift)))
        for row in range(14 + shift, rows - 6):
            positions += [
                _option("front", column, row, house, f"{house}-c{next(names)}")
                for column in COLUMNS[:3]
            ]
        positions += [_line("front", 14 + shift + 2 * k, house, k) for k in range(4)]
        question, clerk = f"Question-{card}", f"Clerk-{card}"
        positions += [
            _option("back", COLUMNS[2], 20.5 + shift, question, f"{question}-yes"),
            _option("back", COLUMNS[3], 20.5 + shift, question, f"{question}-no"),
            _option("back", COLUMNS[0], 6 + shift, clerk, f"{clerk}-c0"),
            _option("back", COLUMNS[1], 6 + shift, clerk, f"{clerk}-c1"),
            _line("back", 6 + shift, clerk, 0),
        ]
        layouts.append({"ballotStyleId": f"card-number-{card}", "gridPositions": positions})
    return {
        "title": "Town Election",
        "date": f"{date}T00:00:00-04:00",
        "state": "NH",
        "county": {"id": "00001", "name": "Made Up"},
        "ballotLayout": {"paperSize": paper, "metadataEncoding": "timing-marks"},
        "districts": [{"id": "town", "name": "Town"}],
        "parties": [],
        "precincts": [{"id": "ward-1", "name": "Ward 1"}, {"id": "ward-2", "name": "Ward 2"}],
        "ballotStyles": [
            {"id": f"card-number-{c}", "precincts": ["ward-1"], "districts": ["town"]}
            for c in cards
        ],
        "contests": contests,
        "gridLayouts": layouts,
    }


def _office(contest: str, seats: int, candidates: int) -> dict[str, Any]:
    return {
        "id": contest,
        "type": "candidate",
        "title": contest.replace("-", " "),
        "districtId": "town",
        "seats": seats,
        "allowWriteIns": True,
        "candidates": [
            {"id": f"{contest}-c{k}", "name": f"Person Number {k}", "partyIds": []}
            for k in range(candidates)
        ],
    }


def _question(contest: str) -> dict[str, Any]:
    return {
        "id": contest,
        "type": "yesno",
        "title": contest,
        "description": "Shall it be so?",
        "districtId": "town",
        "yesOption": {"id": f"{contest}-yes", "label": "Yes"},
        "noOption": {"id": f"{contest}-no", "label": "No"},
    }


def _option(side: str, column: float, row: float, contest: str, option: str) -> dict[str, Any]:
    place = {"sheetNumber": 1, "side": side, "column": column, "row": row}
    return {"type": "option", **place, "contestId": contest, "optionId": option}


def _line(side: str, row: float, contest: str, index: int) -> dict[str, Any]:
    place = {"sheetNumber": 1, "side": side, "column": COLUMNS[3], "row": row}
    area = {"x": 27, "y": row - 0.65, "width": 4.5, "height": 0.85}
    return {
        "type": "write-in",
        **place,
        "contestId": contest,
        "writeInIndex": index,
        "writeInArea": area,
    }


def front_bits(card: int, *, precinct: int = 0, sequence: int = 0) -> list[int]:
    """The 32 bits of a front's bottom row, left to right."""
    low = [0, 0, *_bits(precinct, 13), *_bits(card, 13), *_bits(sequence, 3), 1]
    low[:2] = _bits(sum(low) % 4, 2)
    return low[::-1]


def back_bits(day: int, month: int, year: int, letter: str = "G") -> list[int]:
    """The 32 bits of a back's bottom row, left to right."""
    head = [*_bits(day, 5), *_bits(month, 4), *_bits(year, 7), *_bits(ord(letter) - 65, 5)]
    return [*head, *BACK_ENDER][::-1]


def _bits(value: int, count: int) -> list[int]:
    return [value >> k & 1 for k in range(count)]


def draw_page(page: PageLayout, imported: VxElection, bits: list[int] | None = None) -> Gray:
    """A blank page, uint8[h, w] at `DPI`: marks, code, boxes, names, ovals."""
    card = next((c for c, s in imported.card_numbers.items() if s == page.ballot_style_id), 0)
    bits = bits or (front_bits(card) if page.side == "front" else back_bits(*imported.date))
    size = tuple(round(v / 25.4 * DPI) for v in (page.height_mm, page.width_mm))
    out = np.full(size, 255, np.uint8)
    last = page.grid.columns - 1
    for mark in page.timing_marks:
        if mark.edge == "bottom" and not bits[mark.index - 1]:
            continue
        _box(out, mark.x_mm, mark.y_mm, MARK_WIDTH_MM, MARK_HEIGHT_MM, 30)
    left, right = page.grid.point(0.7, 0)[0], page.grid.point(last - 0.7, 0)[0]
    top = page.grid.point(0, 5)[1] if page.side == "front" else page.grid.point(0, 2)[1]
    _words(out, "OFFICIAL BALLOT", page.width_mm * 0.6, page.grid.point(0, 2.5)[1], 1.2)
    _box(out, (left + right) / 2, top + 3, right - left, 6, 40)
    rows = sorted({t.row for t in page.targets})
    for row in rows:
        y = page.grid.point(0, row + 0.5)[1]
        _box(out, (left + right) / 2, y, right - left, 0.3, 60)
    for column in (6, *COLUMNS):
        x = page.grid.point(column + 0.55, 0)[0]
        if x < right:
            bottom = page.grid.point(0, rows[-1] + 0.5)[1]
            _box(out, x, (top + bottom) / 2, 0.35, bottom - top, 60)
    for number, target in enumerate(page.targets):
        _oval(out, target.x_mm, target.y_mm, target.width_mm, target.height_mm)
        word = "Write-in" if target.option_id.startswith("write-in") else f"Candidate {number}"
        scale, below = (0.5, 2.4) if word == "Write-in" else (0.8, 1.2)
        _words(out, word, target.x_mm - 3.3, target.y_mm + below, scale)
    return out


def _px(value_mm: float) -> int:
    """A place in mm as OpenCV's fixed-point pixels (centres stand at whole numbers)."""
    return round((value_mm / 25.4 * DPI - 0.5) * (1 << _SHIFT))


def _box(out: Gray, x: float, y: float, wide: float, high: float, level: int) -> None:
    scale = DPI / 25.4
    x0, x1 = round((x - wide / 2) * scale), round((x + wide / 2) * scale)
    y0, y1 = round((y - high / 2) * scale), round((y + high / 2) * scale)
    out[max(0, y0) : y1, max(0, x0) : x1] = level


def _oval(out: Gray, x: float, y: float, wide: float, high: float) -> None:
    """A hairline stadium, as printed: its outer size is the target's."""
    radius = high / 2 - 0.06
    straight = wide / 2 - high / 2
    for sign in (-1, 1):
        centre = (_px(x + sign * straight), _px(y))
        axes = (round(radius / 25.4 * DPI * (1 << _SHIFT)),) * 2
        start = 90 if sign < 0 else -90
        cv2.ellipse(out, centre, axes, 0, start, start + 180, 0, 1, cv2.LINE_AA, _SHIFT)
        ends = (_px(x - straight), _px(x + straight))
        level = _px(y + sign * radius)
        cv2.line(out, (ends[0], level), (ends[1], level), 0, 1, cv2.LINE_AA, _SHIFT)


def _words(out: Gray, words: str, right_mm: float, base_mm: float, scale: float) -> None:
    font = cv2.FONT_HERSHEY_DUPLEX
    (wide, _), _ = cv2.getTextSize(words, font, scale, 2)
    at = (round(right_mm / 25.4 * DPI) - wide, round(base_mm / 25.4 * DPI))
    cv2.putText(out, words, at, font, scale, 30, 2, cv2.LINE_AA)
