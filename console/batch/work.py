"""What a worker does: read a chunk of groups, form sheets of their pages, refuse in words.

Rules of forming sheets (`_joins`), so that no side is ever put to another sheet's:

1. Only two pages that lie side by side (a file's pages n and n + 1, a named pair, the
   next file of a series) can be one sheet, front and back of one style.
2. A front takes the back after it. A back takes a front after it only where it stands at an
   odd place of its file (a pile scanned face down): after one lost page no back shifts.
3. A back that names no style is read with the style of the front beside it, once that is
   read, and else refused.
4. A blank page is the unprinted back of a sheet beside it that lacks nothing, else refused.
5. Every page ends in exactly one place: marks, refusals or blanks.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import cv2
import numpy as np

from console.batch.plain import FileRef, Outcome, PageRows, Record, Refusal, Work
from console.batch.review import ReadPage, review_of
from console.definitions import Definition
from scanner.cvr import new_record
from scanner.decode import DecodedPage, decode_pages
from scanner.errors import PageRefusedError, RefusalReason
from scanner.interpretation import interpret
from scanner.reader import Gray
from scanner.reading import PageReading, Thresholds
from scanner.sheet import SheetReader

#: Pages of one file that a worker reads before it hands in what it has.
PAGES_AT_ONCE = 32
#: A larger file is refused: it would have to be held in memory whole.
MAX_FILE_BYTES = 256 * 2**20


def reader_spec(definition: Definition, limits: Thresholds) -> bytes:
    """What a worker needs to build the reader; made and used by one version of one program."""
    return pickle.dumps((definition, limits))


@lru_cache(maxsize=1)
def reader_of(spec: bytes) -> SheetReader:
    """The reader, built once in a worker process."""
    cv2.setNumThreads(1)
    definition, limits = pickle.loads(spec)  # noqa: S301 - our own `reader_spec`
    reader: SheetReader = definition.reader_within(limits)
    return reader


def warm_up(spec: bytes) -> bool:
    """Build the reader; shows that a worker can start at all."""
    reader_of(spec)
    return True


@dataclass(slots=True)
class Side:
    """One page on its way: read, or refused."""

    file: FileRef
    page: int
    gray: Gray | None = None
    dpi: float | None = None
    seen: PageReading | None = None
    refusal: PageRefusedError | None = None

    @property
    def reading(self) -> PageReading:
        """Its reading; only of a page that was read."""
        if self.seen is None:
            raise ValueError("a page that was not read")
        return self.seen

    def is_front(self) -> bool:
        return self.seen is not None and self.seen.layout.page % 2 == 1

    def is_back(self) -> bool:
        return self.seen is not None and self.seen.layout.page % 2 == 0

    def refused_as(self, reason: RefusalReason) -> bool:
        return self.refusal is not None and self.refusal.reason is reason


def read_chunk(spec: bytes, chunk: Sequence[Work]) -> list[Outcome]:
    """Read groups in order; the outcomes are one a group, or one for two that are a sheet."""
    reader = _Reader(reader_of(spec))
    outcomes: list[Outcome] = []
    held: tuple[Outcome, Side] | None = None
    for work in chunk:
        outcome = Outcome((work.number,), tuple(f.index for f in work.files))
        lone = reader.read_group(work, outcome, held[1] if held and work.follows else None)
        if held is not None:
            before, front = held
            held = None
            if lone is not None and work.follows and reader.joins(front, lone, any_order=False):
                before.numbers += outcome.numbers
                before.files += outcome.files
                before.digests |= outcome.digests
                before.open_front = False
                reader.settle(before, [front, lone])
                continue
            reader.settle(before, [front])
        outcomes.append(outcome)
        if lone is None:
            continue
        outcome.open_front = lone.is_front()
        outcome.loose_back = lone.is_back() or lone.refused_as(RefusalReason.UNKNOWN_STYLE)
        if outcome.open_front:
            held = (outcome, lone)
        else:
            reader.settle(outcome, [lone])
    if held is not None:
        reader.settle(held[0], [held[1]])
    return outcomes


class _Reader:
    """Reads files into outcomes with one `SheetReader`."""

    def __init__(self, sheets: SheetReader) -> None:
        self._sheets = sheets

    # --- files ----------------------------------------------------------------------

    def read_group(self, work: Work, outcome: Outcome, before: Side | None) -> Side | None:
        """Read a group into `outcome`; a file of one page is handed back, not yet settled."""
        if work.bond == "single":
            return self._read_single(work.files[0], outcome, before)
        fronts, backs = (self._first_two(file, outcome) for file in work.files)
        if len(fronts) != 1 or len(backs) != 1:
            for file, sides in zip(work.files, (fronts, backs), strict=True):
                self._read_whole(file, outcome, sides)
            return None
        pair = [fronts[0], backs[0]]
        if self.joins(*pair, any_order=True):
            self.settle(outcome, pair)
        elif work.bond == "word" and all(side.seen for side in pair):
            # Named as one sheet, but it is not: refused together by `interpret`.
            self.settle(outcome, pair)
        else:
            for side in pair:
                self.settle(outcome, [side])
        return None

    def _read_single(self, file: FileRef, outcome: Outcome, before: Side | None) -> Side | None:
        sides = self._sides(file, outcome, before)
        first = next(sides, None)
        if first is None:
            return None
        second = next(sides, None)
        if second is None and file.first_page == 0:
            return first
        looked_at = [side for side in (first, second) if side is not None]
        self._form(outcome, chain(looked_at, sides), most=PAGES_AT_ONCE)
        return None

    def _first_two(self, file: FileRef, outcome: Outcome) -> list[Side]:
        sides = self._sides(file, outcome, None)
        return [side for side, _ in zip(sides, range(2), strict=False)]

    def _read_whole(self, file: FileRef, outcome: Outcome, sides: list[Side]) -> None:
        if len(sides) < 2:
            for side in sides:
                self.settle(outcome, [side])
            return
        self._form(outcome, self._sides(file, outcome, None), most=None)

    def _form(self, outcome: Outcome, sides: Iterator[Side], *, most: int | None) -> None:
        """Sheets of a file's pages; after `most` pages it stops between two sheets."""
        held: Side | None = None
        for count, side in enumerate(sides, start=1):
            if held is not None and self.joins(held, side, any_order=held.page % 2 == 1):
                self.settle(outcome, [held, side])
                held = None
            else:
                if held is not None:
                    self.settle(outcome, [held])
                held = side
            if most is not None and count >= most:
                outcome.next_page = side.page if held is None else held.page - 1
                return
        if held is not None:
            self.settle(outcome, [held])

    def _sides(self, file: FileRef, outcome: Outcome, before: Side | None) -> Iterator[Side]:
        """A file's pages, read as they are decoded; never raises a refusal."""
        page = file.first_page
        try:
            data = _bytes_of(file)
            if file.first_page == 0:
                outcome.digests[file.index] = hashlib.blake2b(data, digest_size=16).digest()
            for decoded in decode_pages(data, name=file.shown, first_page=file.first_page):
                page = decoded.index + 1
                side = Side(file, page)
                if isinstance(decoded, DecodedPage):
                    side.gray, side.dpi = decoded.gray, decoded.dpi
                    front = before.seen if before is not None and before.is_front() else None
                    self._read(side, front)
                else:
                    side.refusal = PageRefusedError(decoded.reason, decoded.detail)
                yield side
                before = side
        except PageRefusedError as refusal:
            yield Side(file, page + 1, refusal=refusal)
        except Exception as error:  # noqa: BLE001 - see `_defect`
            yield Side(file, page + 1, refusal=_defect(error))

    def _read(self, side: Side, front: PageReading | None) -> None:
        if side.gray is None:
            return
        try:
            style = None if front is None else front.layout.ballot_style_id
            side.seen = self._sheets.pages.read(side.gray, style_id=style, dpi=side.dpi)
            side.refusal = None
        except PageRefusedError as refusal:
            side.refusal = refusal
        except Exception as error:  # noqa: BLE001 - see `_defect`
            side.refusal = _defect(error)

    # --- sheets ---------------------------------------------------------------------

    def joins(self, first: Side, second: Side, *, any_order: bool) -> bool:
        """Whether two pages side by side are one sheet (rules 1 to 4).

        `any_order`: the second may be the front (rule 2). A back without a style is read
        again once its front is known.
        """
        for front, back in ((first, second), (second, first))[: 2 if any_order else 1]:
            if not front.is_front():
                continue
            if back.refused_as(RefusalReason.UNKNOWN_STYLE):
                self._read(back, front.seen)
            if back.refused_as(RefusalReason.EMPTY) and self._complete(front.reading):
                # Of a series of single files each is a scan that somebody chose to make.
                return front.file.index == back.file.index or any_order
            if back.seen is not None:
                a, b = front.reading.layout, back.reading.layout
                if (a.ballot_style_id, a.page + 1) == (b.ballot_style_id, b.page):
                    return True
        return False

    def _complete(self, reading: PageReading) -> bool:
        """Whether all of a ballot is on this page, so that its other side is blank."""
        here = {(t.contest_id, t.option_id) for t in reading.layout.targets}
        contests = self._sheets.election.style_contests(reading.layout.ballot_style_id)
        return all((c.id, option) in here for c in contests for option in c.option_ids())

    def settle(self, outcome: Outcome, sides: Sequence[Side]) -> None:
        """Put a sheet's pages where they belong (rule 5)."""
        read = [side for side in sides if side.seen is not None]
        for side in sides:
            if side.refusal is not None and side not in read:
                if side.refused_as(RefusalReason.EMPTY) and read:
                    outcome.blanks.append((side.file.index, side.page))
                else:
                    outcome.refused.append(_refusal(side, side.refusal))
        if not read:
            return
        try:
            seen = interpret(
                [side.reading for side in read], self._sheets.election, self._sheets.profile
            )
            record = new_record(
                seen,
                self._sheets.election.hash,
                os.urandom(16).hex(),
                paper=read[0].file.mark,
            )
            review = review_of(record, seen, [_shown(side) for side in read], self._sheets)
            rows = [_rows(side) for side in read]
        except PageRefusedError as refusal:
            outcome.refused.extend(_refusal(side, refusal) for side in read)
            return
        except Exception as error:  # noqa: BLE001 - see `_defect`
            outcome.refused.extend(_refusal(side, _defect(error)) for side in read)
            return
        body = json.dumps(record.to_json(), ensure_ascii=False, separators=(",", ":"))
        outcome.records.append(Record(record.record_id, body, seen.needs_review))
        outcome.pages.extend(rows)
        if review is not None:
            outcome.review.append(review)


def _defect(error: Exception) -> PageRefusedError:
    """A defect of ours met on one page: named there, so that the rest of a pile goes on."""
    words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return PageRefusedError(
        RefusalReason.UNREADABLE_FILE,
        f"the reader failed on it ({words}). Keep the image and report this",
    )


def _shown(side: Side) -> ReadPage:
    if side.gray is None:
        raise ValueError("a page without pixels")
    file = side.file
    return ReadPage(file.index, file.shown, file.stem, side.page, side.gray, side.reading)


def _refusal(side: Side, refusal: PageRefusedError) -> Refusal:
    return Refusal(side.file.index, side.page, refusal.reason.value, refusal.detail)


def _rows(side: Side) -> PageRows:
    reading = side.reading
    targets = reading.layout.targets
    head = {
        "side": reading.layout.side,
        "ballot_style_id": reading.layout.ballot_style_id,
        "residual_mm": reading.residual_mm,
        "dpi": reading.dpi,
        "contest_id": [t.contest_id for t in targets],
        "option_id": [t.option_id for t in targets],
        "class": [c.value for c in reading.classes],
    }
    numbers = np.stack(
        [
            reading.scores,
            reading.probabilities,
            reading.x_px,
            reading.y_px,
            reading.write_in_scores,
        ]
    )
    return PageRows(
        side.file.index,
        side.page,
        zlib.compress(json.dumps(head, ensure_ascii=False).encode(), 1),
        np.ascontiguousarray(numbers, dtype="<f4").tobytes(),
    )


def _bytes_of(file: FileRef) -> bytes:
    """A file's bytes; a refusal for what is none, is gone or is too large."""
    if file.data is not None:
        return file.data
    return file_bytes(file.path, file.shown)


def file_bytes(path: str, shown: str) -> bytes:
    """The bytes of a scan.

    Raises:
        PageRefusedError: gone, no regular file (a pipe would be waited on for ever), too
            large to hold, or not readable.
    """
    try:
        # Not blocking, so that a pipe without a writer opens too, and is then refused.
        with open(path, "rb", opener=_not_blocking) as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise PageRefusedError(
                    RefusalReason.UNREADABLE_FILE, f"{shown}: is not a file. Give image files"
                )
            if about.st_size > MAX_FILE_BYTES:
                raise PageRefusedError(
                    RefusalReason.TOO_LARGE,
                    f"{shown}: has {about.st_size // 2**20} MiB; at most "
                    f"{MAX_FILE_BYTES // 2**20} are read at once. Split it into shorter files",
                )
            return opened.read()
    except OSError as error:
        raise PageRefusedError(
            RefusalReason.UNREADABLE_FILE, f"{shown}: cannot be read: {error.strerror or error}"
        ) from error


def _not_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
