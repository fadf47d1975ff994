"""Reading a pile of scan files: pair the sides, read, and write what was found.

Everything beside a bad file is still read; every refused page is listed with its reason.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from console.review import QUEUE, review_item, write_queue
from election.layout import PageLayout
from scanner.cvr import CastVoteRecord, cvr_report, new_record
from scanner.decode import DecodedPage, decode_pages
from scanner.errors import PageRefusedError, RefusalReason
from scanner.interpretation import NOTE_KINDS, interpret
from scanner.reader import Gray
from scanner.reading import MarkClass, PageReading
from scanner.sheet import SheetReader

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pdf"}
#: File names that differ only in this part are the two sides of one sheet.
_SIDE = re.compile(r"(?i)(?<![a-z])(front|back)(?![a-z])|(?<=[-_])p?([12])(?=\.[^.]+$)")
#: BGR colours of the overlay.
_COLOURS = {
    MarkClass.MARK: (60, 160, 0),
    MarkClass.MARGINAL: (0, 140, 255),
    MarkClass.NO_MARK: (190, 150, 90),
}


@dataclass(slots=True)
class BatchResult:
    """What a batch came to; `marks` are the rows of `marks.parquet`."""

    records: list[CastVoteRecord] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    review: list[str] = field(default_factory=list)
    queue: list[str] = field(default_factory=list)


def scan_files(paths: Iterable[Path]) -> list[Path]:
    """Files as named, folders as the images within them, sorted; nothing twice."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            found.update(dict.fromkeys(inside))
        else:
            found[path] = None
    return list(found)


def pair_files(files: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Group files whose names differ only in front/back or 1/2 into one sheet."""
    groups: dict[tuple[Path, str], list[Path]] = {}
    for path in files:
        groups.setdefault((path.parent, _SIDE.sub("*", path.name)), []).append(path)
    for group in groups.values():
        if len(group) == 2:
            yield tuple(group)
        else:
            yield from ((path,) for path in group)


@dataclass(frozen=True, slots=True)
class _Page:
    file: str
    page: int
    gray: Gray
    reading: PageReading


class BatchReader:
    """Reads files one sheet after the other into a `BatchResult`."""

    def __init__(self, sheets: SheetReader, review_dir: Path | None) -> None:
        self._sheets = sheets
        self._review_dir = review_dir
        self.result = BatchResult()

    def read(self, files: Sequence[Path], done: Callable[[int], None] = lambda _: None) -> None:
        """Read all files; `done(n)` is called after each n files."""
        for group in pair_files(files):
            pages = [page for path in group for page in self._read_file(path)]
            for sheet in _sheets_of(pages):
                self._record(sheet)
            done(len(group))

    def _refuse(self, path: Path, page: int, refusal: PageRefusedError) -> None:
        self.result.refused.append(
            {
                "file": path.name,
                "page": page,
                "reason": refusal.reason.value,
                "detail": refusal.detail,
            }
        )

    def _read_file(self, path: Path) -> list[_Page]:
        pages: list[_Page] = []
        blanks: list[tuple[int, PageRefusedError]] = []
        try:
            for decoded in decode_pages(path.read_bytes(), name=path.name):
                number = decoded.index + 1
                try:
                    if not isinstance(decoded, DecodedPage):
                        raise PageRefusedError(decoded.reason, decoded.detail)
                    reading = self._sheets.pages.read(decoded.gray)
                except PageRefusedError as refusal:
                    if refusal.reason is RefusalReason.EMPTY:
                        blanks.append((number, refusal))
                    else:
                        self._refuse(path, number, refusal)
                    continue
                pages.append(_Page(path.name, number, decoded.gray, reading))
        except PageRefusedError as refusal:
            self._refuse(path, 1, refusal)
        except OSError as error:
            reason = PageRefusedError(RefusalReason.UNREADABLE_FILE, error.strerror or str(error))
            self._refuse(path, 1, reason)
        if not pages:
            # A blank back beside a printed front is nothing to report; a file of blanks is.
            for number, blank in blanks:
                self._refuse(path, number, blank)
        return pages

    def _record(self, sheet: Sequence[_Page]) -> None:
        try:
            seen = interpret(
                [p.reading for p in sheet], self._sheets.election, self._sheets.profile
            )
        except PageRefusedError as refusal:
            for page in sheet:
                self._refuse(Path(page.file), page.page, refusal)
            return
        record = new_record(seen, self._sheets.election.hash, os.urandom(16).hex())
        self.result.records.append(record)
        if self._review_dir is not None:
            asked = review_item(
                [p.gray for p in sheet],
                [p.reading for p in sheet],
                seen,
                record.record_id,
                record=record,
                sources=[(p.file, p.page) for p in sheet],
                election=self._sheets.election,
                profile=self._sheets.profile,
            )
            if asked is not None:
                self.result.queue.append(asked.entry)
                for name, data in asked.files:
                    path = self._review_dir / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
        for page in sheet:
            self.result.marks.extend(_mark_rows(page))
        if seen.needs_review and self._review_dir is not None:
            self._review_dir.mkdir(parents=True, exist_ok=True)
            for page in sheet:
                name = f"{Path(page.file).stem}-p{page.page}.png"
                wanted = {f.contest_id for f in seen.flags if f.kind not in NOTE_KINDS}
                cv2.imwrite(str(self._review_dir / name), overlay(page.gray, page.reading, wanted))
                self.result.review.append(name)


def _sheets_of(pages: Sequence[_Page]) -> Iterator[list[_Page]]:
    """Consecutive pages that are different sides of one style are one sheet."""
    sheet: list[_Page] = []
    for page in pages:
        layout = page.reading.layout
        fits = sheet and all(
            p.reading.layout.ballot_style_id == layout.ballot_style_id
            and p.reading.layout.page != layout.page
            for p in sheet
        )
        if sheet and not fits:
            yield sheet
            sheet = []
        sheet.append(page)
    if sheet:
        yield sheet


def _mark_rows(page: _Page) -> Iterator[dict[str, Any]]:
    reading = page.reading
    for i, target in enumerate(reading.layout.targets):
        yield {
            "file": page.file,
            "page": page.page,
            "side": reading.layout.side,
            "ballot_style_id": reading.layout.ballot_style_id,
            "contest_id": target.contest_id,
            "option_id": target.option_id,
            "score": float(reading.scores[i]),
            "class": reading.classes[i].value,
            "x_px": float(reading.x_px[i]),
            "y_px": float(reading.y_px[i]),
            "write_in_score": float(reading.write_in_scores[i]),
            "residual_mm": reading.residual_mm,
            "dpi": reading.dpi,
        }


def overlay(gray: Gray, reading: PageReading, wanted: set[str | None]) -> np.ndarray[Any, Any]:
    """The scan with every target ringed by class (green mark, orange marginal, grey-blue
    none) and the contests that need a person boxed in red; BGR uint8[h, w, 3]."""
    picture = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    ppm = reading.dpi / 25.4
    line = max(2, round(0.35 * ppm))
    layout: PageLayout = reading.layout
    sideways = reading.orientation_deg in (90, 270)
    for i, target in enumerate(layout.targets):
        wide, high = target.width_mm / 2 + 0.8, target.height_mm / 2 + 0.8
        if sideways:
            wide, high = high, wide
        x, y = float(reading.x_px[i]), float(reading.y_px[i])

        def box(
            grow: float,
            x: float = x,
            y: float = y,
            wide: float = wide,
            high: float = high,
        ) -> tuple[tuple[int, int], tuple[int, int]]:
            a, b = (wide + grow) * ppm, (high + grow) * ppm
            return (round(x - a), round(y - b)), (round(x + a), round(y + b))

        cv2.rectangle(picture, *box(0), _COLOURS[reading.classes[i]], line)
        if target.contest_id in wanted:
            cv2.rectangle(picture, *box(0.9), (30, 30, 220), line)
    return picture


def write_batch(out: Path, sheets: SheetReader, result: BatchResult) -> None:
    """Write `cvrs.json`, `queue.json`, `marks.parquet` and `refused.json` into `out`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out.mkdir(parents=True, exist_ok=True)
    report = cvr_report(
        sheets.election, result.records, device_id="ballotbench-read", created=datetime.now(UTC)
    )
    (out / "cvrs.json").write_text(
        json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    write_queue(out / QUEUE, sheets.election, sheets.profile, sorted(result.queue))
    (out / "refused.json").write_text(
        json.dumps(result.refused, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    text, number, whole = pa.string(), pa.float32(), pa.int32()
    schema = pa.schema(
        [
            ("file", text),
            ("page", whole),
            ("side", text),
            ("ballot_style_id", text),
            ("contest_id", text),
            ("option_id", text),
            ("score", number),
            ("class", text),
            ("x_px", number),
            ("y_px", number),
            ("write_in_score", number),
            ("residual_mm", number),
            ("dpi", number),
        ]
    )
    pq.write_table(pa.Table.from_pylist(result.marks, schema=schema), out / "marks.parquet")
