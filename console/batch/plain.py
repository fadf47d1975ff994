"""What travels between the coordinator and its workers: plain values that pickle small."""

from __future__ import annotations

from dataclasses import dataclass, field

from console.batch.files import Bond
from scanner.cvr import PaperMark


@dataclass(frozen=True, slots=True)
class FileRef:
    """One scan to read. `index` is its place in the input (from 0), `shown` its base name
    as text, `stem` the start of its overlays' names (no other file's), `first_page` where
    to go on (from 0). `data` are its bytes where a worker cannot see the file; `mark` says where
    its sheet lies, in a central count."""

    index: int
    path: str
    shown: str
    stem: str
    first_page: int = 0
    data: bytes | None = None
    mark: PaperMark | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """Files that are read together (see `files.Group`), the `number`-th of the batch.

    `follows`: by its name it may be the back of the group before it. `followed` likewise.
    """

    number: int
    bond: Bond
    files: tuple[FileRef, ...]
    follows: bool = False
    followed: bool = False


@dataclass(frozen=True, slots=True)
class PageRows:
    """One page's rows of the marks table: `head` JSON compressed, `numbers` float32[5, n]
    (score, probability, x_px, y_px, write_in_score) as bytes."""

    index: int
    page: int
    head: bytes
    numbers: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused page, a row of `refused.json`."""

    index: int
    page: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """What a person gets of one sheet: files (name within `review/`, bytes), and an entry
    (JSON text) for whoever keeps a queue of them."""

    files: tuple[tuple[str, bytes], ...]
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A cast vote record as JSON text; nothing here says which file it came from."""

    record_id: str
    body: str
    needs_review: bool


@dataclass(slots=True)
class Outcome:
    """All that came of one group, or of two that proved to be one sheet.

    `next_page` is set where a long file is to be gone on with (page from 0). `digests` are
    of the files' bytes, by index. `open_front`: its one page is a front without a back;
    `loose_back`: its one page is a back, or looks like one without a style, without a front.
    """

    numbers: tuple[int, ...]
    files: tuple[int, ...]
    pages: list[PageRows] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    blanks: list[tuple[int, int]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    review: list[ReviewItem] = field(default_factory=list)
    digests: dict[int, bytes] = field(default_factory=dict)
    next_page: int | None = None
    open_front: bool = False
    loose_back: bool = False

    @property
    def size(self) -> int:
        """Bytes that holding it costs, nearly."""
        pictures = sum(len(data) for item in self.review for _, data in item.files)
        return pictures + sum(len(p.head) + len(p.numbers) for p in self.pages)
